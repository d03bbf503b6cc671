#ifndef CNN_FAST_KERNEL_H
#define CNN_FAST_KERNEL_H
#include <stddef.h>
#include <stdint.h>

/* Sums of products of one layer. Activations lie pixel after pixel with the channels of a pixel
 * together, padded to a multiple of four; so a row of kernel taps is one stretch of values, a
 * "segment". Weights lie in blocks of 16 outputs: for every `group` values of a segment
 * 16 x group weights, with the form and the group that the kernel wants. */
enum {
	FAST_BLOCK = 16, /* outputs */
	FAST_TILE = 8, /* pixels of one call */
};

enum fast_form {
	FAST_BIASED, /* activations x + 128 as uint8_t, weights int8_t */
	FAST_BYTES, /* both int8_t */
	FAST_WIDE, /* both int16_t */
};

struct fast_gemm {
	uint32_t segments, segment_values;
	size_t segment_step, pixel_step; /* values of activations */
	uint32_t blocks;
	const void *weights; /* (blocks, segments, segment_values / group, 16, group) */
	const int32_t *start; /* (blocks, 16): bias, and what undoes FAST_BIASED */
};

/* acc (pixels, blocks * 16) of `pixels` <= FAST_TILE neighbours. */
typedef void fast_kernel(const struct fast_gemm *g, const void *in, uint32_t pixels, int32_t *acc);

struct fast_way {
	fast_kernel *kernel;
	enum fast_form form;
	uint32_t group; /* 1, 2, 4, or 0 for a whole segment */
};

/* What becomes of a sum: shift and clamp, then the activation. */
struct fast_finish {
	int shift; /* as in struct cnn_layer */
	int act; /* enum cnn_act */
};

/* `n` sums, a multiple of 16, into bytes y + 128. */
typedef void fast_finisher(const struct fast_finish *h, const int32_t *acc, uint32_t n,
			   uint8_t *out);

fast_kernel fast_kernel_plain;
fast_finisher fast_finish_plain;

struct fast_isa {
	const char *name;
	struct fast_way any;
	struct fast_way positive; /* for activations in 0..127, as after ReLU */
	fast_finisher *finish;
};

#if defined(__AARCH64EL__)
#define FAST_NEON 1
#else
#define FAST_NEON 0
#endif

/* Kernels that need an instruction set this CPU has, best first; NULL after the last. */
const struct fast_isa *fast_isa_special(unsigned i);

/* The body of every finisher; each file compiles it for its instruction set. A left shift is
 * applied to a sum that is already clamped: the result clamps to the same value. */
#define FAST_INLINE __attribute__((always_inline)) static inline

FAST_INLINE void fast_finish_rare(const struct fast_finish *h, const int32_t *acc, uint32_t n,
				  uint8_t *out)
{
	const int right = h->shift < 7 ? 7 - h->shift : 0, left = h->shift > 7 ? h->shift - 7 : 0;
	const int32_t half = right > 0 ? 1 << (right - 1) : 0;
	const int32_t min = h->act == 1 ? 0 : -128, sign = h->act == 2 ? -1 : 0;

	for (uint32_t i = 0; i < n; i++) {
		int32_t v = (acc[i] + half) >> right;

		v = v > 127 ? 127 : v;
		v = v < -128 ? -128 : v;
		v = v * (1 << left);
		v = v > 127 ? 127 : v;
		v = v < min ? min : v;
		v = v < 0 ? (v ^ sign) - sign : v; /* the magnitude, for abs */
		v = v > 127 ? 127 : v;
		out[i] = (uint8_t)(v + 128);
	}
}

FAST_INLINE void fast_finish_body(const struct fast_finish *h, const int32_t *acc, uint32_t n,
				  uint8_t *out)
{
	const int right = 7 - h->shift;
	const int32_t half = right > 0 ? 1 << (right - 1) : 0, min = h->act == 1 ? 0 : -128;

	if (right < 0 || h->act == 2) {
		fast_finish_rare(h, acc, n, out);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		int32_t v = (acc[i] + half) >> right;

		v = v > 127 ? 127 : v;
		v = v < min ? min : v;
		out[i] = (uint8_t)(v + 128);
	}
}

#endif
