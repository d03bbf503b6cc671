#include "proto/pb.h"
#include <stdbool.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };
enum { HEAD_MAX = 16 }; /* tag of at most 5 bytes and value or length of at most 10 */

static uint64_t zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

/* ---- pack, from the last byte to the first ---- */

static uint8_t *put_long_varint(uint8_t *at, uint64_t v)
{
	unsigned n = (unsigned)(63 - __builtin_clzll(v)) / 7 + 1;

	at -= n;
	for (unsigned i = 0; i + 1 < n; i++, v >>= 7)
		at[i] = (uint8_t)(v | 0x80);
	at[n - 1] = (uint8_t)v;
	return at;
}

/* Most numbers, and all tags of small messages, are one byte. */
static inline uint8_t *put_varint(uint8_t *at, uint64_t v)
{
	if (v >= 0x80)
		return put_long_varint(at, v);
	*--at = (uint8_t)v;
	return at;
}

static inline uint8_t *put_tag(uint8_t *at, uint32_t id, unsigned wire)
{
	return put_varint(at, (uint64_t)id << 3 | wire);
}

static uint8_t *put_fixed(uint8_t *at, const void *from, size_t n)
{
	memcpy(at - n, from, n); /* the wire is little-endian, as we are: see tasks/catalog.c */
	return at - n;
}

static uint8_t *put_string(uint8_t *buf, uint8_t *at, uint32_t id, const char *s)
{
	size_t n = strlen(s);

	if ((size_t)(at - buf) < HEAD_MAX || n > (size_t)(at - buf) - HEAD_MAX)
		return NULL;
	memcpy(at - n, s, n);
	return put_tag(put_varint(at - n, n), id, WIRE_LEN);
}

static uint8_t *put_message(uint8_t *buf, uint8_t *at, uint32_t id, const ProtobufCMessage *m)
{
	uint8_t *begin = pb_pack(m, buf, at);

	if (begin == NULL || begin - buf < HEAD_MAX)
		return NULL;
	return put_tag(put_varint(begin, (size_t)(at - begin)), id, WIRE_LEN);
}

static inline uint8_t *put_number(uint8_t *at, uint32_t id, uint64_t v)
{
	return v == 0 ? at : put_tag(put_varint(at, v), id, WIRE_VARINT);
}

/* A field without presence of its own: what is zero is not sent. Room for a head is there. */
static inline uint8_t *put_single(const ProtobufCFieldDescriptor *f, const void *v, uint8_t *buf,
				  uint8_t *at)
{
	const char *s;
	const ProtobufCMessage *m;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		s = *(char *const *)v;
		return s == NULL || *s == '\0' ? at : put_string(buf, at, f->id, s);
	case PROTOBUF_C_TYPE_MESSAGE:
		m = *(ProtobufCMessage *const *)v;
		return m == NULL ? at : put_message(buf, at, f->id, m);
	case PROTOBUF_C_TYPE_DOUBLE:
		if (*(const double *)v == 0)
			return at;
		return put_tag(put_fixed(at, v, sizeof(double)), f->id, WIRE_I64);
	case PROTOBUF_C_TYPE_BOOL:
		return put_number(at, f->id, *(const protobuf_c_boolean *)v != 0);
	case PROTOBUF_C_TYPE_UINT32: return put_number(at, f->id, *(const uint32_t *)v);
	case PROTOBUF_C_TYPE_UINT64: return put_number(at, f->id, *(const uint64_t *)v);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return put_number(at, f->id, (uint64_t)(int64_t) * (const int32_t *)v);
	case PROTOBUF_C_TYPE_SINT32: return put_number(at, f->id, zigzag(*(const int32_t *)v));
	case PROTOBUF_C_TYPE_SINT64: return put_number(at, f->id, zigzag(*(const int64_t *)v));
	default: return NULL;
	}
}

/* Numbers share one length. */
static uint8_t *put_packed(const ProtobufCFieldDescriptor *f, const uint32_t *v, size_t n,
			   uint8_t *buf, uint8_t *at)
{
	uint8_t *end = at;

	if (n == 0)
		return at;
	for (size_t i = n; i-- > 0; at = put_varint(at, v[i]))
		if (at - buf < HEAD_MAX)
			return NULL;
	return at - buf < HEAD_MAX ? NULL
				   : put_tag(put_varint(at, (size_t)(end - at)), f->id, WIRE_LEN);
}

static uint8_t *put_repeated(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m,
			     uint8_t *buf, uint8_t *at)
{
	size_t n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
	void *const *all = *(void **const *)(const void *)((const char *)m + f->offset);

	if (f->type == PROTOBUF_C_TYPE_UINT32 && (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0)
		return put_packed(f, (const uint32_t *)(const void *)all, n, buf, at);
	if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
		return n == 0 ? at : NULL;
	for (size_t i = n; i-- > 0 && at != NULL;)
		at = f->type == PROTOBUF_C_TYPE_STRING ? put_string(buf, at, f->id, all[i])
						       : put_message(buf, at, f->id, all[i]);
	return at;
}

uint8_t *pb_pack(const ProtobufCMessage *m, uint8_t *buf, uint8_t *end)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	uint8_t *at = m->n_unknown_fields == 0 ? end : NULL;

	for (unsigned i = d->n_fields; i-- > 0 && at != NULL;) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];

		if (at - buf < HEAD_MAX)
			return NULL;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			at = put_repeated(f, m, buf, at);
		else if (f->label == PROTOBUF_C_LABEL_NONE &&
			 (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
			at = put_single(f, (const char *)m + f->offset, buf, at);
		else
			at = NULL;
	}
	return at;
}

