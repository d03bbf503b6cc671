#include "tasks/fast.h"
#include <fftw3.h>
#include <math.h>
#include <stdlib.h>

/* fft64, fft128, fft256 by FFTW in single precision: int16 -> float -> plan -> int32.
 *
 * One plan for one record, executed per record, so that a record's answer does not depend on
 * its place in a batch. The result is rounded half away from zero; it can differ from the
 * exact answer where single precision (relative error about 1e-7 of the rms) meets the
 * rounding: the tests hold the SNR against the exact answer. */
struct fft_kernel {
	struct hv_kernel base;
	size_t n;
	fftwf_plan plan;
	float *x, *y; /* (n, 2) each, FFTW's alignment */
};

HV_INLINE void load(float *restrict to, const any_s16 *restrict from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (float)from[i];
}

/* 0.49999997 is the float below one half: adding it never carries a value that is already
 * whole (as large ones are) to the next, and still takes every x.5 up. |from| < 2^24. */
HV_INLINE void store(any_s32 *restrict to, const float *restrict from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (int32_t)(from[i] + copysignf(0.49999997f, from[i]));
}

HV_INLINE void fft_body(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	struct fft_kernel *k = (struct fft_kernel *)base;
	const any_s16 *from = in;
	any_s32 *to = out;

	for (size_t i = 0; i < records; i++) {
		load(k->x, from + i * 2 * k->n, 2 * k->n);
		fftwf_execute(k->plan);
		store(to + i * 2 * k->n, k->y, 2 * k->n);
	}
}

RUN_CLONES(fft, fft_body)

static void fft_free(struct hv_kernel *base)
{
	struct fft_kernel *k = (struct fft_kernel *)base;

	if (k->plan != NULL)
		fftwf_destroy_plan(k->plan);
	fftwf_free(k->x);
	fftwf_free(k->y);
	free(k);
}

static struct hv_kernel *fft_fast(size_t n)
{
	struct fft_kernel *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->base.run = fft_for_cpu();
	k->base.free = fft_free;
	k->n = n;
	k->x = fftwf_alloc_real(2 * n);
	k->y = fftwf_alloc_real(2 * n);
	if (k->x != NULL && k->y != NULL)
		k->plan = fftwf_plan_dft_1d((int)n, (fftwf_complex *)k->x, (fftwf_complex *)k->y,
					    FFTW_FORWARD, FFTW_MEASURE | FFTW_DESTROY_INPUT);
	if (k->plan == NULL) {
		fft_free(&k->base);
		return NULL;
	}
	return &k->base;
}

struct hv_kernel *fft64_fast(void)
{
	return fft_fast(64);
}

struct hv_kernel *fft128_fast(void)
{
	return fft_fast(128);
}

struct hv_kernel *fft256_fast(void)
{
	return fft_fast(256);
}
