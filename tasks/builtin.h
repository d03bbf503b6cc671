#ifndef TASKS_BUILTIN_H
#define TASKS_BUILTIN_H
#include <stdint.h>

/* Inside of tasks/: the pieces from which tasks.def puts the catalogue together.
 *
 * Fixed-point coefficients. The coefficients of fir32, dct32 and matvec64 are whole multiples
 * of a power of two, so small that every sum of coefficient * sample is a whole number below
 * 2^53 in that unit: exact in double and in int64, in whatever order it is added up, with or
 * without fused multiply-add. That is what lets fast kernels agree with the definition bit
 * for bit. The rounding moves a coefficient by less than 2^-27 of full scale. */
enum {
	FIR_TAPS = 32,
	FIR_BLOCK = 64,
	FIR_IN = FIR_TAPS - 1 + FIR_BLOCK,
	FIR_FRAC_BITS = 26, /* 2^15 * 2 * 2^26: below 2^42 */
	DCT_POINTS = 32,
	DCT_FRAC_BITS = 30, /* 2^15 * 32/4 * 2^30: below 2^48 */
	MATVEC_N = 64,
	MATVEC_FRAC_BITS = 28, /* 2^15 * 64 * 2^3 * 2^28: below 2^52 */
	FFT_MAX = 256,
};

/* cos and sin of k/n turns, n a multiple of 8: exact at quarter turns, and symmetric to the
 * last bit (octants are folded before the library function is asked). */
double turn_cos(uint32_t k, uint32_t n);
double turn_sin(uint32_t k, uint32_t n);

/* Matrices of the linear tasks, made once, shared, immutable. Row-major. */
const double *fir32_taps(void); /* [FIR_TAPS], sum exactly 1 */
const double *dct32_coefficients(void); /* [DCT_POINTS * DCT_POINTS] */
const double *matvec64_coefficients(void); /* [MATVEC_N * MATVEC_N] */

void fft64_matrix(double *m);
void fft128_matrix(double *m);
void fft256_matrix(double *m);
void fir32_matrix(double *m);
void dct32_matrix(double *m);
void matvec64_matrix(double *m);

void fft64_reference(const void *in, double *out);
void fft128_reference(const void *in, double *out);
void fft256_reference(const void *in, double *out);
void fir32_reference(const void *in, double *out);
void dct32_reference(const void *in, double *out);
void matvec64_reference(const void *in, double *out);

void fft64_sample(uint64_t seed, uint64_t index, void *in);
void fft128_sample(uint64_t seed, uint64_t index, void *in);
void fft256_sample(uint64_t seed, uint64_t index, void *in);
void fir32_sample(uint64_t seed, uint64_t index, void *in);
void dct32_sample(uint64_t seed, uint64_t index, void *in);
void matvec64_sample(uint64_t seed, uint64_t index, void *in);

#endif
