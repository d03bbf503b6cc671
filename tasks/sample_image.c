#include "tasks/builtin.h"
#include "tasks/draw.h"
#include <string.h>

/* Domains of the tasks on pictures: places of scenes. A scene costs far more than a place, so
 * neighbouring records share one; record `index` is still the same whatever was drawn before. */

enum { TILES_PER_SCENE = 4, BLOCKS_PER_SCENE = 32 };

/* side x side pixels from a random place of the record's scene */
static void cut(uint64_t seed, uint64_t index, uint64_t per_scene, uint32_t side, uint32_t grid,
		uint8_t *to)
{
	struct hv_rng r = draw_record_rng(seed, index);
	const uint8_t(*px)[SCENE_SIDE] = scene_grey(seed, index / per_scene);
	uint32_t places = (SCENE_SIDE - side) / grid + 1;
	uint32_t y = hv_rng_below(&r, places) * grid, x = hv_rng_below(&r, places) * grid;

	for (uint32_t i = 0; i < side; i++)
		memcpy(to + (size_t)i * side, &px[y + i][x], side);
}

void sobel_sample(uint64_t seed, uint64_t index, void *in)
{
	cut(seed, index, TILES_PER_SCENE, TILE_IN, 1, in);
}

void jpeg50_sample(uint64_t seed, uint64_t index, void *in)
{
	cut(seed, index, BLOCKS_PER_SCENE, DCT8_SIDE, DCT8_SIDE, in);
}

void jpeg75_sample(uint64_t seed, uint64_t index, void *in)
{
	jpeg50_sample(seed, index, in);
}

/* The blocks of jpeg50, minus 128, in 1/32 grey level. */
void dct8x8_sample(uint64_t seed, uint64_t index, void *in)
{
	uint8_t px[DCT8_N];
	int16_t x[DCT8_N];

	jpeg50_sample(seed, index, px);
	for (size_t i = 0; i < DCT8_N; i++)
		x[i] = (int16_t)((px[i] - 128) * 32);
	memcpy(in, x, sizeof(x));
}
