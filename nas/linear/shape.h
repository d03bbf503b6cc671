#ifndef NAS_LINEAR_SHAPE_H
#define NAS_LINEAR_SHAPE_H
#include "nas/linear/form.h"

/* What is special about a matrix. `slack` is the largest difference of two elements that counts
 * as none. */

/* Columns that count, rows that are no multiples of others: a dense form. The form borrows
 * from s, which is the caller's on success: nas_dense_clear(). HV_E_NOMEM; HV_E_NOENT: the
 * matrix is zero. */
struct nas_dense {
	struct nas_form form;
	uint16_t *element, *row;
	double *factor, *w;
};
HV_NODISCARD int nas_shape_dense(const struct nas_map *map, double slack, struct nas_dense *s);
void nas_dense_clear(struct nas_dense *s);

/* The same taps everywhere: row r + out_step sees what row r sees, in_step elements later
 * (Toeplitz: 1 and 1; an interpolation by 4: 1 and 4; a block transform: as many as the block
 * has). */
struct nas_shift {
	unsigned in_step, out_step;
	int first; /* element under the first tap of row 0 */
	unsigned taps;
	double *tap; /* (out_step, taps), owned */
	double *offset; /* (out_step), owned */
};
/* The least steps; *s is owned: free tap and offset. HV_E_NOMEM; HV_E_NOENT: there are none. */
HV_NODISCARD int nas_shape_shift(const struct nas_map *map, double slack, struct nas_shift *s);
void nas_shift_clear(struct nas_shift *s);
/* `fold` steps in one pixel: weights in *w, owned; the form borrows them. HV_E_BUSY: the kernel
 * or the channels are too many; HV_E_NOMEM. */
HV_NODISCARD int nas_shift_fold(const struct nas_shift *s, unsigned outs, unsigned fold,
				struct nas_form *form, double **w);

/* Directions of the answers: u (outs, most) has orthonormal columns, the first r of which carry
 * all of the matrix's energy but share[r], for inputs that vary by `spread`. share: (most + 1).
 * most is reduced to what the matrix has. HV_E_NOMEM. */
HV_NODISCARD int nas_shape_rank(const struct nas_map *map, unsigned *most, double *u,
				double *share);

double nas_shape_largest(const struct nas_map *map);

#endif
