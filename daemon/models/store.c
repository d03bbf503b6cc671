#include "daemon/log.h"
#include "daemon/models/models_priv.h"
#include "util/own.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int is_package_name(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".hvm") == 0;
}

/* Of what may run, nobody else may have written a byte. */
static int check_owner(const struct package *pkg, const char *path, char *why, size_t cap)
{
	if (pkg->plugin == NULL || plugins_file_ours(path, why, cap))
		return HV_OK;
	return HV_E_DENIED;
}

/* m and the task that it brings, both taken in any case. */
static int take_in(struct models *set, struct model *m, struct plugins_trial *trial, char *why,
		   size_t cap)
{
	int r = model_task_serve(set, m, trial, why, cap);

	if (r == HV_OK) {
		r = models_add(set, m, why, cap);
		if (r == HV_OK)
			return HV_OK;
		model_task_left(set, m->task);
	}
	model_free(m);
	return r;
}

static int scan_package(struct models *set, struct package *pkg, const char *path, char *why,
			size_t cap)
{
	struct model_source from = { .task = NULL };
	struct model *m = NULL;
	int r = check_owner(pkg, path, why, cap);

	if (r == HV_OK)
		r = model_source_find(set, pkg, &from, why, cap);
	if (r == HV_OK)
		r = model_new(pkg, path, &m, why, cap);
	if (r != HV_OK) {
		plugins_trial_drop(from.trial);
		package_free(pkg);
		return r;
	}
	m->task = from.task;
	return take_in(set, m, from.trial, why, cap);
}

static void scan_file(struct models *set, const char *path)
{
	struct package *pkg = NULL;
	char why[PLUGIN_WHY_CAP] = "";
	int r = package_read(path, &pkg, why, sizeof(why));

	if (r == HV_OK)
		r = scan_package(set, pkg, path, why, sizeof(why));
	if (r != HV_OK)
		log_event(r == HV_E_BUSY ? LOG_LVL_DEBUG : LOG_LVL_WARNING, "MODEL_SKIPPED",
			  "package %s is skipped: %s", path, why[0] ? why : hv_err_text(r));
}

static int is_shown_dir(const struct dirent *e)
{
	return e->d_name[0] != '.' && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN);
}

/* The packages of one directory, in the order of their names. */
static void scan_dir(struct models *set, const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_package_name, alphasort);

	if (n < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			log_event(LOG_LVL_WARNING, "MODEL_DIR",
				  "directory of packages %s cannot be read: %s", dir,
				  strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		hv_autofree char *path = NULL;

		if (asprintf(&path, "%s/%s", dir, names[i]->d_name) >= 0)
			scan_file(set, path);
		else
			path = NULL;
		free(names[i]);
	}
	free(names);
}

void models_scan(struct models *set, const char *dir)
{
	struct dirent **names = NULL;
	int n;

	scan_dir(set, dir);
	n = scandir(dir, &names, is_shown_dir, alphasort);
	for (int i = 0; i < n; i++) {
		hv_autofree char *path = NULL;

		if (asprintf(&path, "%s/%s", dir, names[i]->d_name) >= 0)
			scan_dir(set, path);
		else
			path = NULL;
		free(names[i]);
	}
	free(names);
}

