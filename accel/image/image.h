#ifndef CNN_IMAGE_H
#define CNN_IMAGE_H
#include "accel/net/net.h"

/* Where one layer lives. Output maps are contiguous. */
struct cnn_place_layer {
	uint64_t in_processors, out_processors;
	uint16_t in_offset, out_offset; /* bytes inside each data instance */
	uint16_t kernel_word; /* first 72-bit word, the same on every processor */
	int8_t bias_quadrant; /* -1: no bias */
	uint16_t bias_first;
	uint8_t write_gap;
};

struct cnn_place {
	struct cnn_place_layer layer[CNN_LAYERS_MAX];
};

/* Room a guest may use: what the resident networks leave. */
struct cnn_room {
	uint16_t kernel_first, kernel_words; /* on every processor */
	uint16_t bias_first, bias_count; /* in every quadrant */
	uint16_t data_first, data_words; /* in every instance, 32-bit words */
};

/* Place a network in `room`. HV_E_BUSY with a sentence in why when it does not fit. */
HV_NODISCARD int cnn_place_fit(const struct cnn_net *net, const struct cnn_room *room,
			       struct cnn_place *place, char *why, size_t cap);

/* Kernels and biases for a network whose maps, offsets and gaps are decided; the whole device
 * is its own. Maps must fit their channels. HV_E_BUSY with why. */
HV_NODISCARD int cnn_place_kernels(const struct cnn_net *net, struct cnn_place *place, char *why,
				   size_t cap);

struct cnn_reg_write {
	uint8_t quadrant, reg, layer;
	uint32_t value;
};

/* Contents of some 72-bit words of one processor, K0 first in each word. */
struct cnn_kernel_run {
	uint8_t processor;
	uint16_t first_word, words;
	uint8_t *bytes; /* 9 * words, owned by the image */
};

struct cnn_bias_run {
	uint8_t quadrant;
	uint16_t first, count;
	int8_t *bytes; /* owned by the image */
};

/* Everything that has to be in the accelerator before a start. */
struct cnn_image {
	uint8_t quadrants; /* mask of covered quadrants; bit 0 always set */
	uint32_t ctrl_extra; /* control bits of the start: rounding, streaming, FIFO */
	uint32_t fifo_ctrl; /* FIFO control register; 0: no FIFO */
	uint32_t frame; /* FIFO words of one frame */
	unsigned layers;
	struct cnn_reg_write *regs;
	size_t n_regs;
	struct cnn_kernel_run *kernels;
	size_t n_kernels;
	struct cnn_bias_run *biases;
	size_t n_biases;
};

/* Compile. Registers equal to 0 are listed too, for layers 0..layers-1 and for the quadrants
 * of the network and of `also_quadrants` (those a resident network uses): a second
 * configuration on top of a first must overwrite them. HV_E_INVAL with why; HV_E_NOMEM. */
HV_NODISCARD int cnn_image_build(const struct cnn_net *net, const struct cnn_place *place,
				 uint8_t also_quadrants, struct cnn_image *image, char *why,
				 size_t cap);
void cnn_image_free(struct cnn_image *image);

/* The bus, as a compiler's output reaches it. */
struct cnn_bus {
	void *ctx;
	void (*write32)(void *ctx, uint32_t addr, uint32_t value);
	void (*write8)(void *ctx, uint32_t addr, uint8_t value);
	uint32_t (*read32)(void *ctx, uint32_t addr);
};

/* Sequences of section "init, load, configure, input, start" over any bus. */
void cnn_image_init(const struct cnn_image *image, const struct cnn_bus *bus);
void cnn_image_load(const struct cnn_image *image, const struct cnn_bus *bus);
void cnn_image_configure(const struct cnn_image *image, const struct cnn_bus *bus);
/* The part of it that is no layer register: FIFO control and frame size; nothing without FIFO. */
void cnn_image_fifo(const struct cnn_image *image, const struct cnn_bus *bus);
void cnn_image_start(const struct cnn_image *image, const struct cnn_bus *bus);
/* With a FIFO this belongs behind the start, else before it. */
void cnn_input_write(const struct cnn_net *net, const struct cnn_place *place, const int8_t *input,
		     const struct cnn_bus *bus);
/* One layer's output as (C, H, W). */
void cnn_output_read(const struct cnn_net *net, const struct cnn_place *place, unsigned layer,
		     int32_t *out, const struct cnn_bus *bus);

/* Word address inside the data memories of output slot position `row` (channel) of pixel n. */
uint32_t cnn_output_addr32(const struct cnn_layer *l, const struct cnn_place_layer *p,
			   uint32_t pixel, unsigned row);

#endif
