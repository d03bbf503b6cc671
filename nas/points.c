#include "nas/encoding.h"
#include "nas/gradient.h"
#include "nas/hinge.h"
#include "nas/hint.h"
#include "nas/jobs.h"
#include "nas/search.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Search for tasks of a few numbers: first the encoding, by short greedy runs; then the settings
 * of the greedy engine; then a ladder of widths. */
enum {
	TRAIN = 8192,
	TRAIN_MORE = 131072,
	TRAIN_MOST = 1 << 20, /* when there are ten minutes */
	VALID = 8192,
	QUICK = 2048,
	INS_MAX = 24,
	TRIES_MAX = 512,
	WIDTH_QUICK = 8,
};

struct setting {
	struct nas_encoding e;
	bool direct, residual;
	int shift;
	enum cnn_act act;
	unsigned width, n, pool, rounds, sweeps;
	uint64_t seed;
	double error; /* out */
	struct nas_model *model; /* out, owned; NULL when not wanted */
	bool keep;
};

struct points {
	struct nas_request *q;
	struct nas_front *f;
	struct nas_data train, valid;
	uint16_t base[INS_MAX]; /* values that are cut first: the inputs, or what a hint makes */
	unsigned bases;
	struct setting *try; /* (TRIES_MAX) */
	unsigned tries;
	char *why;
	size_t cap;
};

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
	struct nas_model *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->plan = malloc(sizeof(*m->plan));
	if (m->plan == NULL) {
		free(m);
		return NULL;
	}
	*m->plan = s->e.plan;
	m->direct = s->direct;
	m->residual = s->residual;
	snprintf(m->engine, sizeof(m->engine), "hinge");
	return m;
}

static int fit(struct setting *s, const struct nas_data *d, const struct nas_data *valid,
	       struct nas_model *m)
{
	uint8_t feature[NAS_CHANNELS_MAX];
	hv_autofree float *x = nas_plan_channels(m->plan, d);
	hv_autofree float *xv = nas_plan_channels(m->plan, valid);
	double *t = NULL, *w = NULL;
	struct nas_units u = { 0 };
	int r = HV_E_NOMEM;

	nas_encoding_features(&s->e, feature);
	if (x != NULL && xv != NULL)
		r = nas_plan_targets(m->plan, d, &t, &w);
	if (r == HV_OK && s->width > 0) {
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
					       .width = s->width,
					       .pool = s->pool,
					       .rounds = s->rounds,
					       .sweeps = s->sweeps,
					       .seed = s->seed,
					       .feature = feature };

		r = nas_hinge_run(&p, NULL, NULL, &u);
		if (r == HV_OK) {
			m->hiddens = 1;
			m->hidden[0] = (struct nas_hidden){ .units = u.n,
							    .from = m->plan->channels,
							    .weights = u.weights,
							    .bias = u.bias,
							    .shift = s->shift,
							    .act = s->act };
		}
	}
	if (r == HV_OK)
		r = nas_model_solve(m, x, d->n, t, w, is_absolute(d->task));
	if (r == HV_OK)
		m->error = s->error = nas_model_error(m, valid, xv);
	free(t);
	free(w);
	return r;
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
	if (!s->keep && i > 0 && !nas_time_left(g->q, 0.4))
		return HV_OK; /* what has been tried has to do */
	r = cut_data(&g->train, s->n < g->train.n ? s->n : g->train.n, &d);

	if (r < 0)
		return r;
	r = cut_data(&g->valid, s->keep ? g->valid.n : QUICK, &v);
	m = r == HV_OK ? model_new(s) : NULL;
	if (m != NULL)
		r = fit(s, &d, &v, m);
	else
		r = HV_E_NOMEM;
	nas_data_clear(&d);
	nas_data_clear(&v);
	if (r < 0 || !s->keep) {
		nas_model_free(m);
		m = NULL;
	}
	s->model = m;
	return r;
}

/* Runs what has been collected; best is the number of the best. */
static int run_tries(struct points *g, unsigned *best)
{
	int r = nas_jobs_run(run_try, g, g->tries, g->q->threads);

	if (r < 0) {
		snprintf(g->why, g->cap, "search for task %s: %s", g->q->task->name,
			 hv_err_text(r));
		return r;
	}
	*best = 0;
	for (unsigned i = 1; i < g->tries; i++)
		if (nas_better(g->q->task, g->try[i].error, g->try[*best].error))
			*best = i;
	return HV_OK;
}

static struct setting quick(const struct points *g, const struct nas_encoding *e)
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

