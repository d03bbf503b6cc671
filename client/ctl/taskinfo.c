#include "client/ctl/taskinfo.h"
#include "client/ctl/in/samples.h"
#include "client/ctl/words.h"
#include "proto/ipc_frame.h"
#include "util/own.h"
#include <string.h>

static int unknown(struct ctl *c, const Hv__TaskList *list, const char *name)
{
	hv_autofree const char **names = calloc(list->n_tasks + 1, sizeof(*names));
	const char *near = NULL;

	for (size_t i = 0; names != NULL && i < list->n_tasks; i++)
		names[i] = list->tasks[i]->name;
	if (names != NULL)
		near = word_nearest(names, list->n_tasks, name);
	return ctl_fail(c, HV_E_NOENT, "unknown task '%.64s'%s%s%s: see 'harvestctl tasks'", name,
			near ? ", the nearest is '" : "", near ? near : "", near ? "'" : "");
}

static int take(struct ctl *c, const Hv__TaskInfo *t, struct task_io *io)
{
	if (tensor_parse(t->in, &io->in) && tensor_parse(t->out, &io->out))
		return HV_OK;
	return ctl_fail(c, HV_E_FRAME,
			"harvestd describes task '%s' as %s to %s, which this "
			"harvestctl does not understand: update it",
			t->name, t->in, t->out);
}

int ctl_task_get(struct ctl *c, const char *name, struct task_io *io)
{
	Hv__Empty nothing = HV__EMPTY__INIT;
	const Hv__TaskList *list;
	const Hv__TaskInfo *found = NULL;
	struct hv_reply reply;
	int err = ctl_ask(c, IPC_TASKS, &nothing.base, IPC_TASKS_REPLY, &reply);

	if (err != HV_OK)
		return err;
	list = (const Hv__TaskList *)reply.msg;
	for (size_t i = 0; i < list->n_tasks && found == NULL; i++)
		if (strcmp(list->tasks[i]->name, name) == 0)
			found = list->tasks[i];
	err = found != NULL ? take(c, found, io) : unknown(c, list, name);
	hv_reply_free(&reply);
	return err;
}
