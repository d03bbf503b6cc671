/* Draws records of a task's domain and measures answers against the definition, so that the
 * end-to-end tests need nothing but the tasks' own reference.
 *   records sample TASK COUNT SEED FILE       raw input records
 *   records snr TASK IN-FILE OUT-FILE         pooled SNR in dB of raw output records
 *   records worst TASK IN-FILE OUT-FILE       smallest SNR of a single record */
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 256 << 20 };

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

static int measure(const struct harvest_task *t, const char *in_path, const char *out_path,
		   bool worst_only)
{
	size_t ib = tensor_bytes(&t->in), ob = tensor_bytes(&t->out);
	size_t n = tensor_elements(&t->out), il = 0, ol = 0;
	hv_autofree uint8_t *in = NULL, *out = NULL;
	hv_autofree double *ref = calloc(n, sizeof(double)), *got = calloc(n, sizeof(double));
	struct hv_metric all = hv_metric_begin(HARVEST_SNR_DB);
	double worst = INFINITY;

	if (ref == NULL || got == NULL ||
	    hv_file_read(in_path, FILE_MAX_BYTES, &in, &il) != HV_OK ||
	    hv_file_read(out_path, FILE_MAX_BYTES, &out, &ol) != HV_OK) {
		fprintf(stderr, "records: cannot read %s or %s\n", in_path, out_path);
		return 1;
	}
	if (il == 0 || il % ib != 0 || ol % ob != 0 || il / ib != ol / ob) {
		fprintf(stderr, "records: %zu input and %zu output bytes do not match\n", il, ol);
		return 1;
	}
	for (size_t i = 0; i < il / ib; i++) {
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
	fprintf(stderr, "usage: records sample TASK COUNT SEED FILE | snr|worst TASK IN OUT\n");
	return 2;
}
