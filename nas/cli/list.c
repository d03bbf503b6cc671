#include "accel/cost/cost.h"
#include "nas/cli/cli.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/json_out.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

static uint64_t host_cycles(const struct package *p)
{
	if (p->host == NULL)
		return 0;
	return hostprog_cycles(p->host, HOSTPROG_ENCODE) +
	       hostprog_cycles(p->host, HOSTPROG_DECODE);
}

static size_t weights(const struct package *p)
{
	size_t n = 0;

	for (unsigned i = 0; i < p->net.layers; i++) {
		const struct cnn_layer *l = &p->net.layer[i];

		n += cnn_layer_weights(l) * l->weight_bits / 8 +
		     (l->bias != NULL ? l->out_channels : 0);
	}
	return n;
}

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

static void json_package(struct hv_json *j, const char *path, const struct package *p)
{
	const struct harvest_task *t = task_find(p->task);

	hv_json_object(j, NULL);
	hv_json_str(j, "package", path);
	hv_json_str(j, "name", p->name);
	hv_json_str(j, "task", p->task);
	hv_json_str(j, "metric", hv_metric_text(p->cert.metric));
	hv_json_f64(j, "certified", p->cert.certified);
	hv_json_u64(j, "cycles", p->record_cycles);
	hv_json_u64(j, "host_cycles", host_cycles(p));
	hv_json_u64(j, "weights_bytes", weights(p));
	hv_json_u64(j, "layers", p->net.layers);
	hv_json_str(j, "mark", t != NULL ? nas_cli_mark(t, p->cert.certified) : "none");
	hv_json_str(j, "recipe", p->recipe);
	hv_json_end_object(j);
}

static void text_tasks(void)
{
	printf("%-16s %-12s %8s %8s %10s  %s\n", "task", "metric", "pass", "goal", "cpu cycles",
	       "about");
	for (size_t i = 0; i < task_count(); i++) {
		const struct harvest_task *t = task_at(i);
		double pass, goal;

		nas_cli_marks(t, &pass, &goal);
		printf("%-16s %-12s %8g %8g %10u  %s\n", t->name, hv_metric_text(t->metric), pass,
		       goal, HARVEST_TASK_HAS(t, cpu_cycles) ? t->cpu_cycles : 0, t->about);
	}
}

static void text_package(const struct package *p)
{
	const struct harvest_task *t = task_find(p->task);

	printf("%-24s %-12s %10.5g %8u %8llu %8zu  %s\n", p->name, hv_metric_text(p->cert.metric),
	       p->cert.certified, p->record_cycles, (unsigned long long)host_cycles(p), weights(p),
	       t != NULL ? nas_cli_mark(t, p->cert.certified) : "none");
}

static int packages(const struct nas_cli *c, struct hv_json *j)
{
	int code = EXIT_DONE;

	if (j == NULL && c->argc > 0)
		printf("\n%-24s %-12s %10s %8s %8s %8s  %s\n", "package", "metric", "certified",
		       "cycles", "host", "weights", "mark");
	for (int i = 0; i < c->argc; i++) {
		struct package *p = NULL;
		char why[300] = "";
		int r = package_read(c->argv[i], &p, why, sizeof(why));

		if (r < 0) {
			code = nas_cli_fail(c, r, "%s: %s", c->argv[i], why);
			continue;
		}
		if (p->kind == PACKAGE_APPROXIMATION && j != NULL)
			json_package(j, c->argv[i], p);
		else if (p->kind == PACKAGE_APPROXIMATION)
			text_package(p);
		package_free(p);
	}
	return code;
}

int nas_cli_list(const struct nas_cli *c)
{
	struct hv_json j;
	int code;

	if (c->opt[OPT_JSON] == NULL) {
		text_tasks();
		return packages(c, NULL);
	}
	j = hv_json_begin(stdout);
	hv_json_object(&j, NULL);
	hv_json_array(&j, "tasks");
	for (size_t i = 0; i < task_count(); i++)
		json_task(&j, task_at(i));
	hv_json_end_array(&j);
	hv_json_array(&j, "packages");
	code = packages(c, &j);
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
	return code;
}
