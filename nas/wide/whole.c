#include "nas/wide/net.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* From a net in floating point to one in whole numbers. Unit u of a layer is answered in steps
 * of 1 / scale[u]; its weights in whole numbers are
 *
 *   w * scale[u] / scale of the input * 128 / 2^shift
 *
 * and a ReLU does not mind a positive factor. */

static float largest(const float *v, size_t n)
{
	float most = 0;

	for (size_t i = 0; i < n; i++)
		most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
	return most;
}

/* Scales at which what each unit answered at most is 127. What hardly answered, or not at all, is
 * not taken for smaller than a share of the layer's largest: it will answer more one day. */
static void scales_of(const struct wide_net *net, unsigned l, float *scale)
{
	const float least = 0.05F;
	unsigned n = net->layer[l].out;
	float top = 0;

	for (unsigned u = 0; u < n; u++) {
		scale[u] = 0;
		for (unsigned i = 0; i < WIDE_SHARDS; i++)
			for (unsigned k = 0; k < WIDE_SHARD_ROWS; k++)
				scale[u] = fmaxf(scale[u], net->shard[i].h[l][(size_t)k * n + u]);
		top = fmaxf(top, scale[u]);
	}
	for (unsigned u = 0; u < n; u++)
		scale[u] = top > 0 ? 127 / fmaxf(scale[u], least * top) : 1;
}

struct need {
	float most; /* of a unit's weights at shift 0 */
	float worth; /* what the unit adds to the next layer's sums */
};

static int compare(const void *a, const void *b)
{
	float x = ((const struct need *)a)->most, y = ((const struct need *)b)->most;

	return (x > y) - (x < y);
}

/* The shift that the units can do with which make nine tenths of the next layer's sums. Units
 * that hardly ever answer would need a large one, for nothing. */
static int shift_for(const struct need *need, unsigned n)
{
	struct need sorted[WIDE_UNITS_MAX];
	float all = 0, sum = 0, most = 0;
	int shift;

	memcpy(sorted, need, n * sizeof(*need));
	qsort(sorted, n, sizeof(*sorted), compare);
	for (unsigned u = 0; u < n; u++)
		all += sorted[u].worth;
	for (unsigned u = 0; u < n && (u == 0 || sum < 0.9F * all); u++) {
		sum += sorted[u].worth;
		most = sorted[u].most;
	}
	shift = most > 0 ? (int)ceilf(log2f(most / 127)) : 0;
	return shift < -7 ? -7 : shift > 7 ? 7 : shift;
}

/* Size of what unit u of layer l adds to the sums of the next one. */
static float worth_of(const struct wide_net *net, unsigned l, unsigned u)
{
	const struct wide_layer *y = &net->layer[l], *next = y + 1;
	float h2 = 0, w2 = 0;

	for (unsigned i = 0; i < WIDE_SHARDS; i++)
		for (unsigned k = 0; k < WIDE_SHARD_ROWS; k++) {
			float h = net->shard[i].h[l][(size_t)k * y->out + u];

			h2 += h * h;
		}
	for (unsigned o = 0; o < next->out; o++) {
		float w = net->v[next->weights + (size_t)o * next->in + u];

		w2 += w * w;
	}
	return sqrtf(h2 * w2);
}

static void convert_hidden(struct wide_net *net, unsigned l, const float *from, float *scale)
{
	struct wide_layer *y = &net->layer[l];
	float *w = net->v + y->weights, *b = net->v + y->bias, step;
	struct need need[WIDE_UNITS_MAX];

	scales_of(net, l, scale);
	for (unsigned u = 0; u < y->out; u++) {
		float *row = w + (size_t)u * y->in;

		for (unsigned k = 0; k < y->in; k++)
			row[k] *= 128 * scale[u] / from[k];
		b[u] *= scale[u];
		need[u] = (struct need){ fmaxf(largest(row, y->in), fabsf(b[u])),
					 worth_of(net, l, u) };
	}
	y->shift = shift_for(need, y->out);
	y->factor = ldexpf(1, y->shift - 7);
	y->bias_unit = step = ldexpf(1, y->shift);
	for (unsigned u = 0; u < y->out; u++) {
		float fit = need[u].most > 127 * step ? 127 * step / need[u].most : 1;

		scale[u] *= fit;
		b[u] *= fit / step;
		for (unsigned k = 0; k < y->in; k++)
			w[(size_t)u * y->in + k] *= fit / step;
	}
}

/* The last layer's sums are answered as they are: one unit for all of its weights, with some
 * room for them to grow. */
static void convert_last(struct wide_net *net, const float *from)
{
	struct wide_layer *y = &net->layer[net->layers - 1];
	float *w = net->v + y->weights, most;

	for (size_t i = 0; i < (size_t)y->in * y->out; i++)
		w[i] /= from[i % y->in];
	most = largest(w, (size_t)y->in * y->out);
	y->factor = most > 0 ? most / 100 : 1;
	for (size_t i = 0; i < (size_t)y->in * y->out; i++)
		w[i] /= y->factor;
}

int wide_net_make_whole(struct wide_net *net)
{
	float *scale = malloc(2 * WIDE_UNITS_MAX * sizeof(*scale)), *from, *to;

	if (scale == NULL)
		return HV_E_NOMEM;
	from = scale;
	to = scale + WIDE_UNITS_MAX;
	for (unsigned k = 0; k < net->in; k++)
		from[k] = 128;
	for (unsigned l = 0; l + 1 < net->layers; l++) {
		float *swap = from;

		convert_hidden(net, l, from, to);
		from = to;
		to = swap;
	}
	convert_last(net, from);
	net->whole = true;
	net->steps = 0;
	memset(net->m, 0, net->n * sizeof(float));
	memset(net->s, 0, net->n * sizeof(float));
	for (size_t i = 0; i < net->n; i++) {
		bool real = i >= net->layer[net->layers - 1].bias;

		net->used[i] = real ? net->v[i] : nearbyintf(net->v[i]);
	}
	free(scale);
	return HV_OK;
}

void wide_net_take(const struct wide_net *net, unsigned l, int8_t *weights, int8_t *bias)
{
	const struct wide_layer *y = &net->layer[l];

	for (size_t i = 0; i < (size_t)y->in * y->out; i++)
		weights[i] = (int8_t)net->used[y->weights + i];
	for (unsigned u = 0; u < y->out; u++)
		bias[u] = (int8_t)(l + 1 < net->layers ? net->used[y->bias + u] : 0);
}
