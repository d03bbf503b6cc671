#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H
#include "daemon/job/names.h"
#include "daemon/job/ranges.h"
#include "daemon/job/timers.h"
#include "daemon/limits.h"
#include "daemon/sched/queue.h"
#include "daemon/sched/sched.h"
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stdint.h>

/* A job's truth: state, stamps, samples, parts. Owns jobs, samples and the counters; does not
 * decide (sched) and does not run anything (dispatch).
 *
 * Glossary
 *   account   a client's share of the limits; outlives its connection while it has jobs
 *   buf       counted samples, charged to an account until the last reference goes
 *   part      what one place (the CPU, or a board with a model) does of a job
 *   unit      one piece of a part that is being worked on right now
 *   to end    to enter one of the four final states, exactly once */

/*       id        shown as     final */
#define JOB_STATE_MAP(XX)             \
	XX(WAITING, "waiting", 0)     \
	XX(RUNNING, "running", 0)     \
	XX(COMPLETED, "completed", 1) \
	XX(FAILED, "failed", 1)       \
	XX(CANCELLED, "cancelled", 1) \
	XX(EXPIRED, "expired", 1)

enum job_state {
#define XX(id, text, final) JOB_##id,
	JOB_STATE_MAP(XX)
#undef XX
		JOB_STATE_COUNT
};

const char *job_state_text(enum job_state s);
bool job_state_is_final(enum job_state s);

struct store;
struct board;
struct model;
struct job;

struct account {
	struct store *store;
	uint32_t refs;
	uint32_t uid;
	int32_t pid;
	char label[40]; /* "pid 123 uid 1000" */
	uint32_t jobs; /* not yet ended */
	size_t payload_bytes;
	struct job *first; /* not yet ended, linked by in_account */
	struct squeue_flow cpu[SQUEUE_CLASSES], board[SQUEUE_CLASSES];
};

/* Samples. Only the loop thread counts references; workers touch data alone. */
struct buf {
	uint32_t refs;
	int32_t shelf; /* size class for reuse, -1: none */
	size_t bytes;
	struct account *account;
	_Alignas(64) uint8_t data[];
};

enum { JOB_PARTS_MAX = 10, JOB_WHY_CAP = 192, JOB_UNITS_MAX = RANGES_MAX - 1 };

struct job_part {
	struct board *board; /* NULL: the CPU */
	struct model *model; /* held while not NULL; NULL on the CPU */
	uint16_t board_name, model_name;
	uint16_t failures;
	bool barred; /* gets no more records of this job */
	uint32_t quota; /* records it may still take */
	uint32_t records, records_retried;
	uint32_t units;
	double certified; /* in the task's metric */
	double energy_uj_per_record;
	double us_per_record, wait_us; /* predicted when the quota was set; wait: per unit */
	uint32_t batch_records; /* most of one unit */
};

/* What the client asked for. */
struct job_spec {
	uint32_t records;
	bool has_budget, detach, progress;
	double budget;
	uint64_t deadline_ns; /* on our clock; UINT64_MAX: none */
	enum squeue_class cls;
	enum sched_where where;
	enum sched_policy policy;
	char board[NAME_CAP]; /* "": any */
	/* Samples that a board has, instead of in; buffer "": not so. */
	char buffer[16];
	uint32_t hop;
	bool newest; /* else from sample `first` on, of the one board that is named */
	uint64_t first;
};

static inline bool job_spec_has_buffer(const struct job_spec *s)
{
	return s->buffer[0] != '\0';
}

struct job_stamps {
	uint64_t arrived_ns; /* its request began to be read */
	uint64_t accepted_ns;
	uint64_t started_ns; /* the first unit began */
	uint64_t done_ns; /* the last unit ended */
	uint64_t delivered_ns; /* the result was handed to the socket */
	uint64_t transfer_ns, compute_ns; /* sums over units, which may overlap */
	uint64_t cpu_ns; /* of compute_ns, on our own cores */
};

/* How the wall time of a job divides, microseconds; the parts add up to total exactly. While
 * units run, wall time is divided in the proportion of the transfer and compute time of all
 * units. A job that ended early has 0 for the phases it never reached. */
struct job_times {
	uint64_t admit_us, queue_us, transfer_us, compute_us, deliver_us, total_us;
};

