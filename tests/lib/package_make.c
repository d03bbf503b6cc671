#include "tests/lib/package_make.h"
#include "util/rng.h"
#include <stdio.h>
#include <stdlib.h>

struct package *package_make(uint64_t seed, unsigned rows, unsigned cols, unsigned level)
{
	double *m = malloc(sizeof(*m) * rows * cols);
	struct package *p = NULL;
	struct hv_rng rng;
	char why[300] = "";

	if (m == NULL)
		abort();
	hv_rng_seed(&rng, seed);
	for (unsigned i = 0; i < rows * cols; i++)
		m[i] = hv_rng_normal(&rng, 0, 1);
	if (cnn_build_matrix("random", m, rows, cols, level, 128, &p, why, sizeof(why)) < 0) {
		fprintf(stderr, "%u by %u at level %u: %s\n", rows, cols, level, why);
		abort();
	}
	free(m);
	return p;
}
