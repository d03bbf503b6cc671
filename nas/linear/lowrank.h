#ifndef NAS_LINEAR_LOWRANK_H
#define NAS_LINEAR_LOWRANK_H
#include "nas/linear/shape.h"

/* Two layers in place of a matrix of low rank: `rank` sums of the inputs in 8 bits, and the
 * results from them. Each sum is cut into `ramps` channels that saturate one after the other, so
 * that it carries 8 + log2(ramps) bits. The second layer is solved by least squares on the whole
 * numbers that the first one makes of the records of d. With two parts high and low bytes of the
 * inputs go through both layers one after the other. u: (outs, columns) from
 * nas_shape_rank(). HV_E_NOMEM; HV_E_BUSY: it does not fit. */
struct nas_lowrank {
	unsigned rank, ramps, parts;
	const double *u;
	unsigned columns;
};
HV_NODISCARD int nas_lowrank_package(const struct nas_lowrank *k, const struct nas_map *map,
				     const struct nas_data *d, struct package **p);

#endif
