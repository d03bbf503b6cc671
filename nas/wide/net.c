#include "nas/wide/net.h"
#include "util/rng.h"
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- memory -------------------------------------------------------------------------------- */

/* The first walk counts, the second one hands out. */
struct cut {
	float *base;
	size_t used;
};

static float *take(struct cut *c, size_t n)
{
	float *at = c->base != NULL ? c->base + c->used : NULL;

	c->used += (n + 15) / 16 * 16;
	return at;
}

static void lay_out(struct wide_net *net, struct cut *c)
{
	unsigned most = 0;

	for (unsigned l = 0; l < net->layers; l++)
		most = net->layer[l].out > most ? net->layer[l].out : most;
	net->v = take(c, net->n);
	net->used = take(c, net->n);
	net->m = take(c, net->n);
	net->s = take(c, net->n);
	for (unsigned i = 0; i < WIDE_SHARDS; i++) {
		struct wide_shard *s = &net->shard[i];

		s->grad = take(c, net->n);
		s->x = take(c, (size_t)WIDE_SHARD_ROWS * net->in);
		s->d = take(c, (size_t)2 * WIDE_SHARD_ROWS * most);
		for (unsigned l = 0; l < net->layers; l++)
			s->h[l] = take(c, (size_t)WIDE_SHARD_ROWS * net->layer[l].out);
	}
}

/* He et al. 2015: what a layer answers varies as much as what it reads. */
static void begin(struct wide_net *net, uint64_t seed)
{
	struct hv_rng r;

	hv_rng_seed(&r, seed ^ UINT64_C(0x71de));
	for (unsigned l = 0; l < net->layers; l++) {
		struct wide_layer *y = &net->layer[l];
		double dev = sqrt((l + 1 < net->layers ? 2.0 : 1.0) / y->in);

		for (size_t k = 0; k < (size_t)y->in * y->out; k++)
			net->v[y->weights + k] = (float)hv_rng_normal(&r, 0, dev);
		for (size_t k = 0; l + 1 < net->layers && k < y->out; k++)
			net->v[y->bias + k] = (float)hv_rng_uniform(&r, -0.3, 0.3);
	}
	memcpy(net->used, net->v, net->n * sizeof(float));
}

static bool shape_ok(const struct wide_shape *shape, unsigned in, unsigned targets)
{
	bool ok = shape->hiddens >= 1 && shape->hiddens <= WIDE_HIDDEN_MAX && in >= 1 &&
		  in <= WIDE_IN_MAX && targets >= 1 && targets <= WIDE_TARGETS_MAX;

	for (unsigned l = 0; ok && l < shape->hiddens; l++)
		ok = shape->units[l] >= 1 && shape->units[l] <= WIDE_UNITS_MAX;
	return ok;
}

static void chain(struct wide_net *net, const struct wide_shape *shape)
{
	net->layers = shape->hiddens + 1;
	for (unsigned l = 0; l < net->layers; l++) {
		struct wide_layer *y = &net->layer[l];

		y->in = l == 0 ? net->in : shape->units[l - 1];
		y->out = l < shape->hiddens ? shape->units[l] : net->targets;
		y->weights = net->n;
		y->bias = net->n + (size_t)y->in * y->out;
		net->n = y->bias + y->out;
		y->factor = l == 0 ? 1.0F / 128 : 1;
		y->bias_unit = 1;
	}
}

int wide_net_new(const struct wide_shape *shape, unsigned in, unsigned targets, bool logistic,
		 uint64_t seed, struct wide_net **to)
{
	struct cut c = { 0 };
	struct wide_net *net;

	if (!shape_ok(shape, in, targets))
		return HV_E_INVAL;
	net = calloc(1, sizeof(*net));
	if (net == NULL)
		return HV_E_NOMEM;
	net->in = in;
	net->targets = targets;
	net->logistic = logistic;
	chain(net, shape);
	lay_out(net, &c);
	net->store = calloc(c.used, sizeof(float));
	if (net->store == NULL) {
		free(net);
		return HV_E_NOMEM;
	}
	c = (struct cut){ .base = net->store };
	lay_out(net, &c);
	begin(net, seed);
	*to = net;
	return HV_OK;
}

