#include "tasks/plugin_inside.h"
#include "tasks/catalog.h"
#include "tasks/plugin_check.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

enum { FORGIVE_AFTER = 10000, GRACE_MS = 100 };

int plugin_fail(char *why, size_t cap, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, cap, format, args);
	va_end(args);
	return err;
}

/* ---- the worker's program ---- */

/* Of the build tree, beside the running program; else where it was installed. */
void plugin_program_find(char *to, size_t cap)
{
	const char *env = getenv("HARVEST_PLUGIN_HOST");
	char self[PLUGIN_PROGRAM_CAP];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	static const char *const beside[] = { "harvest-plugin", "../harvest-plugin" };

	if (env != NULL && env[0] == '/') {
		snprintf(to, cap, "%s", env);
		return;
	}
	self[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; strrchr(self, '/') != NULL && i < HV_ARRAY_SIZE(beside); i++) {
		int dir = (int)(strrchr(self, '/') - self);

		if (snprintf(to, cap, "%.*s/%s", dir, self, beside[i]) < (int)cap &&
		    access(to, X_OK) == 0)
			return;
	}
	snprintf(to, cap, "%s/harvest-plugin", PKGLIBEXECDIR);
}

/* ---- life and death of a worker ---- */

static void worker_forget(struct plugin *p)
{
	if (p->socket >= 0)
		close(p->socket);
	p->socket = -1;
	p->pid = 0;
}

/* What the worker was busy with, for the sentence that it "... while ...". It says itself where
 * it was, and may say anything. */
static void doing_text(const struct plugin *p, const struct plugin_request *q, char *to, size_t cap)
{
	uint64_t at, last = q->n > 0 ? q->n - 1u : 0, first = p->first + q->first;

	memcpy(&at, plugin_progress(p->shared, p->limits.batch_bytes), sizeof(at));
	if (q->op == PLUGIN_OP_DESCRIBE)
		snprintf(to, cap, "it was loaded");
	else if (q->op == PLUGIN_OP_MATRIX)
		snprintf(to, cap, "it gave its matrix");
	else if (q->op == PLUGIN_OP_SAMPLE && (at <= last || last == 0))
		snprintf(to, cap, "it drew record %" PRIu64 " of stream %" PRIu64,
			 q->first + (last > 0 ? at : 0), q->seed);
	else if (q->op == PLUGIN_OP_SAMPLE)
		snprintf(to, cap, "it drew records %" PRIu64 " to %" PRIu64 " of stream %" PRIu64,
			 q->first, q->first + last, q->seed);
	else if (at <= last || last == 0)
		snprintf(to, cap, "it answered record %" PRIu64, first + (last > 0 ? at : 0));
	else
		snprintf(to, cap, "it answered records %" PRIu64 " to %" PRIu64, first,
			 first + last);
}

static bool worker_has_ended(const struct plugin *p)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid != 0;
}

/* Kill what may still run, also what it has forked, and say how it ended. */
static int worker_reap(struct plugin *p, bool overdue, const struct plugin_request *q, char *why,
		       size_t cap)
{
	char doing[128];
	uint32_t ms = p->said.name[0] != '\0' ? p->limits.call_ms : p->limits.open_ms;
	int status = 0, err = HV_E_GONE;

	doing_text(p, q, doing, sizeof(doing));
	/* Else its end of the socket is closed: it is ending, or has thrown the socket away. */
	for (int i = 0; !overdue && i < GRACE_MS && !worker_has_ended(p); i++)
		poll(NULL, 0, 1);
	/* One that has ended keeps its number until it is waited for: the group is its own. */
	kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (overdue)
		err = plugin_fail(
			why, cap, HV_E_TIMEOUT,
			"plug-in %s: more than %u ms passed while %s: its worker was stopped",
			p->path, ms, doing);
	else if (WIFSIGNALED(status))
		plugin_fail(why, cap, err, "plug-in %s: it crashed with SIG%s while %s", p->path,
			    sigabbrev_np(WTERMSIG(status)) != NULL ? sigabbrev_np(WTERMSIG(status))
								   : "?",
			    doing);
	else
		plugin_fail(why, cap, err, "plug-in %s: its process ended with code %d while %s",
			    p->path, WEXITSTATUS(status), doing);
	snprintf(p->last_why, sizeof(p->last_why), "%s", why);
	worker_forget(p);
	return err;
}

