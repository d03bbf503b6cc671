#include "accel/hostprog/hostprog.h"
#include <math.h>
#include <stdbool.h>

/* Cycles on a Cortex-M4F, flash without wait states, single precision, a loop over records with
 * constants in registers. Source: Arm Cortex-M4 Technical Reference Manual (100166), tables of
 * processor and of FPU instruction timings: VADD, VSUB, VMUL, VABS, VCMP, VCVT, VMOV, VMRS 1;
 * VDIV, VSQRT 14; SSAT, USAT 1; single loads and stores 2, pipelined with their neighbours 1.
 *
 * A byte element that is emitted as it is, or with its sign bit turned, costs a quarter of the
 * load, exclusive or and store of the four it shares a word with. An integer element that is
 * emitted with a power of two as gain stays an integer: ADD 1 of the offset and the half, SSAT
 * with its shift 1, STRB 1. Upper bytes (gain 2^-8, offset -1/2) and lower ones (BYTE, sign bit
 * turned) of int16 elements are sorted apart four samples at a time: 2 loads, 4 UXTB16, 2 ORR, EOR
 * and 2 stores are 11 cycles for 8 bytes, counted as 1 for an upper and 2 for a lower byte.
 *
 * An integer times 2^-1 to 2^-32 is converted and scaled by one VCVT, which takes fraction bits.
 */
enum {
	LOAD_CYCLES = 1,
	CONVERT_CYCLES = 1,
	ARITHMETIC_CYCLES = 1,
	DIVIDE_CYCLES = 14,
	COMPARE_CYCLES = 3, /* VCMP, VMRS, conditional VMOV */
	FLOOR_CYCLES = 4, /* there and back, and a correction below zero */
	EMIT_CYCLES = 6, /* VMUL, VADD, VCVT, VMOV, SSAT, STRB */
	COPY_CYCLES = 1,
	LOWER_CYCLES = 2,
	INTEGER_CYCLES = 3, /* of an emit or a result */
	STORE_CYCLES = 1,
};

static bool is_float(enum harvest_dtype t)
{
	return t == HARVEST_F32 || t == HARVEST_F64;
}

static bool copies_byte(const struct hostprog *h, const struct hostprog_ins *s)
{
	if (h->in_dtype == HARVEST_U8)
		return s->k == 1 && s->offset == -128;
	if (h->in_dtype == HARVEST_S16)
		return s->k == 0x1p-8 && s->offset == -0.5;
	return h->in_dtype == HARVEST_S8 && s->k == 1 && s->offset == 0;
}

static bool shifts_integer(const struct hostprog *h, const struct hostprog_ins *s)
{
	int exponent;

	return !is_float(h->in_dtype) && s->k > 0 && frexp(s->k, &exponent) == 0.5 &&
	       exponent <= 1 && exponent > -15 && fmod((s->offset + 0.5) / s->k, 1) == 0;
}

static bool reads_values(enum hostprog_op op)
{
	return op != HP_IN && op != HP_CONST && op != HP_WORD && op != HP_BYTE;
}

/* An emit of a BYTE with its sign bit turned. */
static bool turns_byte(const struct hostprog *h, const struct hostprog_ins *s)
{
	(void)h;
	return s->k == 1 && s->offset == -128;
}

/* Value i of the block is an element that only instructions of that kind read. */
static bool only_read_by(const struct hostprog *h, const struct hostprog_block *b, uint32_t i,
			 bool (*kind)(const struct hostprog *, const struct hostprog_ins *))
{
	const struct hostprog_ins *ins = h->ins + b->first;

	for (uint32_t k = i + 1; k < b->count; k++) {
		const struct hostprog_ins *s = &ins[k];
		bool one = s->op == HP_EMIT || s->op == HP_RESULT;

		if (!reads_values(s->op))
			continue;
		if (one && s->a == i && !(s->op == HP_EMIT && kind(h, s)))
			return false;
		if (!one && (s->a == i || (s->op != HP_SQRT && s->op != HP_ABS &&
					   s->op != HP_FLOOR && (s->b == i || s->c == i))))
			return false;
	}
	return true;
}

