#ifndef CNN_CLI_H
#define CNN_CLI_H
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* harvest-model: every verb is one function in one file and one row of the table in main.c.
 * A new option is one value here and one row of the option table in main.c. */
enum cli_opt {
	CLI_JSON, /* --json */
	CLI_OUT, /* -o FILE */
	CLI_IN, /* --in FILE */
	CLI_MATRIX, /* --matrix FILE.npy */
	CLI_TASK, /* --task NAME */
	CLI_LEVEL, /* --level 1..4 */
	CLI_NAME, /* --name NAME */
	CLI_SAMPLES, /* --samples N */
	CLI_LINK_BPS, /* --link-bps N */
	CLI_BESIDE, /* --beside PACKAGE, as often as wanted: see beside[] */
	CLI_DUMP, /* --dump */
	CLI_YAML, /* --yaml FILE */
	CLI_WEIGHTS, /* --weights DIR */
	CLI_KAT, /* --kat FILE */
	CLI_AVG_ROUND, /* --avg-pool-rounding */
	CLI_FIFO, /* --fifo */
	CLI_KEEP_DATA, /* --keep-data */
	CLI_CALIBRATION, /* --calibration FILE */
	CLI_SEED, /* --seed N */
	CLI_OPTS,
};

/* Exit codes of every program of this project. */
enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_REFUSED = 3,
	CLI_NO_PLACE = 4,
	CLI_TIMED_OUT = 6,
	CLI_BAD_VERSION = 7,
	CLI_BAD_FILE = 8,
};

enum { CLI_BESIDE_MAX = 15 };

/* One parsed command line; all strings are borrowed from argv. */
struct cli {
	const char *verb;
	const char *opt[CLI_OPTS]; /* value; "" for a switch that is on; NULL when absent */
	const char *beside[CLI_BESIDE_MAX]; /* every --beside, in order */
	unsigned n_beside;
	int argc; /* arguments that are no options */
	char **argv;
};

/* A verb returns an exit code and has said why on stderr when it is not CLI_DONE. */
int cli_build(const struct cli *c);
int cli_image(const struct cli *c);
int cli_run(const struct cli *c);
int cli_cost(const struct cli *c);
int cli_place(const struct cli *c);
int cli_bound(const struct cli *c);
int cli_dump(const struct cli *c);
int cli_check(const struct cli *c);
int cli_emulate(const struct cli *c);

/* "harvest-model: VERB: sentence" on stderr; returns the exit code for err (HV_E_*). */
__attribute__((format(printf, 3, 4))) int cli_fail(const struct cli *c, int err, const char *fmt,
						   ...);
int cli_exit_code(int err);

static inline bool cli_has(const struct cli *c, enum cli_opt o)
{
	return c->opt[o] != NULL;
}

/* Option o as a whole number lo..hi, or `absent` when it was not given. On a bad value says
 * so and returns false. */
bool cli_number(const struct cli *c, enum cli_opt o, uint64_t lo, uint64_t hi, uint64_t absent,
		uint64_t *value);

#endif
