#include "accel/build/quantise.h"
#include "util/own.h"
#include <math.h>

/* Candidate scales a search looks at: as many as keep it near SEARCH_WORK rounded values. */
enum { SEARCH_WORK = 20000000, TRIES_MIN = 64, TRIES_MAX = 2000 };
static const double search_from = 0.7;

static unsigned tries_for(size_t values)
{
	size_t n = SEARCH_WORK / (values > 0 ? values : 1);

	return (unsigned)(n < TRIES_MIN ? TRIES_MIN : n > TRIES_MAX ? TRIES_MAX : n);
}

static double largest(const double *a, size_t n)
{
	double max = 0;

	for (size_t i = 0; i < n; i++)
		max = fabs(a[i]) > max ? fabs(a[i]) : max;
	return max;
}

/* Scale number i of `tries` for values up to max: from limit / max downwards. */
static double candidate(unsigned i, unsigned tries, double max, int32_t limit)
{
	return limit / max * (1 - (1 - search_from) * i / tries);
}

/* Gain g that minimises sum (a - g e)^2 for e = round(scale * a); 0 when all e are 0. */
static double best_gain(const double *a, size_t n, double scale)
{
	double ae = 0, ee = 0;

	for (size_t i = 0; i < n; i++) {
		double e = rint(scale * a[i]);

		ae += a[i] * e;
		ee += e * e;
	}
	return ee > 0 ? ae / ee : 0;
}

static double squared_error(const double *a, size_t n, size_t step, double scale, double gain)
{
	double sum = 0;

	for (size_t i = 0; i < n; i += step) {
		double d = a[i] - gain * rint(scale * a[i]);

		sum += d * d;
	}
	return sum;
}

static void round_row(const double *a, unsigned n, double scale, int32_t limit, int32_t *e)
{
	for (unsigned i = 0; i < n; i++) {
		double v = rint(scale * a[i]);

		e[i] = (int32_t)(v > limit ? limit : v < -limit ? -limit : v);
	}
}

static void quant_row(const double *a, unsigned n, int32_t limit, unsigned tries, int32_t *e,
		      double *gain)
{
	double max = largest(a, n), best = INFINITY, best_scale = 0;

	*gain = 0;
	/* limit / max must be finite; what is that small is zero beside any other row. */
	if (max < 1e-290) {
		round_row(a, n, 0, limit, e);
		return;
	}
	for (unsigned i = 0; i < tries; i++) {
		double scale = candidate(i, tries, max, limit);
		double g = best_gain(a, n, scale), err = squared_error(a, n, 1, scale, g);

		if (err < best) {
			best = err;
			best_scale = scale;
			*gain = g;
		}
	}
	round_row(a, n, best_scale, limit, e);
}

/* Relative error of the worst tone of an n-point DFT with this scale. A tone at a frequency
 * that shares the divisor d with n meets only phases that are multiples of d steps. wave: one
 * turn of the cosine (n values) and, when there is one, of the sine. */
static double worst_tone(const double *wave, unsigned waves, unsigned n, double scale, double gain)
{
	double worst = 0;

	for (unsigned d = 1; d <= n / 2; d++) {
		double err = 0, power = 0;

		if (n % d != 0)
			continue;
		for (unsigned w = 0; w < waves; w++) {
			err += squared_error(wave + w * n, n, d, scale, gain);
			power += squared_error(wave + w * n, n, d, scale, 0);
		}
		if (power > 0 && err / power > worst)
			worst = err / power;
	}
	return worst;
}

static int quant_dft(const double *m, struct quant *q)
{
	unsigned n = q->cols, waves = n >= 4 ? 2 : 1;
	unsigned tries = tries_for((size_t)4 * waves * n);
	hv_autofree double *wave = malloc(sizeof(*wave) * waves * n);
	double best = INFINITY, best_scale = 0, best_g = 0;

	if (wave == NULL)
		return HV_E_NOMEM;
	for (unsigned c = 0; c < n; c++) {
		wave[c] = m[n + c]; /* row 1: one turn of the cosine */
		if (waves == 2)
			wave[n + c] = m[(size_t)(n / 2 + 1) * n + c];
	}
	for (unsigned i = 0; i < tries; i++) {
		double scale = candidate(i, tries, 1, q->limit);
		double g = best_gain(wave, (size_t)waves * n, scale);
		double worst = worst_tone(wave, waves, n, scale, g);

		if (worst < best) {
			best = worst;
			best_scale = scale;
			best_g = g;
		}
	}
	round_row(m, q->rows * n, best_scale, q->limit, q->e);
	for (unsigned r = 0; r < q->rows; r++)
		q->gain[r] = best_g;
	return HV_OK;
}

static int quantise(const double *m, unsigned rows, unsigned cols, enum harvest_linear kind,
		    int32_t limit, unsigned tries, struct quant *q)
{
	size_t values = (size_t)rows * cols;
	struct quant t = { .rows = rows, .cols = cols, .limit = limit };
	int r = HV_OK;

	t.e = calloc(values, sizeof(*t.e));
	t.gain = calloc(rows, sizeof(*t.gain));
	if (t.e == NULL || t.gain == NULL)
		r = HV_E_NOMEM;
	else if (kind == HARVEST_LINEAR_DFT)
		r = quant_dft(m, &t);
	for (unsigned i = 0; r == HV_OK && kind != HARVEST_LINEAR_DFT && i < rows; i++)
		quant_row(m + (size_t)i * cols, cols, limit, tries, t.e + (size_t)i * cols,
			  &t.gain[i]);
	if (r < 0)
		quant_clear(&t);
	else
		*q = t;
	return r;
}

int quant_matrix(const double *m, unsigned rows, unsigned cols, enum harvest_linear kind,
		 int32_t limit, struct quant *q)
{
	return quantise(m, rows, cols, kind, limit, tries_for((size_t)rows * cols), q);
}

int quant_rows(const double *m, unsigned rows, unsigned cols, int32_t limit, unsigned tries,
	       struct quant *q)
{
	return quantise(m, rows, cols, HARVEST_LINEAR_REAL, limit, tries, q);
}

void quant_clear(struct quant *q)
{
	free(q->e);
	free(q->gain);
	q->e = NULL;
	q->gain = NULL;
}