static bool affordable(const struct points *g, const struct nas_encoding *e, unsigned parts)
{
	uint64_t most = g->q->max_host_cycles;

	return most == 0 ||
	       nas_plan_encode_cycles(&e->plan, g->q->task) + decode_cycles(&e->plan, parts) <=
		       most;
}

static void collect(struct points *g, struct nas_encoding *e)
{
	struct setting s;

	if (g->tries == TRIES_MAX || !nas_encoding_apply(e))
		return;
	s = quick(g, e);
	if (!affordable(g, e, 2))
		s.direct = false;
	if (!affordable(g, e, 1))
		return;
	g->try[g->tries++] = s;
}

/* ---- encodings ---- */

static void add_cut(struct points *g, struct nas_encoding *e, unsigned value, unsigned pieces,
		    enum nas_spacing spacing)
{
	if (e->cuts == NAS_CUTS_MAX || value >= e->plan.values)
		return;
	e->cut[e->cuts] = (struct nas_cut){ .value = (uint16_t)value,
					    .pieces = (uint8_t)pieces,
					    .spacing = spacing };
	nas_encoding_range(e, e->cuts++, &g->valid);
}

/* Values that a host makes of two others for little. */
static unsigned derived(struct nas_encoding *e, unsigned kind, unsigned a, unsigned b)
{
	struct nas_plan *p = &e->plan;
	unsigned x = a, y = b;

	switch (kind) {
	case 0: return nas_plan_op(p, HP_MUL, x, y);
	case 1:
		x = nas_plan_op(p, HP_MUL, x, x);
		y = nas_plan_op(p, HP_MUL, y, y);
		return nas_plan_op(p, HP_ADD, x, y);
	case 2: return nas_plan_op(p, HP_ADD, x, y);
	case 3: return nas_plan_op(p, HP_SUB, x, y);
	case 4: return nas_plan_op(p, HP_DIV, x, y);
	case 5: return nas_plan_op(p, HP_DIV, y, x);
	case 6: return nas_plan_op(p, HP_MUL, x, x);
	default: return nas_plan_op(p, HP_MUL, y, y);
	}
}
enum { DERIVED = 8 };

static const struct {
	uint8_t pieces;
	enum nas_spacing spacing;
} ways[] = { { 1, NAS_UNIFORM }, { 4, NAS_UNIFORM },   { 8, NAS_UNIFORM },
	     { 8, NAS_TO_TOP },  { 8, NAS_TO_BOTTOM }, { 8, NAS_TO_ENDS } };

/* One more value of every kind, cut in every way. */
static void collect_derived(struct points *g, const struct nas_encoding *now)
{
	for (unsigned a = 0; a < g->bases; a++)
		for (unsigned b = a + 1; b < g->bases; b++)
			for (unsigned k = 0; k < DERIVED * HV_ARRAY_SIZE(ways); k++) {
				struct nas_encoding e = *now;
				unsigned v = derived(&e, k % DERIVED, g->base[a], g->base[b]);

				add_cut(g, &e, v, ways[k / DERIVED].pieces,
					ways[k / DERIVED].spacing);
				if (e.cut[e.cuts - 1].hi - e.cut[e.cuts - 1].lo > 0)
					collect(g, &e);
			}
}

/* Every input in the same number of pieces, alone and with one derived value. */
static int choose_base(struct points *g, struct nas_encoding *best)
{
	static const uint8_t pieces[] = { 1, 3, 6, 8, 12, 16 };
	const struct nas_encoding start = *best;
	unsigned at;
	int r;

	g->tries = 0;
	for (size_t i = 0; i < HV_ARRAY_SIZE(pieces); i++) {
		struct nas_encoding e = start;

		for (unsigned k = 0; k < g->bases; k++)
			add_cut(g, &e, g->base[k], pieces[i], NAS_UNIFORM);
		collect(g, &e);
		if (i < 3 && g->bases <= (i == 0 ? 4 : 3))
			collect_derived(g, &e);
	}
	if (g->tries == 0) {
		snprintf(g->why, g->cap,
			 "task %s: putting %zu inputs into the accelerator and taking %zu results "
			 "out takes the host more than the %llu cycles that are a third of the "
			 "exact "
			 "code; it stays on the CPU",
			 g->q->task->name, g->train.ins, g->train.outs,
			 (unsigned long long)g->q->max_host_cycles);
		return HV_E_BUDGET;
	}
	r = run_tries(g, &at);
	if (r == HV_OK)
		*best = g->try[at].e;
	return r;
}

