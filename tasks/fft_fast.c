#include "tasks/fast.h"
#include <fftw3.h>
#include <stdlib.h>
#include <string.h>

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

enum { GROUP = 2, LANES = 16 }; /* divides 2 n for every n here */

typedef int16_t vec_s16 __attribute__((vector_size(LANES * sizeof(int16_t))));
typedef int32_t vec_s32 __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef float vec_f32 __attribute__((vector_size(LANES * sizeof(float))));

HV_INLINE void load(float *restrict to, const uint8_t *restrict from, size_t count)
{
#pragma GCC unroll 4
	for (size_t i = 0; i < count; i += LANES) {
		vec_s16 v;
		vec_f32 f;

		memcpy(&v, from + i * sizeof(int16_t), sizeof(v));
		f = __builtin_convertvector(__builtin_convertvector(v, vec_s32), vec_f32);
		memcpy(to + i, &f, sizeof(f));
	}
}

/* 0.49999997 is the float below one half: adding it never carries a value that is already
 * whole (as large ones are) to the next, and still takes every x.5 up. |from| < 2^24. */
HV_INLINE void store(uint8_t *restrict to, const float *restrict from, size_t count)
{
	const vec_s32 sign = (vec_s32){ 0 } + INT32_MIN, half = (vec_s32){ 0 } + 0x3effffff;

#pragma GCC unroll 4
	for (size_t i = 0; i < count; i += LANES) {
		vec_s32 v;
		vec_f32 f;

		memcpy(&f, from + i, sizeof(f));
		f += (vec_f32)(((vec_s32)f & sign) | half);
		v = __builtin_convertvector(f, vec_s32);
		memcpy(to + i * sizeof(int32_t), &v, sizeof(v));
	}
}

HV_INLINE void fft_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			enum kernel_cpu cpu)
{
	struct fft_kernel *k = (struct fft_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;

	(void)cpu;
	while (records > 0) {
		size_t some = records < GROUP ? records : GROUP, count = 2 * k->n;

		load(k->x, from, some * count);
		for (size_t i = 0; i < some; i++)
			fftwf_execute_dft(k->plan, (fftwf_complex *)(k->x + i * count),
					  (fftwf_complex *)(k->y + i * count));
		store(to, k->y, some * count);
		from += some * count * sizeof(int16_t);
		to += some * count * sizeof(int32_t);
		records -= some;
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
	k->x = fftwf_alloc_real(GROUP * 2 * n);
	k->y = fftwf_alloc_real(GROUP * 2 * n);
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
