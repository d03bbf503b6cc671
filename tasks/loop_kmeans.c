#include "tasks/builtin.h"
#include "tasks/draw.h"
#include "tasks/loop_run.h"
#include "util/own.h"
#include <string.h>

/* The whole algorithm: the middle 64x64 pixels of colour scenes, 6 clusters that begin at
 * random pixels, 10 rounds of "nearest centre, then mean"; every pixel then gets the colour of
 * its centre. The picture is compared with that of exact distances. */
enum { SIDE = 64, PIXELS = SIDE * SIDE, CLUSTERS = 6, ROUNDS = 10, SCENES = 8 };
enum { RECORD = 6, MARGIN = (SCENE_SIDE - SIDE) / 2 };

struct clustering {
	uint8_t px[PIXELS][3], painted[2][PIXELS][3];
	uint8_t centre[CLUSTERS][3];
	uint8_t of[2][PIXELS];
	uint8_t in[PIXELS * CLUSTERS][RECORD];
	int16_t distance[PIXELS * CLUSTERS];
};

static void picture(struct clustering *k, uint64_t seed, uint64_t number)
{
	static _Thread_local uint8_t plane[SCENE_SIDE][SCENE_SIDE];

	for (unsigned c = 0; c < 3; c++) {
		scene_draw(seed, UINT64_C(1) << 40 | number, c, plane);
		for (size_t i = 0; i < PIXELS; i++)
			k->px[i][c] = plane[MARGIN + i / SIDE][MARGIN + i % SIDE];
	}
}

static void begin_at_pixels(struct clustering *k, uint64_t seed, uint64_t number)
{
	struct hv_rng r = draw_record_rng(seed, UINT64_C(1) << 41 | number);

	for (size_t c = 0; c < CLUSTERS; c++)
		memcpy(k->centre[c], k->px[hv_rng_below(&r, PIXELS)], 3);
}

/* The first of the nearest. */
static int assign(struct clustering *k, loop_map_fn map, void *ctx, uint8_t *of)
{
	int err;

	for (size_t i = 0; i < PIXELS * CLUSTERS; i++) {
		memcpy(k->in[i], k->px[i / CLUSTERS], 3);
		memcpy(k->in[i] + 3, k->centre[i % CLUSTERS], 3);
	}
	err = map(ctx, k->in, k->distance, PIXELS * CLUSTERS);
	for (size_t i = 0; err == HV_OK && i < PIXELS; i++) {
		const int16_t *d = k->distance + i * CLUSTERS;
		size_t best = 0;

		for (size_t c = 1; c < CLUSTERS; c++)
			best = d[c] < d[best] ? c : best;
		of[i] = (uint8_t)best;
	}
	return err;
}

/* Means, rounded; a centre that nobody chose stays. */
static void move(struct clustering *k, const uint8_t *of)
{
	unsigned sum[CLUSTERS][3] = { { 0 } }, count[CLUSTERS] = { 0 };

	for (size_t i = 0; i < PIXELS; i++) {
		count[of[i]]++;
		for (size_t c = 0; c < 3; c++)
			sum[of[i]][c] += k->px[i][c];
	}
	for (size_t n = 0; n < CLUSTERS; n++)
		for (size_t c = 0; c < 3 && count[n] > 0; c++)
			k->centre[n][c] = (uint8_t)((sum[n][c] + count[n] / 2) / count[n]);
}

static int cluster(struct clustering *k, loop_map_fn map, void *ctx, int which)
{
	uint8_t *of = k->of[which];

	for (int round = 0; round < ROUNDS; round++) {
		int err = assign(k, map, ctx, of);

		if (err != HV_OK)
			return err;
		move(k, of);
	}
	for (size_t i = 0; i < PIXELS; i++)
		memcpy(k->painted[which][i], k->centre[of[i]], 3);
	return HV_OK;
}

static void figures(struct loop_result *r, double image_diff, double other_cluster)
{
	loop_figure_add(r, (struct loop_figure){
				   .name = "image_diff",
				   .unit = "",
				   .value = image_diff,
				   .pass = 0.02,
				   .goal = 0.005,
			   });
	loop_figure_add(r, (struct loop_figure){
				   .name = "other_cluster", .unit = "", .value = other_cluster });
}

int loop_kmeans_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		    struct loop_result *r)
{
	hv_autofree struct clustering *k = malloc(sizeof(*k));
	double sum2 = 0, other = 0;

	if (k == NULL)
		return HV_E_NOMEM;
	for (uint64_t scene = 0; scene < SCENES; scene++) {
		int err;

		picture(k, seed, scene);
		begin_at_pixels(k, seed, scene);
		err = cluster(k, loop_exact_map, (void *)t, 0);
		begin_at_pixels(k, seed, scene);
		if (err == HV_OK)
			err = cluster(k, map, ctx, 1);
		if (err != HV_OK)
			return err;
		for (size_t i = 0; i < PIXELS; i++) {
			other += k->of[0][i] != k->of[1][i];
			for (size_t c = 0; c < 3; c++) {
				double d = k->painted[0][i][c] - k->painted[1][i][c];

				sum2 += d * d;
			}
		}
	}
	figures(r, sqrt(sum2 / (SCENES * PIXELS * 3)) / 255, other / (SCENES * PIXELS));
	return HV_OK;
}
