#ifndef HV_WR_H
#define HV_WR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Little-endian writer into a fixed buffer. The first overflow sticks: later writes do
 * nothing and ok stays false, so an encoder checks once, at its end. */
struct hv_wr {
	uint8_t *start, *p, *end;
	bool ok;
};

static inline struct hv_wr hv_wr_init(void *data, size_t cap)
{
	uint8_t *p = (uint8_t *)data;

	return (struct hv_wr){ .start = p, .p = p, .end = p ? p + cap : p, .ok = true };
}

static inline size_t hv_wr_len(const struct hv_wr *w)
{
	return (size_t)(w->p - w->start);
}

/* Room for n bytes to be filled by the caller, or NULL. */
static inline uint8_t *hv_wr_room(struct hv_wr *w, size_t n)
{
	uint8_t *at = w->p;

	if (!w->ok || (size_t)(w->end - w->p) < n) {
		w->ok = false;
		return NULL;
	}
	w->p += n;
	return at;
}

static inline void hv_wr_bytes(struct hv_wr *w, const void *from, size_t n)
{
	uint8_t *at = hv_wr_room(w, n);

	if (at != NULL && n > 0)
		memcpy(at, from, n);
}

static inline void hv_wr_u8(struct hv_wr *w, uint8_t v)
{
	uint8_t *b = hv_wr_room(w, 1);

	if (b != NULL)
		b[0] = v;
}

static inline void hv_wr_u16(struct hv_wr *w, uint16_t v)
{
	uint8_t *b = hv_wr_room(w, 2);

	if (b == NULL)
		return;
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}

static inline void hv_wr_u32(struct hv_wr *w, uint32_t v)
{
	uint8_t *b = hv_wr_room(w, 4);

	if (b == NULL)
		return;
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
	b[2] = (uint8_t)(v >> 16);
	b[3] = (uint8_t)(v >> 24);
}

static inline void hv_wr_u64(struct hv_wr *w, uint64_t v)
{
	hv_wr_u32(w, (uint32_t)v);
	hv_wr_u32(w, (uint32_t)(v >> 32));
}
#endif
