/* Kernels for x86-64: AVX-512 VNNI and AVX2. Elsewhere this file is empty. */
#include "accel/ref/fast_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define AVX2 __attribute__((target("avx2")))
#define FLAT __attribute__((always_inline)) inline

static FLAT int32_t four(const uint8_t *in)
{
	int32_t v;

	memcpy(&v, in, sizeof v);
	return v;
}

/* N blocks of outputs for P pixels: N * P sums stay in registers. N and P are constants where
 * this is inlined. */
static FLAT VNNI void vnni_tile(const struct fast_gemm *g, const uint8_t *in, int32_t *acc,
				uint32_t b, const uint32_t N, const uint32_t P)
{
	size_t block_bytes = (size_t)g->segments * g->segment_values * FAST_BLOCK, at = 0;
	const int8_t *w = (const int8_t *)g->weights + b * block_bytes;
	__m512i sum[2][FAST_TILE];

#pragma GCC unroll 8
	for (uint32_t n = 0; n < N; n++)
#pragma GCC unroll 8
		for (uint32_t p = 0; p < P; p++)
			sum[n][p] = _mm512_loadu_si512(g->start + (b + n) * FAST_BLOCK);
	for (uint32_t s = 0; s < g->segments; s++, in += g->segment_step)
		for (uint32_t k = 0; k < g->segment_values; k += 4, at += 4 * FAST_BLOCK) {
			__m512i weights[2];

#pragma GCC unroll 8
			for (uint32_t n = 0; n < N; n++)
				weights[n] = _mm512_loadu_si512(w + n * block_bytes + at);
#pragma GCC unroll 8
			for (uint32_t p = 0; p < P; p++) {
				__m512i x = _mm512_set1_epi32(four(in + p * g->pixel_step + k));

#pragma GCC unroll 8
				for (uint32_t n = 0; n < N; n++)
					sum[n][p] = _mm512_dpbusd_epi32(sum[n][p], x, weights[n]);
			}
		}
#pragma GCC unroll 8
	for (uint32_t n = 0; n < N; n++)
#pragma GCC unroll 8
		for (uint32_t p = 0; p < P; p++)
			_mm512_storeu_si512(acc + (p * g->blocks + b + n) * FAST_BLOCK, sum[n][p]);
}

static FLAT VNNI void vnni_pixels(const struct fast_gemm *g, const uint8_t *in, int32_t *acc,
				  const uint32_t P)
{
	uint32_t b = 0;

	for (; b + 2 <= g->blocks; b += 2)
		vnni_tile(g, in, acc, b, 2, P);
	if (b < g->blocks)
		vnni_tile(g, in, acc, b, 1, P);
}

static VNNI void kernel_vnni(const struct fast_gemm *g, const void *in, uint32_t pixels,
			     int32_t *acc)
{
	switch (pixels) {
	case 8: vnni_pixels(g, in, acc, 8); break;
	case 7: vnni_pixels(g, in, acc, 7); break;
	case 6: vnni_pixels(g, in, acc, 6); break;
	case 5: vnni_pixels(g, in, acc, 5); break;
	case 4: vnni_pixels(g, in, acc, 4); break;
	case 3: vnni_pixels(g, in, acc, 3); break;
	case 2: vnni_pixels(g, in, acc, 2); break;
	case 1: vnni_pixels(g, in, acc, 1); break;
	}
}

/* One block of outputs by P pixels. Two 16-bit products are summed by one instruction; bytes that
 * are not negative come four at a time: 2 * 127 * 128 fits 16 bits. */
