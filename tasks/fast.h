#ifndef TASKS_FAST_H
#define TASKS_FAST_H
#include "tasks/kernel.h"

/* Inside of tasks/: what kernel.c needs from a x_fast.c. A maker returns NULL when memory is
 * short. Records may sit at any address: payloads come straight out of socket buffers. */
struct hv_kernel {
	void (*run)(struct hv_kernel *k, const void *in, void *out, size_t records);
	void (*free)(struct hv_kernel *k);
};

struct hv_kernel *fft64_fast(void);
struct hv_kernel *fft128_fast(void);
struct hv_kernel *fft256_fast(void);
struct hv_kernel *fir32_fast(void);
struct hv_kernel *dct32_fast(void);
struct hv_kernel *matvec64_fast(void);
struct hv_kernel *matvec64_rank8_fast(void);
struct hv_kernel *dct8x8_fast(void);
struct hv_kernel *iir_c20_fast(void);
struct hv_kernel *iir_c05_fast(void);
struct hv_kernel *iir_c02_fast(void);
struct hv_kernel *median9_fast(void);
struct hv_kernel *sobel_fast(void);
struct hv_kernel *specmag256_fast(void);

/* Instruction sets that the loops are compiled for. */
enum kernel_cpu { KERNEL_CPU_BASE, KERNEL_CPU_AVX2, KERNEL_CPU_AVX512 };

/* Best of them that this machine has, but never above the cap. Tests lower the cap to run
 * every clone; kernels made before are not affected. */
enum kernel_cpu kernel_cpu(void);
void kernel_cpu_cap(enum kernel_cpu cap);

/* RUN_CLONES(x, body) compiles the inline function `body` for each of them, tells it which, and
 * defines
 * x_for_cpu(), which returns the clone to use. All clones give the same bits: see the notes
 * on arithmetic at each body. */
typedef void hv_kernel_run_fn(struct hv_kernel *k, const void *in, void *out, size_t records);

#define HV_INLINE static inline __attribute__((always_inline))

/* clang-format off */
#define RUN_CLONE(name, body, cpu)                                                          \
	static void name(struct hv_kernel *k, const void *in, void *out, size_t records)    \
	{                                                                                   \
		body(k, in, out, records, cpu);                                             \
	}
#if defined(__x86_64__)
#define RUN_CLONES(x, body)                                                                 \
	__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))              \
	RUN_CLONE(x##_avx512, body, KERNEL_CPU_AVX512)                                      \
	__attribute__((target("avx2,fma")))                                                 \
	RUN_CLONE(x##_avx2, body, KERNEL_CPU_AVX2)                                          \
	RUN_CLONE(x##_base, body, KERNEL_CPU_BASE)                                          \
	static hv_kernel_run_fn *x##_for_cpu(void)                                          \
	{                                                                                   \
		static hv_kernel_run_fn *const clones[] = { x##_base, x##_avx2, x##_avx512 }; \
		return clones[kernel_cpu()];                                                \
	}
#else
#define RUN_CLONES(x, body)                                                                 \
	RUN_CLONE(x##_base, body, KERNEL_CPU_BASE)                                          \
	static hv_kernel_run_fn *x##_for_cpu(void)                                          \
	{                                                                                   \
		return x##_base;                                                            \
	}
#endif
/* clang-format on */

#endif
