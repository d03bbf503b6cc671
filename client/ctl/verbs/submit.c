#include "client/ctl/ctl.h"
#include "client/ctl/in/samples.h"
#include "client/ctl/out.h"
#include "client/ctl/progress.h"
#include "client/ctl/result_out.h"
#include "client/ctl/taskinfo.h"
#include "proto/ipc_frame.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

static const enum option_id options[] = {
	OPT_TASK,    OPT_OUT,    OPT_DTYPE,    OPT_MAX_ERROR, OPT_DEADLINE, OPT_PRIORITY,
	OPT_ROUTE,   OPT_POLICY, OPT_DETACH,   OPT_DRY_RUN,   OPT_VERIFY,   OPT_BUFFER,
	OPT_RECORDS, OPT_HOP,    OPT_POSITION, OPT_NONE,
};

/* Either samples of ours, or samples that a board has. */
static int check_source(struct ctl *c)
{
	const struct args *a = &c->args;

	if (a->buffer == NULL && a->n_words == 0)
		return ctl_fail(c, HV_E_INVAL,
				"nothing to work on: give a FILE, or --buffer NAME for samples "
				"that a board has");
	if (a->buffer == NULL && (a->records > 0 || a->has_hop || a->has_position))
		return ctl_fail(c, HV_E_INVAL,
				"--records, --hop and --position go with --buffer; 'harvestctl "
				"pack' cuts a file into records");
	if (a->buffer == NULL)
		return HV_OK;
	if (a->n_words > 0)
		return ctl_fail(c, HV_E_INVAL, "give either a FILE or --buffer, not both");
	if (a->task == NULL || a->records == 0)
		return ctl_fail(c, HV_E_INVAL,
				"--buffer needs --task and --records: which samples of the "
				"board are to become what?");
	if (a->verify || a->dtype != 0)
		return ctl_fail(c, HV_E_INVAL,
				"--verify and --dtype need samples here, and with --buffer they "
				"stay on the board");
	return HV_OK;
}

/* What can be refused without reading or asking anything. */
static int check_args(struct ctl *c)
{
	const struct args *a = &c->args;
	int err = check_source(c);

	if (err != HV_OK)
		return err;
	if (a->has_deadline && a->deadline_ms <= 0)
		return ctl_fail(c, HV_E_BUDGET,
				"the deadline of %lld ms is in the past: give the "
				"job some time",
				(long long)a->deadline_ms);
	if (a->out != NULL && !out_name_ok(a->out))
		return ctl_fail(c, HV_E_INVAL,
				"cannot write results to '%s': the name must end in "
				".npy, .bin or .csv, or be -",
				a->out);
	if (a->json && a->out != NULL && strcmp(a->out, "-") == 0)
		return ctl_fail(c, HV_E_INVAL,
				"--json and -o - both want stdout: write the results "
				"to a file");
	if (a->detach && (a->out != NULL || a->verify || a->dry_run))
		return ctl_fail(c, HV_E_INVAL,
				"--detach does not wait for results, so -o, --verify "
				"and --dry-run do not go with it: use 'harvestctl wait'");
	if (a->dry_run && (a->out != NULL || a->verify))
		return ctl_fail(c, HV_E_INVAL,
				"--dry-run computes nothing, so -o and --verify do "
				"not go with it");
	return HV_OK;
}

static int load(struct ctl *c, struct job_file *job)
{
	const struct args *a = &c->args;
	bool is_job = false;
	int err;

	if (a->buffer != NULL) {
		if (strlen(a->task) >= sizeof(job->task))
			return ctl_fail(c, HV_E_INVAL,
					"unknown task '%.64s...': see 'harvestctl tasks'", a->task);
		strcpy(job->task, a->task);
		job->records = a->records;
		return HV_OK;
	}
	err = samples_load(a->word[0], (enum harvest_dtype)a->dtype, job, &is_job, &c->why);

	if (err != HV_OK)
		return err;
	if (is_job && a->task != NULL && strcmp(a->task, job->task) != 0)
		return ctl_fail(c, HV_E_INVAL, "%s is a job for task '%s': leave --task away",
				a->word[0], job->task);
	if (!is_job && a->task == NULL)
		return ctl_fail(c, HV_E_INVAL,
				"%s does not say which task: add --task, see "
				"'harvestctl tasks'",
				a->word[0]);
	if (!is_job && strlen(a->task) >= sizeof(job->task))
		return ctl_fail(c, HV_E_INVAL, "unknown task '%.64s...': see 'harvestctl tasks'",
				a->task);
	if (!is_job)
		strcpy(job->task, a->task);
	if (is_job && job->has_deadline && !a->has_deadline && job->deadline_us <= 0)
		return ctl_fail(c, HV_E_BUDGET, "the deadline in %s is in the past", a->word[0]);
	return HV_OK;
}

/* The samples become records of the task the daemon serves under that name. */
static int fit(struct ctl *c, struct job_file *job, struct task_io *io)
{
	bool from_file = c->args.task == NULL, converted;
	struct reason why;
	int err = ctl_task_get(c, job->task, io);

	if (err == HV_E_NOENT)
		return from_file ? HV_E_FORMAT : HV_E_INVAL;
	if (err != HV_OK || c->args.buffer != NULL)
		return err;
	err = samples_to_records(&job->samples, &io->in, &job->records, &converted, &why);
	if (err != HV_OK)
		return ctl_fail(c, err, "%s: %s", c->args.word[0], why.text);
	if (converted)
		ctl_note("%s: samples rounded to %s", c->args.word[0], dtype_text(io->in.dtype));
	return HV_OK;
}

