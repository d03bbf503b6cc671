#ifndef NAS_JOBS_H
#define NAS_JOBS_H
#include "util/fs/err.h"

/* Runs job 0..n-1, each once, on up to `threads` threads. What a job does may depend on its
 * number alone, so that results are the same for any number of threads. Jobs are started in
 * order; after one has returned a negative code no further one is started. That code, or HV_OK.
 */
typedef int nas_job(void *ctx, unsigned i);
HV_NODISCARD int nas_jobs_run(nas_job *job, void *ctx, unsigned n, unsigned threads);

/* One BLAS thread: many threads of our own each call it. Once, at the start of a program. */
void nas_jobs_prepare(void);

#endif
