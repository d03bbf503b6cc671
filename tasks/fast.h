#ifndef TASKS_FAST_H
#define TASKS_FAST_H
#include "tasks/kernel.h"

/* Inside of tasks/: what kernel.c needs from a x_fast.c. A maker returns NULL when memory is
 * short. Records may sit at any address: payloads come straight out of socket buffers. */
struct hv_kernel {
	void (*run)(struct hv_kernel *k, const void *in, void *out, size_t records);
	void (*free)(struct hv_kernel *k);
};

typedef int16_t any_s16 __attribute__((aligned(1), may_alias));
typedef int32_t any_s32 __attribute__((aligned(1), may_alias));

struct hv_kernel *fft64_fast(void);
struct hv_kernel *fft128_fast(void);
struct hv_kernel *fft256_fast(void);
struct hv_kernel *fir32_fast(void);
struct hv_kernel *dct32_fast(void);
struct hv_kernel *matvec64_fast(void);

/* One loop, compiled for several instruction sets, chosen once per process: RUN_CLONES(x, body)
 * defines `x_for_cpu()`, which returns the best of the clones of the inline function `body`.
 * All clones give the same bits: see the notes on arithmetic at each body. */
typedef void hv_kernel_run_fn(struct hv_kernel *k, const void *in, void *out, size_t records);

#if defined(__x86_64__)
#define RUN_CLONE(name, body, isa)                                                         \
	__attribute__((target(isa))) static void name(struct hv_kernel *k, const void *in, \
						      void *out, size_t records)           \
	{                                                                                  \
		body(k, in, out, records);                                                 \
	}
#define RUN_CLONES(x, body)                                                                    \
	RUN_CLONE(x##_avx512, body, "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")             \
	RUN_CLONE(x##_avx2, body, "avx2,fma")                                                  \
	RUN_CLONE(x##_base, body, "sse2")                                                      \
	static hv_kernel_run_fn *x##_for_cpu(void)                                             \
	{                                                                                      \
		if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && \
		    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))  \
			return x##_avx512;                                                     \
		if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))           \
			return x##_avx2;                                                       \
		return x##_base;                                                               \
	}
#else
#define RUN_CLONES(x, body)                                                                  \
	static void x##_base(struct hv_kernel *k, const void *in, void *out, size_t records) \
	{                                                                                    \
		body(k, in, out, records);                                                   \
	}                                                                                    \
	static hv_kernel_run_fn *x##_for_cpu(void)                                           \
	{                                                                                    \
		return x##_base;                                                             \
	}
#endif

#define HV_INLINE static inline __attribute__((always_inline))

#endif
