#include "accel/hostprog/hostprog.h"
#include "tasks/catalog.h"
#include "util/blob_f64.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include "util/own.h"
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static int refuse(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return HV_E_FORMAT;
}

struct hostprog *hostprog_new(void)
{
	return calloc(1, sizeof(struct hostprog));
}

void hostprog_free(struct hostprog *h)
{
	if (h == NULL)
		return;
	free(h->ins);
	free(h);
}

int hostprog_block_add(struct hostprog *h, enum hostprog_part part, uint32_t rows, uint32_t cols)
{
	if (h->n_blocks == HOSTPROG_BLOCKS_MAX)
		return HV_E_BUSY;
	h->block[h->n_blocks++] = (struct hostprog_block){
		.part = part, .rows = rows, .cols = cols, .first = h->n_ins
	};
	return HV_OK;
}

int hostprog_add(struct hostprog *h, struct hostprog_ins ins)
{
	struct hostprog_block *b = &h->block[h->n_blocks - 1];

	if (b->count == HOSTPROG_BLOCK_INS_MAX || h->n_ins == HOSTPROG_INS_MAX)
		return HV_E_BUSY;
	if ((h->n_ins & (h->n_ins - 1)) == 0) {
		size_t room = h->n_ins > 0 ? 2u * h->n_ins : 1;
		struct hostprog_ins *more = realloc(h->ins, room * sizeof(*more));

		if (more == NULL)
			return HV_E_NOMEM;
		h->ins = more;
	}
	h->ins[h->n_ins++] = ins;
	return (int)b->count++;
}

size_t hostprog_in_bytes(const struct hostprog *h)
{
	return h->in_elements * dtype_bytes(h->in_dtype);
}

size_t hostprog_out_bytes(const struct hostprog *h)
{
	return h->out_elements * dtype_bytes(h->out_dtype);
}

/* ---- check ---- */

static unsigned operands_of(enum hostprog_op op)
{
	switch (op) {
	case HP_ADD:
	case HP_SUB:
	case HP_MUL:
	case HP_DIV:
	case HP_MIN:
	case HP_MAX: return 2;
	case HP_SQRT:
	case HP_ABS:
	case HP_FLOOR:
	case HP_EMIT:
	case HP_RESULT: return 1;
	case HP_SELECT: return 3;
	default: return 0;
	}
}

static bool has_value(enum hostprog_op op)
{
	return op != HP_EMIT && op != HP_RESULT;
}

static bool has_index(enum hostprog_op op)
{
	return op == HP_IN || op == HP_WORD || op == HP_EMIT || op == HP_RESULT || op == HP_BYTE;
}

static int check_sizes(const struct hostprog *h, char *why, size_t cap)
{
	const struct {
		const char *what;
		uint64_t is, most;
	} rows[] = {
		{ "elements of a record", h->in_elements, HOSTPROG_ELEMENTS_MAX },
		{ "elements of an answer", h->out_elements, HOSTPROG_ELEMENTS_MAX },
		{ "channels", h->channels, HOSTPROG_PIXEL_BYTES_MAX },
		{ "bytes of pixels", (uint64_t)h->channels * h->pixels, HOSTPROG_PIXEL_BYTES_MAX },
		{ "output values", h->words, HOSTPROG_WORDS_MAX },
	};

	if (dtype_bytes(h->in_dtype) == 0 || dtype_bytes(h->out_dtype) == 0)
		return refuse(why, cap, "host program has unknown types %d and %d",
			      (int)h->in_dtype, (int)h->out_dtype);
	for (size_t i = 0; i < HV_ARRAY_SIZE(rows); i++)
		if (rows[i].is < 1 || rows[i].is > rows[i].most)
			return refuse(why, cap, "host program has %llu %s, not 1 to %llu",
				      (unsigned long long)rows[i].is, rows[i].what,
				      (unsigned long long)rows[i].most);
	return HV_OK;
}

