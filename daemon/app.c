#include "daemon/app.h"
#include "daemon/board/board.h"
#include "daemon/cpu/cpu.h"
#include "daemon/cpu/plugins.h"
#include "daemon/dispatch/dispatch.h"
#include "daemon/ipc/listen.h"
#include "daemon/ipc/server.h"
#include "daemon/log.h"
#include "util/clock.h"
#include "util/own.h"
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

/* How the end goes: each step begins when the one before is done. */
enum app_phase { APP_SERVING, APP_DRAINING, APP_BOARDS, APP_CLIENTS, APP_CORES, APP_OVER };

struct app {
	struct app_options opt;
	uv_loop_t loop;
	uv_signal_t term, intr;
	uv_timer_t timer;
	uv_prepare_t prepare;
	bool have_handles;
	enum app_phase phase;
	struct listen listen;
	struct store store;
	struct timers timers;
	struct timer_node patience, watchdog;
	uint64_t armed_ns, lag_max_ns;
	uint64_t turn_ns, idle_ns; /* when the last turn ended, and the loop's sleep until then */
	struct plugins *plugins;
	struct models *models;
	struct boards *boards;
	struct cpu *cpu;
	struct dispatch *dispatch;
	struct server *server;
};

static void advance(struct app *a);

static void notify(const struct app *a, const char *text)
{
	if (a->opt.notify != NULL)
		a->opt.notify(text);
}

static void on_timer(uv_timer_t *t)
{
	struct app *a = t->data;
	uint64_t now_ns = hv_now_ns();

	a->armed_ns = UINT64_MAX;
	dispatch_clock(a->dispatch, now_ns);
	timers_run(&a->timers, now_ns);
}

/* How long this turn kept others waiting: all of it but the sleep. Callbacks run inside of the
 * poll, so only the loop itself knows when its sleep ended. */
static void measure_turn(struct app *a, uint64_t now_ns)
{
	uint64_t idle_ns = uv_metrics_idle_time(&a->loop), turn_ns = now_ns - a->turn_ns;
	uint64_t slept_ns = idle_ns - a->idle_ns;

	if (a->turn_ns != 0 && turn_ns > slept_ns && turn_ns - slept_ns > a->lag_max_ns)
		a->lag_max_ns = turn_ns - slept_ns;
	a->turn_ns = now_ns;
	a->idle_ns = idle_ns;
}

/* Before the loop sleeps: set the one timer. */
static void on_prepare(uv_prepare_t *h)
{
	struct app *a = h->data;
	uint64_t next_ns = timers_next_ns(&a->timers), now_ns = hv_now_ns();

	measure_turn(a, now_ns);
	if (a->phase == APP_DRAINING)
		advance(a);
	if (next_ns == a->armed_ns)
		return;
	a->armed_ns = next_ns;
	if (next_ns == UINT64_MAX) {
		uv_timer_stop(&a->timer);
		return;
	}
	uv_update_time(&a->loop);
	uv_timer_start(&a->timer, on_timer,
		       next_ns > now_ns ? (next_ns - now_ns + 999999) / 1000000 : 0, 0);
}

static void on_watchdog(struct timer_node *n, uint64_t now_ns)
{
	struct app *a = (struct app *)(void *)((char *)n - offsetof(struct app, watchdog));
	char text[160];

	snprintf(text, sizeof(text),
		 "WATCHDOG=1\nSTATUS=%u clients, %zu boards, %llu jobs completed",
		 server_clients(a->server), boards_count(a->boards),
		 (unsigned long long)a->store.counts.in_state[JOB_COMPLETED]);
	notify(a, text);
	(void)timers_set(&a->timers, n, now_ns + a->opt.watchdog_us * 1000 / 3);
}

static void on_closed_part(void *ctx)
{
	advance(ctx);
}

static void close_handles(struct app *a)
{
	uv_close((uv_handle_t *)&a->term, NULL);
	uv_close((uv_handle_t *)&a->intr, NULL);
	uv_close((uv_handle_t *)&a->timer, NULL);
	uv_close((uv_handle_t *)&a->prepare, NULL);
}

