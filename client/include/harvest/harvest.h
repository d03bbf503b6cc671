/* <harvest/harvest.h>: ask harvestd to run tasks. Link with -lharvest.
 *
 * Glossary
 *   task     a named function from one input record to one output record ("fft256")
 *   job      one request: a task, n records, constraints
 *   budget   how much error the caller can live with, in the task's metric; 0: exact
 *
 * Every function returns 0 or a negative HARVEST_E_* code and none blocks past its deadline.
 * A handle belongs to one thread at a time; make one per thread. */
#ifndef HARVEST_H
#define HARVEST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
#define HARVEST_API __attribute__((visibility("default")))

/** Codes; the numbers are part of the ABI and never change. */
enum {
	HARVEST_OK = 0,
	HARVEST_E_INVAL = -1,   /**< an argument, task, shape or type is wrong */
	HARVEST_E_NOMEM = -2,
	HARVEST_E_TIMEOUT = -3, /**< the call's or the job's deadline passed */
	HARVEST_E_BUSY = -4,    /**< a limit of client or daemon is reached; try again later */
	HARVEST_E_FRAME = -6,   /**< the peer does not speak the protocol */
	HARVEST_E_VERSION = -7, /**< no common protocol version */
	HARVEST_E_DENIED = -8,  /**< permission or policy */
	HARVEST_E_BUDGET = -9,  /**< no place satisfies the error budget or the deadline */
	HARVEST_E_GONE = -10,   /**< no daemon, or it went away */
	HARVEST_E_NOENT = -11,  /**< no such task, job, board or model */
	HARVEST_E_IO = -12,
	HARVEST_E_FORMAT = -13, /**< bad data */
	HARVEST_E_CANCEL = -14, /**< the job was cancelled */
	HARVEST_E_STALE = -16,  /**< samples of a board's buffer are not there, or no longer */
};

/** Connection to the daemon. */
typedef struct harvest_client harvest_client;
/** A submitted job, until harvest_job_free(). */
typedef struct harvest_job harvest_job;

/** Constraints. Fill with harvest_options_init() so that the struct can grow. */
typedef struct harvest_options {
	uint32_t size;          /**< sizeof(harvest_options) */
	int has_budget;         /**< 0: any certified model will do */
	double max_error;       /**< in the task's metric (least SNR in dB, largest others); 0: exact */
	int64_t deadline_us;    /**< from now; 0: none */
	int priority;           /**< HARVEST_PRIORITY_* */
	int route;              /**< HARVEST_ROUTE_* */
	const char *board;      /**< with HARVEST_ROUTE_BOARD: only this one; NULL: any */
	int policy;             /**< HARVEST_POLICY_* */
} harvest_options;

enum { HARVEST_PRIORITY_NORMAL = 0, HARVEST_PRIORITY_LATENCY = 1, HARVEST_PRIORITY_BACKGROUND = 2 };
enum { HARVEST_ROUTE_AUTO = 0, HARVEST_ROUTE_CPU = 1, HARVEST_ROUTE_BOARD = 2 };
enum { HARVEST_POLICY_DEFAULT = 0, HARVEST_POLICY_LATENCY = 1, HARVEST_POLICY_ENERGY = 2, HARVEST_POLICY_OFFLOAD = 3 };

/** Where a share of a job ran. Arrays of it are made by the library: it never grows. */
typedef struct harvest_part {
	const char *where;      /**< "cpu" or "board" */
	const char *board;      /**< "" on the CPU */
	const char *model;      /**< package name, "" on the CPU */
	uint32_t records, records_retried;
} harvest_part;

/** What happened to a job. Set size before harvest_job_result(); strings and arrays live as
 *  long as the job handle. */
typedef struct harvest_result {
	uint32_t size;          /**< sizeof(harvest_result), set by the caller: lets it grow */
	const char *id;         /**< "j12.3f9a"; "" when the daemon refused it */
	const char *state;      /**< completed, failed, cancelled, expired; refused: never accepted;
				     lost: the connection ended first; accepted: detached */
	const char *why;        /**< one sentence */
	const char *metric;
	double certified;       /**< error certificate of the worst part; +inf dB / 0: exact */
	const void *out;        /**< records packed output records, NULL unless completed */
	size_t out_bytes;
	const harvest_part *parts;
	size_t n_parts;
	uint64_t admit_us, queue_us, transfer_us, compute_us, deliver_us, total_us;
	double board_energy_uj, cpu_energy_uj; /**< modelled */
	int has_first_sample;   /**< the samples were a board's, see harvest_submit_buffer() */
	uint64_t first_sample;  /**< of its running count: where record 0 began */
} harvest_result;

/** Samples that a board has. Set size; the rest may be 0 but name. */
typedef struct harvest_buffer {
	uint32_t size;          /**< sizeof(harvest_buffer) */
	const char *name;       /**< of the board's buffer, at most 15 characters */
	uint32_t hop;           /**< samples from record to record; 0: back to back */
	int has_position;       /**< 0: the last record ends with the newest sample */
	uint64_t position;      /**< sample record 0 begins with; needs route and name of one board */
} harvest_buffer;

/** Fill with defaults: no budget, no deadline, normal priority, auto route. */
HARVEST_API void harvest_options_init(harvest_options *o);