static int spawn(struct plugin *p, int child, char *why, size_t cap)
{
	static char code[] = PLUGIN_CODE_PATH;
	char *file[] = { p->program, p->path, NULL },
	     *memory[] = { p->program, code, p->path, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r = posix_spawn_file_actions_init(&files);

	if (r != 0)
		return plugin_fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory", p->path);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none); /* threads of the owner may block all */
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0); /* a Ctrl-C is for the owner */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETPGROUP);
	/* All are above 5 (see plugin_high_fd()), so that none overwrites another. */
	posix_spawn_file_actions_adddup2(&files, child, PLUGIN_SOCKET_FD);
	posix_spawn_file_actions_adddup2(&files, p->shared_fd, PLUGIN_SHARED_FD);
	if (p->code_fd >= 0)
		posix_spawn_file_actions_adddup2(&files, p->code_fd, PLUGIN_CODE_FD);
	posix_spawn_file_actions_addclosefrom_np(&files, PLUGIN_CODE_FD + (p->code_fd >= 0));
	r = posix_spawn(&p->pid, p->program, &files, &attr, p->code_fd >= 0 ? memory : file,
			environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (r == 0)
		return HV_OK;
	p->pid = 0;
	return plugin_fail(why, cap, HV_E_IO, "plug-in %s: cannot start %s: %s", p->path,
			   p->program, strerror(r));
}

int plugin_high_fd(int fd)
{
	int high;

	if (fd < 0 || fd > PLUGIN_CODE_FD)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, PLUGIN_CODE_FD + 1);
	close(fd);
	return high;
}