/* One step further towards the end, when the step before is done. */
static void advance(struct app *a)
{
	switch (a->phase) {
	case APP_SERVING: a->phase = APP_DRAINING; break;
	case APP_DRAINING:
		if (a->store.live > 0 || dispatch_units_out(a->dispatch) > 0)
			break;
		a->phase = APP_BOARDS;
		timers_clear(&a->timers, &a->patience);
		boards_close(a->boards, on_closed_part, a);
		break;
	case APP_BOARDS:
		a->phase = APP_CLIENTS;
		server_close(a->server, on_closed_part, a);
		break;
	case APP_CLIENTS:
		a->phase = APP_CORES;
		cpu_close(a->cpu, on_closed_part, a);
		break;
	case APP_CORES:
		a->phase = APP_OVER;
		close_handles(a);
		break;
	case APP_OVER: break;
	}
}

/* Running work had its time: cancel it. Units that boards hold come back when they close. */
static void on_patience_over(struct timer_node *n, uint64_t now_ns)
{
	struct app *a = (struct app *)(void *)((char *)n - offsetof(struct app, patience));

	(void)now_ns;
	dispatch_cancel_all(a->dispatch, "the daemon is shutting down");
	if (a->phase != APP_DRAINING)
		return;
	a->phase = APP_BOARDS;
	boards_close(a->boards, on_closed_part, a);
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct app *a = h->data;

	(void)signum;
	if (a->phase != APP_SERVING) {
		dispatch_cancel_all(a->dispatch, "the daemon is shutting down");
		return;
	}
	log_event(LOG_LVL_NOTICE, "STOPPING", "stopping: %u jobs in flight", a->store.live);
	notify(a, "STOPPING=1\nSTATUS=ending what runs");
	dispatch_clock(a->dispatch, hv_now_ns());
	server_stop_accepting(a->server);
	dispatch_stop(a->dispatch);
	a->patience.fire = on_patience_over;
	(void)timers_set(&a->timers, &a->patience, hv_now_ns() + a->opt.limits.shutdown_ns);
	advance(a);
}

static uint32_t default_workers(uint32_t wanted)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (wanted > 0)
		return wanted;
	return cores < 1 ? 1 : cores > CPU_WORKERS_MAX ? CPU_WORKERS_MAX : (uint32_t)cores;
}

static void make_handles(struct app *a)
{
	(void)uv_loop_configure(&a->loop, UV_METRICS_IDLE_TIME); /* known since libuv 1.39 */
	uv_signal_init(&a->loop, &a->term);
	uv_signal_init(&a->loop, &a->intr);
	uv_timer_init(&a->loop, &a->timer);
	uv_prepare_init(&a->loop, &a->prepare);
	a->term.data = a->intr.data = a->timer.data = a->prepare.data = a;
	uv_signal_start(&a->term, on_signal, SIGTERM);
	uv_signal_start(&a->intr, on_signal, SIGINT);
	uv_prepare_start(&a->prepare, on_prepare);
	a->have_handles = true;
}

static void on_task_enters(void *ctx, size_t task, double record_us)
{
	struct app *a = ctx;

	cpu_task_enters(a->cpu, (uint32_t)task, record_us);
}

static void on_task_leaves(void *ctx, size_t task)
{
	struct app *a = ctx;

	cpu_task_leaves(a->cpu, (uint32_t)task);
}

static int make_core(struct app *a, char *why, size_t cap)
{
	struct dispatch_parts parts = { .store = &a->store,
					.timers = &a->timers,
					.policy = a->opt.policy };
	struct dispatch_events ev = { .on_ended = server_on_job_ended,
				      .on_progress = server_on_job_progress };
	uint32_t epoch = 0;
	int err;

	snprintf(why, cap, "out of memory");
	if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
		epoch = (uint32_t)hv_now_ns();
	err = store_init(&a->store, &a->opt.limits, epoch);
	if (err == HV_OK) /* before models and kernels: both know tasks by the catalogue */
		err = plugins_open(a->opt.plugins_dir, &a->plugins);
	if (err == HV_OK && a->opt.no_package_code)
		plugins_code_forbid(a->plugins);
	if (err == HV_OK)
		err = models_new(a->opt.models_dirs, a->opt.state_dir, a->plugins, &a->models);
	parts.models = a->models;
	if (err == HV_OK)
		err = dispatch_new(&parts, &ev, &a->dispatch);
	if (err == HV_OK) {
		dispatch_clock(a->dispatch, hv_now_ns());
		err = cpu_new(&a->loop, default_workers(a->opt.workers), dispatch_on_cpu_done,
			      a->dispatch, &a->cpu);
	}
	if (err == HV_OK)
		plugins_on_change(a->plugins, on_task_enters, on_task_leaves, a);
	return err;
}

