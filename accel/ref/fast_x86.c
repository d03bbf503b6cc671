/* Kernels for x86-64: AVX-512 VNNI and AVX2. Elsewhere this file is empty. */
#include "accel/ref/fast_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
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
	size_t block_bytes = (size_t)g->segments * g->segment_bytes * FAST_BLOCK, at = 0;
	const int8_t *w = g->weights + b * block_bytes;
	__m512i sum[2][FAST_TILE];

#pragma GCC unroll 8
	for (uint32_t n = 0; n < N; n++)
#pragma GCC unroll 8
		for (uint32_t p = 0; p < P; p++)
			sum[n][p] = _mm512_loadu_si512(g->start + (b + n) * FAST_BLOCK);
	for (uint32_t s = 0; s < g->segments; s++, in += g->segment_step)
		for (uint32_t k = 0; k < g->segment_bytes; k += 4, at += 4 * FAST_BLOCK) {
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

static VNNI void kernel_vnni(const struct fast_gemm *g, const uint8_t *in, uint32_t pixels,
			     int32_t *acc)
{
	if (pixels == FAST_TILE) {
		vnni_pixels(g, in, acc, FAST_TILE);
		return;
	}
	for (; pixels >= 2; pixels -= 2) {
		vnni_pixels(g, in, acc, 2);
		in += 2 * g->pixel_step;
		acc += 2 * g->blocks * FAST_BLOCK;
	}
	if (pixels > 0)
		vnni_pixels(g, in, acc, 1);
}

/* Eight outputs by P pixels. Bytes are widened to 16 bits, even and odd ones apart, so that no
 * product pair saturates. */
static FLAT AVX2 void avx2_tile(const struct fast_gemm *g, const uint8_t *in, int32_t *acc,
				uint32_t half, const uint32_t P)
{
	size_t block_bytes = (size_t)g->segments * g->segment_bytes * FAST_BLOCK;
	const int8_t *w = g->weights + half / 2 * block_bytes + half % 2 * 32;
	__m256i sum[4], low = _mm256_set1_epi32(0x00ff00ff);

#pragma GCC unroll 8
	for (uint32_t p = 0; p < P; p++)
		sum[p] = _mm256_loadu_si256((const void *)(g->start + half * 8));
	for (uint32_t s = 0; s < g->segments; s++, in += g->segment_step)
		for (uint32_t k = 0; k < g->segment_bytes; k += 4, w += 4 * FAST_BLOCK) {
			__m256i both = _mm256_loadu_si256((const void *)w);
			__m256i odd = _mm256_srai_epi16(both, 8);
			__m256i even = _mm256_srai_epi16(_mm256_slli_epi16(both, 8), 8);

#pragma GCC unroll 8
			for (uint32_t p = 0; p < P; p++) {
				__m256i x = _mm256_set1_epi32(four(in + p * g->pixel_step + k));
				__m256i a = _mm256_madd_epi16(_mm256_and_si256(x, low), even);
				__m256i b = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), odd);

				sum[p] = _mm256_add_epi32(sum[p], _mm256_add_epi32(a, b));
			}
		}
#pragma GCC unroll 8
	for (uint32_t p = 0; p < P; p++)
		_mm256_storeu_si256((void *)(acc + p * g->blocks * FAST_BLOCK + half * 8), sum[p]);
}

static AVX2 void kernel_avx2(const struct fast_gemm *g, const uint8_t *in, uint32_t pixels,
			     int32_t *acc)
{
	for (; pixels >= 4; pixels -= 4) {
		for (uint32_t half = 0; half < 2 * g->blocks; half++)
			avx2_tile(g, in, acc, half, 4);
		in += 4 * g->pixel_step;
		acc += 4 * g->blocks * FAST_BLOCK;
	}
	for (; pixels > 0; pixels--) {
		for (uint32_t half = 0; half < 2 * g->blocks; half++)
			avx2_tile(g, in, acc, half, 1);
		in += g->pixel_step;
		acc += g->blocks * FAST_BLOCK;
	}
}

static VNNI void finish_vnni(const struct fast_finish *h, const int32_t *acc, uint32_t n,
			     uint8_t *out)
{
	fast_finish_body(h, acc, n, out);
}

static AVX2 void finish_avx2(const struct fast_finish *h, const int32_t *acc, uint32_t n,
			     uint8_t *out)
{
	fast_finish_body(h, acc, n, out);
}

const struct fast_isa *fast_isa_special(unsigned i)
{
	static const struct fast_isa vnni = { "avx512vnni", 4, kernel_vnni, finish_vnni };
	static const struct fast_isa avx2 = { "avx2", 4, kernel_avx2, finish_avx2 };
	const struct fast_isa *have[3] = { NULL };
	unsigned n = 0;

	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
		have[n++] = &vnni;
	if (__builtin_cpu_supports("avx2"))
		have[n++] = &avx2;
	return i < n ? have[i] : NULL;
}

#else

const struct fast_isa *fast_isa_special(unsigned i)
{
	(void)i;
	return NULL;
}

#endif
