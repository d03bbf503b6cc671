#include "util/rng.h"
#include <math.h>

static uint64_t rol(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

void hv_rng_seed(struct hv_rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15u;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		r->s[i] = z ^ z >> 31;
	}
}

uint64_t hv_rng_u64(struct hv_rng *r)
{
	uint64_t *s = r->s, out = rol(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rol(s[3], 45);
	return out;
}

uint32_t hv_rng_below(struct hv_rng *r, uint32_t n)
{
	uint32_t floor = -n % n; /* 2^32 mod n: draws below it would favour small results */

	for (;;) {
		uint64_t m = (hv_rng_u64(r) >> 32) * n;

		if ((uint32_t)m >= floor)
			return (uint32_t)(m >> 32);
	}
}

double hv_rng_uniform(struct hv_rng *r, double lo, double hi)
{
	return lo + (hi - lo) * ((double)(hv_rng_u64(r) >> 11) * 0x1p-53);
}

double hv_rng_normal(struct hv_rng *r, double mean, double dev)
{
	double u = 1.0 - hv_rng_uniform(r, 0.0, 1.0); /* (0, 1]: the logarithm needs it */
	double v = hv_rng_uniform(r, 0.0, 1.0);

	return mean + dev * sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}
