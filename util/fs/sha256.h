#ifndef HV_SHA256_H
#define HV_SHA256_H
#include <stddef.h>
#include <stdint.h>

/* SHA-256 as in FIPS 180-4. Content hashes of packages and slot images; freestanding
 * because the board checks what it was given. */
enum { HV_SHA256_BYTES = 32 };

struct hv_sha256 {
	uint32_t h[8];
	uint64_t total_bytes;
	uint8_t block[64];
};

void hv_sha256_init(struct hv_sha256 *s);
void hv_sha256_add(struct hv_sha256 *s, const void *data, size_t len);
void hv_sha256_end(struct hv_sha256 *s, uint8_t out[HV_SHA256_BYTES]);

#endif
