#include "nas/linear/shape.h"
#include "util/own.h"
#include "util/rng.h"
#include <cblas.h>
#include <math.h>
#include <string.h>

/* Leading directions of m * spread by orthogonal iteration: a few dozen matrix products, and the
 * eigenvalues of a small matrix by Jacobi's rotations. */
enum { ROUNDS = 24, SWEEPS = 30 };

/* Columns of q (n, k) become orthonormal; those that depend on earlier ones become zero. */
static void orthonormalise(double *q, unsigned n, unsigned k)
{
	for (unsigned c = 0; c < k; c++)
		for (unsigned twice = 0; twice < 2; twice++) {
			double before = cblas_dnrm2((int)n, q + c, (int)k), norm;

			for (unsigned b = 0; b < c; b++)
				cblas_daxpy((int)n,
					    -cblas_ddot((int)n, q + b, (int)k, q + c, (int)k),
					    q + b, (int)k, q + c, (int)k);
			norm = cblas_dnrm2((int)n, q + c, (int)k);
			cblas_dscal((int)n, norm > 1e-12 * before && norm > 1e-290 ? 1 / norm : 0,
				    q + c, (int)k);
		}
}

/* Rotates a (k, k) symmetric to diagonal form, and v (k, k) along. */
static void jacobi(double *a, double *v, unsigned k)
{
	memset(v, 0, sizeof(*v) * k * k);
	for (unsigned i = 0; i < k; i++)
		v[i * k + i] = 1;
	for (unsigned sweep = 0; sweep < SWEEPS; sweep++)
		for (unsigned p = 0; p < k; p++)
			for (unsigned q = p + 1; q < k; q++) {
				double theta, t, c, s;

				if (a[p * k + q] == 0)
					continue;
				theta = (a[q * k + q] - a[p * k + p]) / (2 * a[p * k + q]);
				t = (theta < 0 ? -1 : 1) / (fabs(theta) + hypot(theta, 1));
				c = 1 / hypot(t, 1);
				s = c * t;
				cblas_drot((int)k, a + p, (int)k, a + q, (int)k, c, -s);
				cblas_drot((int)k, a + p * k, 1, a + q * k, 1, c, -s);
				cblas_drot((int)k, v + p, (int)k, v + q, (int)k, c, -s);
			}
}

/* Directions by falling energy. */
static void sort(double *a, double *v, unsigned k)
{
	for (unsigned i = 0; i < k; i++)
		for (unsigned j = i + 1; j < k; j++)
			if (a[j * k + j] > a[i * k + i]) {
				double t = a[i * k + i];

				a[i * k + i] = a[j * k + j];
				a[j * k + j] = t;
				cblas_dswap((int)k, v + i, (int)k, v + j, (int)k);
			}
}

static double trace(const double *g, unsigned n)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += g[(size_t)i * n + i];
	return sum;
}

struct scratch {
	double *g, *z, *a, *v; /* (n, n), (n, k), (k, k), (k, k) */
};

static void iterate(const struct scratch *s, unsigned n, unsigned k, double *u, double *share)
{
	double all = trace(s->g, n), left = all;
	struct hv_rng rng;

	hv_rng_seed(&rng, 1);
	for (size_t i = 0; i < (size_t)n * k; i++)
		u[i] = hv_rng_normal(&rng, 0, 1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		orthonormalise(u, n, k);
		cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)k, (int)n, 1,
			    s->g, (int)n, u, (int)k, 0, s->z, (int)k);
		memcpy(u, s->z, sizeof(*u) * n * k);
	}
	orthonormalise(u, n, k);
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)k, (int)n, 1, s->g,
		    (int)n, u, (int)k, 0, s->z, (int)k);
	cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)k, (int)k, (int)n, 1, u, (int)k,
		    s->z, (int)k, 0, s->a, (int)k);
	jacobi(s->a, s->v, k);
	sort(s->a, s->v, k);
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)k, (int)k, 1, u, (int)k,
		    s->v, (int)k, 0, s->z, (int)k);
	memcpy(u, s->z, sizeof(*u) * n * k);
	share[0] = 1;
	for (unsigned i = 0; i < k; i++) {
		left -= fmax(s->a[i * k + i], 0);
		share[i + 1] = all > 0 ? fmax(left, 0) / all : 0;
	}
}

int nas_shape_rank(const struct nas_map *map, unsigned *most, double *u, double *share)
{
	unsigned n = map->outs, k = *most, ins = map->ins;
	hv_autofree double *w = malloc(sizeof(double) * n * ins);
	struct scratch s;

	k = k > n ? n : k;
	k = k > ins ? ins : k;
	*most = k;
	s.g = malloc(sizeof(double) * n * n);
	s.z = malloc(sizeof(double) * n * k);
	s.a = malloc(sizeof(double) * k * k);
	s.v = malloc(sizeof(double) * k * k);
	if (w != NULL && s.g != NULL && s.z != NULL && s.a != NULL && s.v != NULL) {
		for (size_t i = 0; i < (size_t)n * ins; i++)
			w[i] = map->m[i] * map->spread[i % ins];
		cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)ins, 1, w,
			    (int)ins, w, (int)ins, 0, s.g, (int)n);
		iterate(&s, n, k, u, share);
	}
	free(s.g);
	free(s.z);
	free(s.a);
	free(s.v);
	return w != NULL && s.g != NULL && s.z != NULL && s.a != NULL && s.v != NULL ? HV_OK
										     : HV_E_NOMEM;
}
