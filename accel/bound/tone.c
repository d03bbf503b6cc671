#include "accel/bound/bound.h"
#include <math.h>

/* A real row r of cosines or sines stands for the bins k and n - k, which hold its sum twice;
 * bins 0 and n/2 once. */
static double bins_of_row(unsigned n, unsigned r)
{
	return r == 0 || r == n / 2 ? 1 : 2;
}

/* |sum_c d[c] exp(2 pi i f c / (2 n))|^2 */
static double response(const double *a, const double *e, const double *cosines, unsigned n,
		       unsigned f)
{
	double re = 0, im = 0;
	unsigned turn = 2 * n, at = 0;

	for (unsigned c = 0; c < n; c++) {
		double d = e[c] - a[c];

		re += d * cosines[at];
		im += d * cosines[at + turn];
		at += f;
		at -= at >= turn ? turn : 0;
	}
	return re * re + im * im;
}

double cnn_bound_worst_tone(const struct package *p, const double *m, const double *e)
{
	double table[4 * CNN_CHANNELS_MAX];
	unsigned n = p->steps.channels, turn = 2 * n;
	double worst = 0;

	if (p->steps.finish != CNN_OUT_DFT)
		return 0;
	for (unsigned i = 0; i < turn; i++) {
		table[i] = cos(2 * M_PI * i / turn);
		table[turn + i] = sin(2 * M_PI * i / turn);
	}
	/* The rows are real, so frequency turn - f answers as f does. */
	for (unsigned f = 0; f <= n; f++) {
		double err = 0;

		for (unsigned r = 0; r < n; r++)
			err += bins_of_row(n, r) *
			       response(m + (size_t)r * n, e + (size_t)r * n, table, n, f);
		/* The tone has energy n, its exact transform n times as much. */
		worst = fmax(worst, err / ((double)n * n));
	}
	return worst;
}
