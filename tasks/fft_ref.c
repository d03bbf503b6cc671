#include "tasks/builtin.h"
#include <pthread.h>
#include <string.h>

/* X[k] = sum_n x[n] exp(-2 pi i k n / N), k = 0..N-1, not scaled
 *
 *   x  int16 (N, 2)   q15, re and im interleaved
 *   X  double (N, 2)  same unit; |X| <= 2^8 * 2^15.5, so int32 never saturates
 *
 * Radix-2, decimation in time, in double: log2 N stages, so the rounding error stays below
 * 1e-14 of the rms (a test compares with the sum above in long double). */
static double wave[FFT_MAX]; /* cos(2 pi k / FFT_MAX) */

static void wave_make(void)
{
	for (uint32_t k = 0; k < FFT_MAX; k++)
		wave[k] = turn_cos(k, FFT_MAX);
}

static uint32_t bits_reversed(uint32_t i, uint32_t n)
{
	uint32_t r = 0;

	for (uint32_t b = 1; b < n; b <<= 1)
		r = r << 1 | ((i & b) != 0);
	return r;
}

/* a, b <- a + w b, a - w b */
static void butterfly(double *a, double *b, double wr, double wi)
{
	double re = wr * b[0] - wi * b[1], im = wr * b[1] + wi * b[0];

	b[0] = a[0] - re;
	b[1] = a[1] - im;
	a[0] += re;
	a[1] += im;
}

static void stage(double *x, uint32_t n, uint32_t half)
{
	for (uint32_t j = 0; j < half; j++) {
		uint32_t turn = j * (FFT_MAX / 2 / half);
		double wr = wave[turn], wi = -wave[(turn + FFT_MAX * 3 / 4) % FFT_MAX];

		for (uint32_t i = j; i < n; i += 2 * half)
			butterfly(x + (size_t)2 * i, x + (size_t)2 * (i + half), wr, wi);
	}
}

void fft_double(const double *x, double *to, uint32_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, wave_make);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t from = bits_reversed(i, n);

		to[2 * i] = x[2 * from];
		to[2 * i + 1] = x[2 * from + 1];
	}
	for (uint32_t half = 1; half < n; half *= 2)
		stage(to, n, half);
}

static void fft_reference(const void *in, double *out, uint32_t n)
{
	int16_t x[2 * FFT_MAX];
	double wide[2 * FFT_MAX];

	memcpy(x, in, sizeof(*x) * 2 * n);
	for (uint32_t i = 0; i < 2 * n; i++)
		wide[i] = x[i];
	fft_double(wide, out, n);
}

void fft64_reference(const void *in, double *out)
{
	fft_reference(in, out, 64);
}

void fft128_reference(const void *in, double *out)
{
	fft_reference(in, out, 128);
}

void fft256_reference(const void *in, double *out)
{
	fft_reference(in, out, 256);
}
