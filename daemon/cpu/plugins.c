#include "daemon/cpu/plugins.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include "util/clock.h"
#include "util/own.h"
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EXAMINED = 64, TIMED_ROUNDS = 4 };

struct entry {
	struct plugin *plugin;
	uint8_t hash[32]; /* of a package's code */
	bool of_package;
	double record_us;
};

struct plugins {
	size_t n;
	struct entry of[TASK_PLUGINS_MAX]; /* in the order of the catalogue */
	bool forbid_code;
	void (*enters)(void *ctx, size_t task, double record_us);
	void (*leaves)(void *ctx, size_t task);
	void *ctx;
};

struct plugins_trial {
	struct entry e;
};

bool plugins_file_ours(const char *path, char *why, size_t cap)
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
	const struct plugin *first = plugin_of(t);
	const char *path = plugin_path(first);
	const struct harvest_task *now;
	struct plugin *p = NULL;
	int err = HV_OK;

	if (plugin_is_file(first) && !plugins_file_ours(path, why, cap))
		err = HV_E_DENIED;
	if (err == HV_OK)
		err = plugin_open_again(first, &p, why, cap);
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

/* What a record costs a core: the best of a few short runs. */
static int time_records(struct plugin *p, double *record_us, char *why, size_t cap)
{
	const struct harvest_task *t = plugin_task(p);
	hv_autofree uint8_t *in = calloc(EXAMINED, tensor_bytes(&t->in));
	hv_autofree uint8_t *out = calloc(EXAMINED, tensor_bytes(&t->out));
	int err;

	if (in == NULL || out == NULL) {
		snprintf(why, cap, "plug-in %.300s: out of memory", plugin_path(p));
		return HV_E_NOMEM;
	}
	err = plugin_sample(p, 1, 0, EXAMINED, in, why, cap);
	for (int i = 0; err == HV_OK && i < TIMED_ROUNDS; i++) {
		uint64_t begin = hv_now_ns();
		double us;

		err = plugin_reference(p, in, EXAMINED, NULL, out, NULL, why, cap);
		us = (double)(hv_now_ns() - begin) / 1000.0 / EXAMINED;
		*record_us = i == 0 || us < *record_us ? us : *record_us;
	}
	return err;
}

/* All that has to be known of one that was opened; then its process may rest. */
static int look_at(struct entry *e, char *why, size_t cap)
{
	int err = plugin_examine(e->plugin, EXAMINED, why, cap);

	if (err == HV_OK)
		err = time_records(e->plugin, &e->record_us, why, cap);
	plugin_rest(e->plugin);
	return err;
}

/* e is taken in any case. */
static int serve(struct plugins *set, struct entry *e, char *why, size_t cap)
{
	const struct harvest_task *t = plugin_task(e->plugin);
	int err = task_register(t, plugin_path(e->plugin));

	if (err == HV_OK) {
		set->of[set->n++] = *e;
		if (set->enters != NULL)
			set->enters(set->ctx, task_index(t->name), e->record_us);
		log_event(LOG_LVL_NOTICE, "PLUGIN", "task '%s' from %s", t->name,
			  plugin_path(e->plugin));
		return HV_OK;
	}
	if (err == HV_E_BUSY)
		snprintf(why, cap,
			 "plug-in %.300s: there is a task '%s' already: rename or remove it",
			 plugin_path(e->plugin), t->name);
	else
		snprintf(why, cap,
			 "plug-in %.300s: %d different functions came since the daemon started, "
			 "which is its limit: restart it",
			 plugin_path(e->plugin), TASK_PLUGINS_MAX);
	plugin_close(e->plugin);
	return err;
}

static int add(struct plugins *set, const char *path, char *why, size_t cap)
{
	struct entry e = { .of_package = false };
	int err = plugins_file_ours(path, why, cap) ? HV_OK : HV_E_DENIED;

	if (err == HV_OK)
		err = plugin_open(path, &limits, &e.plugin, why, cap);
	if (err == HV_OK)
		err = look_at(&e, why, cap);
	if (err == HV_OK)
		return serve(set, &e, why, cap);
	plugin_close(e.plugin);
	return err;
}

