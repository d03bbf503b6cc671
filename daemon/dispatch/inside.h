#ifndef DAEMON_DISPATCH_INSIDE_H
#define DAEMON_DISPATCH_INSIDE_H
#include "daemon/dispatch/dispatch.h"
#include "daemon/quality/audit.h"

/* Inside of daemon/dispatch. */

struct dispatch_unit {
	struct job *job;
	uint32_t part, start, count;
	union {
		struct cpu_unit cpu;
		struct board_batch batch;
	} as;
	struct board_input from; /* of batch, when a board has the samples */
	struct dispatch_unit *next;
};

struct board_stat {
	double queued_us; /* quotas waiting for it */
	double slowness; /* moving average of actual over predicted time, >= 1 */
	uint64_t last_done_ns; /* when its last batch came back */
};

/* One record of a plug-in task, whose exact answer a worker is asked for. */
struct dispatch_audit {
	struct cpu_unit unit;
	struct model *model; /* held while it is under way; NULL: none is */
	uint8_t *in, *exact; /* owned, as long */
	double *got; /* owned; the answer, then room for the exact one */
	struct hv_rng rng;
	struct audit_purse purse;
};

struct name_cache {
	const void *key;
	uint16_t name;
};

/* Reasons that name things, for as long as decisions are remembered: each kept once. */
enum { REASONS_MAX = 256, REASON_CAP = 160 };

struct dispatch {
	struct dispatch_parts with;
	struct dispatch_events ev;
	struct cpu *cpu;
	struct boards *boards;
	uint64_t now_ns;
	bool stopping;
	struct squeue cpu_queue, board_queue;
	uint64_t cpu_queued[SQUEUE_CLASSES][CPU_TASKS_MAX]; /* records */
	struct board_stat board[DISPATCH_BOARDS_MAX];
	struct timer_node tick;
	uint64_t busy_window_ns, busy_at_window_ns, busy_prev_ns, busy_at_prev_ns;
	struct dispatch_audit audit;
	struct name_cache names[64];
	struct dispatch_unit *free_units;
	uint32_t units_out;
	uint64_t log_next;
	struct dispatch_unit *units;
	struct sched_candidate *log;
	struct model *candidate_model[SCHED_CANDIDATES_MAX]; /* of the latest decision */
	/* Of the decision that is being made: reasons that name a buffer. */
	char said[SCHED_CANDIDATES_MAX][REASON_CAP];
	unsigned n_reasons;
	char reasons[REASONS_MAX][REASON_CAP];
};

/* What a decision is about. job: NULL before it is accepted. */
struct subject {
	uint32_t task_index, records;
	const struct job_spec *spec;
	const uint8_t *in; /* of all records; NULL: the domain is not looked at */
	uint32_t in_records;
	struct job *job;
	bool ignore_deadline;
};

/* facts.c: gather the facts, decide, and leave the decision at the top of the log. Not kept
 * until facts_keep(). */
void facts_decide(struct dispatch *d, const struct subject *s, struct dispatch_decision *dec);
void facts_keep(struct dispatch *d, struct job *j, const struct dispatch_decision *dec);

/* quota.c: quotas of a job from a decision; keeps queues and sums in step. */
void quota_set(struct dispatch *d, struct job *j, const struct dispatch_decision *dec);
void quota_clear(struct dispatch *d, struct job *j);
void quota_took(struct dispatch *d, struct job *j, struct job_part *p, uint32_t count);
/* Route what nobody works on once more. May end the job. */
void quota_reroute(struct dispatch *d, struct job *j);

/* dispatch.c */
void dispatch_end(struct dispatch *d, struct job *j, enum job_state state, int code);
void dispatch_tick_arm(struct dispatch *d);
struct dispatch_unit *dispatch_unit_take(struct dispatch *d);
void dispatch_unit_give(struct dispatch *d, struct dispatch_unit *u);
/* A unit ended well or not; the job moves on. */
void dispatch_unit_done(struct dispatch *d, struct dispatch_unit *u);
/* It never began: nothing is held against the place. */
void dispatch_unit_unused(struct dispatch *d, struct dispatch_unit *u);
void dispatch_unit_failed(struct dispatch *d, struct dispatch_unit *u, bool bar);

/* audit.c: of a batch that came back good, when there is room and time for it. */
void dispatch_audit_batch(struct dispatch *d, const struct job *j, const struct board_batch *batch);
/* True: the unit was an audit's, and is done with. */
bool dispatch_audit_done(struct dispatch *d, const struct cpu_unit *u);
void dispatch_audit_drop(struct dispatch *d);

/* boards.c, cores.c: hand out */
void pump_boards(struct dispatch *d);
void pump_cores(struct dispatch *d);
double cores_queued_us(const struct dispatch *d, enum squeue_class cls);

#endif
