/* bench/kernels: host-speed kernels, nanoseconds a record, and the FFT kernels as a ratio to
 * FFTW itself (FFTW_MEASURE, float in, float out, no conversion) in the same alternated run. */
#include "bench/stats.h"
#include "tasks/catalog.h"
#include "tasks/kernel.h"
#include "util/clock.h"
#include "util/own.h"
#include <fftw3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 15, BATCH = 32 }; /* a batch of 1 KiB records stays inside a level-2 cache */
static const uint64_t round_ns = 8000000;
static const double target_fft = 1.2;

struct raw_fft {
	fftwf_plan plan;
	fftwf_complex *x, *y; /* (BATCH, n): as many different records as the kernel gets */
	size_t n;
};

struct subject {
	const struct harvest_task *task;
	struct hv_kernel *kernel;
	struct raw_fft raw; /* plan NULL: no peer */
	uint8_t *in, *out;
	struct bench_series kernel_ns, raw_ns; /* per record */
};

static void raw_batch(struct subject *s)
{
	for (size_t i = 0; i < BATCH; i++)
		fftwf_execute_dft(s->raw.plan, s->raw.x + i * s->raw.n, s->raw.y + i * s->raw.n);
}

static void kernel_batch(struct subject *s)
{
	hv_kernel_run(s->kernel, s->in, s->out, BATCH);
}

static double ns_per_record(struct subject *s, void (*batch)(struct subject *))
{
	uint64_t start = hv_now_ns(), now = start, batches = 0;

	while (now - start < round_ns) {
		for (int i = 0; i < 32; i++)
			batch(s);
		batches += 32;
		now = hv_now_ns();
	}
	return (double)(now - start) / (double)(batches * BATCH);
}

static int raw_new(struct raw_fft *raw, size_t n)
{
	raw->n = n;
	raw->x = fftwf_alloc_complex(BATCH * n);
	raw->y = fftwf_alloc_complex(BATCH * n);
	if (raw->x == NULL || raw->y == NULL)
		return HV_E_NOMEM;
	raw->plan = fftwf_plan_dft_1d((int)n, raw->x, raw->y, FFTW_FORWARD, FFTW_MEASURE);
	for (size_t i = 0; i < BATCH * n; i++) {
		raw->x[i][0] = (float)(i % 31) - 15;
		raw->x[i][1] = (float)(i % 17) - 8;
	}
	return raw->plan != NULL ? HV_OK : HV_E_NOMEM;
}

static int subject_new(struct subject *s, const struct harvest_task *t)
{
	size_t in_bytes = tensor_bytes(&t->in);

	s->task = t;
	s->in = malloc(BATCH * in_bytes);
	s->out = malloc(BATCH * tensor_bytes(&t->out));
	if (s->in == NULL || s->out == NULL || hv_kernel_new(t, &s->kernel) < 0)
		return HV_E_NOMEM;
	for (size_t i = 0; i < BATCH; i++)
		t->sample(3, i, s->in + i * in_bytes);
	return t->linear == HARVEST_LINEAR_DFT ? raw_new(&s->raw, t->rows) : HV_OK;
}

static void subject_free(struct subject *s)
{
	hv_kernel_free(s->kernel);
	if (s->raw.plan != NULL)
		fftwf_destroy_plan(s->raw.plan);
	fftwf_free(s->raw.x);
	fftwf_free(s->raw.y);
	free(s->in);
	free(s->out);
}

static void report(const struct subject *s)
{
	struct bench_quartiles ns = bench_series_quartiles(&s->kernel_ns), raw, ratio;
	double element_ns = ns.median / (double)tensor_elements(&s->task->out);

	printf("%-9s %8.1f ns a record (%.1f .. %.1f), %.2f ns an output value\n", s->task->name,
	       ns.median, ns.q1, ns.q3, element_ns);
	if (s->raw.plan == NULL)
		return;
	raw = bench_series_quartiles(&s->raw_ns);
	ratio = bench_series_ratio(&s->kernel_ns, &s->raw_ns);
	printf("%-9s %8.1f ns FFTW alone; ratio %.2f (%.2f .. %.2f), target %.1f: %s\n", "",
	       raw.median, ratio.median, ratio.q1, ratio.q3, target_fft,
	       bench_verdict(ratio.median, target_fft));
}

int main(void)
{
	size_t n = task_count();
	hv_autofree struct subject *s = calloc(n, sizeof(*s));
	int failed = s == NULL;

	for (size_t i = 0; !failed && i < n; i++)
		failed = subject_new(&s[i], task_at(i)) < 0;
	for (int round = 0; !failed && round < ROUNDS; round++) {
		for (size_t i = 0; i < n; i++) {
			bench_series_add(&s[i].kernel_ns, ns_per_record(&s[i], kernel_batch));
			if (s[i].raw.plan != NULL)
				bench_series_add(&s[i].raw_ns, ns_per_record(&s[i], raw_batch));
		}
	}
	for (size_t i = 0; !failed && i < n; i++)
		report(&s[i]);
	for (size_t i = 0; s != NULL && i < n; i++)
		subject_free(&s[i]);
	if (failed)
		fprintf(stderr, "kernels: out of memory while preparing the kernels\n");
	return failed ? 1 : 0;
}
