#include "nas/suite/suite.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* KEY=VALUE lines. */
struct notes {
	char text[SUITE_RECIPE_MAX_BYTES + 2]; /* begins with a line end */
};

struct reader {
	struct suite *s;
	suite_warn_fn *warn;
	void *ctx;
};

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static int read_notes(const char *path, struct notes *to)
{
	hv_autofree uint8_t *bytes = NULL;
	size_t len = 0;
	int r = hv_file_read(path, SUITE_RECIPE_MAX_BYTES, &bytes, &len);

	snprintf(to->text, sizeof(to->text), "\n%.*s", r == HV_OK ? (int)len : 0,
		 r == HV_OK ? (const char *)bytes : "");
	return r;
}

/* The value of a key, printable; false: there is none. */
static bool note(const struct notes *n, const char *key, char *to, size_t cap)
{
	char line[64];
	const char *at;

	to[0] = '\0';
	snprintf(line, sizeof(line), "\n%s=", key);
	at = strstr(n->text, line);
	if (at == NULL)
		return false;
	at += strlen(line);
	snprintf(to, cap, "%.*s", (int)strcspn(at, "\r\n"), at);
	for (char *c = to; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return true;
}

static double note_number(const struct notes *n, const char *key)
{
	char text[64], *end;
	double v;

	if (!note(n, key, text, sizeof(text)))
		return NAN;
	v = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(v) ? v : NAN;
}

static uint64_t note_count(const struct notes *n, const char *key)
{
	double v = note_number(n, key);

	return v >= 0 && v < 1e15 ? (uint64_t)v : 0;
}

static bool has_hash(const struct notes *n, const uint8_t *hash)
{
	char want[65], have[80];

	for (size_t i = 0; i < 32; i++)
		snprintf(want + 2 * i, 3, "%02x", hash[i]);
	return note(n, "hash", have, sizeof(have)) && strcmp(want, have) == 0;
}

/* ---- packages ---- */

static int take_recipe(struct suite_row *r)
{
	struct notes n;
	hv_autofree char *name = NULL;
	char text[32];

	r->p99 = r->search_s = r->peak_mib = NAN;
	if (!ends_with(r->path, ".hvm"))
		return HV_OK;
	if (asprintf(&name, "%.*srecipe", (int)(strlen(r->path) - strlen("hvm")), r->path) < 0) {
		name = NULL;
		return HV_E_NOMEM;
	}
	if (read_notes(name, &n) != HV_OK || !has_hash(&n, r->hash))
		return HV_OK;
	r->has_recipe = true;
	r->p99 = note_number(&n, "p99");
	r->search_s = note_number(&n, "search_s");
	r->peak_mib = note_number(&n, "peak_kib") / 1024;
	note(&n, "engine", r->engine, sizeof(r->engine));
	r->is_applied = note(&n, "application", text, sizeof(text));
	r->by_application = suite_mark_find(text);
	return HV_OK;
}

static int fill(struct suite_row *r, const struct package *p)
{
	struct loop_result figures;
	int err;

	r->task = task_find(p->task);
	if (r->task != NULL && r->task->version != p->task_version)
		r->task = NULL;
	snprintf(r->name, sizeof(r->name), "%s", p->name);
	snprintf(r->task_name, sizeof(r->task_name), "%s", p->task);
	snprintf(r->encoding, sizeof(r->encoding), "%s", p->recipe);
	snprintf(r->engine, sizeof(r->engine), "%s", p->host != NULL ? "-" : "matrix");
	r->level = p->level;
	r->layers = p->net.layers;
	r->metric = p->cert.metric;
	r->certified = p->cert.certified;
	r->median = p->cert.median;
	r->worst = p->cert.worst;
	r->samples = p->cert.samples;
	memcpy(r->hash, p->hash, sizeof(r->hash));
	r->price = suite_price_of(p);
	r->by_certificate = suite_mark_of(r->task, r->certified);
	err = take_recipe(r);
	if (err != HV_OK)
		return err;
	if (!r->is_applied && r->task != NULL) {
		err = suite_apply(p, SUITE_STREAM, &figures);
		if (err == HV_E_NOMEM)
			return err;
		r->by_application =
			err == HV_OK ? suite_mark_find(loop_mark(&figures)) : SUITE_MISSED;
	}
	r->mark = suite_mark_join(r->task, r->by_certificate, r->by_application);
	return HV_OK;
}

static bool is_known(const struct suite *s, const struct package *p)
{
	for (size_t i = 0; i < s->n_rows; i++)
		if (strcmp(s->row[i].name, p->name) == 0)
			return true;
	return false;
}

static int grow_rows(struct suite *s)
{
	struct suite_row *more;

	if (s->n_rows % 64 != 0)
		return HV_OK;
	more = realloc(s->row, sizeof(*more) * (s->n_rows + 64));
	if (more == NULL)
		return HV_E_NOMEM;
	s->row = more;
	return HV_OK;
}

static int add_row(struct suite *s, const char *path, const struct package *p)
{
	struct suite_row *r;
	int err = grow_rows(s);

	if (err != HV_OK)
		return err;
	r = &s->row[s->n_rows];
	*r = (struct suite_row){ .path = strdup(path) };
	if (r->path == NULL)
		return HV_E_NOMEM;
	s->n_rows++;
	return fill(r, p);
}

static int read_package(struct reader *x, const char *path, bool again)
{
	struct package *p = NULL;
	char why[300] = "";
	int r = HV_E_BUSY;

	if (x->s->n_rows < SUITE_ROWS_MAX)
		r = package_read(path, &p, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "there are more than %d packages", SUITE_ROWS_MAX);
	if (r == HV_OK && p->kind == PACKAGE_APPROXIMATION && (again || !is_known(x->s, p)))
		r = add_row(x->s, path, p);
	else if (r < 0)
		x->warn(x->ctx, path, r, why);
	package_free(p);
	return r == HV_E_NOMEM ? r : HV_OK;
}

int suite_read_package(struct suite *s, const char *path, suite_warn_fn *warn, void *ctx)
{
	struct reader x = { s, warn, ctx };

	return read_package(&x, path, true);
}

/* ---- refusals ---- */

/* "task NAME: " at the beginning of a sentence. */
static void drop_task(char *reason, const char *task)
{
	char head[80];
	size_t n = (size_t)snprintf(head, sizeof(head), "task %s: ", task);

	if (n < sizeof(head) && strncmp(reason, head, n) == 0)
		memmove(reason, reason + n, strlen(reason + n) + 1);
}

static void read_refusal(struct reader *x, const char *path)
{
	struct suite *s = x->s;
	struct suite_refusal f = { 0 };
	struct notes n;
	char text[64], aim[16];
	int r = read_notes(path, &n);

	note(&n, "task", text, sizeof(text));
	f.task = task_find(text);
	note(&n, "aim", aim, sizeof(aim));
	f.aim = suite_mark_find(aim);
	f.error = note_number(&n, "certified");
	f.asked = note_number(&n, "max_error");
	f.search_s = note_number(&n, "search_s");
	f.cycles = note_count(&n, "cycles");
	f.host_cycles = note_count(&n, "host_cycles");
	f.host_cycles_most = note_count(&n, "host_cycles_most");
	note(&n, "engine", f.engine, sizeof(f.engine));
	note(&n, "reason", f.reason, sizeof(f.reason));
	drop_task(f.reason, text);
	if (r != HV_OK || f.task == NULL || f.aim < SUITE_PASS) {
		x->warn(x->ctx, path, r < 0 ? r : HV_E_FORMAT,
			r < 0 ? hv_err_text(r) : "has no task=, or no aim= of pass or goal");
		return;
	}
	for (size_t i = 0; i < s->n_refusals; i++)
		if (s->refusal[i].task == f.task && s->refusal[i].aim == f.aim)
			return;
	if (s->n_refusals < SUITE_REFUSALS_MAX)
		s->refusal[s->n_refusals++] = f;
}

/* ---- directories ---- */

struct entry {
	char *name; /* owned */
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* Names in a directory, sorted, but for hidden ones; at most SUITE_DIR_ENTRIES_MAX. Negative:
 * HV_E_*. */
static int names_of(const char *dir, struct entry *of)
{
	DIR *d = opendir(dir);
	int n = 0, r = HV_OK;

	if (d == NULL)
		return hv_err_errno(errno);
	for (const struct dirent *e; r == HV_OK && n < SUITE_DIR_ENTRIES_MAX && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		of[n].name = strdup(e->d_name);
		r = of[n].name != NULL ? HV_OK : HV_E_NOMEM;
		n += r == HV_OK;
	}
	closedir(d);
	qsort(of, (size_t)n, sizeof(*of), by_name);
	for (int i = 0; r < 0 && i < n; i++)
		free(of[i].name);
	return r < 0 ? r : n;
}

static int read_dir(struct reader *x, const char *dir, bool deeper);

static int read_path(struct reader *x, const char *path, bool deeper)
{
	struct stat st;

	if (ends_with(path, ".hvm"))
		return read_package(x, path, false);
	if (ends_with(path, ".refused"))
		read_refusal(x, path);
	else if (deeper && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return read_dir(x, path, false);
	return HV_OK;
}

static int read_dir(struct reader *x, const char *dir, bool deeper)
{
	struct entry *of = calloc(SUITE_DIR_ENTRIES_MAX, sizeof(*of));
	int n = of != NULL ? names_of(dir, of) : HV_E_NOMEM, r = HV_OK;

	for (int i = 0; i < n; i++) {
		hv_autofree char *path = NULL;

		if (r == HV_OK && asprintf(&path, "%s/%s", dir, of[i].name) < 0) {
			path = NULL;
			r = HV_E_NOMEM;
		}
		if (r == HV_OK)
			r = read_path(x, path, deeper);
		free(of[i].name);
	}
	free(of);
	if (n == HV_E_NOMEM)
		return n;
	if (n < 0)
		x->warn(x->ctx, dir, n, hv_err_text(n));
	return r;
}

int suite_read_dirs(struct suite *s, const char *dirs, suite_warn_fn *warn, void *ctx)
{
	struct reader x = { s, warn, ctx };
	int r = HV_OK;

	if (s->refusal == NULL)
		s->refusal = calloc(SUITE_REFUSALS_MAX, sizeof(*s->refusal));
	if (s->refusal == NULL)
		return HV_E_NOMEM;
	while (r == HV_OK && *dirs != '\0') {
		size_t n = strcspn(dirs, ":");
		hv_autofree char *dir = strndup(dirs, n);

		if (dir == NULL)
			return HV_E_NOMEM;
		if (n > 0)
			r = read_dir(&x, dir, true);
		dirs += n;
		dirs += *dirs == ':';
	}
	return r;
}

static int by_task(const void *a, const void *b)
{
	const struct suite_row *x = a, *y = b;
	int r = strcmp(x->task_name, y->task_name);

	return r != 0 ? r : strcmp(x->name, y->name);
}

static int by_aim(const void *a, const void *b)
{
	const struct suite_refusal *x = a, *y = b;
	int r = strcmp(x->task->name, y->task->name);

	return r != 0 ? r : (int)x->aim - (int)y->aim;
}

void suite_sort(struct suite *s)
{
	if (s->n_rows > 0)
		qsort(s->row, s->n_rows, sizeof(*s->row), by_task);
	if (s->n_refusals > 0)
		qsort(s->refusal, s->n_refusals, sizeof(*s->refusal), by_aim);
}

void suite_free(struct suite *s)
{
	for (size_t i = 0; i < s->n_rows; i++)
		free(s->row[i].path);
	free(s->row);
	free(s->refusal);
	*s = (struct suite){ 0 };
}
