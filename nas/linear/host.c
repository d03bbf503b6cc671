#include "nas/linear/host.h"
#include <math.h>

/* Host programs of linear maps: bytes out of elements, and results out of words. */

static int add(struct hostprog *h, enum hostprog_op op, int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	return hostprog_add(h,
			    (struct hostprog_ins){ .op = op, .a = (uint16_t)a, .b = (uint16_t)b });
}

static int constant(struct hostprog *h, double k)
{
	return hostprog_add(h, (struct hostprog_ins){ .op = HP_CONST, .k = k });
}

static int emit(struct hostprog *h, int value, unsigned channel, unsigned pixel, int step, double k,
		double offset)
{
	if (value < 0)
		return value;
	return hostprog_add(h, (struct hostprog_ins){ .op = HP_EMIT,
						      .a = (uint16_t)value,
						      .b = (uint16_t)channel,
						      .index = pixel,
						      .step = { step, 0 },
						      .k = k,
						      .offset = offset });
}

/* k * x + offset; the constants of a block are made once. */
static int coded(struct hostprog *h, struct nas_host_consts *c, const struct nas_code *code, int x)
{
	if (c->gain < 0 || c->k != code->k) {
		c->gain = constant(h, code->k);
		c->k = code->k;
	}
	x = add(h, HP_MUL, x, c->gain);
	if (code->offset == 0)
		return x;
	if (c->offset < 0 || c->o != code->offset) {
		c->offset = constant(h, code->offset);
		c->o = code->offset;
	}
	return add(h, HP_ADD, x, c->offset);
}

int nas_host_emit(struct hostprog *h, struct nas_host_consts *c, const struct nas_code *code,
		  unsigned parts, int element, unsigned channel, unsigned pixel,
		  unsigned parts_apart, int element_step)
{
	int step = element_step != 0 ? 1 : 0;
	int x, t, high, r;

	if (element < 0)
		x = constant(h, 0);
	else
		x = hostprog_add(h, (struct hostprog_ins){ .op = HP_IN,
							   .index = (uint32_t)element,
							   .step = { element_step, 0 } });
	if (parts == 1)
		return emit(h, x, channel, pixel, step, code->k, code->offset);
	t = coded(h, c, code, x);
	high = add(h, HP_FLOOR, t, 0);
	r = emit(h, x, channel, pixel, step, code->k, code->offset - 0.5);
	if (r < 0)
		return r;
	return emit(h, add(h, HP_SUB, t, high), channel, pixel + parts_apart, step, 256, -128);
}

/* ---- encoding ---- */

static struct nas_host_consts no_consts(void)
{
	return (struct nas_host_consts){ .gain = -1, .offset = -1 };
}

enum { EMIT_INS = 9 }; /* of nas_host_emit() at most */

/* A block that has room for one more channel. */
static int room(struct hostprog *h, struct nas_host_consts *c, uint32_t rows, bool fresh)
{
	unsigned last = h->n_blocks;

	if (!fresh && h->block[last - 1].count + EMIT_INS < HOSTPROG_BLOCK_INS_MAX)
		return HV_OK;
	*c = no_consts();
	return hostprog_block_add(h, HOSTPROG_ENCODE, rows, 1);
}

/* Element of pixel p, channel q; -1: beside the record. */
static int element_at(const struct nas_layout *l, unsigned p, unsigned q)
{
	const struct nas_form *f = l->f;
	int e;

	if (f->element != NULL)
		return f->element[q];
	e = f->first + (int)(f->in_step * p + q);
	return e >= 0 && e < (int)l->map->ins ? e : -1;
}

/* All channels of pixels p .. p + rows - 1, whose elements are all there or rows is 1. */
static int encode_pixels(const struct nas_layout *l, struct hostprog *h, unsigned p, unsigned rows)
{
	const struct nas_form *f = l->f;
	struct nas_host_consts c = no_consts();
	int r = HV_OK;

	for (unsigned q = 0; r >= 0 && q < f->in_step; q++) {
		r = room(h, &c, rows, q == 0);
		if (r == HV_OK)
			r = nas_host_emit(h, &c, &l->code[q], l->g->parts, element_at(l, p, q), q,
					  p, f->pixels, rows > 1 ? (int)f->in_step : 0);
	}
	return r < 0 ? r : HV_OK;
}

static bool is_inside(const struct nas_layout *l, unsigned p)
{
	return element_at(l, p, 0) >= 0 && element_at(l, p, l->f->in_step - 1) >= 0;
}

