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
#include <stdatomic.h>
#include <string.h>
#include <uv.h>

/* A worker with more predicted work than this takes no more: what waits should wait in the
 * queue, where priorities hold. */
static const double worker_backlog_us = 2000;
static const double average_weight = 0.1;
/* Shorter runs on the loop thread are not timed: the clock would be a part of what it sees. */
static const double learn_us = 2;

/* A process of a thread's own, for one plug-in. */
struct helper {
	uint32_t task;
	struct plugin *plugin; /* NULL: none */
	uint64_t used; /* when, in calls */
};

/* Of a thread: every one is a process, and most gateways have few plug-ins. */
enum { HELPERS_MAX = 4 };

/* One thread's kernels. */
struct kernels {
	struct hv_kernel *of[CPU_TASKS_MAX];
	struct helper helper[HELPERS_MAX];
	uint64_t calls;
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
	atomic_bool tidy, closing; /* said to the thread, with a post of `work` */
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
		size_t n;
		int err;

		if (t == NULL || task_plugin_path(t) != NULL)
			continue;
		n = tensor_elements(&t->out);
		err = hv_kernel_new(t, &k->of[i]);

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
	for (size_t i = 0; i < HELPERS_MAX; i++)
		plugin_close(k->helper[i].plugin);
	free(k->scratch);
}

static void helper_end(struct helper *h)
{
	plugin_close(h->plugin);
	h->plugin = NULL;
}

/* The one for a task; else one to be used for it: free, or the one that was used least lately. */
static struct helper *helper_for(struct kernels *k, uint32_t task)
{
	struct helper *best = &k->helper[0];

	for (size_t i = 0; i < HELPERS_MAX; i++) {
		struct helper *h = &k->helper[i];

		if (h->plugin != NULL && h->task == task)
			return h;
		if (best->plugin != NULL && (h->plugin == NULL || h->used < best->used))
			best = h;
	}
	helper_end(best);
	best->task = task;
	return best;
}

/* End those whose task has left. */
static void helpers_tidy(struct kernels *k)
{
	for (size_t i = 0; i < HELPERS_MAX; i++)
		if (k->helper[i].plugin != NULL && !task_is_served(k->helper[i].task))
			helper_end(&k->helper[i]);
}

static int plugin_run(struct kernels *k, struct cpu_unit *u)
{
	struct helper *h = helper_for(k, u->task);
	int err = HV_OK;

	h->used = ++k->calls;
	if (h->plugin == NULL)
		err = plugins_worker(task_at(u->task), &h->plugin, u->why, sizeof(u->why));
	if (err != HV_OK)
		return err;
	plugin_number_from(h->plugin, u->first);
	return plugin_reference(h->plugin, u->in, u->records, NULL, u->out, NULL, u->why,
				sizeof(u->why));
}

/* A task without a fast kernel is run by its definition. */
static void kernels_run(struct kernels *k, uint32_t task, const uint8_t *in, uint8_t *out,
			uint32_t records)
{
	const struct harvest_task *t = task_at(task);
	size_t ib, ob;

	if (k->of[task] != NULL) {
		hv_kernel_run(k->of[task], in, out, records);
		return;
	}
	ib = tensor_bytes(&t->in);
	ob = tensor_bytes(&t->out);
	for (uint32_t i = 0; i < records; i++)
		task_exact(t, in + i * ib, out + i * ob, k->scratch);
}

static int unit_run(struct kernels *k, struct cpu_unit *u)
{
	if (task_plugin_path(task_at(u->task)) != NULL)
		return plugin_run(k, u);
	kernels_run(k, u->task, u->in, u->out, u->records);
	return HV_OK;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		struct cpu_unit *u;

		while (sem_wait(&w->work) != 0 && errno == EINTR)
			;
		if (atomic_exchange(&w->tidy, false))
			helpers_tidy(&w->kernels);
		u = spsc_pop(&w->todo);
		if (u == NULL && atomic_load(&w->closing)) /* its post comes after all work */
			return NULL;
		if (u == NULL)
			continue;
		u->begin_ns = hv_now_ns();
		u->err = unit_run(&w->kernels, u);
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

/* First guess of each kernel: the best of a few short runs. Plug-ins were timed by whoever
 * opened them: cpu_task_enters(). */
static int measure(struct cpu *c)
{
	enum { RECORDS = MEASURE_RECORDS, ROUNDS = MEASURE_ROUNDS };

	for (uint32_t i = 0; i < CPU_TASKS_MAX; i++)
		c->record_us[i] = worker_backlog_us;
	for (uint32_t i = 0; i < c->n_tasks; i++) {
		const struct harvest_task *t = task_at(i);
		bool ours = t != NULL && task_plugin_path(t) == NULL;
		size_t ib = ours ? tensor_bytes(&t->in) : 1;
		size_t ob = ours ? tensor_bytes(&t->out) : 1;
		hv_autofree uint8_t *in = aligned_alloc(64, (RECORDS * ib + 63) / 64 * 64);
		hv_autofree uint8_t *out = aligned_alloc(64, (RECORDS * ob + 63) / 64 * 64);
		double best_us = INFINITY;

		if (in == NULL || out == NULL)
			return HV_E_NOMEM;
		for (uint64_t r = 0; ours && r < RECORDS; r++)
			t->sample(1, r, in + r * ib);
		for (int k = 0; ours && k < ROUNDS; k++) {
			uint64_t begin = hv_now_ns();
			double us;

			kernels_run(&c->here, i, in, out, RECORDS);
			us = (double)(hv_now_ns() - begin) / 1000.0 / RECORDS;
			best_us = us < best_us ? us : best_us;
		}
		if (ours)
			c->record_us[i] = best_us;
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
	for (uint32_t i = 0; i < c->n_workers; i++) {
		if (!c->worker[i].started)
			continue;
		atomic_store(&c->worker[i].closing, true);
		sem_post(&c->worker[i].work);
	}
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

void cpu_task_enters(struct cpu *c, uint32_t task, double record_us)
{
	if (task < CPU_TASKS_MAX)
		c->record_us[task] = record_us;
}

void cpu_task_leaves(struct cpu *c, uint32_t task)
{
	(void)task; /* threads look themselves which tasks are served */
	for (uint32_t i = 0; i < c->n_workers; i++) {
		if (!c->worker[i].started)
			continue;
		atomic_store(&c->worker[i].tidy, true);
		sem_post(&c->worker[i].work);
	}
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

	kernels_run(&c->here, task, in, out, records);
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
