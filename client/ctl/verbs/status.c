#include "client/ctl/ctl.h"
#include "client/ctl/table.h"
#include "client/ctl/verbs/board_out.h"
#include "proto/ipc_frame.h"
#include <inttypes.h>
#include <stdio.h>

static void json_jobs(struct hv_json *j, const Hv__JobCounts *n)
{
	hv_json_object(j, "jobs");
	hv_json_u64(j, "accepted", n->accepted);
	hv_json_u64(j, "completed", n->completed);
	hv_json_u64(j, "failed", n->failed);
	hv_json_u64(j, "cancelled", n->cancelled);
	hv_json_u64(j, "expired", n->expired);
	hv_json_u64(j, "waiting", n->waiting);
	hv_json_u64(j, "running", n->running);
	hv_json_u64(j, "refused", n->refused);
	hv_json_end_object(j);
}

static void status_json(const Hv__Status *s, const Hv__JobCounts *n)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "version", s->version);
	hv_json_f64(&j, "uptime_s", s->uptime_s);
	json_jobs(&j, n);
	hv_json_object(&j, "cpu");
	hv_json_u64(&j, "workers", s->cpu_workers);
	hv_json_f64(&j, "busy_share", s->cpu_busy_share);
	hv_json_end_object(&j);
	hv_json_object(&j, "loop");
	hv_json_u64(&j, "lag_max_us", s->loop_lag_max_us);
	hv_json_end_object(&j);
	hv_json_u64(&j, "clients", s->clients);
	hv_json_u64(&j, "payload_bytes", s->payload_bytes);
	hv_json_object(&j, "models");
	hv_json_array(&j, "suspended");
	for (size_t i = 0; i < s->n_suspended_models; i++)
		hv_json_str(&j, NULL, s->suspended_models[i]);
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_array(&j, "boards");
	for (size_t i = 0; i < s->n_boards; i++)
		board_json(&j, s->boards[i]);
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void status_text(const Hv__Status *s, const Hv__JobCounts *n)
{
	char lag[32];

	printf("harvestd %s, up %.0f s, %u clients, %" PRIu64 " bytes of samples held\n",
	       s->version, s->uptime_s, s->clients, s->payload_bytes);
	printf("jobs: %" PRIu64 " accepted = %" PRIu64 " completed + %" PRIu64 " failed + %" PRIu64
	       " cancelled + %" PRIu64 " expired + %" PRIu64 " waiting + %" PRIu64
	       " running; %" PRIu64 " refused\n",
	       n->accepted, n->completed, n->failed, n->cancelled, n->expired, n->waiting,
	       n->running, n->refused);
	printf("cpu: %u workers, busy %.1f %%; event loop late by at most %s\n", s->cpu_workers,
	       s->cpu_busy_share * 100, us_text(s->loop_lag_max_us, lag, sizeof(lag)));
	for (size_t i = 0; i < s->n_suspended_models; i++)
		printf("%s %s", i == 0 ? "models suspended by the audit:" : ",",
		       s->suspended_models[i]);
	if (s->n_suspended_models > 0)
		putchar('\n');
	if (s->n_boards == 0) {
		printf("boards: none\n");
		return;
	}
	putchar('\n');
	boards_table(s->boards, s->n_boards);
}

static int run(struct ctl *c)
{
	Hv__Empty nothing = HV__EMPTY__INIT;
	Hv__JobCounts zero = HV__JOB_COUNTS__INIT;
	const Hv__Status *s;
	const Hv__JobCounts *n;
	struct hv_reply reply;
	int err = ctl_ask(c, IPC_STATUS, &nothing.base, IPC_STATUS_REPLY, &reply);

	if (err != HV_OK)
		return err;
	s = (const Hv__Status *)reply.msg;
	n = s->jobs != NULL ? s->jobs : &zero;
	if (c->args.json)
		status_json(s, n);
	else
		status_text(s, n);
	hv_reply_free(&reply);
	return HV_OK;
}

const struct verb verb_status = {
	.name = "status",
	.words = "",
	.about = "one look at the daemon: jobs, CPU, boards",
	.run = run,
};
