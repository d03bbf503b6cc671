#include "nas/cli/cli.h"
#include "nas/jobs.h"
#include "util/own.h"
#include "config.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BIT(o) (1u << (o))

static const struct {
	const char *name, *value, *about;
} options[OPT_COUNT] = {
	[OPT_JSON] = { "--json", NULL, "one JSON document on standard output" },
	[OPT_TASK] = { "--task", "NAME|FILE", "a built-in task, or a function: FILE.c, .so, .hvm" },
	[OPT_TARGET] = { "--target", "max78000", "the accelerator; there is one" },
	[OPT_MAX_ERROR] = { "--max-error", "X", "in the task's metric; else the task's marks" },
	[OPT_MAX_LATENCY] = { "--max-latency-us", "N", "of the accelerator, for one record" },
	[OPT_MAX_WEIGHTS] = { "--max-weights-bytes", "N", "weights and biases" },
	[OPT_BUDGET] = { "--budget-s", "N", "seconds to search at most (120)" },
	[OPT_SEED] = { "--seed", "N", "of everything random (1)" },
	[OPT_SAMPLES] = { "--samples", "N", "fresh records for the certificate (16384)" },
	[OPT_THREADS] = { "--threads", "N", "at most; results do not depend on it" },
	[OPT_OUT] = { "-o", "FILE.hvm", "where the package goes" },
	[OPT_NAME] = { "--name", "NAME", "what the package is called (task and engine)" },
	[OPT_REPORT] = { "--report", "FILE.html", "a page about the search" },
	[OPT_APPLICATION] = { "--application", "MARK",
			      "pass or goal, that its application reaches too" },
	[OPT_RESUME] = { "--resume", "FILE",
			 "results go there, and an interrupted search goes on" },
	[OPT_MODELS] = { "--models", "DIRS", "where list looks for packages, colon-separated" },
};

static const struct verb {
	const char *name, *args, *about;
	int (*run)(const struct nas_cli *c);
	int max_args;
	unsigned options;
} verbs[] = {
	{ "search", "", "find, certify and write an approximation of a task", nas_cli_search, 0,
	  BIT(OPT_TASK) | BIT(OPT_TARGET) | BIT(OPT_MAX_ERROR) | BIT(OPT_MAX_LATENCY) |
		  BIT(OPT_MAX_WEIGHTS) | BIT(OPT_BUDGET) | BIT(OPT_SEED) | BIT(OPT_SAMPLES) |
		  BIT(OPT_THREADS) | BIT(OPT_OUT) | BIT(OPT_NAME) | BIT(OPT_REPORT) |
		  BIT(OPT_APPLICATION) | BIT(OPT_RESUME) },
	{ "pareto", "", "search, and print what no other one beats in everything", nas_cli_pareto,
	  0,
	  BIT(OPT_TASK) | BIT(OPT_TARGET) | BIT(OPT_MAX_ERROR) | BIT(OPT_BUDGET) | BIT(OPT_SEED) |
		  BIT(OPT_THREADS) },
	{ "certify", "PACKAGE", "repeat the certificate of a package on fresh records",
	  nas_cli_certify, 1, BIT(OPT_TASK) | BIT(OPT_SEED) | BIT(OPT_SAMPLES) },
	{ "apply", "PACKAGE", "the figures of the application that a package is for", nas_cli_apply,
	  1, 0 },
	{ "list", "[PACKAGE...]", "the suite: what every package is worth, or those named",
	  nas_cli_list, 1000, BIT(OPT_MODELS) },
	{ "tasks", "", "the built-in tasks with their marks", nas_cli_tasks, 0, 0 },
};

static void print_help(void)
{
	puts("Usage: harvest-nas VERB [OPTION...]\n\n"
	     "Turns a task into a certified network for the accelerator.\n");
	for (size_t i = 0; i < HV_ARRAY_SIZE(verbs); i++)
		printf("  %-8s %-13s %s\n", verbs[i].name, verbs[i].args, verbs[i].about);
	puts("\nOptions:");
	for (unsigned o = 0; o < OPT_COUNT; o++)
		printf("  %-20s %-13s %s\n", options[o].name,
		       options[o].value != NULL ? options[o].value : "", options[o].about);
	puts("  --help, --version\n\n"
	     "Exit codes: 0 done, 1 failed, 2 usage, 4 nothing meets the error (the best found is\n"
	     "described), 6 a plug-in hung, 7 incompatible version, 8 bad input file.");
}

