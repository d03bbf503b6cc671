/* harvest-model: builds, runs, checks and explains approximation packages. */
#include "accel/cli/cli.h"
#include "util/own.h"
#include "config.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BIT(o) (1u << (o))

/* clang-format off */
static const struct {
	const char *name, *value; /* value: NULL for a switch */
	const char *help;
} options[CLI_OPTS] = {
	[CLI_JSON]     = { "--json",     NULL,    "one JSON document on stdout" },
	[CLI_OUT]      = { "-o",         "FILE",  "where the result goes" },
	[CLI_IN]       = { "--in",       "FILE",  "input records: .npy, else raw bytes" },
	[CLI_MATRIX]   = { "--matrix",   "FILE",  "matrix of numbers, .npy, two dimensions" },
	[CLI_TASK]     = { "--task",     "NAME",  "a built-in linear task" },
	[CLI_LEVEL]    = { "--level",    "N",     "precision 1 (8-bit input) to 4 (8-bit residual)" },
	[CLI_NAME]     = { "--name",     "NAME",  "name of the package" },
	[CLI_SAMPLES]  = { "--samples",  "N",     "records of the statistical certificate" },
	[CLI_LINK_BPS] = { "--link-bps", "N",     "line rate of the link, bits per second" },
	[CLI_BESIDE]   = { "--beside",   "FILE",  "package that is already resident; may be repeated" },
	[CLI_YAML]     = { "--yaml",     "FILE",  "network as the vendor's generator describes it" },
	[CLI_WEIGHTS]  = { "--weights",  "DIR",   "its arrays: wN.npy, bN.npy, input.npy" },
	[CLI_KAT]      = { "--kat",      "FILE",  "network of a known-answer test" },
	[CLI_AVG_ROUND] = { "--avg-pool-rounding", NULL, "average pooling rounds, else truncates" },
	[CLI_FIFO]     = { "--fifo",     NULL,    "the input of the network comes through the FIFO" },
	[CLI_KEEP_DATA] = { "--keep-data", NULL,  "the residents' data words must survive, too" },
	[CLI_CALIBRATION] = { "--calibration", "FILE", "measured constants of the cost model, key = value" },
	[CLI_SEED]     = { "--seed",     "N",     "makes weights for layers that have none" },
	[CLI_DUMP]     = { "--dump",     NULL,    "print address and value of every expected word" },
};

/* The table is the manual: --help is printed from it. */
static const struct verb {
	const char *name, *args, *help;
	int min_args, max_args;
	unsigned options; /* beside --json */
	int (*run)(const struct cli *c);
} verbs[] = {
	{ "build", "{--task NAME | --matrix FILE.npy --name NAME} [--level N] [--samples N] -o FILE.hvm\n"
	  "  build --yaml FILE {--weights DIR | --seed N} --name NAME [--avg-pool-rounding] [--fifo]\n"
	  "      -o FILE.hvm\n"
	  "  build --kat FILE [--name NAME] -o FILE.hvm",
	  "make and certify the package of a linear task or of a matrix; or package a network as\n"
	  "          it is: a primary model, or one that somebody trained", 0, 0,
	  BIT(CLI_TASK) | BIT(CLI_MATRIX) | BIT(CLI_NAME) | BIT(CLI_LEVEL) | BIT(CLI_SAMPLES) |
	  BIT(CLI_OUT) | BIT(CLI_YAML) | BIT(CLI_WEIGHTS) | BIT(CLI_KAT) | BIT(CLI_AVG_ROUND) |
	  BIT(CLI_FIFO) | BIT(CLI_SEED), cli_build },
	{ "run", "PACKAGE --in FILE -o FILE",
	  "answer records as the accelerator would; of a network: int8 tensors in, int32 out", 1, 1, BIT(CLI_IN) | BIT(CLI_OUT), cli_run },
	{ "cost", "PACKAGE [--link-bps N] [--calibration FILE]",
	  "cycles, bus accesses, link time and energy, modelled or from measured constants", 1, 1,
	  BIT(CLI_LINK_BPS) | BIT(CLI_CALIBRATION), cli_cost },
	{ "place", "PACKAGE [--beside PACKAGE]... [--keep-data]",
	  "a map of who sits where, and the certificate that nothing overlaps", 1, 1,
	  BIT(CLI_BESIDE) | BIT(CLI_KEEP_DATA), cli_place },
	{ "image", "PACKAGE -o FILE",
	  "compile a network for a firmware: what a boot writes, and what is left to guests", 1, 1,
	  BIT(CLI_OUT), cli_image },
	{ "bound", "PACKAGE",
	  "worst-case and certified error, and the domain", 1, 1, 0, cli_bound },
	{ "dump", "PACKAGE",
	  "everything a package says about itself", 1, 1, 0, cli_dump },
	{ "check", "FILE...",
	  "prove packages by their known answers; known-answer tests in every way they allow",
	  1, 4096, 0, cli_check },
	{ "emulate", "KAT", "run the register writes of a known-answer test on the emulator",
	  1, 1, BIT(CLI_DUMP), cli_emulate },
	{ NULL, NULL, NULL, 0, 0, 0, NULL },
};
/* clang-format on */

static const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name != NULL; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

