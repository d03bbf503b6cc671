#include "tasks/builtin.h"
#include <pthread.h>
#include <stdbool.h>

/* A block through the lossy part of JPEG: minus 128, orthonormal 8x8 DCT-II, divided by the
 * table and rounded half away from zero, times the table, inverse DCT, plus 128, clamped.
 *
 *   in   uint8 (8, 8)
 *   out  double (8, 8)   0..255, not yet rounded
 *
 * Table: the luminance example of the standard (ITU-T T.81, K.1) scaled as libjpeg does:
 * quality 50 leaves it, quality 75 takes (50 t + 50) / 100 of it, at least 1.
 *
 * Rounding makes small differences large, so the forward transform is exact: coefficients
 * are multiples of 2^-20 without the orthonormal factors, sums below 2^(7 + 6 + 40) in that
 * unit; the factors and the division by the table are one multiplication. */
enum { FRAC_BITS = 20 };

/* clang-format off */
static const uint8_t luminance[DCT8_N] = {
	16, 11, 10, 16, 24, 40, 51, 61,
	12, 12, 14, 19, 26, 58, 60, 55,
	14, 13, 16, 24, 40, 57, 69, 56,
	14, 17, 22, 29, 51, 87, 80, 62,
	18, 22, 37, 56, 68, 109, 103, 77,
	24, 35, 55, 64, 81, 104, 113, 92,
	49, 64, 78, 87, 103, 121, 120, 101,
	72, 92, 95, 98, 112, 100, 103, 99,
};
/* clang-format on */

static double wave[DCT8_SIDE][DCT8_SIDE]; /* cos(pi (n + 1/2) k / 8) */

static void wave_make(void)
{
	for (uint32_t k = 0; k < DCT8_SIDE; k++)
		for (uint32_t n = 0; n < DCT8_SIDE; n++)
			wave[k][n] = ldexp(
				round(ldexp(turn_cos((2 * n + 1) * k, 4 * DCT8_SIDE), FRAC_BITS)),
				-FRAC_BITS);
}

/* sqrt(1/8) or 1/2 for each direction; both first: exactly 1/8 */
static double factor(size_t u, size_t v)
{
	if (u == 0 && v == 0)
		return 0.125;
	return u == 0 || v == 0 ? M_SQRT2 / 8 : 0.25;
}

/* to[i][j] = sum over a, b of rows[i][a] columns[j][b] x[a][b], in two passes; turned: of the
 * transposed wave */
static void transform(const double x[DCT8_N], double to[DCT8_N], bool turned)
{
	double mid[DCT8_N];

	for (size_t a = 0; a < 8; a++) {
		for (size_t j = 0; j < 8; j++) {
			double sum = 0;

			for (size_t b = 0; b < 8; b++)
				sum += (turned ? wave[b][j] : wave[j][b]) * x[a * 8 + b];
			mid[a * 8 + j] = sum;
		}
	}
	for (size_t i = 0; i < 8; i++) {
		for (size_t j = 0; j < 8; j++) {
			double sum = 0;

			for (size_t a = 0; a < 8; a++)
				sum += (turned ? wave[a][i] : wave[i][a]) * mid[a * 8 + j];
			to[i * 8 + j] = sum;
		}
	}
}

static int table(size_t i, int quality)
{
	int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
	int t = (luminance[i] * scale + 50) / 100;

	return t < 1 ? 1 : t;
}

void jpeg_coefficients(const uint8_t *px, int quality, double *q)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	double x[DCT8_N];

	pthread_once(&once, wave_make);
	for (size_t i = 0; i < DCT8_N; i++)
		x[i] = px[i] - 128;
	transform(x, q, false);
	for (size_t i = 0; i < DCT8_N; i++)
		q[i] = round(q[i] * (factor(i / 8, i % 8) / table(i, quality)));
}

static void jpeg_reference(const void *in, double *out, int quality)
{
	double q[DCT8_N];

	jpeg_coefficients(in, quality, q);
	for (size_t i = 0; i < DCT8_N; i++)
		q[i] *= table(i, quality) * factor(i / 8, i % 8);
	transform(q, out, true);
	for (size_t i = 0; i < DCT8_N; i++)
		out[i] = fmin(fmax(out[i] + 128, 0), 255);
}

void jpeg50_reference(const void *in, double *out)
{
	jpeg_reference(in, out, 50);
}

void jpeg75_reference(const void *in, double *out)
{
	jpeg_reference(in, out, 75);
}
