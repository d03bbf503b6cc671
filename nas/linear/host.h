#ifndef NAS_LINEAR_HOST_H
#define NAS_LINEAR_HOST_H
#include "nas/linear/form.h"

/* Inside nas/linear: a form with its numbers, while it becomes a package. */
struct nas_layout {
	const struct nas_form *f;
	const struct nas_rung *g;
	const struct nas_map *map;
	const struct harvest_task *task;
	struct nas_code *code; /* (in_step) */
	double *mean; /* (in_step) of the inputs */
	double *unit; /* (out_step) of a word of the first set and part */
	double *constant; /* (out_step) */
	int8_t *bias; /* (out_step), 8-bit results */
	int shift; /* of 8-bit results */
	unsigned ones; /* channels behind the elements' that hold 127 */
};

/* Both parts of the host program, into h whose sizes are set. HV_E_NOMEM; HV_E_BUSY: it would be
 * too long. */
HV_NODISCARD int nas_layout_program(const struct nas_layout *l, struct hostprog *h);

/* For other layouts: bytes of element `element` into channel q of one pixel; element < 0: of a
 * zero. step: what element and pixel move by from run to run of the block. parts_apart: pixels
 * between high and low byte. *consts: of the block, see nas_host_block(). */
struct nas_host_consts {
	int gain, offset; /* values, -1: not there yet */
	double k, o;
};
HV_NODISCARD int nas_host_emit(struct hostprog *h, struct nas_host_consts *c,
			       const struct nas_code *code, unsigned parts, int element,
			       unsigned channel, unsigned pixel, unsigned parts_apart,
			       int element_step);

#endif
