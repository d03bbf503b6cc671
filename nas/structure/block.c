#include "nas/lsq.h"
#include "nas/data.h"
#include "nas/pack.h"
#include "nas/structure/structure.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Lossy block coding: the rounding of a layer's output to eight bits is the quantizer. The first
 * layer's rows are an 8x8 DCT divided by the table, in whole numbers that know the second moments
 * of the blocks; rows of like size share a layer and its shift, so that all weights use their
 * eight bits. The last layer is solved by least squares on the coefficients that the first ones
 * really give. */
enum { SIDE = 8, N = 64, BLOCKS = 8192, GROUPS_MAX = 16, RESIDUAL_STEP = 200, COPIES_MAX = 3 };

/* clang-format off */
static const uint8_t luminance[N] = { /* ITU-T T.81, table K.1 */
	16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
	14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
	18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
	49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
};
/* clang-format on */

struct block {
	struct structure *s;
	struct nas_data d;
	int quality;
	unsigned copies; /* of every pixel among the channels: weights add up, so they get finer */
	unsigned groups; /* first layers */
	int shift[GROUPS_MAX];
	unsigned order[N]; /* coefficients in the order of the layers' channels */
	float *x, *q; /* (N, records): pixels minus 128, coefficients */
	int16_t *first; /* (N, N): sums of the copies' weights */
	int8_t *bias, *second; /* (N), (2 N, N): rows and residual rows */
	bool residual;
	double unit[N], constant[N]; /* of the second layer's rows; residual ones are finer */
};

static int table(unsigned i, int quality)
{
	int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
	int t = (luminance[i] * scale + 50) / 100;

	return t < 1 ? 1 : t;
}

static double wave(unsigned k, unsigned n)
{
	return (k == 0 ? sqrt(1.0 / SIDE) : sqrt(2.0 / SIDE)) * cos(M_PI * (n + 0.5) * k / SIDE);
}

/* Coefficient c of pixel i, divided by the table. */
static double row_of(unsigned c, unsigned i, int quality)
{
	return wave(c / SIDE, i / SIDE) * wave(c % SIDE, i % SIDE) / table(c, quality);
}

static double largest(unsigned c, int quality)
{
	double most = 0;

	for (unsigned i = 0; i < N; i++)
		most = fmax(most, fabs(row_of(c, i, quality)));
	return most;
}

/* Coefficients by the size of their rows, cut into equal groups; a group's shift is the least
 * with which its largest weight still fits. */
static void make_groups(struct block *b)
{
	for (unsigned i = 0; i < N; i++) {
		unsigned at = i;

		for (; at > 0 && largest(b->order[at - 1], b->quality) < largest(i, b->quality);
		     at--)
			b->order[at] = b->order[at - 1];
		b->order[at] = i;
	}
	for (unsigned g = 0; g < b->groups; g++) {
		double most = largest(b->order[g * (N / b->groups)], b->quality);

		b->shift[g] = 7 + (int)ceil(log2(most / (127.0 * b->copies)));
	}
}

static int shift_of(const struct block *b, unsigned row)
{
	return b->shift[row / (N / b->groups)];
}

/* What the rows should give: (N, n). */
static void wanted(const struct block *b, double *t)
{
	size_t n = b->d.n;

	for (unsigned r = 0; r < N; r++)
		for (size_t i = 0; i < n; i++) {
			double sum = 0;

			for (unsigned k = 0; k < N; k++)
				sum += row_of(b->order[r], k, b->quality) * (double)b->x[k * n + i];
			t[r * n + i] = sum;
		}
}

