#include "accel/bound/bound.h"
#include "accel/bound/source.h"
#include "accel/package/check.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double no_error_db = 200; /* stands for an SNR without end */

/* What quiet records may cost the certificate, dB: the first when that admits records of a
 * tenth of the stream's rms, else up to the second. */
static const double quiet_costs_db = 0.5, quiet_costs_more_db = 3;

/* What the samples said. */
struct tally {
	double in2, ref2; /* energies of all records */
	double batches, sum, sum2, worst; /* SNR of the batches, dB */
	double max_abs; /* largest error of an element */
	double *metric; /* of every record, owned */
	uint64_t records;
};

/* Buffers for one batch. */
struct bench {
	uint8_t *in, *out;
	double *ref, *got;
	struct tally t;
};

static void of_task_reference(const void *ctx, const void *in, double *out)
{
	((const struct harvest_task *)ctx)->reference(in, out);
}

static void of_task_sample(const void *ctx, uint64_t seed, uint64_t index, void *in)
{
	((const struct harvest_task *)ctx)->sample(seed, index, in);
}

struct bound_source bound_source_of_task(const struct harvest_task *task, double *matrix)
{
	task->matrix(matrix);
	return (struct bound_source){ .ctx = task,
				      .reference = of_task_reference,
				      .sample = of_task_sample,
				      .matrix = matrix,
				      .metric = task->metric };
}

static double snr_db(double ref2, double err2)
{
	double db = err2 > 0 ? 10 * log10(ref2 / err2) : no_error_db;

	return db > no_error_db ? no_error_db : db;
}

static double input_energy(const uint8_t *in, size_t elements)
{
	double sum = 0;

	for (size_t i = 0; i < elements; i++) {
		int16_t x;

		memcpy(&x, in + 2 * i, sizeof(x));
		sum += (double)x * x;
	}
	return sum;
}

static void outputs(const struct cnn_steps *s, const uint8_t *out, double *to)
{
	size_t n = cnn_steps_out_bytes(s) / (s->out_bits / 8u);

	for (size_t i = 0; i < n; i++) {
		int16_t s16;
		int32_t s32;

		if (s->out_bits == 16) {
			memcpy(&s16, out + 2 * i, sizeof(s16));
			to[i] = s16;
		} else {
			memcpy(&s32, out + 4 * i, sizeof(s32));
			to[i] = s32;
		}
	}
}

/* A metric of one record, finite. */
static double record_metric(enum harvest_metric kind, const double *ref, const double *got,
			    size_t n)
{
	struct hv_metric m = hv_metric_begin(kind);
	double v;

	hv_metric_add(&m, ref, got, n);
	v = hv_metric_value(&m);
	if (kind == HARVEST_SNR_DB)
		return v < no_error_db ? fmax(v, -no_error_db) : no_error_db;
	return isfinite(v) ? v : 0;
}

static int batch(const struct package *p, const struct bound_source *src, struct bench *b)
{
	const struct cnn_steps *s = &p->steps;
	size_t in_bytes = cnn_steps_in_bytes(s), out_bytes = cnn_steps_out_bytes(s);
	size_t n = out_bytes / (s->out_bits / 8u);
	double ref2 = 0, err2 = 0, db;
	int r;

	for (unsigned i = 0; i < BOUND_BATCH_RECORDS; i++)
		src->sample(src->ctx, BOUND_TEST_STREAM, b->t.records + i, b->in + in_bytes * i);
	r = package_run(p, b->in, b->out, BOUND_BATCH_RECORDS);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < BOUND_BATCH_RECORDS; i++) {
		src->reference(src->ctx, b->in + in_bytes * i, b->ref);
		outputs(s, b->out + out_bytes * i, b->got);
		for (size_t k = 0; k < n; k++) {
			ref2 += b->ref[k] * b->ref[k];
			err2 += (b->ref[k] - b->got[k]) * (b->ref[k] - b->got[k]);
			b->t.max_abs = fmax(b->t.max_abs, fabs(b->ref[k] - b->got[k]));
		}
		b->t.in2 += input_energy(b->in + in_bytes * i, in_bytes / 2);
		b->t.metric[b->t.records++] = record_metric(src->metric, b->ref, b->got, n);
	}
	if (!(ref2 > 0))
		return HV_E_INVAL;
	db = snr_db(ref2, err2);
	b->t.ref2 += ref2;
	b->t.batches++;
	b->t.sum += db;
	b->t.sum2 += db * db;
	b->t.worst = fmin(b->t.worst, db);
	return HV_OK;
}

