#ifndef HV_RNG_H
#define HV_RNG_H
#include <stdint.h>

/* xoshiro256++ (Blackman and Vigna) seeded by splitmix64: the generator of every sampler,
 * so that test streams are the same on every machine. Not for secrets. */
struct hv_rng {
	uint64_t s[4];
};

void hv_rng_seed(struct hv_rng *r, uint64_t seed);
uint64_t hv_rng_u64(struct hv_rng *r);
uint32_t hv_rng_below(struct hv_rng *r, uint32_t n);            /* 0..n-1, n > 0, unbiased */
double hv_rng_uniform(struct hv_rng *r, double lo, double hi);  /* [lo, hi) */
double hv_rng_normal(struct hv_rng *r, double mean, double dev); /* Box-Muller, cosine branch,
								    two draws a value */

#endif
