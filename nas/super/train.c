#include "nas/super/net.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	PARTS = 100,
	MEASURE_BATCHES = 64,
	HELD_OUT = 8 /* one record of so many is not trained on */
};

static size_t trained_on(const struct super_data *d)
{
	return d->n - d->n / HELD_OUT;
}

static bool fix_width(struct super_run *s, unsigned l, unsigned width)
{
	for (unsigned k = 0; k < s->o->n_widths; k++) {
		if (s->o->widths[k] != width)
			continue;
		super_pick_fix(&s->net.layer[l].width, k);
		return true;
	}
	return false;
}

/* Every pick becomes the choice. */
static bool fix(struct super_run *s, const struct super_choice *c)
{
	for (unsigned l = 0; l < c->depth; l++) {
		if (!fix_width(s, l, c->width[l]))
			return false;
		super_pick_fix(&s->net.layer[l].act, (unsigned)c->act[l]);
		super_pick_fix(&s->net.layer[l].bits, c->bits[l] == 8   ? 0
						      : c->bits[l] == 4 ? 1
									: 2);
	}
	super_pick_fix(&s->net.exits, c->depth - 1);
	for (unsigned g = 0; g < s->net.groups; g++)
		super_pick_fix(&s->net.gate[g], c->groups >> g & 1);
	super_net_draw(&s->net, &s->rng, 0);
	super_run_batch(s, 0, trained_on(s->d));
	super_net_calibrate(&s->net);
	return true;
}

static int train(struct super_run *s)
{
	const float rate = 0.01F;
	unsigned part = s->o->steps / PARTS > 0 ? s->o->steps / PARTS : 1;

	for (unsigned step = 0; step < s->o->steps; step++) {
		double mse;

		super_run_batch(s, 0, trained_on(s->d));
		mse = super_net_forward(&s->net, false);
		super_net_backward(&s->net, true);
		super_net_learn_weights(&s->net, super_run_rate(s, step, rate));
		if (step % part == 0 && s->o->progress != NULL &&
		    !s->o->progress(s->o->ctx, step, mse, 0))
			return HV_E_CANCEL;
	}
	return HV_OK;
}

static double measure(struct super_run *s)
{
	double sum = 0;

	for (unsigned i = 0; i < MEASURE_BATCHES; i++) {
		super_run_batch(s, trained_on(s->d), s->d->n);
		(void)super_net_forward(&s->net, false);
		sum += s->net.loss[s->net.depth - 1];
	}
	return sum / MEASURE_BATCHES;
}

static int take_layer(const struct super_net *net, unsigned at, struct super_hidden *h)
{
	const struct super_layer *l = &net->layer[at];
	unsigned bits = 8u >> l->bits.drawn;
	float step = (float)(1u << (8 - bits));

	h->units = l->width_drawn;
	h->from = at == 0 ? net->in : net->layer[at - 1].width_drawn;
	h->bits = bits;
	h->shift = l->shift + 8 - (int)bits;
	h->act = (int)l->act.drawn;
	h->weights = malloc((size_t)h->units * h->from);
	h->bias = malloc(h->units);
	if (h->weights == NULL || h->bias == NULL)
		return HV_E_NOMEM;
	for (unsigned u = 0; u < h->units; u++) {
		h->bias[u] = (int8_t)(l->bias[u] / (128 * step));
		for (unsigned c = 0; c < h->from; c++) {
			bool used = at > 0 || net->gate[net->group[c]].drawn != 0;
			float w = l->rounded[(size_t)u * l->in + c] / step;

			h->weights[(size_t)u * h->from + c] = (int8_t)(used ? w : 0);
		}
	}
	return HV_OK;
}

/* The last forward pass left the rounded weights of the final ones. */
static int take(struct super_run *s, struct super_trained *t)
{
	int err = HV_OK;

	t->mse = measure(s);
	for (unsigned l = 0; l < s->net.depth && err == HV_OK; l++) {
		t->layers = l + 1;
		err = take_layer(&s->net, l, &t->layer[l]);
	}
	if (err != HV_OK)
		super_trained_clear(t);
	return err;
}

int super_train(const struct super_data *d, const struct super_options *o,
		const struct super_choice *choice, struct super_trained *t)
{
	struct super_options one = *o;
	struct super_run s = { .d = d, .o = &one };
	int err;

	memset(t, 0, sizeof(*t));
	if (choice->depth < 1 || choice->depth > SUPER_DEPTH_MAX || d->n < HELD_OUT)
		return HV_E_INVAL;
	one.depth = choice->depth;
	err = super_run_begin(&s);
	if (err != HV_OK)
		return err;
	err = fix(&s, choice) ? train(&s) : HV_E_INVAL;
	if (err == HV_OK)
		err = take(&s, t);
	super_run_end(&s);
	return err;
}

void super_trained_clear(struct super_trained *t)
{
	for (unsigned l = 0; l < t->layers; l++) {
		free(t->layer[l].weights);
		free(t->layer[l].bias);
	}
	memset(t, 0, sizeof(*t));
}
