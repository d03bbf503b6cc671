#include "config.h"
#include "daemon/ipc/conn.h"
#include "daemon/telemetry/telemetry.h"
#include "util/clock.h"

/* Requests that only look. */

enum { REPLY_MARGIN = 4096 };

static void too_large(struct conn *c, uint32_t tag)
{
	conn_error(c, tag, HV_E_NOMEM, "the reply does not fit the daemon's reply memory");
}

void h_jobs(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const Hv__JobsQuery *m = msg;
	Hv__JobList reply = HV__JOB_LIST__INIT;

	if (telemetry_jobs(c->server->with.store, m->limit, IPC_MSG_MAX - REPLY_MARGIN,
			   dispatch_now_ns(c->server->with.dispatch), &reply, &c->server->arena))
		conn_send(c, IPC_JOBS_REPLY, f->tag, &reply.base, NULL);
	else
		too_large(c, f->tag);
}

void h_explain(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const Hv__JobRef *m = msg;
	const struct server *s = c->server;
	Hv__Explanation reply = HV__EXPLANATION__INIT;
	char why[WHY_CAP];
	const struct job *j = job_find(s->with.store, m->job, why, sizeof(why));

	if (j == NULL)
		conn_error(c, f->tag, HV_E_NOENT, "%s", why);
	else if (telemetry_explanation(s->with.dispatch, s->with.store, j, &reply,
				       &c->server->arena))
		conn_send(c, IPC_EXPLAIN_REPLY, f->tag, &reply.base, NULL);
	else
		too_large(c, f->tag);
}

void h_tasks(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	Hv__TaskList reply = HV__TASK_LIST__INIT;

	(void)msg;
	if (telemetry_tasks(c->server->with.models, &reply, &c->server->arena))
		conn_send(c, IPC_TASKS_REPLY, f->tag, &reply.base, NULL);
	else
		too_large(c, f->tag);
}

void h_status(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const struct server_parts *with = &c->server->with;
	struct hv_arena *a = &c->server->arena;
	size_t n = with->boards != NULL ? boards_count(with->boards) : 0;
	Hv__Status reply = HV__STATUS__INIT;
	Hv__JobCounts counts;
	Hv__BoardInfo *all;
	uint64_t now_ns = dispatch_now_ns(with->dispatch);

	(void)msg;
	n = n < DISPATCH_BOARDS_MAX ? n : DISPATCH_BOARDS_MAX;
	all = hv_arena_zero(a, n, sizeof(*all));
	reply.boards = hv_arena_zero(a, n, sizeof(*reply.boards));
	if (all == NULL || reply.boards == NULL || !telemetry_suspended(with->models, &reply, a)) {
		too_large(c, f->tag);
		return;
	}
	telemetry_counts(with->store, &counts);
	reply.version = PACKAGE_VERSION;
	reply.uptime_s = (double)(now_ns - with->started_ns) / 1e9;
	reply.jobs = &counts;
	reply.cpu_workers = with->cpu_workers;
	reply.cpu_busy_share = dispatch_cpu_busy_share(with->dispatch);
	reply.loop_lag_max_us = *with->loop_lag_max_ns / 1000;
	reply.clients = server_clients(c->server);
	reply.payload_bytes = with->store->payload_bytes;
	for (size_t i = 0; i < n; i++) {
		if (board_info(boards_at(with->boards, i), now_ns, &all[i]) != HV_OK)
			break;
		reply.boards[reply.n_boards++] = &all[i];
	}
	conn_send(c, IPC_STATUS_REPLY, f->tag, &reply.base, NULL);
	for (size_t i = 0; i < reply.n_boards; i++)
		board_info_clear(&all[i]);
}
