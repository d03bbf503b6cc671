#include "nas/hinge.h"
#include "util/own.h"
#include "util/rng.h"
#include <cblas.h>
#include <math.h>
#include <string.h>

enum { MUTANTS = 96 };
static const float dependent = 3e-3f; /* share of a column's length that must be new */

/* State of one search. Rows of q are orthonormal over the weighted records. */
struct hinge {
	const struct nas_hinge_problem *p;
	struct hv_rng rng;
	unsigned most; /* rows of q there is room for */
	unsigned cols; /* rows of q in use */
	float *q; /* (most, n) */
	float *rest; /* (targets, n): what the rows of q leave of the weighted targets */
	unsigned
		fixed; /* rows of q of the constant and the inputs; 0: not made for these weights */
	float *fixed_rest; /* (targets, n): what they leave */
	float *sw; /* (n): root of the weight */
	float *pool; /* (batch, n): outputs of candidates */
	float *wide; /* (batch, channels): weights of candidates as floats */
	float *dots; /* (most + targets, batch) */
	int8_t *w, *b; /* candidates: (batch, channels), (batch) */
	unsigned batch;
	struct nas_units u;
};

#if defined(__x86_64__)
#define CLONES __attribute__((optimize("O3"), target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES __attribute__((optimize("O3")))
#endif

CLONES static void requant(float *v, size_t n, int shift, int bias, int act)
{
	const int right = 7 - shift, half = right > 0 ? 1 << (right - 1) : 0;
	const int least = act == CNN_ACT_RELU ? 0 : -128, sign = act == CNN_ACT_ABS ? -1 : 0;

	for (size_t i = 0; i < n; i++) {
		int y = ((int)v[i] + 128 * bias + half) >> right;

		y = y > 127 ? 127 : y;
		y = y < least ? least : y;
		y = y < 0 ? (y ^ sign) - sign : y;
		y = y > 127 ? 127 : y;
		v[i] = (float)y;
	}
}

void nas_units_run(const float *x, size_t n, unsigned channels, const int8_t *weights,
		   const int8_t *bias, unsigned units, int shift, enum cnn_act act, float *wide,
		   float *to)
{
	for (size_t i = 0; i < (size_t)units * channels; i++)
		wide[i] = weights[i];
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)units, (int)n, (int)channels, 1,
		    wide, (int)channels, x, (int)n, 0, to, (int)n);
	for (unsigned i = 0; i < units; i++)
		requant(to + i * n, n, shift, bias[i], (int)act);
}

static void weigh(const struct hinge *h, float *v)
{
	for (size_t i = 0; i < h->p->n; i++)
		v[i] *= h->sw[i];
}

/* Makes v (weighted) the next row of q unless it is dependent; takes it off the rest. */
static bool join(struct hinge *h, const float *v)
{
	size_t n = h->p->n;
	float *to = h->q + h->cols * n, before, after;

	if (h->cols == h->most)
		return false;
	memcpy(to, v, n * sizeof(*to));
	before = cblas_snrm2((int)n, to, 1);
	for (int twice = 0; twice < 2 && h->cols > 0; twice++) {
		cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)h->cols, (int)n, 1, h->q, (int)n, to,
			    1, 0, h->dots, 1);
		cblas_sgemv(CblasRowMajor, CblasTrans, (int)h->cols, (int)n, -1, h->q, (int)n,
			    h->dots, 1, 1, to, 1);
	}
	after = cblas_snrm2((int)n, to, 1);
	if (!(after > dependent * before) || after == 0)
		return false;
	cblas_sscal((int)n, 1 / after, to, 1);
	for (unsigned k = 0; k < h->p->targets; k++) {
		float *r = h->rest + k * n;

		cblas_saxpy((int)n, -cblas_sdot((int)n, to, 1, r, 1), to, 1, r, 1);
	}
	h->cols++;
	return true;
}

static double energy(const struct hinge *h)
{
	double sum = 0;

	for (unsigned k = 0; k < h->p->targets; k++) {
		double s = (double)cblas_snrm2((int)h->p->n, h->rest + k * h->p->n, 1);

		sum += s * s;
	}
	return sum;
}

