#include "nas/knots.h"
#include "nas/curve.h"
#include "util/own.h"
#include <math.h>

/* Straight pieces approximate f best in the mean of squares when they are as dense as
 * (p f''^2)^(1/5), p the density of records: f'' is taken from means of the answers over bins of
 * as many records each. */
enum { RECORDS = 4096, BINS_ONE = 128, BINS_MORE = 40, BINS_MAX = 128 };
static const double least_share = 0.15; /* of the mean density of knots */

struct place {
	double v;
	size_t record;
};

struct bins {
	unsigned n;
	double at[BINS_MAX]; /* mean of the value, 0..1 */
	double weight[BINS_MAX]; /* mean of what squared errors weigh */
	double mean[NAS_TARGETS_MAX][BINS_MAX]; /* of the targets, in their own deviations */
	double density[BINS_MAX]; /* of knots */
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct place *)a)->v, y = ((const struct place *)b)->v;

	return (x > y) - (x < y);
}

static double target_of(const struct nas_plan *p, const struct nas_data *d, unsigned k, size_t i)
{
	double y = d->ref[k * d->n + i];

	return p->curve.kind != NAS_CURVE_NONE ? nas_curve_target(&p->curve, y) : y;
}

static double weight_at(const struct nas_plan *p, const struct nas_data *d, size_t i)
{
	double w = 1, norm2 = 0;

	if (p->curve.kind != NAS_CURVE_NONE)
		w = nas_curve_slope(&p->curve, d->ref[i]);
	for (size_t k = 0; k < d->outs; k++)
		norm2 += d->ref[k * d->n + i] * d->ref[k * d->n + i];
	if (d->task->metric == HARVEST_MEAN_REL)
		return norm2 > 0 ? d->weight[i] * w * w / norm2 : 0;
	return w * w;
}

/* What one unit of a target is worth. Targets of the metric share one unit; here each counts by
 * its own deviation, so that none is forgotten. */
static double unit_of(const struct nas_plan *p, const struct nas_data *d, unsigned k, size_t n)
{
	double mean = 0, var = 0;

	for (size_t i = 0; i < n; i++)
		mean += target_of(p, d, k, i) / (double)n;
	for (size_t i = 0; i < n; i++) {
		double v = target_of(p, d, k, i) - mean;

		var += v * v / (double)n;
	}
	return var > 0 && isfinite(var) ? 1 / sqrt(var) : 0;
}

static void fill(struct bins *b, const struct nas_plan *p, const struct nas_data *d,
		 const struct place *at, size_t n, const struct nas_cut *cut)
{
	unsigned targets = d->outs < NAS_TARGETS_MAX ? (unsigned)d->outs : NAS_TARGETS_MAX;
	double unit[NAS_TARGETS_MAX];

	for (unsigned k = 0; k < targets; k++)
		unit[k] = unit_of(p, d, k, n);
	for (unsigned i = 0; i < b->n; i++) {
		size_t from = n * i / b->n, to = n * (i + 1) / b->n;
		double share = 1 / (double)(to - from);

		for (size_t r = from; r < to; r++) {
			b->at[i] += (at[r].v - cut->lo) / (cut->hi - cut->lo) * share;
			b->weight[i] += weight_at(p, d, at[r].record) * share;
			for (unsigned k = 0; k < targets; k++)
				b->mean[k][i] += target_of(p, d, k, at[r].record) * unit[k] * share;
		}
	}
}

/* Squared second derivative of the targets at bin i, 1 <= i < n - 1. */
static double bend_at(const struct bins *b, unsigned i)
{
	double left = b->at[i] - b->at[i - 1], right = b->at[i + 1] - b->at[i], sum = 0;

	if (!(left > 1e-9 && right > 1e-9))
		return 0;
	for (unsigned k = 0; k < NAS_TARGETS_MAX; k++) {
		const double *m = b->mean[k];
		double bend =
			2 * ((m[i + 1] - m[i]) / right - (m[i] - m[i - 1]) / left) / (left + right);

		sum += bend * bend;
	}
	return sum;
}

static void weigh_bins(struct bins *b)
{
	double bend[BINS_MAX] = { 0 }, mean = 0;

	for (unsigned i = 1; i + 1 < b->n; i++)
		bend[i] = bend_at(b, i);
	bend[0] = bend[1];
	bend[b->n - 1] = bend[b->n - 2];
	for (unsigned i = 0; i < b->n; i++) {
		unsigned l = i > 0 ? i - 1 : 0, r = i + 1 < b->n ? i + 1 : i;
		double width = (b->at[r] - b->at[l]) / (double)(r - l);
		double smooth = (bend[l] + bend[i] + bend[r]) / 3;

		b->density[i] = width > 1e-9 ? pow(b->weight[i] * smooth / width, 0.2) : 0;
		mean += b->density[i] * width;
	}
	for (unsigned i = 0; i < b->n; i++)
		b->density[i] = fmax(b->density[i], least_share * mean);
}

/* Shares of the integral of density over 0..1. */
static bool divide(const struct bins *b, struct nas_knots *k)
{
	double x[BINS_MAX + 2], sum[BINS_MAX + 2] = { 0 };
	unsigned n = b->n + 2, at = 0;

	x[0] = 0;
	x[n - 1] = 1;
	for (unsigned i = 0; i < b->n; i++)
		x[i + 1] = fmin(fmax(b->at[i], x[i]), 1);
	for (unsigned i = 1; i < n; i++) {
		double l = b->density[i > 1 ? i - 2 : 0];
		double r = b->density[i <= b->n ? i - 1 : b->n - 1];

		sum[i] = sum[i - 1] + (x[i] - x[i - 1]) * (l + r) / 2;
	}
	if (!(sum[n - 1] > 0) || !isfinite(sum[n - 1]))
		return false;
	for (unsigned i = 0; i < NAS_KNOTS; i++) {
		double want = sum[n - 1] * i / (NAS_KNOTS - 1), span;

		while (at + 2 < n && sum[at + 1] < want)
			at++;
		span = sum[at + 1] - sum[at];
		k->at[i] = (float)(span > 0 ? x[at] + (x[at + 1] - x[at]) * (want - sum[at]) / span
					    : x[at]);
	}
	return true;
}

static void equal(struct nas_knots *k)
{
	for (unsigned i = 0; i < NAS_KNOTS; i++)
		k->at[i] = (float)i / (NAS_KNOTS - 1);
}

void nas_knots_find(const struct nas_plan *p, const struct nas_data *d, const double *v,
		    struct nas_cut *cut)
{
	size_t n = d->n < RECORDS ? d->n : RECORDS;
	hv_autofree struct place *at = malloc(n * sizeof(*at) + 1);
	struct bins b = { .n = d->ins == 1 ? BINS_ONE : BINS_MORE };

	equal(&cut->rank);
	equal(&cut->bend);
	if (at == NULL || n < 4 * (size_t)b.n || !(cut->hi > cut->lo))
		return;
	for (size_t i = 0; i < n; i++)
		at[i] = (struct place){ v[i], i };
	qsort(at, n, sizeof(*at), by_value);
	for (unsigned i = 1; i + 1 < NAS_KNOTS; i++)
		cut->rank.at[i] = (float)((at[(n - 1) * i / (NAS_KNOTS - 1)].v - cut->lo) /
					  (cut->hi - cut->lo));
	fill(&b, p, d, at, n, cut);
	weigh_bins(&b);
	if (!divide(&b, &cut->bend))
		equal(&cut->bend);
}
