#include "accel/arch.h"
#include "accel/package/check.h"
#include "nas/cli/cli.h"
#include "nas/cli/stop.h"
#include "nas/linear/finish.h"
#include "nas/report.h"
#include "nas/suite/suite.h"
#include "tasks/metric.h"
#include "util/json_out.h"
#include "util/own.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* The outcome of one search. */
struct outcome {
	const struct nas_cli *c;
	struct nas_request q;
	struct nas_front *front;
	struct nas_found *chosen;
	struct nas_verdict verdict;
	bool meets;
	uint64_t samples;
	enum suite_mark application; /* that it must reach too; SUITE_NO_MARK: does not matter */
	struct nas_found *falls_short; /* only the application's mark is missing */
};

static double latency_us(const struct nas_found *x)
{
	return x->cycles * (CNN_CYCLE_NS * 1e-3);
}

static void json_found(struct hv_json *j, const struct nas_found *x)
{
	hv_json_object(j, NULL);
	hv_json_f64(j, "error", x->error);
	hv_json_u64(j, "cycles", x->cycles);
	hv_json_f64(j, "latency_us", latency_us(x));
	hv_json_u64(j, "host_cycles", x->host_cycles);
	hv_json_u64(j, "weights_bytes", x->weight_bytes);
	hv_json_u64(j, "words", x->words);
	hv_json_u64(j, "layers", x->layers);
	hv_json_str(j, "engine", x->engine);
	hv_json_str(j, "encoding", x->encoding);
	hv_json_end_object(j);
}

static void json_front(struct hv_json *j, const struct nas_front *f)
{
	hv_json_array(j, "pareto");
	for (unsigned i = 0; i < f->n; i++)
		json_found(j, &f->of[i]);
	hv_json_end_array(j);
}

/* Memory of this process at its most. */
static uint64_t peak_kib(void)
{
	struct rusage use;

	return getrusage(RUSAGE_SELF, &use) == 0 ? (uint64_t)use.ru_maxrss : 0;
}

static void say_json(const struct outcome *o, const char *path)
{
	const struct harvest_task *t = o->q.task;
	const struct nas_found *x = o->chosen;
	const struct package_cert *k = &x->package->cert;
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "task", t->name);
	hv_json_str(&j, "metric", hv_metric_text(t->metric));
	hv_json_object(&j, "error");
	hv_json_f64(&j, "certified", k->certified);
	hv_json_f64(&j, "sample", o->verdict.whole);
	hv_json_f64(&j, "median", k->median);
	hv_json_f64(&j, "p99", o->verdict.p99);
	hv_json_f64(&j, "worst", k->worst);
	hv_json_u64(&j, "samples", k->samples);
	hv_json_end_object(&j);
	hv_json_bool(&j, "ok", o->meets);
	hv_json_f64(&j, "max_error", o->q.max_error);
	hv_json_str(&j, "mark", nas_cli_mark(t, k->certified));
	hv_json_f64(&j, "linear_fit_error", o->front->base_error);
	hv_json_f64(&j, "latency_us", latency_us(x));
	hv_json_u64(&j, "cycles", x->cycles);
	hv_json_u64(&j, "host_cycles", x->host_cycles);
	hv_json_u64(&j, "host_cycles_most", o->q.max_host_cycles);
	hv_json_bool(&j, "host_cycles_said", nas_cli_host_said(t));
	hv_json_u64(&j, "weights_bytes", x->weight_bytes);
	hv_json_u64(&j, "words", x->words);
	hv_json_u64(&j, "layers", x->layers);
	hv_json_str(&j, "engine", x->engine);
	hv_json_str(&j, "encoding", x->encoding);
	hv_json_f64(&j, "search_s", o->front->seconds);
	hv_json_u64(&j, "peak_kib", peak_kib());
	hv_json_u64(&j, "tried", o->front->tried);
	hv_json_u64(&j, "seed", o->q.seed);
	json_front(&j, o->front);
	hv_json_str(&j, "package", path);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void say_text(const struct outcome *o, const char *path)
{
	const struct harvest_task *t = o->q.task;
	const struct nas_found *x = o->chosen;
	const struct package_cert *k = &x->package->cert;
	char most[40] = "any number will do";

	if (o->q.max_host_cycles > 0)
		snprintf(most, sizeof(most), "at most %llu",
			 (unsigned long long)o->q.max_host_cycles);
	printf("task      %s, judged by %s\n", t->name, hv_metric_text(t->metric));
	printf("network   %s: %s; %u layers, %zu bytes of weights\n", x->engine, x->encoding,
	       x->layers, x->weight_bytes);
	printf("error     %.5g certified at 99.9 %% from %llu fresh records (mark: %s); median "
	       "%.3g, 99 %% %.3g, worst %.3g\n",
	       k->certified, (unsigned long long)k->samples, nas_cli_mark(t, k->certified),
	       k->median, o->verdict.p99, k->worst);
	printf("cost      %u cycles of the accelerator (%.2f us), %u words back, %llu cycles of "
	       "the host (%s%s)\n",
	       x->cycles, latency_us(x), x->words, (unsigned long long)x->host_cycles, most,
	       nas_cli_host_said(t) ? "" : ": the task does not say what its exact code takes");
	printf("search    %.1f s, %u networks, seed %llu\n", o->front->seconds, o->front->tried,
	       (unsigned long long)o->q.seed);
	if (path != NULL)
		printf("package   %s\n", path);
}

