#ifndef NAS_CLI_H
#define NAS_CLI_H
#include "nas/certify.h"
#include "nas/search.h"

/* harvest-nas: every verb is one function and one row of the table in main.c; a new option is
 * one value here and one row of the option table in main.c. */
enum nas_opt {
	OPT_JSON,
	OPT_TASK,
	OPT_TARGET,
	OPT_MAX_ERROR,
	OPT_MAX_LATENCY,
	OPT_MAX_WEIGHTS,
	OPT_BUDGET,
	OPT_SEED,
	OPT_SAMPLES,
	OPT_THREADS,
	OPT_OUT,
	OPT_NAME,
	OPT_REPORT,
	OPT_RESUME,
	OPT_MODELS,
	OPT_APPLICATION,
	OPT_COUNT,
};

enum nas_exit {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_PLACE = 4,
	EXIT_TIMED_OUT = 6,
	EXIT_BAD_VERSION = 7,
	EXIT_BAD_FILE = 8,
};

struct nas_cli {
	const char *verb;
	const char *opt[OPT_COUNT]; /* "" for a switch that is on; NULL when absent */
	int argc;
	char **argv;
};

int nas_cli_search(const struct nas_cli *c);
int nas_cli_pareto(const struct nas_cli *c);
int nas_cli_certify(const struct nas_cli *c);
int nas_cli_list(const struct nas_cli *c);
int nas_cli_tasks(const struct nas_cli *c);
int nas_cli_apply(const struct nas_cli *c);

/* "harvest-nas: VERB: sentence" on stderr; returns the exit code for err (HV_E_*). */
__attribute__((format(printf, 3, 4))) int nas_cli_fail(const struct nas_cli *c, int err,
						       const char *fmt, ...);
/* Option o as a number lo..hi, `absent` when it was not given. Says what is wrong and returns
 * false on a bad one. */
bool nas_cli_number(const struct nas_cli *c, enum nas_opt o, double lo, double hi, double absent,
		    double *value);
bool nas_cli_whole(const struct nas_cli *c, enum nas_opt o, uint64_t lo, uint64_t hi,
		   uint64_t absent, uint64_t *value);

/* The task of --task: a built-in one or a plug-in. An exit code. The task is valid until
 * nas_cli_task_close(). */
int nas_cli_task(const struct nas_cli *c, const char *name, const struct harvest_task **task);
void nas_cli_task_close(void);
/* A name of --task that is one of a file: source, shared object or package. */
bool nas_cli_is_file(const char *name);
int nas_cli_plugin(const struct nas_cli *c, const char *path, const struct harvest_task **task);
/* The package gets the plug-in of the task, if it is of one. HV_E_FORMAT, HV_E_NOMEM. */
HV_NODISCARD int nas_cli_task_pack(struct package *p, char *why, size_t cap);
/* HV_OK, or what a plug-in broke with while it was used, and a sentence. */
int nas_cli_task_broken(const char **why);

/* Least error that counts, and the aim: of the task, or what stands in for them. */
void nas_cli_marks(const struct harvest_task *t, double *pass, double *goal);
/* "goal", "pass" or "none". */
const char *nas_cli_mark(const struct harvest_task *t, double certified);
/* Cycles a host may spend around the accelerator: a third of what the task says of its exact
 * code; if it does not say, a figure that stands in for it. */
uint64_t nas_cli_host_most(const struct harvest_task *t);
bool nas_cli_host_said(const struct harvest_task *t);

/* The request of a command line. An exit code. */
int nas_cli_request(const struct nas_cli *c, const struct harvest_task *t, struct nas_request *q);
/* Ends the progress line of a terminal. */
void nas_cli_progress_end(void);

#endif
