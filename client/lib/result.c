#include "client/lib/result.h"
#include <stdlib.h>
#include <string.h>

/* Wire types of protobuf. */
enum { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };

enum kind { SKIP, STRING, U32, U64, S32, BOOL, DOUBLE, MESSAGE };

struct span {
	uint8_t *p, *end;
};

struct table;
struct field {
	enum kind kind;
	size_t at; /* offset in the struct; of MESSAGE unused */
	int (*message)(void *into, struct span s);
};
struct table {
	const struct field *field; /* index: field number */
	uint32_t count;
};

static int part_add(void *into, struct span s);
static int times_decode(void *into, struct span s);

/* clang-format off */
#define AT(type, member) offsetof(struct type, member)
static const struct field result_field[] = {
	[1]  = { STRING,  AT(result, job), NULL },
	[2]  = { STRING,  AT(result, task), NULL },
	[3]  = { U32,     AT(result, records), NULL },
	[4]  = { BOOL,    AT(result, ok), NULL },
	[5]  = { S32,     AT(result, code), NULL },
	[6]  = { MESSAGE, 0, part_add },
	[7]  = { STRING,  AT(result, metric), NULL },
	[8]  = { BOOL,    AT(result, has_certified), NULL },
	[9]  = { DOUBLE,  AT(result, certified), NULL },
	[10] = { BOOL,    AT(result, has_budget), NULL },
	[11] = { DOUBLE,  AT(result, budget), NULL },
	[12] = { MESSAGE, 0, times_decode },
	[13] = { DOUBLE,  AT(result, board_energy_uj), NULL },
	[14] = { DOUBLE,  AT(result, cpu_energy_uj), NULL },
	[15] = { STRING,  AT(result, why), NULL },
	[16] = { STRING,  AT(result, state), NULL },
};
static const struct field part_field[] = {
	[1] = { STRING, AT(result_part, part.where), NULL },
	[2] = { STRING, AT(result_part, part.board), NULL },
	[3] = { STRING, AT(result_part, part.model), NULL },
	[4] = { U32,    AT(result_part, part.records), NULL },
	[5] = { U32,    AT(result_part, part.records_retried), NULL },
	[6] = { DOUBLE, AT(result_part, certified), NULL },
};
static const struct field times_field[] = {
	[1] = { U64, AT(result, admit_us), NULL },
	[2] = { U64, AT(result, queue_us), NULL },
	[3] = { U64, AT(result, transfer_us), NULL },
	[4] = { U64, AT(result, compute_us), NULL },
	[5] = { U64, AT(result, deliver_us), NULL },
	[6] = { U64, AT(result, total_us), NULL },
};
#undef AT
#define TABLE(f) { (f), sizeof(f) / sizeof((f)[0]) }
static const struct table tables[] = {
	[RESULT_TABLE_RESULT] = TABLE(result_field),
	[RESULT_TABLE_PART]   = TABLE(part_field),
	[RESULT_TABLE_TIMES]  = TABLE(times_field),
};
/* clang-format on */

const char *result_field_kind(enum result_table t, uint32_t number)
{
	static const char *const name[] = { NULL,     "string", "uint32", "uint64",
					    "sint32", "bool",   "double", "message" };

	return number < tables[t].count ? name[tables[t].field[number].kind] : NULL;
}

static int take_varint(struct span *s, uint64_t *value)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (s->p == s->end)
			return HV_E_FRAME;
		v |= (uint64_t)(*s->p & 0x7f) << shift;
		if ((*s->p++ & 0x80) == 0) {
			*value = v;
			return HV_OK;
		}
	}
	return HV_E_FRAME;
}

/* The value of one field, in the shapes it can have on the wire. */
struct value {
	unsigned wire;
	uint64_t number; /* VARINT, I64, I32 */
	struct span bytes; /* LEN */
};

static int take_value(struct span *s, struct value *v)
{
	size_t left = (size_t)(s->end - s->p), n = 0;
	int err;

	switch (v->wire) {
	case WIRE_VARINT: return take_varint(s, &v->number);
	case WIRE_I64: n = 8; break;
	case WIRE_I32: n = 4; break;
	case WIRE_LEN:
		err = take_varint(s, &v->number);
		left = (size_t)(s->end - s->p);
		if (err != HV_OK || v->number > left)
			return HV_E_FRAME;
		v->bytes = (struct span){ s->p, s->p + v->number };
		s->p = v->bytes.end;
		return HV_OK;
	default: return HV_E_FRAME;
	}
	if (left < n)
		return HV_E_FRAME;
	v->number = 0;
	for (size_t i = 0; i < n; i++)
		v->number |= (uint64_t)s->p[i] << (8 * i);
	s->p += n;
	return HV_OK;
}

