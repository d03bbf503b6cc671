#ifndef TASKS_PLUGIN_H
#define TASKS_PLUGIN_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>

/* A task from a shared object, run in a process of its own: whatever it does - crash, hang,
 * exit, scribble - only that process is lost, and the call that met it says so. The process is
 * kept from files, network and other processes (tasks/plugin_jail.h).
 *
 *   owner                              worker: harvest-plugin FILE
 *     plugin_open()      -- starts ->    dlopen, checks, describes the task
 *     plugin_sample()    -- request ->   fills the shared memory with records
 *     plugin_reference() -- request ->   reads records, fills in answers
 *
 * Records travel in shared memory that the owner made; requests are fixed-size messages on a
 * socket pair. A worker that overruns its time is killed. The next call starts a new one, at
 * most PLUGIN_RESTARTS_MAX times; then every call is refused with the last reason. 10000 good
 * requests later the count begins anew.
 *
 * One handle: one thread at a time. Several handles of one file: as many workers. */
struct plugin;

enum {
	PLUGIN_RESTARTS_MAX = 3,
	PLUGIN_WHY_CAP = 512,
};

struct plugin_limits {
	uint32_t open_ms; /* from start to description; 0: 10000 */
	uint32_t call_ms; /* of one request of at most batch_bytes; 0: 10000. An examination of
			     many may take five times as long */
	uint32_t batch_bytes; /* shared memory for records and answers; 0: 1 MiB */
};

/* Start a worker and check what the file says of its task: names, shapes, types, limits.
 * limits may be NULL. why (PLUGIN_WHY_CAP) gets one sentence on failure: HV_E_NOENT (no such
 * file), HV_E_FORMAT (no plug-in, or its task breaks a rule), HV_E_VERSION (another ABI),
 * HV_E_GONE (crashed), HV_E_TIMEOUT (hung), HV_E_NOMEM, HV_E_IO. */
HV_NODISCARD int plugin_open(const char *path, const struct plugin_limits *limits,
			     struct plugin **p, char *why, size_t cap);
/* The same of a shared object in memory, of len bytes, borrowed until this returns: it is never a
 * file. called: what messages call it. Besides: HV_E_FORMAT (see tasks/plugin_elf.h),
 * HV_E_VERSION (for another machine). */
HV_NODISCARD int plugin_open_code(const uint8_t *elf, size_t len, const char *called,
				  const struct plugin_limits *limits, struct plugin **p, char *why,
				  size_t cap);
/* One more handle of the same file, or the same bytes in memory, with the same limits. May run
 * on any thread while `of` is not closed. */
HV_NODISCARD int plugin_open_again(const struct plugin *of, struct plugin **p, char *why,
				   size_t cap);
void plugin_close(struct plugin *p); /* NULL is fine */
/* Stop its worker until there is a next call; not held against the plug-in. */
void plugin_rest(struct plugin *p);
/* Messages number the records of plugin_reference() from here on. At first: from 0. */
void plugin_number_from(struct plugin *p, uint64_t first);

/* The task as described. reference, sample, matrix, weight and encodings are NULL: they live
 * in the worker. has_weight: the plug-in weighs its records. Valid until plugin_close(). */
const struct harvest_task *plugin_task(const struct plugin *p);
bool plugin_has_weight(const struct plugin *p);
const char *plugin_path(const struct plugin *p); /* or what it is called */

/* The handle of a task that plugin_task() gave out. */
const struct plugin *plugin_of(const struct harvest_task *t);
bool plugin_is_file(const struct plugin *p); /* not code from memory */

/* n records of the stream, from number first on, into out (packed). Checked: floating point
 * records are finite. HV_E_GONE, HV_E_TIMEOUT, HV_E_WRONG (broke its promise: what, in why). */
HV_NODISCARD int plugin_sample(struct plugin *p, uint64_t seed, uint64_t first, size_t n, void *out,
			       char *why, size_t cap);
/* Exact answers of n records: n * elements doubles into ref, rounded answers in the task's
 * type into exact, a weight per record into weight; each may be NULL. An answer that is no
 * finite number is HV_E_WRONG. */
HV_NODISCARD int plugin_reference(struct plugin *p, const void *in, size_t n, double *ref,
				  void *exact, double *weight, char *why, size_t cap);
/* The matrix of a linear task, rows * cols. HV_E_NOENT when it is none. */
HV_NODISCARD int plugin_matrix(struct plugin *p, double *m, char *why, size_t cap);

/* Look for what no single call shows, over n records of the test stream (at least 2): the
 * sampler gives the same record for the same number, in whatever order and in a new process,
 * and not always the same; the reference the same answer for the same record, not the same
 * answer for all, and never NaN. HV_E_WRONG with what was found, HV_E_TIMEOUT, and the errors
 * of a call. */
HV_NODISCARD int plugin_examine(struct plugin *p, size_t n, char *why, size_t cap);

#endif
