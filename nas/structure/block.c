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
 * of the blocks. Rows differ in size by a factor of ten, but have one shift: pixels come several
 * times, so that the weights of small rows are fine enough. The last layer is solved by least
 * squares on the coefficients that the first one really gives; residual rows make those outputs
 * finer that gain most by it.
 *
 * Two layers are what a board can restore in time: layers are in all quadrants. */
enum { SIDE = 8, N = 64, BLOCKS = 32768, RESIDUAL_STEP = 200, COPIES_MAX = 6 };

/* How many outputs have a residual row. */
static const unsigned residuals[] = { 0, 32, 48, 58, N };

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
	int shift; /* of the first layer */
	unsigned order[N]; /* of coefficients by the size of their rows, largest first: the last
			      layer's weights are rounded from the smallest on */
	float *x, *q; /* (N, records): pixels minus 128, coefficients */
	int16_t *first; /* (N, N): sums of the copies' weights */
	int8_t *bias; /* (N) */
	struct {
		int8_t alone[N], base[N], residual[N]; /* a row; or one that two rows add up to */
		double unit, constant; /* alone */
		double base_unit, sum_constant; /* the residual row's is finer */
	} out[N];
	unsigned finer[N]; /* outputs, those first whose error a residual row lessens most */
	unsigned residuals;
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

/* The least with which the largest weight still fits. */
static int shift_for(const struct block *b)
{
	return 7 + (int)ceil(log2(largest(b->order[0], b->quality) / (127.0 * b->copies)));
}

static void sort(struct block *b)
{
	for (unsigned i = 0; i < N; i++) {
		unsigned at = i;

		for (; at > 0 && largest(b->order[at - 1], b->quality) < largest(i, b->quality);
		     at--)
			b->order[at] = b->order[at - 1];
		b->order[at] = i;
	}
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
static int first_layer(struct block *b)
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
	b->shift = shift_for(b);
	wanted(b, t);
	r = nas_gram_make(b->x, N, t, N, w, n, &g);
	if (r < 0)
		return r;
	for (unsigned c = 0; r == HV_OK && c < N; c++) {
		const double unit = ldexp(1, b->shift - 7);

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
			int right = 7 - b->shift;

			for (unsigned k = 0; k < N; k++)
				acc += b->first[c * N + k] * (int32_t)b->x[k * n + i];
			acc = (acc + (1 << (right - 1))) >> right;
			b->q[c * n + i] = (float)(acc > 127 ? 127 : acc < -128 ? -128 : acc);
		}
}

/* A row that reaches everything, and what it leaves in a finer unit. */
static int two_rows(struct block *b, const struct nas_gram *g, unsigned p, double unit, double *err)
{
	const double finer = unit / RESIDUAL_STEP;
	uint8_t group[N + 1] = { 0 };
	double base[N + 1] = { 0 };
	int32_t q[N + 1];
	int r = nas_gram_round(g, p, 1e-7, group, &unit, 127, NULL, q, &base[0], err);

	base[0] = 0;
	for (unsigned c = 0; r == HV_OK && c < N; c++) {
		b->out[p].base[c] = (int8_t)q[c + 1];
		base[c + 1] = unit * q[c + 1];
	}
	if (r == HV_OK)
		r = nas_gram_round(g, p, 1e-9, group, &finer, 127, base, q, &b->out[p].sum_constant,
				   err);
	for (unsigned c = 0; r == HV_OK && c < N; c++)
		b->out[p].residual[c] = (int8_t)q[c + 1];
	b->out[p].base_unit = unit;
	return r;
}

/* One row, in the best of some units. */
static int one_row(struct block *b, const struct nas_gram *g, unsigned p, double most, double *best)
{
	uint8_t group[N + 1] = { 0 };

	*best = INFINITY;
	for (int k = 0; k < 10; k++) {
		double unit = most / 127 * pow(0.93, k), constant, err;
		int32_t q[N + 1];
		int r = nas_gram_round(g, p, 1e-7, group, &unit, 127, NULL, q, &constant, &err);

		if (r < 0)
			return r;
		if (err >= *best)
			continue;
		*best = err;
		b->out[p].unit = unit;
		b->out[p].constant = constant;
		for (unsigned c = 0; c < N; c++)
			b->out[p].alone[c] = (int8_t)q[c + 1];
	}
	return HV_OK;
}

/* Both ways to have output p; what the residual row gains. */
static int output(struct block *b, const struct nas_gram *g, unsigned p, double *gain)
{
	double coef[N + 1], most = 0, one, two;
	int r = nas_gram_solve(g, p, 1e-7, coef, &one);

	for (unsigned c = 1; r == HV_OK && c <= N; c++)
		most = fmax(most, fabs(coef[c]));
	if (r == HV_OK)
		r = one_row(b, g, p, most, &one);
	if (r == HV_OK)
		r = two_rows(b, g, p, most / 127, &two);
	if (r == HV_OK)
		*gain = one - two;
	return r;
}

