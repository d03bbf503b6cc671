#include "tasks/builtin.h"
#include "util/rng.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

/* Linear task -> matrix, and the coefficient tables behind the definitions. */

double turn_cos(uint32_t k, uint32_t n)
{
	double sign = 1;

	k %= n;
	if (2 * k > n)
		k = n - k;
	if (4 * k > n) {
		k = n / 2 - k;
		sign = -1;
	}
	if (8 * k > n)
		return sign * sin(2 * M_PI * (n / 4 - k) / n);
	return sign * cos(2 * M_PI * k / n);
}

double turn_sin(uint32_t k, uint32_t n)
{
	return turn_cos(k % n + n - n / 4, n);
}

/* Row k = 0..n/2: cosines of k; row n/2 + k, k = 1..n/2-1: sines of k. The rest of the
 * transform follows from symmetry. */
static void dft_matrix(double *m, uint32_t n)
{
	for (uint32_t k = 0; k <= n / 2; k++)
		for (uint32_t c = 0; c < n; c++)
			m[k * n + c] = turn_cos(k * c, n);
	for (uint32_t k = 1; k < n / 2; k++)
		for (uint32_t c = 0; c < n; c++)
			m[(n / 2 + k) * n + c] = turn_sin(k * c, n);
}

void fft64_matrix(double *m)
{
	dft_matrix(m, 64);
}

void fft128_matrix(double *m)
{
	dft_matrix(m, 128);
}

void fft256_matrix(double *m)
{
	dft_matrix(m, 256);
}

static double to_fixed(double v, int frac_bits)
{
	return ldexp(round(ldexp(v, frac_bits)), -frac_bits);
}

/* Hamming-windowed ideal low-pass, cut-off at a quarter of Nyquist (1/8 of the sample rate),
 * normalised to unit gain at DC. Symmetric, so what rounding takes from the sum is even in
 * the fixed-point unit and goes back to the two middle taps in equal halves. */
static double taps[FIR_TAPS];

static void taps_make(void)
{
	double ideal[FIR_TAPS], sum = 0, rest = 1;

	for (int j = 0; j < FIR_TAPS; j++) {
		double t = j - (FIR_TAPS - 1) / 2.0; /* never 0: FIR_TAPS is even */
		double window = 0.54 - 0.46 * cos(2 * M_PI * j / (FIR_TAPS - 1));

		ideal[j] = window * sin(M_PI * t / 4) / (M_PI * t);
		sum += ideal[j];
	}
	for (int j = 0; j < FIR_TAPS / 2; j++) {
		taps[j] = to_fixed(ideal[j] / sum, FIR_FRAC_BITS);
		taps[FIR_TAPS - 1 - j] = taps[j];
		rest -= 2 * taps[j];
	}
	taps[FIR_TAPS / 2 - 1] += rest / 2;
	taps[FIR_TAPS / 2] += rest / 2;
}

const double *fir32_taps(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, taps_make);
	return taps;
}

void fir32_matrix(double *m)
{
	const double *h = fir32_taps();

	memset(m, 0, sizeof(*m) * FIR_BLOCK * FIR_IN);
	for (size_t i = 0; i < FIR_BLOCK; i++)
		for (size_t j = 0; j < FIR_TAPS; j++)
			m[i * FIR_IN + i + FIR_TAPS - 1 - j] = h[j];
}

/* c[k] cos(pi (n + 1/2) k / N), c[0] = sqrt(1/N), else sqrt(2/N). */
static double dct[DCT_POINTS * DCT_POINTS];

static void dct_make(void)
{
	for (uint32_t k = 0; k < DCT_POINTS; k++) {
		double scale = sqrt((k == 0 ? 1.0 : 2.0) / DCT_POINTS);

		for (uint32_t n = 0; n < DCT_POINTS; n++) {
			double c = turn_cos((2 * n + 1) * k, 4 * DCT_POINTS);

			dct[k * DCT_POINTS + n] = to_fixed(scale * c, DCT_FRAC_BITS);
		}
	}
}

const double *dct32_coefficients(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, dct_make);
	return dct;
}

void dct32_matrix(double *m)
{
	memcpy(m, dct32_coefficients(), sizeof(dct));
}

/* Entries N(0,1) in row-major order from hv_rng, seed "matvec64" as ASCII. The largest of the
 * 4096 is 3.84, well below the 8 that MATVEC_FRAC_BITS leaves room for (a test looks). */
enum { MATVEC_SEED_HI = 0x6d617476, MATVEC_SEED_LO = 0x65633634 };
enum { RANK8_SEED_HI = 0x6d766563, RANK8_SEED_LO = 0x72616e38, RANK = 8 };
static double calibration[MATVEC_N * MATVEC_N];

static void calibration_make(void)
{
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)MATVEC_SEED_HI << 32 | MATVEC_SEED_LO);
	for (size_t i = 0; i < MATVEC_N * MATVEC_N; i++)
		calibration[i] = to_fixed(hv_rng_normal(&r, 0, 1), MATVEC_FRAC_BITS);
}

const double *matvec64_coefficients(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, calibration_make);
	return calibration;
}

void matvec64_matrix(double *m)
{
	memcpy(m, matvec64_coefficients(), sizeof(calibration));
}

/* (U V) / sqrt(8) + .01 N, U (64, 8), V (8, 64), N (64, 64) of N(0,1) in this order, row-major,
 * from hv_rng, seed "mvecran8" as ASCII. */
static double low_rank[MATVEC_N * MATVEC_N];

static void low_rank_make(void)
{
	double u[MATVEC_N * RANK], v[RANK * MATVEC_N];
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)RANK8_SEED_HI << 32 | RANK8_SEED_LO);
	for (size_t i = 0; i < MATVEC_N * RANK; i++)
		u[i] = hv_rng_normal(&r, 0, 1);
	for (size_t i = 0; i < RANK * MATVEC_N; i++)
		v[i] = hv_rng_normal(&r, 0, 1);
	for (size_t i = 0; i < MATVEC_N * MATVEC_N; i++) {
		double sum = 0;

		for (size_t k = 0; k < RANK; k++)
			sum += u[i / MATVEC_N * RANK + k] * v[k * MATVEC_N + i % MATVEC_N];
		sum = sum / sqrt(RANK) + hv_rng_normal(&r, 0, 0.01);
		low_rank[i] = to_fixed(sum, MATVEC_FRAC_BITS);
	}
}

const double *matvec64_rank8_coefficients(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, low_rank_make);
	return low_rank;
}

void matvec64_rank8_matrix(double *m)
{
	memcpy(m, matvec64_rank8_coefficients(), sizeof(low_rank));
}

/* Rows u * 8 + v: frequencies down and across. */
static double dct8x8[DCT8_N * DCT8_N];

static double dct8_entry(uint32_t k, uint32_t n)
{
	return sqrt((k == 0 ? 1.0 : 2.0) / DCT8_SIDE) * turn_cos((2 * n + 1) * k, 4 * DCT8_SIDE);
}

static void dct8x8_make(void)
{
	for (uint32_t r = 0; r < DCT8_N; r++)
		for (uint32_t c = 0; c < DCT8_N; c++)
			dct8x8[r * DCT8_N + c] =
				to_fixed(dct8_entry(r / 8, c / 8) * dct8_entry(r % 8, c % 8),
					 DCT8_FRAC_BITS);
}

const double *dct8x8_coefficients(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, dct8x8_make);
	return dct8x8;
}

void dct8x8_matrix(double *m)
{
	memcpy(m, dct8x8_coefficients(), sizeof(dct8x8));
}
