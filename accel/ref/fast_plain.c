#include "accel/ref/fast_kernel.h"

/* Sixteen sums side by side: neighbouring weights, one activation for all of them. */
static void block(const struct fast_gemm *g, const int8_t *restrict w, const uint8_t *in,
		  int32_t *restrict acc)
{
	for (uint32_t s = 0; s < g->segments; s++, in += g->segment_step)
		for (uint32_t k = 0; k < g->segment_bytes; k++, w += FAST_BLOCK) {
			int16_t x = in[k];

			for (uint32_t o = 0; o < FAST_BLOCK; o++)
				acc[o] += x * (int16_t)w[o];
		}
}

void fast_kernel_plain(const struct fast_gemm *g, const uint8_t *in, uint32_t pixels, int32_t *acc)
{
	size_t block_bytes = (size_t)g->segments * g->segment_bytes * FAST_BLOCK;

	for (uint32_t p = 0; p < pixels; p++, in += g->pixel_step)
		for (uint32_t b = 0; b < g->blocks; b++, acc += FAST_BLOCK) {
			for (uint32_t o = 0; o < FAST_BLOCK; o++)
				acc[o] = g->start[b * FAST_BLOCK + o];
			block(g, g->weights + b * block_bytes, in, acc);
		}
}

void fast_finish_plain(const struct fast_finish *h, const int32_t *acc, uint32_t n, uint8_t *out)
{
	fast_finish_body(h, acc, n, out);
}
