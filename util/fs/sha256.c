#include "util/fs/sha256.h"
#include <string.h>

static const uint32_t k256[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t ror(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

/* The next word of the schedule, in a window of 16. */
static uint32_t schedule(uint32_t w[16], unsigned i)
{
	uint32_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];

	if (i >= 16)
		w[i & 15] += w[(i + 9) & 15] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) +
			     (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
	return w[i & 15];
}

static void mix(struct hv_sha256 *s, unsigned rounds)
{
	uint32_t a = s->v[0], b = s->v[1], c = s->v[2], d = s->v[3];
	uint32_t e = s->v[4], f = s->v[5], g = s->v[6], h = s->v[7];

	for (; rounds > 0; rounds--, s->round++) {
		uint32_t t1 = h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) +
			      k256[s->round] + schedule(s->w, s->round);
		uint32_t t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}
	s->v[0] = a;
	s->v[1] = b;
	s->v[2] = c;
	s->v[3] = d;
	s->v[4] = e;
	s->v[5] = f;
	s->v[6] = g;
	s->v[7] = h;
}

void hv_sha256_init(struct hv_sha256 *s)
{
	static const uint32_t h0[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memset(s, 0, sizeof(*s));
	memcpy(s->h, h0, sizeof(h0));
	memcpy(s->v, h0, sizeof(h0));
}

/* Big-endian words, filled from the top. */
static void byte_put(struct hv_sha256 *s, uint8_t byte)
{
	uint32_t *w = &s->w[s->used / 4];
	unsigned shift = 24 - 8 * (s->used % 4u);

	*w = (s->used % 4 == 0 ? 0 : *w) | (uint32_t)byte << shift;
	s->used++;
}

size_t hv_sha256_put(struct hv_sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;
	size_t n = hv_sha256_room(s) < len ? hv_sha256_room(s) : len;

	for (size_t i = 0; i < n; i++)
		byte_put(s, p[i]);
	s->total_bytes += n;
	return n;
}

bool hv_sha256_work(struct hv_sha256 *s, unsigned rounds)
{
	unsigned left = HV_SHA256_ROUNDS - (unsigned)s->round;

	if (s->used < HV_SHA256_BLOCK)
		return true;
	mix(s, rounds < left ? rounds : left);
	if (s->round < HV_SHA256_ROUNDS)
		return false;
	for (int i = 0; i < 8; i++)
		s->v[i] = s->h[i] += s->v[i];
	s->round = s->used = 0;
	return true;
}

/* 0x80, zeros, and in the last eight bytes of a block the length in bits. */
static void pad(struct hv_sha256 *s)
{
	uint64_t bits = s->total_bytes * 8;

	if (s->ending == 0) {
		byte_put(s, 0x80);
		s->ending = 1;
		if (s->used > 56)
			while (s->used < HV_SHA256_BLOCK)
				byte_put(s, 0);
		return;
	}
	while (s->used < 56)
		byte_put(s, 0);
	for (int i = 0; i < 8; i++)
		byte_put(s, (uint8_t)(bits >> (56 - 8 * i)));
	s->ending = 2;
}

bool hv_sha256_close(struct hv_sha256 *s, unsigned rounds, uint8_t out[HV_SHA256_BYTES])
{
	if (s->used == HV_SHA256_BLOCK) {
		(void)hv_sha256_work(s, rounds);
		return false;
	}
	if (s->ending < 2) {
		pad(s);
		return false;
	}
	for (int i = 0; i < 32; i++)
		out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
	return true;
}

void hv_sha256_add(struct hv_sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;

	while (len > 0) {
		size_t n = hv_sha256_put(s, p, len);

		p += n;
		len -= n;
		(void)hv_sha256_work(s, HV_SHA256_ROUNDS);
	}
}

void hv_sha256_end(struct hv_sha256 *s, uint8_t out[HV_SHA256_BYTES])
{
	while (!hv_sha256_close(s, HV_SHA256_ROUNDS, out))
		continue;
}
