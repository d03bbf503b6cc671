#include "bench/stats.h"
#include <assert.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_series_add(struct bench_series *s, double v)
{
	assert(s->n < BENCH_ROUNDS_MAX);
	s->v[s->n++] = v;
}

double bench_quantile(double *v, size_t n, double share)
{
	double at = share * (double)(n - 1);
	size_t i = (size_t)at;

	assert(n > 0);
	qsort(v, n, sizeof(*v), by_value);
	if (i + 1 >= n)
		return v[n - 1];
	return v[i] + (at - (double)i) * (v[i + 1] - v[i]);
}

struct bench_quartiles bench_series_quartiles(const struct bench_series *s)
{
	struct bench_series t = *s;

	return (struct bench_quartiles){
		.q1 = bench_quantile(t.v, t.n, 0.25),
		.median = bench_quantile(t.v, t.n, 0.5),
		.q3 = bench_quantile(t.v, t.n, 0.75),
	};
}

struct bench_quartiles bench_series_ratio(const struct bench_series *v,
					  const struct bench_series *base)
{
	struct bench_series r = { .n = 0 };

	assert(v->n == base->n);
	for (size_t i = 0; i < v->n; i++)
		bench_series_add(&r, v->v[i] / base->v[i]);
	return bench_series_quartiles(&r);
}

const char *bench_verdict(double ratio, double target)
{
	return ratio <= target ? "met" : "missed";
}
