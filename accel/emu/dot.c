#include "accel/emu/dot.h"

__attribute__((always_inline)) static inline void body(const int16_t *restrict x,
						       const int16_t *restrict w, size_t step,
						       size_t n, int32_t *restrict out)
{
	const int16_t *restrict w1 = w + step, *restrict w2 = w1 + step, *restrict w3 = w2 + step;
	int32_t a = 0, b = 0, c = 0, d = 0;

	for (size_t i = 0; i < n; i++) {
		a += x[i] * w[i];
		b += x[i] * w1[i];
		c += x[i] * w2[i];
		d += x[i] * w3[i];
	}
	out[0] = a;
	out[1] = b;
	out[2] = c;
	out[3] = d;
}

static void dot4_plain(const int16_t *x, const int16_t *w, size_t step, size_t n, int32_t out[4])
{
	body(x, w, step, n, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void dot4_avx2(const int16_t *x, const int16_t *w,
						      size_t step, size_t n, int32_t out[4])
{
	body(x, w, step, n, out);
}

#ifdef __clang__
#define VNNI "avx512f,avx512bw,avx512vl,avx512vnni"
#else
#define VNNI "avx512f,avx512bw,avx512vl,avx512vnni,prefer-vector-width=512"
#endif
__attribute__((target(VNNI))) static void dot4_vnni(const int16_t *x, const int16_t *w, size_t step,
						    size_t n, int32_t out[4])
{
	body(x, w, step, n, out);
}

emu_dot4 *emu_dot4_best(void)
{
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	    __builtin_cpu_supports("avx512vnni"))
		return dot4_vnni;
	return __builtin_cpu_supports("avx2") ? dot4_avx2 : dot4_plain;
}
#else
emu_dot4 *emu_dot4_best(void)
{
	return dot4_plain;
}
#endif
