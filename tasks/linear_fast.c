#include "tasks/builtin.h"
#include "tasks/fast.h"
#include <stdlib.h>
#include <string.h>

/* fir32, dct32, dct8x8, matvec64, iir: the definition's own arithmetic in an order that
 * vectorises. All sums are exact in double (builtin.h), so the order, the width of the vectors
 * and fused multiply-add change nothing: bit for bit task_exact(). */
struct linear_kernel {
	struct hv_kernel base;
	double *m; /* transposed matrix, [cols][rows]; fir32: shifted taps */
};

/* One pass makes BLOCK outputs in VECS vectors that stay in registers, `ways` times: every
 * way takes every ways-th term, so that enough multiply-adds are under way to hide their
 * latency. AVX-512 has registers for two ways. */
enum { LANES = 8, VECS = 4, BLOCK = VECS * LANES, WAYS_MAX = 2 };

typedef double vec_f64 __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t vec_s64 __attribute__((vector_size(LANES * sizeof(int64_t))));
typedef int16_t vec_s16 __attribute__((vector_size(LANES * sizeof(int16_t))));
typedef int32_t vec_s32 __attribute__((vector_size(LANES * sizeof(int32_t))));

HV_INLINE void clear(vec_f64 (*acc)[VECS], size_t ways)
{
#pragma GCC unroll 2
	for (size_t w = 0; w < ways; w++) {
#pragma GCC unroll 4
		for (size_t i = 0; i < VECS; i++)
			acc[w][i] = (vec_f64){ 0 };
	}
}

HV_INLINE void sum_ways(double *restrict y, const vec_f64 (*acc)[VECS], size_t ways)
{
#pragma GCC unroll 4
	for (size_t i = 0; i < VECS; i++) {
		vec_f64 v = acc[0][i];

		if (ways == 2)
			v += acc[1][i];
		memcpy(y + i * LANES, &v, sizeof(v));
	}
}

/* y[0..BLOCK) = sum over c < n of m[c][0..BLOCK) * x[c]; n is even, rows of m are `row` long */
HV_INLINE void block_product(double *restrict y, const double *restrict m, const double *restrict x,
			     size_t n, size_t row, size_t ways)
{
	vec_f64 acc[WAYS_MAX][VECS], v;

	clear(acc, ways);
	for (size_t c = 0; c < n; c += ways) {
#pragma GCC unroll 2
		for (size_t w = 0; w < ways; w++) {
#pragma GCC unroll 4
			for (size_t i = 0; i < VECS; i++) {
				memcpy(&v, m + (c + w) * row + i * LANES, sizeof(v));
				acc[w][i] += v * x[c + w];
			}
		}
	}
	sum_ways(y, acc, ways);
}

/* y[0..BLOCK) of a filter: y[i] = sum over d of h[d - i] * x[d], h zero outside its taps. One
 * vector of shifted taps for each d serves all outputs that are LANES apart. The last shift
 * is zero: a multiple of WAYS_MAX. Reads x[0..BLOCK - LANES + FIR_SHIFTS). */
enum { FIR_SHIFTS = FIR_TAPS + LANES };

HV_INLINE void block_filter(double *restrict y, const double *restrict shifted,
			    const double *restrict x, size_t ways)
{
	vec_f64 acc[WAYS_MAX][VECS], h;

	clear(acc, ways);
	for (size_t d = 0; d < FIR_SHIFTS; d += ways) {
#pragma GCC unroll 2
		for (size_t w = 0; w < ways; w++) {
			memcpy(&h, shifted + (d + w) * LANES, sizeof(h));
#pragma GCC unroll 4
			for (size_t i = 0; i < VECS; i++)
				acc[w][i] += h * x[i * LANES + d + w];
		}
	}
	sum_ways(y, acc, ways);
}

/* Half away from zero, by adding the double below one half and cutting: exact, since |y| is
 * far below 2^51 (see the same trick in fft_fast.c). */
