#include "nas/linear/map.h"
#include "util/own.h"
#include <cblas.h>
#include <math.h>
#include <string.h>

/* Least squares by Cholesky over columns of mean 0 and deviation 1, with a ridge so small that
 * it decides only where the records do not, and refined against the records themselves so that
 * squaring the condition costs nothing. */
enum { BLOCK = 64, REFINE = 2 };
static const double refine_work = 1e9; /* multiply-adds that a refinement may take */

struct system {
	unsigned d, targets; /* columns that vary */
	size_t n; /* records kept */
	double *z; /* (d, n) */
	double *t; /* (targets, n) without their means */
	double *u; /* (d, d) lower Cholesky factor */
	double *b; /* (d, targets) */
	double *w; /* (d, targets) */
	unsigned *column; /* (d) */
	double *mean, *spread; /* (d) */
	double *t_mean; /* (targets) */
};

static void gather(const double *from, size_t all, const uint8_t *keep, double *to)
{
	size_t at = 0;

	for (size_t i = 0; i < all; i++)
		if (keep == NULL || keep[i])
			to[at++] = from[i];
}

static double mean_of(const double *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum / (double)n;
}

/* Column c into row d of z; false when it says nothing. */
static bool take_column(struct system *s, const double *x, size_t all, const uint8_t *keep)
{
	double *z = s->z + (size_t)s->d * s->n, mean, var = 0, spread, scale;

	gather(x, all, keep, z);
	mean = mean_of(z, s->n);
	for (size_t i = 0; i < s->n; i++)
		var += (z[i] - mean) * (z[i] - mean);
	spread = sqrt(var / (double)s->n);
	if (!(spread > 1e-12 * fabs(mean)) || !(spread > 1e-280))
		return false;
	scale = 1 / (spread * sqrt((double)s->n));
	for (size_t i = 0; i < s->n; i++)
		z[i] = (z[i] - mean) * scale;
	s->mean[s->d] = mean;
	s->spread[s->d] = spread;
	return true;
}

static int set_up(struct system *s, const double *x, unsigned columns, const double *t, size_t all,
		  const uint8_t *keep)
{
	s->z = malloc(sizeof(double) * columns * s->n + 1);
	s->t = malloc(sizeof(double) * s->targets * s->n + 1);
	s->u = malloc(sizeof(double) * columns * columns);
	s->b = malloc(sizeof(double) * columns * s->targets);
	s->w = calloc((size_t)columns * s->targets, sizeof(double));
	s->column = malloc(sizeof(*s->column) * columns);
	s->mean = malloc(sizeof(double) * columns);
	s->spread = malloc(sizeof(double) * columns);
	s->t_mean = malloc(sizeof(double) * s->targets);
	if (s->z == NULL || s->t == NULL || s->u == NULL || s->b == NULL || s->w == NULL ||
	    s->column == NULL || s->mean == NULL || s->spread == NULL || s->t_mean == NULL)
		return HV_E_NOMEM;
	for (unsigned c = 0; c < columns; c++)
		if (take_column(s, x + (size_t)c * all, all, keep))
			s->column[s->d++] = c;
	for (unsigned k = 0; k < s->targets; k++) {
		double *to = s->t + (size_t)k * s->n;

		gather(t + (size_t)k * all, all, keep, to);
		s->t_mean[k] = mean_of(to, s->n);
		for (size_t i = 0; i < s->n; i++)
			to[i] -= s->t_mean[k];
	}
	return HV_OK;
}

static void tear_down(struct system *s)
{
	free(s->z);
	free(s->t);
	free(s->u);
	free(s->b);
	free(s->w);
	free(s->column);
	free(s->mean);
	free(s->spread);
	free(s->t_mean);
}

/* One block on the diagonal; what has no energy of its own left gets none of the answer. */
static void factor_block(double *u, unsigned d, unsigned at, unsigned n)
{
	for (unsigned i = at; i < at + n; i++)
		for (unsigned k = at; k <= i; k++) {
			double sum = u[(size_t)i * d + k];

			for (unsigned q = at; q < k; q++)
				sum -= u[(size_t)i * d + q] * u[(size_t)k * d + q];
			if (i == k)
				u[(size_t)i * d + k] = sum > 1e-15 ? sqrt(sum) : 1e150;
			else
				u[(size_t)i * d + k] = sum / u[(size_t)k * d + k];
		}
}

static void factor(double *u, unsigned d)
{
	for (unsigned at = 0; at < d; at += BLOCK) {
		unsigned n = d - at < BLOCK ? d - at : BLOCK, next = at + n, rest = d - next;
		double *low = u + (size_t)next * d;

		factor_block(u, d, at, n);
		if (rest == 0)
			return;
		cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
			    (int)rest, (int)n, 1, u + (size_t)at * d + at, (int)d, low + at,
			    (int)d);
		cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)rest, (int)n, -1,
			    low + at, (int)d, 1, low + next, (int)d);
	}
}

/* w += (z z' + ridge)^-1 z t. */
static void step(struct system *s)
{
	unsigned d = s->d, k = s->targets;

	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)d, (int)k, (int)s->n, 1, s->z,
		    (int)s->n, s->t, (int)s->n, 0, s->b, (int)k);
	cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)d,
		    (int)k, 1, s->u, (int)d, s->b, (int)k);
	cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, (int)d, (int)k,
		    1, s->u, (int)d, s->b, (int)k);
	for (size_t i = 0; i < (size_t)d * k; i++)
		s->w[i] += s->b[i];
}

static void solve(struct system *s, double ridge)
{
	unsigned d = s->d, k = s->targets;

	cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)d, (int)s->n, 1, s->z, (int)s->n,
		    0, s->u, (int)d);
	for (unsigned i = 0; i < d; i++)
		s->u[(size_t)i * d + i] += ridge;
	factor(s->u, d);
	step(s);
	for (unsigned i = 0; i < REFINE && (double)d * k * (double)s->n < refine_work; i++) {
		/* what is left of the targets */
		cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)k, (int)s->n, (int)d, -1,
			    s->b, (int)k, s->z, (int)s->n, 1, s->t, (int)s->n);
		step(s);
	}
}

int nas_map_solve(const double *x, unsigned columns, const double *t, unsigned targets, size_t n,
		  const uint8_t *keep, double ridge, double *w, double *constant)
{
	struct system s = { .targets = targets, .n = n };
	int r;

	for (size_t i = 0; keep != NULL && i < n; i++)
		s.n -= !keep[i];
	memset(w, 0, sizeof(*w) * columns * targets);
	memset(constant, 0, sizeof(*constant) * targets);
	if (s.n == 0)
		return HV_OK;
	r = set_up(&s, x, columns, t, n, keep);
	if (r == HV_OK && s.d > 0)
		solve(&s, ridge);
	for (unsigned k = 0; r == HV_OK && k < targets; k++) {
		constant[k] = s.t_mean[k];
		for (unsigned i = 0; i < s.d; i++) {
			double v = s.w[(size_t)i * targets + k] / (s.spread[i] * sqrt((double)s.n));

			w[(size_t)k * columns + s.column[i]] = v;
			constant[k] -= v * s.mean[i];
		}
	}
	tear_down(&s);
	return r;
}