static FLAT AVX2 void avx2_tile(const struct fast_gemm *g, const uint8_t *in, int32_t *acc,
				uint32_t b, const uint32_t P, const bool bytes)
{
	const size_t pixel = g->pixel_step * (bytes ? 1 : 2);
	const size_t length = g->segment_values * (bytes ? 1u : 2u);
	const int8_t *w = (const int8_t *)g->weights + b * g->segments * length * FAST_BLOCK;
	const __m256i ones = _mm256_set1_epi16(1);
	__m256i sum[2][4];

#pragma GCC unroll 8
	for (uint32_t p = 0; p < P; p++)
#pragma GCC unroll 2
		for (uint32_t h = 0; h < 2; h++)
			sum[h][p] = _mm256_loadu_si256(
				(const void *)(g->start + b * FAST_BLOCK + h * 8));
	for (uint32_t s = 0; s < g->segments; s++, in += g->segment_step * (bytes ? 1 : 2))
		for (size_t k = 0; k < length; k += 4, w += 4 * FAST_BLOCK) {
			__m256i weights[2] = { _mm256_loadu_si256((const void *)w),
					       _mm256_loadu_si256((const void *)(w + 32)) };

#pragma GCC unroll 8
			for (uint32_t p = 0; p < P; p++) {
				__m256i x = _mm256_set1_epi32(four(in + p * pixel + k));

#pragma GCC unroll 2
				for (uint32_t h = 0; h < 2; h++) {
					__m256i pairs =
						bytes ? _mm256_madd_epi16(
								_mm256_maddubs_epi16(x, weights[h]),
								ones)
						      : _mm256_madd_epi16(x, weights[h]);

					sum[h][p] = _mm256_add_epi32(sum[h][p], pairs);
				}
			}
		}
#pragma GCC unroll 8
	for (uint32_t p = 0; p < P; p++)
#pragma GCC unroll 2
		for (uint32_t h = 0; h < 2; h++)
			_mm256_storeu_si256(
				(void *)(acc + (p * g->blocks + b) * FAST_BLOCK + h * 8),
				sum[h][p]);
}

static FLAT AVX2 void avx2_blocks(const struct fast_gemm *g, const uint8_t *in, int32_t *acc,
				  const uint32_t P, const bool bytes)
{
	for (uint32_t b = 0; b < g->blocks; b++)
		avx2_tile(g, in, acc, b, P, bytes);
}

static FLAT AVX2 void avx2_pixels(const struct fast_gemm *g, const uint8_t *in, uint32_t pixels,
				  int32_t *acc, const bool bytes)
{
	for (; pixels >= 4; pixels -= 4) {
		avx2_blocks(g, in, acc, 4, bytes);
		in += 4 * g->pixel_step * (bytes ? 1 : 2);
		acc += 4 * g->blocks * FAST_BLOCK;
	}
	switch (pixels) {
	case 3: avx2_blocks(g, in, acc, 3, bytes); break;
	case 2: avx2_blocks(g, in, acc, 2, bytes); break;
	case 1: avx2_blocks(g, in, acc, 1, bytes); break;
	}
}

static AVX2 void kernel_avx2_wide(const struct fast_gemm *g, const void *in, uint32_t pixels,
				  int32_t *acc)
{
	avx2_pixels(g, in, pixels, acc, false);
}

static AVX2 void kernel_avx2_bytes(const struct fast_gemm *g, const void *in, uint32_t pixels,
				   int32_t *acc)
{
	avx2_pixels(g, in, pixels, acc, true);
}

/* As fast_finish_body(), with the clamp to 8 bits in the instruction that narrows. */
static VNNI void finish_vnni(const struct fast_finish *h, const int32_t *acc, uint32_t n,
			     uint8_t *out)
{
	const int right = 7 - h->shift;
	const __m512i half = _mm512_set1_epi32(right > 0 ? 1 << (right - 1) : 0);
	const __m128i count = _mm_cvtsi32_si128(right);
	const __m128i min = _mm_set1_epi8(h->act == 1 ? 0 : -128), flip = _mm_set1_epi8(-128);

	if (right < 0 || h->act == 2) {
		fast_finish_rare(h, acc, n, out);
		return;
	}
	for (uint32_t i = 0; i < n; i += FAST_BLOCK) {
		__m512i v = _mm512_add_epi32(_mm512_loadu_si512(acc + i), half);
		__m128i y = _mm512_cvtsepi32_epi8(_mm512_sra_epi32(v, count));

		_mm_storeu_si128((void *)(out + i), _mm_xor_si128(_mm_max_epi8(y, min), flip));
	}
}

static AVX2 void finish_avx2(const struct fast_finish *h, const int32_t *acc, uint32_t n,
			     uint8_t *out)
{
	fast_finish_body(h, acc, n, out);
}

const struct fast_isa *fast_isa_special(unsigned i)
{
	static const struct fast_isa vnni = { "avx512vnni",
					      { kernel_vnni, FAST_BIASED, 4 },
					      { kernel_vnni, FAST_BIASED, 4 },
					      finish_vnni };
	static const struct fast_isa avx2 = { "avx2",
					      { kernel_avx2_wide, FAST_WIDE, 2 },
					      { kernel_avx2_bytes, FAST_BYTES, 4 },
					      finish_avx2 };
	const struct fast_isa *have[3] = { NULL };
	unsigned n = 0;

	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
		have[n++] = &vnni;
	if (__builtin_cpu_supports("avx2"))
		have[n++] = &avx2;
	return i < n ? have[i] : NULL;
}

#endif
