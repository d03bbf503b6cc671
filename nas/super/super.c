#include "nas/super/super.h"
#include "nas/super/net.h"
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

/* Hot at first, so that every choice is tried; cold at the end, so that one is made. */
static float temperature_at(const struct super_run *s, unsigned step)
{
	return 5 * powf(0.1F, (float)step / (float)s->o->steps);
}

/* The cost speaks once the error has had its say about every choice, else all collapse to the
 * cheapest network before any has learnt. */
static double pressure_at(const struct super_run *s, unsigned step)
{
	double share = ((double)step / s->o->steps - 0.4) / 0.3;

	return s->o->cost_weight * (share < 0 ? 0 : share > 1 ? 1 : share);
}

static double one_step(struct super_run *s, unsigned step, double *mse)
{
	const float weight_rate = 0.01F, pick_rate = 0.02F;
	float temperature = temperature_at(s, step);
	double cost;

	super_run_batch(s, 0, s->d->n / 2);
	super_net_draw(&s->net, &s->rng, temperature);
	*mse = super_net_forward(&s->net, false);
	super_net_backward(&s->net, true);
	super_net_learn_weights(&s->net, super_run_rate(s, step, weight_rate));
	super_net_forget_picks(&s->net);
	if (step < s->o->steps / WARM_UP)
		return 0;
	super_run_batch(s, s->d->n / 2, s->d->n);
	super_net_draw(&s->net, &s->rng, temperature);
	*mse = super_net_forward(&s->net, true);
	super_net_backward(&s->net, false);
	cost = super_cost_expected(&s->net, s->d, pressure_at(s, step));
	super_net_learn_picks(&s->net, pick_rate, temperature);
	return cost;
}

/* The likeliest of everything. */
static void read_choice(struct super_run *s, struct super_choice *c)
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

static void measure(struct super_run *s, struct super_choice *c)
{
	double sum = 0;

	super_net_draw(&s->net, &s->rng, 0);
	for (unsigned i = 0; i < MEASURE_BATCHES; i++) {
		super_run_batch(s, s->d->n / 2, s->d->n);
		(void)super_net_forward(&s->net, false);
		sum += s->net.loss[c->depth - 1];
	}
	c->mse = sum / MEASURE_BATCHES;
	c->cost = super_cost_of(&s->net, s->d, c);
}

static int run(struct super_run *s, struct super_choice *choice)
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
		struct super_run s = { .d = d, .o = &one };

		one.seed = o->seed + i;
		err = super_run_begin(&s);
		if (err == HV_OK)
			err = run(&s, &c);
		super_run_end(&s);
		if (err == HV_OK && (i == 0 || objective(o, &c) < objective(o, choice)))
			*choice = c;
	}
	return err;
}

double super_step_seconds(const struct super_data *d, const struct super_options *o, unsigned steps)
{
	struct super_run s = { .d = d, .o = o };
	struct timespec a, b;
	int err = super_run_begin(&s);
	double mse;

	if (err != HV_OK) {
		super_run_end(&s);
		return err;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned i = 0; i < steps; i++)
		(void)one_step(&s, o->steps / 2, &mse);
	clock_gettime(CLOCK_MONOTONIC, &b);
	super_run_end(&s);
	return ((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec)) / steps;
}