/* Cutting what there is differently: one cut's pieces or spacing, or without it. */
static void collect_recuts(struct points *g, const struct nas_encoding *now)
{
	static const uint8_t pieces[] = { 1, 2, 3, 4, 6, 8, 12, 16 };

	for (unsigned i = 0; i < now->cuts; i++) {
		for (unsigned k = 0; k < HV_ARRAY_SIZE(pieces) * NAS_SPACINGS; k++) {
			struct nas_encoding e = *now;

			e.cut[i].pieces = pieces[k % HV_ARRAY_SIZE(pieces)];
			e.cut[i].spacing = (enum nas_spacing)(k / HV_ARRAY_SIZE(pieces));
			if (e.cut[i].pieces <= 2 && e.cut[i].spacing != NAS_UNIFORM)
				continue;
			if (e.cut[i].pieces > 12 && e.cut[i].spacing != NAS_UNIFORM)
				continue;
			if (e.cut[i].pieces == now->cut[i].pieces &&
			    e.cut[i].spacing == now->cut[i].spacing)
				continue;
			collect(g, &e);
		}
		if (now->cuts > 1) {
			struct nas_encoding e = *now;

			memmove(&e.cut[i], &e.cut[i + 1], (e.cuts - i - 1) * sizeof(e.cut[0]));
			e.cuts--;
			collect(g, &e);
		}
	}
}

/* Some pieces of one cut go to another, whose spacing changes. */
static void collect_moves(struct points *g, const struct nas_encoding *now)
{
	for (unsigned i = 0; i < now->cuts; i++)
		for (unsigned k = 0; k < now->cuts; k++)
			for (unsigned n = 2; n <= 4; n += 2)
				for (unsigned sp = 0; sp < NAS_SPACINGS; sp++) {
					struct nas_encoding e = *now;

					if (i == k || e.cut[i].pieces <= n ||
					    e.cut[k].pieces + n > (sp == 0 ? 16 : 12))
						continue;
					e.cut[i].pieces = (uint8_t)(e.cut[i].pieces - n);
					e.cut[k].pieces = (uint8_t)(e.cut[k].pieces + n);
					e.cut[k].spacing = (enum nas_spacing)sp;
					collect(g, &e);
				}
}

/* Values that no cut uses any more. */
static void sweep_values(struct nas_encoding *e)
{
	bool used[NAS_VALUES_MAX] = { false };
	uint16_t to[NAS_VALUES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < e->cuts; i++)
		used[e->cut[i].value] = true;
	for (unsigned i = e->plan.values; i-- > 0;) {
		const struct hostprog_ins *s = &e->plan.value[i];

		if (used[i] && s->op != HP_IN && s->op != HP_CONST)
			used[s->a] = used[s->b] = used[s->c] =
				true; /* operand 0 stands for absent ones: harmless */
	}
	for (unsigned i = 0; i < e->plan.values; i++) {
		struct hostprog_ins s = e->plan.value[i];

		to[i] = (uint16_t)n;
		if (!used[i])
			continue;
		if (s.op != HP_IN && s.op != HP_CONST) {
			s.a = to[s.a];
			s.b = to[s.b];
			s.c = to[s.c];
		}
		e->plan.value[n++] = s;
	}
	e->plan.values = n;
	for (unsigned i = 0; i < e->cuts; i++)
		e->cut[i].value = to[e->cut[i].value];
}

/* Greedy: what helps most is taken, until nothing helps enough. */
static int choose_encoding(struct points *g, struct nas_encoding *best)
{
	double error;
	unsigned at;
	int r = choose_base(g, best);

	if (r < 0)
		return r;
	error = NAN;
	for (unsigned round = 0; round < 8 && nas_time_left(g->q, 0.3); round++) {
		nas_say(g->q, "encodings", 0.05 * round, error);
		g->tries = 0;
		collect(g, best);
		collect_recuts(g, best);
		collect_moves(g, best);
		if (round == 1 && g->bases <= 4)
			collect_derived(g, best);
		r = run_tries(g, &at);
		if (r < 0)
			return r;
		error = g->try[at].error;
		if (round > 1 && fabs(g->try[0].error - error) < 0.03 * fabs(error))
			break;
		*best = g->try[at].e;
	}
	sweep_values(best);
	(void)nas_encoding_apply(best);
	nas_encoding_describe(best);
	return HV_OK;
}

/* ---- the engine ---- */

static int choose_setting(struct points *g, const struct nas_encoding *e, struct setting *best)
{
	static const enum cnn_act acts[] = { CNN_ACT_RELU, CNN_ACT_ABS };
	unsigned at;
	int r;

	g->tries = 0;
	for (int shift = 0; shift >= -3; shift--)
		for (unsigned a = 0; a < 2; a++)
			for (unsigned d = 0; d < 2; d++) {
				struct setting s = quick(g, e);

				s.shift = shift;
				s.act = acts[a];
				s.direct = d;
				s.width = 12;
				if (affordable(g, e, d + 1))
					g->try[g->tries++] = s;
			}
	r = run_tries(g, &at);
	if (r == HV_OK)
		*best = g->try[at];
	return r;
}

