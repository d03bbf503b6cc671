#include "bench/peak.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>

/* Twelve chains hide the latency of any of these instructions. */
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static double vnni(unsigned steps)
{
	__m512i s[12], x = _mm512_set1_epi8(3), w = _mm512_set1_epi8(-5);
	volatile int32_t keep;

	for (int i = 0; i < 12; i++)
		s[i] = _mm512_set1_epi32(i);
	for (unsigned n = 0; n < steps; n++) {
#pragma GCC unroll 12
		for (int i = 0; i < 12; i++)
			s[i] = _mm512_dpbusd_epi32(s[i], x, w);
		__asm__ volatile("" : "+v"(x), "+v"(w));
	}
	for (int i = 1; i < 12; i++)
		s[0] = _mm512_xor_si512(s[0], s[i]);
	keep = _mm512_reduce_add_epi32(s[0]);
	(void)keep;
	return 12.0 * 64 * steps;
}

__attribute__((target("avx2"))) static double avx2(unsigned steps)
{
	__m256i s[12], x = _mm256_set1_epi16(3), w = _mm256_set1_epi16(-5);
	volatile int32_t keep;

	for (int i = 0; i < 12; i++)
		s[i] = _mm256_set1_epi32(i);
	for (unsigned n = 0; n < steps; n++) {
#pragma GCC unroll 12
		for (int i = 0; i < 12; i++)
			s[i] = _mm256_add_epi32(s[i], _mm256_madd_epi16(x, w));
		__asm__ volatile("" : "+x"(x), "+x"(w));
	}
	for (int i = 1; i < 12; i++)
		s[0] = _mm256_xor_si256(s[0], s[i]);
	keep = _mm256_extract_epi32(s[0], 0);
	(void)keep;
	return 12.0 * 16 * steps;
}

static int has_vnni(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

static double scalar(unsigned steps)
{
	volatile int32_t x = 3;
	int32_t sum = 0, y = x;

	for (unsigned n = 0; n < steps; n++)
		sum += y * (int32_t)n;
	x = sum;
	return (double)steps;
}

double bench_peak_run(unsigned steps)
{
#if defined(__x86_64__)
	if (has_vnni())
		return vnni(steps);
	if (__builtin_cpu_supports("avx2"))
		return avx2(steps);
#endif
	return scalar(steps);
}

const char *bench_peak_name(void)
{
#if defined(__x86_64__)
	if (has_vnni())
		return "512-bit VNNI";
	if (__builtin_cpu_supports("avx2"))
		return "256-bit multiply-add of 16-bit pairs";
#endif
	return "scalar";
}
