#include "nas/cli/cli.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* HOST_UNSAID: ten microseconds of a Cortex-M4F at 100 MHz, for tasks that do not say what their
 * exact code takes. */
enum { HOST_UNSAID = 1000, THREADS = 2, THREADS_MAX = 16, BUDGET_S = 120, BUDGET_MAX_S = 86400 };

/* Progress on a terminal: one line, written over. */
static struct {
	bool on, dirty;
	double start_s;
} line;

static void progress(void *ctx, const char *what, double share, double best)
{
	double spent = nas_now_s() - line.start_s;
	double left = share > 0.01 ? spent * (1 - share) / share : NAN;

	(void)ctx;
	if (!line.on)
		return;
	fprintf(stderr, "\r\033[K%3.0f %% %s, %.0f s", 100 * share, what, spent);
	if (isfinite(left))
		fprintf(stderr, ", about %.0f s left", left);
	if (isfinite(best))
		fprintf(stderr, ", best error %.4g", best);
	fflush(stderr);
	line.dirty = true;
}

void nas_cli_progress_end(void)
{
	if (line.dirty)
		fputs("\r\033[K", stderr);
	line.dirty = false;
}

/* Tasks that are judged by a loop have no marks of their own: what led there in trials. */
void nas_cli_marks(const struct harvest_task *t, double *pass, double *goal)
{
	bool db = hv_metric_larger_is_better(t->metric);

	*pass = HARVEST_TASK_HAS(t, pass) ? t->pass : 0;
	*goal = HARVEST_TASK_HAS(t, goal) ? t->goal : 0;
	if (!(*pass > 0 && isfinite(*pass)))
		*pass = db ? 40 : 0.01;
	if (!(*goal > 0 && isfinite(*goal)))
		*goal = db ? 50 : 0.003;
}

const char *nas_cli_mark(const struct harvest_task *t, double certified)
{
	double pass, goal;

	nas_cli_marks(t, &pass, &goal);
	if (hv_metric_meets(t->metric, certified, goal))
		return "goal";
	return hv_metric_meets(t->metric, certified, pass) ? "pass" : "none";
}

bool nas_cli_host_said(const struct harvest_task *t)
{
	return HARVEST_TASK_HAS(t, cpu_cycles) && t->cpu_cycles > 0;
}

uint64_t nas_cli_host_most(const struct harvest_task *t)
{
	if (!nas_cli_host_said(t))
		return HOST_UNSAID;
	return t->cpu_cycles >= 3 ? t->cpu_cycles / 3 : 1;
}

int nas_cli_request(const struct nas_cli *c, const struct harvest_task *t, struct nas_request *q)
{
	double pass, goal, error, latency, budget;
	uint64_t weights, seed, threads;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->opt[OPT_TARGET] != NULL && strcmp(c->opt[OPT_TARGET], "max78000") != 0)
		return nas_cli_fail(c, HV_E_INVAL, "there is no target '%s'; max78000 is the one",
				    c->opt[OPT_TARGET]);
	nas_cli_marks(t, &pass, &goal);
	if (!nas_cli_number(c, OPT_MAX_ERROR, 0, 1e9, pass, &error) ||
	    !nas_cli_number(c, OPT_MAX_LATENCY, 1e-3, 1e9, 0, &latency) ||
	    !nas_cli_number(c, OPT_BUDGET, 1, BUDGET_MAX_S, BUDGET_S, &budget) ||
	    !nas_cli_whole(c, OPT_MAX_WEIGHTS, 1, 442368, 0, &weights) ||
	    !nas_cli_whole(c, OPT_SEED, 0, UINT32_MAX, 1, &seed) ||
	    !nas_cli_whole(c, OPT_THREADS, 1, THREADS_MAX, cores > 1 ? THREADS : 1, &threads))
		return EXIT_USAGE;
	if (error == 0 && c->opt[OPT_MAX_ERROR] != NULL && t->metric != HARVEST_MAX_ABS &&
	    !hv_metric_larger_is_better(t->metric))
		return nas_cli_fail(c, HV_E_INVAL,
				    "--max-error 0: samples cannot show a %s of 0; give the "
				    "error that can be borne",
				    hv_metric_text(t->metric));
	line.on = isatty(STDERR_FILENO);
	line.start_s = nas_now_s();
	*q = (struct nas_request){ .task = t,
				   .aim = c->opt[OPT_MAX_ERROR] != NULL ? error : goal,
				   .max_error = error,
				   .max_latency_us = latency,
				   .max_weight_bytes = (size_t)weights,
				   .max_host_cycles = nas_cli_host_most(t),
				   .host_unsaid = !nas_cli_host_said(t),
				   .budget_s = budget,
				   .seed = seed,
				   .threads = (unsigned)threads,
				   .resume = c->opt[OPT_RESUME],
				   .say = progress };
	return EXIT_DONE;
}

int nas_cli_task(const struct nas_cli *c, const char *name, const struct harvest_task **task)
{
	if (name == NULL)
		return nas_cli_fail(c, HV_E_INVAL,
				    "--task NAME is missing: what to approximate; "
				    "harvest-nas tasks prints the names");
	if (nas_cli_is_file(name))
		return nas_cli_plugin(c, name, task);
	*task = task_find(name);
	if (*task != NULL)
		return EXIT_DONE;
	return nas_cli_fail(c, HV_E_INVAL,
			    "there is no task '%s'; harvest-nas tasks prints the names", name);
}
