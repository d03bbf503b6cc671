#include "nas/cli/cli.h"
#include "tasks/catalog.h"
#include "tasks/plugin.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

/* A plug-in as a task. Engines call sample() and reference() as those of a built-in one; here
 * they are requests to the plug-in's process. The first that fails is remembered, everything
 * after it is NaN or zeros, which no engine accepts. One plug-in, one thread. */
enum { EXAMINED = 64 };

static struct {
	struct plugin *p;
	struct harvest_task task;
	size_t in_bytes, outs;
	double *refs; /* (outs) */
	int err;
	char why[PLUGIN_WHY_CAP];
} now;

static bool works(int r)
{
	if (r < 0 && now.err == HV_OK)
		now.err = r;
	return now.err == HV_OK;
}

/* Nothing is asked of a plug-in that broke: the first reason is the one to tell. */
static void sample(uint64_t seed, uint64_t index, void *in)
{
	if (now.err != HV_OK ||
	    !works(plugin_sample(now.p, seed, index, 1, in, now.why, sizeof(now.why))))
		memset(in, 0, now.in_bytes);
}

static void reference(const void *in, double *out)
{
	if (now.err == HV_OK &&
	    works(plugin_reference(now.p, in, 1, out, NULL, NULL, now.why, sizeof(now.why))))
		return;
	for (size_t i = 0; i < now.outs; i++)
		out[i] = NAN;
}

static double weight(const void *in, const double *exact)
{
	double w = NAN;

	(void)exact;
	if (now.err != HV_OK ||
	    !works(plugin_reference(now.p, in, 1, now.refs, NULL, &w, now.why, sizeof(now.why))))
		return NAN;
	return w;
}

static void matrix(double *m)
{
	if (now.err == HV_OK && works(plugin_matrix(now.p, m, now.why, sizeof(now.why))))
		return;
	for (size_t i = 0; i < (size_t)now.task.rows * now.task.cols; i++)
		m[i] = NAN;
}

int nas_cli_plugin(const struct nas_cli *c, const char *path, const struct harvest_task **task)
{
	int r = plugin_open(path, NULL, &now.p, now.why, sizeof(now.why));

	if (r == HV_OK)
		r = plugin_examine(now.p, EXAMINED, now.why, sizeof(now.why));
	if (r < 0)
		return nas_cli_fail(c, r, "%s", now.why);
	now.task = *plugin_task(now.p);
	now.task.size = sizeof(now.task);
	now.in_bytes = tensor_bytes(&now.task.in);
	now.outs = tensor_elements(&now.task.out);
	now.refs = malloc(sizeof(*now.refs) * now.outs);
	if (now.refs == NULL)
		return nas_cli_fail(c, HV_E_NOMEM, "out of memory");
	now.task.sample = sample;
	now.task.reference = reference;
	now.task.weight = plugin_has_weight(now.p) ? weight : NULL;
	now.task.matrix = now.task.linear != HARVEST_NOT_LINEAR ? matrix : NULL;
	*task = &now.task;
	return EXIT_DONE;
}

void nas_cli_task_close(void)
{
	plugin_close(now.p);
	now.p = NULL;
	free(now.refs);
	now.refs = NULL;
}

int nas_cli_task_broken(const char **why)
{
	*why = now.why;
	return now.err;
}
