#ifndef NAS_WIDE_POOL_H
#define NAS_WIDE_POOL_H
#include "nas/plan.h"
#include "nas/wide/net.h"

/* Records of the train stream as a net reads them, drawn when they are needed, by the thread
 * that asks: a plug-in answers one. What does not fit is not drawn; records come again then. */
enum { WIDE_POOL_CHUNK = 4096, WIDE_POOL_BYTES = 256 << 20, WIDE_POOL_MOST = 1 << 23 };

/* What a target is to a net: (answer - mean) / dev; of decisions 0 and 1: lo and hi. */
struct wide_target {
	double mean, dev;
	double lo, hi;
};

struct wide_pool {
	const struct harvest_task *task; /* borrowed */
	const struct nas_plan *plan; /* borrowed */
	bool decides; /* every target has two values */
	struct wide_target target[WIDE_TARGETS_MAX];
	double weight; /* mean of the records' */
	size_t most, n; /* room, a multiple of WIDE_POOL_CHUNK; drawn */
	int8_t *x; /* (most, channels), owned */
	float *y; /* (most, targets), owned */
	float *w; /* (most, targets), owned; NULL when all weigh 1 */
};

/* Looks at `some` records to see what the targets are. HV_E_NOMEM. */
HV_NODISCARD int wide_pool_new(const struct nas_plan *plan, const struct nas_data *some,
			       struct wide_pool *p);
void wide_pool_clear(struct wide_pool *p);
/* Rows of batch `at`, shard i; draws what is missing. HV_E_NOMEM, HV_E_INVAL. */
HV_NODISCARD int wide_pool_need(struct wide_pool *p, uint64_t batch, char *why, size_t cap);
struct wide_rows wide_pool_rows(const struct wide_pool *p, uint64_t batch, unsigned i);

#endif
