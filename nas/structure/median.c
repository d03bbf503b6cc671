#include "nas/pack.h"
#include "nas/structure/structure.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

/* Median filters: comparators are ReLU layers. With a, b and d = relu(a - b) of one layer, the
 * next one has min = a - d and max = b + d as sums. Values are 0..127: seven bits of the input.
 * Where the root mean square of the block is asked for too, the host makes it: sixty-four
 * multiply-adds are a twentieth of the exact code, and no eight bits hold a quiet block's squares
 * beside those of an impulse. */
enum { TAPS = 9, UNITS_MAX = 3 * TAPS, LEVELS_MAX = 16 };

/* The nineteen exchanges that bring the median of nine to the middle (Paeth, Graphics Gems). */
static const uint8_t exchange[][2] = { { 1, 2 }, { 4, 5 }, { 7, 8 }, { 0, 1 }, { 3, 4 },
				       { 6, 7 }, { 1, 2 }, { 4, 5 }, { 7, 8 }, { 0, 3 },
				       { 5, 8 }, { 4, 7 }, { 3, 6 }, { 1, 4 }, { 2, 5 },
				       { 4, 7 }, { 4, 2 }, { 6, 4 }, { 4, 2 } };
enum { EXCHANGES = sizeof(exchange) / sizeof(exchange[0]) };

/* A wire as a sum of the present layer's units (or of the taps, at the start). */
struct wire {
	int8_t of[UNITS_MAX];
};

/* level[i]: layer of exchange i, as early as its wires allow. Number of levels. */
static unsigned schedule(unsigned level[EXCHANGES])
{
	unsigned ready[TAPS] = { 0 }, levels = 0;

	for (unsigned i = 0; i < EXCHANGES; i++) {
		unsigned a = exchange[i][0], b = exchange[i][1];
		unsigned at = ready[a] > ready[b] ? ready[a] : ready[b];

		level[i] = at;
		ready[a] = ready[b] = at + 1;
		levels = at + 1 > levels ? at + 1 : levels;
	}
	return levels;
}

/* Wires that exchanges from level `at` on, or the answer, still read. */
static void needed(const unsigned level[EXCHANGES], unsigned at, bool need[TAPS])
{
	memset(need, 0, TAPS * sizeof(*need));
	need[4] = true;
	for (unsigned i = 0; i < EXCHANGES; i++)
		if (level[i] >= at)
			need[exchange[i][0]] = need[exchange[i][1]] = true;
}

struct sorter {
	struct wire wire[TAPS];
	unsigned from; /* units of the layer before, or taps */
	int8_t rows[UNITS_MAX][UNITS_MAX]; /* of the layer being made */
	unsigned units;
};

static unsigned unit(struct sorter *s, const struct wire *plus, const struct wire *minus)
{
	for (unsigned k = 0; k < s->from; k++)
		s->rows[s->units][k] = (int8_t)(plus->of[k] - (minus != NULL ? minus->of[k] : 0));
	return s->units++;
}

/* Layer of one level: units, and the wires as sums of them. */
static void make_level(struct sorter *s, const unsigned level[EXCHANGES], unsigned at)
{
	struct wire next[TAPS];
	bool live[TAPS], later[TAPS], done[TAPS] = { false };

	memset(next, 0, sizeof(next));
	s->units = 0;
	needed(level, at, live);
	needed(level, at + 1, later);
	for (unsigned i = 0; i < EXCHANGES; i++) {
		unsigned a = exchange[i][0], b = exchange[i][1], d;

		if (level[i] != at)
			continue;
		done[a] = done[b] = true;
		d = unit(s, &s->wire[a], &s->wire[b]);
		if (later[a]) { /* the smaller one */
			next[a].of[unit(s, &s->wire[a], NULL)] = 1;
			next[a].of[d] = -1;
		}
		if (later[b]) {
			next[b].of[unit(s, &s->wire[b], NULL)] = 1;
			next[b].of[d] = 1;
		}
	}
	for (unsigned w = 0; w < TAPS; w++)
		if (live[w] && !done[w])
			next[w].of[unit(s, &s->wire[w], NULL)] = 1;
	memcpy(s->wire, next, sizeof(next));
}

