/* bench/non-interference: what a primary model notices of harvesting. Each trace of requests is
 * given to a board that is left alone and to the same board under work; every inference of the
 * primary is compared in output bits, start and end. See docs/concepts/agent.md, "The proof".
 *
 * Exit code: 0 all passed, 1 one failed, 2 usage, 8 a file. */
#include "bench/proof/camera.h"
#include "bench/proof/report.h"
#include "bench/proof/sabotage.h"
#include "bench/proof/trial.h"
#include "util/own.h"
#include <getopt.h>
#include <string.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_FILE = 8 };

/* clang-format off */
static const struct trial_trace traces[] = {
	{ "periodic", "periodic:period_us=33333,busy_us=18480", true, 0.95 },
	{ "told",     "periodic:period_us=33333,busy_us=18480,jitter_us=500,told=1", true, 0 },
	{ "jitter",   "periodic:period_us=33333,busy_us=18480,jitter_us=500", false, 0 },
	{ "poisson",  "poisson:rate_hz=25,busy_us=8000", false, 0 },
	{ "bursty",   "bursty:period_us=40000,busy_us=9000,burst=8,pause_us=600000", false, 0 },
	{ "recorded", NULL, false, 0 },
};

/* A trace and a load on which each kind of sabotage must be found. */
static const struct {
	const char *trace;
	enum load_kind load;
} caught_by[SABOTAGES] = {
	[SABOTAGE_GUARD]   = { "periodic", LOAD_JOBS },
	[SABOTAGE_RESTORE] = { "poisson",  LOAD_JOBS },
	[SABOTAGE_ABORT]   = { "poisson",  LOAD_JOBS },
};
/* clang-format on */

struct options {
	struct trial_options trial;
	const char *trace, *load; /* NULL: all */
	const char *with, *baseline; /* compare two files */
	uint32_t bound_us, interrupts_us;
	bool json, sabotage, no_wait;
};

static const char usage[] =
	"Usage: bench/non-interference [OPTION]...\n"
	"  --seconds S        modelled time of each board [15]\n"
	"  --long             a modelled hour on each trace, under each load: 24 hours of boards\n"
	"  --trace NAME       periodic, told, jitter, poisson, bursty or recorded [all]\n"
	"  --load NAME        ring, jobs, loads or babble [all]\n"
	"  --recorded FILE    CSV start_us,busy_us of the recorded trace\n"
	"  --link-bps N       speed of the serial line [12000000]\n"
	"  --seed N           of weights, inputs, jobs and random arrivals [1]\n"
	"  --sabotage         break the agent in three ways; each must be found\n"
	"  --keep DIR         write the evidence there\n"
	"  --json             the table as JSON\n"
	"  --evidence FILE --baseline FILE [--bound-us N] [--interrupts-us N] [--no-wait]\n"
	"                     compare what two boards have written, of harvest-board --log or of\n"
	"                     emulated boards; no board is run. An inference may end later by the\n"
	"                     bound and what interrupts of the line may take meanwhile [0]\n"
	"  --make-trace       print a trace of a camera pipeline, 60 s\n";

static int fail_file(const char *why)
{
	fprintf(stderr, "non-interference: %s\n", why);
	return EXIT_FILE;
}

static int read_file(const char *path, struct evidence *e)
{
	hv_autofree char *why = calloc(1, 320);
	FILE *f = fopen(path, "r");
	int err;

	if (f == NULL || why == NULL) {
		fprintf(stderr, "non-interference: %s cannot be read\n", path);
		if (f != NULL)
			fclose(f);
		return EXIT_FILE;
	}
	err = evidence_read(f, path, e, why, 320);
	fclose(f);
	return err == HV_OK ? 0 : fail_file(why);
}

