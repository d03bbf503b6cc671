#include "tasks/builtin.h"
#include "tasks/fast.h"
#include <stdlib.h>
#include <string.h>

/* fir32, dct32, matvec64: the definition's own arithmetic in an order that vectorises. All
 * sums are exact in double (builtin.h), so the order, the width of the vectors and fused
 * multiply-add change nothing: bit for bit task_exact(). */
struct linear_kernel {
	struct hv_kernel base;
	double *m; /* dct32, matvec64: transposed matrix, [cols][rows]; fir32: taps reversed */
};

/* Accumulators of one pass: BLOCK outputs in VECS vectors, which stay in registers. */
enum { LANES = 8, VECS = 4, BLOCK = VECS * LANES };

typedef double vec_f64 __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t vec_s64 __attribute__((vector_size(LANES * sizeof(int64_t))));
typedef int32_t vec_s32 __attribute__((vector_size(LANES * sizeof(int32_t))));

/* y[0..BLOCK) = sum over c < cols of a[c * step .. c * step + BLOCK) * b[c] */
HV_INLINE void block_product(double *restrict y, const double *restrict a, size_t step,
			     const double *restrict b, size_t cols)
{
	vec_f64 acc[VECS] = { { 0 } }, v;

	for (size_t c = 0; c < cols; c++) {
#pragma GCC unroll 4
		for (size_t i = 0; i < VECS; i++) {
			memcpy(&v, a + c * step + i * LANES, sizeof(v));
			acc[i] += v * b[c];
		}
	}
	memcpy(y, acc, sizeof(acc));
}

/* Half away from zero, by adding the double below one half and cutting: exact, since |y| is
 * far below 2^51 (see the same trick in fft_fast.c). */
HV_INLINE void round_block(int32_t *restrict to, const double *restrict y)
{
	const vec_s64 sign = (vec_s64){ 0 } + INT64_MIN;
	const vec_s64 half = (vec_s64){ 0 } + 0x3fdfffffffffffff;

	for (size_t i = 0; i < BLOCK; i += LANES) {
		vec_f64 f;
		vec_s32 v;

		memcpy(&f, y + i, sizeof(f));
		f += (vec_f64)(((vec_s64)f & sign) | half);
		v = __builtin_convertvector(f, vec_s32);
		memcpy(to + i, &v, sizeof(v));
	}
}

HV_INLINE void store_s16(uint8_t *to, const double *y)
{
	int32_t whole[BLOCK];
	int16_t out[BLOCK];

	round_block(whole, y);
	for (size_t i = 0; i < BLOCK; i++) {
		int32_t v = whole[i] < INT16_MIN ? INT16_MIN : whole[i];

		out[i] = (int16_t)(v > INT16_MAX ? INT16_MAX : v);
	}
	memcpy(to, out, sizeof(out));
}

HV_INLINE void widen(double *restrict to, const uint8_t *restrict from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int16_t v;

		memcpy(&v, from + i * sizeof(v), sizeof(v));
		to[i] = v;
	}
}

HV_INLINE void dct32_body(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[DCT_POINTS], y[BLOCK];

	for (size_t i = 0; i < records; i++) {
		widen(x, from, DCT_POINTS);
		block_product(y, k->m, DCT_POINTS, x, DCT_POINTS);
		store_s16(to, y);
		from += DCT_POINTS * sizeof(int16_t);
		to += DCT_POINTS * sizeof(int16_t);
	}
}

HV_INLINE void matvec64_body(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[MATVEC_N], y[BLOCK];
	int32_t whole[BLOCK];

	for (size_t i = 0; i < records; i++) {
		widen(x, from, MATVEC_N);
		for (size_t r = 0; r < MATVEC_N; r += BLOCK) {
			block_product(y, k->m + r, MATVEC_N, x, MATVEC_N);
			round_block(whole, y);
			memcpy(to + r * sizeof(*whole), whole, sizeof(whole));
		}
		from += MATVEC_N * sizeof(int16_t);
		to += MATVEC_N * sizeof(int32_t);
	}
}

/* Output n is the sum over j of m[j] * x[n + j]: the block slides by one per tap. */
HV_INLINE void fir32_body(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[FIR_IN], y[BLOCK];

	for (size_t i = 0; i < records; i++) {
		widen(x, from, FIR_IN);
		for (size_t n = 0; n < FIR_BLOCK; n += BLOCK) {
			block_product(y, x + n, 1, k->m, FIR_TAPS);
			store_s16(to + n * sizeof(int16_t), y);
		}
		from += FIR_IN * sizeof(int16_t);
		to += FIR_BLOCK * sizeof(int16_t);
	}
}

_Static_assert(DCT_POINTS - BLOCK == 0 && MATVEC_N % BLOCK == 0 && FIR_BLOCK % BLOCK == 0,
	       "blocks fill the outputs");

RUN_CLONES(dct32, dct32_body)
RUN_CLONES(matvec64, matvec64_body)
RUN_CLONES(fir32, fir32_body)

static void linear_free(struct hv_kernel *base)
{
	struct linear_kernel *k = (struct linear_kernel *)base;

	free(k->m);
	free(k);
}

/* from: [rows][cols] */
static struct hv_kernel *linear_fast(hv_kernel_run_fn *run, const double *from, size_t rows,
				     size_t cols)
{
	struct linear_kernel *k = calloc(1, sizeof(*k));
	double *m = aligned_alloc(64, rows * cols * sizeof(*m)); /* a multiple of 64 each */

	if (k == NULL || m == NULL) {
		free(k);
		free(m);
		return NULL;
	}
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < cols; c++)
			m[c * rows + r] = from[r * cols + c];
	k->base.run = run;
	k->base.free = linear_free;
	k->m = m;
	return &k->base;
}

struct hv_kernel *dct32_fast(void)
{
	return linear_fast(dct32_for_cpu(), dct32_coefficients(), DCT_POINTS, DCT_POINTS);
}

struct hv_kernel *matvec64_fast(void)
{
	return linear_fast(matvec64_for_cpu(), matvec64_coefficients(), MATVEC_N, MATVEC_N);
}

struct hv_kernel *fir32_fast(void)
{
	/* symmetric: reversed is the same */
	return linear_fast(fir32_for_cpu(), fir32_taps(), FIR_TAPS, 1);
}
