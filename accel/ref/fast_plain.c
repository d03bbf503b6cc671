#include "accel/ref/fast_kernel.h"

enum { ABREAST = 4 }; /* outputs that share what is loaded of a pixel */

/* Sums over neighbours of 16-bit products: what compilers have vector instructions for. */
static void dots(const int16_t *restrict w, const int16_t *restrict x, uint32_t n,
		 int32_t *restrict acc)
{
	const int16_t *w1 = w + n, *w2 = w1 + n, *w3 = w2 + n;
	int32_t a = 0, b = 0, c = 0, d = 0;

	for (uint32_t k = 0; k < n; k++) {
		a += x[k] * w[k];
		b += x[k] * w1[k];
		c += x[k] * w2[k];
		d += x[k] * w3[k];
	}
	acc[0] += a;
	acc[1] += b;
	acc[2] += c;
	acc[3] += d;
}

void fast_kernel_plain(const struct fast_gemm *g, const void *in, uint32_t pixels, int32_t *acc)
{
	const uint32_t width = g->blocks * FAST_BLOCK, n = g->segment_values;
	const int16_t *w = g->weights;

	for (uint32_t p = 0; p < pixels; p++)
		for (uint32_t o = 0; o < width; o++)
			acc[p * width + o] = g->start[o];
	for (uint32_t b = 0; b < g->blocks; b++)
		for (uint32_t s = 0; s < g->segments; s++)
			for (uint32_t o = 0; o < FAST_BLOCK; o += ABREAST, w += ABREAST * (size_t)n)
				for (uint32_t p = 0; p < pixels; p++)
					dots(w,
					     (const int16_t *)in + s * g->segment_step +
						     p * g->pixel_step,
					     n, acc + p * width + b * FAST_BLOCK + o);
}

void fast_finish_plain(const struct fast_finish *h, const int32_t *acc, uint32_t n, uint8_t *out)
{
	fast_finish_body(h, acc, n, out);
}

#if !defined(__x86_64__) && !FAST_NEON
const struct fast_isa *fast_isa_special(unsigned i)
{
	(void)i;
	return NULL;
}
#endif
