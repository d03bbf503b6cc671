#include "nas/cli/cli.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/json_out.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* How the package's domain and its sampler go together. */
struct domain {
	bool has; /* with a host program */
	uint64_t drawn, refused; /* fresh records */
	struct nas_probe probe;
};

static void json_domain(struct hv_json *j, const struct domain *d)
{
	hv_json_object(j, "domain");
	hv_json_u64(j, "fresh_records", d->drawn);
	hv_json_u64(j, "fresh_refused", d->refused);
	hv_json_u64(j, "even_records", d->probe.records);
	hv_json_u64(j, "even_inside", d->probe.inside);
	hv_json_f64(j, "even_error", d->probe.box);
	hv_json_f64(j, "even_worst", d->probe.box_worst);
	hv_json_f64(j, "inside_error", d->probe.support);
	hv_json_f64(j, "inside_worst", d->probe.inside_worst);
	hv_json_end_object(j);
}

static void text_domain(const struct package *p, const struct domain *d)
{
	const struct nas_probe *q = &d->probe;
	char views[256];

	printf("  domain: refuses %llu of %llu fresh records; support: %s\n",
	       (unsigned long long)d->refused, (unsigned long long)d->drawn,
	       p->support != NULL ? support_text(p->support, views, sizeof(views))
				  : "all of the ranges");
	printf("  of %llu records spread evenly over the ranges it lets in %llu; error of all "
	       "%.4g, "
	       "worst record %.4g; of those let in %.4g, worst %.4g\n",
	       (unsigned long long)q->records, (unsigned long long)q->inside, q->box, q->box_worst,
	       q->support, q->inside_worst);
}

static int look_at_domain(struct package *p, const struct harvest_task *t, uint64_t seed,
			  uint64_t samples, struct domain *d)
{
	*d = (struct domain){ .has = p->host != NULL, .drawn = samples };
	if (!d->has)
		return HV_OK;
	d->refused = nas_refused(p, t, seed, samples);
	return nas_probe(p, t, NAS_PROBE_SEED, nas_probes(t), &d->probe);
}

static void say(const struct nas_cli *c, const struct package *p, const struct package_cert *old,
		const struct nas_verdict *v, const struct domain *d, const char *mark, bool holds)
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
		if (d->has)
			json_domain(&j, d);
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return;
	}
	printf("%s: %s of %s: %s %.5g on %llu fresh records, %.5g at 99.9 %%; stated %.5g: %s\n",
	       c->argv[0], p->name, p->task, hv_metric_text(k->metric), v->whole,
	       (unsigned long long)k->samples, k->certified, old->certified,
	       holds ? "holds" : "does not hold");
	if (d->has)
		text_domain(p, d);
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
	struct domain domain;
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
	if (c->opt[OPT_TASK] == NULL && p->plugin != NULL)
		r = nas_cli_fail(
			c, HV_E_INVAL,
			"task %s is not built in: name its function with --task FILE.c, or "
			"say --task %s to run the machine code that the package carries",
			p->task, c->argv[0]);
	else
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
	if (r == HV_OK)
		r = look_at_domain(p, t, seed, samples, &domain);
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
	say(c, p, &old, &v, &domain, nas_cli_mark(t, p->cert.certified), holds);
	package_free(p);
	return holds ? EXIT_DONE : EXIT_NO_PLACE;
}
