#include "client/ctl/ctl.h"
#include "client/ctl/table.h"
#include "proto/ipc_frame.h"
#include "util/json_out.h"
#include "util/own.h"
#include <stdio.h>

static void tasks_json(const Hv__TaskList *list)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_array(&j, "tasks");
	for (size_t i = 0; i < list->n_tasks; i++) {
		const Hv__TaskInfo *t = list->tasks[i];

		hv_json_object(&j, NULL);
		hv_json_str(&j, "task", t->name);
		hv_json_str(&j, "about", t->about);
		hv_json_str(&j, "in", t->in);
		hv_json_str(&j, "out", t->out);
		hv_json_u64(&j, "in_bytes", t->in_bytes);
		hv_json_u64(&j, "out_bytes", t->out_bytes);
		hv_json_str(&j, "metric", t->metric);
		hv_json_array(&j, "models");
		for (size_t k = 0; k < t->n_models; k++)
			hv_json_str(&j, NULL, t->models[k]);
		hv_json_end_array(&j);
		hv_json_end_object(&j);
	}
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void tasks_text(const Hv__TaskList *list)
{
	static const char *const heads[] = { "TASK", "IN", "OUT", "METRIC", ">MODELS", "ABOUT" };
	struct table t = table_begin(heads, HV_ARRAY_SIZE(heads));

	for (size_t i = 0; i < list->n_tasks; i++) {
		table_add(&t, "%s", list->tasks[i]->name);
		table_add(&t, "%s", list->tasks[i]->in);
		table_add(&t, "%s", list->tasks[i]->out);
		table_add(&t, "%s", list->tasks[i]->metric);
		table_add(&t, "%zu", list->tasks[i]->n_models);
		table_add(&t, "%s", list->tasks[i]->about);
	}
	table_end(&t);
}

static int run(struct ctl *c)
{
	Hv__Empty nothing = HV__EMPTY__INIT;
	struct hv_reply reply;
	int err = ctl_ask(c, IPC_TASKS, &nothing.base, IPC_TASKS_REPLY, &reply);

	if (err != HV_OK)
		return err;
	if (c->args.json)
		tasks_json((const Hv__TaskList *)reply.msg);
	else
		tasks_text((const Hv__TaskList *)reply.msg);
	hv_reply_free(&reply);
	return HV_OK;
}

const struct verb verb_tasks = {
	.name = "tasks",
	.words = "",
	.about = "list the tasks that can be asked for",
	.run = run,
};