/* Basis of constant and, if direct, inputs. */
static void rebuild_fixed(struct hinge *h)
{
	const struct nas_hinge_problem *p = h->p;
	size_t n = p->n;
	float *v = h->pool;

	h->cols = 0;
	for (unsigned k = 0; k < p->targets; k++)
		for (size_t i = 0; i < n; i++)
			h->rest[k * n + i] = (float)(p->t[k * n + i] * (double)h->sw[i]);
	memcpy(v, h->sw, n * sizeof(*v));
	(void)join(h, v);
	for (unsigned c = 0; p->direct && c < p->channels; c++) {
		memcpy(v, p->x + c * n, n * sizeof(*v));
		weigh(h, v);
		(void)join(h, v);
	}
	h->fixed = h->cols;
	memcpy(h->fixed_rest, h->rest, sizeof(float) * p->targets * n);
}

/* Basis anew: constant, inputs if direct, all units but `without`. */
static void rebuild(struct hinge *h, unsigned without)
{
	const struct nas_hinge_problem *p = h->p;
	size_t n = p->n;
	float *v = h->pool;

	if (h->fixed == 0) {
		rebuild_fixed(h);
	} else {
		h->cols = h->fixed;
		memcpy(h->rest, h->fixed_rest, sizeof(float) * p->targets * n);
	}
	for (unsigned j = 0; j < h->u.n; j++) {
		if (j == without)
			continue;
		nas_units_run(p->x, n, p->channels, h->u.weights + (size_t)j * p->channels,
			      h->u.bias + j, 1, p->shift, p->act, h->wide, v);
		weigh(h, v);
		(void)join(h, v);
	}
}

/* ---- candidates ---- */

static int8_t small(double v)
{
	v = rint(v);
	return (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
}

/* A direction over features, the same for all channels of one, or over single channels. */
static void draw_direction(struct hinge *h, double *dir)
{
	const struct nas_hinge_problem *p = h->p;
	bool whole = hv_rng_below(&h->rng, 2) == 0;
	unsigned keep = 1 + hv_rng_below(&h->rng, p->channels < 4 ? p->channels : 4);
	double of[256];

	for (unsigned f = 0; f < 256; f++)
		of[f] = hv_rng_normal(&h->rng, 0, 1) * (hv_rng_below(&h->rng, 3) > 0);
	for (unsigned c = 0; c < p->channels; c++)
		dir[c] = whole ? of[p->feature[c]] : 0;
	if (whole && hv_rng_below(&h->rng, 2) == 0)
		return;
	for (unsigned i = 0; i < keep; i++)
		dir[hv_rng_below(&h->rng, p->channels)] += hv_rng_normal(&h->rng, 0, 1);
}

/* Candidate i: random direction and length, its bend at a random record. */
static void draw(struct hinge *h, unsigned i, double *dir)
{
	const struct nas_hinge_problem *p = h->p;
	size_t at = hv_rng_below(&h->rng, (uint32_t)p->n);
	int8_t *w = h->w + (size_t)i * p->channels;
	double sum = 0, length, acc = 0, most = 0;

	draw_direction(h, dir);
	for (unsigned c = 0; c < p->channels; c++)
		sum += fabs(dir[c]);
	length = ldexp(128, -p->shift) * hv_rng_uniform(&h->rng, 0.5, 2.5);
	for (unsigned c = 0; c < p->channels; c++)
		most = fmax(most, fabs(dir[c]));
	if (sum > 0 && length * most / sum > 127)
		length = 127 * sum / most;
	for (unsigned c = 0; c < p->channels; c++) {
		w[c] = sum > 0 ? small(dir[c] * length / sum) : 0;
		acc += w[c] * (double)p->x[c * p->n + at];
	}
	h->b[i] = small(-acc / 128);
}

/* Candidate i from a given one: some weights moved, the bend moved or at a record. */
static void mutate(struct hinge *h, unsigned i, const int8_t *w, int8_t b)
{
	const struct nas_hinge_problem *p = h->p;
	int8_t *to = h->w + (size_t)i * p->channels;
	unsigned changes = 1 + hv_rng_below(&h->rng, 3);
	int reach = 1 << hv_rng_below(&h->rng, 6);

	memcpy(to, w, p->channels);
	h->b[i] = b;
	if (hv_rng_below(&h->rng, 4) == 0)
		h->b[i] = small(b + hv_rng_normal(&h->rng, 0, reach));
	if (hv_rng_below(&h->rng, 8) == 0)
		return;
	for (unsigned k = 0; k < changes; k++) {
		unsigned c = hv_rng_below(&h->rng, p->channels);

		to[c] = small(to[c] + hv_rng_normal(&h->rng, 0, reach));
		if (hv_rng_below(&h->rng, 12) == 0)
			to[c] = 0;
	}
}

/* Best of the first `count` candidates: what it takes off the error. */
static unsigned best_of(struct hinge *h, unsigned count, double *gain)
{
	const struct nas_hinge_problem *p = h->p;
	float *dr = h->dots + (size_t)h->cols * count;
	unsigned best = 0;
	size_t n = p->n;

	nas_units_run(p->x, n, p->channels, h->w, h->b, count, p->shift, p->act, h->wide, h->pool);
	for (unsigned i = 0; i < count; i++)
		weigh(h, h->pool + i * n);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)h->cols, (int)count, (int)n, 1,
		    h->q, (int)n, h->pool, (int)n, 0, h->dots, (int)count);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)p->targets, (int)count, (int)n, 1,
		    h->rest, (int)n, h->pool, (int)n, 0, dr, (int)count);
	*gain = -1;
	for (unsigned i = 0; i < count; i++) {
		double all = (double)cblas_snrm2((int)n, h->pool + i * n, 1), left, g = 0;

		all *= all;
		left = all;
		for (unsigned k = 0; k < h->cols; k++)
			left -= (double)h->dots[k * count + i] * (double)h->dots[k * count + i];
		for (unsigned k = 0; k < p->targets; k++)
			g += (double)dr[k * count + i] * (double)dr[k * count + i];
		if (left > 1e-4 * all && g / left > *gain) {
			*gain = g / left;
			best = i;
		}
	}
	return best;
}