/* Certificate, domain and vectors of one found; linear ones have theirs. An HV_E_*. */
static int finish(struct outcome *o, struct nas_found *x, char *why, size_t cap)
{
	struct package *p = x->package;
	int r;

	if (o->c->opt[OPT_NAME] != NULL)
		snprintf(p->name, sizeof(p->name), "%s", o->c->opt[OPT_NAME]);
	else if (p->host != NULL)
		snprintf(p->name, sizeof(p->name), "%.20s-%.9s", p->task, x->engine);
	if (p->host == NULL && p->cert.samples == 0)
		return nas_linear_finish(p, o->q.task, o->samples, &o->verdict, why, cap);
	if (p->host == NULL) {
		o->verdict = (struct nas_verdict){ .whole = p->cert.certified,
						   .p99 = p->cert.certified };
		return HV_OK;
	}
	r = nas_certify(p, o->q.task, NAS_TEST_STREAM, o->samples, &o->verdict, why, cap);
	if (r == HV_OK)
		r = nas_domain(p, o->q.task);
	if (r == HV_OK && p->n_kats == 0)
		r = nas_vectors(p, o->q.task);
	if (r == HV_E_NOMEM)
		snprintf(why, cap, "out of memory");
	return r;
}

/* What the package is used for reaches the mark that was asked for, or has none. An HV_E_*. */
static int is_applicable(const struct outcome *o, const struct package *p, bool *it_is)
{
	struct loop_result figures;
	enum suite_mark mark;
	int r = HV_OK;

	*it_is = true;
	if (o->application == SUITE_NO_MARK)
		return HV_OK;
	r = suite_apply(p, SUITE_STREAM, &figures);
	mark = suite_mark_find(loop_mark(&figures));
	*it_is = r == HV_OK && (mark == SUITE_NO_MARK || mark >= o->application);
	return r == HV_E_BUSY ? HV_OK : r;
}

/* The cheapest whose certificate meets `error`: what passes on validation records may fail it,
 * then the next one gets its chance. */
static int settle(struct outcome *o, double error, char *why, size_t cap)
{
	struct nas_request q = o->q;

	q.max_error = error;
	for (unsigned tries = 0; tries < 12 || o->application != SUITE_NO_MARK; tries++) {
		bool larger = hv_metric_larger_is_better(q.task->metric), applicable;
		double certified;
		int r;

		o->chosen = nas_front_choose(o->front, &q, &o->meets);
		if (!o->meets && o->falls_short != NULL)
			o->chosen = o->falls_short;
		if (o->chosen == NULL)
			return HV_OK;
		r = finish(o, o->chosen, why, cap);
		if (r < 0 || !o->meets)
			return r;
		certified = o->chosen->package->cert.certified;
		if (!hv_metric_meets(q.task->metric, certified, error)) {
			o->chosen->error = certified; /* what it is worth */
			continue;
		}
		r = is_applicable(o, o->chosen->package, &applicable);
		if (r < 0 || applicable)
			return r;
		if (o->falls_short == NULL)
			o->falls_short = o->chosen;
		o->chosen->error = larger ? -INFINITY : INFINITY;
	}
	o->meets = false;
	return HV_OK;
}

