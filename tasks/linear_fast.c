#include "tasks/builtin.h"
#include "tasks/fast.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* fir32, dct32, matvec64: the definition's own arithmetic in an order that vectorises. All
 * sums are exact in double (builtin.h), so the order, the width of the vectors and fused
 * multiply-add change nothing: bit for bit task_exact(). */
struct linear_kernel {
	struct hv_kernel base;
	double *m; /* dct32, matvec64: transposed matrix, [cols][rows]; fir32: taps reversed */
};

/* Half away from zero. |y| < 2^51: y + 0.49999999999999994 is exact enough to never carry a
 * whole number on, see the same trick in fft_fast.c. */
HV_INLINE double rounded(double y)
{
	return y + copysign(0.49999999999999994, y);
}

HV_INLINE int16_t to_s16(double y)
{
	y = y < INT16_MIN ? INT16_MIN : y > INT16_MAX ? INT16_MAX : y;
	return (int16_t)(int32_t)rounded(y);
}

/* y[0..rows) = sum over c of m[c][0..rows) * x[c] */
HV_INLINE void product(double *restrict y, const double *restrict m, const any_s16 *restrict x,
		       size_t rows, size_t cols)
{
	memset(y, 0, rows * sizeof(*y));
	for (size_t c = 0; c < cols; c++) {
		double v = x[c];

		for (size_t r = 0; r < rows; r++)
			y[r] += m[c * rows + r] * v;
	}
}

HV_INLINE void dct32_body(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const any_s16 *x = in;
	any_s16 *to = out;
	double y[DCT_POINTS];

	for (size_t i = 0; i < records; i++, x += DCT_POINTS, to += DCT_POINTS) {
		product(y, k->m, x, DCT_POINTS, DCT_POINTS);
		for (size_t r = 0; r < DCT_POINTS; r++)
			to[r] = to_s16(y[r]);
	}
}

HV_INLINE void matvec64_body(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const any_s16 *x = in;
	any_s32 *to = out;
	double y[MATVEC_N];

	for (size_t i = 0; i < records; i++, x += MATVEC_N, to += MATVEC_N) {
		product(y, k->m, x, MATVEC_N, MATVEC_N);
		for (size_t r = 0; r < MATVEC_N; r++)
			to[r] = (int32_t)rounded(y[r]);
	}
}

HV_INLINE void fir32_body(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	const struct linear_kernel *k = (const struct linear_kernel *)base;
	const any_s16 *from = in;
	any_s16 *to = out;
	double x[FIR_IN], y[FIR_BLOCK];

	for (size_t i = 0; i < records; i++, from += FIR_IN, to += FIR_BLOCK) {
		for (size_t j = 0; j < FIR_IN; j++)
			x[j] = from[j];
		memset(y, 0, sizeof(y));
		for (size_t j = 0; j < FIR_TAPS; j++)
			for (size_t n = 0; n < FIR_BLOCK; n++)
				y[n] += k->m[j] * x[n + j];
		for (size_t n = 0; n < FIR_BLOCK; n++)
			to[n] = to_s16(y[n]);
	}
}

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