static int make_outside(struct app *a, char *why, size_t cap)
{
	struct board_events ev = dispatch_board_events(a->dispatch);
	struct server_parts parts = { .loop = &a->loop,
				      .dispatch = a->dispatch,
				      .store = &a->store,
				      .timers = &a->timers,
				      .models = a->models,
				      .limits = a->opt.limits,
				      .policy = a->opt.policy,
				      .program = a->opt.program,
				      .started_ns = hv_now_ns(),
				      .cpu_workers = cpu_workers(a->cpu),
				      .loop_lag_max_ns = &a->lag_max_ns };
	int err = HV_OK;

	/* The lock first: a second daemon must not touch the boards' socket either. */
	if (a->opt.client_fd < 0)
		err = listen_open(a->opt.socket_path, &a->listen, why, cap);
	if (err == HV_OK)
		err = boards_new(&a->loop, a->opt.boards_path, a->opt.boards_fd, a->models, &ev,
				 &a->boards, why, cap);
	if (err != HV_OK)
		return err;
	parts.boards = a->boards;
	dispatch_join(a->dispatch, a->cpu, a->boards);
	snprintf(why, cap, "out of memory");
	err = server_new(&parts, &a->server);
	if (err != HV_OK)
		return err;
	dispatch_deliver_to(a->dispatch, a->server);
	err = server_listen(a->server,
			    a->opt.client_fd >= 0 ? a->opt.client_fd : hv_take_fd(a->listen.fd));
	if (err != HV_OK)
		snprintf(why, cap, "cannot listen on the socket of clients");
	return err;
}

int app_new(const struct app_options *o, struct app **to, char *why, size_t cap)
{
	struct app *a = calloc(1, sizeof(*a));
	int err;

	snprintf(why, cap, "out of memory");
	if (a == NULL)
		return HV_E_NOMEM;
	a->opt = *o;
	a->listen = (struct listen){ .fd = -1, .lock_fd = -1 };
	a->armed_ns = UINT64_MAX;
	if (uv_loop_init(&a->loop) != 0) {
		free(a);
		return HV_E_NOMEM;
	}
	make_handles(a);
	err = make_core(a, why, cap);
	if (err == HV_OK)
		err = make_outside(a, why, cap);
	if (err != HV_OK) {
		app_free(a);
		return err;
	}
	*to = a;
	return HV_OK;
}

int app_run(struct app *a)
{
	if (a->opt.watchdog_us > 0) {
		a->watchdog.fire = on_watchdog;
		(void)timers_set(&a->timers, &a->watchdog, hv_now_ns());
	}
	notify(a, "READY=1\nSTATUS=serving");
	log_event(LOG_LVL_NOTICE, "READY", "%s serves %s with %u workers and %zu models",
		  a->opt.program, a->opt.client_fd >= 0 ? "the activated socket" : a->listen.path,
		  cpu_workers(a->cpu), models_count(a->models));
	uv_run(&a->loop, UV_RUN_DEFAULT);
	log_event(LOG_LVL_NOTICE, "STOPPED", "stopped after %llu jobs",
		  (unsigned long long)a->store.counts.accepted);
	return a->phase == APP_OVER ? HV_OK : HV_E_IO;
}

static void forget_closed(void *ctx)
{
	(void)ctx;
}

/* A start that failed half way: close what there is and let the loop run dry. */
static void wind_up(struct app *a)
{
	if (a->phase == APP_OVER)
		return;
	if (a->boards != NULL)
		boards_close(a->boards, forget_closed, NULL);
	if (a->server != NULL)
		server_close(a->server, forget_closed, NULL);
	if (a->cpu != NULL)
		cpu_close(a->cpu, forget_closed, NULL);
	close_handles(a);
	a->phase = APP_OVER;
	uv_run(&a->loop, UV_RUN_DEFAULT);
}

void app_free(struct app *a)
{
	if (a == NULL)
		return;
	wind_up(a);
	server_free(a->server);
	boards_free(a->boards);
	cpu_free(a->cpu);
	dispatch_free(a->dispatch);
	models_free(a->models);
	plugins_close(a->plugins);
	if (a->store.pool != NULL)
		store_free(&a->store);
	timers_free(&a->timers);
	listen_close(&a->listen);
	hv_closep(&a->listen.fd);
	if (uv_loop_close(&a->loop) != 0)
		log_event(LOG_LVL_WARNING, "LOOP_BUSY", "a handle was left open at the end");
	free(a);
}
