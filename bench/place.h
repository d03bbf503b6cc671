#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H
#include "util/fs/err.h"
#include <sched.h>
#include <sys/types.h>

/* Which CPUs a process may run on, all of its threads alike. */

/* What this process may use now. HV_E_IO. */
HV_NODISCARD int place_allowed(cpu_set_t *set);
/* The first CPU of a set that is not empty, alone; its number. */
int place_first(const cpu_set_t *set, cpu_set_t *one);
/* Threads that begin while this runs inherit from those that were there. HV_E_IO. */
HV_NODISCARD int place_process(pid_t pid, const cpu_set_t *set);

#endif
