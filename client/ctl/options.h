#ifndef CLIENT_CTL_OPTIONS_H
#define CLIENT_CTL_OPTIONS_H
#include "client/lib/reason.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every option of harvestctl, once: name, letter, value, help. A verb lists the ids it takes;
 * parsing, --help, the man page and the completion follow from here (a test compares). */
enum option_id {
	OPT_NONE, /* ends a verb's list */
	OPT_SOCKET,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
	OPT_GLOBAL_END, /* the ones above go with every verb */
	OPT_OUT = OPT_GLOBAL_END,
	OPT_TASK,
	OPT_DTYPE,
	OPT_MAX_ERROR,
	OPT_DEADLINE,
	OPT_PRIORITY,
	OPT_ROUTE,
	OPT_POLICY,
	OPT_DETACH,
	OPT_DRY_RUN,
	OPT_VERIFY,
	OPT_IN,
	OPT_HOP,
	OPT_LIMIT,
	OPT_BUFFER,
	OPT_RECORDS,
	OPT_POSITION,
	OPT_COUNT,
};

/* Values as given; numbers and words are checked while parsing. */
struct args {
	const char *socket, *out, *task, *in;
	double timeout_s, max_error;
	bool has_timeout, has_max_error, has_deadline, has_hop;
	bool json, help, version, detach, dry_run, verify;
	int64_t deadline_ms;
	uint32_t hop, limit, records;
	const char *buffer;
	bool has_position;
	uint64_t position;
	int dtype; /* enum harvest_dtype, 0: not given */
	int priority; /* enum Priority of the protocol; -1: not given */
	int route, policy;
	const char *board; /* of --route board:ID, else NULL */
	const char *word[4]; /* positional arguments */
	int n_words;
};

struct option {
	const char *name; /* without the dashes */
	char letter; /* 0: none */
	const char *value; /* what stands for it in help; NULL: takes none */
	const char *help;
	int (*set)(struct args *a, const char *value, struct reason *why);
};

const struct option *option_get(enum option_id id);

/* Parse argv[0..argc-1], which follows the verb (verb NULL: precedes it, stops at the first
 * word; *used says where). own: option ids beside the global ones, ends with OPT_NONE.
 * HV_E_INVAL with a sentence. argv is borrowed as long as a. */
HV_NODISCARD int options_parse(struct args *a, const enum option_id *own, const char *verb,
			       int argc, char **argv, int *used, struct reason *why);

#endif
