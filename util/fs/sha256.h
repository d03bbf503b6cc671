#ifndef HV_SHA256_H
#define HV_SHA256_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SHA-256 as in FIPS 180-4. Content hashes of packages and slot images; freestanding
 * because the board checks what it was given. */
enum { HV_SHA256_BYTES = 32, HV_SHA256_BLOCK = 64, HV_SHA256_ROUNDS = 64 };

struct hv_sha256 {
	uint32_t h[8], v[8], w[16];
	uint64_t total_bytes;
	uint8_t used; /* bytes of the block w */
	uint8_t round; /* done with it; only a full block is worked on */
	uint8_t ending; /* 0: more bytes may come; 1: padded; 2: length added */
};

void hv_sha256_init(struct hv_sha256 *s);
void hv_sha256_add(struct hv_sha256 *s, const void *data, size_t len);
void hv_sha256_end(struct hv_sha256 *s, uint8_t out[HV_SHA256_BYTES]);

/* The same in bounded pieces. put: bytes into the block, as many as it has room for; how many.
 * work: up to so many rounds on a full block; true when the block has room again. close: the
 * next piece of the end, true when out is the hash. */
size_t hv_sha256_put(struct hv_sha256 *s, const void *data, size_t len);
bool hv_sha256_work(struct hv_sha256 *s, unsigned rounds);
bool hv_sha256_close(struct hv_sha256 *s, unsigned rounds, uint8_t out[HV_SHA256_BYTES]);

static inline size_t hv_sha256_room(const struct hv_sha256 *s)
{
	return (size_t)HV_SHA256_BLOCK - s->used;
}

#endif
