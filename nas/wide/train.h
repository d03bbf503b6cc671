#ifndef NAS_WIDE_TRAIN_H
#define NAS_WIDE_TRAIN_H
#include "nas/wide/pool.h"

struct wide_effort {
	struct wide_shape shape;
	unsigned steps; /* batches, in floating point and then in whole numbers */
	uint64_t seed;
	unsigned threads;
	/* Called now and then with the share done; false stops. NULL: none. */
	bool (*watch)(void *ctx, double share, double loss);
	void *ctx;
};

/* Trains a net from nothing; it is whole in the end and returned owned. The same effort on the
 * same pool gives the same net, whatever the number of threads. HV_E_NOMEM, HV_E_INVAL, with a
 * sentence in why; HV_E_CANCEL: watch said stop. */
HV_NODISCARD int wide_train(struct wide_pool *pool, const struct wide_effort *e,
			    struct wide_net **net, char *why, size_t cap);

#endif
