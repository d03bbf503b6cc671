#ifndef DAEMON_DISPATCH_H
#define DAEMON_DISPATCH_H
#include "daemon/board/board.h"
#include "daemon/cpu/cpu.h"
#include "daemon/job/job.h"
#include "daemon/models/models.h"

/* Joins jobs, cores and boards: asks sched where a job runs, hands its records out, takes back
 * what failed, and sees to it that every accepted job ends exactly once. One loop thread.
 *
 * Rules
 *   sum of a job's quotas = records nobody works on, after every step
 *   a unit that fails goes back to its job, which is routed anew; a place that failed
 *   DISPATCH_FAILURES_MAX times, lied or left is barred for that job
 *   work shorter than DISPATCH_INLINE_US runs on the loop thread: a hand-off costs more */
enum {
	DISPATCH_UNITS = 1024, /* being worked on, all jobs */
	DISPATCH_LOG = 16384, /* candidates remembered for explain */
	DISPATCH_INLINE_US = 20,
	DISPATCH_CHUNK_US = 1000, /* of a core at a time */
	DISPATCH_HANDOFF_US = 15, /* to a worker and back */
	DISPATCH_FAILURES_MAX = 3,
	DISPATCH_BOARDS_MAX = 64,
	DISPATCH_TICK_MS = 100, /* how often waiting work is looked at again */
	DISPATCH_STRANDED_MS = 3000, /* how long a job that may only use a board waits for one */
	DISPATCH_PROGRESS_MS = 50,
};

struct dispatch;
struct dispatch_unit;

struct dispatch_events {
	void *ctx;
	/* It has just ended: deliver it to its owner. Runs once for every accepted job. */
	void (*on_ended)(void *ctx, struct job *j);
	void (*on_progress)(void *ctx, struct job *j);
};

struct dispatch_parts {
	struct store *store;
	struct timers *timers;
	struct models *models;
	enum sched_policy policy; /* when the client names none */
};

struct dispatch_request {
	struct account *account;
	void *owner;
	uint32_t tag, task_index;
	struct job_spec spec;
	struct buf *in, *out; /* in may be NULL in a dry run */
	uint64_t arrived_ns;
};

/* A decision with the facts it was made on. */
struct dispatch_decision {
	struct sched_job job;
	const struct sched_candidate *c;
	uint32_t n;
	struct sched_verdict verdict;
};

HV_NODISCARD int dispatch_new(const struct dispatch_parts *parts, const struct dispatch_events *ev,
			      struct dispatch **d);
/* The server is made after dispatch: ctx of the events. */
void dispatch_deliver_to(struct dispatch *d, void *ctx);
/* They call back into dispatch, so they are made after it and told here. */
void dispatch_join(struct dispatch *d, struct cpu *cpu, struct boards *boards);
struct board_events dispatch_board_events(struct dispatch *d);
void dispatch_on_cpu_done(void *dispatch, struct cpu_unit *u);
/* No unit may be out. NULL is fine. */
void dispatch_free(struct dispatch *d);

/* The latest reading of the clock; every event from outside brings a new one. */
void dispatch_clock(struct dispatch *d, uint64_t now_ns);
uint64_t dispatch_now_ns(const struct dispatch *d);

/* Accept and route a job. Takes in and out on success; the job may have ended, and have been
 * delivered, on return; *j is valid until the next call into dispatch. HV_E_BUDGET, HV_E_BUSY:
 * refused, never accepted, why gets a sentence. */
HV_NODISCARD int dispatch_submit(struct dispatch *d, const struct dispatch_request *r,
				 struct job **j, char *why, size_t cap);
/* Only decide. dec->c is valid until the next call into dispatch. */
void dispatch_decide(struct dispatch *d, const struct dispatch_request *r,
		     struct dispatch_decision *dec);
/* The decision of a job, if it is remembered. */
bool dispatch_recall(const struct dispatch *d, const struct job *j, struct dispatch_decision *dec);
/* "cpu" or "board:virt0 with fft64-l2" */
char *dispatch_place_text(const struct dispatch *d, const struct sched_candidate *c, char *to,
			  size_t cap);

/* False: too late, it has ended. */
bool dispatch_cancel(struct dispatch *d, struct job *j, const char *why);
/* The client went: its jobs are cancelled unless detached. */
void dispatch_client_gone(struct dispatch *d, struct account *a);
/* From now on accept nothing; cancel what waits. */
void dispatch_stop(struct dispatch *d);
/* Cancel what still runs. */
void dispatch_cancel_all(struct dispatch *d, const char *why);
uint32_t dispatch_units_out(const struct dispatch *d);

/* No unit, quota or candidate may name m any more after this. */
void dispatch_forget_model(struct dispatch *d, const struct model *m);

/* Hand out whatever there is room for. */
void dispatch_pump(struct dispatch *d);

/* Share of the cores' time spent in kernels, over the last seconds. */
double dispatch_cpu_busy_share(struct dispatch *d);

#endif
