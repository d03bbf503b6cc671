/* Draws records of a task's domain and measures answers against the definition, so that the
 * end-to-end tests need nothing but the tasks' own reference.
 *   records sample TASK COUNT SEED FILE       raw input records
 *   records snr TASK IN-FILE OUT-FILE         pooled SNR in dB of raw output records
 *   records worst TASK IN-FILE OUT-FILE       smallest SNR of a single record
 *   records metric TASK IN-FILE OUT-FILE      the task's own metric of raw output records, and
 *                                             its standard error
 *   records judge TASK IN-FILE OUT-FILE C     fails when the metric contradicts a certificate of
 *                                             C, at 99.9 %; prints both
 *   records within TASK IN-FILE OUT-FILE C    fails when the metric itself is not within C */
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 30 };

static int sample(const struct harvest_task *t, size_t count, uint64_t seed, const char *path)
{
	size_t bytes = tensor_bytes(&t->in);
	hv_autofree uint8_t *all = calloc(count, bytes);
	int err;

	if (all == NULL)
		return 1;
	for (size_t i = 0; i < count; i++)
		t->sample(seed, i, all + i * bytes);
	err = hv_file_write(path, all, count * bytes);
	if (err != HV_OK)
		fprintf(stderr, "records: %s: %s\n", path, hv_err_text(err));
	return err != HV_OK;
}

struct files {
	uint8_t *in, *out; /* owned */
	size_t records;
};

static int open_files(const struct harvest_task *t, const char *in_path, const char *out_path,
		      struct files *f)
{
	size_t ib = tensor_bytes(&t->in), ob = tensor_bytes(&t->out), il = 0, ol = 0;

	if (hv_file_read(in_path, FILE_MAX_BYTES, &f->in, &il) != HV_OK ||
	    hv_file_read(out_path, FILE_MAX_BYTES, &f->out, &ol) != HV_OK) {
		fprintf(stderr, "records: cannot read %s or %s\n", in_path, out_path);
		return 1;
	}
	if (il == 0 || il % ib != 0 || ol % ob != 0 || il / ib != ol / ob) {
		fprintf(stderr, "records: %zu input and %zu output bytes do not match\n", il, ol);
		return 1;
	}
	f->records = il / ib;
	return 0;
}

/* ---- a metric and how sure it is ---- */

enum { BATCH = 64 };

static struct hv_metric without(const struct hv_metric *all, const struct hv_metric *part)
{
	struct hv_metric m = *all;

	m.records -= part->records;
	m.elements -= part->elements;
	m.sum_ref2 -= part->sum_ref2;
	m.sum_err2 -= part->sum_err2;
	m.sum_rel -= part->sum_rel;
	m.sum_weight -= part->sum_weight;
	m.misses -= part->misses;
	return m;
}

/* The jackknife over batches: every metric is a function of sums. */
static double standard_error(const struct hv_metric *all, const struct hv_metric *batch, size_t n)
{
	double mean = 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		struct hv_metric m = without(all, &batch[i]);

		mean += hv_metric_value(&m) / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		struct hv_metric m = without(all, &batch[i]);
		double d = hv_metric_value(&m) - mean;

		sum += d * d;
	}
	return n > 1 ? sqrt(sum * (double)(n - 1) / (double)n) : INFINITY;
}

static int judge(const struct harvest_task *t, const char *in_path, const char *out_path,
		 const char *certified, double errors)
{
	hv_autofree uint8_t *in = NULL, *out = NULL;
	size_t ib = tensor_bytes(&t->in), ob = tensor_bytes(&t->out), batches;
	size_t n = tensor_elements(&t->out);
	hv_autofree double *ref = calloc(n, sizeof(double)), *got = calloc(n, sizeof(double));
	hv_autofree struct hv_metric *batch = NULL;
	struct hv_metric all = hv_metric_begin_of(t);
	struct files f = { 0 };
	double v, e, stated;
	int err = open_files(t, in_path, out_path, &f);

	in = f.in;
	out = f.out;
	batches = (f.records + BATCH - 1) / BATCH;
	batch = calloc(batches + 1, sizeof(*batch));
	if (err != 0 || ref == NULL || got == NULL || batch == NULL)
		return 1;
	for (size_t i = 0; i < f.records; i++) {
		if (i % BATCH == 0)
			batch[i / BATCH] = hv_metric_begin_of(t);
		t->reference(in + i * ib, ref);
		tensor_to_double(&t->out, out + i * ob, got);
		hv_metric_add_of(&all, t, in + i * ib, ref, got);
		hv_metric_add_of(&batch[i / BATCH], t, in + i * ib, ref, got);
	}
	v = hv_metric_value(&all);
	e = standard_error(&all, batch, batches);
	printf("%.6g +- %.2g\n", v, e);
	if (certified == NULL)
		return 0;
	stated = strtod(certified, NULL);
	e *= errors;
	return hv_metric_larger_is_better(t->metric) ? !(v + e >= stated) : !(v - e <= stated);
}

static int measure(const struct harvest_task *t, const char *in_path, const char *out_path,
		   bool worst_only)
{
	hv_autofree uint8_t *in = NULL, *out = NULL;
	size_t ib = tensor_bytes(&t->in), ob = tensor_bytes(&t->out);
	size_t n = tensor_elements(&t->out);
	hv_autofree double *ref = calloc(n, sizeof(double)), *got = calloc(n, sizeof(double));
	struct hv_metric all = hv_metric_begin(HARVEST_SNR_DB);
	struct files f = { 0 };
	double worst = INFINITY;
	int err = open_files(t, in_path, out_path, &f);

	in = f.in;
	out = f.out;
	if (err != 0 || ref == NULL || got == NULL)
		return 1;
	for (size_t i = 0; i < f.records; i++) {
		struct hv_metric one = hv_metric_begin(HARVEST_SNR_DB);
		double snr;

		t->reference(in + i * ib, ref);
		tensor_to_double(&t->out, out + i * ob, got);
		hv_metric_add(&all, ref, got, n);
		hv_metric_add(&one, ref, got, n);
		snr = hv_metric_value(&one);
		if (snr < worst)
			worst = snr;
	}
	printf("%.2f\n", worst_only ? worst : hv_metric_value(&all));
	return 0;
}

int main(int argc, char **argv)
{
	const struct harvest_task *t = argc > 2 ? task_find(argv[2]) : NULL;

	if (t != NULL && argc == 6 && strcmp(argv[1], "sample") == 0)
		return sample(t, strtoul(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), argv[5]);
	if (t != NULL && argc == 5 && strcmp(argv[1], "snr") == 0)
		return measure(t, argv[3], argv[4], false);
	if (t != NULL && argc == 5 && strcmp(argv[1], "worst") == 0)
		return measure(t, argv[3], argv[4], true);
	if (t != NULL && argc == 5 && strcmp(argv[1], "metric") == 0)
		return judge(t, argv[3], argv[4], NULL, 0);
	if (t != NULL && argc == 6 && strcmp(argv[1], "judge") == 0)
		return judge(t, argv[3], argv[4], argv[5], 3.09);
	if (t != NULL && argc == 6 && strcmp(argv[1], "within") == 0)
		return judge(t, argv[3], argv[4], argv[5], 0);
	fprintf(stderr, "usage: records sample TASK COUNT SEED FILE | snr|worst|metric TASK IN OUT "
			"| judge|within TASK IN OUT CERTIFIED\n");
	return 2;
}
