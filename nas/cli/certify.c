#include "nas/cli/cli.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/json_out.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void say(const struct nas_cli *c, const struct package *p, const struct package_cert *old,
		const struct nas_verdict *v, const char *mark, bool holds)
{
	const struct package_cert *k = &p->cert;

	if (c->opt[OPT_JSON] != NULL) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_str(&j, "package", c->argv[0]);
		hv_json_str(&j, "task", p->task);
		hv_json_str(&j, "metric", hv_metric_text(k->metric));
		hv_json_object(&j, "error");
		hv_json_f64(&j, "certified", k->certified);
		hv_json_f64(&j, "sample", v->whole);
		hv_json_f64(&j, "median", k->median);
		hv_json_f64(&j, "p99", v->p99);
		hv_json_f64(&j, "worst", k->worst);
		hv_json_u64(&j, "samples", k->samples);
		hv_json_end_object(&j);
		hv_json_f64(&j, "stated", old->certified);
		hv_json_bool(&j, "holds", holds);
		hv_json_str(&j, "mark", mark);
		if (k->metric == HARVEST_MISS_RATE) {
			hv_json_f64(&j, "balanced_miss_rate", v->balanced_miss);
			hv_json_f64(&j, "base_rate", v->base_rate);
		}
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return;
	}
	printf("%s: %s of %s: %s %.5g on %llu fresh records, %.5g at 99.9 %%; stated %.5g: %s\n",
	       c->argv[0], p->name, p->task, hv_metric_text(k->metric), v->whole,
	       (unsigned long long)k->samples, k->certified, old->certified,
	       holds ? "holds" : "does not hold");
}

/* The sample's own figure meets what the package states. */
static bool is_held(enum harvest_metric m, double figure, double stated)
{
	double slack = 1e-9 * fabs(stated);

	return hv_metric_larger_is_better(m) ? figure >= stated - slack : figure <= stated + slack;
}

/* A task that was named may be another one than the package's, or have changed since. */
static int check_task(const struct nas_cli *c, const struct package *p,
		      const struct harvest_task *t)
{
	if (strcmp(p->task, t->name) != 0)
		return nas_cli_fail(c, HV_E_INVAL, "%s approximates task %s, not %s", c->argv[0],
				    p->task, t->name);
	if (p->task_version != t->version)
		return nas_cli_fail(c, HV_E_VERSION,
				    "%s is for version %u of task %s, which has version %u: search "
				    "again",
				    c->argv[0], p->task_version, t->name, t->version);
	if (package_in_bytes(p) != tensor_bytes(&t->in) ||
	    package_out_bytes(p) != tensor_bytes(&t->out))
		return nas_cli_fail(c, HV_E_FORMAT,
				    "%s takes and makes other records than task %s: search again",
				    c->argv[0], t->name);
	return EXIT_DONE;
}

int nas_cli_certify(const struct nas_cli *c)
{
	const struct harvest_task *t = NULL;
	struct package *p = NULL;
	struct package_cert old;
	struct nas_verdict v;
	uint64_t seed, samples;
	char why[400] = "";
	const char *reason;
	bool holds;
	int r;

	if (c->argc != 1)
		return nas_cli_fail(c, HV_E_INVAL, "wants one PACKAGE to certify");
	if (!nas_cli_whole(c, OPT_SEED, 0, UINT32_MAX, NAS_TEST_STREAM, &seed) ||
	    !nas_cli_whole(c, OPT_SAMPLES, NAS_SAMPLES_MIN, 1 << 24, 0, &samples))
		return EXIT_USAGE;
	r = package_read(c->argv[0], &p, why, sizeof(why));
	if (r < 0)
		return nas_cli_fail(c, r, "%s: %s", c->argv[0], why);
	if (p->kind != PACKAGE_APPROXIMATION) {
		r = nas_cli_fail(c, HV_E_FORMAT, "%s is a network alone: it approximates no task",
				 c->argv[0]);
		package_free(p);
		return r;
	}
	r = nas_cli_task(c, c->opt[OPT_TASK] != NULL ? c->opt[OPT_TASK] : p->task, &t);
	if (r == EXIT_DONE)
		r = check_task(c, p, t);
	if (r != EXIT_DONE) {
		package_free(p);
		return r;
	}
	if (samples == 0)
		samples = nas_samples(t);
	old = p->cert;
	r = package_self_test(p, why, sizeof(why));
	if (r == HV_OK)
		r = nas_certify(p, t, seed, samples, &v, why, sizeof(why));
	if (nas_cli_task_broken(&reason) < 0) {
		r = nas_cli_fail(c, nas_cli_task_broken(&reason), "%s", reason);
		package_free(p);
		return r;
	}
	if (r < 0) {
		r = nas_cli_fail(c, r, "%s: %s", c->argv[0], why);
		package_free(p);
		return r;
	}
	holds = is_held(t->metric, v.whole, old.certified);
	say(c, p, &old, &v, nas_cli_mark(t, p->cert.certified), holds);
	package_free(p);
	return holds ? EXIT_DONE : EXIT_NO_PLACE;
}
