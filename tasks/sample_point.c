#include "tasks/builtin.h"
#include "tasks/draw.h"
#include <stdbool.h>
#include <string.h>

/* Domains of the tasks that take a few numbers. */

/* Angles U(0, pi/2), drawn as numbers and rounded to the binary angle. */
static int16_t quarter_turn(struct hv_rng *r)
{
	return (int16_t)lround(hv_rng_uniform(r, 0, 16384));
}

void forwardk2j_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	int16_t t[2];

	t[0] = quarter_turn(&r);
	t[1] = quarter_turn(&r);
	memcpy(in, t, sizeof(t));
}

void inversek2j_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	double t1 = hv_rng_uniform(&r, 0, M_PI / 2), t2 = hv_rng_uniform(&r, 0, M_PI / 2);
	int16_t xy[2];

	xy[0] = draw_q15(0.5 * cos(t1) + 0.5 * cos(t1 + t2));
	xy[1] = draw_q15(0.5 * sin(t1) + 0.5 * sin(t1 + t2));
	memcpy(in, xy, sizeof(xy));
}

void kmeans_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	uint8_t x[6];

	for (size_t i = 0; i < sizeof(x); i++)
		x[i] = (uint8_t)hv_rng_below(&r, 256);
	memcpy(in, x, sizeof(x));
}

void blackscholes_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	double spot = hv_rng_uniform(&r, 40, 120);
	double strike = spot * exp(hv_rng_uniform(&r, -0.35, 0.35));
	float x[6];

	x[0] = (float)spot;
	x[1] = (float)fmin(fmax(strike, 30), 170);
	x[2] = (float)hv_rng_uniform(&r, 0.01, 0.1);
	x[3] = (float)hv_rng_uniform(&r, 0.1, 0.6);
	x[4] = (float)hv_rng_uniform(&r, 0.05, 1);
	x[5] = (float)hv_rng_below(&r, 2);
	memcpy(in, x, sizeof(x));
}

static void draw_pair(struct hv_rng *r, int16_t *x)
{
	for (int i = 0; i < 18; i++)
		x[i] = (int16_t)hv_rng_below(r, 32768);
}

void jmeint_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	int16_t x[18];

	draw_pair(&r, x);
	memcpy(in, x, sizeof(x));
}

/* Part 0: pairs that do not meet, part 1: pairs that do; drawn again until it is so. */
void jmeint_balanced_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	double meet;
	int16_t x[18];

	do {
		draw_pair(&r, x);
		jmeint_balanced_reference(x, &meet);
	} while (meet != (double)(index % 2));
	memcpy(in, x, sizeof(x));
}

void speed_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	bool small = hv_rng_uniform(&r, 0, 1) < 0.6;
	double e = small ? hv_rng_normal(&r, 0, 12) : hv_rng_uniform(&r, -400, 400);
	int16_t x[3];

	x[0] = (int16_t)lround(e * SPEED_E_UNIT);
	x[1] = (int16_t)lround(hv_rng_uniform(&r, -12, 12) * SPEED_I_UNIT);
	x[2] = (int16_t)lround(hv_rng_uniform(&r, -300, 300) * SPEED_E_UNIT);
	memcpy(in, x, sizeof(x));
}

/* Any heading, field strength U(.85, 1.15), noise .03 per axis; folded as the host does. */
void heading_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	double angle = hv_rng_uniform(&r, 0, 2 * M_PI), field = hv_rng_uniform(&r, 0.85, 1.15);
	double x = fabs(field * cos(angle) + hv_rng_normal(&r, 0, 0.03));
	double y = fabs(field * sin(angle) + hv_rng_normal(&r, 0, 0.03));
	int16_t m[2];

	m[0] = (int16_t)lround(fmax(x, y) * FIELD_UNIT);
	m[1] = (int16_t)lround(fmin(x, y) * FIELD_UNIT);
	memcpy(in, m, sizeof(m));
}
