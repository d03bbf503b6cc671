#include "client/ctl/ctl.h"
#include "client/ctl/out.h"
#include "client/ctl/progress.h"
#include "client/ctl/result_out.h"
#include "client/ctl/table.h"
#include "client/ctl/taskinfo.h"
#include "proto/ipc_frame.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <string.h>

static int write_out(struct ctl *c, const harvest_job *h)
{
	const struct result *r = hv_job_detail(h);
	struct task_io io;
	size_t bytes;
	const void *out = hv_job_output(h, &bytes);
	int err;

	if (out == NULL)
		return ctl_fail(c, HV_E_NOENT,
				"job %s has no results to fetch: they are kept for detached jobs, "
				"for a while, and for the user who submitted them",
				r->job);
	err = ctl_task_get(c, r->task, &io);

	if (err != HV_OK)
		return err;
	if (bytes != tensor_bytes(&io.out) * r->records)
		return ctl_fail(c, HV_E_WRONG, "job %s has %zu bytes of results instead of %zu",
				r->job, bytes, tensor_bytes(&io.out) * r->records);
	return out_write(c->args.out, &io.out, r->records, out, &c->why);
}

static int deliver(struct ctl *c, const harvest_job *h)
{
	struct verified none = { .done = false };
	const char *out = c->args.out;
	int err = out != NULL ? write_out(c, h) : HV_OK;

	if (err != HV_OK)
		return err;
	if (c->args.json)
		result_print_json(hv_job_detail(h), &none);
	else
		result_print_text(out != NULL && strcmp(out, "-") == 0 ? stderr : stdout,
				  hv_job_detail(h), &none, false);
	return HV_OK;
}

static int await(struct ctl *c, harvest_job *h)
{
	struct verified none = { .done = false };
	const struct result *r = hv_job_detail(h);
	int err;

	hv_job_on_progress(h, progress_show, NULL);
	err = harvest_job_wait(h, ctl_job_ms(c) + (c->args.has_timeout ? 1000 : 0));
	progress_clear();
	if (err == HV_OK)
		return deliver(c, h);
	if (c->args.json && r->job[0] != '\0')
		result_print_json(r, &none);
	return ctl_fail(c, err, "%s", harvest_client_reason(c->client));
}

static int run_wait(struct ctl *c)
{
	Hv__JobRef ref = HV__JOB_REF__INIT;
	harvest_job *h;
	int err;

	if (c->args.out != NULL && !out_name_ok(c->args.out))
		return ctl_fail(c, HV_E_INVAL,
				"cannot write results to '%s': the name must end in "
				".npy, .bin or .csv, or be -",
				c->args.out);
	if (c->args.json && c->args.out != NULL && strcmp(c->args.out, "-") == 0)
		return ctl_fail(c, HV_E_INVAL,
				"--json and -o - both want stdout: write the results "
				"to a file");
	err = ctl_connect(c);
	if (err != HV_OK)
		return err;
	ref.job = ctl_text(c->args.word[0]);
	ref.has_timeout = true;
	ref.timeout_us = (uint64_t)ctl_job_ms(c) * 1000;
	err = hv_job_start(c->client, IPC_WAIT, &ref.base, NULL, 0, NULL, NULL, &h);
	if (err != HV_OK)
		return ctl_fail(c, err, "%s", harvest_client_reason(c->client));
	err = await(c, h);
	harvest_job_free(h);
	return err;
}

static int run_cancel(struct ctl *c)
{
	Hv__JobRef ref = HV__JOB_REF__INIT;
	const Hv__CancelReply *r;
	struct hv_reply reply;
	struct hv_json j = hv_json_begin(stdout);
	int err;

	ref.job = ctl_text(c->args.word[0]);
	err = ctl_ask(c, IPC_CANCEL, &ref.base, IPC_CANCEL_REPLY, &reply);
	if (err != HV_OK)
		return err;
	r = (const Hv__CancelReply *)reply.msg;
	if (c->args.json) {
		hv_json_object(&j, NULL);
		hv_json_str(&j, "job", r->job);
		hv_json_str(&j, "outcome", r->outcome);
		hv_json_end_object(&j);
		hv_json_finish(&j);
	} else {
		printf("%s: %s\n", r->job, r->outcome);
	}
	hv_reply_free(&reply);
	return HV_OK;
}

static void jobs_json(const Hv__JobList *list)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_array(&j, "jobs");
	for (size_t i = 0; i < list->n_jobs; i++) {
		const Hv__JobInfo *job = list->jobs[i];

		hv_json_object(&j, NULL);
		hv_json_str(&j, "job", job->job);
		hv_json_str(&j, "task", job->task);
		hv_json_u64(&j, "records", job->records);
		hv_json_u64(&j, "records_done", job->records_done);
		hv_json_str(&j, "state", job->state);
		hv_json_u64(&j, "age_us", job->age_us);
		hv_json_str(&j, "client", job->client);
		hv_json_str(&j, "why", job->why);
		hv_json_end_object(&j);
	}
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void jobs_text(const Hv__JobList *list)
{
	static const char *const heads[] = { "JOB",   "TASK", ">RECORDS", ">DONE",
					     "STATE", ">AGE", "CLIENT",   "WHY" };
	struct table t = table_begin(heads, HV_ARRAY_SIZE(heads));

	for (size_t i = 0; i < list->n_jobs; i++) {
		const Hv__JobInfo *job = list->jobs[i];

		table_add(&t, "%s", job->job);
		table_add(&t, "%s", job->task);
		table_add(&t, "%u", job->records);
		table_add(&t, "%u", job->records_done);
		table_add(&t, "%s", job->state);
		table_add_us(&t, job->age_us);
		table_add(&t, "%s", job->client);
		table_add(&t, "%s", job->why);
	}
	table_end(&t);
}

static int run_jobs(struct ctl *c)
{
	Hv__JobsQuery q = HV__JOBS_QUERY__INIT;
	struct hv_reply reply;
	int err;

	q.limit = c->args.limit;
	err = ctl_ask(c, IPC_JOBS, &q.base, IPC_JOBS_REPLY, &reply);
	if (err != HV_OK)
		return err;
	if (c->args.json)
		jobs_json((const Hv__JobList *)reply.msg);
	else
		jobs_text((const Hv__JobList *)reply.msg);
	hv_reply_free(&reply);
	return HV_OK;
}

static const enum option_id wait_options[] = { OPT_OUT, OPT_NONE };
static const enum option_id jobs_options[] = { OPT_LIMIT, OPT_NONE };

const struct verb verb_wait = {
	.name = "wait",
	.words = "JOB",
	.about = "wait for a detached job and fetch its result",
	.min_words = 1,
	.max_words = 1,
	.options = wait_options,
	.run = run_wait,
};
const struct verb verb_cancel = {
	.name = "cancel",
	.words = "JOB",
	.about = "stop a job; says when it is too late",
	.min_words = 1,
	.max_words = 1,
	.run = run_cancel,
};
const struct verb verb_jobs = {
	.name = "jobs",
	.words = "",
	.about = "list the jobs that the daemon remembers",
	.options = jobs_options,
	.run = run_jobs,
};
