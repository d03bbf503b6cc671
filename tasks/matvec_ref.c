#include "tasks/builtin.h"
#include <string.h>

/* y = A x
 *
 *   x  int16 (64)   q15
 *   A  (64, 64)     matvec64_coefficients(): N(0,1), fixed, multiples of 2^-28
 *   y  double (64)  q15 unit; |y| <= 64 * 8 * 2^15 = 2^24, so int32 never saturates
 *
 * Every product and partial sum is exact, see builtin.h. */
static void product(const double *a, const void *in, double *out)
{
	int16_t x[MATVEC_N];

	memcpy(x, in, sizeof(x));
	for (size_t r = 0; r < MATVEC_N; r++) {
		double y = 0;

		for (size_t c = 0; c < MATVEC_N; c++)
			y += a[r * MATVEC_N + c] * x[c];
		out[r] = y;
	}
}

void matvec64_reference(const void *in, double *out)
{
	product(matvec64_coefficients(), in, out);
}

/* The same with matvec64_rank8_coefficients(), as bounded. */
void matvec64_rank8_reference(const void *in, double *out)
{
	product(matvec64_rank8_coefficients(), in, out);
}
