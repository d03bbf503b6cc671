#include "nas/cli/cli.h"
#include "nas/suite/suite.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/json_out.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void json_task(struct hv_json *j, const struct harvest_task *t)
{
	double pass, goal;

	nas_cli_marks(t, &pass, &goal);
	hv_json_object(j, NULL);
	hv_json_str(j, "task", t->name);
	hv_json_str(j, "metric", hv_metric_text(t->metric));
	hv_json_f64(j, "pass", pass);
	hv_json_f64(j, "goal", goal);
	hv_json_bool(j, "linear", t->linear != HARVEST_NOT_LINEAR);
	hv_json_u64(j, "cpu_cycles", HARVEST_TASK_HAS(t, cpu_cycles) ? t->cpu_cycles : 0);
	hv_json_u64(j, "host_cycles_most", nas_cli_host_most(t));
	hv_json_str(j, "about", t->about);
	hv_json_end_object(j);
}

static void json_price(struct hv_json *j, const struct suite_price *p)
{
	hv_json_u64(j, "cycles", p->cycles);
	hv_json_u64(j, "host_cycles", p->before + p->after);
	hv_json_u64(j, "host_cycles_before", p->before);
	hv_json_u64(j, "host_cycles_after", p->after);
	hv_json_u64(j, "cpu_cycles", p->exact);
	hv_json_bool(j, "host_within_third", p->light);
	hv_json_u64(j, "words_in", p->words_in);
	hv_json_u64(j, "words_out", p->words_out);
	hv_json_u64(j, "weights_bytes", p->weight_bytes);
	hv_json_f64(j, "speedup_bare", p->bare);
	hv_json_f64(j, "speedup_moved", p->moved);
}

static void json_row(struct hv_json *j, const struct suite_row *r)
{
	char hash[65];

	for (size_t i = 0; i < sizeof(r->hash); i++)
		snprintf(hash + 2 * i, 3, "%02x", r->hash[i]);
	hv_json_object(j, NULL);
	hv_json_str(j, "package", r->path);
	hv_json_str(j, "name", r->name);
	hv_json_str(j, "task", r->task_name);
	hv_json_str(j, "metric", hv_metric_text(r->metric));
	hv_json_f64(j, "certified", r->certified);
	hv_json_f64(j, "median", r->median);
	hv_json_f64(j, "p99", r->p99);
	hv_json_f64(j, "worst", r->worst);
	hv_json_u64(j, "samples", r->samples);
	json_price(j, &r->price);
	hv_json_u64(j, "layers", r->layers);
	hv_json_str(j, "mark", suite_mark_text(r->mark));
	hv_json_str(j, "mark_by_certificate", suite_mark_text(r->by_certificate));
	hv_json_str(j, "mark_by_application", suite_mark_text(r->by_application));
	hv_json_f64(j, "search_s", r->search_s);
	hv_json_f64(j, "search_peak_mib", r->peak_mib);
	hv_json_str(j, "engine", r->engine);
	hv_json_str(j, "recipe", r->encoding);
	hv_json_str(j, "hash", hash);
	hv_json_end_object(j);
}

static void json_refusal(struct hv_json *j, const struct suite_refusal *f)
{
	hv_json_object(j, NULL);
	hv_json_str(j, "task", f->task->name);
	hv_json_str(j, "metric", hv_metric_text(f->task->metric));
	hv_json_str(j, "aim", suite_mark_text(f->aim));
	hv_json_f64(j, "max_error", f->asked);
	hv_json_f64(j, "certified", f->error);
	hv_json_u64(j, "cycles", f->cycles);
	hv_json_u64(j, "host_cycles", f->host_cycles);
	hv_json_u64(j, "host_cycles_most", f->host_cycles_most);
	hv_json_str(j, "engine", f->engine);
	hv_json_f64(j, "search_s", f->search_s);
	hv_json_str(j, "reason", f->reason);
	hv_json_end_object(j);
}

static void json_gain(struct hv_json *j, const char *key, struct suite_gain g)
{
	hv_json_object(j, key);
	hv_json_f64(j, "bare", g.bare);
	hv_json_f64(j, "moved", g.moved);
	hv_json_end_object(j);
}

