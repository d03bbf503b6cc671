#include "daemon/cpu/cpu.h"
#include "daemon/cpu/plugins.h"
#include "daemon/cpu/spsc.h"
#include "tasks/catalog.h"
#include "tasks/kernel.h"
#include "util/clock.h"
#include "util/own.h"
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <uv.h>

/* A worker with more predicted work than this takes no more: what waits should wait in the
 * queue, where priorities hold. */
static const double worker_backlog_us = 2000;
static const double average_weight = 0.1;
/* Shorter runs on the loop thread are not timed: the clock would be a part of what it sees. */
static const double learn_us = 2;

/* One thread's kernels. */
struct kernels {
	struct hv_kernel *of[CPU_TASKS_MAX];
	struct plugin *plugin[CPU_TASKS_MAX]; /* this thread's worker process, from its first use */
	double *scratch;
};

struct worker {
	pthread_t thread;
	sem_t work;
	struct kernels kernels;
	struct spsc todo, done;
	struct cpu *cpu;
	double backlog_us;
	uint32_t given;
	bool started;
};

struct cpu {
	uv_async_t wake;
	uint32_t n_workers, n_tasks;
	struct worker worker[CPU_WORKERS_MAX];
	struct kernels here;
	double record_us[CPU_TASKS_MAX];
	uint64_t busy_ns;
	cpu_done_fn done;
	void *ctx;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static int kernels_make(struct kernels *k, uint32_t n_tasks)
{
	size_t most = 1;

	for (uint32_t i = 0; i < n_tasks; i++) {
		const struct harvest_task *t = task_at(i);
		size_t n = tensor_elements(&t->out);
		int err = hv_kernel_new(t, &k->of[i]);

		if (err != HV_OK && err != HV_E_NOENT)
			return err;
		most = n > most ? n : most;
	}
	k->scratch = calloc(most, sizeof(double));
	return k->scratch != NULL ? HV_OK : HV_E_NOMEM;
}

static void kernels_free(struct kernels *k)
{
	for (size_t i = 0; i < CPU_TASKS_MAX; i++)
		hv_kernel_free(k->of[i]);
	for (size_t i = 0; i < CPU_TASKS_MAX; i++)
		plugin_close(k->plugin[i]);
	free(k->scratch);
}

static int plugin_run(struct plugin **p, const struct harvest_task *t, const uint8_t *in,
		      uint8_t *out, uint32_t records, char *why, size_t cap)
{
	int err = *p == NULL ? plugins_worker(t, p, why, cap) : HV_OK;

	return err == HV_OK ? plugin_reference(*p, in, records, NULL, out, NULL, why, cap) : err;
}

/* A task without a fast kernel is run by its definition, one of a plug-in by its process. */
static int kernels_run(struct kernels *k, uint32_t task, const uint8_t *in, uint8_t *out,
		       uint32_t records, char *why, size_t cap)
{
	const struct harvest_task *t = task_at(task);
	size_t ib, ob;

	if (task_plugin_path(t) != NULL)
		return plugin_run(&k->plugin[task], t, in, out, records, why, cap);
	if (k->of[task] != NULL) {
		hv_kernel_run(k->of[task], in, out, records);
		return HV_OK;
	}
	ib = tensor_bytes(&t->in);
	ob = tensor_bytes(&t->out);
	for (uint32_t i = 0; i < records; i++)
		task_exact(t, in + i * ib, out + i * ob, k->scratch);
	return HV_OK;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		struct cpu_unit *u;

		while (sem_wait(&w->work) != 0 && errno == EINTR)
			;
		u = spsc_pop(&w->todo);
		if (u == NULL) /* the closing post comes after all work */
			return NULL;
		u->begin_ns = hv_now_ns();
		u->err = kernels_run(&w->kernels, u->task, u->in, u->out, u->records, u->why,
				     sizeof(u->why));
		u->end_ns = hv_now_ns();
		spsc_push(&w->done, u);
		uv_async_send(&w->cpu->wake);
	}
}

static void learn(struct cpu *c, uint32_t task, uint64_t ns, uint32_t records)
{
	double us = (double)ns / 1000.0 / records;

	c->busy_ns += ns;
	c->record_us[task] += average_weight * (us - c->record_us[task]);
}

