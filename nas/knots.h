#ifndef NAS_KNOTS_H
#define NAS_KNOTS_H
#include "nas/encoding.h"

/* Where the pieces of a value should end, learnt from records. Fills cut->rank and cut->bend for
 * value v (d->n), whose range is cut->lo..hi. Without memory they are equal pieces. */
void nas_knots_find(const struct nas_plan *p, const struct nas_data *d, const double *v,
		    struct nas_cut *cut);

#endif
