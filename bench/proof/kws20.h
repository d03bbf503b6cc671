#ifndef BENCH_PROOF_KWS20_H
#define BENCH_PROOF_KWS20_H
#include "accel/net/net.h"

/* The keyword spotter KWS20 v3: nine layers on all 64 processors. With the vendor's weights when
 * its known-answer test is there (HARVEST_KAT_DIR, else shared/kat beside the sources), with
 * random ones otherwise. */
struct kws20 {
	struct cnn_net net; /* weights owned by what follows */
	struct kat *kat;
	int8_t *weights[CNN_LAYERS_MAX];
	const char *source; /* a phrase for people */
};

HV_NODISCARD int kws20_new(uint64_t seed, struct kws20 *k, char *why, size_t cap);
void kws20_free(struct kws20 *k);

#endif