static void drain(struct cpu *c)
{
	for (uint32_t i = 0; i < c->n_workers; i++) {
		struct worker *w = &c->worker[i];

		for (struct cpu_unit *u = spsc_pop(&w->done); u != NULL; u = spsc_pop(&w->done)) {
			w->given--;
			w->backlog_us = w->given > 0 ? w->backlog_us - u->predicted_us : 0;
			learn(c, u->task, u->end_ns - u->begin_ns, u->records);
			c->done(c->ctx, u);
		}
	}
}

static void on_wake(uv_async_t *h)
{
	drain(h->data);
}

enum { MEASURE_RECORDS = 8, MEASURE_ROUNDS = 4 };

static int draw(struct cpu *c, uint32_t task, uint8_t *in)
{
	const struct harvest_task *t = task_at(task);
	size_t ib = tensor_bytes(&t->in);
	char why[PLUGIN_WHY_CAP];
	int err;

	if (task_plugin_path(t) == NULL) {
		for (uint64_t r = 0; r < MEASURE_RECORDS; r++)
			t->sample(1, r, in + r * ib);
		return HV_OK;
	}
	err = plugins_worker(t, &c->here.plugin[task], why, sizeof(why));
	if (err != HV_OK)
		return err;
	return plugin_sample(c->here.plugin[task], 1, 0, MEASURE_RECORDS, in, why, sizeof(why));
}

/* First guess of each kernel: the best of a few short runs. A plug-in that was fine a moment
 * ago and fails now keeps a guess that is high. */
static int measure(struct cpu *c)
{
	enum { RECORDS = MEASURE_RECORDS, ROUNDS = MEASURE_ROUNDS };

	for (uint32_t i = 0; i < c->n_tasks; i++) {
		const struct harvest_task *t = task_at(i);
		size_t ib = tensor_bytes(&t->in);
		hv_autofree uint8_t *in = aligned_alloc(64, (RECORDS * ib + 63) / 64 * 64);
		hv_autofree uint8_t *out =
			aligned_alloc(64, (RECORDS * tensor_bytes(&t->out) + 63) / 64 * 64);
		double best_us = INFINITY;

		if (in == NULL || out == NULL)
			return HV_E_NOMEM;
		c->record_us[i] = worker_backlog_us;
		for (int k = draw(c, i, in) == HV_OK ? 0 : ROUNDS; k < ROUNDS; k++) {
			uint64_t begin = hv_now_ns();
			char why[PLUGIN_WHY_CAP];
			double us;

			if (kernels_run(&c->here, i, in, out, RECORDS, why, sizeof(why)) != HV_OK)
				break;
			us = (double)(hv_now_ns() - begin) / 1000.0 / RECORDS;
			best_us = us < best_us ? us : best_us;
		}
		if (isfinite(best_us))
			c->record_us[i] = best_us;
		plugin_close(c->here.plugin[i]); /* the loop thread never runs one */
		c->here.plugin[i] = NULL;
	}
	return HV_OK;
}

static int worker_start(struct cpu *c, struct worker *w)
{
	sigset_t all, before;
	int err = kernels_make(&w->kernels, c->n_tasks);
	int r;

	w->cpu = c;
	if (err != HV_OK)
		return err;
	if (sem_init(&w->work, 0, 0) != 0)
		return HV_E_NOMEM;
	/* Signals are for the loop thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		sem_destroy(&w->work);
		return hv_err_errno(r);
	}
	w->started = true;
	return HV_OK;
}

static void stop_threads(struct cpu *c)
{
	for (uint32_t i = 0; i < c->n_workers; i++)
		if (c->worker[i].started)
			sem_post(&c->worker[i].work);
	for (uint32_t i = 0; i < c->n_workers; i++) {
		struct worker *w = &c->worker[i];

		if (!w->started)
			continue;
		pthread_join(w->thread, NULL);
		sem_destroy(&w->work);
		w->started = false;
	}
}

void cpu_free(struct cpu *c)
{
	if (c == NULL)
		return;
	stop_threads(c);
	for (uint32_t i = 0; i < c->n_workers; i++)
		kernels_free(&c->worker[i].kernels);
	kernels_free(&c->here);
	free(c);
}

int cpu_new(struct uv_loop_s *loop, uint32_t workers, cpu_done_fn done, void *ctx, struct cpu **to)
{
	/* Rings are on cache lines of their own, so plain calloc() will not do. */
	size_t bytes = (sizeof(struct cpu) + 63) / 64 * 64;
	struct cpu *c = aligned_alloc(64, bytes);
	int err;

	if (c == NULL)
		return HV_E_NOMEM;
	memset(c, 0, bytes);
	c->done = done;
	c->ctx = ctx;
	c->n_workers = workers < 1 ? 1 : workers > CPU_WORKERS_MAX ? CPU_WORKERS_MAX : workers;
	c->n_tasks = task_count() < CPU_TASKS_MAX ? (uint32_t)task_count() : CPU_TASKS_MAX;
	c->wake.data = c;
	err = kernels_make(&c->here, c->n_tasks);
	if (err == HV_OK)
		err = measure(c);
	for (uint32_t i = 0; i < c->n_workers && err == HV_OK; i++)
		err = worker_start(c, &c->worker[i]);
	if (err == HV_OK && uv_async_init(loop, &c->wake, on_wake) != 0)
		err = HV_E_NOMEM;
	if (err != HV_OK) {
		cpu_free(c);
		return err;
	}
	*to = c;
	return HV_OK;
}

