#include "nas/certify.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include "util/rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double confidence = 0.999;
static const double quantile = 3.090232306167813; /* of the normal distribution */

/* Student's quantile by the first two terms of Cornish and Fisher. */
static double student(double n)
{
	const double z = quantile, z3 = z * z * z, z5 = z3 * z * z;

	return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n);
}

/* Kinds of records that worst_part looks at apart; more are taken together. */
enum { KINDS = 4, ALL_KINDS = KINDS };

/* Sums of one batch; by kind: of the last elements. */
struct batch {
	double err2, ref2, rel, weight, misses;
	double kind_rel[KINDS], kind_weight[KINDS];
	uint64_t elements, records;
};

struct court {
	const struct harvest_task *task;
	struct package *p;
	struct nas_verdict *v;
	size_t in_bytes, out_bytes, outs;
	uint8_t *in, *out; /* one batch */
	double *ref, *got; /* one record */
	float *figure; /* of every record */
	struct batch *batch;
	size_t batches, per_batch;
	struct hv_metric whole;
	double yes, no, yes_missed, no_missed;
};

static double figure_of(const struct court *c, const struct batch *one, double max_abs)
{
	double n = (double)one->elements;

	switch (c->task->metric) {
	case HARVEST_SNR_DB:
		return one->err2 > 0 ? fmin(10 * log10(one->ref2 / one->err2), 200) : 200;
	case HARVEST_MEAN_REL: return one->rel;
	case HARVEST_MISS_RATE: return one->misses;
	case HARVEST_MAX_ABS: return max_abs;
	case HARVEST_NRMSE: return sqrt(one->err2 / n);
	case HARVEST_NRMSE_RANGE:
		return sqrt(one->err2 / n) / (c->whole.range > 0 ? c->whole.range : 1);
	case HARVEST_IMAGE_DIFF: return sqrt(one->err2 / n) / 255;
	case HARVEST_WORST_PART:
		return fmax(sqrt(one->err2 / n) / (c->whole.range > 0 ? c->whole.range : 1),
			    c->whole.tail_factor * one->rel);
	}
	return 0;
}

static void keep_worst(struct court *c, double figure, uint64_t index)
{
	struct nas_verdict *v = c->v;
	bool larger = !hv_metric_larger_is_better(c->task->metric);
	unsigned at = 0;

	while (at < v->worsts && (larger ? v->worst[at] >= figure : v->worst[at] <= figure))
		at++;
	if (at == NAS_WORST)
		return;
	if (v->worsts < NAS_WORST)
		v->worsts++;
	for (unsigned i = v->worsts - 1; i > at; i--) {
		v->worst[i] = v->worst[i - 1];
		v->worst_index[i] = v->worst_index[i - 1];
	}
	v->worst[at] = figure;
	v->worst_index[at] = index;
}

static double relative(double err2, double ref2)
{
	double rel = err2 == 0 ? 0 : sqrt(err2 / ref2);

	return rel < 1 ? rel : 1; /* NaN: 1 */
}

static unsigned kind_of(const struct harvest_task *t, uint64_t index)
{
	return t->parts > 0 && t->parts <= KINDS ? (unsigned)(index % t->parts) : 0;
}

static void judge_record(struct court *c, uint64_t index, const uint8_t *in, const uint8_t *out,
			 struct batch *b)
{
	const struct harvest_task *t = c->task;
	size_t tail = c->whole.tail < c->outs ? c->whole.tail : c->outs, n = c->outs - tail;
	struct batch one = { .elements = n, .records = 1, .weight = 1 };
	double most = 0, figure, tail_err2 = 0, tail_ref2 = 0;
	unsigned kind = kind_of(t, index);

	t->reference(in, c->ref);
	tensor_to_double(&t->out, out, c->got);
	if (HARVEST_TASK_HAS(t, weight) && t->weight != NULL)
		one.weight = t->weight(in, c->ref);
	for (size_t e = 0; e < c->outs; e++) {
		double d = fabs(c->ref[e] - c->got[e]);

		*(e < n ? &one.err2 : &tail_err2) += d * d;
		*(e < n ? &one.ref2 : &tail_ref2) += c->ref[e] * c->ref[e];
		most = fmax(most, d);
	}
	one.misses = t->metric == HARVEST_MISS_RATE && most > 0.5;
	one.rel = tail > 0 ? relative(tail_err2, tail_ref2) : relative(one.err2, one.ref2);
	hv_metric_add_weighted(&c->whole, c->ref, c->got, c->outs, one.weight);
	*(c->ref[0] > 0.5 ? &c->yes : &c->no) += 1;
	*(c->ref[0] > 0.5 ? &c->yes_missed : &c->no_missed) += one.misses;
	figure = one.weight > 0 ? figure_of(c, &one, most) : 0;
	c->figure[index] = (float)figure;
	keep_worst(c, figure, index);
	b->err2 += one.err2;
	b->ref2 += one.ref2;
	b->kind_rel[kind] += one.weight * one.rel;
	b->kind_weight[kind] += one.weight;
	b->rel += one.weight * one.rel;
	b->weight += one.weight;
	b->misses += one.misses;
	b->elements += one.elements;
	b->records++;
}