/* Every parent that is missing, then the directory itself. */
static int make_dirs(const char *dir)
{
	hv_autofree char *path = strdup(dir);

	if (path == NULL)
		return HV_E_NOMEM;
	for (char *at = path + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return hv_err_errno(errno);
		*at = '/';
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? hv_err_errno(errno) : HV_OK;
}

static int store(const struct models *set, const char *name, const uint8_t *bytes, size_t len,
		 char **path, char *why, size_t cap)
{
	int r;

	if (set->state_dir == NULL) {
		snprintf(why, cap,
			 "the daemon runs without a state directory: start it with one "
			 "to install packages");
		return HV_E_DENIED;
	}
	if (asprintf(path, "%s/%s.hvm", set->state_dir, name) < 0) {
		*path = NULL;
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	r = make_dirs(set->state_dir);
	if (r == HV_OK)
		r = hv_file_write(*path, bytes, len);
	if (r != HV_OK)
		snprintf(why, cap, "%s cannot be written: %s; check the state directory", *path,
			 hv_err_text(r));
	return r;
}

/* A package's name becomes a file name. */
static bool name_is_safe(const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+") ==
		       strlen(name);
}

static int decode(const uint8_t *bytes, size_t len, struct package **pkg, char *why, size_t cap)
{
	int r = package_decode(bytes, len, pkg, why, cap);

	if (r != HV_OK)
		return r;
	r = package_self_test(*pkg, why, cap);
	if (r == HV_OK && !name_is_safe((*pkg)->name)) {
		snprintf(why, cap, "its name cannot be a file name: use letters, digits and -_.+");
		r = HV_E_FORMAT;
	}
	if (r != HV_OK) {
		package_free(*pkg);
		*pkg = NULL;
	}
	return r;
}

static struct model *same_content(const struct models *set, const struct package *pkg)
{
	for (size_t i = 0; i < set->count; i++)
		if (memcmp(set->list[i]->pkg->hash, pkg->hash, sizeof(pkg->hash)) == 0)
			return set->list[i];
	return NULL;
}

static int install(const struct models *set, struct models_change *ch)
{
	hv_autofree char *path = NULL;
	struct model_source from = { .task = NULL };
	struct package *pkg = NULL;
	struct model *m = NULL;
	int r = decode(ch->bytes, ch->len, &pkg, ch->why, sizeof(ch->why));

	if (r != HV_OK)
		return r;
	ch->model = same_content(set, pkg);
	ch->known = ch->model != NULL;
	r = ch->known ? HV_OK : model_source_find(set, pkg, &from, ch->why, sizeof(ch->why));
	ch->trial = from.trial;
	if (!ch->known && r == HV_OK)
		r = model_new(pkg, "", &m, ch->why, sizeof(ch->why));
	if (ch->known || r != HV_OK) {
		package_free(pkg);
		return r;
	}
	m->task = from.task;
	if (set->count == MODELS_MAX && models_find(set, pkg->name) == NULL) {
		snprintf(ch->why, sizeof(ch->why),
			 "the daemon already has %d packages: remove one first", MODELS_MAX);
		r = HV_E_NOMEM;
	}
	if (r == HV_OK)
		r = store(set, pkg->name, ch->bytes, ch->len, &path, ch->why, sizeof(ch->why));
	if (r != HV_OK) {
		model_free(m);
		return r;
	}
	snprintf(m->origin, sizeof(m->origin), "%s", path);
	ch->model = m;
	return HV_OK;
}

static int delete_file(const struct models *set, struct models_change *ch)
{
	const char *file = ch->model->origin;
	size_t n = set->state_dir ? strlen(set->state_dir) : 0;
	int was;

	if (n == 0 || strncmp(file, set->state_dir, n) != 0 || file[n] != '/' ||
	    unlink(file) == 0 || errno == ENOENT)
		return HV_OK;
	was = errno;
	snprintf(ch->why, sizeof(ch->why), "%s cannot be deleted: %s", file, strerror(was));
	return hv_err_errno(was);
}

void models_begin(struct models *set, struct models_change *ch)
{
	(void)set;
	if (ch->verb != MODELS_INSTALL)
		model_hold(ch->model);
	ch->known = false;
	ch->trial = NULL;
	ch->err = HV_E_CANCEL;
	snprintf(ch->why, sizeof(ch->why), "the daemon is shutting down");
}

void models_run(const struct models *set, struct models_change *ch)
{
	switch (ch->verb) {
	case MODELS_INSTALL: ch->err = install(set, ch); break;
	case MODELS_REMOVE: ch->err = delete_file(set, ch); break;
	case MODELS_VERIFY:
		ch->err = package_self_test(ch->model->pkg, ch->why, sizeof(ch->why));
		break;
	}
}

static int finish_install(struct models *set, struct models_change *ch)
{
	struct plugins_trial *trial = ch->trial;

	ch->trial = NULL;
	if (ch->err != HV_OK || ch->known) {
		plugins_trial_drop(trial);
		return ch->err;
	}
	ch->err = take_in(set, ch->model, trial, ch->why, sizeof(ch->why));
	return ch->err;
}

int models_finish(struct models *set, struct models_change *ch)
{
	if (ch->verb == MODELS_INSTALL)
		return finish_install(set, ch);
	if (ch->verb == MODELS_VERIFY && ch->err == HV_OK && ch->lift && ch->model->suspended) {
		model_lift(ch->model);
		log_event(LOG_LVL_NOTICE, "MODEL_LIFTED",
			  "%s was verified and is used again; its audit begins anew",
			  ch->model->pkg->name);
	}
	if (ch->verb == MODELS_REMOVE && ch->err == HV_OK)
		models_take_out(set, ch->model);
	model_drop(set, ch->model);
	return ch->err;
}
