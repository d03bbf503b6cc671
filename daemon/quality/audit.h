#ifndef DAEMON_AUDIT_H
#define DAEMON_AUDIT_H
#include "daemon/models/models.h"
#include "tasks/metric.h"
#include "util/rng.h"
#include <stdbool.h>

/* Trust in answers of boards: of every batch that comes back one record, drawn by a seeded
 * generator, is computed by its definition and compared with the closed-form bound of the
 * model's certificate. An answer beyond the bound cannot be the network's: board or link gave
 * a wrong one. Packages with a host program have no such bound; their reference is run instead,
 * and every bit has to be the same. One per board. */
struct audit_model {
	char name[32];
	struct hv_metric pooled; /* the task's metric over everything checked */
};

enum { AUDIT_MODELS_MAX = 64 };

struct audit {
	struct hv_rng rng;
	uint64_t checked, wrong;
	double worst; /* largest |error| / bound so far; above 1 is wrong, infinite
			 for an answer with wrong bits */
	unsigned models;
	struct audit_model model[AUDIT_MODELS_MAX];
	double *ref, *got; /* one output record each, owned */
	size_t cap; /* elements they hold */
};

void audit_init(struct audit *a, uint64_t seed);
void audit_clear(struct audit *a);

/* Check one record of a batch; in and out hold `records` >= 1. HV_E_WRONG: beyond the bound,
 * why says by how much; HV_E_NOMEM. */
HV_NODISCARD int audit_batch(struct audit *a, const struct model *m, const void *in,
			     const void *out, size_t records, char *why, size_t cap);

/* What was measured for a model, or NULL. */
const struct audit_model *audit_model(const struct audit *a, const char *name);

#endif