/* Of the standard normal distribution; share in .5..1. */
static double quantile(double share)
{
	double lo = 0, hi = 10;

	for (int i = 0; i < 60; i++) {
		double z = (lo + hi) / 2;

		if (1 - 0.5 * erfc(z / M_SQRT2) < share)
			lo = z;
		else
			hi = z;
	}
	return lo;
}

/* One-sided tolerance factor: with this confidence, this share of a normal population lies
 * above mean - k * deviation of n draws (Natrella's approximation). */
static double tolerance_factor(double n, double confidence)
{
	double z = quantile(confidence);
	double a = 1 - z * z / (2 * (n - 1)), b = z * z - z * z / n;

	return (z + sqrt(z * z - a * b)) / a;
}

static double batch_bound_db(const struct tally *t, double confidence)
{
	double mean = t->sum / t->batches;
	double var = (t->sum2 - t->sum * mean) / (t->batches - 1);
	double k = tolerance_factor(t->batches, confidence);

	return fmin(mean - k * sqrt(fmax(var, 0)), t->worst);
}

/* Output energy for white input of energy 1. */
static double white_gain(const struct cnn_steps *s, const double *m)
{
	double sum = 0;

	for (unsigned r = 0; r < s->rows; r++) {
		bool twice = s->finish == CNN_OUT_DFT && r != 0 && r != s->rows / 2u;

		for (unsigned c = 0; c < s->channels; c++) {
			double v = m[(size_t)r * s->channels + c];

			sum += (twice ? 2 : 1) * v * v;
		}
	}
	return sum / s->channels;
}

/* Error energy of one record that does not shrink with the signal: rounding of the outputs
 * and, at level 1, of the inputs. */
static double floor_energy(const struct cnn_steps *s, double gain)
{
	double in = s->channels * s->components, out = s->rows * s->components;
	double in_step = s->input == CNN_IN_ROUND ? 256 : 0;

	return out / 12 + in * gain * in_step * in_step / 12;
}

/* Least rms whose floor raises the error share by cost_db. floor_at_1 is the floor's share at
 * an rms of 1, of which the stream's is in `share` already. */
static double least_rms(double share, double floor_at_1, double floor_stream, double cost_db)
{
	return sqrt(floor_at_1 / (share * (pow(10, cost_db / 10) - 1) + floor_stream));
}

/* Fills certified and in_min_rms from the error share (error over signal energy) that batches
 * of the stream stay below. The share is made of weight errors, which shrink with the signal,
 * and of the floor, which does not. */