static int judge_batch(struct court *c, uint64_t seed, uint64_t first, size_t n, struct batch *b)
{
	int r;

	for (size_t i = 0; i < n; i++)
		c->task->sample(seed, first + i, c->in + i * c->in_bytes);
	r = package_run(c->p, c->in, c->out, n);
	for (size_t i = 0; r == HV_OK && i < n; i++)
		judge_record(c, first + i, c->in + i * c->in_bytes, c->out + i * c->out_bytes, b);
	return r;
}

/* Numerator and denominator of a batch's part in the metric; of the last elements of one kind of
 * records. */
static void parts(const struct court *c, const struct batch *b, unsigned kind, double *over,
		  double *under)
{
	if (kind < KINDS) {
		*over = b->kind_rel[kind];
		*under = b->kind_weight[kind];
		return;
	}
	*under = (double)b->elements;
	*over = b->err2;
	switch (c->task->metric) {
	case HARVEST_SNR_DB:
	case HARVEST_NRMSE: *under = b->ref2; return;
	case HARVEST_MEAN_REL:
		*over = b->rel;
		*under = b->weight;
		return;
	case HARVEST_MISS_RATE:
		*over = b->misses;
		*under = (double)b->records;
		return;
	default: return;
	}
}

/* Upper bound of sum over / sum under: a ratio of means with the deviation of its residuals. */
static double ratio_bound(const struct court *c, unsigned kind)
{
	double over = 0, under = 0, var = 0, r, n = (double)c->batches;

	for (size_t i = 0; i < c->batches; i++) {
		double a, b;

		parts(c, &c->batch[i], kind, &a, &b);
		over += a;
		under += b;
	}
	if (!(under > 0))
		return NAN;
	r = over / under;
	for (size_t i = 0; i < c->batches; i++) {
		double a, b;

		parts(c, &c->batch[i], kind, &a, &b);
		var += (a - r * b) * (a - r * b) / (n - 1);
	}
	return r + student(n - 1) * sqrt(var / n) / (under / n);
}

static double range_of(const struct hv_metric *m)
{
	return m->range > 0 ? m->range : m->ref_max - m->ref_min;
}

/* Of the last elements, the worst kind. */
static double tail_bound(const struct court *c)
{
	double worst = 0;

	for (unsigned kind = 0; c->whole.tail > 0 && kind < KINDS; kind++) {
		double r = ratio_bound(c, kind);

		worst = r > worst ? r : worst;
	}
	return c->whole.tail_factor * fmin(worst, 1);
}