static int describe_failure(const struct outcome *o)
{
	const struct nas_found *x = o->chosen;
	const struct harvest_task *t = o->q.task;

	if (x == NULL)
		return nas_cli_fail(o->c, HV_E_BUDGET, "task %s: nothing was found", t->name);
	return nas_cli_fail(
		o->c, HV_E_BUDGET,
		"task %s: no network meets %s %g%s%s%s; the best one found has %g certified (%s, "
		"%s; "
		"%u cycles, %llu host cycles); nothing was written",
		t->name, hv_metric_text(t->metric), o->q.max_error,
		o->q.max_weight_bytes > 0 || o->q.max_latency_us > 0 ? " within the limits" : "",
		o->application != SUITE_NO_MARK ? " with an application at " : "",
		o->application != SUITE_NO_MARK ? suite_mark_text(o->application) : "",
		x->package->cert.certified, x->engine, x->encoding, x->cycles,
		(unsigned long long)x->host_cycles);
}

static int write_package(const struct outcome *o, const char *path)
{
	hv_autofree uint8_t *bytes = NULL;
	struct package *p = o->chosen->package;
	char why[200] = "";
	size_t len;
	int r = nas_cli_task_pack(p, why, sizeof(why));

	if (r < 0)
		return nas_cli_fail(o->c, r, "%s cannot be made: %s", path, why);
	r = package_encode(p, &bytes, &len);
	if (r < 0)
		return nas_cli_fail(o->c, r, "%s cannot be made: %s", path, hv_err_text(r));
	if (hv_file_write(path, bytes, len) < 0)
		return nas_cli_fail(o->c, HV_E_IO, "%s cannot be written: %s", path,
				    strerror(errno));
	return EXIT_DONE;
}

static int write_report(const struct outcome *o, const char *path)
{
	struct nas_report r = { .request = &o->q,
				.front = o->front,
				.chosen = o->chosen,
				.verdict = &o->verdict,
				.mark = nas_cli_mark(o->q.task, o->chosen->package->cert.certified),
				.meets = o->meets };

	if (nas_report_write(&r, path) < 0)
		return nas_cli_fail(o->c, HV_E_IO, "%s cannot be written: %s", path,
				    strerror(errno));
	return EXIT_DONE;
}

static int conclude(struct outcome *o)
{
	const struct nas_cli *c = o->c;
	int code = EXIT_DONE;

	nas_stop_hold();
	if (o->chosen != NULL && c->opt[OPT_REPORT] != NULL)
		code = write_report(o, c->opt[OPT_REPORT]);
	if (code == EXIT_DONE && o->meets && c->opt[OPT_OUT] != NULL)
		code = write_package(o, c->opt[OPT_OUT]);
	nas_stop_release(code == EXIT_DONE);
	if (code != EXIT_DONE)
		return code;
	if (o->chosen != NULL && c->opt[OPT_JSON] != NULL)
		say_json(o, o->meets ? c->opt[OPT_OUT] : NULL);
	else if (o->meets)
		say_text(o, c->opt[OPT_OUT]);
	return o->meets ? EXIT_DONE : describe_failure(o);
}

/* Troubles with the journal end no search. */
static void say_journal(const struct outcome *o)
{
	if (o->q.resume_damaged)
		fprintf(stderr,
			"harvest-nas: search: %s was damaged: what its intact first part does not "
			"have was searched again\n",
			o->q.resume);
	if (o->q.resume_error != 0)
		fprintf(stderr,
			"harvest-nas: search: %s could not be continued: %s; the search did "
			"without\n",
			o->q.resume, strerror(o->q.resume_error));
}

static int search(struct outcome *o)
{
	char why[400] = "";
	const char *reason;
	int r = nas_search(&o->q, &o->front, why, sizeof(why));

	nas_cli_progress_end();
	say_journal(o);
	if (nas_cli_task_broken(&reason) < 0)
		return nas_cli_fail(o->c, nas_cli_task_broken(&reason), "%s", reason);
	if (r < 0)
		return nas_cli_fail(o->c, r, "%s", why);
	r = settle(o, o->q.aim, why, sizeof(why));
	if (r == HV_OK && !o->meets && o->q.aim != o->q.max_error)
		r = settle(o, o->q.max_error, why, sizeof(why));
	nas_cli_progress_end();
	if (nas_cli_task_broken(&reason) < 0)
		return nas_cli_fail(o->c, nas_cli_task_broken(&reason), "%s", reason);
	return r < 0 ? nas_cli_fail(o->c, r, "%s", why) : EXIT_DONE;
}

static int read_application(const struct nas_cli *c, enum suite_mark *mark)
{
	const char *text = c->opt[OPT_APPLICATION];

	*mark = suite_mark_find(text);
	if (*mark == SUITE_MISSED)
		*mark = SUITE_NO_MARK;
	else if (text != NULL && *mark == SUITE_NO_MARK)
		return nas_cli_fail(c, HV_E_INVAL,
				    "--application '%.40s' is neither pass nor goal nor none",
				    text);
	return EXIT_DONE;
}