/* Boards that ran elsewhere: only what both files tell can be judged. */
static int compare_files(const struct options *o)
{
	struct trial_trace t = { .name = "files", .no_wait = o->no_wait };
	struct trial r = { .trace = &t,
			   .load = LOAD_JOBS,
			   .bound_us = o->bound_us,
			   .interrupts_us = o->interrupts_us,
			   .good = 1 };
	struct evidence alone, with;
	int code = read_file(o->baseline, &alone);

	if (code != 0)
		return code;
	code = read_file(o->with, &with);
	if (code != 0) {
		evidence_free(&alone);
		return code;
	}
	if (evidence_compare(&alone, &with, &r.c) != HV_OK)
		code = fail_file("out of memory");
	r.runs = with.runs;
	r.stopped = with.stopped;
	if (alone.runs > 0)
		snprintf(r.why, sizeof(r.why), "the baseline has harvested runs");
	else if (with.runs == 0)
		snprintf(r.why, sizeof(r.why), "nothing was harvested: nothing is shown");
	else
		trial_judge(&r);
	r.good = 0;
	evidence_free(&alone);
	evidence_free(&with);
	if (code == 0) {
		report_begin(o->json, NULL);
		report_trial(&r);
		report_end();
		code = r.why[0] != '\0' ? EXIT_FAILED : 0;
	}
	return code;
}

/* All wanted loads on one trace; counts failures. */
static int try_trace(const struct trial_trace *t, const struct options *o, const struct kws20 *net,
		     unsigned *failed)
{
	struct evidence alone = { 0 };
	char why[320] = "";
	double wall_s;
	int err = trial_alone(t, &o->trial, net, &alone, &wall_s, why, sizeof(why));

	for (enum load_kind k = LOAD_RING; err == HV_OK && k < LOAD_KINDS; k++) {
		struct trial r;

		if (o->load != NULL && strcmp(o->load, load_text(k)) != 0)
			continue;
		err = trial_run(t, k, &o->trial, net, &alone, &r, why, sizeof(why));
		if (err != HV_OK)
			break;
		r.wall_s += wall_s;
		r.modelled_s += wall_s > 0 ? o->trial.seconds : 0;
		wall_s = 0;
		report_trial(&r);
		*failed += r.why[0] != '\0';
	}
	evidence_free(&alone);
	return err == HV_OK ? 0 : fail_file(why[0] != '\0' ? why : hv_err_text(err));
}

static int try_all(const struct options *o, const struct kws20 *net)
{
	unsigned failed = 0;
	int code = 0;

	report_begin(o->json, net->source);
	for (size_t i = 0; code == 0 && i < HV_ARRAY_SIZE(traces); i++)
		if (o->trace == NULL || strcmp(o->trace, traces[i].name) == 0)
			code = try_trace(&traces[i], o, net, &failed);
	report_end();
	if (code == 0 && failed > 0)
		code = EXIT_FAILED;
	return code;
}

static const struct trial_trace *trace_of(const char *name)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(traces); i++)
		if (strcmp(traces[i].name, name) == 0)
			return &traces[i];
	return NULL;
}