/* Index of every run lies in 0..limit-1. */
static bool index_fits(const struct hostprog_block *b, const struct hostprog_ins *s, uint32_t limit)
{
	int64_t lo = s->index, hi = s->index;
	const uint32_t runs[2] = { b->rows, b->cols };

	for (int d = 0; d < 2; d++) {
		int64_t far = (int64_t)(runs[d] - 1) * s->step[d];

		if (far < 0)
			lo += far;
		else
			hi += far;
	}
	return lo >= 0 && hi < (int64_t)limit;
}

static uint32_t limit_of(const struct hostprog *h, enum hostprog_op op)
{
	switch (op) {
	case HP_IN: return h->in_elements;
	case HP_BYTE: return h->in_elements * (uint32_t)dtype_bytes(h->in_dtype);
	case HP_WORD: return h->words;
	case HP_EMIT: return h->pixels;
	default: return h->out_elements;
	}
}

static int check_ins(const struct hostprog *h, const struct hostprog_block *b, uint32_t i,
		     char *why, size_t cap)
{
	const struct hostprog_ins *ins = h->ins + b->first, *s = &ins[i];
	const uint16_t operand[3] = { s->a, s->b, s->c };
	bool of_other_part = b->part == HOSTPROG_ENCODE ? s->op == HP_WORD || s->op == HP_RESULT
							: s->op == HP_EMIT;

	if (s->op < HP_IN || s->op > HP_BYTE || of_other_part)
		return refuse(why, cap,
			      "host program: instruction %u has operation %d, which %s "
			      "does not have",
			      b->first + i, (int)s->op,
			      b->part == HOSTPROG_ENCODE ? "encoding" : "decoding");
	for (unsigned k = 0; k < operands_of(s->op); k++)
		if (operand[k] >= i || !has_value(ins[operand[k]].op))
			return refuse(why, cap,
				      "host program: instruction %u reads value %u, "
				      "which is none before it",
				      b->first + i, operand[k]);
	if (s->op == HP_EMIT && s->b >= h->channels)
		return refuse(why, cap, "host program: instruction %u emits channel %u of %u",
			      b->first + i, s->b, h->channels);
	if (!isfinite(s->k) || !isfinite(s->offset))
		return refuse(why, cap,
			      "host program: instruction %u has a constant that is no "
			      "finite number",
			      b->first + i);
	if (has_index(s->op) && !index_fits(b, s, limit_of(h, s->op)))
		return refuse(why, cap, "host program: instruction %u leaves 0..%u with its index",
			      b->first + i, limit_of(h, s->op) - 1);
	return HV_OK;
}

/* Marks what a block writes; items of a pixel are its channels. */
static void mark(const struct hostprog *h, const struct hostprog_block *b,
		 const struct hostprog_ins *s, uint8_t *seen)
{
	for (uint32_t row = 0; row < b->rows; row++)
		for (uint32_t col = 0; col < b->cols; col++) {
			size_t at = (size_t)((int64_t)s->index + (int64_t)row * s->step[0] +
					     (int64_t)col * s->step[1]);

			if (s->op == HP_EMIT)
				at = at * h->channels + s->b;
			seen[at] = 1;
		}
}

static int check_written(const struct hostprog *h, enum hostprog_part part, char *why, size_t cap)
{
	bool encodes = part == HOSTPROG_ENCODE;
	size_t n = encodes ? (size_t)h->channels * h->pixels : h->out_elements;
	hv_autofree uint8_t *seen = calloc(n, 1);

	if (seen == NULL)
		return HV_E_NOMEM;
	for (unsigned i = 0; i < h->n_blocks; i++) {
		const struct hostprog_block *b = &h->block[i];

		for (uint32_t k = 0; b->part == part && k < b->count; k++)
			if (h->ins[b->first + k].op == (encodes ? HP_EMIT : HP_RESULT))
				mark(h, b, &h->ins[b->first + k], seen);
	}
	for (size_t i = 0; i < n; i++)
		if (!seen[i])
			return refuse(why, cap, "host program never writes %s %zu",
				      encodes ? "input byte" : "result element", i);
	return HV_OK;
}

