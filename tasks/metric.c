#include "tasks/metric.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

/* clang-format off */
static const struct {
	enum harvest_metric kind;
	const char *text;
} names[] = {
	{ HARVEST_SNR_DB,    "snr_db" },
	{ HARVEST_NRMSE,     "nrmse" },
	{ HARVEST_MAX_ABS,   "max_abs" },
	{ HARVEST_MEAN_REL,  "mean_rel" },
	{ HARVEST_MISS_RATE, "miss_rate" },
	{ HARVEST_NRMSE_RANGE, "nrmse_range" },
	{ HARVEST_IMAGE_DIFF, "image_diff" },
	{ HARVEST_WORST_PART, "worst_part" },
	{ HARVEST_MEAN_REL,  "are" }, /* a second name: found, not printed */
};
/* clang-format on */

struct hv_metric hv_metric_begin(enum harvest_metric kind)
{
	return (struct hv_metric){ .kind = kind, .ref_min = INFINITY, .ref_max = -INFINITY };
}

struct hv_metric hv_metric_begin_of(const struct harvest_task *t)
{
	struct hv_metric m = hv_metric_begin(t->metric);

	m.range = t->range;
	if (t->metric == HARVEST_WORST_PART && HARVEST_TASK_HAS(t, tail_factor)) {
		m.tail = t->tail;
		m.tail_factor = t->tail_factor;
	}
	return m;
}

/* Equal infinities agree; a NaN on either side is as wrong as can be. */
static double distance(double ref, double got)
{
	double d = ref == got ? 0 : fabs(ref - got);

	return isnan(d) ? INFINITY : d;
}

/* min(1, |err| / |ref|). Nothing to be relative to: wrong counts 1, right counts 0. */
static double relative(double ref2, double err2)
{
	double rel = sqrt(err2 / ref2);

	if (err2 == 0)
		return 0;
	return rel < 1 ? rel : 1; /* NaN: 1 */
}

void hv_metric_add(struct hv_metric *m, const double *ref, const double *got, size_t n)
{
	hv_metric_add_weighted(m, ref, got, n, 1);
}

void hv_metric_add_of(struct hv_metric *m, const struct harvest_task *t, const void *in,
		      const double *ref, const double *got)
{
	double weight = t->weight != NULL ? t->weight(in, ref) : 1;

	hv_metric_add_weighted(m, ref, got, tensor_elements(&t->out), weight);
}

void hv_metric_add_weighted(struct hv_metric *m, const double *ref, const double *got, size_t n,
			    double weight)
{
	double ref2 = 0, err2 = 0, tail_ref2 = 0, tail_err2 = 0;
	size_t tail = m->tail < n ? m->tail : n;
	bool wrong = false;

	for (size_t i = n - tail; i < n; i++) {
		double d = distance(ref[i], got[i]);

		tail_ref2 += ref[i] * ref[i];
		tail_err2 += d * d;
	}
	n -= tail;
	for (size_t i = 0; i < n; i++) {
		double d = distance(ref[i], got[i]);

		ref2 += ref[i] * ref[i];
		err2 += d * d;
		wrong |= d > 0;
		m->max_abs = fmax(m->max_abs, d);
		m->ref_min = fmin(m->ref_min, ref[i]);
		m->ref_max = fmax(m->ref_max, ref[i]);
	}
	m->records++;
	m->elements += n;
	m->sum_ref2 += ref2;
	m->sum_err2 += err2;
	m->sum_rel += weight * (tail > 0 ? relative(tail_ref2, tail_err2) : relative(ref2, err2));
	m->sum_weight += weight;
	m->misses += wrong;
}

/* Error energy over reference energy; NaN when the reference is not finite. */
static double energy_ratio(const struct hv_metric *m)
{
	if (m->sum_err2 == 0)
		return 0;
	if (!isfinite(m->sum_ref2))
		return NAN;
	return m->sum_err2 / m->sum_ref2;
}

/* Over the range that the task names, else over the one seen. A constant answer has none. */
static double error_over(const struct hv_metric *m, double range)
{
	double rms = sqrt(m->sum_err2 / (double)m->elements);

	if (m->sum_err2 == 0)
		return 0;
	return isfinite(range) && range > 0 ? rms / range : NAN;
}

static double range_of(const struct hv_metric *m)
{
	return m->range > 0 ? m->range : m->ref_max - m->ref_min;
}

static double worst_part(const struct hv_metric *m)
{
	double first = error_over(m, range_of(m)), last = 0;

	if (m->tail > 0)
		last = m->tail_factor * m->sum_rel / m->sum_weight;
	return isnan(first) || first > last ? first : last;
}

double hv_metric_value(const struct hv_metric *m)
{
	if (m->elements == 0)
		return NAN;
	switch (m->kind) {
	case HARVEST_SNR_DB: return -10 * log10(energy_ratio(m));
	case HARVEST_NRMSE: return sqrt(energy_ratio(m));
	case HARVEST_MAX_ABS: return m->max_abs;
	case HARVEST_MEAN_REL: return m->sum_rel / m->sum_weight;
	case HARVEST_MISS_RATE: return m->misses / (double)m->records;
	case HARVEST_NRMSE_RANGE: return error_over(m, range_of(m));
	case HARVEST_IMAGE_DIFF: return error_over(m, 255);
	case HARVEST_WORST_PART: return worst_part(m);
	}
	return NAN;
}

const char *hv_metric_text(enum harvest_metric kind)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(names); i++)
		if (names[i].kind == kind)
			return names[i].text;
	return "?";
}

enum harvest_metric hv_metric_find(const char *text)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(names); i++)
		if (strcmp(names[i].text, text) == 0)
			return names[i].kind;
	return (enum harvest_metric)0;
}

bool hv_metric_larger_is_better(enum harvest_metric kind)
{
	return kind == HARVEST_SNR_DB;
}

double hv_metric_exact(enum harvest_metric kind)
{
	return hv_metric_larger_is_better(kind) ? INFINITY : 0;
}

/* Certificates are printed with ten digits; who asks for what was printed gets it. */
static const double budget_slack = 1e-9;

bool hv_metric_meets(enum harvest_metric kind, double certified, double budget)
{
	if (budget == 0)
		return certified == hv_metric_exact(kind);
	if (hv_metric_larger_is_better(kind))
		return certified >= budget - budget_slack * fabs(budget);
	return certified <= budget + budget_slack * fabs(budget);
}
