#include "accel/bound/bound.h"
#include "accel/cli/open.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/json_out.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The worst case worked out again from the weights, or NaN for a task that is not built in:
 * its matrix is not in the package. */
static double worked_out(const struct package *p)
{
	const struct harvest_task *t = task_find(p->task);
	hv_autofree double *m = NULL;

	if (t == NULL || t->linear == HARVEST_NOT_LINEAR || t->rows != p->steps.rows ||
	    t->cols != p->steps.channels)
		return NAN;
	m = malloc(sizeof(*m) * t->rows * t->cols);
	if (m == NULL)
		return NAN;
	t->matrix(m);
	return cnn_bound_max_abs(p, m);
}

static void print_json(const struct package *p, double now)
{
	const struct package_cert *k = &p->cert;
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "name", p->name);
	hv_json_str(&j, "task", p->task);
	hv_json_f64(&j, "max_abs", k->max_abs);
	hv_json_f64(&j, "max_abs_recomputed", now);
	hv_json_str(&j, "metric", hv_metric_text(k->metric));
	hv_json_f64(&j, "certified", k->certified);
	hv_json_f64(&j, "confidence", k->confidence);
	hv_json_u64(&j, "samples", k->samples);
	hv_json_str(&j, "method", k->method);
	hv_json_i64(&j, "in_min", k->in_min);
	hv_json_i64(&j, "in_max", k->in_max);
	hv_json_f64(&j, "in_min_rms", k->in_min_rms);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

/* The bound was computed, and not seen. */
static bool is_closed(const struct package *p)
{
	return p->host == NULL && strstr(p->cert.method, "estimated") == NULL;
}

static void print_text(const struct package *p, double now)
{
	const struct package_cert *k = &p->cert;

	printf("%s approximates %s\n", p->name, p->task);
	if (!is_closed(p))
		printf("  worst seen   %g units of any element of the answers; no bound beyond the "
		       "samples\n",
		       k->max_abs);
	else
		printf("  worst case   no output element is further than %g units from the "
		       "definition, "
		       "for any input of %d to %d (closed form)\n",
		       k->max_abs, (int)k->in_min, (int)k->in_max);
	if (p->host != NULL)
		printf("  recomputed   not possible: the search's network has no closed form; "
		       "harvest-nas certify draws fresh records\n");
	else if (isnan(now))
		printf("  recomputed   not possible: the matrix of %s is not in the package\n",
		       p->task);
	else
		printf("  recomputed   %g units, from the weights in the package\n", now);
	printf("  certified    %s %.4g%s (%s, %llu samples, confidence %g)\n",
	       hv_metric_text(k->metric), k->certified, cli_unit(k->metric), k->method,
	       (unsigned long long)k->samples, k->confidence);
	if (p->host != NULL)
		return;
	printf("  domain       samples %d to %d, rms over a job at least %.1f\n", (int)k->in_min,
	       (int)k->in_max, k->in_min_rms);
}

int cli_bound(const struct cli *c)
{
	struct package *p = NULL;
	double now;
	int r = cli_open(c, c->argv[0], &p);

	if (r != CLI_DONE)
		return r;
	if (p->kind == PACKAGE_NETWORK) {
		r = cli_fail(c, HV_E_INVAL,
			     "%s: a network approximates nothing: it has no error to bound",
			     c->argv[0]);
		package_free(p);
		return r;
	}
	now = worked_out(p);
	if (cli_has(c, CLI_JSON))
		print_json(p, now);
	else
		print_text(p, now);
	/* A certificate below the truth is a wrong package, whoever made it. */
	if (now > p->cert.max_abs * (1 + 1e-6))
		r = cli_fail(c, HV_E_WRONG,
			     "%s: certificate claims %g, its weights may be off by %g: do not use "
			     "it",
			     c->argv[0], p->cert.max_abs, now);
	package_free(p);
	return r;
}
