#ifndef DAEMON_SCHED_H
#define DAEMON_SCHED_H
#include "tasks/metric.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a job runs. Pure: no clock, descriptor, allocation or log; the same facts always give
 * the same verdict. The daemon, the simulator and the tests link the same object.
 *
 * Glossary
 *   place      the CPU, or one board
 *   candidate  a place with the model it would use; a board has one per model of the task
 *   share      how many of the job's records a candidate gets
 *   patience   without a deadline, how long the policies that spare the CPU let boards take */
enum {
	SCHED_CANDIDATES_MAX = 32,
	SCHED_PATIENCE_US = 10000000,
	SCHED_CPU_PLACE = -1,
};

/* A core of a Raspberry Pi 4, from published measurements: about 2.7 W idle, 6.4 W with four
 * busy cores. Modelled energy of the CPU is this times the kernel time. */
#define SCHED_CPU_CORE_WATT 0.93

enum sched_policy { SCHED_LATENCY, SCHED_ENERGY, SCHED_OFFLOAD };
enum sched_where { SCHED_ANYWHERE, SCHED_CPU_ONLY, SCHED_BOARD_ONLY };

/* Why a candidate got no share. The texts are made by sched_why_not_text(). */
enum sched_why_not {
	SCHED_GOT_SHARE,
	SCHED_NOT_CPU, /* the job asks for a board */
	SCHED_NOT_BOARD, /* the job asks for the CPU */
	SCHED_NOT_THIS_BOARD, /* the job names another board */
	SCHED_NOT_READY, /* the place says why */
	SCHED_OVER_BUDGET, /* certified error does not meet the budget */
	SCHED_OUT_OF_DOMAIN, /* records outside the certified domain */
	SCHED_OVER_DEADLINE, /* not even one record in time */
	SCHED_LOST_SIBLING, /* eligible; another model serves better on the same board */
	SCHED_LOST_LATER, /* eligible; others finish sooner without it */
	SCHED_LOST_ENERGY, /* eligible; others need less energy */
	SCHED_LOST_OFFLOAD, /* eligible; the policy spares the CPU */
};

/* What the verdict rests on, in one word. */
enum sched_why {
	SCHED_ONLY_PLACE, /* one eligible place */
	SCHED_SOONEST, /* one place finishes sooner than any split */
	SCHED_SPLIT, /* shares that finish together */
	SCHED_LEAST_ENERGY,
	SCHED_SPARE_CPU, /* boards take all they can */
	SCHED_NONE_ELIGIBLE,
	SCHED_TOO_LATE, /* eligible places together cannot meet the deadline */
};

struct sched_job {
	uint32_t records;
	enum sched_policy policy;
	enum sched_where where;
	enum harvest_metric metric;
	bool has_budget;
	double budget; /* in the metric; 0: exact */
	bool has_deadline;
	double deadline_us; /* from now */
};

struct sched_candidate {
	/* facts, filled by the caller */
	int32_t place; /* board index, or SCHED_CPU_PLACE */
	bool ready, named, in_domain; /* named: the job's board, or it names none */
	const char *not_ready; /* static text, when not ready */
	bool no_samples; /* not ready for want of the job's samples: others' reasons say more */
	uint16_t board_name, model_name; /* for the caller; not looked at */
	uint32_t batch_records; /* most of one run; 0: no limit */
	double queue_us, load_us, wait_us /* per run */, fixed_us /* hand-off, once */;
	double link_us_per_record, compute_us_per_record, energy_uj_per_record;
	double certified; /* in the metric; hv_metric_exact() when exact */
	/* the verdict about it */
	enum sched_why_not why_not;
	uint32_t share; /* records */
	double finish_us; /* of its share; of the whole job when it has none */
};

struct sched_verdict {
	bool ok;
	enum sched_why why;
	double finish_us; /* of the whole job, from now */
	double energy_uj; /* of the whole job, modelled */
	uint32_t places; /* with a share */
	uint32_t first; /* index of the candidate with the largest share; of the best
				       of those not eligible when !ok, n when there is none */
};

/* Decide. c[0..n-1], 1 <= n <= SCHED_CANDIDATES_MAX, at most one with SCHED_CPU_PLACE; records
 * >= 1. Shares of an ok verdict sum to records and only eligible candidates have one; else all
 * are 0. O(n^2) at worst. */
void sched_route(const struct sched_job *j, struct sched_candidate *c, size_t n,
		 struct sched_verdict *v);

bool sched_eligible(const struct sched_candidate *c);

/* Predicted time for n records on c, from now. */
double sched_finish_us(const struct sched_candidate *c, uint32_t n);

/* Sentences. name: how to call the candidate ("virt0 with fft64-l2"), borrowed. All return to. */
char *sched_why_not_text(const struct sched_job *j, const struct sched_candidate *c, char *to,
			 size_t cap);
/* Text of the verdict; with a static text for the common ones. */
/* Why the verdict is what it is; static text. */
const char *sched_why_text(const struct sched_job *j, const struct sched_candidate *c, size_t n,
			   const struct sched_verdict *v);
char *sched_refusal_text(const struct sched_job *j, const struct sched_candidate *c, size_t n,
			 const struct sched_verdict *v, const char *best_name, char *to,
			 size_t cap);

const char *sched_policy_text(enum sched_policy p); /* "latency" */
bool sched_policy_find(const char *text, enum sched_policy *p);

#endif
