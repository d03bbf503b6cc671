#include "nas/jobs.h"
#include <cblas.h>
#include <pthread.h>
#include <stdatomic.h>

struct crew {
	nas_job *job;
	void *ctx;
	unsigned n;
	atomic_uint next;
	atomic_int err;
};

static void *work(void *arg)
{
	struct crew *c = arg;

	while (atomic_load(&c->err) == HV_OK) {
		unsigned i = atomic_fetch_add(&c->next, 1);
		int r;

		if (i >= c->n)
			break;
		r = c->job(c->ctx, i);
		if (r < 0)
			atomic_store(&c->err, r);
	}
	return NULL;
}

int nas_jobs_run(nas_job *job, void *ctx, unsigned n, unsigned threads)
{
	enum { THREADS_MAX = 16 };
	struct crew c = { .job = job, .ctx = ctx, .n = n };
	pthread_t id[THREADS_MAX];
	unsigned started = 0;

	while (started + 1 < threads && started + 1 < n && started < THREADS_MAX &&
	       pthread_create(&id[started], NULL, work, &c) == 0)
		started++;
	(void)work(&c);
	while (started > 0)
		pthread_join(id[--started], NULL);
	return atomic_load(&c.err);
}

void nas_jobs_prepare(void)
{
	openblas_set_num_threads(1);
}
