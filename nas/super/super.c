#include "nas/super/super.h"
#include "nas/super/net.h"
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	PARTS = 100, /* reports, and looks at whether the choice still changes */
	SETTLED = 30, /* parts without a change end the search */
	WARM_UP = 5, /* this share of the steps trains weights alone */
	MEASURE_BATCHES = 64,
};

struct super_options super_defaults(void)
{
	return (struct super_options){ .depth = 3,
				       .n_widths = 5,
				       .widths = { 8, 16, 24, 32, 64 },
				       .batch = 64,
				       .steps = 3000,
				       .restarts = 4,
				       .cost_weight = 0.1,
				       .byte_cost = 0.02,
				       .host_cost = 0.5,
				       .seed = 1 };
}

struct search {
	const struct super_data *d;
	const struct super_options *o;
	struct super_net net;
	struct hv_rng rng;
	double mean[SUPER_OUT_MAX], scale[SUPER_OUT_MAX];
};

static bool limits_ok(const struct super_data *d, const struct super_options *o)
{
	if (d->in < 1 || d->in > SUPER_IN_MAX || d->out < 1 || d->out > SUPER_OUT_MAX ||
	    d->groups < 1 || d->groups > SUPER_GROUPS_MAX || d->n < 2 || o->depth < 1 ||
	    o->depth > SUPER_DEPTH_MAX || o->n_widths < 1 || o->n_widths > SUPER_WIDTHS_MAX ||
	    o->batch < 1 || o->steps < 1 || o->restarts < 1 ||
	    o->widths[o->n_widths - 1] > SUPER_WIDTH_MAX)
		return false;
	for (unsigned c = 0; c < d->in; c++)
		if (d->group[c] >= d->groups)
			return false;
	for (unsigned k = 0; k < o->n_widths; k++)
		if (o->widths[k] < 1 || (k > 0 && o->widths[k] <= o->widths[k - 1]))
			return false;
	return true;
}

static void standardise(struct search *s)
{
	const struct super_data *d = s->d;

	for (unsigned o = 0; o < d->out; o++) {
		double sum = 0, sum2 = 0, var;

		for (size_t i = 0; i < d->n; i++)
			sum += d->y[i * d->out + o];
		s->mean[o] = sum / (double)d->n;
		for (size_t i = 0; i < d->n; i++) {
			double v = d->y[i * d->out + o] - s->mean[o];

			sum2 += v * v;
		}
		var = sum2 / (double)d->n;
		s->scale[o] = var > 0 ? 1 / sqrt(var) : 1;
	}
}

/* Random records of one half: the first trains weights, the second trains choices. */
static void draw_batch(struct search *s, bool held_out)
{
	const struct super_data *d = s->d;
	struct super_net *net = &s->net;
	size_t half = d->n / 2;

	for (unsigned i = 0; i < net->batch; i++) {
		size_t at = hv_rng_below(&s->rng, (uint32_t)half) + (held_out ? d->n - half : 0);

		for (unsigned c = 0; c < d->in; c++)
			net->x[(size_t)i * d->in + c] = d->x[at * d->in + c];
		for (unsigned o = 0; o < d->out; o++)
			net->target[(size_t)i * d->out + o] =
				(float)((d->y[at * d->out + o] - s->mean[o]) * s->scale[o]);
	}
}

static float rate_at(const struct search *s, unsigned step, float first)
{
	double share = (double)step / s->o->steps;

	return first * (float)(0.5 * (1 + cos(M_PI * share)) + 0.02);
}

/* Hot at first, so that every choice is tried; cold at the end, so that one is made. */
static float temperature_at(const struct search *s, unsigned step)
{
	return 5 * powf(0.1F, (float)step / (float)s->o->steps);
}

/* The cost speaks once the error has had its say about every choice, else all collapse to the
 * cheapest network before any has learnt. */
static double pressure_at(const struct search *s, unsigned step)
{
	double share = ((double)step / s->o->steps - 0.4) / 0.3;

	return s->o->cost_weight * (share < 0 ? 0 : share > 1 ? 1 : share);
}

static double one_step(struct search *s, unsigned step, double *mse)
{
	const float weight_rate = 0.01F, pick_rate = 0.02F;
	float temperature = temperature_at(s, step);
	double cost;

	draw_batch(s, false);
	super_net_draw(&s->net, &s->rng, temperature);
	*mse = super_net_forward(&s->net, false);
	super_net_backward(&s->net, true);
	super_net_learn_weights(&s->net, rate_at(s, step, weight_rate));
	super_net_forget_picks(&s->net);
	if (step < s->o->steps / WARM_UP)
		return 0;
	draw_batch(s, true);
	super_net_draw(&s->net, &s->rng, temperature);
	*mse = super_net_forward(&s->net, true);
	super_net_backward(&s->net, false);
	cost = super_cost_expected(&s->net, s->d, pressure_at(s, step));
	super_net_learn_picks(&s->net, pick_rate, temperature);
	return cost;
}