void wide_net_free(struct wide_net *net)
{
	if (net == NULL)
		return;
	free(net->store);
	free(net);
}

uint64_t wide_shape_macs(const struct wide_shape *shape, unsigned in, unsigned targets)
{
	uint64_t macs = 0;
	unsigned from = in;

	for (unsigned l = 0; l < shape->hiddens; l++) {
		macs += (uint64_t)from * shape->units[l];
		from = shape->units[l];
	}
	return macs + (uint64_t)from * targets;
}

/* -- forward ------------------------------------------------------------------------------- */

/* NaN, of a training that ran away, becomes min. */
static float clampf(float v, float min, float max)
{
	return !(v > min) ? min : v > max ? max : v;
}

static const float *input_of(const struct wide_shard *s, unsigned l)
{
	return l == 0 ? s->x : s->h[l - 1];
}

/* h = ReLU(h + bias) of one row */
static void activate(float *h, const float *bias, unsigned n)
{
	for (unsigned u = 0; u < n; u++) {
		float y = h[u] + bias[u];

		h[u] = y > 0 ? y : 0;
	}
}

/* The same, rounded to eight bits: behind a ReLU all is positive, and to cut is to floor. */
static void activate_whole(float *h, const float *bias, float unit, unsigned n)
{
	for (unsigned u = 0; u < n; u++)
		h[u] = (float)(int)clampf(h[u] + unit * bias[u] + 0.5F, 0, 127.5F);
}

static void forward(const struct wide_net *net, struct wide_shard *s)
{
	for (unsigned l = 0; l < net->layers; l++) {
		const struct wide_layer *y = &net->layer[l];
		const float *bias = net->used + y->bias;
		bool last = l + 1 == net->layers;

		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, WIDE_SHARD_ROWS, (int)y->out,
			    (int)y->in, y->factor, input_of(s, l), (int)y->in,
			    net->used + y->weights, (int)y->in, 0, s->h[l], (int)y->out);
		for (unsigned i = 0; i < WIDE_SHARD_ROWS; i++) {
			float *h = s->h[l] + (size_t)i * y->out;

			if (last)
				cblas_saxpy((int)y->out, 1, bias, 1, h, 1);
			else if (net->whole)
				activate_whole(h, bias, y->bias_unit, y->out);
			else
				activate(h, bias, y->out);
		}
	}
}

/* -- backward ------------------------------------------------------------------------------ */

/* Gradient of the mean loss by the answers. */
static void judge(const struct wide_net *net, struct wide_shard *s, const struct wide_rows *rows,
		  float *d)
{
	const float *z = s->h[net->layers - 1];
	const float share = 1.0F / WIDE_BATCH;

	s->loss = 0;
	for (size_t i = 0; i < (size_t)WIDE_SHARD_ROWS * net->targets; i++) {
		float w = rows->weight != NULL ? rows->weight[i] : 1, y = rows->y[i];

		if (net->logistic) {
			s->loss += w * (log1p(exp(-fabs((double)z[i]))) + (z[i] > 0 ? z[i] : 0) -
					y * z[i]);
			d[i] = w * share * (1 / (1 + expf(-z[i])) - y);
		} else {
			s->loss += w * (z[i] - y) * (z[i] - y) / 2;
			d[i] = w * share * (z[i] - y);
		}
	}
}

/* No gradient passes a unit that is off or at its limit; the rest add up to the bias's. */
static void through(float *d, const float *h, float top, unsigned n, float *bias_grad)
{
	for (unsigned u = 0; u < n; u++) {
		d[u] = h[u] > 0 && h[u] < top ? d[u] : 0;
		bias_grad[u] += d[u];
	}
}

static void bias_backward(const struct wide_net *net, struct wide_shard *s, unsigned l, float *d)
{
	const struct wide_layer *y = &net->layer[l];
	float *grad = s->grad + y->bias;
	bool last = l + 1 == net->layers;

	memset(grad, 0, y->out * sizeof(float));
	for (unsigned i = 0; i < WIDE_SHARD_ROWS; i++) {
		size_t at = (size_t)i * y->out;

		if (last)
			cblas_saxpy((int)y->out, 1, d + at, 1, grad, 1);
		else
			through(d + at, s->h[l] + at, net->whole ? 127 : INFINITY, y->out, grad);
	}
	for (unsigned u = 0; u < y->out; u++)
		grad[u] *= y->bias_unit;
}

