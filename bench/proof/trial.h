#ifndef BENCH_PROOF_TRIAL_H
#define BENCH_PROOF_TRIAL_H
#include "bench/proof/evidence.h"
#include "bench/proof/kws20.h"
#include "bench/proof/load.h"

/* One board alone and the same board with work, on one trace of requests. */
struct trial_trace {
	const char *name;
	const char *spec; /* of sim/primary_spec.h; NULL: file */
	bool no_wait; /* the guard knows the jitter: the primary must not wait at all */
	double share_min; /* of the idle time that jobs must use; 0: no matter */
};

struct trial_options {
	double seconds; /* modelled, of each board */
	uint64_t seed;
	uint32_t link_bps;
	const char *recorded; /* CSV of the recorded trace, repeated as often as needed */
	const char *keep; /* directory for the evidence, or NULL */
};

struct trial {
	const struct trial_trace *trace;
	enum load_kind load;
	struct comparison c;
	uint32_t bound_us; /* of a wait, as the board promised it */
	uint32_t interrupts_us; /* that the line may take of one inference; 0 in modelled time */
	uint64_t primary_busy_ns, intrusions, misuse;
	uint64_t runs, stopped, aborted, records;
	uint64_t jobs, good, wrong, failed, strays, lost, dropped;
	uint64_t loads, evictions, refusals, garbage_bytes, hostile_messages, lives;
	double share, computing; /* of the idle time: runs since the first job; inferences */
	double modelled_s, wall_s; /* of both boards */
	char why[160]; /* why it failed; "" when it passed */
};

/* The board alone, to be compared with any number of others. */
HV_NODISCARD int trial_alone(const struct trial_trace *t, const struct trial_options *o,
			     const struct kws20 *net, struct evidence *alone, double *wall_s,
			     char *why, size_t cap);
HV_NODISCARD int trial_run(const struct trial_trace *t, enum load_kind load,
			   const struct trial_options *o, const struct kws20 *net,
			   const struct evidence *alone, struct trial *r, char *why, size_t cap);
/* Fills r->why. */
void trial_judge(struct trial *r);

#endif