static void on_closed(uv_handle_t *h)
{
	struct cpu *c = h->data;

	c->closed(c->closed_ctx);
}

void cpu_close(struct cpu *c, void (*done)(void *ctx), void *ctx)
{
	c->closed = done;
	c->closed_ctx = ctx;
	stop_threads(c);
	drain(c);
	uv_close((uv_handle_t *)&c->wake, on_closed);
}

static struct worker *least_busy(const struct cpu *c)
{
	const struct worker *best = NULL;

	for (uint32_t i = 0; i < c->n_workers; i++) {
		const struct worker *w = &c->worker[i];

		if (!w->started || w->given >= SPSC_SIZE ||
		    (w->given > 0 && w->backlog_us >= worker_backlog_us))
			continue;
		if (best == NULL || w->given == 0 || w->backlog_us < best->backlog_us)
			best = w;
		if (w->given == 0)
			break;
	}
	return (struct worker *)best;
}

bool cpu_has_room(const struct cpu *c)
{
	return least_busy(c) != NULL;
}

void cpu_give(struct cpu *c, struct cpu_unit *u)
{
	struct worker *w = least_busy(c);

	assert(w != NULL);
	u->worker = (uint32_t)(w - c->worker);
	u->predicted_us = u->records * c->record_us[u->task];
	u->err = HV_OK;
	/* It may take as long as it is let: nothing else is to wait behind it. */
	if (task_plugin_path(task_at(u->task)) != NULL && u->predicted_us < worker_backlog_us)
		u->predicted_us = worker_backlog_us;
	w->backlog_us += u->predicted_us;
	w->given++;
	spsc_push(&w->todo, u);
	sem_post(&w->work);
}

void cpu_run_here(struct cpu *c, uint32_t task, const uint8_t *in, uint8_t *out, uint32_t records,
		  uint64_t *end_ns)
{
	double predicted_us = records * c->record_us[task];
	uint64_t begin_ns = predicted_us >= learn_us ? hv_now_ns() : 0;

	(void)kernels_run(&c->here, task, in, out, records, NULL, 0); /* no plug-in: cannot fail */
	*end_ns = hv_now_ns();
	if (begin_ns != 0)
		learn(c, task, *end_ns - begin_ns, records);
	else
		c->busy_ns += (uint64_t)(predicted_us * 1000);
}

bool cpu_may_run_here(const struct cpu *c, uint32_t task)
{
	(void)c;
	return task_plugin_path(task_at(task)) == NULL;
}

double cpu_record_us(const struct cpu *c, uint32_t task)
{
	return c->record_us[task];
}

uint32_t cpu_workers(const struct cpu *c)
{
	return c->n_workers;
}

double cpu_backlog_us(const struct cpu *c)
{
	double least = INFINITY;

	for (uint32_t i = 0; i < c->n_workers; i++)
		if (c->worker[i].backlog_us < least)
			least = c->worker[i].backlog_us;
	return least;
}

uint64_t cpu_busy_ns(const struct cpu *c)
{
	return c->busy_ns;
}