static int check_blocks(const struct hostprog *h, char *why, size_t cap)
{
	uint64_t steps[2] = { 0, 0 };
	uint32_t at = 0;

	for (unsigned i = 0; i < h->n_blocks; i++) {
		const struct hostprog_block *b = &h->block[i];
		int r = HV_OK;

		if (b->first != at || b->count < 1 || b->count > HOSTPROG_BLOCK_INS_MAX ||
		    b->rows < 1 || b->cols < 1 || b->rows > HOSTPROG_STEPS_MAX ||
		    b->cols > HOSTPROG_STEPS_MAX || (i > 0 && b->part < h->block[i - 1].part))
			return refuse(why, cap,
				      "host program: block %u has %u instructions, run "
				      "%u by %u times",
				      i, b->count, b->rows, b->cols);
		at += b->count;
		steps[b->part] += (uint64_t)b->rows * b->cols * b->count;
		if (at > h->n_ins || steps[b->part] > HOSTPROG_STEPS_MAX)
			return refuse(why, cap,
				      "host program: more than %d instructions are run "
				      "for a record",
				      HOSTPROG_STEPS_MAX);
		for (uint32_t k = 0; r == HV_OK && k < b->count; k++)
			r = check_ins(h, b, k, why, cap);
		if (r < 0)
			return r;
	}
	return at == h->n_ins ? HV_OK : refuse(why, cap, "host program has stray instructions");
}

int hostprog_check(const struct hostprog *h, char *why, size_t cap)
{
	int r;

	if (h->n_blocks > HOSTPROG_BLOCKS_MAX || h->n_ins > HOSTPROG_INS_MAX)
		return refuse(why, cap, "host program is too long");
	r = check_sizes(h, why, cap);
	if (r == HV_OK)
		r = check_blocks(h, why, cap);
	if (r == HV_OK)
		r = check_written(h, HOSTPROG_ENCODE, why, cap);
	if (r == HV_OK)
		r = check_written(h, HOSTPROG_DECODE, why, cap);
	return r;
}

/* ---- blob ---- */

static struct hostprog_ins read_ins(struct hv_rd *r)
{
	struct hostprog_ins s = { .op = (enum hostprog_op)hv_rd_u8(r) };
	unsigned n = operands_of(s.op);

	s.a = n > 0 ? hv_rd_u16(r) : 0;
	s.b = n > 1 || s.op == HP_EMIT ? hv_rd_u16(r) : 0;
	s.c = n > 2 ? hv_rd_u16(r) : 0;
	if (has_index(s.op)) {
		s.index = hv_rd_u32(r);
		s.step[0] = (int32_t)hv_rd_u32(r);
		s.step[1] = (int32_t)hv_rd_u32(r);
	}
	if (s.op == HP_CONST || s.op == HP_EMIT)
		s.k = hv_rd_f64(r);
	if (s.op == HP_EMIT)
		s.offset = hv_rd_f64(r);
	return s;
}

static void write_ins(struct hv_wr *w, const struct hostprog_ins *s)
{
	unsigned n = operands_of(s->op);

	hv_wr_u8(w, (uint8_t)s->op);
	if (n > 0)
		hv_wr_u16(w, s->a);
	if (n > 1 || s->op == HP_EMIT)
		hv_wr_u16(w, s->b);
	if (n > 2)
		hv_wr_u16(w, s->c);
	if (has_index(s->op)) {
		hv_wr_u32(w, s->index);
		hv_wr_u32(w, (uint32_t)s->step[0]);
		hv_wr_u32(w, (uint32_t)s->step[1]);
	}
	if (s->op == HP_CONST || s->op == HP_EMIT)
		hv_wr_f64(w, s->k);
	if (s->op == HP_EMIT)
		hv_wr_f64(w, s->offset);
}