/* ---- unpack ---- */

struct cursor {
	const uint8_t *at, *end;
};

static bool take_varint(struct cursor *c, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
		uint64_t b = *c->at++;

		*v |= (b & 0x7f) << shift;
		if (b < 0x80)
			return shift < 63 || b <= 1; /* 64 bits and no more */
	}
	return false;
}

/* The value of a field as it is on the wire: a number, or the place of its bytes. */
struct value {
	unsigned wire;
	uint64_t number; /* of WIRE_LEN: the length */
	const uint8_t *bytes;
};

static bool take_value(struct cursor *c, struct value *v)
{
	size_t n;

	switch (v->wire) {
	case WIRE_VARINT: return take_varint(c, &v->number);
	case WIRE_LEN:
		if (!take_varint(c, &v->number) || v->number > (size_t)(c->end - c->at))
			return false;
		v->bytes = c->at;
		c->at += v->number;
		return true;
	case WIRE_I64:
	case WIRE_I32:
		n = v->wire == WIRE_I64 ? 8 : 4;
		if ((size_t)(c->end - c->at) < n)
			return false;
		v->number = 0;
		memcpy(&v->number, c->at, n);
		c->at += n;
		return true;
	default: return false;
	}
}

static bool store_string(ProtobufCAllocator *a, const struct value *v, char **to)
{
	char *s = v->number < SIZE_MAX ? a->alloc(a->allocator_data, (size_t)v->number + 1) : NULL;

	if (s == NULL)
		return false;
	memcpy(s, v->bytes, (size_t)v->number);
	s[v->number] = '\0';
	*to = s;
	return true;
}

static unsigned wire_of(ProtobufCType t)
{
	return t == PROTOBUF_C_TYPE_STRING   ? WIRE_LEN
	       : t == PROTOBUF_C_TYPE_DOUBLE ? WIRE_I64
					     : WIRE_VARINT;
}

static bool store(const ProtobufCFieldDescriptor *f, const struct value *v, ProtobufCAllocator *a,
		  void *to)
{
	uint64_t n = v->number, sign = -(n & 1);
	uint32_t low = (uint32_t)n;

	if (v->wire != wire_of(f->type))
		return false;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: return store_string(a, v, to);
	case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)to = n != 0; return true;
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_UINT64: memcpy(to, &n, sizeof(n)); return true;
	case PROTOBUF_C_TYPE_SINT64:
		n = n >> 1 ^ sign;
		memcpy(to, &n, sizeof(n));
		return true;
	case PROTOBUF_C_TYPE_SINT32: low = low >> 1 ^ (uint32_t)sign; break;
	default: break;
	}
	memcpy(to, &low, sizeof(low)); /* 32-bit kinds */
	return true;
}

/* A number or string, at most once. */
static bool is_plain(const ProtobufCFieldDescriptor *f)
{
	if (f->label != PROTOBUF_C_LABEL_NONE || (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
		return false;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_ENUM: return true;
	default: return false;
	}
}

/* Fields mostly come in the order of their numbers: the search goes on from the last one. */
static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *d, uint64_t id,
						unsigned *last)
{
	unsigned i = *last < d->n_fields && d->fields[*last].id <= id ? *last : 0;

	while (i < d->n_fields && d->fields[i].id < id)
		i++;
	*last = i;
	return i < d->n_fields && d->fields[i].id == id ? &d->fields[i] : NULL;
}

ProtobufCMessage *pb_unpack(const ProtobufCMessageDescriptor *d, ProtobufCAllocator *a,
			    const uint8_t *data, size_t len)
{
	struct cursor c = { data, data + len };
	ProtobufCMessage *m;
	unsigned last = 0;

	m = a->alloc(a->allocator_data, d->sizeof_message);
	if (m == NULL)
		return NULL;
	protobuf_c_message_init(d, m);
	while (c.at < c.end) {
		const ProtobufCFieldDescriptor *f;
		struct value v;
		uint64_t tag;

		if (!take_varint(&c, &tag) || tag >> 3 == 0 || tag >> 32 != 0)
			return NULL;
		v.wire = (unsigned)(tag & 7);
		if (!take_value(&c, &v))
			return NULL;
		f = field_of(d, tag >> 3, &last);
		if (f == NULL)
			continue; /* of a newer version */
		if (!is_plain(f))
			return protobuf_c_message_unpack(d, a, len, data);
		if (!store(f, &v, a, (char *)m + f->offset))
			return NULL;
	}
	return m;
}
