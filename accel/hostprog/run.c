#include "accel/hostprog/hostprog.h"
#include "accel/hostprog/element.h"
#include <math.h>
#include <stdbool.h>

/* Compiled with -ffp-contract=off: a fused multiply-add would round once where the definition
 * rounds twice. */
static inline double apply(enum hostprog_op op, double a, double b, double c)
{
	switch (op) {
	case HP_ADD: return a + b;
	case HP_SUB: return a - b;
	case HP_MUL: return a * b;
	case HP_DIV: return a / b;
	case HP_SQRT: return sqrt(a);
	case HP_MIN: return a < b ? a : b;
	case HP_MAX: return a > b ? a : b;
	case HP_ABS: return fabs(a);
	case HP_FLOOR: return floor(a);
	case HP_SELECT: return a > 0 ? b : c;
	default: return 0;
	}
}

static inline int8_t emitted(double a, double gain, double offset)
{
	double v = floor(gain * a + offset + 0.5);

	if (isnan(v))
		return 0;
	return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

void hostprog_column(enum hostprog_op op, size_t n, const double *a, const double *b,
		     const double *c, double *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = apply(op, a[i], b != NULL ? b[i] : 0, c != NULL ? c[i] : 0);
}

void hostprog_emit_column(size_t n, const double *a, double gain, double offset, int8_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = emitted(a[i], gain, offset);
}

double hostprog_element(const struct hostprog *h, const void *record, uint32_t element)
{
	return element_load(h->in_dtype, record, element);
}

/* What a run reads and writes. */
struct running {
	const struct hostprog *h;
	const uint8_t *record;
	const int32_t *words;
	int8_t *pixels;
	uint8_t *answer;
	uint32_t row, col;
};

static size_t index_of(const struct running *r, const struct hostprog_ins *s)
{
	return (size_t)((int64_t)s->index + (int64_t)r->row * s->step[0] +
			(int64_t)r->col * s->step[1]);
}

static double step(const struct running *r, const struct hostprog_ins *s, const double *value)
{
	const struct hostprog *h = r->h;

	switch (s->op) {
	case HP_IN: return element_load(h->in_dtype, r->record, index_of(r, s));
	case HP_BYTE: return r->record[index_of(r, s)];
	case HP_WORD: return r->words[index_of(r, s)];
	case HP_CONST: return s->k;
	case HP_EMIT:
		r->pixels[index_of(r, s) * h->channels + s->b] =
			emitted(value[s->a], s->k, s->offset);
		return 0;
	case HP_RESULT:
		element_store(h->out_dtype, r->answer, index_of(r, s), value[s->a]);
		return 0;
	default: return apply(s->op, value[s->a], value[s->b], value[s->c]);
	}
}

static void run_block(struct running *r, const struct hostprog_block *b)
{
	const struct hostprog_ins *ins = r->h->ins + b->first;
	double value[HOSTPROG_BLOCK_INS_MAX];

	value[0] = 0; /* what absent operands name */
	for (r->row = 0; r->row < b->rows; r->row++)
		for (r->col = 0; r->col < b->cols; r->col++)
			for (uint32_t i = 0; i < b->count; i++)
				value[i] = step(r, &ins[i], value);
}

static void run_part(struct running *r, enum hostprog_part part)
{
	for (unsigned i = 0; i < r->h->n_blocks; i++)
		if (r->h->block[i].part == part)
			run_block(r, &r->h->block[i]);
}

uint64_t hostprog_steps(const struct hostprog *h, enum hostprog_part part)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < h->n_blocks; i++)
		if (h->block[i].part == part)
			sum += (uint64_t)h->block[i].rows * h->block[i].cols * h->block[i].count;
	return sum;
}

void hostprog_run_encode(const struct hostprog *h, const void *record, int8_t *pixels)
{
	struct running r = { .h = h, .record = record, .pixels = pixels };

	run_part(&r, HOSTPROG_ENCODE);
}

void hostprog_run_decode(const struct hostprog *h, const void *record, const int32_t *words,
			 void *answer)
{
	struct running r = { .h = h, .record = record, .words = words, .answer = answer };

	run_part(&r, HOSTPROG_DECODE);
}