static int read_block(struct hv_rd *r, struct hostprog *h, enum hostprog_part part, char *why,
		      size_t cap)
{
	uint32_t rows = hv_rd_u32(r), cols = hv_rd_u32(r), count = hv_rd_u16(r);
	int err = hostprog_block_add(h, part, rows, cols);

	for (uint32_t i = 0; err >= 0 && r->ok && i < count; i++)
		err = hostprog_add(h, read_ins(r));
	if (err == HV_E_BUSY)
		return refuse(why, cap, "host program has more than %d blocks or %d instructions",
			      HOSTPROG_BLOCKS_MAX, HOSTPROG_INS_MAX);
	return err < 0 ? err : HV_OK;
}

static int read_program(struct hv_rd *r, struct hostprog *h, char *why, size_t cap)
{
	uint8_t zero;
	unsigned n[2];

	h->in_dtype = (enum harvest_dtype)hv_rd_u8(r);
	h->out_dtype = (enum harvest_dtype)hv_rd_u8(r);
	zero = hv_rd_u8(r);
	h->in_elements = hv_rd_u32(r);
	h->out_elements = hv_rd_u32(r);
	h->channels = hv_rd_u32(r);
	h->pixels = hv_rd_u32(r);
	h->words = hv_rd_u32(r);
	n[0] = hv_rd_u16(r);
	n[1] = hv_rd_u16(r);
	for (unsigned i = 0; r->ok && i < n[0] + n[1]; i++) {
		int err = read_block(r, h, i < n[0] ? HOSTPROG_ENCODE : HOSTPROG_DECODE, why, cap);

		if (err < 0)
			return err;
	}
	if (!hv_rd_done(r) || zero != 0)
		return refuse(why, cap, "host program ends early, or has bytes behind its end");
	return hostprog_check(h, why, cap);
}

int hostprog_parse(const void *blob, size_t len, struct hostprog **to, char *why, size_t cap)
{
	struct hv_rd r = hv_rd_init(blob, len);
	struct hostprog *h = hostprog_new();
	uint8_t version = hv_rd_u8(&r);
	int err;

	if (h == NULL)
		return HV_E_NOMEM;
	if (version != HOSTPROG_VERSION) {
		refuse(why, cap, "host program has version %u, this program reads %d", version,
		       HOSTPROG_VERSION);
		hostprog_free(h);
		return HV_E_VERSION;
	}
	err = read_program(&r, h, why, cap);
	if (err < 0)
		hostprog_free(h);
	else
		*to = h;
	return err;
}

static unsigned blocks_of(const struct hostprog *h, enum hostprog_part part)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_blocks; i++)
		n += h->block[i].part == part;
	return n;
}

int hostprog_encode(const struct hostprog *h, uint8_t **blob, size_t *len)
{
	enum { HEAD = 32, BLOCK = 10, INS = 33 };
	size_t cap = HEAD + (size_t)BLOCK * h->n_blocks + (size_t)INS * h->n_ins;
	uint8_t *out = malloc(cap);
	struct hv_wr w = hv_wr_init(out, cap);

	if (out == NULL)
		return HV_E_NOMEM;
	hv_wr_u8(&w, HOSTPROG_VERSION);
	hv_wr_u8(&w, (uint8_t)h->in_dtype);
	hv_wr_u8(&w, (uint8_t)h->out_dtype);
	hv_wr_u8(&w, 0);
	hv_wr_u32(&w, h->in_elements);
	hv_wr_u32(&w, h->out_elements);
	hv_wr_u32(&w, h->channels);
	hv_wr_u32(&w, h->pixels);
	hv_wr_u32(&w, h->words);
	hv_wr_u16(&w, (uint16_t)blocks_of(h, HOSTPROG_ENCODE));
	hv_wr_u16(&w, (uint16_t)blocks_of(h, HOSTPROG_DECODE));
	for (unsigned i = 0; i < h->n_blocks; i++) {
		const struct hostprog_block *b = &h->block[i];

		hv_wr_u32(&w, b->rows);
		hv_wr_u32(&w, b->cols);
		hv_wr_u16(&w, (uint16_t)b->count);
		for (uint32_t k = 0; k < b->count; k++)
			write_ins(&w, &h->ins[b->first + k]);
	}
	*blob = out;
	*len = hv_wr_len(&w);
	return HV_OK;
}
