#ifndef DAEMON_CPU_H
#define DAEMON_CPU_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stdint.h>

/* The host's cores: exact kernels on worker threads, and on the loop thread for work that is
 * shorter than a hand-off. Workers own nothing but the unit they were handed. */
struct cpu;
struct uv_loop_s;

enum { CPU_WORKERS_MAX = 8, CPU_TASKS_MAX = 256 };

/* One piece of work. Owner: the caller; must live until done. */
struct cpu_unit {
	uint32_t task; /* index in the catalogue */
	uint32_t records;
	uint32_t first; /* number of its first record, for messages */
	const uint8_t *in;
	uint8_t *out;
	uint64_t begin_ns, end_ns; /* filled when done */
	double predicted_us; /* filled by cpu_give() */
	uint32_t worker;
	int err; /* filled when done: HV_OK, or of a plug-in, with a sentence in why */
	char why[256];
};

/* Up-call on the loop thread, once for every unit given. */
typedef void (*cpu_done_fn)(void *ctx, struct cpu_unit *u);

/* Makes all kernels (the planner is not thread-safe), measures them, starts the threads.
 * HV_E_NOMEM. */
HV_NODISCARD int cpu_new(struct uv_loop_s *loop, uint32_t workers, cpu_done_fn done, void *ctx,
			 struct cpu **c);
/* Begin closing: what was given is run and reported (units are short), threads are joined,
 * then done runs when the handle is closed. */
void cpu_close(struct cpu *c, void (*done)(void *ctx), void *ctx);
void cpu_free(struct cpu *c);

/* A task of a plug-in that came while others ran, or came again. record_us: the first guess. */
void cpu_task_enters(struct cpu *c, uint32_t task, double record_us);
/* Nobody finds it any more: its processes are ended. Units of it are still run, by new ones: say
 * it again when the last is done. */
void cpu_task_leaves(struct cpu *c, uint32_t task);

/* Room for another unit: a worker with little to do. */
bool cpu_has_room(const struct cpu *c);
/* Hand over; call only with room. */
void cpu_give(struct cpu *c, struct cpu_unit *u);
/* Tasks of plug-ins may not: they run in processes that may take their time. */
bool cpu_may_run_here(const struct cpu *c, uint32_t task);
/* Run here and now what may. end_ns: clock after it. */
void cpu_run_here(struct cpu *c, uint32_t task, const uint8_t *in, uint8_t *out, uint32_t records,
		  uint64_t *end_ns);

double cpu_record_us(const struct cpu *c, uint32_t task); /* moving average */
uint32_t cpu_workers(const struct cpu *c);
/* Predicted time until a new unit would begin. */
double cpu_backlog_us(const struct cpu *c);
/* Kernel time since the start, all threads. */
uint64_t cpu_busy_ns(const struct cpu *c);

#endif
