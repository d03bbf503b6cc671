#include "client/ctl/options.h"
#include "client/ctl/words.h"
#include "proto/harvest.pb-c.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct reason *why, const char *value, const char *wanted)
{
	reason_set(why, "'%s' is not %s", value, wanted);
	return HV_E_INVAL;
}

static int number(const char *text, double *to)
{
	char *end;

	errno = 0;
	*to = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*to) && errno == 0 ? HV_OK : HV_E_INVAL;
}

static int integer(const char *text, int64_t lo, int64_t hi, int64_t *to)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || v < lo || v > hi)
		return HV_E_INVAL;
	*to = v;
	return HV_OK;
}

static int set_socket(struct args *a, const char *v, struct reason *why)
{
	if (v[0] == '\0')
		return bad(why, v, "a path");
	a->socket = v;
	return HV_OK;
}

static int set_timeout(struct args *a, const char *v, struct reason *why)
{
	if (number(v, &a->timeout_s) != HV_OK || a->timeout_s <= 0 || a->timeout_s > 4e6)
		return bad(why, v, "a number of seconds above 0");
	a->has_timeout = true;
	return HV_OK;
}

#define FLAG(name)                                                               \
	static int set_##name(struct args *a, const char *v, struct reason *why) \
	{                                                                        \
		(void)v;                                                         \
		(void)why;                                                       \
		a->name = true;                                                  \
		return HV_OK;                                                    \
	}
FLAG(json)
FLAG(help)
FLAG(version)
FLAG(detach)
FLAG(dry_run)
FLAG(verify)

#define TEXT(name, wanted)                                                       \
	static int set_##name(struct args *a, const char *v, struct reason *why) \
	{                                                                        \
		if (v[0] == '\0')                                                \
			return bad(why, v, wanted);                              \
		a->name = v;                                                     \
		return HV_OK;                                                    \
	}
TEXT(out, "a file name")
TEXT(in, "a file name")
TEXT(task, "the name of a task")
TEXT(buffer, "the name of a board's buffer")

static int set_dtype(struct args *a, const char *v, struct reason *why)
{
	a->dtype = (int)dtype_find(v);
	if (a->dtype == 0)
		return bad(why, v,
			   "a sample type: int8, uint8, int16, uint16, int32, float32 or float64");
	return HV_OK;
}

static int set_max_error(struct args *a, const char *v, struct reason *why)
{
	if (number(v, &a->max_error) != HV_OK || a->max_error < 0)
		return bad(why, v,
			   "an error budget: 0 (exact) or a positive number in the task's "
			   "metric, for snr_db the least dB");
	a->has_max_error = true;
	return HV_OK;
}

static int set_deadline(struct args *a, const char *v, struct reason *why)
{
	if (integer(v, INT64_MIN / 1000, INT64_MAX / 1000, &a->deadline_ms) != HV_OK)
		return bad(why, v, "a whole number of milliseconds");
	a->has_deadline = true;
	return HV_OK;
}

/* clang-format off */
static const struct word priorities[] = {
	{ "latency", HV__PRIORITY__PRIO_LATENCY }, { "normal", HV__PRIORITY__NORMAL },
	{ "background", HV__PRIORITY__BACKGROUND }, { NULL, 0 },
};
static const struct word policies[] = {
	{ "latency", HV__POLICY__LATENCY }, { "energy", HV__POLICY__ENERGY },
	{ "offload", HV__POLICY__OFFLOAD }, { NULL, 0 },
};
static const struct word routes[] = {
	{ "auto", HV__ROUTE__AUTO }, { "cpu", HV__ROUTE__CPU }, { "board", HV__ROUTE__BOARD },
	{ NULL, 0 },
};
/* clang-format on */

static int set_priority(struct args *a, const char *v, struct reason *why)
{
	if (!word_find(priorities, v, &a->priority))
		return bad(why, v, "a priority: latency, normal or background");
	return HV_OK;
}

static int set_policy(struct args *a, const char *v, struct reason *why)
{
	if (!word_find(policies, v, &a->policy))
		return bad(why, v, "a policy: latency, energy or offload");
	return HV_OK;
}

static int set_route(struct args *a, const char *v, struct reason *why)
{
	if (strncmp(v, "board:", 6) == 0 && v[6] != '\0') {
		a->route = HV__ROUTE__BOARD;
		a->board = v + 6;
		return HV_OK;
	}
	a->board = NULL;
	if (!word_find(routes, v, &a->route))
		return bad(why, v, "a route: auto, cpu, board or board:ID");
	return HV_OK;
}

static int set_u32(uint32_t *to, const char *v, struct reason *why, const char *wanted)
{
	int64_t n;

	if (integer(v, 1, UINT32_MAX, &n) != HV_OK)
		return bad(why, v, wanted);
	*to = (uint32_t)n;
	return HV_OK;
}

static int set_hop(struct args *a, const char *v, struct reason *why)
{
	a->has_hop = true;
	return set_u32(&a->hop, v, why, "a number of samples above 0");
}

static int set_limit(struct args *a, const char *v, struct reason *why)
{
	return set_u32(&a->limit, v, why, "a number of jobs above 0");
}

static int set_records(struct args *a, const char *v, struct reason *why)
{
	return set_u32(&a->records, v, why, "a number of records above 0");
}

static int set_position(struct args *a, const char *v, struct reason *why)
{
	int64_t n;

	if (integer(v, 0, INT64_MAX, &n) != HV_OK)
		return bad(why, v, "a sample of the buffer's running count");
	a->position = (uint64_t)n;
	a->has_position = true;
	return HV_OK;
}

