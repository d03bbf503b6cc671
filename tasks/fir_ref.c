#include "tasks/builtin.h"
#include <string.h>

/* y[i] = sum_j h[j] x[i + 31 - j], i = 0..63, j = 0..31
 *
 *   x  int16 (95)   q15, oldest first: 31 samples of history, then the 64 new ones
 *   h  (32)         fir32_taps(): Hamming-windowed low-pass, multiples of 2^-26, sum 1
 *   y  double (64)  q15 unit, saturated to int16 (sum |h| is 1.4: an overshoot can)
 *
 * Every product and partial sum is exact, see builtin.h. */
void fir32_reference(const void *in, double *out)
{
	const double *h = fir32_taps();
	int16_t x[FIR_IN];

	memcpy(x, in, sizeof(x));
	for (size_t i = 0; i < FIR_BLOCK; i++) {
		double y = 0;

		for (size_t j = 0; j < FIR_TAPS; j++)
			y += h[j] * x[i + FIR_TAPS - 1 - j];
		out[i] = y < INT16_MIN ? INT16_MIN : y > INT16_MAX ? INT16_MAX : y;
	}
}
