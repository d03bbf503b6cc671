#include "nas/hinge.h"
#include "nas/jobs.h"
#include "nas/journal.h"
#include "nas/model.h"
#include "nas/points.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHORTLIST_FROM = 64, SHORTLIST = 40, ROUGH = 1024 };

/* The first n records, without copying: only columns of whole data sets are shared. */
static int cut_data(const struct nas_data *d, size_t n, struct nas_data *to)
{
	*to = *d;
	to->n = n;
	to->records = NULL;
	to->in = malloc(sizeof(double) * d->ins * n);
	to->ref = malloc(sizeof(double) * d->outs * n);
	to->weight = malloc(sizeof(double) * n);
	if (to->in == NULL || to->ref == NULL || to->weight == NULL) {
		nas_data_clear(to);
		return HV_E_NOMEM;
	}
	for (size_t e = 0; e < d->ins; e++)
		memcpy(to->in + e * n, d->in + e * d->n, sizeof(double) * n);
	for (size_t e = 0; e < d->outs; e++)
		memcpy(to->ref + e * n, d->ref + e * d->n, sizeof(double) * n);
	memcpy(to->weight, d->weight, sizeof(double) * n);
	return HV_OK;
}

static bool is_absolute(const struct harvest_task *t)
{
	return t->metric == HARVEST_MEAN_REL || t->metric == HARVEST_MAX_ABS;
}

static struct nas_model *model_new(const struct setting *s)
{
	struct nas_model *m = nas_model_new(&s->e.plan, "hinge");

	if (m == NULL)
		return NULL;
	m->direct = s->direct;
	m->residual = s->residual;
	return m;
}

/* What the units of a setting depend on. */
static struct nas_key key_of(const struct setting *s)
{
	struct nas_key k = nas_key_begin(s->keep ? "units" : s->rough ? "rough" : "quick");

	nas_key_plan(&k, &s->e.plan);
	nas_key_u64(&k, s->direct);
	nas_key_u64(&k, s->residual && !s->keep);
	nas_key_u64(&k, (uint64_t)(int64_t)s->shift);
	nas_key_u64(&k, s->act);
	nas_key_u64(&k, s->width);
	nas_key_u64(&k, s->n);
	nas_key_u64(&k, s->pool);
	nas_key_u64(&k, s->rounds);
	nas_key_u64(&k, s->sweeps);
	nas_key_u64(&k, s->seed);
	return k;
}

/* Weights, then biases, as the journal has them. */
static bool take_units(struct nas_journal *j, const struct setting *s, unsigned channels,
		       struct nas_units *u)
{
	size_t len = 0, row = channels + 1u;
	hv_autofree uint8_t *kept = nas_journal_find(j, key_of(s), &len);

	if (kept == NULL || len == 0 || len % row != 0 || len / row > s->width)
		return false;
	u->n = (unsigned)(len / row);
	u->channels = channels;
	u->weights = malloc((size_t)u->n * channels);
	u->bias = malloc(u->n);
	if (u->weights == NULL || u->bias == NULL) {
		nas_units_clear(u);
		return false;
	}
	memcpy(u->weights, kept, (size_t)u->n * channels);
	memcpy(u->bias, kept + (size_t)u->n * channels, u->n);
	return true;
}

static void keep_units(struct nas_journal *j, const struct setting *s, const struct nas_units *u)
{
	size_t n = (size_t)u->n * u->channels;
	hv_autofree uint8_t *b = malloc(n + u->n + 1);

	if (b == NULL)
		return;
	memcpy(b, u->weights, n);
	memcpy(b + n, u->bias, u->n);
	nas_journal_keep(j, key_of(s), b, n + u->n);
}

struct patience {
	const struct nas_request *q;
	bool over;
};

/* At the end of the budget what there is has to do. */
static bool still(void *ctx, double share, double error)
{
	struct patience *p = ctx;

	(void)share;
	(void)error;
	p->over = !nas_time_left(p->q, 0.97);
	return !p->over;
}

static int find_units(struct nas_request *q, const struct setting *s, const struct nas_data *d,
		      const struct nas_model *m, const float *x, const double *t, const double *w,
		      struct nas_units *u)
{
	uint8_t feature[NAS_CHANNELS_MAX];
	struct nas_hinge_problem p = { .n = d->n,
				       .channels = m->plan->channels,
				       .targets = m->plan->targets,
				       .x = x,
				       .t = t,
				       .weight = w,
				       .absolute_loss = is_absolute(d->task),
				       .direct = s->direct,
				       .shift = s->shift,
				       .act = s->act,
				       .width = s->rough ? 4 : s->width,
				       .pool = s->rough ? 96 : s->pool,
				       .rounds = s->rough ? 2 : s->rounds,
				       .sweeps = s->sweeps,
				       .seed = s->seed,
				       .feature = feature };
	struct patience end = { .q = q };
	int r;

	if (s->keep && take_units(q->journal, s, p.channels, u))
		return HV_OK;
	nas_encoding_features(&s->e, feature);
	r = nas_hinge_run(&p, s->keep ? still : NULL, &end, u);
	if (r == HV_OK && s->keep && !end.over)
		keep_units(q->journal, s, u);
	return r;
}