static void json_tally(struct hv_json *j, const struct suite *s)
{
	struct suite_tally t = suite_tally_of(s);

	hv_json_object(j, "suite");
	hv_json_u64(j, "tasks", SUITE_MEMBERS);
	hv_json_u64(j, "reach_pass", t.n_pass);
	hv_json_u64(j, "reach_goal", t.n_goal);
	hv_json_u64(j, "faster_with_transfer", t.n_wins);
	json_gain(j, "speedup_at_pass", t.mean_pass);
	json_gain(j, "speedup_at_goal", t.mean_goal);
	json_gain(j, "speedup_of_all", t.mean_all);
	hv_json_array(j, "members");
	for (size_t i = 0; i < SUITE_MEMBERS; i++) {
		hv_json_object(j, NULL);
		hv_json_str(j, "name", suite_members[i].name);
		json_gain(j, "at_pass", t.pass[i]);
		json_gain(j, "at_goal", t.goal[i]);
		hv_json_str(j, "stays", suite_stays(&t, i));
		hv_json_end_object(j);
	}
	hv_json_end_array(j);
	hv_json_end_object(j);
}

static void say_json(const struct suite *s, bool whole)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_array(&j, "tasks");
	for (size_t i = 0; i < task_count(); i++)
		json_task(&j, task_at(i));
	hv_json_end_array(&j);
	hv_json_array(&j, "packages");
	for (size_t i = 0; i < s->n_rows; i++)
		json_row(&j, &s->row[i]);
	hv_json_end_array(&j);
	hv_json_array(&j, "refused");
	for (size_t i = 0; i < s->n_refusals; i++)
		json_refusal(&j, &s->refusal[i]);
	hv_json_end_array(&j);
	if (whole)
		json_tally(&j, s);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

/* ---- where packages are ---- */

/* In a tree that was configured and built: the derived packages lie in it, the searched ones in
 * the source tree, which may be the same or the one above. */
static bool build_tree(char *to, size_t cap)
{
	char dir[PATH_MAX], mark[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (n <= 0)
		return false;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	snprintf(mark, sizeof(mark), "%s/config.status", dir);
	if (access(mark, F_OK) != 0 || strchr(dir, ':') != NULL)
		return false;
	n = snprintf(to, cap, "%s/models/approx", dir);
	snprintf(mark, sizeof(mark), "%s/../models/searched.mk", dir);
	if (access(mark, F_OK) == 0 && n > 0 && (size_t)n < cap)
		snprintf(to + n, cap - (size_t)n, ":%s/../models/approx", dir);
	return true;
}

static const char *directories(const struct nas_cli *c, char *to, size_t cap)
{
	const char *named = getenv("HARVEST_MODELS");

	if (c->opt[OPT_MODELS] != NULL)
		return c->opt[OPT_MODELS];
	if (named != NULL && named[0] != '\0')
		return named;
	return build_tree(to, cap) ? to : PKGDATADIR "/models";
}

struct warned {
	const struct nas_cli *c;
	int code;
};

static void warn(void *ctx, const char *path, int err, const char *why)
{
	struct warned *w = ctx;

	w->code = nas_cli_fail(w->c, err, "%s: %s", path, why);
}

int nas_cli_list(const struct nas_cli *c)
{
	char room[3 * PATH_MAX];
	struct warned w = { c, EXIT_DONE };
	struct suite s = { 0 };
	int r = HV_OK;

	if (c->argc == 0) {
		r = suite_read_dirs(&s, directories(c, room, sizeof(room)), warn, &w);
		suite_sort(&s);
	}
	for (int i = 0; r == HV_OK && i < c->argc; i++)
		r = suite_read_package(&s, c->argv[i], warn, &w);
	if (r < 0) {
		suite_free(&s);
		return nas_cli_fail(c, r, "out of memory");
	}
	if (c->opt[OPT_JSON] != NULL)
		say_json(&s, c->argc == 0);
	else
		suite_print_rows(stdout, &s, c->argc == 0);
	if (c->opt[OPT_JSON] == NULL && c->argc == 0)
		suite_print_tally(stdout, &s);
	suite_free(&s);
	return w.code;
}

int nas_cli_tasks(const struct nas_cli *c)
{
	struct hv_json j;

	if (c->opt[OPT_JSON] != NULL) {
		j = hv_json_begin(stdout);
		hv_json_array(&j, NULL);
		for (size_t i = 0; i < task_count(); i++)
			json_task(&j, task_at(i));
		hv_json_end_array(&j);
		hv_json_finish(&j);
		return EXIT_DONE;
	}
	printf("%-16s %-12s %8s %8s %10s  %s\n", "task", "metric", "pass", "goal", "cpu cycles",
	       "about");
	for (size_t i = 0; i < task_count(); i++) {
		const struct harvest_task *t = task_at(i);
		double pass, goal;

		nas_cli_marks(t, &pass, &goal);
		printf("%-16s %-12s %8g %8g %10u  %s\n", t->name, hv_metric_text(t->metric), pass,
		       goal, HARVEST_TASK_HAS(t, cpu_cycles) ? t->cpu_cycles : 0, t->about);
	}
	return EXIT_DONE;
}