static double certified(const struct court *c, uint64_t samples)
{
	double r = ratio_bound(c, ALL_KINDS), range = range_of(&c->whole);

	switch (c->task->metric) {
	case HARVEST_SNR_DB: return r > 0 ? fmin(-10 * log10(r), 200) : 200;
	case HARVEST_NRMSE: return sqrt(r);
	case HARVEST_MAX_ABS: return c->whole.max_abs;
	case HARVEST_NRMSE_RANGE: return sqrt(r) / range;
	case HARVEST_WORST_PART: return fmax(sqrt(r) / range, tail_bound(c));
	case HARVEST_IMAGE_DIFF: return sqrt(r) / 255;
	case HARVEST_MISS_RATE:
		if (c->whole.misses == 0)
			return 1 - pow(1 - confidence, 1 / (double)samples);
		return fmin(r, 1);
	default: return fmin(r, 1);
	}
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* What a record's error is relative to, if only the whole sample could tell; else 1. */
static double unit_of(const struct court *c)
{
	const struct hv_metric *m = &c->whole;

	if (c->task->metric == HARVEST_NRMSE)
		return sqrt(m->sum_ref2 / (double)m->elements);
	if (c->task->metric == HARVEST_NRMSE_RANGE && !(m->range > 0))
		return m->ref_max - m->ref_min;
	return 1;
}

static void rescale(struct court *c, uint64_t samples)
{
	double unit = unit_of(c);

	if (!(unit > 0) || unit == 1)
		return;
	for (uint64_t i = 0; i < samples; i++)
		c->figure[i] = (float)((double)c->figure[i] / unit);
	for (unsigned i = 0; i < c->v->worsts; i++)
		c->v->worst[i] /= unit;
}

static void spread(struct court *c, uint64_t samples, struct package_cert *cert)
{
	struct nas_verdict *v = c->v;
	bool larger = hv_metric_larger_is_better(c->task->metric);

	qsort(c->figure, samples, sizeof(*c->figure), by_value);
	cert->median = (double)c->figure[samples / 2];
	cert->worst = v->worst[0];
	v->p99 = (double)c->figure[larger ? samples / 100 : samples - 1 - samples / 100];
	v->bin_least = larger ? (double)c->figure[0] : 0;
	v->bin_most = (double)c->figure[larger ? samples - 1 : samples - 1 - samples / 1000];
	for (uint64_t i = 0; i < samples && v->bin_most > v->bin_least; i++) {
		double at = ((double)c->figure[i] - v->bin_least) / (v->bin_most - v->bin_least);
		int b = (int)(at * NAS_BINS);

		v->bin[b < 0 ? 0 : b >= NAS_BINS ? NAS_BINS - 1 : b]++;
	}
}

static int hold(struct court *c, uint64_t seed, uint64_t samples, char *why, size_t cap)
{
	struct package_cert *cert = &c->p->cert;

	for (size_t i = 0; i < c->batches; i++) {
		uint64_t first = (uint64_t)i * c->per_batch;
		size_t n =
			samples - first < c->per_batch ? (size_t)(samples - first) : c->per_batch;
		int r = judge_batch(c, seed, first, n, &c->batch[i]);

		if (r < 0) {
			snprintf(why, cap, "running the network: %s", hv_err_text(r));
			return r;
		}
	}
	*cert = (struct package_cert){ .metric = c->task->metric,
				       .samples = samples,
				       .confidence = confidence,
				       .certified = certified(c, samples),
				       .max_abs = c->whole.max_abs };
	if (cert->metric == HARVEST_NRMSE_RANGE || cert->metric == HARVEST_WORST_PART)
		cert->range = range_of(&c->whole);
	snprintf(cert->method, sizeof(cert->method), "statistical");
	c->v->whole = hv_metric_value(&c->whole);
	if (!isfinite(cert->certified)) {
		snprintf(why, cap,
			 "metric %s of task %s is undefined on %llu records of its test stream",
			 hv_metric_text(c->task->metric), c->task->name,
			 (unsigned long long)samples);
		return HV_E_INVAL;
	}
	rescale(c, samples);
	spread(c, samples, cert);
	c->v->balanced_miss = c->v->base_rate = NAN;
	if (c->task->metric == HARVEST_MISS_RATE && c->yes > 0 && c->no > 0) {
		c->v->balanced_miss = 0.5 * (c->yes_missed / c->yes + c->no_missed / c->no);
		c->v->base_rate = fmax(c->yes, c->no) / (c->yes + c->no);
	}
	return HV_OK;
}

int nas_certify(struct package *p, const struct harvest_task *task, uint64_t seed, uint64_t samples,
		struct nas_verdict *v, char *why, size_t cap)
{
	struct court c = { .task = task, .p = p, .v = v };
	int r = HV_E_NOMEM;

	if (samples < NAS_SAMPLES_MIN) {
		snprintf(why, cap, "%llu samples are too few, at least %d are needed",
			 (unsigned long long)samples, NAS_SAMPLES_MIN);
		return HV_E_INVAL;
	}
	*v = (struct nas_verdict){ 0 };
	c.in_bytes = tensor_bytes(&task->in);
	c.out_bytes = tensor_bytes(&task->out);
	c.outs = tensor_elements(&task->out);
	c.per_batch = (size_t)(samples / NAS_BATCHES);
	c.per_batch = c.per_batch < 1 ? 1 : c.per_batch;
	c.per_batch = c.per_batch > NAS_BATCH_RECORDS ? NAS_BATCH_RECORDS : c.per_batch;
	c.batches = (size_t)((samples + c.per_batch - 1) / c.per_batch);
	c.whole = hv_metric_begin_of(task);
	c.in = malloc(c.in_bytes * c.per_batch);
	c.out = malloc(c.out_bytes * c.per_batch);
	c.ref = malloc(sizeof(*c.ref) * c.outs);
	c.got = malloc(sizeof(*c.got) * c.outs);
	c.figure = malloc(sizeof(*c.figure) * samples);
	c.batch = calloc(c.batches, sizeof(*c.batch));
	if (c.in != NULL && c.out != NULL && c.ref != NULL && c.got != NULL && c.figure != NULL &&
	    c.batch != NULL)
		r = hold(&c, seed, samples, why, cap);
	else
		snprintf(why, cap, "out of memory");
	free(c.in);
	free(c.out);
	free(c.ref);
	free(c.got);
	free(c.figure);
	free(c.batch);
	return r;
}

uint64_t nas_samples(const struct harvest_task *task)
{
	return tensor_elements(&task->in) > 1000 ? NAS_SAMPLES_IMAGE : NAS_SAMPLES;
}

/* ---- vectors ---- */

int nas_vectors(struct package *p, const struct harvest_task *task)
{
	enum { VECTORS = 4 };
	size_t in = package_in_bytes(p), out = package_out_bytes(p);

	while (p->n_kats < VECTORS) {
		struct package_kat *k = &p->kat[p->n_kats];
		int r;

		k->in = malloc(in);
		k->out = malloc(out);
		p->n_kats++;
		if (k->in == NULL || k->out == NULL)
			return HV_E_NOMEM;
		task->sample(2, p->n_kats, k->in);
		r = package_run(p, k->in, k->out, 1);
		if (r < 0)
			return r;
	}
	return HV_OK;
}