static int add_kept(struct points *g)
{
	int r = HV_OK;

	for (unsigned i = 0; i < g->tries; i++) {
		if (r == HV_OK && g->try[i].model != NULL)
			r = nas_front_add_model(g->f, g->q, g->try[i].model, g->why, g->cap);
		nas_model_free(g->try[i].model);
		g->try[i].model = NULL;
	}
	return r;
}

static bool reached(const struct points *g)
{
	bool meets;
	struct nas_request q = *g->q;

	q.max_error = q.aim;
	(void)nas_front_choose(g->f, &q, &meets);
	return meets;
}

/* Widths from small to large, until the aim is reached or time runs out. */
static int climb(struct points *g, const struct setting *base)
{
	static const uint8_t widths[] = { 0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128 };
	int r = HV_OK;

	for (size_t i = 0; r == HV_OK && i < HV_ARRAY_SIZE(widths); i++) {
		unsigned at;

		g->tries = 0;
		for (unsigned k = 0; k < 4; k++) {
			struct setting s = *base;

			s.width = widths[i];
			s.n = TRAIN;
			s.pool = 512;
			s.rounds = 24;
			s.sweeps = 2;
			s.keep = true;
			s.residual = k % 2;
			s.seed = g->q->seed + k / 2;
			s.direct = base->direct || s.width == 0;
			if ((k >= 2 && s.width == 0) ||
			    !affordable(g, &s.e, (s.direct + 1u) * (s.residual + 1u)))
				continue;
			g->try[g->tries++] = s;
		}
		if (g->tries == 0)
			continue;
		nas_say(g->q, "widths", 0.4 + 0.6 * (double)i / (double)HV_ARRAY_SIZE(widths),
			g->f->traces > 0 ? g->f->trace[g->f->traces - 1].error : NAN);
		r = run_tries(g, &at);
		if (r == HV_OK)
			r = add_kept(g);
		if (r == HV_OK && widths[i] == 0 && g->f->n > 0)
			g->f->base_error = g->f->of[0].error;
		if (reached(g) || !nas_time_left(g->q, 0.5))
			break;
	}
	return r;
}

/* What greedy search did not reach is trained, on more records. */
static int more_data(struct points *g, const struct nas_encoding *e)
{
	struct nas_data train = { 0 };
	int r;

	if (reached(g) || !nas_time_left(g->q, 0.8))
		return HV_OK;
	r = nas_data_draw(g->q->task, 1, 0, g->q->budget_s < 600 ? TRAIN_MORE : TRAIN_MOST, &train,
			  g->why, g->cap);
	if (r == HV_OK)
		r = nas_gradient_run(g->q, g->f, e, &train, &g->valid, g->why, g->cap);
	nas_data_clear(&train);
	return r;
}

static int run(struct points *g)
{
	struct nas_encoding e = { 0 };
	struct setting base;
	int r;

	e.plan.targets = (unsigned)g->train.outs;
	if (!nas_hint_apply(g->q->task, &e.plan, g->base, &g->bases))
		for (; g->bases < g->train.ins; g->bases++)
			g->base[g->bases] = (uint16_t)nas_plan_in(&e.plan, g->bases);
	r = choose_encoding(g, &e);
	if (r == HV_OK)
		r = choose_setting(g, &e, &base);
	if (r == HV_OK)
		r = climb(g, &base);
	return r == HV_OK ? more_data(g, &e) : r;
}

int nas_search_points(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	const struct harvest_task *t = q->task;
	struct points g = { .q = q, .f = f, .why = why, .cap = cap };
	int r;

	if (tensor_elements(&t->in) > INS_MAX || tensor_elements(&t->out) > NAS_TARGETS_MAX) {
		snprintf(why, cap,
			 "task %s has %zu inputs and %zu results a record: the search takes at "
			 "most %d and %d, unless it knows a structure",
			 t->name, tensor_elements(&t->in), tensor_elements(&t->out), INS_MAX,
			 NAS_TARGETS_MAX);
		return HV_E_NOENT;
	}
	g.try = calloc(TRIES_MAX, sizeof(*g.try));
	if (g.try == NULL) {
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	r = nas_data_draw(t, 1, 0, TRAIN, &g.train, why, cap);
	if (r == HV_OK)
		r = nas_data_draw(t, 2, 0, VALID, &g.valid, why, cap);
	if (r == HV_OK)
		r = run(&g);
	nas_data_clear(&g.train);
	nas_data_clear(&g.valid);
	free(g.try);
	return r;
}
