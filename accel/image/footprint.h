#ifndef CNN_FOOTPRINT_H
#define CNN_FOOTPRINT_H
#include "accel/image/image.h"

/* What a network occupies, read back from the bus writes that bring it into the accelerator:
 * the last value of every register, the memory words they fill, and what a run with these
 * registers reads and writes. Knows nothing of descriptions, places or planners, and shares no
 * code with compiler and emulator, so that it can speak against them. */

/* A bit for every kernel word, bias byte and data word of the device. */
struct cnn_cells {
	uint32_t kernel[CNN_PROCESSORS][CNN_KERNEL_WORDS / 32];
	uint32_t bias[CNN_QUADRANTS][CNN_BIAS_BYTES / 32];
	uint32_t data[CNN_INSTANCES][CNN_DATA_WORDS / 32];
};

struct cnn_footprint {
	uint32_t reg[CNN_QUADRANTS][CNN_LAYER_REGS][CNN_LAYERS_MAX];
	uint32_t reg_set[CNN_QUADRANTS][CNN_LAYER_REGS]; /* a bit a layer: was written */
	uint32_t ctrl[CNN_QUADRANTS], last_layer[CNN_QUADRANTS];
	uint8_t started; /* quadrants, a bit each */
	struct cnn_cells loaded; /* written over the bus */
	/* by a run; biases: those that certainly belong to a channel */
	struct cnn_cells read, written;
	/* private: kernel words that are being collected */
	uint16_t word[CNN_PROCESSORS];
	uint8_t bytes[CNN_PROCESSORS];
	uint32_t strays; /* writes to addresses that are none of the above */
};

/* Begin with an untouched accelerator; then give it the writes of init, load, configure, input
 * and start, in order. Reads over this bus give 0. */
void cnn_footprint_begin(struct cnn_footprint *f);
struct cnn_bus cnn_footprint_bus(struct cnn_footprint *f);

/* Work out what a run reads and writes. HV_E_INVAL with why: it was never started, or the
 * registers of a layer point outside the memories. */
HV_NODISCARD int cnn_footprint_close(struct cnn_footprint *f, char *why, size_t cap);

/* All three for a compiled network, without its input. */
HV_NODISCARD int cnn_footprint_image(struct cnn_footprint *f, const struct cnn_image *image,
				     char *why, size_t cap);

static inline bool cnn_cell(const uint32_t *bits, uint32_t i)
{
	return (bits[i / 32] >> i % 32 & 1) != 0;
}

static inline void cnn_cell_set(uint32_t *bits, uint32_t i)
{
	bits[i / 32] |= UINT32_C(1) << i % 32;
}

#endif
