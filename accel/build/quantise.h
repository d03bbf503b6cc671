#ifndef CNN_QUANTISE_H
#define CNN_QUANTISE_H
#include "util/fs/err.h"
#include "tasks/task.h"
#include <stdint.h>

/* Whole-number stand-in of a real matrix: m[r][c] ~ gain[r] * e[r][c], |e| <= limit.
 * For HARVEST_LINEAR_DFT all gains are equal. */
struct quant {
	unsigned rows, cols;
	int32_t limit;
	int32_t *e; /* (rows, cols), owned */
	double *gain; /* (rows), owned */
};

/* The scale of each row (of the whole matrix for a DFT) is searched between 0.7 and 1 times
 * the largest possible one. Rows: least squared error after the best gain. DFT: least error of
 * the worst single tone, see docs/quality.md. A row of zeros gets gain 0. q is owned by the
 * caller on success: quant_clear(). m: finite values. HV_E_NOMEM. */
HV_NODISCARD int quant_matrix(const double *m, unsigned rows, unsigned cols,
			      enum harvest_linear kind, int32_t limit, struct quant *q);
/* The same, row by row, with `tries` scales of each row. */
HV_NODISCARD int quant_rows(const double *m, unsigned rows, unsigned cols, int32_t limit,
			    unsigned tries, struct quant *q);
void quant_clear(struct quant *q);

#endif
