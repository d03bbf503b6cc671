#include "tasks/builtin.h"
#include <pthread.h>
#include <string.h>

/* m[k] = |sum_n w[n] x[n] exp(-2 pi i k n / 256)| / 64, k = 0..128
 *
 *   x  int16 (256)   q15
 *   w  Hann, periodic: .5 - .5 cos(2 pi n / 256)
 *   m  double (129)  q15 unit: a full-scale sine on a bin reads 32768, a constant 65536;
 *                    saturated to uint16
 */
static double window[SPECMAG_IN];

static void window_make(void)
{
	for (uint32_t n = 0; n < SPECMAG_IN; n++)
		window[n] = 0.5 - 0.5 * turn_cos(n, SPECMAG_IN);
}

void specmag256_reference(const void *in, double *out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	double wide[2 * SPECMAG_IN], spectrum[2 * SPECMAG_IN];
	int16_t x[SPECMAG_IN];

	pthread_once(&once, window_make);
	memcpy(x, in, sizeof(x));
	for (size_t n = 0; n < SPECMAG_IN; n++) {
		wide[2 * n] = window[n] * x[n];
		wide[2 * n + 1] = 0;
	}
	fft_double(wide, spectrum, SPECMAG_IN);
	for (size_t k = 0; k < SPECMAG_OUT; k++)
		out[k] = fmin(hypot(spectrum[2 * k], spectrum[2 * k + 1]) / 64, UINT16_MAX);
}
