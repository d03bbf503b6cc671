#include "client/ctl/ctl.h"
#include "client/ctl/table.h"
#include "proto/ipc_frame.h"
#include "util/json_out.h"
#include "util/own.h"
#include <stdio.h>

static void json_candidate(struct hv_json *j, const Hv__Candidate *k)
{
	hv_json_object(j, NULL);
	hv_json_str(j, "where", k->where);
	hv_json_str(j, "model", k->model);
	hv_json_bool(j, "eligible", k->eligible);
	hv_json_str(j, "why_not", k->why_not);
	hv_json_u64(j, "queue_us", k->queue_us);
	hv_json_u64(j, "link_us", k->link_us);
	hv_json_u64(j, "load_us", k->load_us);
	hv_json_u64(j, "wait_us", k->wait_us);
	hv_json_u64(j, "compute_us", k->compute_us);
	hv_json_u64(j, "finish_us", k->finish_us);
	hv_json_f64(j, "energy_uj", k->energy_uj);
	if (k->exact)
		hv_json_null(j, "certified_error");
	else
		hv_json_f64(j, "certified_error", k->certified_error);
	hv_json_u64(j, "records", k->records);
	hv_json_end_object(j);
}

static void explain_json(const Hv__Explanation *e)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "job", e->job);
	hv_json_str(&j, "task", e->task);
	hv_json_u64(&j, "records", e->records);
	hv_json_str(&j, "policy", e->policy);
	hv_json_str(&j, "metric", e->metric);
	if (e->has_budget)
		hv_json_f64(&j, "budget", e->budget);
	else
		hv_json_null(&j, "budget");
	hv_json_str(&j, "chosen", e->chosen);
	hv_json_str(&j, "why", e->why);
	hv_json_array(&j, "candidates");
	for (size_t i = 0; i < e->n_candidates; i++)
		json_candidate(&j, e->candidates[i]);
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void text_candidate(struct table *t, const Hv__Explanation *e, const Hv__Candidate *k)
{
	char error[64];

	table_add(t, "%s", k->where);
	table_add(t, "%s", k->model[0] ? k->model : "-");
	table_add(t, "%s",
		  error_text(e->metric, k->exact, k->certified_error, error, sizeof(error)));
	table_add_us(t, k->queue_us);
	table_add_us(t, k->link_us);
	table_add_us(t, k->load_us);
	table_add_us(t, k->wait_us);
	table_add_us(t, k->compute_us);
	table_add_us(t, k->finish_us);
	table_add(t, "%.3g", k->energy_uj);
	table_add(t, "%u", k->records);
	table_add(t, "%s", k->eligible ? (k->records ? "chosen" : "eligible") : k->why_not);
}

static void explain_text(const Hv__Explanation *e)
{
	static const char *const heads[] = { "WHERE",   "MODEL",      ">CERTIFIED", ">QUEUE",
					     ">LINK",   ">LOAD",      ">WAIT",      ">COMPUTE",
					     ">FINISH", ">ENERGY uJ", ">RECORDS",   "VERDICT" };
	struct table t = table_begin(heads, HV_ARRAY_SIZE(heads));
	char budget[64];

	printf("%s: %u records of %s, policy %s, budget %s\n", e->job, e->records, e->task,
	       e->policy,
	       e->has_budget
		       ? error_text(e->metric, e->budget == 0, e->budget, budget, sizeof(budget))
		       : "none");
	printf("chosen: %s\nwhy:    %s\n\n", e->chosen, e->why);
	for (size_t i = 0; i < e->n_candidates; i++)
		text_candidate(&t, e, e->candidates[i]);
	table_end(&t);
	printf("\nTimes are predictions made when the job was routed; energy is modelled.\n");
}

static int run(struct ctl *c)
{
	Hv__JobRef ref = HV__JOB_REF__INIT;
	struct hv_reply reply;
	int err;

	ref.job = ctl_text(c->args.word[0]);
	err = ctl_ask(c, IPC_EXPLAIN, &ref.base, IPC_EXPLAIN_REPLY, &reply);
	if (err != HV_OK)
		return err;
	if (c->args.json)
		explain_json((const Hv__Explanation *)reply.msg);
	else
		explain_text((const Hv__Explanation *)reply.msg);
	hv_reply_free(&reply);
	return HV_OK;
}

const struct verb verb_explain = {
	.name = "explain",
	.words = "JOB",
	.about = "say where a job could have run, at what price, and why it ran where it did",
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
