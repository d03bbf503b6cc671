#include "tasks/catalog.h"
#include "tasks/fast.h"
#include "util/own.h"
#include <string.h>

/* clang-format off */
static const struct {
	const char *task;
	struct hv_kernel *(*make)(void);
} makers[] = {
	{ "dct32",      dct32_fast },
	{ "dct8x8",     dct8x8_fast },
	{ "fft128",     fft128_fast },
	{ "fft256",     fft256_fast },
	{ "fft64",      fft64_fast },
	{ "fir32",      fir32_fast },
	{ "iir_c02",    iir_c02_fast },
	{ "iir_c05",    iir_c05_fast },
	{ "iir_c20",    iir_c20_fast },
	{ "matvec64",   matvec64_fast },
	{ "matvec64_rank8", matvec64_rank8_fast },
	{ "median9",    median9_fast },
	{ "sobel",      sobel_fast },
	{ "specmag256", specmag256_fast },
};
/* clang-format on */

static enum kernel_cpu cpu_cap = KERNEL_CPU_AVX512;

void kernel_cpu_cap(enum kernel_cpu cap)
{
	cpu_cap = cap;
}

enum kernel_cpu kernel_cpu(void)
{
	enum kernel_cpu best = KERNEL_CPU_BASE;

#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		best = KERNEL_CPU_AVX2;
	if (best == KERNEL_CPU_AVX2 && __builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl"))
		best = KERNEL_CPU_AVX512;
#endif
	return best < cpu_cap ? best : cpu_cap;
}

int hv_kernel_new(const struct harvest_task *t, struct hv_kernel **k)
{
	struct hv_kernel *made;

	if (task_find(t->name) != t)
		return HV_E_NOENT; /* a plug-in that happens to have the name of a built-in one */
	for (size_t i = 0; i < HV_ARRAY_SIZE(makers); i++) {
		if (strcmp(makers[i].task, t->name) != 0)
			continue;
		made = makers[i].make();
		if (made == NULL)
			return HV_E_NOMEM;
		*k = made;
		return HV_OK;
	}
	return HV_E_NOENT;
}

void hv_kernel_free(struct hv_kernel *k)
{
	if (k != NULL)
		k->free(k);
}

void hv_kernel_run(struct hv_kernel *k, const void *in, void *out, size_t records)
{
	k->run(k, in, out, records);
}