static void print_help(void)
{
	puts("Usage: harvest-model VERB [OPTION]... [ARGUMENT]...\n"
	     "Builds, runs, checks and explains packages (*.hvm): approximations of tasks, and "
	     "networks.\n");
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		char usage[400];

		snprintf(usage, sizeof(usage), "%s %s", v->name, v->args);
		printf("  %s\n          %s\n", usage, v->help);
	}
	puts("\nOptions:");
	for (unsigned o = 0; o < CLI_OPTS; o++)
		printf("  %-19s %-6s %s\n", options[o].name,
		       options[o].value ? options[o].value : "", options[o].help);
	puts("  --help                     this text\n"
	     "  --version                  version of the program\n\n"
	     "Exit status: 0 done, 1 failed, 2 usage, 4 does not fit, 7 incompatible version,\n"
	     "8 bad input file. See harvest-model(1).");
}

int cli_exit_code(int err)
{
	switch (err) {
	case HV_OK: return CLI_DONE;
	case HV_E_INVAL: return CLI_USAGE;
	case HV_E_DENIED: return CLI_REFUSED;
	case HV_E_BUSY:
	case HV_E_BUDGET: return CLI_NO_PLACE;
	case HV_E_TIMEOUT: return CLI_TIMED_OUT;
	case HV_E_VERSION: return CLI_BAD_VERSION;
	case HV_E_NOENT:
	case HV_E_FORMAT: return CLI_BAD_FILE;
	default: return CLI_FAILED;
	}
}

int cli_fail(const struct cli *c, int err, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "harvest-model: %s: ", c->verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return cli_exit_code(err);
}

bool cli_number(const struct cli *c, enum cli_opt o, uint64_t lo, uint64_t hi, uint64_t absent,
		uint64_t *value)
{
	const char *text = c->opt[o];
	char *end = NULL;
	unsigned long long v;

	if (text == NULL) {
		*value = absent;
		return true;
	}
	errno = 0;
	v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < lo || v > hi) {
		(void)cli_fail(c, HV_E_INVAL, "%s '%s' is not a whole number from %llu to %llu",
			       options[o].name, text, (unsigned long long)lo,
			       (unsigned long long)hi);
		return false;
	}
	*value = v;
	return true;
}

static int usage_error(const char *verb, const char *what, const char *which)
{
	fprintf(stderr, "harvest-model: %s%s%s '%s'; see harvest-model --help\n", verb,
		verb[0] ? ": " : "", what, which);
	return CLI_USAGE;
}

/* Takes the option at argv[*i] into c. An exit code, or CLI_DONE. */
static int take_option(const struct verb *v, struct cli *c, int argc, char **argv, int *i)
{
	for (unsigned o = 0; o < CLI_OPTS; o++) {
		if (strcmp(argv[*i], options[o].name) != 0)
			continue;
		if (o != CLI_JSON && (v->options & BIT(o)) == 0)
			break;
		if (c->opt[o] != NULL && o != CLI_BESIDE)
			return usage_error(v->name, "option given twice:", argv[*i]);
		if (o == CLI_BESIDE && c->n_beside == CLI_BESIDE_MAX)
			return usage_error(v->name, "more than 15 times:", argv[*i]);
		if (options[o].value == NULL)
			c->opt[o] = "";
		else if (*i + 1 < argc)
			c->opt[o] = argv[++*i];
		else
			return usage_error(v->name, "value missing after", argv[*i]);
		if (o == CLI_BESIDE)
			c->beside[c->n_beside++] = c->opt[o];
		return CLI_DONE;
	}
	return usage_error(v->name, "unknown option", argv[*i]);
}

/* Sorts argv into options and, in place, arguments. An exit code, or CLI_DONE. */
static int parse(const struct verb *v, struct cli *c, int argc, char **argv)
{
	bool only_arguments = false;
	int r;

	c->argv = argv;
	for (int i = 0; i < argc; i++) {
		if (!only_arguments && strcmp(argv[i], "--") == 0) {
			only_arguments = true;
		} else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
			r = take_option(v, c, argc, argv, &i);
			if (r != CLI_DONE)
				return r;
		} else {
			argv[c->argc++] = argv[i];
		}
	}
	if (c->argc < v->min_args)
		return usage_error(v->name, "too few arguments, wants", v->args);
	if (c->argc > v->max_args)
		return usage_error(v->name, "too many arguments, wants", v->args);
	return CLI_DONE;
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
	const struct verb *v;
	struct cli c = { 0 };
	int r;

	hv_std_streams_hold();
	if (asks_for(argc, argv, "--help")) {
		print_help();
		return CLI_DONE;
	}
	if (asks_for(argc, argv, "--version")) {
		puts(asks_for(argc, argv, "--json")
			     ? "{\"program\":\"harvest-model\",\"version\":\"" PACKAGE_VERSION "\"}"
			     : "harvest-model " PACKAGE_VERSION);
		return CLI_DONE;
	}
	if (argc < 2) {
		fputs("harvest-model: no verb given; see harvest-model --help\n", stderr);
		return CLI_USAGE;
	}
	v = verb_find(argv[1]);
	if (v == NULL)
		return usage_error("", "unknown verb", argv[1]);
	c.verb = v->name;
	r = parse(v, &c, argc - 2, argv + 2);
	if (r != CLI_DONE)
		return r;
	r = v->run(&c);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("harvest-model: standard output could not be written\n", stderr);
		return CLI_FAILED;
	}
	return r;
}
