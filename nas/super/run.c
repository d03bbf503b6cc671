#include "nas/super/net.h"
#include <cblas.h>
#include <math.h>

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

static void standardise(struct super_run *s)
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

void super_run_batch(struct super_run *s, size_t first, size_t end)
{
	const struct super_data *d = s->d;
	struct super_net *net = &s->net;

	for (unsigned i = 0; i < net->batch; i++) {
		size_t at = first + hv_rng_below(&s->rng, (uint32_t)(end - first));

		for (unsigned c = 0; c < d->in; c++)
			net->x[(size_t)i * d->in + c] = d->x[at * d->in + c];
		for (unsigned o = 0; o < d->out; o++)
			net->target[(size_t)i * d->out + o] =
				(float)((d->y[at * d->out + o] - s->mean[o]) * s->scale[o]);
	}
}

float super_run_rate(const struct super_run *s, unsigned step, float first)
{
	double share = (double)step / s->o->steps;

	return first * (float)(0.5 * (1 + cos(M_PI * share)) + 0.02);
}

int super_run_begin(struct super_run *s)
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
	super_run_batch(s, 0, s->d->n / 2);
	super_net_draw(&s->net, &s->rng, 0);
	super_net_calibrate(&s->net);
	return HV_OK;
}

void super_run_end(struct super_run *s)
{
	super_net_free(&s->net);
}
