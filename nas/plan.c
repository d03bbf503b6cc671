#include "nas/plan.h"
#include "nas/curve.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

static bool same(const struct hostprog_ins *a, const struct hostprog_ins *b)
{
	return a->op == b->op && a->a == b->a && a->b == b->b && a->c == b->c &&
	       a->index == b->index && a->k == b->k;
}

unsigned nas_plan_value(struct nas_plan *p, struct hostprog_ins ins)
{
	for (unsigned i = 0; i < p->values; i++)
		if (same(&p->value[i], &ins))
			return i;
	if (p->values == NAS_VALUES_MAX)
		return NAS_VALUES_MAX;
	p->value[p->values] = ins;
	return p->values++;
}

unsigned nas_plan_in(struct nas_plan *p, unsigned element)
{
	return nas_plan_value(p, (struct hostprog_ins){ .op = HP_IN, .index = element });
}

unsigned nas_plan_op(struct nas_plan *p, enum hostprog_op op, unsigned a, unsigned b)
{
	return nas_plan_value(
		p, (struct hostprog_ins){ .op = op, .a = (uint16_t)a, .b = (uint16_t)b });
}

unsigned nas_plan_const(struct nas_plan *p, double k)
{
	return nas_plan_value(p, (struct hostprog_ins){ .op = HP_CONST, .k = k });
}

bool nas_plan_channel(struct nas_plan *p, unsigned value, double gain, double offset)
{
	if (p->channels == NAS_CHANNELS_MAX || value >= p->values)
		return false;
	p->channel[p->channels++] =
		(struct nas_channel){ .value = (uint16_t)value, .gain = gain, .offset = offset };
	return true;
}

double *nas_plan_columns(const struct nas_plan *p, const struct nas_data *d)
{
	double *col = malloc((p->values + 1u) * d->n * sizeof(*col));

	for (unsigned i = 0; col != NULL && i < p->values; i++) {
		const struct hostprog_ins *s = &p->value[i];
		double *to = col + i * d->n;

		if (s->op == HP_IN)
			memcpy(to, d->in + s->index * d->n, d->n * sizeof(*to));
		else if (s->op == HP_CONST)
			for (size_t k = 0; k < d->n; k++)
				to[k] = s->k;
		else
			hostprog_column(s->op, d->n, col + s->a * d->n, col + s->b * d->n,
					col + s->c * d->n, to);
	}
	return col;
}

float *nas_plan_channels(const struct nas_plan *p, const struct nas_data *d)
{
	hv_autofree double *col = nas_plan_columns(p, d);
	hv_autofree int8_t *bytes = malloc(d->n);
	float *x = malloc(p->channels * d->n * sizeof(*x) + 1);

	if (col == NULL || bytes == NULL || x == NULL) {
		free(x);
		return NULL;
	}
	for (unsigned c = 0; c < p->channels; c++) {
		const struct nas_channel *h = &p->channel[c];

		hostprog_emit_column(d->n, col + h->value * d->n, h->gain, h->offset, bytes);
		for (size_t i = 0; i < d->n; i++)
			x[c * d->n + i] = bytes[i];
	}
	return x;
}

static double energy(const struct nas_data *d, size_t i)
{
	double sum = 0;

	for (size_t e = 0; e < d->outs; e++)
		sum += d->ref[e * d->n + i] * d->ref[e * d->n + i];
	return sum;
}

/* The least energy of an answer that the metric counts. */
static double least_energy(const struct nas_data *d)
{
	double least = INFINITY;

	for (size_t i = 0; i < d->n; i++) {
		double e = d->weight[i] > 0 ? energy(d, i) : 0;

		if (e > 0)
			least = fmin(least, e);
	}
	return least;
}

/* Weight of a squared error of the targets of one record. What the metric leaves out has to be
 * answered, too: it counts as one of the least answers that count. */
static double weight_of(const struct nas_plan *p, const struct nas_data *d, size_t i,
			const double *in, const double *exact, double least)
{
	double slope = p->slope != NULL ? p->slope(in, exact) : 1, weight = d->weight[i], norm2;

	if (p->curve.kind != NAS_CURVE_NONE)
		slope = nas_curve_slope(&p->curve, exact[0]);
	if (d->task->metric != HARVEST_MEAN_REL)
		return slope * slope;
	norm2 = energy(d, i);
	if (!(weight > 0)) {
		weight = 1;
		norm2 = fmax(norm2, least);
	}
	return norm2 > 0 ? weight * slope * slope / norm2 : 0;
}

int nas_plan_targets(const struct nas_plan *p, const struct nas_data *d, double **t,
		     double **weight)
{
	hv_autofree double *in = malloc(d->ins * sizeof(*in));
	hv_autofree double *exact = malloc(d->outs * sizeof(*exact));
	double *to = malloc(p->targets * d->n * sizeof(*to));
	double *w = malloc(d->n * sizeof(*w)), one[NAS_TARGETS_MAX];
	double least = least_energy(d);

	if (in == NULL || exact == NULL || to == NULL || w == NULL) {
		free(to);
		free(w);
		return HV_E_NOMEM;
	}
	for (size_t i = 0; i < d->n; i++) {
		for (size_t e = 0; e < d->ins; e++)
			in[e] = d->in[e * d->n + i];
		for (size_t e = 0; e < d->outs; e++)
			exact[e] = d->ref[e * d->n + i];
		if (p->target != NULL)
			p->target(in, exact, one);
		for (unsigned k = 0; k < p->targets; k++)
			to[k * d->n + i] = p->target != NULL ? one[k] : exact[k];
		if (p->curve.kind != NAS_CURVE_NONE)
			to[i] = nas_curve_target(&p->curve, exact[0]);
		w[i] = weight_of(p, d, i, in, exact, least);
	}
	*t = to;
	*weight = w;
	return HV_OK;
}

int nas_plan_emit(const struct nas_plan *p, struct hostprog *h)
{
	int r = hostprog_block_add(h, HOSTPROG_ENCODE, 1, 1);

	for (unsigned i = 0; r >= 0 && i < p->values; i++)
		r = hostprog_add(h, p->value[i]);
	for (unsigned c = 0; r >= 0 && c < p->channels; c++)
		r = hostprog_add(h, (struct hostprog_ins){ .op = HP_EMIT,
							   .a = p->channel[c].value,
							   .b = (uint16_t)c,
							   .k = p->channel[c].gain,
							   .offset = p->channel[c].offset });
	return r < 0 ? r : HV_OK;
}

uint64_t nas_plan_encode_cycles(const struct nas_plan *p, const struct harvest_task *t)
{
	struct hostprog *h = hostprog_new();
	uint64_t cycles = UINT64_MAX;

	if (h == NULL)
		return cycles;
	h->in_dtype = t->in.dtype;
	h->out_dtype = t->out.dtype;
	h->in_elements = (uint32_t)tensor_elements(&t->in);
	h->out_elements = (uint32_t)tensor_elements(&t->out);
	h->channels = p->channels;
	h->pixels = h->words = 1;
	if (nas_plan_emit(p, h) == HV_OK)
		cycles = hostprog_cycles(h, HOSTPROG_ENCODE);
	hostprog_free(h);
	return cycles;
}