/**
 * Connect and greet.
 *
 * @param socket      path, or NULL for $HARVEST_SOCKET and the usual places
 * @param timeout_ms  for this call and, unless changed, for all later ones
 * @param c           receives the handle, owned by the caller; also set to a handle that only
 *                    harvest_client_reason() and harvest_client_close() accept when the call
 *                    fails with anything but HARVEST_E_NOMEM
 * @return 0, or HARVEST_E_GONE (no daemon at the socket), HARVEST_E_DENIED (no permission),
 *   HARVEST_E_VERSION, HARVEST_E_TIMEOUT, HARVEST_E_INVAL (path too long), HARVEST_E_NOMEM
 */
HARVEST_API int harvest_client_open(const char *socket, uint32_t timeout_ms, harvest_client **c);
/** Close; jobs not yet finished are cancelled by the daemon: they end here, callbacks called,
 *  with HARVEST_E_CANCEL. Job handles stay valid. NULL is fine. From a callback it takes effect
 *  when the outermost call returns; the handle must not be used after that. */
HARVEST_API void harvest_client_close(harvest_client *c);
/** Sentence about the last failure of this handle; never NULL, valid until the next call. */
HARVEST_API const char *harvest_client_reason(const harvest_client *c);
/** Time limit of later blocking calls that take none of their own. */
HARVEST_API void harvest_client_timeout(harvest_client *c, uint32_t timeout_ms);

/**
 * Descriptor for poll(): wait for POLLIN, and for POLLOUT while harvest_wants_write(), then
 * call harvest_dispatch(). Stays the same until close.
 */
HARVEST_API int harvest_fd(const harvest_client *c);
HARVEST_API int harvest_wants_write(const harvest_client *c);
/**
 * Send and receive what is possible without blocking; finished jobs call their callbacks.
 * @return number of jobs finished by this call, or HARVEST_E_GONE / HARVEST_E_FRAME: the
 *   connection is over and every unfinished job has finished with that code
 */
HARVEST_API int harvest_dispatch(harvest_client *c);

/** Called once when a job has ended, from harvest_dispatch(), a blocking call or
 *  harvest_client_close(). May submit, cancel and free jobs; calls that would block return
 *  HARVEST_E_INVAL there. */
typedef void (*harvest_done_fn)(harvest_job *job, int code, void *arg);

/**
 * Queue one job; many may be in flight. It leaves with the next harvest_dispatch() or blocking
 * call, together with all others queued by then.
 *
 * @param task     name, e.g. "fft64"
 * @param in       records * (bytes of one input record), packed little-endian; copied
 * @param in_bytes length of in; must be a whole number of records, at least one
 * @param o        constraints or NULL
 * @param done     called when it has ended, or NULL
 * @param job      receives one handle, owned by the caller; may be NULL with done, then the
 *                 handle is freed after the callback returned
 * @return 0, or HARVEST_E_INVAL (empty, longer than 64 MiB), HARVEST_E_BUSY (the client's send
 *   queue is full: dispatch first), HARVEST_E_GONE, HARVEST_E_NOMEM. Refusals by the daemon
 *   (unknown task, budget, ...) arrive as the job's code.
 */
HARVEST_API int harvest_submit(harvest_client *c, const char *task, const void *in,
			       size_t in_bytes, const harvest_options *o, harvest_done_fn done,
			       void *arg, harvest_job **job);
/** The same with samples that a board has: only their results cross the link, and only boards
 *  with such a buffer may run it. The result says where the samples were.
 *
 * @param from     copied
 * @param records  how many, at least 1
 * @return as harvest_submit(). Samples that are overwritten before they are read, or not there
 *   yet, end the job with HARVEST_E_STALE; a board that leaves in the middle with HARVEST_E_GONE.
 */
HARVEST_API int harvest_submit_buffer(harvest_client *c, const char *task,
				      const harvest_buffer *from, uint32_t records,
				      const harvest_options *o, harvest_done_fn done, void *arg,
				      harvest_job **job);
/** Block until the job has ended or timeout_ms passed (HARVEST_E_TIMEOUT; the job goes on).
 *  Otherwise the job's code. */
HARVEST_API int harvest_job_wait(harvest_job *job, uint32_t timeout_ms);
/** Result of a job that has ended, also of one that failed. HARVEST_E_BUSY while it has not;
 *  HARVEST_E_INVAL when r->size is not set. */
HARVEST_API int harvest_job_result(const harvest_job *job, harvest_result *r);
/** Ask the daemon to stop it; idempotent; the job still ends exactly once. */
HARVEST_API int harvest_job_cancel(harvest_job *job);
/** Forget the handle (the job itself goes on). NULL is fine. */
HARVEST_API void harvest_job_free(harvest_job *job);

/**
 * Run one job and wait: submit, wait, copy. When the client's timeout passes first, the job is
 * cancelled.
 * @param out        receives the output records; cap_bytes must hold them
 * @param out_bytes  receives their length, may be NULL
 * @return 0, or any code of harvest_submit() and of the job; HARVEST_E_INVAL when cap_bytes is
 *   too small
 */
HARVEST_API int harvest_run(harvest_client *c, const char *task, const void *in, size_t in_bytes,
			    const harvest_options *o, void *out, size_t cap_bytes,
			    size_t *out_bytes);

/** Text of a code, e.g. "deadline passed"; never NULL. */
HARVEST_API const char *harvest_strerror(int code);
/** "0.1.0" */
HARVEST_API const char *harvest_version(void);
/* clang-format on */

#ifdef __cplusplus
}
#endif
#endif