struct job {
	uint64_t number; /* 0: not in use */
	enum job_state state;
	int code; /* HV_E_* when it ended badly */
	const struct harvest_task *task;
	uint32_t task_index; /* in the catalogue */
	struct job_spec spec;
	struct account *account; /* NULL once it has ended and no unit works on it */
	char client[40]; /* its label, then */
	uint32_t uid;
	void *owner; /* of ipc; NULL: nobody waits for it */
	uint32_t tag;
	uint64_t ended_ns, progress_ns;
	struct buf *in, *out; /* in: NULL when a board has the samples */
	bool has_first; /* where the samples of record 0 were is known */
	uint64_t first_sample;
	const struct board *ring_board; /* the one board whose samples they are, then */
	struct ranges todo;
	uint32_t records_done, units;
	uint32_t n_parts;
	struct job_part part[JOB_PARTS_MAX];
	struct job_stamps at;
	struct squeue_node cpu_node, board_node;
	struct timer_node deadline;
	/* for dispatch */
	uint64_t decision; /* place in the log of decisions */
	uint32_t candidates; /* how many there; 0: none */
	uint32_t chosen; /* which of them got the largest share */
	double decision_deadline_us; /* as it was then */
	uint64_t decided_ns, stranded_ns;
	uint16_t out_of_domain[4]; /* models whose domain the records leave; 0: free */
	const char *why; /* static, or why_text */
	char why_text[JOB_WHY_CAP];
	struct job *hash_next;
	struct {
		struct job *prev, *next;
	} in_account, in_list;
};

struct job_counts {
	uint64_t accepted, refused, in_state[JOB_STATE_COUNT];
};

/* Up-call: the job has just ended; deliver it. */
typedef void (*job_ended_fn)(void *ctx, struct job *j);

struct store {
	struct limits limits;
	uint32_t epoch;
	struct job_counts counts;
	struct names names;
	job_ended_fn ended;
	void *ctx;
	/* private */
	char id_end[16]; /* of every job's id: ".3f9a0b1c" */
	uint64_t next_number;
	uint32_t live, pool_n, pool_used, remembered;
	size_t payload_bytes, detached_bytes;
	struct job *pool, *free_first;
	struct job **hash;
	struct job *live_first, *live_last, *ended_first, *ended_last; /* oldest first */
	struct buf *shelf[3];
	uint32_t shelved[3];
};

HV_NODISCARD int store_init(struct store *s, const struct limits *l, uint32_t epoch);
/* All jobs must have ended and given back their units. */
void store_free(struct store *s);

/* HV_E_NOMEM. Returned with one reference. */
HV_NODISCARD int account_new(struct store *s, int32_t pid, uint32_t uid, struct account **a);
void account_unref(struct account *a);

/* HV_E_BUSY: over a limit, why gets a sentence; HV_E_NOMEM. Contents are undefined. */
HV_NODISCARD int buf_new(struct account *a, size_t bytes, struct buf **b, char *why, size_t cap);
struct buf *buf_ref(struct buf *b);
void buf_unref(struct buf *b); /* NULL is fine */

/* Is there room for one more job? HV_E_BUSY with a sentence. */
HV_NODISCARD int job_admissible(const struct account *a, char *why, size_t cap);
/* A job in state waiting, counted as accepted. Takes in (NULL with a buffer) and out on
 * success. HV_E_BUSY. */
HV_NODISCARD int job_new(struct account *a, const struct harvest_task *task, uint32_t task_index,
			 const struct job_spec *spec, struct buf *in, struct buf *out,
			 uint64_t arrived_ns, uint64_t now_ns, struct job **j, char *why,
			 size_t cap);

/* waiting -> running, when the first unit is handed out. */
void job_start(struct store *s, struct job *j);
/* A unit worked from begin_ns to end_ns. */
void job_stamp(struct job *j, uint64_t begin_ns, uint64_t end_ns, uint64_t transfer_ns,
	       uint64_t compute_ns);
/* Enter a final state; false, and nothing happens, when it has ended before. The ended
 * up-call runs inside and takes a reference of out if it wants it. After it the samples go as
 * soon as no unit works on them; only the result of a detached job is kept, within the limit:
 * the oldest kept result goes first. */
bool job_end(struct store *s, struct job *j, enum job_state state, int code, uint64_t now_ns);
void job_why(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Units: take some of the records for part p, then give them back or report them done. */
bool job_take(struct job *j, struct job_part *p, uint32_t want, uint32_t *start, uint32_t *count);
void job_return(struct store *s, struct job *j, struct job_part *p, uint32_t start, uint32_t count,
		bool retried);
void job_done(struct store *s, struct job *j, struct job_part *p, uint32_t count);
static inline bool job_all_done(const struct job *j)
{
	return j->records_done == j->spec.records;
}

/* Forget the kept result of a detached job. */
void job_drop_result(struct store *s, struct job *j, const char *why);

struct job_times job_times(const struct job *j);

/* "j12.3f9a0b1c" */
enum { JOB_ID_CAP = 40 };
char *job_id_text(const struct store *s, const struct job *j, char to[JOB_ID_CAP]);
/* By id, NULL with a sentence when unknown, forgotten or of an earlier life of the daemon. */
struct job *job_find(struct store *s, const char *id, char *why, size_t cap);

/* Newest first over everything known: live and remembered. NULL at the end. */
struct job *job_newest(const struct store *s);
struct job *job_older(const struct store *s, const struct job *j);

/* accepted = completed + failed + cancelled + expired + waiting + running */
bool job_counts_add_up(const struct job_counts *c);

#endif