static int check_name(const struct nas_cli *c)
{
	const char *name = c->opt[OPT_NAME];

	if (name == NULL || package_name_ok(name, false))
		return EXIT_DONE;
	return nas_cli_fail(c, HV_E_INVAL,
			    "--name '%.40s' is no name of a package: 1 to 31 of a-z 0-9 - _", name);
}

/* Two minutes of search are not to end at a directory that is not there. */
static int check_files(const struct nas_cli *c)
{
	static const enum nas_opt files[] = { OPT_OUT, OPT_REPORT };

	for (size_t i = 0; i < HV_ARRAY_SIZE(files); i++)
		if (c->opt[files[i]] != NULL && nas_stop_can_write(c->opt[files[i]]) < 0)
			return nas_cli_fail(c, HV_E_IO,
					    "%s cannot be written: %s; nothing was searched",
					    c->opt[files[i]], strerror(errno));
	if (c->opt[OPT_OUT] != NULL && c->opt[OPT_REPORT] != NULL &&
	    strcmp(c->opt[OPT_OUT], c->opt[OPT_REPORT]) == 0)
		return nas_cli_fail(c, HV_E_INVAL, "-o and --report name the same file %s",
				    c->opt[OPT_OUT]);
	return EXIT_DONE;
}

int nas_cli_search(const struct nas_cli *c)
{
	const struct harvest_task *t = NULL;
	struct outcome o = { .c = c };
	int r = check_name(c);

	nas_stop_prepare(c->verb, c->opt[OPT_RESUME]);
	if (r == EXIT_DONE)
		r = check_files(c);
	if (r == EXIT_DONE)
		r = read_application(c, &o.application);
	if (r == EXIT_DONE)
		r = nas_cli_task(c, c->opt[OPT_TASK], &t);
	if (r == EXIT_DONE)
		r = nas_cli_request(c, t, &o.q);
	if (r != EXIT_DONE)
		return r;
	if (!nas_cli_whole(c, OPT_SAMPLES, NAS_SAMPLES_MIN, 1 << 24, nas_samples(t), &o.samples))
		return EXIT_USAGE;
	if (o.application != SUITE_NO_MARK) /* loops may want more of the map: look further */
		o.q.aim = hv_metric_larger_is_better(t->metric) ? o.q.aim + 3 : 0.7 * o.q.aim;
	r = search(&o);
	if (r == EXIT_DONE)
		r = conclude(&o);
	nas_front_free(o.front);
	return r;
}

int nas_cli_pareto(const struct nas_cli *c)
{
	const struct harvest_task *t = NULL;
	struct nas_front *f = NULL;
	struct nas_request q;
	char why[400] = "";
	const char *reason;
	int r = nas_cli_task(c, c->opt[OPT_TASK], &t);

	if (r == EXIT_DONE)
		r = nas_cli_request(c, t, &q);
	if (r != EXIT_DONE)
		return r;
	nas_stop_prepare(c->verb, NULL);
	r = nas_search(&q, &f, why, sizeof(why));
	nas_cli_progress_end();
	if (nas_cli_task_broken(&reason) < 0) {
		nas_front_free(r == HV_OK ? f : NULL);
		return nas_cli_fail(c, nas_cli_task_broken(&reason), "%s", reason);
	}
	if (r < 0)
		return nas_cli_fail(c, r, "%s", why);
	if (c->opt[OPT_JSON] != NULL) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_str(&j, "task", t->name);
		hv_json_str(&j, "metric", hv_metric_text(t->metric));
		hv_json_f64(&j, "search_s", f->seconds);
		json_front(&j, f);
		hv_json_end_object(&j);
		hv_json_finish(&j);
	} else {
		printf("%-10s %8s %8s %8s %6s  %s\n", hv_metric_text(t->metric), "cycles", "host",
		       "weights", "words", "network");
		for (unsigned i = 0; i < f->n; i++) {
			const struct nas_found *x = &f->of[i];

			printf("%-10.5g %8u %8llu %8zu %6u  %s: %s\n", x->error, x->cycles,
			       (unsigned long long)x->host_cycles, x->weight_bytes, x->words,
			       x->engine, x->encoding);
		}
	}
	nas_front_free(f);
	return EXIT_DONE;
}
