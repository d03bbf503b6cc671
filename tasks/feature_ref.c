#include "tasks/builtin.h"
#include <string.h>

/* m[i] = median of x[i..i+8], i = 0..55
 *
 *   x  int16 (64)    q15
 *   m  double (56)   q15
 */
void median9_reference(const void *in, double *out)
{
	int16_t x[FEATURE_BLOCK], sorted[MEDIAN_TAPS];

	memcpy(x, in, sizeof(x));
	for (size_t i = 0; i < MEDIAN_OUT; i++) {
		for (size_t k = 0; k < MEDIAN_TAPS; k++) { /* by insertion */
			size_t at = k;

			for (; at > 0 && sorted[at - 1] > x[i + k]; at--)
				sorted[at] = sorted[at - 1];
			sorted[at] = x[i + k];
		}
		out[i] = sorted[MEDIAN_TAPS / 2];
	}
}

/* r = sqrt(sum x^2 / 64)
 *
 *   x  int16 (64)    q15
 *   r  double (1)    q15 unit: 0..32768; the sum is a whole number below 2^37
 */
void rms64_reference(const void *in, double *out)
{
	int16_t x[FEATURE_BLOCK];
	int64_t sum = 0;

	memcpy(x, in, sizeof(x));
	for (size_t i = 0; i < FEATURE_BLOCK; i++)
		sum += (int64_t)x[i] * x[i];
	out[0] = sqrt((double)sum / FEATURE_BLOCK);
}

/* median9 and rms64 of the same block
 *
 *   x  int16 (64)    q15
 *   m  double (57)   q15: 56 medians, then the root mean square, 0..32767
 */
void features64_reference(const void *in, double *out)
{
	median9_reference(in, out);
	rms64_reference(in, out + MEDIAN_OUT);
	out[MEDIAN_OUT] = fmin(out[MEDIAN_OUT], INT16_MAX);
}
