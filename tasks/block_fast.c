#include "tasks/builtin.h"
#include "tasks/fast.h"
#include <stdlib.h>
#include <string.h>

/* median9 and sobel in whole numbers, 8 and 16 outputs at a time: bit for bit task_exact(). They
 * keep nothing between records. Comparisons of vectors wider than the machine's are taken
 * apart into scalars by the compiler: eights fit every machine, and sixteens do without, by
 * the sign of a difference. */
enum { EIGHT = 8, LANES = 16 };

typedef uint8_t vec_u8 __attribute__((vector_size(LANES)));
typedef int16_t vec_eight __attribute__((vector_size(EIGHT * sizeof(int16_t))));
typedef int16_t vec_s16 __attribute__((vector_size(LANES * sizeof(int16_t))));
typedef int32_t vec_s32 __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef float vec_f32 __attribute__((vector_size(LANES * sizeof(float))));

/* a, b <- the smaller, the larger */
HV_INLINE void order(vec_eight *a, vec_eight *b)
{
	vec_eight less = *a < *b, low = (*a & less) | (*b & ~less);

	*b = (*b & less) | (*a & ~less);
	*a = low;
}

/* 19 exchanges leave the median of nine in the middle (Devillard's network): rows of three
 * sorted, then the largest low, the middle middle and the smallest high end. Vectors go by
 * address: by value they would be an ABI of their own in each clone. */
HV_INLINE void median_of_9(vec_eight v[MEDIAN_TAPS])
{
	static const uint8_t exchange[][2] = {
		{ 1, 2 }, { 4, 5 }, { 7, 8 }, { 0, 1 }, { 3, 4 }, { 6, 7 }, { 1, 2 },
		{ 4, 5 }, { 7, 8 }, { 0, 3 }, { 5, 8 }, { 4, 7 }, { 3, 6 }, { 1, 4 },
		{ 2, 5 }, { 4, 7 }, { 4, 2 }, { 6, 4 }, { 4, 2 },
	};

#pragma GCC unroll 19
	for (size_t i = 0; i < sizeof(exchange) / sizeof(exchange[0]); i++)
		order(&v[exchange[i][0]], &v[exchange[i][1]]);
}

HV_INLINE void median9_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			    enum kernel_cpu cpu)
{
	const uint8_t *from = in;
	uint8_t *to = out;

	(void)base;
	(void)cpu;
	for (size_t n = 0; n < records; n++) {
		for (size_t i = 0; i < MEDIAN_OUT; i += EIGHT) {
			vec_eight v[MEDIAN_TAPS];

#pragma GCC unroll 9
			for (size_t k = 0; k < MEDIAN_TAPS; k++)
				memcpy(&v[k], from + (i + k) * sizeof(int16_t), sizeof(v[k]));
			median_of_9(v);
			memcpy(to + i * sizeof(int16_t), &v[4], sizeof(v[4]));
		}
		from += FEATURE_BLOCK * sizeof(int16_t);
		to += MEDIAN_OUT * sizeof(int16_t);
	}
}

_Static_assert(MEDIAN_OUT % EIGHT == 0, "eights fill the outputs");

RUN_CLONES(median9, median9_body)

HV_INLINE void pixels(const uint8_t *from, vec_s16 *to)
{
	vec_u8 v;

	memcpy(&v, from, sizeof(v));
	*to = __builtin_convertvector(v, vec_s16);
}

/* Nearest whole number to sqrt(n), 255 at most. The first guess, by the exponent trick and one
 * step of Newton's, is .2 % off at worst: less than a half below 255. So rounding it is at
 * most one off, and comparing n with k^2 + k and k^2 - k, the squares half way between whole
 * numbers but for 1/4, says which way. */
HV_INLINE void root(vec_s32 *square)
{
	const vec_s32 most = (vec_s32){ 0 } + 255 * 255;
	vec_s32 beyond = (most - *square) >> 31, n = (*square & ~beyond) | (most & beyond), k;
	vec_f32 f = __builtin_convertvector(n, vec_f32);
	vec_f32 y = (vec_f32)(0x5f3759df - ((vec_s32)f >> 1));

	y = y * (1.5f - 0.5f * f * y * y);
	k = __builtin_convertvector(f * y + 0.5f, vec_s32);
	k += ~((k * k - k - n) >> 31) & (-k >> 31); /* -1 where k^2 - k >= n, k > 0 */
	k -= (k * k + k - n) >> 31;
	*square = k;
}

/* Rows a, b, c of the tile, of which p[row][x] are pixels x, x + 1, x + 2 for 16 places. */
HV_INLINE void sobel_row(const uint8_t *a, uint8_t *to)
{
	for (size_t x = 0; x < TILE; x += LANES) {
		vec_s16 p[3][3], gx, gy;
		vec_s32 wx, wy, g;
		vec_u8 out;

#pragma GCC unroll 3
		for (size_t i = 0; i < 3; i++)
#pragma GCC unroll 3
			for (size_t j = 0; j < 3; j++)
				pixels(a + i * TILE_IN + x + j, &p[i][j]);
		gx = p[0][2] - p[0][0] + 2 * (p[1][2] - p[1][0]) + p[2][2] - p[2][0];
		gy = p[2][0] - p[0][0] + 2 * (p[2][1] - p[0][1]) + p[2][2] - p[0][2];
		wx = __builtin_convertvector(gx, vec_s32);
		wy = __builtin_convertvector(gy, vec_s32);
		g = wx * wx + wy * wy;
		root(&g);
		out = __builtin_convertvector(g, vec_u8);
		memcpy(to + x, &out, sizeof(out));
	}
}

HV_INLINE void sobel_body(struct hv_kernel *base, const void *in, void *out, size_t records,
			  enum kernel_cpu cpu)
{
	const uint8_t *from = in;
	uint8_t *to = out;

	(void)base;
	(void)cpu;
	for (size_t n = 0; n < records; n++) {
		for (size_t y = 0; y < TILE; y++)
			sobel_row(from + y * TILE_IN, to + y * TILE);
		from += TILE_IN * TILE_IN;
		to += TILE * TILE;
	}
}

RUN_CLONES(sobel, sobel_body)

static void block_free(struct hv_kernel *k)
{
	free(k);
}

static struct hv_kernel *block_new(hv_kernel_run_fn *run)
{
	struct hv_kernel *k = malloc(sizeof(*k));

	if (k != NULL)
		*k = (struct hv_kernel){ .run = run, .free = block_free };
	return k;
}

struct hv_kernel *median9_fast(void)
{
	return block_new(median9_for_cpu());
}

struct hv_kernel *sobel_fast(void)
{
	return block_new(sobel_for_cpu());
}