/* Rows in units of 2^(shift - 7), rounded one weight after the other over the blocks. */
static int first_layers(struct block *b)
{
	size_t n = b->d.n;
	hv_autofree double *t = malloc(sizeof(*t) * N * n);
	hv_autofree double *w = malloc(sizeof(*w) * n);
	uint8_t group[N + 1] = { 0 };
	int32_t q[N + 1];
	struct nas_gram g;
	double constant, err;
	int r;

	if (t == NULL || w == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		w[i] = 1;
	make_groups(b);
	wanted(b, t);
	r = nas_gram_make(b->x, N, t, N, w, n, &g);
	if (r < 0)
		return r;
	for (unsigned c = 0; r == HV_OK && c < N; c++) {
		const double unit = ldexp(1, shift_of(b, c) - 7);

		r = nas_gram_round(&g, c, 1e-5, group, &unit, 127 * (int)b->copies, NULL, q,
				   &constant, &err);
		for (unsigned k = 0; k < N; k++)
			b->first[c * N + k] = (int16_t)q[k + 1];
		b->bias[c] = (int8_t)rint(constant / unit / 128);
	}
	nas_gram_clear(&g);
	return r;
}

static void coefficients(struct block *b)
{
	size_t n = b->d.n;

	for (unsigned c = 0; c < N; c++)
		for (size_t i = 0; i < n; i++) {
			int32_t acc = 128 * b->bias[c];
			int right = 7 - shift_of(b, c);

			for (unsigned k = 0; k < N; k++)
				acc += b->first[c * N + k] * (int32_t)b->x[k * n + i];
			acc = (acc + (1 << (right - 1))) >> right;
			b->q[c * n + i] = (float)(acc > 127 ? 127 : acc < -128 ? -128 : acc);
		}
}

/* What row p leaves, in a finer unit. */
static int residual_row(struct block *b, const struct nas_gram *g, unsigned p)
{
	const double unit = b->unit[p] / RESIDUAL_STEP;
	uint8_t group[N + 1] = { 0 };
	double base[N + 1] = { 0 }, err;
	int32_t q[N + 1];
	int r;

	for (unsigned c = 0; c < N; c++)
		base[c + 1] = b->unit[p] * b->second[p * N + c];
	r = nas_gram_round(g, p, 1e-9, group, &unit, 127, base, q, &b->constant[p], &err);
	for (unsigned c = 0; c < N; c++)
		b->second[(N + p) * N + c] = (int8_t)q[c + 1];
	return r;
}

static int second_layer(struct block *b)
{
	size_t n = b->d.n;
	hv_autofree double *w = malloc(sizeof(*w) * n);
	uint8_t group[N + 1] = { 0 };
	struct nas_gram g;
	int r;

	if (w == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		w[i] = 1;
	r = nas_gram_make(b->q, N, b->d.ref, N, w, n, &g);
	if (r < 0)
		return r;
	for (unsigned p = 0; r == HV_OK && p < N; p++) {
		double coef[N + 1], most = 0, err, best = INFINITY;

		r = nas_gram_solve(&g, p, 1e-7, coef, &err);
		for (unsigned c = 1; c <= N; c++)
			most = fmax(most, fabs(coef[c]));
		for (int k = 0; r == HV_OK && k < (b->residual ? 1 : 10); k++) {
			double unit = most / 127 * pow(0.93, k), constant;
			int32_t q[N + 1];

			r = nas_gram_round(&g, p, 1e-7, group, &unit, 127, NULL, q, &constant,
					   &err);
			if (r < 0 || err >= best)
				continue;
			best = err;
			b->unit[p] = unit;
			b->constant[p] = constant;
			for (unsigned c = 0; c < N; c++)
				b->second[p * N + c] = (int8_t)q[c + 1];
		}
		if (r == HV_OK && b->residual)
			r = residual_row(b, &g, p);
	}
	nas_gram_clear(&g);
	return r;
}

static int put(struct hostprog *h, enum hostprog_op op, int a, int b, uint32_t index, double k)
{
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	return hostprog_add(
		h, (struct hostprog_ins){
			   .op = op, .a = (uint16_t)a, .b = (uint16_t)b, .index = index, .k = k });
}

static int decode(const struct block *b, struct hostprog *h)
{
	int r = hostprog_block_add(h, HOSTPROG_DECODE, 1, 1);

	for (unsigned p = 0; r >= 0 && p < N; p++) {
		int sum = put(h, HP_CONST, 0, 0, 0, b->constant[p]);

		for (unsigned set = 0; set < (b->residual ? 2 : 1); set++) {
			double unit = b->unit[p] / (set == 0 ? 1 : RESIDUAL_STEP);
			int word = put(h, HP_WORD, 0, 0, set * N + p, 0);
			int product = put(h, HP_MUL, word, put(h, HP_CONST, 0, 0, 0, unit), 0, 0);

			sum = put(h, HP_ADD, sum, product, 0, 0);
		}
		r = put(h, HP_RESULT, sum, 0, p, 0);
	}
	return r;
}

/* One channel for each pixel of the block. */
static int encode(struct hostprog *h, unsigned copies)
{
	int r = hostprog_block_add(h, HOSTPROG_ENCODE, 1, 1);

	for (unsigned i = 0; r >= 0 && i < N; i++) {
		int from = r = hostprog_add(h, (struct hostprog_ins){ .op = HP_IN, .index = i });

		for (unsigned c = 0; r >= 0 && c < copies; c++)
			r = hostprog_add(h, (struct hostprog_ins){ .op = HP_EMIT,
								   .a = (uint16_t)from,
								   .b = (uint16_t)(c * N + i),
								   .k = 1,
								   .offset = -128 });
	}
	return r;
}

static int8_t *copy(const int8_t *from, size_t n)
{
	int8_t *to = malloc(n);

	if (to != NULL)
		memcpy(to, from, n);
	return to;
}

/* Weights of `rows` rows from `at` on, shared out to the copies of their pixels. */
static int8_t *share(const struct block *b, unsigned at, unsigned rows)
{
	int8_t *to = malloc((size_t)rows * N * b->copies), *w = to;

	for (unsigned r = at; to != NULL && r < at + rows; r++)
		for (unsigned c = 0; c < b->copies; c++)
			for (unsigned k = 0; k < N; k++) {
				int sum = b->first[r * N + k], n = (int)b->copies;

				/* floor((sum + c) / n): they add up to the sum */
				sum += (int)c + 128 * n;
				*w++ = (int8_t)(sum / n - 128);
			}
	return to;
}

static int add(const struct block *b)
{
	struct structure *s = b->s;
	struct package *p = calloc(1, sizeof(*p));
	struct hostprog *host = NULL;
	struct cnn_layer *l;
	bool complete = true;
	unsigned rows;
	char text[64];
	int r;

	if (p == NULL)
		return HV_E_NOMEM;
	p->net.channels = (uint16_t)(N * b->copies);
	p->net.height = p->net.width = 1;
	for (unsigned g = 0; g < b->groups; g++) {
		unsigned at = g * (N / b->groups);

		rows = N / b->groups;

		l = structure_layer(p, CNN_OP_LINEAR, CNN_FROM_INPUT, N * b->copies, rows,
				    share(b, at, rows), copy(b->bias + at, rows));
		l->shift = (int8_t)b->shift[g];
		complete &= l->weights != NULL && l->bias != NULL;
	}
	rows = b->residual ? 2 * N : N;
	l = structure_layer(p, CNN_OP_LINEAR, 0, N, rows, copy(b->second, rows * N), NULL);
	l->more_sources = (uint8_t)(b->groups - 1);
	for (unsigned g = 1; g < b->groups; g++)
		l->more_from[g - 1] = (int8_t)g;
	l->out_bits = 32;
	l->is_output = true;
	complete &= l->weights != NULL;
	r = complete ? nas_pack_steps(p) : HV_E_NOMEM;
	if (r == HV_OK)
		host = nas_pack_host(p, s->q->task);
	r = r == HV_OK && host == NULL ? HV_E_NOMEM : r;
	if (r == HV_OK)
		r = encode(host, b->copies);
	if (r >= 0)
		r = decode(b, host);
	if (r < 0) {
		package_free(p);
		return r;
	}
	snprintf(text, sizeof(text), "8x8 DCT, quality %d, %u scales, %u copies%s", b->quality,
		 b->groups, b->copies, b->residual ? ", residual rows" : "");
	return nas_front_add_package(s->f, s->q, p, "rounding", text, 4096, s->why, s->cap);
}

/* One division of the rows, without and with residual rows of the last layer. */
static int run_groups(struct block *b)
{
	int r = first_layers(b);

	if (r == HV_OK)
		coefficients(b);
	for (unsigned k = 0; r == HV_OK && k < 2; k++) {
		b->residual = k > 0;
		r = second_layer(b);
		if (r == HV_OK)
			r = add(b);
	}
	return r;
}

/* Pixels minus 128 (N, n), from the columns of the data. */
static int run(struct block *b)
{
	size_t n = b->d.n;
	int r = HV_OK;

	for (size_t i = 0; i < N * n; i++)
		b->x[i] = (float)(b->d.in[i] - 128);
	for (b->copies = 1; r == HV_OK && b->copies <= COPIES_MAX; b->copies++)
		for (b->groups = 1; r == HV_OK && b->groups <= GROUPS_MAX; b->groups *= 4) {
			r = run_groups(b);
			nas_say(b->s->q, "scales",
				((b->copies - 1) * 3 + log2(b->groups) / 2) / (COPIES_MAX * 3),
				NAN);
		}
	return r;
}

int structure_block(struct structure *s)
{
	const struct harvest_task *t = s->q->task;
	struct block b = { .s = s };
	int r;

	if (sscanf(t->name, "jpeg%d", &b.quality) != 1 || b.quality < 1 || b.quality > 99 ||
	    tensor_elements(&t->in) != N || tensor_elements(&t->out) != N)
		return HV_E_NOENT;
	r = nas_data_draw(t, 1, 0, BLOCKS, &b.d, s->why, s->cap);
	if (r < 0)
		return r;
	b.x = malloc(sizeof(*b.x) * N * BLOCKS);
	b.q = malloc(sizeof(*b.q) * N * BLOCKS);
	b.first = malloc(sizeof(*b.first) * N * N);
	b.bias = malloc(N);
	b.second = malloc(2 * N * N);
	r = HV_E_NOMEM;
	if (b.x != NULL && b.q != NULL && b.first != NULL && b.bias != NULL && b.second != NULL)
		r = run(&b);
	nas_data_clear(&b.d);
	free(b.x);
	free(b.q);
	free(b.first);
	free(b.bias);
	free(b.second);
	return r;
}