static void backward(const struct wide_net *net, struct wide_shard *s, float *d, float *spare)
{
	for (unsigned l = net->layers; l-- > 0;) {
		const struct wide_layer *y = &net->layer[l];
		float *below = spare;

		bias_backward(net, s, l, d);
		cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)y->out, (int)y->in,
			    WIDE_SHARD_ROWS, y->factor, d, (int)y->out, input_of(s, l), (int)y->in,
			    0, s->grad + y->weights, (int)y->in);
		if (l == 0)
			break;
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, WIDE_SHARD_ROWS, (int)y->in,
			    (int)y->out, y->factor, d, (int)y->out, net->used + y->weights,
			    (int)y->in, 0, below, (int)y->in);
		spare = d;
		d = below;
	}
}

void wide_net_shard(struct wide_net *net, unsigned i, const struct wide_rows *rows)
{
	struct wide_shard *s = &net->shard[i];
	size_t half = 0;

	for (unsigned l = 0; l < net->layers; l++)
		half = net->layer[l].out > half ? net->layer[l].out : half;
	half *= WIDE_SHARD_ROWS;
	for (size_t k = 0; k < (size_t)WIDE_SHARD_ROWS * net->in; k++)
		s->x[k] = rows->x[k];
	forward(net, s);
	judge(net, s, rows, s->d);
	backward(net, s, s->d, s->d + half);
}

double wide_net_loss(const struct wide_net *net)
{
	double sum = 0;

	for (unsigned i = 0; i < WIDE_SHARDS; i++)
		sum += net->shard[i].loss;
	return sum / WIDE_BATCH;
}

/* -- learning ------------------------------------------------------------------------------ */

void wide_net_begin_step(struct wide_net *net)
{
	net->steps++;
}

/* Adam over parameters from..to; all shards' gradients are added into the first one's. */
static void adam(struct wide_net *net, size_t from, size_t to, float rate)
{
	const float keep_m = 0.9F, keep_s = 0.99F, t = (float)net->steps;
	float fix_m = 1 / (1 - powf(keep_m, t)), fix_s = 1 / (1 - powf(keep_s, t));
	float *restrict g = net->shard[0].grad, *restrict m = net->m, *restrict s = net->s;
	float *restrict v = net->v;

	for (unsigned k = 1; k < WIDE_SHARDS; k++) {
		const float *restrict more = net->shard[k].grad;

		for (size_t i = from; i < to; i++)
			g[i] += more[i];
	}
	for (size_t i = from; i < to; i++) {
		m[i] = keep_m * m[i] + (1 - keep_m) * g[i];
		s[i] = keep_s * s[i] + (1 - keep_s) * g[i] * g[i];
		v[i] -= rate * (m[i] * fix_m) / (sqrtf(s[i] * fix_s) + 1e-12F);
	}
}

/* To the nearest integer, ties to even; |v| < 2^22. Adding 1.5 * 2^23 leaves no room for a
 * fraction, and unlike rintf() this becomes a vector instruction on every CPU. */
static float nearest(float v)
{
	const float big = 12582912.0F;

	return (v + big) - big;
}

static void round_run(struct wide_net *net, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		net->v[i] = clampf(net->v[i], -128, 127);
		net->used[i] = nearest(net->v[i]);
	}
}

/* Weights count in steps of int8; the constants of the last layer stay real, the host adds
 * them, and they are as small as the answers. */
static const float real_rate = 0.01F;

void wide_net_learn(struct wide_net *net, unsigned i, float rate)
{
	size_t from = net->n * i / WIDE_SHARDS, to = net->n * (i + 1) / WIDE_SHARDS;
	size_t real = net->layer[net->layers - 1].bias;
	size_t cut = !net->whole ? from : to < real ? to : from > real ? from : real;

	adam(net, from, cut, rate);
	adam(net, cut, to, net->whole ? real_rate * rate : rate);
	round_run(net, from, cut);
	memcpy(net->used + cut, net->v + cut, (to - cut) * sizeof(float));
}
