#ifndef DAEMON_AUDIT_H
#define DAEMON_AUDIT_H
#include "daemon/models/models.h"
#include "util/rng.h"
#include <stdbool.h>

/* Trust in answers of boards: of the batches that come back one record, drawn by a seeded
 * generator, is computed by its definition and compared with the closed-form bound of the
 * model's certificate. An answer beyond the bound cannot be the network's: board or link gave
 * a wrong one. Packages with a host program have no such bound; their reference is run instead,
 * and every bit has to be the same. One per board.
 *
 * An answer that is the network's is then held against the certificate, with all others of its
 * model from all boards: see doubt.h. */
struct audit {
	struct hv_rng rng;
	uint64_t checked, wrong;
	double worst; /* largest |error| / bound so far; above 1 is wrong, infinite
			 for an answer with wrong bits */
	double *ref, *got; /* one output record each, owned */
	bool measured; /* by the last audit_judge(): they are a record and its answer, */
	double weight; /* of this weight */
	size_t cap; /* elements they hold */
};

void audit_init(struct audit *a, uint64_t seed);
void audit_clear(struct audit *a);

/* Check one record of a batch; in and out hold `records` >= 1. HV_E_WRONG: beyond the bound,
 * why says by how much; HV_E_NOMEM. May suspend m. Of tasks of plug-ins the network's bits
 * alone are checked here: their definition runs elsewhere and comes by audit_measured(). */
HV_NODISCARD int audit_batch(struct audit *a, struct model *m, const void *in, const void *out,
			     size_t records, char *why, size_t cap);

/* The same in two steps, for references that take long: judge on any thread that has `a` for
 * itself, which reads of m what does not change while it is held, and tell on the loop's. */
HV_NODISCARD int audit_judge(struct audit *a, const struct model *m, const void *in,
			     const void *out, size_t records, char *why, size_t cap);
void audit_tell(const struct audit *a, struct model *m); /* after HV_OK */

/* One more record of a model: its exact answer and the one that was given, and its weight.
 * Suspends the model, and says so in the log, when its certificate can no longer be right. */
void audit_measured(struct model *m, const double *ref, const double *got, double weight);

/* Time for audits: a hundredth of what passes, and a little at the start. Slow references are
 * run for fewer batches. One for all boards of a thread. */
enum { AUDIT_PURSE_US = 50000, AUDIT_SHARE = 100 };

struct audit_purse {
	uint64_t at_us; /* 0: not begun */
	double left_us; /* may be below 0 after an audit */
};

bool audit_affords(struct audit_purse *p, uint64_t now_us);
void audit_spent(struct audit_purse *p, uint64_t us);

#endif