int plugins_try(const struct plugins_code *c, struct plugins_trial **to, char *why, size_t cap)
{
	struct plugins_trial *t = calloc(1, sizeof(*t));
	char called[96];
	int err;

	if (t == NULL) {
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	snprintf(called, sizeof(called), "%s of package %s", c->task, c->package);
	t->e.of_package = true;
	memcpy(t->e.hash, c->hash, sizeof(t->e.hash));
	err = plugin_open_code(c->elf, c->len, called, &limits, &t->e.plugin, why, cap);
	if (err == HV_OK && strcmp(plugin_task(t->e.plugin)->name, c->task) != 0) {
		snprintf(why, cap, "plug-in %.100s: its task is named %s", called,
			 plugin_task(t->e.plugin)->name);
		err = HV_E_FORMAT;
	}
	if (err == HV_OK)
		err = look_at(&t->e, why, cap);
	if (err != HV_OK) {
		plugins_trial_drop(t);
		return err;
	}
	*to = t;
	return HV_OK;
}

const struct harvest_task *plugins_trial_task(const struct plugins_trial *t)
{
	return plugin_task(t->e.plugin);
}

void plugins_trial_drop(struct plugins_trial *t)
{
	if (t == NULL)
		return;
	plugin_close(t->e.plugin);
	free(t);
}

int plugins_enter(struct plugins *set, struct plugins_trial *t, const struct harvest_task **task,
		  char *why, size_t cap)
{
	int err;

	*task = plugin_task(t->e.plugin);
	err = serve(set, &t->e, why, cap);
	free(t);
	return err;
}

static struct entry *entry_of(const struct plugins *set, const struct harvest_task *t)
{
	for (size_t i = 0; i < set->n; i++)
		if (plugin_task(set->of[i].plugin) == t)
			return (struct entry *)(uintptr_t)&set->of[i];
	return NULL;
}

int plugins_return(struct plugins *set, const struct harvest_task *t)
{
	struct entry *e = entry_of(set, t);
	int err;

	if (task_find(t->name) == t)
		return HV_OK;
	err = task_register(t, plugin_path(e->plugin));
	if (err == HV_OK && set->enters != NULL)
		set->enters(set->ctx, task_index(t->name), e->record_us);
	return err;
}

void plugins_leave(struct plugins *set, const struct harvest_task *t)
{
	struct entry *e = entry_of(set, t);
	size_t index = e != NULL ? task_index(t->name) : SIZE_MAX;

	if (index == SIZE_MAX || !e->of_package || task_at(index) != t)
		return;
	task_retire(t);
	log_event(LOG_LVL_NOTICE, "PLUGIN_LEFT", "task '%s' left with its last package", t->name);
	if (set->leaves != NULL)
		set->leaves(set->ctx, index);
}

const struct harvest_task *plugins_find(const struct plugins *set, const uint8_t *hash,
					const char *task)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct entry *e = &set->of[i];

		if (e->of_package && memcmp(e->hash, hash, sizeof(e->hash)) == 0 &&
		    strcmp(plugin_task(e->plugin)->name, task) == 0)
			return plugin_task(e->plugin);
	}
	return NULL;
}

bool plugins_of_package(const struct plugins *set, const struct harvest_task *t)
{
	const struct entry *e = entry_of(set, t);

	return e != NULL && e->of_package;
}

void plugins_code_forbid(struct plugins *set)
{
	set->forbid_code = true;
}

bool plugins_code_allowed(const struct plugins *set)
{
	return !set->forbid_code;
}

void plugins_on_change(struct plugins *set,
		       void (*enters)(void *ctx, size_t task, double record_us),
		       void (*leaves)(void *ctx, size_t task), void *ctx)
{
	set->enters = enters;
	set->leaves = leaves;
	set->ctx = ctx;
	for (size_t i = 0; i < set->n; i++) {
		const struct harvest_task *t = plugin_task(set->of[i].plugin);

		if (task_find(t->name) == t)
			enters(ctx, task_index(t->name), set->of[i].record_us);
	}
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
		if (len >= (int)sizeof(path) || set->n == TASK_PLUGINS_MAX ||
		    add(set, path, why, sizeof(why)) != HV_OK)
			log_event(LOG_LVL_WARNING, "PLUGIN_REFUSED", "%s: its task is not served",
				  why);
	}
	free(names);
	return HV_OK;
}

size_t plugins_count(const struct plugins *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += task_find(plugin_task(p->of[i].plugin)->name) == plugin_task(p->of[i].plugin);
	return n;
}

void plugins_close(struct plugins *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		task_unregister(plugin_task(p->of[i].plugin));
		plugin_close(p->of[i].plugin);
	}
	free(p);
}
