#include "nas/gradient.h"
#include "nas/jobs.h"
#include "nas/journal.h"
#include "nas/super/super.h"
#include "util/own.h"
#include "util/rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The gradient engine: a supernet over the channels of an encoding names architectures at
 * several prices, each is trained on its own, and the output is solved by least squares on the
 * whole-number features, as for every other engine. */
enum { LADDER_MAX = 16 };

/* Squared errors that count more are drawn more often, this much at most. */
static const double weight_most = 20;

struct samples {
	size_t n;
	unsigned channels, targets;
	int8_t *x; /* (n, channels), owned */
	double *y; /* (n, targets), owned */
	uint8_t *group; /* (channels), owned: all 0 */
};

struct rung {
	struct super_choice choice;
	unsigned steps;
	uint64_t seed;
	bool residual;
	struct nas_model *model; /* out, owned */
};

struct gradient {
	struct nas_request *q;
	struct nas_front *f;
	const struct nas_encoding *e;
	const struct nas_data *train, *valid;
	struct samples s;
	float *x, *xv; /* channels of both sets, owned */
	double *t, *w; /* targets and weights of train, owned */
	struct rung rung[LADDER_MAX];
	unsigned rungs;
};

static const double no_cost[1] = { 0 };

/* Records drawn in proportion to what their errors weigh. */
static int draw_samples(struct gradient *g)
{
	struct samples *s = &g->s;
	size_t n = g->train->n;
	double mean = 0, most = 0;
	struct hv_rng r;

	s->n = n;
	s->channels = g->e->plan.channels;
	s->targets = g->e->plan.targets;
	s->x = malloc(n * s->channels);
	s->y = malloc(n * s->targets * sizeof(*s->y));
	s->group = calloc(s->channels, 1);
	if (s->x == NULL || s->y == NULL || s->group == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		mean += g->w[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		most = fmax(most, fmin(g->w[i], weight_most * mean));
	hv_rng_seed(&r, g->q->seed);
	for (size_t i = 0; i < n; i++) {
		size_t at;

		do
			at = hv_rng_below(&r, (uint32_t)n);
		while (fmin(g->w[at], weight_most * mean) < hv_rng_uniform(&r, 0, most));
		for (unsigned c = 0; c < s->channels; c++)
			s->x[i * s->channels + c] = (int8_t)g->x[c * n + at];
		for (unsigned k = 0; k < s->targets; k++)
			s->y[i * s->targets + k] = g->t[k * n + at];
	}
	return HV_OK;
}

static struct super_data data_of(const struct samples *s)
{
	return (struct super_data){ .x = s->x,
				    .y = s->y,
				    .n = s->n,
				    .in = s->channels,
				    .out = s->targets,
				    .groups = 1,
				    .group = s->group,
				    .group_cycles = no_cost };
}

static bool still(void *ctx, unsigned step, double mse, double cost)
{
	(void)step;
	(void)mse;
	(void)cost;
	return nas_time_left(ctx, 0.97);
}

static struct super_options options(uint64_t seed)
{
	struct super_options o = super_defaults();

	o.seed = seed;
	return o;
}

static void add_rung(struct gradient *g, const struct super_choice *c)
{
	for (unsigned i = 0; i < g->rungs; i++)
		if (g->rung[i].choice.depth == c->depth &&
		    memcmp(g->rung[i].choice.width, c->width, sizeof(c->width)) == 0 &&
		    memcmp(g->rung[i].choice.act, c->act, sizeof(c->act)) == 0 &&
		    memcmp(g->rung[i].choice.bits, c->bits, sizeof(c->bits)) == 0)
			return;
	if (g->rungs < LADDER_MAX)
		g->rung[g->rungs++] = (struct rung){ .choice = *c, .residual = true };
}

struct price_list {
	const struct gradient *g;
	struct super_choice found[4];
};

static const double prices[] = { 0.3, 0.1, 0.03, 0.003 };

static void key_training(struct nas_key *k, const struct gradient *g)
{
	nas_key_plan(k, &g->e->plan);
	nas_key_u64(k, g->train->n);
	nas_key_u64(k, g->q->seed);
}

static struct nas_key choice_key(const struct gradient *g, unsigned price)
{
	struct nas_key k = nas_key_begin("choice");

	key_training(&k, g);
	nas_key_u64(&k, price);
	return k;
}

static bool take_choice(const struct gradient *g, unsigned price, struct super_choice *c)
{
	size_t len = 0;
	hv_autofree uint8_t *kept = nas_journal_find(g->q->journal, choice_key(g, price), &len);

	if (kept == NULL || len != sizeof(*c))
		return false;
	memcpy(c, kept, sizeof(*c));
	return c->depth >= 1 && c->depth <= SUPER_DEPTH_MAX;
}

/* Job: the supernet at one price. */
static int choose(void *ctx, unsigned i)
{
	struct price_list *p = ctx;
	struct super_data d = data_of(&p->g->s);
	struct super_options o = options(p->g->q->seed + i);

	o.cost_weight = prices[i];
	o.progress = still;
	o.ctx = p->g->q;
	if (!take_choice(p->g, i, &p->found[i])) {
		int r = super_search(&d, &o, &p->found[i]);

		if (r < 0)
			return r;
		nas_journal_keep(p->g->q->journal, choice_key(p->g, i), &p->found[i],
				 sizeof(p->found[i]));
	}
	return HV_OK;
}

/* What the supernet chose, cheapest first, then fixed ones that are larger. */
static int make_ladder(struct gradient *g)
{
	static const uint8_t fixed[][SUPER_DEPTH_MAX] = {
		{ 16 }, { 32 }, { 32, 16 }, { 64, 32 }, { 64, 64, 32 }, { 64, 64, 64 }
	};
	struct price_list p = { .g = g };
	int r = nas_jobs_run(choose, &p, HV_ARRAY_SIZE(prices), g->q->threads);

	for (size_t i = 0; r == HV_OK && i < HV_ARRAY_SIZE(prices); i++)
		add_rung(g, &p.found[i]);
	for (size_t i = 0; r == HV_OK && i < HV_ARRAY_SIZE(fixed); i++) {
		struct super_choice c = { .groups = 1 };

		for (unsigned l = 0; l < SUPER_DEPTH_MAX && fixed[i][l] != 0; l++) {
			c.depth = l + 1;
			c.width[l] = fixed[i][l];
			c.act[l] = CNN_ACT_RELU;
			c.bits[l] = 8;
		}
		add_rung(g, &c);
	}
	return r;
}

/* The layers move from the trained net to the model. */
static struct nas_model *model_of(const struct gradient *g, struct super_trained *t, bool residual)
{
	struct nas_model *m = nas_model_new(&g->e->plan, "gradient");

	if (m == NULL)
		return NULL;
	m->direct = true;
	m->residual = residual;
	m->seed = g->q->seed;
	for (unsigned l = 0; l < t->layers; l++) {
		struct super_hidden *h = &t->layer[l];

		m->hidden[m->hiddens++] = (struct nas_hidden){ .units = h->units,
							       .from = h->from,
							       .weights = hv_take(h->weights),
							       .bias = hv_take(h->bias),
							       .shift = h->shift,
							       .act = (enum cnn_act)h->act };
	}
	return m;
}

static struct nas_key rung_key(const struct gradient *g, const struct rung *u)
{
	struct nas_key k = nas_key_begin("rung");

	key_training(&k, g);
	nas_key_u64(&k, u->steps);
	nas_key_u64(&k, u->seed);
	nas_key_u64(&k, u->choice.depth);
	for (unsigned l = 0; l < u->choice.depth; l++) {
		nas_key_u64(&k, u->choice.width[l]);
		nas_key_u64(&k, (uint64_t)(int64_t)u->choice.act[l]);
		nas_key_u64(&k, u->choice.bits[l]);
	}
	return k;
}

/* Layer by layer: units, inputs, shift, activation, then weights and biases. */
enum { LAYER_HEAD = 4 };

static bool take_trained(struct gradient *g, const struct rung *u, struct super_trained *t)
{
	size_t len = 0, at = 0;
	hv_autofree uint8_t *kept = nas_journal_find(g->q->journal, rung_key(g, u), &len);

	for (t->layers = 0; kept != NULL && at < len && t->layers < SUPER_DEPTH_MAX; t->layers++) {
		struct super_hidden *h = &t->layer[t->layers];
		int32_t head[LAYER_HEAD];
		size_t weights;

		if (len - at < sizeof(head))
			break;
		memcpy(head, kept + at, sizeof(head));
		at += sizeof(head);
		if (head[0] < 1 || head[0] > SUPER_WIDTH_MAX || head[1] < 1 ||
		    head[1] > SUPER_IN_MAX)
			break;
		weights = (size_t)head[0] * (size_t)head[1];
		h->weights = malloc(weights);
		h->bias = malloc((size_t)head[0]);
		if (h->weights == NULL || h->bias == NULL || len - at < weights + (size_t)head[0])
			break;
		*h = (struct super_hidden){ .units = (unsigned)head[0],
					    .from = (unsigned)head[1],
					    .weights = h->weights,
					    .bias = h->bias,
					    .shift = head[2],
					    .act = head[3] };
		memcpy(h->weights, kept + at, weights);
		memcpy(h->bias, kept + at + weights, (size_t)head[0]);
		at += weights + (size_t)head[0];
	}
	if (kept != NULL && at == len && t->layers == u->choice.depth)
		return true;
	for (unsigned l = 0; l < SUPER_DEPTH_MAX; l++) {
		free(t->layer[l].weights);
		free(t->layer[l].bias);
	}
	*t = (struct super_trained){ 0 };
	return false;
}

static void keep_trained(struct gradient *g, const struct rung *u, const struct super_trained *t)
{
	size_t len = 0, at = 0;
	hv_autofree uint8_t *b = NULL;

	for (unsigned l = 0; l < t->layers; l++)
		len += LAYER_HEAD * sizeof(int32_t) +
		       (size_t)t->layer[l].units * (t->layer[l].from + 1);
	b = malloc(len + 1);
	for (unsigned l = 0; b != NULL && l < t->layers; l++) {
		const struct super_hidden *h = &t->layer[l];
		int32_t head[LAYER_HEAD] = { (int32_t)h->units, (int32_t)h->from, h->shift,
					     h->act };
		size_t weights = (size_t)h->units * h->from;

		memcpy(b + at, head, sizeof(head));
		memcpy(b + at + sizeof(head), h->weights, weights);
		memcpy(b + at + sizeof(head) + weights, h->bias, h->units);
		at += sizeof(head) + weights + h->units;
	}
	if (b != NULL)
		nas_journal_keep(g->q->journal, rung_key(g, u), b, len);
}

/* Job: train one rung and solve its output. */
static int climb(void *ctx, unsigned i)
{
	struct gradient *g = ctx;
	struct rung *u = &g->rung[i];
	struct super_data d = data_of(&g->s);
	struct super_options o = options(u->seed);
	bool absolute = g->q->task->metric == HARVEST_MEAN_REL;
	struct super_trained t = { 0 };
	int r;

	o.steps = u->steps;
	o.progress = still;
	o.ctx = g->q;
	if (!take_trained(g, u, &t)) {
		r = super_train(&d, &o, &u->choice, &t);
		if (r == HV_E_CANCEL)
			return HV_OK; /* the budget is over */
		if (r < 0)
			return r;
		keep_trained(g, u, &t);
	}
	u->model = model_of(g, &t, u->residual);
	super_trained_clear(&t);
	if (u->model == NULL)
		return HV_E_NOMEM;
	r = nas_model_solve(u->model, g->x, g->train->n, g->t, g->w, absolute);
	if (r == HV_OK)
		u->model->error = nas_model_error(u->model, g->valid, g->xv);
	return r;
}

static int add_models(struct gradient *g, char *why, size_t cap)
{
	int r = HV_OK;

	for (unsigned i = 0; i < g->rungs; i++) {
		if (r == HV_OK && g->rung[i].model != NULL)
			r = nas_front_add_model(g->f, g->q, g->rung[i].model, why, cap);
		nas_model_free(g->rung[i].model);
		g->rung[i].model = NULL;
	}
	return r;
}

static bool reached(const struct gradient *g)
{
	struct nas_request q = *g->q;
	bool meets;

	q.max_error = q.aim;
	(void)nas_front_choose(g->f, &q, &meets);
	return meets;
}

/* The whole ladder with few steps, then with more: steps are counted, not timed, so that a
 * seed gives the same models on a slower machine, only fewer of them. */
static int train_all(struct gradient *g, char *why, size_t cap)
{
	static const unsigned steps[] = { 4000, 16000, 64000, 256000 };
	int r = HV_OK;

	for (size_t s = 0; r == HV_OK && s < HV_ARRAY_SIZE(steps); s++) {
		if (reached(g) || !nas_time_left(g->q, 0.7))
			break;
		nas_say(g->q, "gradient", 0.5 + 0.1 * (double)s,
			g->f->traces > 0 ? g->f->trace[g->f->traces - 1].error : NAN);
		for (unsigned i = 0; i < g->rungs; i++) {
			g->rung[i].steps = steps[s];
			g->rung[i].seed = g->q->seed + 100 * s + i;
		}
		r = nas_jobs_run(climb, g, g->rungs, g->q->threads);
		if (r == HV_OK)
			r = add_models(g, why, cap);
	}
	return r;
}

static void clear(struct gradient *g)
{
	for (unsigned i = 0; i < g->rungs; i++)
		nas_model_free(g->rung[i].model);
	free(g->s.x);
	free(g->s.y);
	free(g->s.group);
	free(g->x);
	free(g->xv);
	free(g->t);
	free(g->w);
}

int nas_gradient_run(struct nas_request *q, struct nas_front *f, const struct nas_encoding *e,
		     const struct nas_data *train, const struct nas_data *valid, char *why,
		     size_t cap)
{
	struct gradient g = { .q = q, .f = f, .e = e, .train = train, .valid = valid };
	int r = HV_E_NOMEM;

	if (e->plan.channels > SUPER_IN_MAX || e->plan.targets > SUPER_OUT_MAX)
		return HV_OK;
	g.x = nas_plan_channels(&e->plan, train);
	g.xv = nas_plan_channels(&e->plan, valid);
	if (g.x != NULL && g.xv != NULL)
		r = nas_plan_targets(&e->plan, train, &g.t, &g.w);
	if (r == HV_OK)
		r = draw_samples(&g);
	if (r == HV_OK)
		r = make_ladder(&g);
	if (r == HV_E_CANCEL)
		r = HV_OK;
	else if (r == HV_OK)
		r = train_all(&g, why, cap);
	if (r == HV_E_NOMEM)
		snprintf(why, cap, "out of memory");
	clear(&g);
	return r;
}
