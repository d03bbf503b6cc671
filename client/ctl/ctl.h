#ifndef CLIENT_CTL_CTL_H
#define CLIENT_CTL_CTL_H
#include "client/ctl/options.h"
#include "client/lib/request.h"

/* Exit codes of all programs of the project. */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_REFUSED = 3,
	CTL_UNSATISFIED = 4,
	CTL_NO_DAEMON = 5,
	CTL_TIMED_OUT = 6,
	CTL_VERSION = 7,
	CTL_BAD_INPUT = 8,
};

/* One run of harvestctl. A verb returns 0 or HV_E_* with its sentence in why. */
struct ctl {
	struct args args;
	harvest_client *client; /* after ctl_connect() */
	bool connected;
	struct reason why;
};

/* Of verbs that have several: 'models show NAME'. name NULL ends a list. */
struct action {
	const char *name;
	const char *word; /* its argument, NULL: none */
	const char *help;
};

struct verb {
	const char *name, *words, *about;
	const struct action *actions; /* NULL: none */
	const char *more; /* further lines of its --help, or NULL */
	int min_words, max_words;
	const enum option_id *options; /* ends with OPT_NONE; NULL: only the global ones */
	int (*run)(struct ctl *c);
};

/* The table is the manual: help, man page and completion follow it. */
extern const struct verb *const ctl_verbs[];
extern const size_t ctl_n_verbs;

/* One table row each, in ctl/verbs/. */
extern const struct verb verb_submit, verb_pack, verb_wait, verb_cancel, verb_jobs, verb_explain,
	verb_tasks, verb_models, verb_boards, verb_status;

/* Connect once; 0 or the code, with c->why. */
HV_NODISCARD int ctl_connect(struct ctl *c);
/* Connect, ask, wait for the reply; the caller frees it. */
HV_NODISCARD int ctl_ask(struct ctl *c, uint16_t kind, const ProtobufCMessage *msg, uint16_t want,
			 struct hv_reply *reply);
HV_NODISCARD int ctl_ask_with(struct ctl *c, uint16_t kind, const ProtobufCMessage *msg,
			      const void *payload, size_t len, uint16_t want,
			      struct hv_reply *reply);
uint32_t ctl_answer_ms(const struct ctl *c); /* time limit of one answer */
uint32_t ctl_job_ms(const struct ctl *c); /* time limit of a job */
/* Fail with a sentence: returns code. */
int ctl_fail(struct ctl *c, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A remark on stderr that is no failure. */
void ctl_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* protobuf strings want no const. */
char *ctl_text(const char *s);

int ctl_exit_code(int err, bool connected);

#endif