/* The best new unit: from random candidates and `from` (if any), then by mutation. */
static void find_unit(struct hinge *h, const int8_t *from_w, int8_t from_b, bool has_from,
		      unsigned pool, int8_t *w, int8_t *b)
{
	const struct nas_hinge_problem *p = h->p;
	double dir[256], top = -1, gain;
	unsigned best, stale = 0;

	for (unsigned done = 0; done < pool; done += h->batch) {
		unsigned count = pool - done < h->batch ? pool - done : h->batch;

		for (unsigned i = 0; i < count; i++)
			draw(h, i, dir);
		if (has_from && done == 0) {
			memcpy(h->w, from_w, p->channels);
			h->b[0] = from_b;
		}
		best = best_of(h, count, &gain);
		if (gain > top) {
			top = gain;
			memcpy(w, h->w + (size_t)best * p->channels, p->channels);
			*b = h->b[best];
		}
	}
	for (unsigned r = 0; r < p->rounds && stale < 3; r++) {
		for (unsigned i = 0; i < MUTANTS; i++)
			mutate(h, i, w, *b);
		best = best_of(h, MUTANTS, &gain);
		stale = gain > top * (1 + 1e-4) ? 0 : stale + 1;
		if (gain > top) {
			top = gain;
			memcpy(w, h->w + (size_t)best * p->channels, p->channels);
			*b = h->b[best];
		}
	}
}

static void add_unit(struct hinge *h, unsigned at)
{
	const struct nas_hinge_problem *p = h->p;

	nas_units_run(p->x, p->n, p->channels, h->u.weights + (size_t)at * p->channels,
		      h->u.bias + at, 1, p->shift, p->act, h->wide, h->pool);
	weigh(h, h->pool);
	(void)join(h, h->pool);
}

/* Weights of records for the next sweep: of squares, or so that squares weigh like absolute
 * values. `rest` is weighted by the present sw. */
static void reweigh(struct hinge *h, bool first)
{
	const struct nas_hinge_problem *p = h->p;
	double mean = 0;

	h->fixed = 0;
	for (size_t i = 0; i < p->n; i++) {
		double root = sqrt(p->weight[i]), e2 = 0;

		for (unsigned k = 0; k < p->targets; k++)
			e2 += (double)h->rest[k * p->n + i] * (double)h->rest[k * p->n + i];
		/* the error in units of the metric */
		h->pool[i] =
			first || h->sw[i] <= 0 ? 0 : (float)(sqrt(e2) / (double)h->sw[i] * root);
		mean += (double)h->pool[i] / (double)p->n;
	}
	for (size_t i = 0; i < p->n; i++) {
		double root = sqrt(p->weight[i]), e = (double)h->pool[i];

		if (first || !p->absolute_loss)
			h->sw[i] = (float)root;
		else
			h->sw[i] = (float)(root * sqrt(mean / (e + 0.3 * mean + 1e-30)));
	}
}

