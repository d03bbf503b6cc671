#include "client/ctl/ctl.h"
#include "util/own.h"

/* In the order of a first day with the program; --help prints it. */
const struct verb *const ctl_verbs[] = {
	&verb_submit,  &verb_pack,  &verb_wait,   &verb_cancel, &verb_jobs,
	&verb_explain, &verb_tasks, &verb_models, &verb_boards, &verb_status,
};
const size_t ctl_n_verbs = HV_ARRAY_SIZE(ctl_verbs);
