#include "proto/linkmsg.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include <string.h>

/* A table of fields for each message, made from link.def, and one loop each way: on a board a
 * function a message and direction costs more flash than all else of the link. */
enum type { T_END, T_u8, T_u16, T_u32, T_u64, T_h32, T_s16, T_TAIL };

struct field {
	uint8_t type, at; /* enum type; offset in the message's structure */
};

#define F(type, field) { T_##type, (uint8_t)offsetof(struct_, field) },
#define TAIL           { T_TAIL, (uint8_t)offsetof(struct_, tail) },
#define M(id, NAME, name, about)                                                                \
	static const struct field *fields_##name(void)                                          \
	{                                                                                       \
		typedef struct link_##name struct_;                                             \
		static const struct field list[] = { LINK_FIELDS_##name(F, TAIL){ T_END, 0 } }; \
		_Static_assert(sizeof(struct_) <= 256, "offsets are bytes");                    \
		return list;                                                                    \
	}
LINK_MSG_MAP(M)
#undef M
#undef TAIL
#undef F

/* NULL: unknown. */
static const struct field *fields_of(uint8_t id)
{
	switch (id) {
#define M(num, NAME, name, about) \
	case num: return fields_##name();
		LINK_MSG_MAP(M)
#undef M
	default: return NULL;
	}
}

static void put(struct hv_wr *w, uint8_t type, const uint8_t *from)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (type) {
	case T_u8: hv_wr_u8(w, *from); break;
	case T_u16:
		memcpy(&u16, from, sizeof(u16));
		hv_wr_u16(w, u16);
		break;
	case T_u32:
		memcpy(&u32, from, sizeof(u32));
		hv_wr_u32(w, u32);
		break;
	case T_u64:
		memcpy(&u64, from, sizeof(u64));
		hv_wr_u64(w, u64);
		break;
	case T_h32: hv_wr_bytes(w, from, sizeof(link_h32)); break;
	case T_s16: hv_wr_bytes(w, from, sizeof(link_s16)); break;
	default: break; /* the tail's bytes go apart */
	}
}

static void get_raw(struct hv_rd *r, void *to, size_t n)
{
	const uint8_t *b = hv_rd_bytes(r, n);

	if (b != NULL)
		memcpy(to, b, n);
	else
		memset(to, 0, n);
}

static void get(struct hv_rd *r, uint8_t type, uint8_t *to)
{
	struct link_tail tail;
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (type) {
	case T_u8: *to = hv_rd_u8(r); break;
	case T_u16:
		u16 = hv_rd_u16(r);
		memcpy(to, &u16, sizeof(u16));
		break;
	case T_u32:
		u32 = hv_rd_u32(r);
		memcpy(to, &u32, sizeof(u32));
		break;
	case T_u64:
		u64 = hv_rd_u64(r);
		memcpy(to, &u64, sizeof(u64));
		break;
	case T_h32: get_raw(r, to, sizeof(link_h32)); break;
	case T_s16: get_raw(r, to, sizeof(link_s16)); break;
	default:
		tail.len = hv_rd_left(r);
		tail.bytes = hv_rd_bytes(r, tail.len);
		memcpy(to, &tail, sizeof(tail));
		break;
	}
}

const char *link_msg_text(uint8_t id)
{
	switch (id) {
#define M(num, NAME, name, about) \
	case num: return #name;
		LINK_MSG_MAP(M)
#undef M
	default: return "?";
	}
}

int link_msg_decode(const uint8_t *bytes, size_t len, union link_msg *m)
{
	struct hv_rd r = hv_rd_init(bytes, len);
	uint8_t id = hv_rd_u8(&r);
	const struct field *f = fields_of(id);

	if (f == NULL)
		return HV_E_FRAME;
	m->any.id_ = id;
	for (; f->type != T_END; f++)
		get(&r, f->type, (uint8_t *)m + f->at);
	return hv_rd_done(&r) ? HV_OK : HV_E_FRAME;
}

size_t link_msg_encode(const union link_msg *m, uint8_t *to, size_t cap)
{
	struct hv_wr w = hv_wr_init(to, cap);
	const struct field *f = fields_of(m->any.id_);

	if (f == NULL)
		return 0;
	hv_wr_u8(&w, m->any.id_);
	for (; f->type != T_END; f++)
		put(&w, f->type, (const uint8_t *)m + f->at);
	return w.ok ? hv_wr_len(&w) : 0;
}
