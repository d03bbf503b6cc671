#include "proto/linkmsg.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"

/* One reader and one writer a field type; the messages are lists of calls to them. */
static void put_u8(struct hv_wr *w, const link_u8 *v)
{
	hv_wr_u8(w, *v);
}

static void put_u16(struct hv_wr *w, const link_u16 *v)
{
	hv_wr_u16(w, *v);
}

static void put_u32(struct hv_wr *w, const link_u32 *v)
{
	hv_wr_u32(w, *v);
}

static void put_u64(struct hv_wr *w, const link_u64 *v)
{
	hv_wr_u64(w, *v);
}

static void put_h32(struct hv_wr *w, const link_h32 *v)
{
	hv_wr_bytes(w, v->b, sizeof(v->b));
}

static void put_s16(struct hv_wr *w, const link_s16 *v)
{
	hv_wr_bytes(w, v->b, sizeof(v->b));
}

static void get_u8(struct hv_rd *r, link_u8 *v)
{
	*v = hv_rd_u8(r);
}

static void get_u16(struct hv_rd *r, link_u16 *v)
{
	*v = hv_rd_u16(r);
}

static void get_u32(struct hv_rd *r, link_u32 *v)
{
	*v = hv_rd_u32(r);
}

static void get_u64(struct hv_rd *r, link_u64 *v)
{
	*v = hv_rd_u64(r);
}

static void get_raw(struct hv_rd *r, void *to, size_t n)
{
	const uint8_t *b = hv_rd_bytes(r, n);

	if (b != NULL)
		memcpy(to, b, n);
	else
		memset(to, 0, n);
}

static void get_h32(struct hv_rd *r, link_h32 *v)
{
	get_raw(r, v->b, sizeof(v->b));
}

static void get_s16(struct hv_rd *r, link_s16 *v)
{
	get_raw(r, v->b, sizeof(v->b));
}

static void get_tail(struct hv_rd *r, struct link_tail *t)
{
	t->len = hv_rd_left(r);
	t->bytes = hv_rd_bytes(r, t->len);
}

#define F(type, field) put_##type(w, &m->field);
#define TAIL
#define M(id, NAME, name, about)                                             \
	static void put_##name(struct hv_wr *w, const struct link_##name *m) \
	{                                                                    \
		hv_wr_u8(w, id);                                             \
		(void)m;                                                     \
		LINK_FIELDS_##name(F, TAIL)                                  \
	}
LINK_MSG_MAP(M)
#undef M
#undef TAIL
#undef F

#define F(type, field) get_##type(r, &m->field);
#define TAIL           get_tail(r, &m->tail);
#define M(id, NAME, name, about)                                       \
	static void get_##name(struct hv_rd *r, struct link_##name *m) \
	{                                                              \
		(void)r;                                               \
		m->id_ = id;                                           \
		LINK_FIELDS_##name(F, TAIL)                            \
	}
LINK_MSG_MAP(M)
#undef M
#undef TAIL
#undef F

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

	switch (hv_rd_u8(&r)) {
#define M(num, NAME, name, about) \
	case num: get_##name(&r, &m->name); break;
		LINK_MSG_MAP(M)
#undef M
	default: return HV_E_FRAME;
	}
	return hv_rd_done(&r) ? HV_OK : HV_E_FRAME;
}

size_t link_msg_encode(const union link_msg *m, uint8_t *to, size_t cap)
{
	struct hv_wr w = hv_wr_init(to, cap);

	switch (m->any.id_) {
#define M(num, NAME, name, about) \
	case num: put_##name(&w, &m->name); break;
		LINK_MSG_MAP(M)
#undef M
	default: return 0;
	}
	return w.ok ? hv_wr_len(&w) : 0;
}
