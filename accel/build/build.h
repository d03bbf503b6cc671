#ifndef CNN_BUILD_H
#define CNN_BUILD_H
#include "accel/package/package.h"

/* Construct a package for a linear task at precision level 1..4 of the dial:
 *   L1 input rounded to 8 bits    L2 input split in two bytes
 *   L3 L2 + residual weight rows of 4 bits    L4 L2 + residual rows of 8 bits
 * The certificate is computed (accel/bound) and known-answer vectors are made.
 * samples: test records for the statistical part (stream 3). *p is returned owned.
 * HV_E_INVAL: task is not linear, level unknown. */
HV_NODISCARD int cnn_build_linear(const struct harvest_task *task, unsigned level, uint64_t samples,
				  struct package **p, char *why, size_t cap);

/* The same package, its samples kept in the cache from level to level (accel/bound/source.h); the
 * cache is of this task. NULL: none. */
struct bound_cache;
HV_NODISCARD int cnn_build_again(const struct harvest_task *task, struct bound_cache *cache,
				 unsigned level, uint64_t samples, struct package **p, char *why,
				 size_t cap);

/* The same for a bare matrix (rows x cols, int16 in, int32 out): harvest-model build. The
 * task name must not be a built-in one. Domain: all int16. */
HV_NODISCARD int cnn_build_matrix(const char *name, const double *m, unsigned rows, unsigned cols,
				  unsigned level, uint64_t samples, struct package **p, char *why,
				  size_t cap);

/* A map that somebody found out: answer = m * input + offset, from int16 to int16 or int32. */
struct cnn_affine {
	unsigned rows, cols, out_bits;
	const double *m; /* (rows, cols) */
	const double *offset; /* (rows) */
	const double *mean; /* (cols) of the inputs: there the rounding of weights costs nothing;
			       NULL: 0 */
};

/* Network and steps of level 1..4 for it, with cost and names, without certificate and vectors:
 * those need the task itself, see bound_certify(). Split inputs add the offset in the steps, in
 * units of 1/255 of the row's largest element or finer; rounded ones by a bias, 256 times
 * coarser. rows, cols: at most CNN_CHANNELS_MAX. HV_E_INVAL with a sentence in why; HV_E_NOMEM. */
HV_NODISCARD int cnn_build_affine(const char *task, uint32_t version, const struct cnn_affine *a,
				  unsigned level, struct package **p, char *why, size_t cap);

#endif