static int fit(struct nas_request *q, struct setting *s, const struct nas_data *d,
	       const struct nas_data *valid, struct nas_model *m)
{
	hv_autofree float *x = nas_plan_channels(m->plan, d);
	hv_autofree float *xv = nas_plan_channels(m->plan, valid);
	double *t = NULL, *w = NULL;
	struct nas_units u = { 0 };
	int r = HV_E_NOMEM;

	if (x != NULL && xv != NULL)
		r = nas_plan_targets(m->plan, d, &t, &w);
	if (r == HV_OK && s->width > 0)
		r = find_units(q, s, d, m, x, t, w, &u);
	if (r == HV_OK && s->width > 0) {
		m->hiddens = 1;
		m->hidden[0] = (struct nas_hidden){ .units = u.n,
						    .from = m->plan->channels,
						    .weights = u.weights,
						    .bias = u.bias,
						    .shift = s->shift,
						    .act = s->act };
	}
	if (r == HV_OK)
		r = nas_model_solve(m, x, d->n, t, w, is_absolute(d->task));
	if (r == HV_OK)
		m->error = s->error = nas_model_error(m, valid, xv);
	free(t);
	free(w);
	return r;
}

/* The error of a run that leaves nothing but its error. */
static bool take_error(struct points *g, struct setting *s)
{
	size_t len = 0;
	hv_autofree uint8_t *kept =
		s->keep ? NULL : nas_journal_find(g->q->journal, key_of(s), &len);

	if (kept == NULL || len != sizeof(s->error))
		return false;
	memcpy(&s->error, kept, sizeof(s->error));
	return true;
}

/* Job: one setting on the first n training records. */
static int run_try(void *ctx, unsigned i)
{
	struct points *g = ctx;
	struct setting *s = &g->try[i];
	struct nas_data d = { 0 }, v = { 0 };
	struct nas_model *m;
	int r;

	s->error = NAN;
	if (take_error(g, s))
		return HV_OK;
	if (!s->keep && i > 0 && !nas_time_left(g->q, 0.4))
		return HV_OK; /* what has been tried has to do */
	r = cut_data(&g->train, s->rough ? ROUGH : s->n < g->train.n ? s->n : g->train.n, &d);
	if (r < 0)
		return r;
	r = cut_data(&g->valid, s->keep ? g->valid.n : QUICK, &v);
	m = r == HV_OK ? model_new(s) : NULL;
	if (m != NULL)
		r = fit(g->q, s, &d, &v, m);
	else
		r = HV_E_NOMEM;
	nas_data_clear(&d);
	nas_data_clear(&v);
	if (r == HV_OK && !s->keep)
		nas_journal_keep(g->q->journal, key_of(s), &s->error, sizeof(s->error));
	if (r == HV_E_CANCEL) {
		nas_model_free(m);
		s->error = NAN;
		return HV_OK;
	}
	if (r < 0 || !s->keep) {
		nas_model_free(m);
		m = NULL;
	}
	s->model = m;
	return r;
}

static int run_all(struct points *g)
{
	int r = nas_jobs_run(run_try, g, g->tries, g->q->threads);

	if (r < 0)
		snprintf(g->why, g->cap, "search for task %s: %s", g->q->task->name,
			 hv_err_text(r));
	return r;
}

/* Rough runs of everything first: those that come out best among very many, in the order they
 * were collected, and the first one in any case. */
static int shortlist(struct points *g)
{
	double *error;
	unsigned kept = 1;
	int r;

	for (unsigned i = 0; i < g->tries; i++)
		g->try[i].rough = true;
	r = run_all(g);
	if (r < 0)
		return r;
	error = malloc(sizeof(*error) * g->tries);
	if (error == NULL)
		return HV_E_NOMEM;
	for (unsigned i = 0; i < g->tries; i++)
		error[i] = g->try[i].error;
	for (unsigned i = 1; i < g->tries; i++) {
		unsigned better = 0;

		for (unsigned k = 1; k < g->tries; k++)
			better +=
				k != i && (nas_better(g->q->task, error[k], error[i]) ||
					   (k < i && !nas_better(g->q->task, error[i], error[k])));
		if (better < SHORTLIST)
			g->try[kept++] = g->try[i];
	}
	g->tries = kept;
	free(error);
	for (unsigned i = 0; i < g->tries; i++)
		g->try[i].rough = false;
	return HV_OK;
}

int nas_points_try(struct points *g, unsigned *best)
{
	int r = g->tries > SHORTLIST_FROM ? shortlist(g) : HV_OK;

	if (r == HV_OK)
		r = run_all(g);
	if (r < 0)
		return r;
	*best = 0;
	for (unsigned i = 1; i < g->tries; i++)
		if (nas_better(g->q->task, g->try[i].error, g->try[*best].error))
			*best = i;
	return HV_OK;
}

struct setting nas_points_quick(const struct points *g, const struct nas_encoding *e)
{
	return (struct setting){ .e = *e,
				 .direct = true,
				 .shift = -1,
				 .act = CNN_ACT_RELU,
				 .width = WIDTH_QUICK,
				 .n = QUICK,
				 .pool = 192,
				 .rounds = 6,
				 .seed = g->q->seed };
}

/* Cycles that a decoding of `parts` words a target takes. */
static uint64_t decode_cycles(const struct nas_plan *p, unsigned parts)
{
	return (uint64_t)p->targets * (4u * parts + 3u) + p->posts;
}

bool nas_points_affordable(const struct points *g, const struct nas_encoding *e, unsigned parts)
{
	uint64_t most = g->q->max_host_cycles;

	return most == 0 ||
	       nas_plan_encode_cycles(&e->plan, g->q->task) + decode_cycles(&e->plan, parts) <=
		       most;
}

void nas_points_collect(struct points *g, struct nas_encoding *e)
{
	struct setting s;

	if (g->tries == TRIES_MAX || !nas_encoding_apply(e))
		return;
	s = nas_points_quick(g, e);
	if (!nas_points_affordable(g, e, 2))
		s.direct = false;
	if (!nas_points_affordable(g, e, 1))
		return;
	g->try[g->tries++] = s;
}
