#ifndef NAS_LSQ_H
#define NAS_LSQ_H
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

/* Least squares over columns of whole numbers, by normal equations in double precision. */
struct nas_gram {
	unsigned n, targets; /* columns, the constant one included as column 0 */
	double *g; /* (n, n), owned */
	double *b; /* (n, targets), owned */
	double *tt; /* (targets): weighted energy of the targets, owned */
};

/* cols: (columns, rows) floats; t: (targets, rows); w: (rows) weights. HV_E_NOMEM. */
HV_NODISCARD int nas_gram_make(const float *cols, unsigned columns, const double *t,
			       unsigned targets, const double *w, size_t rows, struct nas_gram *g);
void nas_gram_clear(struct nas_gram *g);

/* Coefficients (n) of one target; ridge is relative to the diagonal. Residual energy in *err.
 * HV_E_NOMEM. */
HV_NODISCARD int nas_gram_solve(const struct nas_gram *g, unsigned target, double ridge,
				double *coef, double *err);

/* Whole-number coefficients: column c >= 1 belongs to group[c], whose unit is unit[group];
 * q[c] is its number, -limit..limit, so that its coefficient is q[c] * unit. Rounds one after
 * the other, the rest made up for by those that follow (nearest plane); the constant stays
 * real: *constant. base: coefficients already given, or NULL. *err: the residual energy. */
HV_NODISCARD int nas_gram_round(const struct nas_gram *g, unsigned target, double ridge,
				const uint8_t *group, const double *unit, int limit,
				const double *base, int32_t *q, double *constant, double *err);

#endif
