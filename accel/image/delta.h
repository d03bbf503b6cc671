#ifndef CNN_DELTA_H
#define CNN_DELTA_H
#include "accel/image/image.h"

/* The way back from a guest to the primary without a full configuration: the registers that
 * the guest changed, with the primary's values. Kernels and biases stay where they are, the
 * primary's input is loaded as for every run. */
struct cnn_delta {
	struct cnn_reg_write *regs; /* owned; by quadrant, register, layer, each once */
	size_t n_regs;
	uint8_t quadrants; /* of the primary: to be initialised before its start */
};

/* Minimal: no entry can be left out, none gives a register the value it has already. Registers
 * of layers that the primary does not run are not restored; of quadrants that it does not use
 * only the processor enables are, to 0. HV_E_NOMEM. */
HV_NODISCARD int cnn_delta_build(const struct cnn_image *primary, const struct cnn_image *guest,
				 struct cnn_delta *delta);
void cnn_delta_free(struct cnn_delta *delta);

/* The primary's init, then the delta; input and start follow. The primary must have been
 * configured in full before the guest came. */
void cnn_delta_apply(const struct cnn_delta *delta, const struct cnn_image *primary,
		     const struct cnn_bus *bus);

#endif