HV_INLINE void round_block(int32_t *restrict to, const double *restrict y)
{
	const vec_s64 sign = (vec_s64){ 0 } + INT64_MIN;
	const vec_s64 half = (vec_s64){ 0 } + 0x3fdfffffffffffff;

#pragma GCC unroll 4
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

/* count >= LANES; the last vector may overlap the one before. */
HV_INLINE void widen(double *restrict to, const uint8_t *restrict from, size_t count)
{
	for (size_t i = 0; i < count; i += LANES) {
		size_t at = i + LANES <= count ? i : count - LANES;
		vec_s16 v;
		vec_f64 f;

		memcpy(&v, from + at * sizeof(int16_t), sizeof(v));
		f = __builtin_convertvector(__builtin_convertvector(v, vec_s32), vec_f64);
		memcpy(to + at, &f, sizeof(f));
	}
}

HV_INLINE size_t ways_of(enum kernel_cpu cpu)
{
	return cpu == KERNEL_CPU_AVX512 ? 2 : 1;
}

HV_INLINE void dct32_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			  enum kernel_cpu cpu)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[DCT_POINTS], y[BLOCK];

	for (size_t i = 0; i < records; i++) {
		widen(x, from, DCT_POINTS);
		block_product(y, k->m, x, DCT_POINTS, DCT_POINTS, ways_of(cpu));
		store_s16(to, y);
		from += DCT_POINTS * sizeof(int16_t);
		to += DCT_POINTS * sizeof(int16_t);
	}
}

HV_INLINE void matvec64_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			     enum kernel_cpu cpu)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[MATVEC_N], y[BLOCK];
	int32_t whole[BLOCK];

	for (size_t i = 0; i < records; i++) {
		widen(x, from, MATVEC_N);
		for (size_t r = 0; r < MATVEC_N; r += BLOCK) {
			block_product(y, k->m + r, x, MATVEC_N, MATVEC_N, ways_of(cpu));
			round_block(whole, y);
			memcpy(to + r * sizeof(*whole), whole, sizeof(whole));
		}
		from += MATVEC_N * sizeof(int16_t);
		to += MATVEC_N * sizeof(int32_t);
	}
}

HV_INLINE void dct8x8_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			   enum kernel_cpu cpu)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[DCT8_N], y[BLOCK];

	for (size_t i = 0; i < records; i++) {
		widen(x, from, DCT8_N);
		for (size_t r = 0; r < DCT8_N; r += BLOCK) {
			block_product(y, k->m + r, x, DCT8_N, DCT8_N, ways_of(cpu));
			store_s16(to + r * sizeof(int16_t), y);
		}
		from += DCT8_N * sizeof(int16_t);
		to += DCT8_N * sizeof(int16_t);
	}
}

/* The matrix has rows of zeros up to a multiple of BLOCK. */
enum { IIR_ROWS = 2 * BLOCK };

HV_INLINE void iir_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			enum kernel_cpu cpu)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[IIR_IO], y[BLOCK];
	int16_t whole[IIR_ROWS];

	for (size_t i = 0; i < records; i++) {
		widen(x, from, IIR_IO);
		for (size_t r = 0; r < IIR_ROWS; r += BLOCK) {
			block_product(y, k->m + r, x, IIR_IO, IIR_ROWS, ways_of(cpu));
			store_s16((uint8_t *)(whole + r), y);
		}
		memcpy(to, whole, IIR_IO * sizeof(*whole));
		from += IIR_IO * sizeof(int16_t);
		to += IIR_IO * sizeof(int16_t);
	}
}

HV_INLINE void fir32_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			  enum kernel_cpu cpu)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;
	double x[FIR_IN + 1], y[BLOCK];

	x[FIR_IN] = 0; /* meets a zero tap */
	for (size_t i = 0; i < records; i++) {
		widen(x, from, FIR_IN);
		for (size_t n = 0; n < FIR_BLOCK; n += BLOCK) {
			block_filter(y, k->m, x + n, ways_of(cpu));
			store_s16(to + n * sizeof(int16_t), y);
		}
		from += FIR_IN * sizeof(int16_t);
		to += FIR_BLOCK * sizeof(int16_t);
	}
}

