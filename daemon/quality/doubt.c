#include "daemon/quality/doubt.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Small ones find what is rare and far off: one more wrong decision in a thousand. */
static const double bet[DOUBT_BETS] = {
	0x1p-13, 0x1p-11, 0x1p-9, 0x1p-7, 0x1p-5, 0.125, 0.5, 0.9375
};
static const double cap_room = 4; /* a record may be so much louder than those before it */
static const double cap_decay = 1 - 1.0 / 512; /* a record */
static const double least_r = 1e-20; /* of a certificate without any error */

static double range_of(const struct harvest_task *t, const struct package_cert *c)
{
	return c->range > 0 ? c->range : t->range;
}

/* sum a / sum b at an error that the metric calls `value`. */
static double ratio_of(const struct harvest_task *t, const struct package_cert *c, double value)
{
	double range = range_of(t, c);

	switch (t->metric) {
	case HARVEST_SNR_DB: return pow(10, -value / 10);
	case HARVEST_NRMSE: return value * value;
	case HARVEST_NRMSE_RANGE: return value * range * value * range;
	case HARVEST_IMAGE_DIFF: return value * 255 * value * 255;
	case HARVEST_MAX_ABS: return 1 - pow(1 - c->confidence, 1 / (double)c->samples);
	case HARVEST_MEAN_REL:
	case HARVEST_MISS_RATE: return value;
	case HARVEST_WORST_PART: return 1; /* both parts are counted in what is tolerated */
	}
	return 0;
}

static double tolerated(enum harvest_metric m, double certified)
{
	if (m == HARVEST_SNR_DB)
		return certified - 20 * log10(DOUBT_TOLERANCE);
	return certified * DOUBT_TOLERANCE;
}

void doubt_begin(struct doubt *d, const struct harvest_task *t, const struct package_cert *c)
{
	double r = ratio_of(t, c, tolerated(t->metric, c->certified));
	bool ranged = t->metric == HARVEST_NRMSE_RANGE || t->metric == HARVEST_WORST_PART;
	bool known = !ranged || range_of(t, c) > 0;

	*d = (struct doubt){ .certified = c->certified, .pooled = hv_metric_begin_of(t) };
	d->pooled.range = range_of(t, c);
	if (isfinite(r) && known)
		d->r = fmax(r, least_r);
}

/* Mean of both parts' shares of what is tolerated: at most 1 on average if neither exceeds it. */
static double mean_share(const struct doubt *d, const struct hv_metric *one)
{
	double most = tolerated(one->kind, d->certified), first = most * d->pooled.range;
	double share = one->sum_err2 / (double)one->elements / (first * first);

	return (share + one->tail_factor * one->sum_rel / most) / 2;
}

/* The shares of one record. False: its b has no bound that is known before. */
static bool shares(const struct doubt *d, const struct hv_metric *one, double *a, double *b)
{
	*b = 1;
	switch (one->kind) {
	case HARVEST_SNR_DB:
	case HARVEST_NRMSE:
		*a = one->sum_err2;
		*b = one->sum_ref2;
		return false;
	case HARVEST_MEAN_REL:
		*a = one->sum_rel;
		*b = one->sum_weight;
		return true;
	case HARVEST_MISS_RATE: *a = one->misses; return true;
	case HARVEST_MAX_ABS: *a = one->max_abs > d->certified; return true;
	case HARVEST_NRMSE_RANGE:
	case HARVEST_IMAGE_DIFF: *a = one->sum_err2 / (double)one->elements; return true;
	case HARVEST_WORST_PART: *a = mean_share(d, one); return true;
	}
	*a = 0;
	return true;
}

/* The cap that was set before this record. 0: it is louder, and no bet is made on it. */
static double cap_for(struct doubt *d, double b, bool bounded)
{
	double cap = d->cap;

	if (bounded)
		return 1;
	d->cap = fmax(cap * cap_decay, cap_room * b);
	return b <= cap ? cap : 0;
}

bool doubt_add(struct doubt *d, const double *ref, const double *got, size_t n, double weight)
{
	struct hv_metric one = hv_metric_begin(d->pooled.kind);
	double a, b, cap, gain, sum = 0, t;
	bool bounded;

	hv_metric_add_weighted(&d->pooled, ref, got, n, weight);
	if (!(d->r > 0) || d->convinced)
		return false;
	one.tail = d->pooled.tail;
	one.tail_factor = d->pooled.tail_factor;
	hv_metric_add_weighted(&one, ref, got, n, weight);
	bounded = shares(d, &one, &a, &b);
	cap = cap_for(d, b, bounded);
	if (!(cap > 0) || !isfinite(cap))
		return false;
	gain = (a / d->r - b) / cap;
	t = (double)d->pooled.records;
	for (unsigned i = 0; i < DOUBT_BETS; i++) {
		d->stake[i] += 1 / (DOUBT_BETS * t * (t + 1));
		d->stake[i] *= 1 + bet[i] * gain;
		sum += d->stake[i];
	}
	d->convinced = sum >= DOUBT_ODDS;
	return d->convinced;
}

double doubt_measured(const struct doubt *d)
{
	return hv_metric_value(&d->pooled);
}

char *doubt_text(const struct doubt *d, char *to, size_t cap)
{
	snprintf(to, cap, "%s %.4g measured over %llu audited records, certified %.4g",
		 hv_metric_text(d->pooled.kind), doubt_measured(d),
		 (unsigned long long)d->pooled.records, d->certified);
	return to;
}
