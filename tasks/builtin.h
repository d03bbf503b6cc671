#ifndef TASKS_BUILTIN_H
#define TASKS_BUILTIN_H
#include "tasks/task.h"
#include <math.h>
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
	SPECMAG_IN = 256,
	SPECMAG_OUT = SPECMAG_IN / 2 + 1,
	IIR_BLOCK = 32,
	IIR_STATES = 2,
	IIR_IO = IIR_BLOCK + IIR_STATES,
	IIR_FRAC_BITS = 26, /* 34 * 2^15 * 2^4 * 2^26: below 2^51 */
	DCT8_SIDE = 8,
	DCT8_N = DCT8_SIDE * DCT8_SIDE,
	DCT8_FRAC_BITS = 30, /* 2^12 * 64/4 * 2^30: below 2^47 (of the domain: 2^50 of int16) */
	FEATURE_BLOCK = 64,
	MEDIAN_TAPS = 9,
	MEDIAN_OUT = FEATURE_BLOCK - MEDIAN_TAPS + 1,
	TILE = 64,
	TILE_IN = TILE + 2,
	KMEANS_UNIT = 64, /* lsb of the distance: 1/64 grey level */
	SPEED_E_UNIT = 64, /* lsb 1/64 rad/s */
	SPEED_I_UNIT = 2048, /* lsb 2^-11 V */
	SPEED_U_UNIT = 1024, /* lsb 2^-10 V */
	FIELD_UNIT = 16384, /* of a magnetometer: the nominal field */
};

enum iir_filter { IIR_C20, IIR_C05, IIR_C02, IIR_FILTERS };

/* Angles are binary: 32768 = pi. */
#define ANGLE_UNIT (32768 / M_PI)

/* cos and sin of k/n turns, n a multiple of 8: exact at quarter turns, and symmetric to the
 * last bit (octants are folded before the library function is asked). */
double turn_cos(uint32_t k, uint32_t n);
double turn_sin(uint32_t k, uint32_t n);

/* Matrices of the linear tasks, made once, shared, immutable. Row-major. */
const double *fir32_taps(void); /* [FIR_TAPS], sum exactly 1 */
const double *dct32_coefficients(void); /* [DCT_POINTS * DCT_POINTS] */
const double *matvec64_coefficients(void); /* [MATVEC_N * MATVEC_N] */

const double *matvec64_rank8_coefficients(void);
const double *dct8x8_coefficients(void); /* [DCT8_N * DCT8_N] */
const double *iir_coefficients(enum iir_filter f); /* [IIR_IO * IIR_IO] */

/* Complex DFT of n points (a power of two, at most FFT_MAX) in double; x, to: (n, 2). */
void fft_double(const double *x, double *to, uint32_t n);

/* The filter in state space, x' = A x + b u, y = c x + d u, input-balanced and scaled: q15
 * samples give states in q15 lsb. Run n samples through the state, in double. */
struct iir_section {
	double a[IIR_STATES][IIR_STATES], b[IIR_STATES], c[IIR_STATES], d;
};
const struct iir_section *iir_section(enum iir_filter f);
void iir_settle(enum iir_filter f, const int16_t *x, size_t n, double *state);

/* Of every row of tasks.def. */
#define X(id, ...)                                        \
	void id##_reference(const void *in, double *out); \
	void id##_sample(uint64_t seed, uint64_t index, void *in);
#include "tasks/tasks.def"
#undef X

void dct32_matrix(double *m);
void dct8x8_matrix(double *m);
void fft64_matrix(double *m);
void fft128_matrix(double *m);
void fft256_matrix(double *m);
void fir32_matrix(double *m);
void iir_c20_matrix(double *m);
void iir_c05_matrix(double *m);
void iir_c02_matrix(double *m);
void matvec64_matrix(double *m);
void matvec64_rank8_matrix(double *m);

/* Quantized coefficients of a block of pixels, whole numbers, row-major from DC. */
void jpeg_coefficients(const uint8_t *px, int quality, double *q);

double blackscholes_weight(const void *in, const double *exact);
extern const struct harvest_encoding blackscholes_encoding;

#endif
