#ifndef CNN_BOUND_SOURCE_H
#define CNN_BOUND_SOURCE_H
#include "accel/package/package.h"

/* What a linear package approximates, whether task or bare matrix. Borrows everything. */
struct bound_source {
	const void *ctx;
	/* As harvest_task.reference and .sample, with ctx. */
	void (*reference)(const void *ctx, const void *in, double *out);
	void (*sample)(const void *ctx, uint64_t seed, uint64_t index, void *in);
	const double *matrix; /* (rows, cols) of the package's steps; NULL: nobody can prove it,
				 so max_abs becomes the largest error seen */
	enum harvest_metric metric;
};

/* matrix must hold rows * cols doubles, and is filled. */
struct bound_source bound_source_of_task(const struct harvest_task *task, double *matrix);

/* The same answers for several packages of one task, drawn once: the `records` first records of
 * the test stream. One thread. bound_cache_new(): *cache is returned owned; HV_E_NOMEM,
 * HV_E_INVAL: more than BOUND_SAMPLES_MAX. The source borrows the cache. */
struct bound_cache;
HV_NODISCARD int bound_cache_new(const struct harvest_task *task, uint64_t records,
				 struct bound_cache **cache);
void bound_cache_free(struct bound_cache *c); /* NULL is fine */
struct bound_source bound_source_of_cache(struct bound_cache *c, double *matrix);

/* Effective matrix of network and steps: answer = effective * input, before the rounding of
 * input (L1) and output. (rows, cols), returned owned. HV_E_NOMEM. */
HV_NODISCARD int bound_effective(const struct package *p, double **effective);

enum {
	BOUND_BATCH_RECORDS = 16,
	BOUND_SAMPLES_MIN = 8 * BOUND_BATCH_RECORDS,
	BOUND_SAMPLES_MAX = 1 << 20,
	BOUND_TEST_STREAM = 3,
};

/* The whole certificate, see docs/quality.md. HV_E_NOMEM; HV_E_INVAL: metric is none that a
 * linear package is certified for, fewer samples than BOUND_SAMPLES_MIN, confidence outside
 * .5..1, or the source gives no signal. */
HV_NODISCARD int bound_certify(const struct package *p, const struct bound_source *src,
			       uint64_t samples, double confidence, struct package_cert *cert,
			       char *why, size_t cap);

#endif
