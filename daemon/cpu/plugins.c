#include "daemon/cpu/plugins.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EXAMINED = 64 };

struct plugins {
	size_t n;
	struct plugin *of[PLUGINS_MAX];
};

/* What another user could change is not run. */
static bool is_ours(const char *path, char *why, size_t cap)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		snprintf(why, cap, "cannot open plug-in %.400s", path);
		return false;
	}
	if ((st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return true;
	snprintf(why, cap,
		 "plug-in %.300s can be changed by others: it has to belong to root or to "
		 "the daemon's "
		 "user and be writable by nobody else",
		 path);
	return false;
}

static const struct plugin_limits limits = { .open_ms = PLUGINS_CALL_MS,
					     .call_ms = PLUGINS_CALL_MS };

static bool same_records(const struct harvest_tensor *a, const struct harvest_tensor *b)
{
	return a->dtype == b->dtype && a->ndim == b->ndim &&
	       memcmp(a->shape, b->shape, sizeof(a->shape)) == 0;
}

int plugins_worker(const struct harvest_task *t, struct plugin **to, char *why, size_t cap)
{
	const char *path = task_plugin_path(t);
	const struct harvest_task *now;
	struct plugin *p = NULL;
	int err = is_ours(path, why, cap) ? HV_OK : HV_E_DENIED;

	if (err == HV_OK)
		err = plugin_open(path, &limits, &p, why, cap);
	if (err != HV_OK)
		return err;
	now = plugin_task(p);
	if (strcmp(now->name, t->name) != 0 || now->version != t->version ||
	    !same_records(&now->in, &t->in) || !same_records(&now->out, &t->out)) {
		snprintf(why, cap,
			 "plug-in %.300s holds another task than when the daemon started: "
			 "restart the daemon",
			 path);
		plugin_close(p);
		return HV_E_VERSION;
	}
	*to = p;
	return HV_OK;
}

static int add(struct plugins *set, const char *path, char *why, size_t cap)
{
	struct plugin *p = NULL;
	int err = is_ours(path, why, cap) ? HV_OK : HV_E_DENIED;

	if (err == HV_OK)
		err = plugin_open(path, &limits, &p, why, cap);
	if (err != HV_OK)
		return err;
	err = plugin_examine(p, EXAMINED, why, cap);
	if (err == HV_OK && task_register(plugin_task(p), plugin_path(p)) != HV_OK) {
		snprintf(why, cap,
			 "plug-in %.300s: there is a task '%s' already, or too many: "
			 "rename or remove "
			 "it",
			 path, plugin_task(p)->name);
		err = HV_E_BUSY;
	}
	if (err != HV_OK) {
		plugin_close(p);
		return err;
	}
	set->of[set->n++] = p;
	log_event(LOG_LVL_NOTICE, "PLUGIN", "task '%s' from %s", plugin_task(p)->name, path);
	return HV_OK;
}

static int is_shared_object(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 3 && strcmp(e->d_name + n - 3, ".so") == 0 && e->d_name[0] != '.';
}

int plugins_open(const char *dir, struct plugins **to)
{
	struct plugins *set = calloc(1, sizeof(*set));
	struct dirent **names = NULL;
	int n;

	if (set == NULL)
		return HV_E_NOMEM;
	*to = set;
	if (dir == NULL || dir[0] == '\0')
		return HV_OK;
	n = scandir(dir, &names, is_shared_object, alphasort);
	if (n < 0)
		log_event(errno == ENOENT ? LOG_LVL_INFO : LOG_LVL_WARNING, "PLUGINS_UNREAD",
			  "no plug-ins from %s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		char path[4096], why[PLUGIN_WHY_CAP] = "too many plug-ins";
		int len = snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);

		free(names[i]);
		if (len >= (int)sizeof(path) || set->n == PLUGINS_MAX ||
		    add(set, path, why, sizeof(why)) != HV_OK)
			log_event(LOG_LVL_WARNING, "PLUGIN_REFUSED", "%s: its task is not served",
				  why);
	}
	free(names);
	return HV_OK;
}

size_t plugins_count(const struct plugins *p)
{
	return p->n;
}

void plugins_close(struct plugins *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		task_unregister(plugin_task(p->of[i]));
		plugin_close(p->of[i]);
	}
	free(p);
}
