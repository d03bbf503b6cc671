#include "nas/pack.h"
#include "nas/structure/structure.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Magnitude spectrum: |a + i b| = pi/2 times the mean over directions t of |a cos t + b sin t|.
 * The first layer has K rows with abs for each bin, window included; the second one adds them up
 * with weights of one bit. Samples go in as their upper eight bits. */
enum { N = 256, BINS = N / 2 + 1, DIRECTIONS_MAX = 8, INNER = BINS - 2 };

static double window(unsigned n)
{
	return 0.5 - 0.5 * cos(2 * M_PI * n / N);
}

/* Row of direction d of bin k. */
static void fill_row(unsigned k, double angle, int8_t *row)
{
	for (unsigned n = 0; n < N; n++)
		row[n] = (int8_t)rint(127 * window(n) *
				      cos(2 * M_PI * (double)(k * n % N) / N - angle));
}

static int make_layers(struct package *p, unsigned directions, int shift)
{
	unsigned rows = INNER * directions + 2, at = 0;
	int8_t *first = malloc((size_t)rows * N), *second = calloc(BINS, rows);
	struct cnn_layer *l;

	for (unsigned k = 0; first != NULL && second != NULL && k < BINS; k++) {
		unsigned n = k == 0 || k == BINS - 1 ? 1 : directions;

		for (unsigned d = 0; d < n; d++, at++) {
			fill_row(k, M_PI * d / n, first + (size_t)at * N);
			second[(size_t)k * rows + at] = -1;
		}
	}
	l = structure_layer(p, CNN_OP_LINEAR, CNN_FROM_INPUT, N, rows, first, NULL);
	l->shift = (int8_t)shift;
	l->act = CNN_ACT_ABS;
	l = structure_layer(p, CNN_OP_LINEAR, 0, rows, BINS, second, NULL);
	l->weight_bits = 1;
	l->out_bits = 32;
	l->is_output = true;
	return first != NULL && second != NULL ? HV_OK : HV_E_NOMEM;
}

/* Every sample's upper byte. */
static int encode(struct hostprog *h)
{
	int r = hostprog_block_add(h, HOSTPROG_ENCODE, 1, 1);

	for (unsigned i = 0; r >= 0 && i < N; i++) {
		int from = r = hostprog_add(h, (struct hostprog_ins){ .op = HP_IN, .index = i });

		if (r >= 0)
			r = hostprog_add(h, (struct hostprog_ins){ .op = HP_EMIT,
								   .a = (uint16_t)from,
								   .b = (uint16_t)i,
								   .k = 1.0 / 256 });
	}
	return r;
}

/* Bins first, first + step, ...: n of them, result = unit * word. */
static int decode(struct hostprog *h, unsigned first, int step, unsigned n, double unit)
{
	const struct hostprog_ins ins[] = {
		{ .op = HP_WORD, .index = first, .step = { 0, step } },
		{ .op = HP_CONST, .k = unit },
		{ .op = HP_MUL, .a = 0, .b = 1 },
		{ .op = HP_RESULT, .a = 2, .index = first, .step = { 0, step } },
	};
	int r = hostprog_block_add(h, HOSTPROG_DECODE, 1, n);

	for (size_t i = 0; r >= 0 && i < HV_ARRAY_SIZE(ins); i++)
		r = hostprog_add(h, ins[i]);
	return r;
}

static int add(struct structure *s, unsigned directions, int shift)
{
	struct package *p = calloc(1, sizeof(*p));
	struct hostprog *host = NULL;
	/* a unit of a hidden value in units of the sum of window * sample; the task's own factor */
	const double unit = ldexp(1, 7 - shift) / 127 * 256 / 64;
	char text[64];
	int r;

	if (p == NULL)
		return HV_E_NOMEM;
	p->net.channels = N;
	p->net.height = p->net.width = 1;
	r = make_layers(p, directions, shift);
	if (r == HV_OK)
		r = nas_pack_steps(p);
	if (r == HV_OK)
		host = nas_pack_host(p, s->q->task);
	r = r == HV_OK && host == NULL ? HV_E_NOMEM : r;
	if (r == HV_OK)
		r = encode(host);
	if (r >= 0)
		r = decode(host, 0, BINS - 1, 2, -unit);
	if (r >= 0)
		r = decode(host, 1, 1, INNER, -unit * M_PI / 2 / directions);
	if (r < 0) {
		package_free(p);
		return r;
	}
	snprintf(text, sizeof(text), "upper bytes, %u directions, shift %d", directions, shift);
	return nas_front_add_package(s->f, s->q, p, "directions", text, 2048, s->why, s->cap);
}

int structure_magnitude(struct structure *s)
{
	const struct harvest_task *t = s->q->task;
	int r;

	if (strcmp(t->name, "specmag256") != 0 || t->in.dtype != HARVEST_S16 ||
	    tensor_elements(&t->in) != N || tensor_elements(&t->out) != BINS)
		return HV_E_NOENT;
	r = structure_bins(s, false);
	if (r == HV_OK)
		r = structure_bins(s, true);
	for (unsigned k = 4; r == HV_OK && k <= DIRECTIONS_MAX; k += 2)
		for (int shift = -6; r == HV_OK && shift <= -4; shift++) {
			r = add(s, k, shift);
			nas_say(s->q, "directions", (k - 4) / 6.0, NAN);
		}
	return r;
}