/* A string has at least one length byte in front, which is spent for its end. */
static void store_string(const char **to, const struct span *b)
{
	size_t n = (size_t)(b->end - b->p);
	uint8_t *at = b->p - 1;

	memmove(at, b->p, n);
	at[n] = '\0';
	*to = (const char *)at;
}

static int store(const struct field *f, const struct value *v, void *into)
{
	static const uint8_t wire[] = {
		[STRING] = WIRE_LEN,  [U32] = WIRE_VARINT, [U64] = WIRE_VARINT, [S32] = WIRE_VARINT,
		[BOOL] = WIRE_VARINT, [DOUBLE] = WIRE_I64, [MESSAGE] = WIRE_LEN
	};
	char *to = (char *)into + f->at;

	if (wire[f->kind] != v->wire)
		return HV_E_FRAME;
	switch (f->kind) {
	case STRING: store_string((const char **)(void *)to, &v->bytes); break;
	case U32: *(uint32_t *)(void *)to = (uint32_t)v->number; break;
	case U64: *(uint64_t *)(void *)to = v->number; break;
	case S32: {
		uint32_t z = (uint32_t)v->number;

		*(int32_t *)(void *)to = (int32_t)(z >> 1) ^ -(int32_t)(z & 1);
		break;
	}
	case BOOL: *(bool *)(void *)to = v->number != 0; break;
	case DOUBLE: memcpy(to, &v->number, sizeof(double)); break;
	case MESSAGE: return f->message(into, v->bytes);
	case SKIP: break;
	}
	return HV_OK;
}

static int decode(const struct table *t, struct span s, void *into)
{
	int err = HV_OK;

	while (err == HV_OK && s.p < s.end) {
		struct value v = { 0 };
		uint64_t tag, number;

		err = take_varint(&s, &tag);
		if (err != HV_OK)
			break;
		number = tag >> 3;
		v.wire = (unsigned)(tag & 7);
		err = number == 0 ? HV_E_FRAME : take_value(&s, &v);
		if (err == HV_OK && number < t->count && t->field[number].kind != SKIP)
			err = store(&t->field[number], &v, into);
	}
	return err;
}

static int times_decode(void *into, struct span s)
{
	return decode(&tables[RESULT_TABLE_TIMES], s, into);
}

/* Make room for one more part: the inline arrays first, then twice as many on the heap. */
static int parts_grow(struct result *r)
{
	size_t cap = 2 * r->n_parts;
	harvest_part *parts;
	double *certified;

	if (r->n_parts < RESULT_PARTS_INLINE || (r->n_parts & (r->n_parts - 1)) != 0)
		return HV_OK;
	if (cap > RESULT_PARTS_MAX)
		return HV_E_FRAME;
	parts = malloc(cap * sizeof(*parts));
	certified = malloc(cap * sizeof(*certified));
	if (parts == NULL || certified == NULL) {
		free(parts);
		free(certified);
		return HV_E_NOMEM;
	}
	memcpy(parts, r->parts, r->n_parts * sizeof(*parts));
	memcpy(certified, r->parts_certified, r->n_parts * sizeof(*certified));
	if (r->parts != r->parts_inline) {
		free(r->parts);
		free(r->parts_certified);
	}
	r->parts = parts;
	r->parts_certified = certified;
	return HV_OK;
}

static int part_add(void *into, struct span s)
{
	struct result *r = into;
	struct result_part p = { .part = { .where = "", .board = "", .model = "" } };
	int err = decode(&tables[RESULT_TABLE_PART], s, &p);

	if (err == HV_OK)
		err = parts_grow(r);
	if (err != HV_OK)
		return err;
	r->parts[r->n_parts] = p.part;
	r->parts_certified[r->n_parts] = p.certified;
	r->n_parts++;
	return HV_OK;
}

void result_init(struct result *r)
{
	/* On the path of every job: the arrays at the end need no clearing. */
	memset(r, 0, offsetof(struct result, parts_inline));
	r->job = r->task = r->metric = r->why = r->state = "";
	r->parts = r->parts_inline;
	r->parts_certified = r->certified_inline;
}

int result_decode(struct result *r, uint8_t *msg, size_t len)
{
	if (len == 0)
		return HV_OK;
	return decode(&tables[RESULT_TABLE_RESULT], (struct span){ msg, msg + len }, r);
}

void result_free(struct result *r)
{
	if (r->parts == r->parts_inline)
		return;
	free(r->parts);
	free(r->parts_certified);
	r->parts = r->parts_inline;
	r->parts_certified = r->certified_inline;
	r->n_parts = 0;
}