static int second_layer(struct block *b)
{
	size_t n = b->d.n;
	hv_autofree double *w = malloc(sizeof(*w) * n);
	double gain[N];
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
		unsigned at = p;

		r = output(b, &g, p, &gain[p]);
		for (; r == HV_OK && at > 0 && gain[b->finer[at - 1]] < gain[p]; at--)
			b->finer[at] = b->finer[at - 1];
		b->finer[at] = p;
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

/* Output p: word p and, unless 0, the word of its residual row. */
static int decode_output(const struct block *b, struct hostprog *h, unsigned p, unsigned finer)
{
	bool two = finer > 0;
	double constant = two ? b->out[p].sum_constant : b->out[p].constant;
	double unit = two ? b->out[p].base_unit : b->out[p].unit;
	int sum = put(h, HP_CONST, 0, 0, 0, constant);

	for (unsigned set = 0; set < (two ? 2 : 1); set++) {
		int word = put(h, HP_WORD, 0, 0, set == 0 ? p : finer, 0);
		int product = put(h, HP_MUL, word, put(h, HP_CONST, 0, 0, 0, unit), 0, 0);

		sum = put(h, HP_ADD, sum, product, 0, 0);
		unit /= RESIDUAL_STEP;
	}
	return put(h, HP_RESULT, sum, 0, p, 0);
}

static int decode(const struct block *b, struct hostprog *h)
{
	unsigned finer[N] = { 0 };
	int r = hostprog_block_add(h, HOSTPROG_DECODE, 1, 1);

	for (unsigned i = 0; i < b->residuals; i++)
		finer[b->finer[i]] = N + i;
	for (unsigned p = 0; r >= 0 && p < N; p++)
		r = decode_output(b, h, p, finer[p]);
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

/* Weights of the first layer, shared out to the copies of their pixels. */
static int8_t *share(const struct block *b)
{
	int8_t *to = malloc((size_t)N * N * b->copies), *w = to;
	int n = (int)b->copies;

	for (unsigned r = 0; to != NULL && r < N; r++)
		for (int c = 0; c < n; c++)
			for (unsigned k = 0; k < N; k++) {
				/* floor((sum + c) / n): they add up to the sum */
				int sum = b->first[r * N + k] + c + 128 * n;

				*w++ = (int8_t)(sum / n - 128);
			}
	return to;
}

/* Rows of all outputs, then the residual rows that are wanted. */
static int8_t *last_rows(const struct block *b)
{
	int8_t *to = malloc((size_t)(N + b->residuals) * N);

	for (unsigned p = 0; to != NULL && p < N; p++)
		memcpy(to + (size_t)p * N, b->out[p].alone, N);
	for (unsigned i = 0; to != NULL && i < b->residuals; i++) {
		unsigned p = b->finer[i];

		memcpy(to + (size_t)p * N, b->out[p].base, N);
		memcpy(to + (size_t)(N + i) * N, b->out[p].residual, N);
	}
	return to;
}

static int layers(const struct block *b, struct package *p)
{
	struct cnn_layer *first, *last;

	p->net.channels = (uint16_t)(N * b->copies);
	p->net.height = p->net.width = 1;
	first = structure_layer(p, CNN_OP_LINEAR, CNN_FROM_INPUT, N * b->copies, N, share(b),
				copy(b->bias, N));
	first->shift = (int8_t)b->shift;
	last = structure_layer(p, CNN_OP_LINEAR, 0, N, N + b->residuals, last_rows(b), NULL);
	last->out_bits = 32;
	last->is_output = true;
	if (first->weights == NULL || first->bias == NULL || last->weights == NULL)
		return HV_E_NOMEM;
	return nas_pack_steps(p);
}

static int add(const struct block *b)
{
	struct structure *s = b->s;
	struct package *p = calloc(1, sizeof(*p));
	struct hostprog *host = NULL;
	char text[64];
	int r;

	if (p == NULL)
		return HV_E_NOMEM;
	r = layers(b, p);
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
	snprintf(text, sizeof(text), "8x8 DCT, quality %d, %u copies, %u residual rows", b->quality,
		 b->copies, b->residuals);
	return nas_front_add_package(s->f, s->q, p, "rounding", text, 4096, s->why, s->cap);
}

/* One number of copies, with more and more residual rows. */
static int run_copies(struct block *b)
{
	int r = first_layer(b);

	if (r == HV_OK) {
		coefficients(b);
		r = second_layer(b);
	}
	for (unsigned k = 0; r == HV_OK && k < HV_ARRAY_SIZE(residuals); k++) {
		b->residuals = residuals[k];
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
	sort(b);
	for (b->copies = 1; r == HV_OK && b->copies <= COPIES_MAX; b->copies++) {
		if (b->copies > 1 && shift_for(b) == b->shift)
			continue; /* no finer */
		r = run_copies(b);
		nas_say(b->s->q, "copies", (double)b->copies / COPIES_MAX, NAN);
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
	r = HV_E_NOMEM;
	if (b.x != NULL && b.q != NULL && b.first != NULL && b.bias != NULL)
		r = run(&b);
	nas_data_clear(&b.d);
	free(b.x);
	free(b.q);
	free(b.first);
	free(b.bias);
	return r;
}