static void settle_quiet(const struct package *p, const double *m, const struct tally *t,
			 double share, struct package_cert *cert)
{
	const struct cnn_steps *s = &p->steps;
	double in = s->channels * s->components;
	double stream_rms = sqrt(t->in2 / ((double)t->records * in));
	double gain = white_gain(s, m);
	double floor_at_1 = floor_energy(s, gain) / (fmin(gain, t->ref2 / t->in2) * in);
	double floor_stream = floor_at_1 / (stream_rms * stream_rms);
	double rms = least_rms(share, floor_at_1, floor_stream, quiet_costs_db);

	/* Level 1 has its floor at the stream's own level: nothing can be bought there. */
	if (rms > stream_rms / 10 && s->input == CNN_IN_SPLIT)
		rms = fmax(stream_rms / 10,
			   least_rms(share, floor_at_1, floor_stream, quiet_costs_more_db));
	rms = fmin(rms, stream_rms * M_SQRT1_2); /* a batch of the stream is in the domain */
	cert->in_min_rms = rms;
	cert->certified = snr_db(1, share + floor_at_1 / (rms * rms) - floor_stream);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void settle_records(struct tally *t, enum harvest_metric kind, struct package_cert *cert)
{
	qsort(t->metric, t->records, sizeof(*t->metric), ascending);
	cert->median = t->metric[t->records / 2];
	cert->worst = t->metric[hv_metric_larger_is_better(kind) ? 0 : t->records - 1];
}

static int settle(const struct package *p, const struct bound_source *src, struct tally *t,
		  double confidence, struct package_cert *cert)
{
	hv_autofree double *e = NULL;
	const double *m = src->matrix;
	double share = pow(10, -batch_bound_db(t, confidence) / 10), tone = 0;
	int r = bound_effective(p, &e);

	if (r < 0)
		return r;
	cert->metric = src->metric;
	cert->samples = t->records;
	cert->confidence = confidence;
	cert->max_abs = m != NULL ? cnn_bound_max_abs(p, m) : t->max_abs;
	if (m != NULL)
		tone = cnn_bound_worst_tone(p, m, e);
	settle_quiet(p, m != NULL ? m : e, t, fmax(share, tone), cert);
	settle_records(t, src->metric, cert);
	snprintf(cert->method, sizeof(cert->method), "%s",
		 m != NULL ? "statistical" : "statistical, matrix estimated");
	if (src->metric == HARVEST_NRMSE)
		cert->certified = pow(10, -cert->certified / 20);
	if (src->metric == HARVEST_MAX_ABS) {
		cert->certified = cert->max_abs;
		cert->in_min_rms = 0;
	}
	if (src->metric == HARVEST_MAX_ABS && m != NULL) {
		cert->confidence = 1;
		memcpy(cert->method, "closed-form", sizeof("closed-form"));
	}
	return HV_OK;
}

static int measure(const struct package *p, const struct bound_source *src, uint64_t samples,
		   struct bench *b, char *why, size_t cap)
{
	while (b->t.records + BOUND_BATCH_RECORDS <= samples) {
		int r = batch(p, src, b);

		if (r == HV_E_INVAL)
			return package_refuse(
				r, why, cap,
				"%d records of the test stream give no output at all: "
				"the matrix is zero, or too small for whole numbers",
				BOUND_BATCH_RECORDS);
		if (r < 0)
			return package_refuse(r, why, cap, "%s", hv_err_text(r));
	}
	return HV_OK;
}

int bound_certify(const struct package *p, const struct bound_source *src, uint64_t samples,
		  double confidence, struct package_cert *cert, char *why, size_t cap)
{
	const struct cnn_steps *s = &p->steps;
	size_t n = cnn_steps_out_bytes(s) / (s->out_bits / 8u);
	hv_autofree uint8_t *in = malloc((size_t)BOUND_BATCH_RECORDS * cnn_steps_in_bytes(s));
	hv_autofree uint8_t *out = malloc((size_t)BOUND_BATCH_RECORDS * cnn_steps_out_bytes(s));
	hv_autofree double *values = malloc(2 * n * sizeof(*values));
	hv_autofree double *metric = NULL;
	struct bench b = { .in = in, .out = out, .ref = values, .t.worst = no_error_db };
	int r;

	if (src->metric != HARVEST_SNR_DB && src->metric != HARVEST_NRMSE &&
	    src->metric != HARVEST_MAX_ABS)
		return package_refuse(
			HV_E_INVAL, why, cap,
			"linear packages are certified by snr_db, nrmse or max_abs, not "
			"by %s",
			hv_metric_text(src->metric));
	if (samples < BOUND_SAMPLES_MIN || samples > BOUND_SAMPLES_MAX)
		return package_refuse(
			HV_E_INVAL, why, cap, "a certificate takes %d to %d samples, not %llu",
			BOUND_SAMPLES_MIN, BOUND_SAMPLES_MAX, (unsigned long long)samples);
	if (!(confidence > 0.5 && confidence < 1))
		return package_refuse(HV_E_INVAL, why, cap,
				      "confidence %g is not between 0.5 and 1", confidence);
	metric = malloc(samples * sizeof(*metric));
	if (in == NULL || out == NULL || values == NULL || metric == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	b.got = values + n;
	b.t.metric = metric;
	r = measure(p, src, samples, &b, why, cap);
	if (r < 0)
		return r;
	r = settle(p, src, &b.t, confidence, cert);
	return r < 0 ? package_refuse(r, why, cap, "%s", hv_err_text(r)) : r;
}

int cnn_bound_statistical(const struct package *p, const struct harvest_task *task,
			  uint64_t samples, double confidence, struct package_cert *cert)
{
	hv_autofree double *m = NULL;
	struct bound_source src;
	char why[256];

	if (task->linear == HARVEST_NOT_LINEAR || task->rows != p->steps.rows ||
	    task->cols != p->steps.channels)
		return HV_E_INVAL;
	m = malloc(sizeof(*m) * task->rows * task->cols);
	if (m == NULL)
		return HV_E_NOMEM;
	src = bound_source_of_task(task, m);
	return bound_certify(p, &src, samples, confidence, cert, why, sizeof(why));
}
