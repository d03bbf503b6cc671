#ifndef CNN_GEOMETRY_H
#define CNN_GEOMETRY_H
#include "accel/image/image.h"

/* How the hardware runs one layer: the network's view turned into passes, slots and counters.
 * Sizes in pixels, channels and kernels. */
struct cnn_geometry {
	uint32_t height, width, pad_h,
		pad_w; /* of the input as the row and column counters see it */
	uint32_t kernel_h, kernel_w;
	uint32_t channels, operands;
	uint32_t channel_passes, per_pass; /* processors of one pass */
	uint32_t passes; /* as the counter sees it: flattened ones included */
	uint32_t folded; /* element-wise passes run as rows instead */
	uint32_t out_channels, out_passes, out_per_pass;
	uint64_t slot_map;           /* slots of a pass with a channel; bit 0: first slot */
	uint32_t pass_slots, slots;  /* per output pass, unused ones too; all */
	uint32_t row_shift; /* dilation: output pixels before the first */
	uint32_t kernel_words; /* of every processor */
	bool pass_through, tall_dilation;
};

/* Channels per pass: all of them up to 64, else rounded up to groups of four. */
uint32_t cnn_passes(uint32_t channels);
uint32_t cnn_per_pass(uint32_t channels);

/* `out_processors`: the layer's output map, not empty. */
void cnn_geometry_of(const struct cnn_layer *l, uint64_t out_processors, struct cnn_geometry *g);

/* Output channel in slot s; false when the slot is unused. */
bool cnn_geometry_channel(const struct cnn_geometry *g, uint32_t s, uint32_t *channel);

/* The map of a layer's output from processor `first` on, without gaps. */
uint64_t cnn_geometry_out_map(const struct cnn_layer *l, unsigned first);

/* Place of tap (row, column) of the network's kernel in the hardware's. */
uint32_t cnn_geometry_tap(const struct cnn_layer *l, const struct cnn_geometry *g, uint32_t row,
			  uint32_t column);

/* 32-bit words per data instance of a layer's output, from the word of its first pixel; and
 * words before that word which are written too. */
uint32_t cnn_geometry_out_words(const struct cnn_layer *l, const struct cnn_geometry *g,
				unsigned write_gap);
uint32_t cnn_geometry_lead_words(const struct cnn_layer *l, const struct cnn_geometry *g,
				 unsigned write_gap);

/* Registers of streaming layers and of the FIFO's reader. */
uint32_t cnn_stream_register(const struct cnn_net *net, unsigned layer, unsigned reg);
/* What earlier streaming layers add to both halves of the line buffer's pointer; 0: none. */
uint32_t cnn_stream_line_offset(const struct cnn_net *net, unsigned layer);
/* Line buffer words of a layer, less one, without that. */
uint32_t cnn_line_span(const struct cnn_layer *l);
/* Words of the ring buffer that a streaming layer reads. */
uint32_t cnn_stream_ring(const struct cnn_net *net, unsigned layer);

unsigned cnn_first_bit(uint64_t map); /* map != 0 */
unsigned cnn_last_bit(uint64_t map);
unsigned cnn_count_bits(uint64_t map);

/* Quadrants a network uses at a place; bit 0 always set. */
uint8_t cnn_place_quadrants(const struct cnn_net *net, const struct cnn_place *place);

/* Fill image->kernels and image->biases. HV_E_NOMEM. */
int cnn_image_pack(const struct cnn_net *net, const struct cnn_place *place,
		   struct cnn_image *image);

#endif