/* clang-format off */
static const struct option options[OPT_COUNT] = {
	[OPT_SOCKET]    = { "socket", 0, "PATH", "the daemon's socket instead of the usual one", set_socket },
	[OPT_TIMEOUT]   = { "timeout", 0, "S", "seconds to wait: 10 for answers, 600 for the end of a job", set_timeout },
	[OPT_JSON]      = { "json", 0, NULL, "one JSON document on stdout", set_json },
	[OPT_HELP]      = { "help", 'h', NULL, "print help and exit", set_help },
	[OPT_VERSION]   = { "version", 'V', NULL, "print the version and exit", set_version },
	[OPT_OUT]       = { "out", 'o', "OUT", "write to OUT; results as .npy, .bin, .csv, or - for raw on stdout", set_out },
	[OPT_TASK]      = { "task", 't', "TASK", "the task (a job file names its own)", set_task },
	[OPT_DTYPE]     = { "dtype", 0, "TYPE", "sample type of a raw file: int16, float32, ...", set_dtype },
	[OPT_MAX_ERROR] = { "max-error", 'e', "X", "error budget in the task's metric; 0: exact", set_max_error },
	[OPT_DEADLINE]  = { "deadline-ms", 'd', "N", "milliseconds from now by which it must be done", set_deadline },
	[OPT_PRIORITY]  = { "priority", 'p', "CLASS", "latency, normal or background", set_priority },
	[OPT_ROUTE]     = { "route", 'r', "WHERE", "auto, cpu, board or board:ID", set_route },
	[OPT_POLICY]    = { "policy", 0, "POLICY", "latency, energy or offload (spare the CPU)", set_policy },
	[OPT_DETACH]    = { "detach", 0, NULL, "do not wait: print the job's id, get it with 'wait'", set_detach },
	[OPT_DRY_RUN]   = { "dry-run", 'n', NULL, "only say where it would run, and why", set_dry_run },
	[OPT_VERIFY]    = { "verify", 0, NULL, "compute the exact answer here too, print the measured error", set_verify },
	[OPT_IN]        = { "in", 'i', "FILE", "recording: .wav, .npy, .csv, or raw with --dtype; - is stdin", set_in },
	[OPT_HOP]       = { "hop", 0, "N", "samples from one record's start to the next", set_hop },
	[OPT_BUFFER]    = { "buffer", 0, "NAME", "samples that a board has, instead of FILE", set_buffer },
	[OPT_RECORDS]   = { "records", 0, "N", "with --buffer: how many records", set_records },
	[OPT_POSITION]  = { "position", 0, "N", "with --buffer and board:ID: first sample [so that the newest is the last]", set_position },
	[OPT_LIMIT]     = { "limit", 0, "N", "at most N jobs, newest first", set_limit },
};
/* clang-format on */

const struct option *option_get(enum option_id id)
{
	return id > OPT_NONE && id < OPT_COUNT ? &options[id] : NULL;
}

static const struct option *find(const enum option_id *own, const char *name, size_t n, char letter)
{
	for (int i = OPT_NONE + 1; i < OPT_COUNT; i++) {
		const struct option *o = &options[i];
		bool taken = i < OPT_GLOBAL_END;

		for (const enum option_id *id = own; id != NULL && *id != OPT_NONE; id++)
			taken |= (int)*id == i;
		if (!taken)
			continue;
		if (letter != 0 ? o->letter == letter
				: strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	}
	return NULL;
}

struct cursor {
	int at, argc;
	char **argv;
};

static int parse_option(struct args *a, const enum option_id *own, const char *verb,
			struct cursor *c, struct reason *why)
{
	const char *arg = c->argv[c->at++], *value = NULL;
	bool is_long = arg[1] == '-';
	const char *name = arg + (is_long ? 2 : 1);
	size_t n = is_long ? strcspn(name, "=") : 1;
	const struct option *o = find(own, name, n, is_long ? 0 : name[0]);
	struct reason detail;

	if (o == NULL) {
		reason_set(why, "unknown option '%s': see 'harvestctl%s%s --help'", arg,
			   verb ? " " : "", verb ? verb : "");
		return HV_E_INVAL;
	}
	if (name[n] != '\0')
		value = name + n + (is_long ? 1 : 0);
	if (o->value == NULL && value != NULL) {
		reason_set(why, "option --%s takes no value", o->name);
		return HV_E_INVAL;
	}
	if (o->value != NULL && value == NULL && c->at < c->argc)
		value = c->argv[c->at++];
	if (o->value != NULL && value == NULL) {
		reason_set(why, "option --%s needs a value (%s)", o->name, o->value);
		return HV_E_INVAL;
	}
	if (o->set(a, value, &detail) == HV_OK)
		return HV_OK;
	reason_set(why, "option --%s: %s", o->name, detail.text);
	return HV_E_INVAL;
}

int options_parse(struct args *a, const enum option_id *own, const char *verb, int argc,
		  char **argv, int *used, struct reason *why)
{
	struct cursor c = { 0, argc, argv };
	bool only_words = false;

	while (c.at < argc) {
		const char *arg = argv[c.at];
		bool is_option = !only_words && arg[0] == '-' && arg[1] != '\0';

		if (!is_option && verb == NULL)
			break;
		if (is_option && strcmp(arg, "--") == 0) {
			only_words = true;
			c.at++;
		} else if (is_option) {
			int err = parse_option(a, own, verb, &c, why);

			if (err != HV_OK)
				return err;
		} else if (a->n_words == (int)HV_ARRAY_SIZE(a->word)) {
			reason_set(why, "too many arguments: '%s'; see 'harvestctl %s --help'", arg,
				   verb);
			return HV_E_INVAL;
		} else {
			a->word[a->n_words++] = argv[c.at++];
		}
	}
	*used = c.at;
	return HV_OK;
}
