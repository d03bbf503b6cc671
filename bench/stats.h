#ifndef BENCH_STATS_H
#define BENCH_STATS_H
#include <stddef.h>

/* Median and quartiles of what alternated rounds measured. */
enum { BENCH_ROUNDS_MAX = 64 };

struct bench_series {
	double v[BENCH_ROUNDS_MAX];
	size_t n;
};

struct bench_quartiles {
	double q1, median, q3;
};

/* Samples beyond BENCH_ROUNDS_MAX are a mistake of the caller and stop the program. */
void bench_series_add(struct bench_series *s, double v);
/* Of at least one sample; linear between neighbours. */
struct bench_quartiles bench_series_quartiles(const struct bench_series *s);
/* Of n values, which are sorted in place; share 0..1. */
double bench_quantile(double *v, size_t n, double share);
/* Round by round v / base, then quartiles: machine drift cancels. Same length. */
struct bench_quartiles bench_series_ratio(const struct bench_series *v,
					  const struct bench_series *base);
/* "met" or "missed" */
const char *bench_verdict(double ratio, double target);

#endif
