#ifndef DAEMON_PLUGINS_H
#define DAEMON_PLUGINS_H
#include "tasks/plugin.h"

/* The tasks of plug-ins: files of a directory, which are opened and examined at the start, and
 * what packages carry, which comes and goes while the daemon runs. Served ones are in the
 * catalogue. What breaks a rule is refused with its reason.
 *
 *   trial    opened, examined and timed, on any thread; known to nobody yet
 *   enter    served from now on
 *   leave    no longer found by its name; jobs that have it still run
 *
 * One thread, but for plugins_try() and plugins_worker(). */
struct plugins;

/* Of one request to a worker process: how long a plug-in can hold one of our threads. */
enum { PLUGINS_CALL_MS = 2000 };

/* dir: may be missing, NULL or "": none. HV_E_NOMEM. */
HV_NODISCARD int plugins_open(const char *dir, struct plugins **p);
/* May packages bring machine code? They may, until told otherwise. */
void plugins_code_forbid(struct plugins *p);
bool plugins_code_allowed(const struct plugins *p);
/* What has to be known of tasks that come and go: index in the catalogue, and what a record
 * costs a core. One listener, which is told at once what is served now. */
void plugins_on_change(struct plugins *p, void (*enters)(void *ctx, size_t task, double record_us),
		       void (*leaves)(void *ctx, size_t task), void *ctx);

/* What a package brings, borrowed. */
struct plugins_code {
	const uint8_t *elf;
	size_t len;
	const uint8_t *hash; /* (32) of it: its identity */
	const char *task; /* the task it has to be */
	const char *package; /* for messages */
};

struct plugins_trial;

/* On any thread. HV_E_FORMAT and the errors of plugin_open_code() and plugin_examine(). */
HV_NODISCARD int plugins_try(const struct plugins_code *c, struct plugins_trial **t, char *why,
			     size_t cap);
/* Its task, as it would be served; valid until it is dropped. */
const struct harvest_task *plugins_trial_task(const struct plugins_trial *t);
void plugins_trial_drop(struct plugins_trial *t); /* NULL is fine */
/* Serves the task of a trial, which is taken in any case. HV_E_BUSY: the name is taken;
 * HV_E_NOMEM: there have been too many. */
HV_NODISCARD int plugins_enter(struct plugins *p, struct plugins_trial *t,
			       const struct harvest_task **task, char *why, size_t cap);
/* Serves one again that left. HV_E_BUSY. */
HV_NODISCARD int plugins_return(struct plugins *p, const struct harvest_task *t);
/* Nothing happens to a task that is not of a package, or has left already. */
void plugins_leave(struct plugins *p, const struct harvest_task *t);

/* The task of a package's code of this hash and name, served or not; NULL: there has been none. */
const struct harvest_task *plugins_find(const struct plugins *p, const uint8_t *hash,
					const char *task);
/* Its code came with a package. */
bool plugins_of_package(const struct plugins *p, const struct harvest_task *t);

/* What other users could change is not run: of a file with code. */
bool plugins_file_ours(const char *path, char *why, size_t cap);

/* One more worker of a plug-in that was registered, returned owned; on any thread. A file may
 * have changed since: HV_E_DENIED when others could have, HV_E_VERSION when its task has another
 * name, version or shape of records. Else the errors of plugin_open(). */
HV_NODISCARD int plugins_worker(const struct harvest_task *t, struct plugin **p, char *why,
				size_t cap);
size_t plugins_count(const struct plugins *p); /* served */
/* Takes them out of the catalogue again; nobody may use their tasks any more. NULL is fine. */
void plugins_close(struct plugins *p);

#endif