static int run(struct hinge *h, nas_hinge_watch *watch, void *ctx)
{
	const struct nas_hinge_problem *p = h->p;
	hv_autofree int8_t *w = malloc(p->channels);
	unsigned steps = p->width * (1 + p->sweeps), step = 0;
	int8_t b = 0;

	if (w == NULL)
		return HV_E_NOMEM;
	reweigh(h, true);
	if (p->starts > 0) {
		memcpy(h->u.weights, p->start_weights, (size_t)p->starts * p->channels);
		memcpy(h->u.bias, p->start_bias, p->starts);
		h->u.n = p->starts;
	}
	rebuild(h, p->width);
	for (; h->u.n < p->width; step++) {
		if (watch != NULL && !watch(ctx, (double)step / steps, energy(h)))
			return h->u.n > 0 ? HV_OK : HV_E_CANCEL;
		find_unit(h, NULL, 0, false, p->pool, w, &b);
		memcpy(h->u.weights + (size_t)h->u.n * p->channels, w, p->channels);
		h->u.bias[h->u.n] = b;
		add_unit(h, h->u.n++);
	}
	for (unsigned s = 0; s < p->sweeps; s++) {
		if (p->absolute_loss)
			reweigh(h, false);
		for (unsigned j = 0; j < h->u.n; j++, step++) {
			rebuild(h, j);
			find_unit(h, h->u.weights + (size_t)j * p->channels, h->u.bias[j], true,
				  p->pool / 4 > 1 ? p->pool / 4 : 1, w, &b);
			memcpy(h->u.weights + (size_t)j * p->channels, w, p->channels);
			h->u.bias[j] = b;
			add_unit(h, j);
			if (watch != NULL && !watch(ctx, (double)step / steps, energy(h)))
				return HV_OK;
		}
	}
	return HV_OK;
}

void nas_units_clear(struct nas_units *u)
{
	free(u->weights);
	free(u->bias);
	*u = (struct nas_units){ 0 };
}

static void clear(struct hinge *h)
{
	free(h->q);
	free(h->rest);
	free(h->fixed_rest);
	free(h->sw);
	free(h->pool);
	free(h->wide);
	free(h->dots);
	free(h->w);
	free(h->b);
}

int nas_hinge_run(const struct nas_hinge_problem *p, nas_hinge_watch *watch, void *ctx,
		  struct nas_units *u)
{
	struct hinge h = { .p = p, .batch = p->pool < 512 ? p->pool : 512 };
	size_t n = p->n;
	int r = HV_E_NOMEM;

	h.batch = h.batch < MUTANTS ? MUTANTS : h.batch;
	h.most = 1 + (p->direct ? p->channels : 0) + p->width;
	h.q = malloc(sizeof(float) * h.most * n);
	h.rest = calloc((size_t)p->targets * n, sizeof(float));
	h.fixed_rest = malloc(sizeof(float) * p->targets * n);
	h.sw = calloc(n, sizeof(float));
	h.pool = malloc(sizeof(float) * h.batch * n);
	h.wide = malloc(sizeof(float) * h.batch * p->channels);
	h.dots = malloc(sizeof(float) * (h.most + p->targets) * h.batch);
	h.w = malloc((size_t)h.batch * p->channels);
	h.b = malloc(h.batch);
	h.u.channels = p->channels;
	h.u.weights = calloc((size_t)p->width + 1, p->channels);
	h.u.bias = calloc(p->width + 1u, 1);
	hv_rng_seed(&h.rng, p->seed);
	if (h.q != NULL && h.rest != NULL && h.fixed_rest != NULL && h.sw != NULL &&
	    h.pool != NULL && h.wide != NULL && h.dots != NULL && h.w != NULL && h.b != NULL &&
	    h.u.weights != NULL && h.u.bias != NULL)
		r = run(&h, watch, ctx);
	clear(&h);
	if (r < 0)
		nas_units_clear(&h.u);
	else
		*u = h.u;
	return r;
}