static int exit_code(int err)
{
	switch (err) {
	case HV_E_INVAL: return EXIT_USAGE;
	case HV_E_BUDGET: return EXIT_NO_PLACE;
	case HV_E_TIMEOUT: return EXIT_TIMED_OUT;
	case HV_E_VERSION: return EXIT_BAD_VERSION;
	case HV_E_FORMAT:
	case HV_E_WRONG: return EXIT_BAD_FILE;
	default: return EXIT_FAILED;
	}
}

int nas_cli_fail(const struct nas_cli *c, int err, const char *fmt, ...)
{
	va_list ap;

	nas_cli_progress_end();
	fprintf(stderr, "harvest-nas: %s: ", c->verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return exit_code(err);
}

bool nas_cli_number(const struct nas_cli *c, enum nas_opt o, double lo, double hi, double absent,
		    double *value)
{
	const char *text = c->opt[o];
	char *end = NULL;
	double v;

	*value = absent;
	if (text == NULL)
		return true;
	v = strtod(text, &end);
	if (end == text || *end != '\0' || !(v >= lo && v <= hi)) {
		(void)nas_cli_fail(c, HV_E_INVAL, "%s '%s' is not a number from %g to %g",
				   options[o].name, text, lo, hi);
		return false;
	}
	*value = v;
	return true;
}

bool nas_cli_whole(const struct nas_cli *c, enum nas_opt o, uint64_t lo, uint64_t hi,
		   uint64_t absent, uint64_t *value)
{
	const char *text = c->opt[o];
	char *end = NULL;
	unsigned long long v;

	*value = absent;
	if (text == NULL)
		return true;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < lo || v > hi) {
		(void)nas_cli_fail(c, HV_E_INVAL, "%s '%s' is not a whole number from %llu to %llu",
				   options[o].name, text, (unsigned long long)lo,
				   (unsigned long long)hi);
		return false;
	}
	*value = v;
	return true;
}

static int usage_error(const char *verb, const char *what, const char *which)
{
	fprintf(stderr, "harvest-nas: %s%s%s '%s'; see harvest-nas --help\n", verb,
		verb[0] ? ": " : "", what, which);
	return EXIT_USAGE;
}

static int take_option(const struct verb *v, struct nas_cli *c, int argc, char **argv, int *i)
{
	for (unsigned o = 0; o < OPT_COUNT; o++) {
		if (strcmp(argv[*i], options[o].name) != 0)
			continue;
		if (o != OPT_JSON && (v->options & BIT(o)) == 0)
			break;
		if (c->opt[o] != NULL)
			return usage_error(v->name, "option given twice:", argv[*i]);
		if (options[o].value == NULL)
			c->opt[o] = "";
		else if (*i + 1 < argc)
			c->opt[o] = argv[++*i];
		else
			return usage_error(v->name, "value missing after", argv[*i]);
		return EXIT_DONE;
	}
	return usage_error(v->name, "unknown option", argv[*i]);
}

static int parse(const struct verb *v, struct nas_cli *c, int argc, char **argv)
{
	bool only_arguments = false;

	c->argv = argv;
	for (int i = 0; i < argc; i++) {
		if (!only_arguments && strcmp(argv[i], "--") == 0) {
			only_arguments = true;
		} else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
			int r = take_option(v, c, argc, argv, &i);

			if (r != EXIT_DONE)
				return r;
		} else {
			argv[c->argc++] = argv[i];
		}
	}
	if (c->argc > v->max_args)
		return usage_error(v->name, "unexpected argument", argv[v->max_args]);
	return EXIT_DONE;
}

static bool asks_for(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], option) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const struct verb *v = NULL;
	struct nas_cli c = { 0 };
	int r;

	hv_std_streams_hold();
	if (asks_for(argc, argv, "--help")) {
		print_help();
		return EXIT_DONE;
	}
	if (asks_for(argc, argv, "--version")) {
		puts(asks_for(argc, argv, "--json")
			     ? "{\"program\":\"harvest-nas\",\"version\":\"" PACKAGE_VERSION "\"}"
			     : "harvest-nas " PACKAGE_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; argc >= 2 && i < HV_ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0)
			v = &verbs[i];
	if (v == NULL)
		return usage_error("", argc < 2 ? "no verb given" : "unknown verb",
				   argc < 2 ? "" : argv[1]);
	c.verb = v->name;
	r = parse(v, &c, argc - 2, argv + 2);
	if (r != EXIT_DONE)
		return r;
	nas_jobs_prepare();
	r = v->run(&c);
	nas_cli_task_close();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("harvest-nas: standard output could not be written\n", stderr);
		return EXIT_FAILED;
	}
	return r;
}
