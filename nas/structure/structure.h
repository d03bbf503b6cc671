#ifndef NAS_STRUCTURE_H
#define NAS_STRUCTURE_H
#include "nas/search.h"

/* Networks whose form an identity gives; what is left to find are numbers. Each returns
 * HV_E_NOENT when the task is not of its kind. */
struct structure {
	struct nas_request *q;
	struct nas_front *f;
	char *why;
	size_t cap;
};

int structure_local(struct structure *s); /* a pixel's 3x3 neighbourhood decides */
int structure_block(struct structure *s); /* a transform, rounding, the transform back */
int structure_median(struct structure *s); /* comparators */
int structure_magnitude(struct structure *s); /* length of a complex number by directions */

/* Of the last one: parts of every bin, lengths by the host. Samples in both bytes or one. */
int structure_bins(struct structure *s, bool both);

/* A layer behind the others of p. weights and bias are taken. */
struct cnn_layer *structure_layer(struct package *p, enum cnn_op op, int from, unsigned in,
				  unsigned out, int8_t *weights, int8_t *bias);
/* Emits element (e0 + row * cols + col) of the record as channel 0 of pixel row * cols + col.
 * Negative: HV_E_*. */
int structure_emit_map(struct hostprog *h, unsigned rows, unsigned cols, double gain,
		       double offset);
/* Result e = constant + unit * word e, of n in a row; one block. */
int structure_results(struct hostprog *h, unsigned n, double unit, double constant);

#endif
