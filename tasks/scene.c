#include "tasks/builtin.h"
#include "tasks/draw.h"
#include <stdbool.h>
#include <string.h>

/* Test pictures. Grey 128 plus 1/f noise of rms 32, shapes on top, all blurred, rounded. */

enum { SIDE = SCENE_SIDE, BLUR_MAX = 6, CORNERS_MAX = 6 };
static const double noise_rms = 32;

typedef double plane[SIDE][SIDE];

/* The rest of a Hermitian spectrum has to follow from the half that was drawn; cheaper: fill
 * all of it and take the real part of the transform, whose spectrum is as steep. */
static void spectrum_fill(struct hv_rng *r, double (*to)[2 * SIDE])
{
	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++) {
			int fy = y < SIDE / 2 ? y : y - SIDE, fx = x < SIDE / 2 ? x : x - SIDE;
			double f = sqrt((double)(fx * fx + fy * fy));
			double phase = hv_rng_uniform(r, 0, 2 * M_PI);

			to[y][2 * x] = f > 0 ? cos(phase) / f : 0;
			to[y][2 * x + 1] = f > 0 ? sin(phase) / f : 0;
		}
	}
}

static void columns_transform(double (*s)[2 * SIDE])
{
	double in[2 * SIDE], out[2 * SIDE];

	for (int x = 0; x < SIDE; x++) {
		for (int y = 0; y < SIDE; y++)
			memcpy(in + 2 * y, &s[y][2 * x], 2 * sizeof(*in));
		fft_double(in, out, SIDE);
		for (int y = 0; y < SIDE; y++)
			memcpy(&s[y][2 * x], out + 2 * y, 2 * sizeof(*in));
	}
}

/* Amplitude 1 / f, random phase, scaled to its rms. */
static void noise_fill(struct hv_rng *r, plane px)
{
	static _Thread_local double s[SIDE][2 * SIDE];
	double row[2 * SIDE], sum2 = 0;

	spectrum_fill(r, s);
	columns_transform(s);
	for (int y = 0; y < SIDE; y++) {
		fft_double(s[y], row, SIDE);
		for (int x = 0; x < SIDE; x++) {
			px[y][x] = row[2 * x];
			sum2 += px[y][x] * px[y][x];
		}
	}
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			px[y][x] = 128 + px[y][x] * noise_rms * SIDE / sqrt(sum2);
}

/* A disk (corners 0), or a polygon that its centre sees whole: corners in order of angle. */
struct shape {
	double x, y, radius;
	int corners;
	double cx[CORNERS_MAX], cy[CORNERS_MAX];
};

/* Corner k lies in the k-th sector, .4 to 1 of the radius away. */
static struct shape shape_draw(struct hv_rng *r)
{
	struct shape s = { .x = hv_rng_uniform(r, 0, SIDE), .y = hv_rng_uniform(r, 0, SIDE) };

	s.radius = hv_rng_uniform(r, 4, 24);
	if (hv_rng_below(r, 2) == 0)
		return s;
	s.corners = 3 + (int)hv_rng_below(r, CORNERS_MAX - 2);
	for (int k = 0; k < s.corners; k++) {
		double angle = (k + hv_rng_uniform(r, 0, 1)) * 2 * M_PI / s.corners;
		double away = s.radius * hv_rng_uniform(r, 0.4, 1);

		s.cx[k] = s.x + away * cos(angle);
		s.cy[k] = s.y + away * sin(angle);
	}
	return s;
}

/* Even-odd rule. */
static bool inside(const struct shape *s, double x, double y)
{
	bool in = false;

	if (s->corners == 0)
		return (x - s->x) * (x - s->x) + (y - s->y) * (y - s->y) <= s->radius * s->radius;
	for (int i = 0, j = s->corners - 1; i < s->corners; j = i++) {
		double slope;

		if ((s->cy[i] > y) == (s->cy[j] > y))
			continue;
		slope = (s->cx[j] - s->cx[i]) / (s->cy[j] - s->cy[i]);
		if (x < s->cx[i] + slope * (y - s->cy[i]))
			in = !in;
	}
	return in;
}

static int within(double v)
{
	return v < 0 ? 0 : v > SIDE - 1 ? SIDE - 1 : (int)v;
}

static void shape_fill(const struct shape *s, double grey, plane px)
{
	int y1 = within(s->y + s->radius + 1), x1 = within(s->x + s->radius + 1);

	for (int y = within(s->y - s->radius); y <= y1; y++)
		for (int x = within(s->x - s->radius); x <= x1; x++)
			if (inside(s, x + 0.5, y + 0.5))
				px[y][x] = grey;
}

static int mirrored(int i)
{
	return i < 0 ? -i : i >= SIDE ? 2 * (SIDE - 1) - i : i;
}

/* Rows of from into columns of to: twice is a blur in both directions. */
static void blur_rows(const double *tap, int reach, plane from, plane to)
{
	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++) {
			double v = tap[0] * from[y][x];

			for (int k = 1; k <= reach; k++)
				v += tap[k] * (from[y][mirrored(x - k)] + from[y][mirrored(x + k)]);
			to[x][y] = v;
		}
	}
}

static void blur(double sigma, plane px)
{
	static _Thread_local plane turned;
	int reach = (int)ceil(4 * sigma);
	double tap[BLUR_MAX + 1], sum = 0;

	reach = reach > BLUR_MAX ? BLUR_MAX : reach;
	for (int k = 0; k <= reach; k++) {
		tap[k] = k == 0 ? 1 : exp(-0.5 * k * k / (sigma * sigma));
		sum += k == 0 ? 1 : 2 * tap[k];
	}
	for (int k = 0; k <= reach; k++)
		tap[k] /= sum;
	blur_rows(tap, reach, px, turned);
	blur_rows(tap, reach, turned, px);
}

void scene_draw(uint64_t seed, uint64_t number, unsigned channel, uint8_t to[SIDE][SIDE])
{
	static _Thread_local plane px;
	struct hv_rng shapes = draw_record_rng(seed, ~number); /* apart from records */
	struct hv_rng r = shapes;
	double sigma = hv_rng_uniform(&shapes, 0, 1.5);

	for (unsigned c = 0; c <= channel; c++) /* its own stream, far from the shapes' */
		hv_rng_seed(&r, hv_rng_u64(&r));
	noise_fill(&r, px);
	for (int i = 0; i < SCENE_SHAPES; i++) {
		struct shape s = shape_draw(&shapes);

		shape_fill(&s, hv_rng_uniform(&r, 0, 255), px);
	}
	blur(sigma, px);
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			to[y][x] = (uint8_t)fmin(fmax(round(px[y][x]), 0), 255);
}

const uint8_t (*scene_grey(uint64_t seed, uint64_t number))[SIDE]
{
	static _Thread_local uint8_t px[SIDE][SIDE];
	static _Thread_local uint64_t of_seed, of_number;
	static _Thread_local bool made;

	if (!made || of_seed != seed || of_number != number)
		scene_draw(seed, number, 0, px);
	made = true;
	of_seed = seed;
	of_number = number;
	return (const uint8_t(*)[SIDE])px;
}
