#include "client/lib/result.h"
#include <stdlib.h>
#include <string.h>

/* Wire types of protobuf. */
enum { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };

enum kind { SKIP, STRING, U32, U64, S32, BOOL, DOUBLE, MESSAGE };
static const uint8_t wire_of[] = {
	[STRING] = WIRE_LEN,  [U32] = WIRE_VARINT, [U64] = WIRE_VARINT, [S32] = WIRE_VARINT,
	[BOOL] = WIRE_VARINT, [DOUBLE] = WIRE_I64, [MESSAGE] = WIRE_LEN
};

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
	const struct field *field; /* index: field number; 0, which none has, is skipped */
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
	[17] = { BOOL,    AT(result, has_first_sample), NULL },
	[18] = { U64,     AT(result, first_sample), NULL },
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

/* What was read at some place. Returned by value, so that it stays in registers: this is on the
 * path of every job. */
struct taken {
	uint8_t *next; /* what follows it; NULL: malformed */
	uint64_t number; /* of WIRE_LEN: the length of the bytes before next */
};

static struct taken take_long_varint(uint8_t *at, const uint8_t *end)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
		v |= (uint64_t)(*at & 0x7f) << shift;
		if ((*at++ & 0x80) == 0)
			return (struct taken){ at, v };
	}
	return (struct taken){ NULL, 0 };
}

/* Most tags, lengths and numbers are one byte. */
static inline struct taken take_varint(uint8_t *at, const uint8_t *end)
{
	if (at < end && *at < 0x80)
		return (struct taken){ at + 1, *at };
	return take_long_varint(at, end);
}

static inline struct taken take_bytes(uint8_t *at, const uint8_t *end, uint64_t n)
{
	return (struct taken){ at != NULL && n <= (size_t)(end - at) ? at + n : NULL, n };
}

static inline struct taken take_value(unsigned wire, uint8_t *at, const uint8_t *end)
{
	struct taken len;

	switch (wire) {
	case WIRE_VARINT: return take_varint(at, end);
	case WIRE_LEN: len = take_varint(at, end); return take_bytes(len.next, end, len.number);
	case WIRE_I64: return take_bytes(at, end, 8);
	case WIRE_I32: return take_bytes(at, end, 4);
	default: return (struct taken){ NULL, 0 };
	}
}

/* A string has at least one length byte in front, which is spent for its end. */
static inline const char *end_string(const struct taken *v)
{
	uint8_t *at = v->next - v->number - 1;

	memmove(at, at + 1, v->number);
	at[v->number] = '\0';
	return (const char *)at;
}

static inline int store(const struct field *f, unsigned wire, const struct taken *v, void *into)
{
	void *to = (char *)into + f->at;
	uint32_t low = (uint32_t)v->number;

	if (f->kind == SKIP)
		return HV_OK;
	if (wire != wire_of[f->kind])
		return HV_E_FRAME;
	switch (f->kind) {
	case STRING: *(const char **)to = end_string(v); break;
	case U32: *(uint32_t *)to = low; break;
	case U64: *(uint64_t *)to = v->number; break;
	case S32: *(int32_t *)to = (int32_t)(low >> 1) ^ -(int32_t)(low & 1); break;
	case BOOL: *(bool *)to = v->number != 0; break;
	case DOUBLE: memcpy(to, v->next - 8, 8); break; /* little-endian, as we are */
	case MESSAGE: return f->message(into, (struct span){ v->next - v->number, v->next });
	case SKIP: break;
	}
	return HV_OK;
}

static int decode(const struct table *t, struct span s, void *into)
{
	while (s.p < s.end) {
		struct taken tag = take_varint(s.p, s.end), v;
		uint64_t number = tag.number >> 3;
		unsigned wire = (unsigned)(tag.number & 7);
		int err;

		if (tag.next == NULL || number == 0)
			return HV_E_FRAME;
		v = take_value(wire, tag.next, s.end);
		if (v.next == NULL)
			return HV_E_FRAME;
		err = store(&t->field[number < t->count ? number : 0], wire, &v, into);
		if (err != HV_OK)
			return err;
		s.p = v.next;
	}
	return HV_OK;
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
