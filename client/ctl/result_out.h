#ifndef CLIENT_CTL_RESULT_OUT_H
#define CLIENT_CTL_RESULT_OUT_H
#include "client/ctl/ctl.h"
#include "util/json_out.h"

/* A job's end, for programs and for people. */
struct verified {
	bool done;
	double value; /* over all records, in the task's metric; +infinity dB: identical */
};

/* The document of submit and wait, to stdout. */
void result_print_json(const struct result *r, const struct verified *v);
/* One line, then one a part when there are several. */
void result_print_text(FILE *to, const struct result *r, const struct verified *v, bool dry_run);

/* Compare a job's output with the definition of a built-in task in double precision.
 * HV_E_NOENT: no built-in task, so there is no definition here; HV_E_FORMAT: sizes disagree. */
HV_NODISCARD int result_verify(const char *task, const void *in, size_t in_bytes, const void *out,
			       size_t out_bytes, struct verified *v);

#endif
