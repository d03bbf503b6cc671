#include "tasks/builtin.h"
#include <string.h>

/* y[k] = c[k] sum_n x[n] cos(pi (n + 1/2) k / 32), c[0] = sqrt(1/32), else sqrt(2/32)
 *
 *   x  int16 (32)   q15
 *   y  double (32)  q15 unit, saturated to int16: |y| can reach sqrt(32) of full scale
 *
 * The coefficients are multiples of 2^-30; every product and partial sum is exact, see
 * builtin.h. */
void dct32_reference(const void *in, double *out)
{
	const double *c = dct32_coefficients();
	int16_t x[DCT_POINTS];

	memcpy(x, in, sizeof(x));
	for (size_t k = 0; k < DCT_POINTS; k++) {
		double y = 0;

		for (size_t n = 0; n < DCT_POINTS; n++)
			y += c[k * DCT_POINTS + n] * x[n];
		out[k] = y < INT16_MIN ? INT16_MIN : y > INT16_MAX ? INT16_MAX : y;
	}
}

/* Y[u][v] = c[u] c[v] sum_m sum_n x[m][n] cos(pi (m + 1/2) u / 8) cos(pi (n + 1/2) v / 8)
 *
 *   x  int16 (8, 8)   pixel minus 128, in 1/32 grey level: -4096..4064 in the domain
 *   Y  double (8, 8)  same unit, saturated to int16: the domain just fits
 *
 * Coefficients are multiples of 2^-30, sums are exact. */
void dct8x8_reference(const void *in, double *out)
{
	const double *c = dct8x8_coefficients();
	int16_t x[DCT8_N];

	memcpy(x, in, sizeof(x));
	for (size_t k = 0; k < DCT8_N; k++) {
		double y = 0;

		for (size_t n = 0; n < DCT8_N; n++)
			y += c[k * DCT8_N + n] * x[n];
		out[k] = y < INT16_MIN ? INT16_MIN : y > INT16_MAX ? INT16_MAX : y;
	}
}
