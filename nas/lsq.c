#include "nas/lsq.h"
#include "util/own.h"
#include <cblas.h>
#include <math.h>
#include <string.h>

enum { CHUNK = 1024 };

/* Adds rows from..from+n of the weighted columns to the sums. wide: (columns + 1 + targets,
 * CHUNK) scratch. */
static void add_chunk(const float *cols, unsigned columns, const double *t, unsigned targets,
		      const double *w, size_t rows, size_t from, size_t n, double *wide,
		      double *all)
{
	unsigned m = columns + 1 + targets;

	for (size_t i = 0; i < n; i++) {
		double s = sqrt(w[from + i]);

		wide[i] = s;
		for (unsigned c = 0; c < columns; c++)
			wide[(c + 1) * CHUNK + i] = s * (double)cols[c * rows + from + i];
		for (unsigned k = 0; k < targets; k++)
			wide[(columns + 1 + k) * CHUNK + i] = s * t[k * rows + from + i];
	}
	cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, (int)m, (int)n, 1, wide, CHUNK, 1, all,
		    (int)m);
}

int nas_gram_make(const float *cols, unsigned columns, const double *t, unsigned targets,
		  const double *w, size_t rows, struct nas_gram *g)
{
	unsigned n = columns + 1, m = n + targets;
	hv_autofree double *wide = malloc(sizeof(*wide) * m * CHUNK);
	hv_autofree double *all = calloc((size_t)m * m, sizeof(*all));
	struct nas_gram r = { .n = n, .targets = targets };

	r.g = malloc(sizeof(*r.g) * n * n);
	r.b = malloc(sizeof(*r.b) * n * targets);
	r.tt = malloc(sizeof(*r.tt) * targets);
	if (wide == NULL || all == NULL || r.g == NULL || r.b == NULL || r.tt == NULL) {
		nas_gram_clear(&r);
		return HV_E_NOMEM;
	}
	for (size_t from = 0; from < rows; from += CHUNK)
		add_chunk(cols, columns, t, targets, w, rows, from,
			  rows - from < CHUNK ? rows - from : CHUNK, wide, all);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < n; k++)
			r.g[i * n + k] = i <= k ? all[i * m + k] : all[k * m + i];
	for (unsigned k = 0; k < targets; k++) {
		for (unsigned i = 0; i < n; i++)
			r.b[i * targets + k] = all[i * m + n + k];
		r.tt[k] = all[(size_t)(n + k) * m + n + k];
	}
	*g = r;
	return HV_OK;
}

void nas_gram_clear(struct nas_gram *g)
{
	free(g->g);
	free(g->b);
	free(g->tt);
	*g = (struct nas_gram){ 0 };
}

/* Upper factor u of g + ridge: u' u; what has no energy of its own gets a unit row. */
static void factor(const struct nas_gram *g, double ridge, double *u)
{
	unsigned n = g->n;

	memset(u, 0, sizeof(*u) * n * n);
	for (unsigned i = 0; i < n; i++) {
		double d = g->g[i * n + i] * (1 + (i > 0 ? ridge : 0)), least = 1e-13 * d;

		for (unsigned k = 0; k < i; k++)
			d -= u[k * n + i] * u[k * n + i];
		if (!(d > least) || d <= 0)
			d = INFINITY;
		u[i * n + i] = sqrt(d);
		for (unsigned c = i + 1; c < n; c++) {
			double s = g->g[i * n + c];

			for (unsigned k = 0; k < i; k++)
				s -= u[k * n + i] * u[k * n + c];
			u[i * n + c] = isinf(d) ? 0 : s / u[i * n + i];
		}
	}
}

/* y of u' y = rhs. */
static void forward(const double *u, unsigned n, const double *rhs, double *y)
{
	for (unsigned i = 0; i < n; i++) {
		double s = rhs[i];

		for (unsigned k = 0; k < i; k++)
			s -= u[k * n + i] * y[k];
		y[i] = isinf(u[i * n + i]) ? 0 : s / u[i * n + i];
	}
}

static double residual(const struct nas_gram *g, unsigned target, const double *coef)
{
	unsigned n = g->n;
	double e = g->tt[target];

	for (unsigned i = 0; i < n; i++) {
		double s = 0;

		for (unsigned k = 0; k < n; k++)
			s += g->g[i * n + k] * coef[k];
		e += coef[i] * (s - 2 * g->b[i * g->targets + target]);
	}
	return e > 0 ? e : 0;
}

int nas_gram_round(const struct nas_gram *g, unsigned target, double ridge, const uint8_t *group,
		   const double *unit, int limit, const double *base, int32_t *q, double *constant,
		   double *err)
{
	unsigned n = g->n;
	hv_autofree double *u = malloc(sizeof(*u) * n * n);
	hv_autofree double *y = malloc(sizeof(*y) * 3 * n);
	double *rhs, *coef;

	if (u == NULL || y == NULL)
		return HV_E_NOMEM;
	rhs = y + n;
	coef = y + 2 * n;
	for (unsigned i = 0; i < n; i++) {
		rhs[i] = g->b[i * g->targets + target];
		for (unsigned k = 0; base != NULL && k < n; k++)
			rhs[i] -= g->g[i * n + k] * base[k];
	}
	factor(g, ridge, u);
	forward(u, n, rhs, y);
	for (unsigned i = n; i-- > 0;) {
		double s = y[i];

		for (unsigned k = i + 1; k < n; k++)
			s -= u[i * n + k] * coef[k];
		coef[i] = isinf(u[i * n + i]) ? 0 : s / u[i * n + i];
		if (i > 0) {
			double step = unit[group[i]], v = step > 0 ? rint(coef[i] / step) : 0;

			v = v > limit ? limit : v < -limit ? -limit : v;
			q[i] = (int32_t)v;
			coef[i] = v * step;
		}
	}
	*constant = coef[0] + (base != NULL ? base[0] : 0);
	for (unsigned i = 0; base != NULL && i < n; i++)
		coef[i] += base[i];
	*err = residual(g, target, coef);
	return HV_OK;
}

int nas_gram_solve(const struct nas_gram *g, unsigned target, double ridge, double *coef,
		   double *err)
{
	unsigned n = g->n;
	hv_autofree double *u = malloc(sizeof(*u) * n * n);
	hv_autofree double *y = calloc(2 * n, sizeof(*y));

	if (u == NULL || y == NULL)
		return HV_E_NOMEM;
	for (unsigned i = 0; i < n; i++)
		y[n + i] = g->b[i * g->targets + target];
	factor(g, ridge, u);
	forward(u, n, y + n, y);
	for (unsigned i = n; i-- > 0;) {
		double s = y[i];

		for (unsigned k = i + 1; k < n; k++)
			s -= u[i * n + k] * coef[k];
		coef[i] = isinf(u[i * n + i]) ? 0 : s / u[i * n + i];
	}
	*err = residual(g, target, coef);
	return HV_OK;
}
