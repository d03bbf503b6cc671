#include "daemon/models/models_priv.h"
#include "tasks/catalog.h"
#include <stdio.h>
#include <string.h>

/* Tasks that packages bring. A task has one function at a time: the packages of it share that,
 * or bring the same. A package may replace the function when no other package is left that was
 * certified against the old one. */

/* A package that keeps the function that serves now in use; NULL: none but one that pkg would
 * replace. */
static const struct package *user_of(const struct models *set, const struct harvest_task *t,
				     const struct package *pkg)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->list[i]->task == t && strcmp(set->list[i]->pkg->name, pkg->name) != 0)
			return set->list[i]->pkg;
	return NULL;
}

static int try_code(const struct models *set, const struct package *pkg, struct model_source *from,
		    char *why, size_t cap)
{
	struct plugins_code code = { .elf = pkg->plugin,
				     .len = pkg->plugin_len,
				     .hash = pkg->plugin_hash,
				     .task = pkg->task,
				     .package = pkg->name };
	int err;

	from->task = plugins_find(set->plugins, pkg->plugin_hash, pkg->task);
	if (from->task != NULL) /* it was here before */
		return package_check_task(pkg, from->task, why, cap);
	err = plugins_try(&code, &from->trial, why, cap);
	if (err != HV_OK)
		return err;
	from->task = plugins_trial_task(from->trial);
	err = package_check_task(pkg, from->task, why, cap);
	if (err == HV_OK)
		return HV_OK;
	plugins_trial_drop(from->trial);
	from->trial = NULL;
	return err;
}

static int may_bring(const struct models *set, const struct package *pkg,
		     const struct harvest_task *now, char *why, size_t cap)
{
	const struct package *user = now != NULL ? user_of(set, now, pkg) : NULL;

	if (!plugins_code_allowed(set->plugins)) {
		snprintf(why, cap,
			 "it brings the function of its task %s as machine code, and this daemon "
			 "takes none (--no-package-code): install the plug-in in its directory of "
			 "plug-ins",
			 pkg->task);
		return HV_E_DENIED;
	}
	if (user == NULL)
		return HV_OK;
	snprintf(why, cap,
		 "it brings another function of the task %s than the package %s, which is "
		 "installed: remove that one first",
		 pkg->task, user->name);
	return HV_E_DENIED;
}

int model_source_find(const struct models *set, const struct package *pkg,
		      struct model_source *from, char *why, size_t cap)
{
	const struct harvest_task *now = task_find(pkg->task);
	bool brings = pkg->plugin != NULL && set->plugins != NULL;
	int err;

	*from = (struct model_source){ .task = now };
	if (pkg->kind != PACKAGE_APPROXIMATION) {
		snprintf(why, cap,
			 "it is a network alone and serves no task: give it to a board as its "
			 "primary model");
		return HV_E_FORMAT;
	}
	/* What the administrator put into the directory of plug-ins is what is exact. */
	if (now != NULL && (!brings || !plugins_of_package(set->plugins, now) ||
			    plugins_find(set->plugins, pkg->plugin_hash, pkg->task) == now))
		return package_check_task(pkg, now, why, cap);
	if (brings) {
		err = may_bring(set, pkg, now, why, cap);
		return err == HV_OK ? try_code(set, pkg, from, why, cap) : err;
	}
	snprintf(why, cap,
		 "it serves the task %s, which this daemon does not have, and does not bring its "
		 "function: search again with --task FILE.c",
		 pkg->task);
	return HV_E_FORMAT;
}

int model_task_serve(struct models *set, struct model *m, struct plugins_trial *trial, char *why,
		     size_t cap)
{
	const struct harvest_task *now = task_find(m->pkg->task);
	int err;

	if (now == m->task)
		return HV_OK;
	if (now != NULL) /* only pkg's predecessor has it: see user_of() */
		plugins_leave(set->plugins, now);
	if (trial != NULL)
		err = plugins_enter(set->plugins, trial, &m->task, why, cap);
	else
		err = plugins_return(set->plugins, m->task);
	if (err != HV_OK && now != NULL && plugins_return(set->plugins, now) != HV_OK)
		snprintf(why, cap, "task %s is not served any more", now->name);
	return err;
}

void model_task_left(struct models *set, const struct harvest_task *t)
{
	if (set->plugins == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		if (set->list[i]->task == t)
			return;
	plugins_leave(set->plugins, t);
}
