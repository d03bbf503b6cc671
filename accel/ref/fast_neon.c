/* Kernels for 64-bit Arm: with the dot product instructions and without. Elsewhere this file is
 * empty. */
#include "accel/ref/fast_kernel.h"

#if FAST_NEON
#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1ul << 20) /* of the kernel's arm64 interface */
#endif

#define DOT  __attribute__((target("arch=armv8.2-a+dotprod")))
#define FLAT __attribute__((always_inline)) inline

enum { WIDTH = 4 }; /* pixels whose sums of a block stay in registers */

static FLAT uint32_t four(const int8_t *in)
{
	uint32_t v;

	memcpy(&v, in, sizeof v);
	return v;
}

static FLAT uint16_t two(const int8_t *in)
{
	uint16_t v;

	memcpy(&v, in, sizeof v);
	return v;
}

static FLAT void start_sums(const struct fast_gemm *g, uint32_t b, const uint32_t P,
			    int32x4_t sum[WIDTH][4])
{
#pragma GCC unroll 4
	for (uint32_t p = 0; p < P; p++)
#pragma GCC unroll 4
		for (uint32_t q = 0; q < 4; q++)
			sum[p][q] = vld1q_s32(g->start + b * FAST_BLOCK + 4 * q);
}

static FLAT void store_sums(const struct fast_gemm *g, uint32_t b, const uint32_t P,
			    int32x4_t sum[WIDTH][4], int32_t *acc)
{
#pragma GCC unroll 4
	for (uint32_t p = 0; p < P; p++)
#pragma GCC unroll 4
		for (uint32_t q = 0; q < 4; q++)
			vst1q_s32(acc + (p * g->blocks + b) * FAST_BLOCK + 4 * q, sum[p][q]);
}

static FLAT const int8_t *block_weights(const struct fast_gemm *g, uint32_t b)
{
	return (const int8_t *)g->weights +
	       (size_t)b * g->segments * g->segment_values * FAST_BLOCK;
}

/* One block by P pixels, four values of every pixel a step. */
static FLAT DOT void dot_tile(const struct fast_gemm *g, const int8_t *in, int32_t *acc, uint32_t b,
			      const uint32_t P)
{
	const int8_t *w = block_weights(g, b);
	int32x4_t sum[WIDTH][4];

	start_sums(g, b, P, sum);
	for (uint32_t s = 0; s < g->segments; s++, in += g->segment_step)
		for (uint32_t k = 0; k < g->segment_values; k += 4, w += 4 * FAST_BLOCK) {
			int8x16x4_t weights = vld1q_s8_x4(w);

#pragma GCC unroll 4
			for (uint32_t p = 0; p < P; p++) {
				int8x16_t x = vreinterpretq_s8_u32(
					vdupq_n_u32(four(in + p * g->pixel_step + k)));

#pragma GCC unroll 4
				for (uint32_t q = 0; q < 4; q++)
					sum[p][q] = vdotq_s32(sum[p][q], weights.val[q], x);
			}
		}
	store_sums(g, b, P, sum, acc);
}

/* The same out of products of pairs. Those of two pairs fit 16 bits together when no activation
 * is negative: 2 * 127 * 128; else 2 * 128 * 128 would not, and every pair is widened alone. */
static FLAT void pairs_tile(const struct fast_gemm *g, const int8_t *in, int32_t *acc, uint32_t b,
			    const uint32_t P, const bool positive)
{
	const int8_t *w = block_weights(g, b);
	int32x4_t sum[WIDTH][4];

	start_sums(g, b, P, sum);
	for (uint32_t s = 0; s < g->segments; s++, in += g->segment_step)
		for (uint32_t k = 0; k < g->segment_values; k += 4, w += 4 * FAST_BLOCK)
#pragma GCC unroll 4
			for (uint32_t p = 0; p < P; p++) {
				const int8_t *x = in + p * g->pixel_step + k;
				int8x8_t x0 = vreinterpret_s8_u16(vdup_n_u16(two(x)));
				int8x8_t x1 = vreinterpret_s8_u16(vdup_n_u16(two(x + 2)));

#pragma GCC unroll 4
				for (uint32_t q = 0; q < 4; q++) {
					int8x8_t w0 = vld1_s8(w + 8 * q);
					int8x8_t w1 = vld1_s8(w + 2 * FAST_BLOCK + 8 * q);
					int16x8_t both = vmull_s8(w0, x0);

					if (positive) {
						both = vmlal_s8(both, w1, x1);
					} else {
						sum[p][q] = vpadalq_s16(sum[p][q], both);
						both = vmull_s8(w1, x1);
					}
					sum[p][q] = vpadalq_s16(sum[p][q], both);
				}
			}
	store_sums(g, b, P, sum, acc);
}

static FLAT DOT void dot_blocks(const struct fast_gemm *g, const int8_t *in, int32_t *acc,
				const uint32_t P)
{
	for (uint32_t b = 0; b < g->blocks; b++)
		dot_tile(g, in, acc, b, P);
}

static DOT void kernel_dot(const struct fast_gemm *g, const void *activations, uint32_t pixels,
			   int32_t *acc)
{
	const int8_t *in = activations;

	for (; pixels >= WIDTH; pixels -= WIDTH) {
		dot_blocks(g, in, acc, WIDTH);
		in += WIDTH * g->pixel_step;
		acc += WIDTH * g->blocks * FAST_BLOCK;
	}
	switch (pixels) {
	case 3: dot_blocks(g, in, acc, 3); break;
	case 2: dot_blocks(g, in, acc, 2); break;
	case 1: dot_blocks(g, in, acc, 1); break;
	}
}

static FLAT void pairs_pixels(const struct fast_gemm *g, const int8_t *in, uint32_t pixels,
			      int32_t *acc, const bool positive)
{
	for (; pixels >= WIDTH; pixels -= WIDTH) {
		for (uint32_t b = 0; b < g->blocks; b++)
			pairs_tile(g, in, acc, b, WIDTH, positive);
		in += WIDTH * g->pixel_step;
		acc += WIDTH * g->blocks * FAST_BLOCK;
	}
	for (; pixels > 0; pixels--) {
		for (uint32_t b = 0; b < g->blocks; b++)
			pairs_tile(g, in, acc, b, 1, positive);
		in += g->pixel_step;
		acc += g->blocks * FAST_BLOCK;
	}
}

static void kernel_pairs(const struct fast_gemm *g, const void *in, uint32_t pixels, int32_t *acc)
{
	pairs_pixels(g, in, pixels, acc, false);
}

static void kernel_pairs_positive(const struct fast_gemm *g, const void *in, uint32_t pixels,
				  int32_t *acc)
{
	pairs_pixels(g, in, pixels, acc, true);
}

const struct fast_isa *fast_isa_special(unsigned i)
{
	static const struct fast_isa dot = { "neondot",
					     { kernel_dot, FAST_BYTES, 4 },
					     { kernel_dot, FAST_BYTES, 4 },
					     fast_finish_plain };
	static const struct fast_isa neon = { "neon",
					      { kernel_pairs, FAST_BYTES, 2 },
					      { kernel_pairs_positive, FAST_BYTES, 2 },
					      fast_finish_plain };

	if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) == 0)
		i++;
	return i == 0 ? &dot : i == 1 ? &neon : NULL;
}

#endif
