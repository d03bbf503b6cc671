#ifndef TASKS_KERNEL_H
#define TASKS_KERNEL_H
#include "tasks/task.h"
#include "util/fs/err.h"

/* Host-speed kernels: the same answers as task_exact() (tests say how near: the FFTs run in
 * single precision, the others agree bit for bit). A kernel owns its plan and scratch, so
 * make one per worker thread and use it only there. FFTW's planner is not thread-safe: make
 * and free kernels on one thread. */
struct hv_kernel;

/* HV_E_NOENT: the task has no fast kernel. HV_E_NOMEM. *k is returned owned. */
HV_NODISCARD int hv_kernel_new(const struct harvest_task *t, struct hv_kernel **k);
void hv_kernel_free(struct hv_kernel *k);
/* records in, records out, packed; in and out do not overlap; no allocation. */
void hv_kernel_run(struct hv_kernel *k, const void *in, void *out, size_t records);

#endif