static int8_t *rows_of(const struct sorter *s)
{
	int8_t *w = malloc((size_t)s->units * s->from);

	for (unsigned u = 0; w != NULL && u < s->units; u++)
		memcpy(w + (size_t)u * s->from, s->rows[u], s->from);
	return w;
}

static int layers(struct package *p)
{
	struct sorter s = { .from = TAPS };
	unsigned level[EXCHANGES], levels = schedule(level);
	struct cnn_layer *l;

	for (unsigned w = 0; w < TAPS; w++)
		s.wire[w].of[w] = 1;
	for (unsigned at = 0; at < levels; at++) {
		make_level(&s, level, at);
		l = structure_layer(p, at == 0 ? CNN_OP_CONV1D : CNN_OP_LINEAR, (int)at - 1,
				    at == 0 ? 1 : s.from, s.units, rows_of(&s), NULL);
		l->kernel_h = at == 0 ? TAPS : 0;
		l->shift = 7;
		l->act = CNN_ACT_RELU;
		if (l->weights == NULL)
			return HV_E_NOMEM;
		s.from = s.units;
	}
	s.units = 0;
	(void)unit(&s, &s.wire[4], NULL);
	l = structure_layer(p, CNN_OP_LINEAR, (int)levels - 1, s.from, 1, rows_of(&s), NULL);
	l->out_bits = 32;
	l->is_output = true;
	return l->weights != NULL ? HV_OK : HV_E_NOMEM;
}

static int put(struct hostprog *h, enum hostprog_op op, int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	return hostprog_add(h,
			    (struct hostprog_ins){ .op = op, .a = (uint16_t)a, .b = (uint16_t)b });
}

/* Result e = root of the mean square of all n elements. */
static int root_mean_square(struct hostprog *h, unsigned n, unsigned e)
{
	int sum = hostprog_block_add(h, HOSTPROG_DECODE, 1, 1), inverse;

	for (unsigned i = 0; sum >= 0 && i < n; i++) {
		int x = hostprog_add(h, (struct hostprog_ins){ .op = HP_IN, .index = i });
		int square = put(h, HP_MUL, x, x);

		sum = i == 0 ? square : put(h, HP_ADD, sum, square);
	}
	if (sum < 0)
		return sum;
	inverse = hostprog_add(h, (struct hostprog_ins){ .op = HP_CONST, .k = 1.0 / n });
	sum = put(h, HP_SQRT, put(h, HP_MUL, sum, inverse), 0);
	if (sum < 0)
		return sum;
	return hostprog_add(
		h, (struct hostprog_ins){ .op = HP_RESULT, .a = (uint16_t)sum, .index = e });
}

int structure_median(struct structure *s)
{
	const struct harvest_task *t = s->q->task;
	unsigned n = (unsigned)tensor_elements(&t->in), medians = n - (TAPS - 1);
	bool rms = strcmp(t->name, "features64") == 0;
	struct hostprog *host = NULL;
	struct package *p;
	int r;

	if ((!rms && strcmp(t->name, "median9") != 0) || t->in.dtype != HARVEST_S16 || n < TAPS ||
	    tensor_elements(&t->out) != medians + rms)
		return HV_E_NOENT;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return HV_E_NOMEM;
	p->net.channels = 1;
	p->net.height = (uint16_t)n;
	p->net.width = 1;
	r = layers(p);
	if (r == HV_OK)
		r = nas_pack_steps(p);
	if (r == HV_OK)
		host = nas_pack_host(p, t);
	r = r == HV_OK && host == NULL ? HV_E_NOMEM : r;
	/* 0..127: -32768..32767 in steps of 512, the middle of a step is its value */
	if (r >= 0)
		r = structure_emit_map(host, 1, n, 1.0 / 512, 63.5);
	if (r >= 0)
		r = structure_results(host, medians, 512, -63.5 * 512);
	if (r >= 0 && rms)
		r = root_mean_square(host, n, medians);
	if (r < 0) {
		package_free(p);
		return r;
	}
	return nas_front_add_package(s->f, s->q, p, "comparators",
				     rms ? "seven bits of the samples, mean square by the host"
					 : "seven bits of the samples",
				     4096, s->why, s->cap);
}
