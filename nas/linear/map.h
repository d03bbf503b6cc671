#ifndef NAS_LINEAR_MAP_H
#define NAS_LINEAR_MAP_H
#include "nas/data.h"
#include <stdbool.h>

/* What a task is as a linear map with an offset: answer = m * input + offset. Found from records
 * of its sampler alone; inputs that the sampler never draws say nothing. */

enum nas_map_kind {
	NAS_MAP_NOT, /* something else; m is the best map there is */
	NAS_MAP_NEAR, /* not linear, and still `residual` is all that a map misses */
	NAS_MAP_LIMITED, /* exact, but for limits at which answers stop */
	NAS_MAP_EXACT, /* but for the rounding of the answers */
};

enum { NAS_MAP_ELEMENTS_MAX = 1024 }; /* of a record, of an answer */

struct nas_map {
	unsigned ins, outs;
	enum nas_map_kind kind;
	double *m; /* (outs, ins), owned */
	double *offset; /* (outs), owned */
	double *lo, *hi; /* (ins) where the sampler's inputs lie, owned */
	double *floor, *ceiling; /* (ins) where they may ever: the task's domain, else far around,
				    owned */
	double *mean; /* (ins) of the sampler's inputs, owned */
	double *spread; /* (ins) their deviation, owned */
	double *out_mean, *out_most; /* (outs) of exact answers, and how far they get from it at
					most; owned */
	double *least, *most; /* (outs) limits of LIMITED: infinite where there is none; owned */
	double residual; /* rms of what the map misses on fresh records over the deviation of the
			    exact answers */
	double error; /* the task's metric of the map on the same records */
	struct nas_data fresh; /* those records: the first of the validation stream; owned */
};

/* Fits and judges. `aim`, in the task's metric, divides near from not. HV_E_NOENT: more elements
 * than the limit; HV_E_NOMEM; HV_E_INVAL with a sentence in why: what nas_data_draw() refuses. */
HV_NODISCARD int nas_map_fit(const struct harvest_task *task, double aim, struct nas_map *map,
			     char *why, size_t cap);
/* The same for a task that brings its matrix: nothing is estimated, kind is EXACT when fresh
 * records agree with it and NOT when they do not. */
HV_NODISCARD int nas_map_take(const struct harvest_task *task, double aim, struct nas_map *map,
			      char *why, size_t cap);
void nas_map_clear(struct nas_map *map);

/* Least squares: w (targets, columns) and constant (targets) with t ~ w x + constant over the
 * records that keep[] names (NULL: all). Columns of equal value get 0; where columns say the same
 * the weights are the smallest. x: (columns, n); t: (targets, n). HV_E_NOMEM. */
HV_NODISCARD int nas_map_solve(const double *x, unsigned columns, const double *t, unsigned targets,
			       size_t n, const uint8_t *keep, double ridge, double *w,
			       double *constant);

#endif
