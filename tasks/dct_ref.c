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
