#ifndef DAEMON_PLUGINS_H
#define DAEMON_PLUGINS_H
#include "tasks/plugin.h"

/* The task plug-ins of a directory: opened and examined at the start, and entered into the
 * catalogue. What breaks a rule is logged with its reason and left out. */
struct plugins;

enum { PLUGINS_MAX = 16 };

/* Of one request to a worker process: how long a plug-in can hold one of our threads. */
enum { PLUGINS_CALL_MS = 2000 };

/* dir: may be missing, NULL or "": no plug-ins. Before any thread looks at the catalogue.
 * HV_E_NOMEM. */
HV_NODISCARD int plugins_open(const char *dir, struct plugins **p);
/* One more worker of a plug-in that was registered, returned owned; on any thread. The file may
 * have changed since: HV_E_DENIED when others could have, HV_E_VERSION when its task has another
 * name, version or shape of records. Else the errors of plugin_open(). */
HV_NODISCARD int plugins_worker(const struct harvest_task *t, struct plugin **p, char *why,
				size_t cap);
size_t plugins_count(const struct plugins *p);
/* Takes them out of the catalogue again; nobody may use their tasks any more. NULL is fine. */
void plugins_close(struct plugins *p);

#endif
