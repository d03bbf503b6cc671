#ifndef TASKS_PLUGIN_INSIDE_H
#define TASKS_PLUGIN_INSIDE_H
#include "tasks/plugin.h"
#include "tasks/plugin_wire.h"
#include <sys/types.h>

/* Inside of tasks/: a plug-in's handle and its worker process. */
enum { PLUGIN_PROGRAM_CAP = 4096 };

struct plugin {
	struct plugin_limits limits;
	char *path; /* absolute; of code from memory: what it is called */
	int code_fd; /* sealed copy of code from memory; -1: path is a file */
	char program[PLUGIN_PROGRAM_CAP]; /* harvest-plugin */
	pid_t pid; /* 0: no worker */
	int socket, shared_fd;
	uint8_t *shared;
	uint32_t serial, restarts, served;
	bool rested; /* there is no worker because nobody wanted one */
	uint64_t first; /* number of the next record that is answered, for messages */
	struct plugin_description said; /* checked; own copy */
	struct harvest_task task;
	char last_why[PLUGIN_WHY_CAP]; /* how the last worker ended */
};

/* Puts a sentence into why; returns err. */
int plugin_fail(char *why, size_t cap, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Finds the program of workers. */
void plugin_program_find(char *to, size_t cap);
/* A descriptor above those that workers are given; takes fd. */
int plugin_high_fd(int fd);
/* Shared memory and a process. HV_E_NOMEM, HV_E_IO. */
HV_NODISCARD int plugin_worker_start(struct plugin *p, char *why, size_t cap);
void plugin_worker_stop(struct plugin *p);
void plugin_shared_drop(struct plugin *p);
/* A worker for the next request, a new one if the last is gone. */
HV_NODISCARD int plugin_worker_ready(struct plugin *p, char *why, size_t cap);
/* One request and its answer, within limit_ms. */
HV_NODISCARD int plugin_exchange(struct plugin *p, struct plugin_request *q, uint32_t limit_ms,
				 char *why, size_t cap);
/* What the worker says of its task, checked. */
HV_NODISCARD int plugin_describe(struct plugin *p, struct plugin_description *d, char *why,
				 size_t cap);

#endif