static int encode(const struct nas_layout *l, struct hostprog *h)
{
	const struct nas_form *f = l->f;
	int r = HV_OK;

	for (unsigned p = 0, n; r == HV_OK && p < f->pixels; p += n) {
		n = 1;
		while (is_inside(l, p) && p + n < f->pixels && is_inside(l, p + n))
			n++;
		r = encode_pixels(l, h, p, n);
	}
	if (r == HV_OK && l->ones > 0)
		r = hostprog_block_add(h, HOSTPROG_ENCODE, 1, 1);
	for (unsigned i = 0; r >= 0 && i < l->ones * l->g->parts; i++)
		r = emit(h, constant(h, 127), f->in_step + i % l->ones, i / l->ones, 0, 1, 0);
	return r < 0 ? r : HV_OK;
}

/* ---- decoding ---- */

static int word(struct hostprog *h, size_t index, unsigned step)
{
	return hostprog_add(h, (struct hostprog_ins){ .op = HP_WORD,
						      .index = (uint32_t)index,
						      .step = { (int32_t)step, 0 } });
}

/* unit * (sum of the words of row j at output pixel i), by set and part. */
static int weighted_sum(const struct nas_layout *l, struct hostprog *h, unsigned i, unsigned j,
			bool runs, double unit)
{
	const struct nas_form *f = l->f;
	const struct nas_rung *g = l->g;
	size_t height = (size_t)g->parts * f->pixels - f->kernel + 1;
	int sum = -1;

	for (unsigned s = 0; s < g->sets; s++)
		for (unsigned part = 0; part < g->parts; part++) {
			size_t pixel = (size_t)part * f->pixels + i;
			size_t at = (s * height + pixel) * f->out_step + j;
			double k = unit * (s == 0 ? g->scale : 1) * (part == 0 ? 1 : 1 / 256.0);
			int v = add(h, HP_MUL, word(h, at, runs ? f->out_step : 0), constant(h, k));

			if (v < 0)
				return v;
			sum = sum < 0 ? v : add(h, HP_ADD, sum, v);
		}
	return sum;
}

/* Result r, and with runs those of the pixels that follow. */
static int result(const struct nas_layout *l, struct hostprog *h, unsigned r, bool runs)
{
	const struct nas_form *f = l->f;
	unsigned i = f->row != NULL ? 0 : r / f->out_step;
	unsigned j = f->row != NULL ? f->row[r] : r % f->out_step;
	double factor = f->row != NULL ? f->factor[r] : 1, offset = l->map->offset[r];
	int v;

	if (j != NAS_NO_ROW)
		offset += factor * l->constant[j];
	v = constant(h, offset);
	if (j != NAS_NO_ROW && v >= 0)
		v = add(h, HP_ADD, weighted_sum(l, h, i, j, runs, factor * l->unit[j]), v);
	if (isfinite(l->map->least[r]) && v >= 0)
		v = add(h, HP_MAX, v, constant(h, l->map->least[r]));
	if (isfinite(l->map->most[r]) && v >= 0)
		v = add(h, HP_MIN, v, constant(h, l->map->most[r]));
	if (v < 0)
		return v;
	return hostprog_add(
		h, (struct hostprog_ins){ .op = HP_RESULT,
					  .a = (uint16_t)v,
					  .index = r,
					  .step = { runs ? (int32_t)f->out_step : 0, 0 } });
}

enum { RESULT_INS = 24 };

/* n results from r on, in blocks of `rows` runs. */
static int decode_results(const struct nas_layout *l, struct hostprog *h, unsigned r, unsigned n,
			  uint32_t rows)
{
	int e = HV_OK;

	for (unsigned i = 0; e >= 0 && i < n; i++) {
		if (i == 0 ||
		    h->block[h->n_blocks - 1].count + RESULT_INS >= HOSTPROG_BLOCK_INS_MAX)
			e = hostprog_block_add(h, HOSTPROG_DECODE, rows, 1);
		if (e >= 0)
			e = result(l, h, r + i, rows > 1);
	}
	return e < 0 ? e : HV_OK;
}

/* Offsets and limits are the same in all pixels. */
static bool is_uniform(const struct nas_layout *l)
{
	const struct nas_map *m = l->map;

	for (unsigned r = l->f->out_step; r < m->outs; r++)
		if (m->offset[r] != m->offset[r - l->f->out_step] ||
		    m->least[r] != m->least[r - l->f->out_step] ||
		    m->most[r] != m->most[r - l->f->out_step])
			return false;
	return true;
}

static int decode(const struct nas_layout *l, struct hostprog *h)
{
	unsigned outs = l->map->outs, full = outs / l->f->out_step, left = outs % l->f->out_step;
	int r;

	if (l->f->row != NULL || full < 2 || !is_uniform(l))
		return decode_results(l, h, 0, outs, 1);
	r = decode_results(l, h, 0, l->f->out_step, full);
	return r == HV_OK && left > 0 ? decode_results(l, h, outs - left, left, 1) : r;
}

int nas_layout_program(const struct nas_layout *l, struct hostprog *h)
{
	int r = encode(l, h);

	return r == HV_OK ? decode(l, h) : r;
}