static void fill(const struct args *a, const struct job_file *job, Hv__Submit *m)
{
	m->task = ctl_text(job->task);
	m->records = job->records;
	m->dtype = job->samples.dtype;
	m->has_budget = a->has_max_error || job->has_budget;
	m->max_error = a->has_max_error ? a->max_error : job->max_error;
	m->has_deadline = a->has_deadline || job->has_deadline;
	m->deadline_us = a->has_deadline ? a->deadline_ms * 1000 : job->deadline_us;
	m->priority = a->priority >= 0 ? (Hv__Priority)a->priority : HV__PRIORITY__NORMAL;
	m->route = a->route >= 0 ? (Hv__Route)a->route : HV__ROUTE__AUTO;
	m->policy = a->policy >= 0 ? (Hv__Policy)a->policy : HV__POLICY__DEFAULT;
	m->board = ctl_text(a->board);
	m->buffer = ctl_text(a->buffer);
	m->hop = a->hop;
	m->has_position = a->has_position;
	m->position = a->position;
	m->detach = a->detach;
	m->dry_run = a->dry_run;
	m->progress = progress_wanted() && !a->detach && !a->dry_run;
}

static int verify(struct ctl *c, const struct job_file *job, const void *out, size_t out_bytes,
		  struct verified *v)
{
	int err =
		result_verify(job->task, job->samples.data, job->samples.bytes, out, out_bytes, v);

	if (err == HV_E_NOENT) {
		ctl_note("task '%s' is not built in: --verify has no definition to compare with",
			 job->task);
		return HV_OK;
	}
	if (err == HV_E_FORMAT)
		return ctl_fail(c, HV_E_WRONG,
				"harvestd answered with %zu bytes, which are not the "
				"records asked for",
				out_bytes);
	return err;
}

/* The job has completed: file, comparison, summary. */
static int deliver(struct ctl *c, const struct job_file *job, const struct task_io *io,
		   const harvest_job *h)
{
	const struct result *r = hv_job_detail(h);
	struct verified v = { .done = false };
	size_t bytes;
	const void *out = hv_job_output(h, &bytes);
	bool raw_on_stdout = c->args.out != NULL && strcmp(c->args.out, "-") == 0;
	int err = HV_OK;

	if (!c->args.dry_run && bytes != tensor_bytes(&io->out) * job->records)
		return ctl_fail(c, HV_E_WRONG, "harvestd answered with %zu bytes instead of %zu",
				bytes, tensor_bytes(&io->out) * job->records);
	if (c->args.verify)
		err = verify(c, job, out, bytes, &v);
	if (err == HV_OK && c->args.out != NULL)
		err = out_write(c->args.out, &io->out, job->records, out, &c->why);
	if (err != HV_OK)
		return err;
	if (c->args.json)
		result_print_json(r, &v);
	else
		result_print_text(raw_on_stdout ? stderr : stdout, r, &v, c->args.dry_run);
	return HV_OK;
}

static void print_detached(const struct ctl *c, const struct result *r)
{
	struct hv_json j = hv_json_begin(stdout);

	if (!c->args.json) {
		printf("%s\n", r->job);
		return;
	}
	hv_json_object(&j, NULL);
	hv_json_str(&j, "job", r->job);
	hv_json_str(&j, "state", r->state);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static int await(struct ctl *c, const struct job_file *job, const struct task_io *io,
		 harvest_job *h)
{
	struct verified none = { .done = false };
	const struct result *r = hv_job_detail(h);
	int err;

	hv_job_on_progress(h, progress_show, NULL);
	err = harvest_job_wait(h, ctl_job_ms(c));
	progress_clear();
	if (err == HV_OK && c->args.detach) {
		print_detached(c, r);
		return HV_OK;
	}
	if (err == HV_OK)
		return deliver(c, job, io, h);
	if (err == HV_E_TIMEOUT && r->state[0] == '\0')
		return ctl_fail(c, err,
				"the job has not ended within %g s and is cancelled: allow "
				"more with --timeout, or use --detach",
				ctl_job_ms(c) / 1e3);
	if (c->args.json && r->job[0] != '\0')
		result_print_json(r, &none);
	return ctl_fail(c, err, "%s", harvest_client_reason(c->client));
}

static int submit(struct ctl *c, struct job_file *job)
{
	Hv__Submit m = HV__SUBMIT__INIT;
	harvest_job *h = NULL;
	struct task_io io;
	int err = fit(c, job, &io);

	if (err != HV_OK)
		return err;
	fill(&c->args, job, &m);
	err = hv_job_start(c->client, IPC_SUBMIT, &m.base, job->samples.data, job->samples.bytes,
			   NULL, NULL, &h);
	if (err != HV_OK)
		return ctl_fail(c, err, "%s", harvest_client_reason(c->client));
	err = await(c, job, &io, h);
	harvest_job_free(h);
	return err;
}

static int run(struct ctl *c)
{
	struct job_file job = { .records = 0 };
	int err = check_args(c);

	if (err == HV_OK)
		err = load(c, &job);
	if (err == HV_OK)
		err = submit(c, &job);
	samples_free(&job.samples);
	return err;
}

const struct verb verb_submit = {
	.name = "submit",
	.words = "FILE | --buffer NAME",
	.about = "run a job and print where it ran, how long and how exact",
	.more = "FILE is a job file of 'harvestctl pack', .npy, .wav, .csv, or raw with --dtype; "
		"- is stdin.\nAll but job files need --task.\n"
		"With --buffer the samples are those a board has: --task and --records are needed, "
		"--hop is the\ndistance of records in samples [back to back].\n",
	.min_words = 0,
	.max_words = 1,
	.options = options,
	.run = run,
};