_Static_assert(FIR_BLOCK - LANES + FIR_SHIFTS == FIR_IN + 1, "reads its padding, no more");
_Static_assert(DCT_POINTS - BLOCK == 0 && MATVEC_N % BLOCK == 0 && FIR_BLOCK % BLOCK == 0 &&
		       DCT8_N % BLOCK == 0 && (int)IIR_ROWS >= (int)IIR_IO &&
		       (int)IIR_IO % WAYS_MAX == 0,
	       "blocks fill the outputs");

RUN_CLONES(dct32, dct32_body)
RUN_CLONES(dct8x8, dct8x8_body)
RUN_CLONES(iir, iir_body)
RUN_CLONES(matvec64, matvec64_body)
RUN_CLONES(fir32, fir32_body)

static void linear_free(struct hv_kernel *base)
{
	struct linear_kernel *k = (struct linear_kernel *)base;

	free(k->m);
	free(k);
}

/* n doubles, zero; NULL when memory is short. */
static struct linear_kernel *linear_new(hv_kernel_run_fn *run, size_t n)
{
	struct linear_kernel *k = calloc(1, sizeof(*k));
	double *m = aligned_alloc(64, n * sizeof(*m)); /* n is a multiple of LANES */

	if (k == NULL || m == NULL) {
		free(k);
		free(m);
		return NULL;
	}
	memset(m, 0, n * sizeof(*m));
	k->base.run = run;
	k->base.free = linear_free;
	k->m = m;
	return k;
}

/* from: [n][n]; rows: at least n */
static struct hv_kernel *transposed(hv_kernel_run_fn *run, const double *from, size_t n,
				    size_t rows)
{
	struct linear_kernel *k = linear_new(run, n * rows);

	if (k == NULL)
		return NULL;
	for (size_t r = 0; r < n; r++)
		for (size_t c = 0; c < n; c++)
			k->m[c * rows + r] = from[r * n + c];
	return &k->base;
}

struct hv_kernel *dct32_fast(void)
{
	return transposed(dct32_for_cpu(), dct32_coefficients(), DCT_POINTS, DCT_POINTS);
}

struct hv_kernel *matvec64_fast(void)
{
	return transposed(matvec64_for_cpu(), matvec64_coefficients(), MATVEC_N, MATVEC_N);
}

struct hv_kernel *matvec64_rank8_fast(void)
{
	return transposed(matvec64_for_cpu(), matvec64_rank8_coefficients(), MATVEC_N, MATVEC_N);
}

struct hv_kernel *dct8x8_fast(void)
{
	return transposed(dct8x8_for_cpu(), dct8x8_coefficients(), DCT8_N, DCT8_N);
}

struct hv_kernel *iir_c20_fast(void)
{
	return transposed(iir_for_cpu(), iir_coefficients(IIR_C20), IIR_IO, IIR_ROWS);
}

struct hv_kernel *iir_c05_fast(void)
{
	return transposed(iir_for_cpu(), iir_coefficients(IIR_C05), IIR_IO, IIR_ROWS);
}

struct hv_kernel *iir_c02_fast(void)
{
	return transposed(iir_for_cpu(), iir_coefficients(IIR_C02), IIR_IO, IIR_ROWS);
}

struct hv_kernel *fir32_fast(void)
{
	struct linear_kernel *k = linear_new(fir32_for_cpu(), FIR_SHIFTS * LANES);
	const double *h = fir32_taps(); /* symmetric: the order does not matter */

	if (k == NULL)
		return NULL;
	for (size_t d = 0; d < FIR_SHIFTS; d++)
		for (size_t i = 0; i < LANES; i++)
			if (d >= i && d - i < FIR_TAPS)
				k->m[d * LANES + i] = h[d - i];
	return &k->base;
}