/* The sound agent must pass and each broken one fail, on the same trace. */
static int try_sabotage(const struct options *o, const struct kws20 *net)
{
	unsigned passed = 0, failed = 0;

	for (enum sabotage s = SABOTAGE_GUARD; s < SABOTAGES; s++) {
		struct options one = *o;
		unsigned found = 0, sound = 0;
		int code;

		one.load = load_text(caught_by[s].load);
		report_begin(false, NULL);
		code = try_trace(trace_of(caught_by[s].trace), &one, net, &sound);
		sabotage = s;
		if (code == 0)
			code = try_trace(trace_of(caught_by[s].trace), &one, net, &found);
		sabotage = SABOTAGE_NONE;
		report_end();
		if (code != 0)
			return code;
		printf("broken %s: %s\n", sabotage_text(s),
		       sound > 0    ? "the sound agent FAILED"
		       : found == 0 ? "NOT FOUND"
				    : "found");
		passed += sound == 0 && found > 0;
		failed += sound > 0 || found == 0;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0 ? EXIT_FAILED : 0;
}

enum opt {
	O_SECONDS = 256,
	O_LONG,
	O_TRACE,
	O_LOAD,
	O_RECORDED,
	O_BPS,
	O_SEED,
	O_SABOTAGE,
	O_KEEP,
	O_JSON,
	O_EVIDENCE,
	O_BASELINE,
	O_BOUND,
	O_INTERRUPTS,
	O_NO_WAIT,
	O_MAKE,
	O_HELP
};

static const struct option longs[] = {
	{ "seconds", 1, NULL, O_SECONDS },   { "long", 0, NULL, O_LONG },
	{ "trace", 1, NULL, O_TRACE },       { "load", 1, NULL, O_LOAD },
	{ "recorded", 1, NULL, O_RECORDED }, { "link-bps", 1, NULL, O_BPS },
	{ "seed", 1, NULL, O_SEED },         { "sabotage", 0, NULL, O_SABOTAGE },
	{ "keep", 1, NULL, O_KEEP },         { "json", 0, NULL, O_JSON },
	{ "evidence", 1, NULL, O_EVIDENCE }, { "baseline", 1, NULL, O_BASELINE },
	{ "bound-us", 1, NULL, O_BOUND },    { "interrupts-us", 1, NULL, O_INTERRUPTS },
	{ "no-wait", 0, NULL, O_NO_WAIT },   { "make-trace", 0, NULL, O_MAKE },
	{ "help", 0, NULL, O_HELP },         { 0 }
};

static bool number(const char *text, double min, double max, double *to)
{
	char *end = NULL;

	*to = strtod(text, &end);
	if (end != text && *end == '\0' && *to >= min && *to <= max)
		return true;
	fprintf(stderr, "non-interference: \"%s\" is no number from %g to %g\n", text, min, max);
	return false;
}

static bool known_load(const char *name)
{
	for (enum load_kind k = LOAD_RING; k < LOAD_KINDS; k++)
		if (strcmp(name, load_text(k)) == 0)
			return true;
	return false;
}

/* False: wrong, and said so. */
static bool set(struct options *o, int opt, const char *arg)
{
	double v = 0;
	bool ok = true;

	switch (opt) {
	case O_SECONDS: ok = number(arg, 3, 1e6, &o->trial.seconds); break;
	case O_LONG: o->trial.seconds = 3600; break;
	case O_TRACE: o->trace = arg; break;
	case O_LOAD: o->load = arg; break;
	case O_RECORDED: o->trial.recorded = arg; break;
	case O_BPS:
		ok = number(arg, 9600, 1e8, &v);
		o->trial.link_bps = (uint32_t)v;
		break;
	case O_SEED:
		ok = number(arg, 0, 1e15, &v);
		o->trial.seed = (uint64_t)v;
		break;
	case O_SABOTAGE: o->sabotage = true; break;
	case O_KEEP: o->trial.keep = arg; break;
	case O_JSON: o->json = true; break;
	case O_EVIDENCE: o->with = arg; break;
	case O_BASELINE: o->baseline = arg; break;
	case O_BOUND:
		ok = number(arg, 1, 1e6, &v);
		o->bound_us = (uint32_t)v;
		break;
	case O_INTERRUPTS:
		ok = number(arg, 0, 1e6, &v);
		o->interrupts_us = (uint32_t)v;
		break;
	case O_NO_WAIT: o->no_wait = true; break;
	default: return false;
	}
	return ok;
}

static bool coherent(const struct options *o)
{
	if ((o->with != NULL) != (o->baseline != NULL))
		fprintf(stderr, "non-interference: --evidence and --baseline go together\n");
	else if (o->trace != NULL && trace_of(o->trace) == NULL)
		fprintf(stderr, "non-interference: no trace is called %s: see --help\n", o->trace);
	else if (o->load != NULL && !known_load(o->load))
		fprintf(stderr, "non-interference: no load is called %s: see --help\n", o->load);
	else
		return true;
	return false;
}

int main(int argc, char **argv)
{
	struct options o = { .trial = { .seconds = 15,
					.seed = 1,
					.link_bps = 12000000,
					.recorded = SRCDIR "/bench/data/camera.csv" },
			     .bound_us = AG_WAIT_BOUND_US };
	struct kws20 net;
	char why[320];
	int c, code;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == O_HELP || c == O_MAKE) {
			if (c == O_HELP)
				fputs(usage, stdout);
			else
				camera_write(stdout, 60, 1);
			return 0;
		}
		if (!set(&o, c, optarg))
			return EXIT_USAGE;
	}
	if (optind < argc || !coherent(&o))
		return EXIT_USAGE;
	if (o.with != NULL)
		return compare_files(&o);
	code = kws20_new(o.trial.seed, &net, why, sizeof(why));
	if (code != HV_OK)
		return fail_file(why);
	code = o.sabotage ? try_sabotage(&o, &net) : try_all(&o, &net);
	kws20_free(&net);
	peer_packages_free();
	return code;
}
