#include "tasks/builtin.h"
#include "tasks/draw.h"
#include "tasks/loop_run.h"
#include "util/own.h"
#include <string.h>

/* Whole pictures of the suite through the codec, block by block. The coefficients that a block
 * has are those of the picture; those that its answer has are found by coding the answer again. */
enum {
	PICTURES = 4,
	ROW = SCENE_SIDE / DCT8_SIDE,
	BLOCKS = PICTURES * ROW * ROW,
	PIXELS = BLOCKS * DCT8_N,
};

struct album {
	uint8_t in[BLOCKS][DCT8_N], exact[BLOCKS][DCT8_N], got[BLOCKS][DCT8_N];
	uint8_t plane[SCENE_SIDE][SCENE_SIDE];
};

static void take_pictures(struct album *a, uint64_t seed)
{
	for (size_t b = 0; b < BLOCKS; b++) {
		size_t at = b % (ROW * ROW), y = at / ROW * DCT8_SIDE, x = at % ROW * DCT8_SIDE;

		if (at == 0)
			scene_draw(seed, UINT64_C(1) << 40 | b / (ROW * ROW), 0, a->plane);
		for (size_t i = 0; i < DCT8_SIDE; i++)
			memcpy(a->in[b] + i * DCT8_SIDE, &a->plane[y + i][x], DCT8_SIDE);
	}
}

static double rms(uint8_t x[BLOCKS][DCT8_N], uint8_t y[BLOCKS][DCT8_N])
{
	double sum2 = 0;

	for (size_t b = 0; b < BLOCKS; b++)
		for (size_t i = 0; i < DCT8_N; i++)
			sum2 += (x[b][i] - y[b][i]) * (x[b][i] - y[b][i]);
	return sqrt(sum2 / PIXELS);
}

static double equal_coefficients(const struct album *a, const uint8_t got[BLOCKS][DCT8_N],
				 int quality)
{
	size_t equal = 0;

	for (size_t b = 0; b < BLOCKS; b++) {
		double want[DCT8_N], have[DCT8_N];

		jpeg_coefficients(a->in[b], quality, want);
		jpeg_coefficients(got[b], quality, have);
		for (size_t i = 0; i < DCT8_N; i++)
			equal += want[i] == have[i];
	}
	return (double)equal / PIXELS;
}

static double psnr_db(double rms)
{
	return 20 * log10(255 / rms);
}

static void figures(struct album *a, int quality, struct loop_result *r)
{
	const uint8_t(*exact)[DCT8_N] = (const uint8_t(*)[DCT8_N])a->exact;
	const uint8_t(*got)[DCT8_N] = (const uint8_t(*)[DCT8_N])a->got;
	double best = psnr_db(rms(a->in, a->exact)), have = psnr_db(rms(a->in, a->got));

	loop_figure_add(r, (struct loop_figure){
				   .name = "image_diff",
				   .unit = "",
				   .value = rms(a->exact, a->got) / 255,
			   });
	loop_figure_add(r, (struct loop_figure){
				   .name = "equal_coefficients",
				   .unit = "of all",
				   .exact = equal_coefficients(a, exact, quality),
				   .value = equal_coefficients(a, got, quality),
			   });
	loop_figure_add(r, (struct loop_figure){
				   .name = "psnr", .unit = "dB", .exact = best, .value = have });
	loop_figure_add(
		r, (struct loop_figure){ .name = "psnr_lost", .unit = "dB", .value = best - have });
}

int loop_jpeg_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		  struct loop_result *r)
{
	hv_autofree struct album *a = malloc(sizeof(*a));
	int err;

	if (a == NULL)
		return HV_E_NOMEM;
	take_pictures(a, seed);
	err = loop_exact_map((void *)t, a->in, a->exact, BLOCKS);
	if (err == HV_OK)
		err = map(ctx, a->in, a->got, BLOCKS);
	if (err == HV_OK)
		figures(a, strcmp(t->name, "jpeg75") == 0 ? 75 : 50, r);
	return err;
}
