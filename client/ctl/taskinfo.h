#ifndef CLIENT_CTL_TASKINFO_H
#define CLIENT_CTL_TASKINFO_H
#include "client/ctl/ctl.h"
#include "tasks/task.h"

/* What one task takes and gives, as the daemon serves it. */
struct task_io {
	struct harvest_tensor in, out;
};

/* Ask the daemon. HV_E_NOENT with the nearest name, or any code of ctl_ask(). */
HV_NODISCARD int ctl_task_get(struct ctl *c, const char *name, struct task_io *io);

#endif
