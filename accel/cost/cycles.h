#ifndef CNN_CYCLES_H
#define CNN_CYCLES_H
#include <stdbool.h>
#include <stdint.h>

/* What the cycle formula of one layer needs, whether it was read from a network description
 * or from registers. Sizes in pixels. */
struct cnn_cycle_shape {
	uint32_t pooled_h, pooled_w; /* transposed: times 2 */
	uint32_t pool_h, pool_w; /* 1: no pooling */
	uint32_t kernel_h, kernel_w; /* as the hardware runs it */
	uint32_t pad_h, pad_w;
	uint32_t out_w;
	uint32_t passes; /* of the input */
	uint32_t operands;
	uint32_t slots; /* kernels per input pass, unused ones included */
	uint32_t kernel_word;
	uint32_t timeslots; /* pass-through: groups of four processors, fullest quadrant */
	bool combine_first, pass_through, big_flatten;
};

uint64_t cnn_cycle_count(const struct cnn_cycle_shape *s);

#endif
