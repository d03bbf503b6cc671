#include "tasks/builtin.h"
#include "tasks/fast.h"
#include <fftw3.h>
#include <stdlib.h>
#include <string.h>

/* specmag256 by FFTW's real transform in single precision. Like the FFTs it may differ by one
 * step from the exact answer where single precision meets the rounding. */
struct specmag_kernel {
	struct hv_kernel base;
	fftwf_plan plan;
	float *x, *y; /* [SPECMAG_IN], (SPECMAG_OUT, 2) */
	float window[SPECMAG_IN]; /* with the scale of the output */
};

static void specmag_run(struct hv_kernel *base, const void *in, void *out, size_t records)
{
	struct specmag_kernel *k = (struct specmag_kernel *)base;
	const uint8_t *from = in;
	uint8_t *to = out;

	for (size_t n = 0; n < records; n++) {
		int16_t x[SPECMAG_IN];
		uint16_t m[SPECMAG_OUT];

		memcpy(x, from, sizeof(x));
		for (size_t i = 0; i < SPECMAG_IN; i++)
			k->x[i] = k->window[i] * x[i];
		fftwf_execute(k->plan);
		for (size_t i = 0; i < SPECMAG_OUT; i++) {
			float re = k->y[2 * i], im = k->y[2 * i + 1];
			float v = sqrtf(re * re + im * im) + 0.5f;

			m[i] = (uint16_t)(v < UINT16_MAX ? v : UINT16_MAX);
		}
		memcpy(to, m, sizeof(m));
		from += sizeof(x);
		to += sizeof(m);
	}
}

static void specmag_free(struct hv_kernel *base)
{
	struct specmag_kernel *k = (struct specmag_kernel *)base;

	if (k->plan != NULL)
		fftwf_destroy_plan(k->plan);
	fftwf_free(k->x);
	fftwf_free(k->y);
	free(k);
}

struct hv_kernel *specmag256_fast(void)
{
	struct specmag_kernel *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->base = (struct hv_kernel){ .run = specmag_run, .free = specmag_free };
	k->x = fftwf_alloc_real(SPECMAG_IN);
	k->y = fftwf_alloc_real((size_t)2 * SPECMAG_OUT);
	if (k->x != NULL && k->y != NULL)
		k->plan = fftwf_plan_dft_r2c_1d(SPECMAG_IN, k->x, (fftwf_complex *)k->y,
						FFTW_MEASURE);
	if (k->plan == NULL) {
		specmag_free(&k->base);
		return NULL;
	}
	for (uint32_t i = 0; i < SPECMAG_IN; i++)
		k->window[i] = (float)((0.5 - 0.5 * turn_cos(i, SPECMAG_IN)) / 64);
	return &k->base;
}