/* The likeliest of everything. */
static void read_choice(struct search *s, struct super_choice *c)
{
	struct super_net *net = &s->net;

	memset(c, 0, sizeof(*c));
	super_net_draw(net, &s->rng, 0);
	c->depth = super_pick_best(&net->exits) + 1;
	for (unsigned l = 0; l < c->depth; l++) {
		c->width[l] = s->o->widths[super_pick_best(&net->layer[l].width)];
		c->act[l] = (int)super_pick_best(&net->layer[l].act);
		c->bits[l] = 8u >> super_pick_best(&net->layer[l].bits);
	}
	for (unsigned g = 0; g < net->groups; g++)
		c->groups |= (uint32_t)net->gate[g].drawn << g;
}

static bool same_choice(const struct super_choice *a, const struct super_choice *b)
{
	return a->depth == b->depth && a->groups == b->groups &&
	       memcmp(a->width, b->width, sizeof(a->width)) == 0 &&
	       memcmp(a->act, b->act, sizeof(a->act)) == 0 &&
	       memcmp(a->bits, b->bits, sizeof(a->bits)) == 0;
}

static void measure(struct search *s, struct super_choice *c)
{
	double sum = 0;

	super_net_draw(&s->net, &s->rng, 0);
	for (unsigned i = 0; i < MEASURE_BATCHES; i++) {
		draw_batch(s, true);
		(void)super_net_forward(&s->net, false);
		sum += s->net.loss[c->depth - 1];
	}
	c->mse = sum / MEASURE_BATCHES;
	c->cost = super_cost_of(&s->net, s->d, c);
}

static int begin(struct search *s)
{
	int err;

	if (!limits_ok(s->d, s->o))
		return HV_E_INVAL;
	openblas_set_num_threads(1); /* the products are too small to share */
	err = super_net_new(s->d, s->o, &s->net);
	if (err != HV_OK)
		return err;
	hv_rng_seed(&s->rng, s->o->seed ^ UINT64_C(0x5eed));
	standardise(s);
	draw_batch(s, false);
	super_net_draw(&s->net, &s->rng, 0);
	super_net_calibrate(&s->net);
	return HV_OK;
}

static int run(struct search *s, struct super_choice *choice)
{
	unsigned part = s->o->steps / PARTS > 0 ? s->o->steps / PARTS : 1, still = 0, step = 0;
	struct super_choice now;

	read_choice(s, choice);
	for (; step < s->o->steps && still < SETTLED; step++) {
		double mse, cost = one_step(s, step, &mse);

		if (step % part != 0)
			continue;
		read_choice(s, &now);
		still = same_choice(&now, choice) && step > s->o->steps * 7 / 10 ? still + 1 : 0;
		*choice = now;
		if (s->o->progress != NULL && !s->o->progress(s->o->ctx, step, mse, cost))
			return HV_E_CANCEL;
	}
	read_choice(s, choice);
	measure(s, choice);
	choice->steps = step;
	return HV_OK;
}

static double objective(const struct super_options *o, const struct super_choice *c)
{
	return log(c->mse + 1e-12) + o->cost_weight * log(c->cost);
}

int super_search(const struct super_data *d, const struct super_options *o,
		 struct super_choice *choice)
{
	struct super_options one = *o;
	struct super_choice c;
	int err = HV_OK;

	for (unsigned i = 0; i < o->restarts && err == HV_OK; i++) {
		struct search s = { .d = d, .o = &one };

		one.seed = o->seed + i;
		err = begin(&s);
		if (err == HV_OK)
			err = run(&s, &c);
		super_net_free(&s.net);
		if (err == HV_OK && (i == 0 || objective(o, &c) < objective(o, choice)))
			*choice = c;
	}
	return err;
}

double super_step_seconds(const struct super_data *d, const struct super_options *o, unsigned steps)
{
	struct search s = { .d = d, .o = o };
	struct timespec a, b;
	int err = begin(&s);
	double mse;

	if (err != HV_OK) {
		super_net_free(&s.net);
		return err;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned i = 0; i < steps; i++)
		(void)one_step(&s, o->steps / 2, &mse);
	clock_gettime(CLOCK_MONOTONIC, &b);
	super_net_free(&s.net);
	return ((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec)) / steps;
}