static int shared_make(struct plugin *p)
{
	size_t bytes = p->limits.batch_bytes;

	p->shared_fd =
		plugin_high_fd(memfd_create("harvest-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (p->shared_fd < 0 || ftruncate(p->shared_fd, (off_t)bytes) != 0)
		return HV_E_NOMEM;
	/* Or a worker could cut it, and the owner would meet the missing end with SIGBUS. */
	if (fcntl(p->shared_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return HV_E_IO;
	p->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->shared_fd, 0);
	if (p->shared != MAP_FAILED)
		return HV_OK;
	p->shared = NULL;
	return HV_E_NOMEM;
}

void plugin_shared_drop(struct plugin *p)
{
	if (p->shared != NULL)
		munmap(p->shared, p->limits.batch_bytes);
	p->shared = NULL;
	hv_closep(&p->shared_fd);
	p->shared_fd = -1;
}

int plugin_worker_start(struct plugin *p, char *why, size_t cap)
{
	int pair[2], err = p->shared != NULL ? HV_OK : shared_make(p);

	if (err != HV_OK)
		return plugin_fail(why, cap, err, "plug-in %s: no shared memory of %u bytes",
				   p->path, p->limits.batch_bytes);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return plugin_fail(why, cap, HV_E_IO, "plug-in %s: no socket: %s", p->path,
				   strerror(errno));
	p->socket = pair[0];
	pair[1] = plugin_high_fd(pair[1]);
	err = pair[1] >= 0 ? spawn(p, pair[1], why, cap)
			   : plugin_fail(why, cap, HV_E_IO, "plug-in %s: no descriptor", p->path);
	if (pair[1] >= 0)
		close(pair[1]);
	if (err != HV_OK)
		worker_forget(p);
	return err;
}

/* ---- one request ---- */

/* Milliseconds left, 0 when none are. */
static int left_ms(uint64_t end_ns)
{
	uint64_t now_ns = hv_now_ns();

	return now_ns >= end_ns ? 0 : (int)((end_ns - now_ns + 999999) / 1000000);
}

static bool wait_reply(int fd, uint64_t end_ns)
{
	struct pollfd f = { .fd = fd, .events = POLLIN };
	int r;

	do
		r = poll(&f, 1, left_ms(end_ns));
	while (r < 0 && errno == EINTR);
	return r > 0;
}

int plugin_exchange(struct plugin *p, struct plugin_request *q, uint32_t limit_ms, char *why,
		    size_t cap)
{
	uint64_t end_ns = hv_now_ns() + (uint64_t)limit_ms * 1000000;
	struct plugin_reply r;

	memset(plugin_progress(p->shared, p->limits.batch_bytes), 0xff, sizeof(uint64_t));

	q->serial = ++p->serial;
	q->shared_bytes = p->limits.batch_bytes;
	if (send(p->socket, q, sizeof(*q), MSG_NOSIGNAL) != (ssize_t)sizeof(*q))
		return worker_reap(p, false, q, why, cap);
	if (!wait_reply(p->socket, end_ns))
		return worker_reap(p, true, q, why, cap);
	if (recv(p->socket, &r, sizeof(r), MSG_DONTWAIT) != (ssize_t)sizeof(r))
		return worker_reap(p, false, q, why, cap);
	if (r.serial != p->serial || r.err > HV_OK || r.err < HV_E_WRONG) {
		(void)worker_reap(p, true, q, why, cap);
		(void)plugin_fail(why, cap, HV_E_WRONG,
				  "plug-in %s: its worker answers out of turn: it was stopped",
				  p->path);
		snprintf(p->last_why, sizeof(p->last_why), "%s", why);
		return HV_E_WRONG;
	}
	if (r.err == HV_OK) {
		if (++p->served >= FORGIVE_AFTER)
			p->restarts = 0; /* long ago: not the same trouble */
		return HV_OK;
	}
	plugin_text_clean(r.why, sizeof(r.why));
	return plugin_fail(why, cap, r.err, "plug-in %s: %s", p->path,
			   r.why[0] != '\0' ? r.why : hv_err_text(r.err));
}

int plugin_describe(struct plugin *p, struct plugin_description *d, char *why, size_t cap)
{
	struct plugin_request q = { .op = PLUGIN_OP_DESCRIBE };
	char reason[PLUGIN_WHY_CAP];
	int err = plugin_exchange(p, &q, p->limits.open_ms, why, cap);

	if (err != HV_OK)
		return err;
	memcpy(d, p->shared, sizeof(*d));
	err = plugin_description_check(d, reason, sizeof(reason));
	if (err != HV_OK)
		(void)plugin_fail(why, cap, err, "plug-in %s: %s", p->path, reason);
	return err;
}

void plugin_number_from(struct plugin *p, uint64_t first)
{
	p->first = first;
}

void plugin_worker_stop(struct plugin *p)
{
	int status;

	if (p->pid == 0)
		return;
	/* The group of its own that it leads: what it has forked goes, too. */
	kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	worker_forget(p);
}

void plugin_rest(struct plugin *p)
{
	if (p->pid != 0 && p->restarts > 0)
		p->restarts--;
	else if (p->pid != 0)
		p->rested = true; /* the next start is not counted */
	plugin_worker_stop(p);
	plugin_shared_drop(p);
}

/* A worker for the next request, a new one if the last is gone. */
int plugin_worker_ready(struct plugin *p, char *why, size_t cap)
{
	struct plugin_description now;
	int err;

	if (p->pid != 0)
		return HV_OK;
	if (p->restarts >= PLUGIN_RESTARTS_MAX && !p->rested)
		return plugin_fail(why, cap, HV_E_GONE, "given up after %u workers: %.400s",
				   p->restarts + 1, p->last_why);
	p->restarts += !p->rested;
	p->rested = false;
	p->served = 0;
	err = plugin_worker_start(p, why, cap);
	if (err == HV_OK)
		err = plugin_describe(p, &now, why, cap);
	if (err == HV_OK && memcmp(&now, &p->said, sizeof(now)) != 0)
		err = plugin_fail(why, cap, HV_E_WRONG,
				  "plug-in %s: its task changed since it was opened: start again",
				  p->path);
	if (err != HV_OK)
		plugin_worker_stop(p);
	return err;
}
