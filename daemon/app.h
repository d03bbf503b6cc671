#ifndef DAEMON_APP_H
#define DAEMON_APP_H
#include "daemon/limits.h"
#include "daemon/sched/sched.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wires the modules together and owns the loop. */
struct app;

struct app_options {
	const char *socket_path; /* not used with client_fd */
	const char *boards_path; /* not used with boards_fd */
	const char *models_dirs; /* colon-separated */
	const char *state_dir;
	const char *plugins_dir; /* task plug-ins; NULL: none */
	bool no_package_code; /* packages may not bring the function of their task */
	const char *program; /* "harvestd 0.1.0" */
	int client_fd, boards_fd; /* listening, from the service manager; -1: make them */
	uint32_t workers; /* 0: cores, at most CPU_WORKERS_MAX */
	enum sched_policy policy;
	struct limits limits;
	/* Told to the service manager; may be NULL. text: "READY=1" and the like. */
	void (*notify)(const char *text);
	uint64_t watchdog_us; /* feed it at least so often; 0: none */
};

/* Everything up to the point where clients can connect. why gets a sentence on failure. */
HV_NODISCARD int app_new(const struct app_options *o, struct app **a, char *why, size_t cap);
/* Until SIGTERM or SIGINT, and everything is wound up. */
HV_NODISCARD int app_run(struct app *a);
void app_free(struct app *a); /* NULL is fine */

#endif
