#include "nas/pack.h"
#include "nas/structure/structure.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Magnitude spectrum, the other way: the network gives real and imaginary part of every bin, the
 * host their length. Samples go in as two bytes on two pixels (the upper bytes alone: a cheaper,
 * coarser one); both meet the same rows, and the host adds them up. Rows are in units of 1/128, so
 * that every factor of the host is a power of two, and add up to 0 where the exact ones do: then
 * the offsets of the bytes need no thought but in two bins. */
enum { N = 256, HALF = N / 2, SCALE = 128, ROWS = N, SINES = HALF };

static double window(unsigned n)
{
	return 0.5 - 0.5 * cos(2 * M_PI * n / N);
}

/* Row 0: bin 0; 1..127: cosines; 128..254: sines of bins 1..127; 255: bin 128. */
static double exact(unsigned row, unsigned n)
{
	bool sine = row >= SINES && row < ROWS - 1;
	unsigned bin = sine ? row - SINES + 1 : row == ROWS - 1 ? HALF : row;
	double angle = 2 * M_PI * (double)(bin * n % N) / N;

	return SCALE * window(n) * (sine ? sin(angle) : cos(angle));
}

/* Rounds a row; the sum of what is exactly 0 stays 0, by the weights that mind least. */
static int fill_row(unsigned row, int8_t *to)
{
	double whole = 0;
	int sum = 0;

	for (unsigned n = 0; n < N; n++) {
		whole += exact(row, n);
		to[n] = (int8_t)fmin(rint(exact(row, n)), INT8_MAX);
		sum += to[n];
	}
	if (fabs(whole) > 0.5)
		return sum;
	for (int step = sum > 0 ? -1 : 1; sum != 0; sum += step) {
		unsigned at = 0;
		double most = -1;

		for (unsigned n = 0; n < N; n++) {
			double short_of = (exact(row, n) - to[n]) * step;

			if (short_of > most && to[n] > INT8_MIN && to[n] < INT8_MAX) {
				most = short_of;
				at = n;
			}
		}
		to[at] = (int8_t)(to[at] + step);
	}
	return 0;
}

struct bins {
	struct hostprog *h;
	bool both; /* bytes; else the upper ones */
	int sum[ROWS]; /* of the weights */
};

static int put(struct bins *b, enum hostprog_op op, int x, int y)
{
	if (x < 0 || y < 0)
		return x < 0 ? x : y;
	return hostprog_add(b->h,
			    (struct hostprog_ins){ .op = op, .a = (uint16_t)x, .b = (uint16_t)y });
}

static int constant(struct bins *b, double k)
{
	return hostprog_add(b->h, (struct hostprog_ins){ .op = HP_CONST, .k = k });
}

static int word(struct bins *b, unsigned at, double unit)
{
	int w = hostprog_add(b->h,
			     (struct hostprog_ins){ .op = HP_WORD, .index = at, .step = { 0, 1 } });

	return put(b, HP_MUL, w, constant(b, unit));
}

/* Value of a row in units of the result: samples are 256 upper + lower + 128, or 256 upper and
 * 127.5 on average; a unit of the row is 1/SCALE, the task divides by 64. */
static int part(struct bins *b, unsigned row)
{
	const double unit = 1.0 / SCALE / 64;
	int v = word(b, row, 256 * unit);

	if (b->both)
		v = put(b, HP_ADD, v, word(b, ROWS + row, unit));
	if (b->sum[row] != 0)
		v = put(b, HP_ADD, v, constant(b, (b->both ? 128 : 127.5) * b->sum[row] * unit));
	return v;
}

static int result(struct bins *b, int v, unsigned bin)
{
	if (v < 0)
		return v;
	return hostprog_add(
		b->h, (struct hostprog_ins){
			      .op = HP_RESULT, .a = (uint16_t)v, .index = bin, .step = { 0, 1 } });
}

/* A bin that has no imaginary part. */
static int decode_real(struct bins *b, unsigned row, unsigned bin)
{
	int r = hostprog_block_add(b->h, HOSTPROG_DECODE, 1, 1);

	return r < 0 ? r : result(b, put(b, HP_ABS, part(b, row), 0), bin);
}

/* n bins from `bin` on. */
static int decode_bins(struct bins *b, unsigned bin, unsigned n)
{
	int r = hostprog_block_add(b->h, HOSTPROG_DECODE, 1, n), re, im, sum;

	if (r < 0)
		return r;
	re = part(b, bin);
	im = part(b, SINES + bin - 1);
	sum = put(b, HP_ADD, put(b, HP_MUL, re, re), put(b, HP_MUL, im, im));
	return result(b, put(b, HP_SQRT, sum, 0), bin);
}

static int decode(struct bins *b)
{
	int r = decode_real(b, 0, 0);

	if (r >= 0)
		r = decode_bins(b, 1, 1);
	if (r >= 0)
		r = decode_bins(b, 2, HALF - 2);
	return r < 0 ? r : decode_real(b, ROWS - 1, HALF);
}

/* Channel n of pixel 0: the upper byte; of pixel 1: the lower one, its sign bit turned. */
static int encode(struct bins *b)
{
	int r = hostprog_block_add(b->h, HOSTPROG_ENCODE, 1, 1);

	for (unsigned n = 0; r >= 0 && n < N; n++) {
		struct hostprog_ins emit = { .op = HP_EMIT, .b = (uint16_t)n, .k = 0x1p-8 };

		r = hostprog_add(b->h, (struct hostprog_ins){ .op = HP_IN, .index = n });
		emit.a = (uint16_t)r;
		emit.offset = -0.5;
		r = r < 0 ? r : hostprog_add(b->h, emit);
		if (!b->both || r < 0)
			continue;
		r = hostprog_add(b->h, (struct hostprog_ins){ .op = HP_BYTE, .index = 2 * n });
		emit = (struct hostprog_ins){ .op = HP_EMIT,
					      .a = (uint16_t)r,
					      .b = (uint16_t)n,
					      .index = 1,
					      .k = 1,
					      .offset = -128 };
		r = r < 0 ? r : hostprog_add(b->h, emit);
	}
	return r;
}

static int layer(struct package *p, struct bins *b)
{
	int8_t *rows = malloc((size_t)ROWS * N);
	struct cnn_layer *l;

	if (rows == NULL)
		return HV_E_NOMEM;
	for (unsigned r = 0; r < ROWS; r++)
		b->sum[r] = fill_row(r, rows + (size_t)r * N);
	l = structure_layer(p, CNN_OP_LINEAR, CNN_FROM_INPUT, N, ROWS, rows, NULL);
	l->out_bits = 32;
	l->is_output = true;
	return nas_pack_steps(p);
}

int structure_bins(struct structure *s, bool both)
{
	struct package *p = calloc(1, sizeof(*p));
	struct bins b = { .both = both };
	int r;

	if (p == NULL)
		return HV_E_NOMEM;
	p->net.channels = N;
	p->net.height = both ? 2 : 1;
	p->net.width = 1;
	r = layer(p, &b);
	if (r == HV_OK)
		b.h = nas_pack_host(p, s->q->task);
	r = r == HV_OK && b.h == NULL ? HV_E_NOMEM : r;
	if (r == HV_OK)
		r = encode(&b);
	if (r >= 0)
		r = decode(&b);
	if (r < 0) {
		package_free(p);
		return r;
	}
	return nas_front_add_package(s->f, s->q, p, "bins",
				     both ? "both bytes, parts of every bin"
					  : "upper bytes, parts of every bin",
				     2048, s->why, s->cap);
}
