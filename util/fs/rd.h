#ifndef HV_RD_H
#define HV_RD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Cursor over untrusted little-endian bytes. The first overrun sticks: later reads give 0
 * and ok stays false, so a decoder checks once, at its end. */
struct hv_rd {
	const uint8_t *p, *end;
	bool ok;
};

static inline struct hv_rd hv_rd_init(const void *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;

	return (struct hv_rd){ .p = p, .end = p ? p + len : p, .ok = true };
}

static inline size_t hv_rd_left(const struct hv_rd *r)
{
	return r->ok ? (size_t)(r->end - r->p) : 0;
}

/* n bytes in place (borrowed from the input), or NULL. */
static inline const uint8_t *hv_rd_bytes(struct hv_rd *r, size_t n)
{
	const uint8_t *at = r->p;

	if (!r->ok || (size_t)(r->end - r->p) < n) {
		r->ok = false;
		return NULL;
	}
	r->p += n;
	return at;
}

static inline uint8_t hv_rd_u8(struct hv_rd *r)
{
	const uint8_t *b = hv_rd_bytes(r, 1);

	return b ? b[0] : 0;
}

static inline uint16_t hv_rd_u16(struct hv_rd *r)
{
	const uint8_t *b = hv_rd_bytes(r, 2);

	return (uint16_t)(b ? b[0] | b[1] << 8 : 0);
}

static inline uint32_t hv_rd_u32(struct hv_rd *r)
{
	const uint8_t *b = hv_rd_bytes(r, 4);

	if (b == NULL)
		return 0;
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t hv_rd_u64(struct hv_rd *r)
{
	uint64_t lo = hv_rd_u32(r);

	return lo | (uint64_t)hv_rd_u32(r) << 32;
}

/* True when everything was consumed and nothing overran. */
static inline bool hv_rd_done(const struct hv_rd *r)
{
	return r->ok && r->p == r->end;
}
#endif
