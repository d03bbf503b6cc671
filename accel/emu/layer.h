#ifndef CNN_EMU_LAYER_H
#define CNN_EMU_LAYER_H
#include "accel/emu/state.h"

/* One layer as the registers of all running quadrants describe it. */
struct emu_layer {
	unsigned index;
	/* input */
	unsigned processors[CNN_PROCESSORS], n_processors;
	uint32_t height, width, pad_h, pad_w, passes, operands, read_word;
	uint32_t pool_h, pool_w, stride, kernel_h, kernel_w;
	bool pools, pool_max, round, bytewise, from_fifo;
	bool streams, feeds; /* whole frames pass between this layer and its neighbours */
	unsigned eltwise; /* 0 sub, 1 add, 2 or, 3 xor */
	bool pool_first, transposed, pass_through, big_flatten;
	/* kernels: bit counters of one plane, and where stream byte 0 of the plane is */
	uint32_t count_start, count_end, remainder, weight_bits;
	/* output */
	uint32_t slots, pass_slots; /* in all, per output pass */
	uint32_t write_word[CNN_QUADRANTS], slot_step, group_step, pass_step, pixel_step;
	int bias_quadrant; /* -1: none */
	uint32_t bias_first, timeslots;
	int shift;
	bool relu, abs, wide;
	/* derived */
	uint32_t pooled_h, pooled_w, out_h, out_w;
};

/* Decode from the registers. Returns NULL, or what is impossible about them. */
const char *emu_layer_decode(const struct cnn_emu *e, unsigned index, struct emu_layer *l);
/* Does it read what nothing has written? Counts and tells the first case. */
void emu_unset_layer(struct cnn_emu *e, const struct emu_layer *l);
/* Steps of the host's loops, roughly. */
uint64_t emu_layer_work(const struct emu_layer *l);
uint64_t emu_layer_cycles(const struct emu_layer *l);

#endif