/* How often the block reads value i. */
static unsigned readers(const struct hostprog_block *b, const struct hostprog_ins *ins, uint32_t i)
{
	unsigned n = 0;

	for (uint32_t k = i + 1; k < b->count; k++) {
		const struct hostprog_ins *s = &ins[k];
		bool one = s->op == HP_EMIT || s->op == HP_RESULT || s->op == HP_SQRT ||
			   s->op == HP_ABS || s->op == HP_FLOOR;

		if (!reads_values(s->op))
			continue;
		n += s->a == i;
		n += !one && s->b == i;
		n += s->op == HP_SELECT && s->c == i;
	}
	return n;
}

/* A product that the conversion of its integer makes. */
static bool scales_in_conversion(const struct hostprog *h, const struct hostprog_block *b,
				 const struct hostprog_ins *s)
{
	const struct hostprog_ins *ins = h->ins + b->first;
	uint32_t from = ins[s->a].op == HP_CONST ? s->b : s->a;
	double k = ins[from == s->a ? s->b : s->a].k;
	bool integer = ins[from].op == HP_WORD || (ins[from].op == HP_IN && !is_float(h->in_dtype));
	int exponent;

	if (!integer || ins[from == s->a ? s->b : s->a].op != HP_CONST || !(k > 0))
		return false;
	return frexp(k, &exponent) == 0.5 && exponent <= 0 && exponent > -32 &&
	       readers(b, ins, from) == 1;
}

static uint64_t cycles_of(const struct hostprog *h, const struct hostprog_block *b, uint32_t i)
{
	const struct hostprog_ins *s = &h->ins[b->first + i];
	const struct hostprog_ins *from = &h->ins[b->first + s->a];

	switch (s->op) {
	case HP_IN:
		if (only_read_by(h, b, i, copies_byte))
			return 0;
		if (only_read_by(h, b, i, shifts_integer))
			return LOAD_CYCLES;
		return LOAD_CYCLES + (is_float(h->in_dtype) ? 0 : CONVERT_CYCLES);
	case HP_BYTE: return only_read_by(h, b, i, turns_byte) ? 0 : LOAD_CYCLES + CONVERT_CYCLES;
	case HP_WORD: return LOAD_CYCLES + CONVERT_CYCLES;
	case HP_CONST: return 0;
	case HP_ADD:
	case HP_SUB:
	case HP_ABS: return ARITHMETIC_CYCLES;
	case HP_MUL: return scales_in_conversion(h, b, s) ? 0 : ARITHMETIC_CYCLES;
	case HP_DIV:
	case HP_SQRT: return DIVIDE_CYCLES;
	case HP_MIN:
	case HP_MAX:
	case HP_SELECT: return COMPARE_CYCLES;
	case HP_FLOOR: return FLOOR_CYCLES;
	case HP_EMIT:
		if (from->op == HP_BYTE && turns_byte(h, s))
			return LOWER_CYCLES;
		if (from->op != HP_IN)
			return EMIT_CYCLES;
		return copies_byte(h, s)      ? COPY_CYCLES
		       : shifts_integer(h, s) ? INTEGER_CYCLES
					      : EMIT_CYCLES;
	case HP_RESULT: return STORE_CYCLES + (is_float(h->out_dtype) ? 0 : 2 * CONVERT_CYCLES);
	}
	return 0;
}

uint64_t hostprog_cycles(const struct hostprog *h, enum hostprog_part part)
{
	uint64_t sum = 0;

	for (unsigned n = 0; n < h->n_blocks; n++) {
		const struct hostprog_block *b = &h->block[n];
		uint64_t once = 0;

		if (b->part != part)
			continue;
		for (uint32_t i = 0; i < b->count; i++)
			once += cycles_of(h, b, i);
		sum += once * b->rows * b->cols;
	}
	return sum;
}
