#ifndef CLIENT_CTL_VERBS_ACTIONS_H
#define CLIENT_CTL_VERBS_ACTIONS_H
#include "client/ctl/ctl.h"

/* The action of verbs that have several ('models show NAME'); none given: the first one.
 * HV_E_INVAL when it is unknown or its argument is missing or too much. */
HV_NODISCARD int action_take(struct ctl *c, const struct action *list, const char *verb,
			     const char **name);

#endif
