#include "tasks/plugin.h"
#include "tasks/catalog.h"
#include "tasks/plugin_check.h"
#include "tasks/plugin_elf.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

enum { OPEN_MS = 10000, CALL_MS = 10000, PATH_CAP = 4096, FORGIVE_AFTER = 10000 };

struct plugin {
	struct plugin_limits limits;
	char *path; /* absolute; of code from memory: what it is called */
	int code_fd; /* sealed copy of code from memory; -1: path is a file */
	char program[PATH_CAP]; /* harvest-plugin */
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

static int fail(char *why, size_t cap, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(char *why, size_t cap, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, cap, format, args);
	va_end(args);
	return err;
}

/* ---- the worker's program ---- */

/* Of the build tree, beside the running program; else where it was installed. */
static void program_find(char *to, size_t cap)
{
	const char *env = getenv("HARVEST_PLUGIN_HOST");
	char self[PATH_CAP];
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

/* Kill what may still run and say how it ended. */
static int worker_reap(struct plugin *p, bool overdue, const struct plugin_request *q, char *why,
		       size_t cap)
{
	char doing[128];
	uint32_t ms = p->said.name[0] != '\0' ? p->limits.call_ms : p->limits.open_ms;
	int status = 0, err = HV_E_GONE;

	doing_text(p, q, doing, sizeof(doing));
	if (overdue)
		kill(p->pid, SIGKILL);
	/* Else its end of the socket is closed: it is ending, or has thrown the socket away. */
	for (int i = 0; !overdue && i < 100 && waitpid(p->pid, &status, WNOHANG) == 0; i++) {
		if (i == 99) {
			kill(p->pid, SIGKILL);
			break;
		}
		poll(NULL, 0, 1);
	}
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (overdue)
		err = fail(why, cap, HV_E_TIMEOUT,
			   "plug-in %s: more than %u ms passed while %s: its worker was stopped",
			   p->path, ms, doing);
	else if (WIFSIGNALED(status))
		fail(why, cap, err, "plug-in %s: it crashed with SIG%s while %s", p->path,
		     sigabbrev_np(WTERMSIG(status)) != NULL ? sigabbrev_np(WTERMSIG(status)) : "?",
		     doing);
	else
		fail(why, cap, err, "plug-in %s: its process ended with code %d while %s", p->path,
		     WEXITSTATUS(status), doing);
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
		return fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory", p->path);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none); /* threads of the owner may block all */
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0); /* a Ctrl-C is for the owner */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETPGROUP);
	/* All are above 5 (see high_fd), so that none overwrites another. */
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
	return fail(why, cap, HV_E_IO, "plug-in %s: cannot start %s: %s", p->path, p->program,
		    strerror(r));
}

static int high_fd(int fd)
{
	int high;

	if (fd < 0 || fd > PLUGIN_CODE_FD)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, PLUGIN_CODE_FD + 1);
	close(fd);
	return high;
}

static int worker_start(struct plugin *p, char *why, size_t cap)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return fail(why, cap, HV_E_IO, "plug-in %s: no socket: %s", p->path,
			    strerror(errno));
	p->socket = pair[0];
	pair[1] = high_fd(pair[1]);
	err = pair[1] >= 0 ? spawn(p, pair[1], why, cap)
			   : fail(why, cap, HV_E_IO, "plug-in %s: no descriptor", p->path);
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

static int exchange(struct plugin *p, struct plugin_request *q, uint32_t limit_ms, char *why,
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
		kill(p->pid, SIGKILL);
		(void)worker_reap(p, true, q, why, cap);
		return fail(why, cap, HV_E_WRONG,
			    "plug-in %s: its worker answers out of turn: it was stopped", p->path);
	}
	if (r.err == HV_OK) {
		if (++p->served >= FORGIVE_AFTER)
			p->restarts = 0; /* long ago: not the same trouble */
		return HV_OK;
	}
	plugin_text_clean(r.why, sizeof(r.why));
	return fail(why, cap, r.err, "plug-in %s: %s", p->path,
		    r.why[0] != '\0' ? r.why : hv_err_text(r.err));
}

static int describe(struct plugin *p, struct plugin_description *d, char *why, size_t cap)
{
	struct plugin_request q = { .op = PLUGIN_OP_DESCRIBE };
	char reason[PLUGIN_WHY_CAP];
	int err = exchange(p, &q, p->limits.open_ms, why, cap);

	if (err != HV_OK)
		return err;
	memcpy(d, p->shared, sizeof(*d));
	err = plugin_description_check(d, reason, sizeof(reason));
	if (err != HV_OK)
		(void)fail(why, cap, err, "plug-in %s: %s", p->path, reason);
	return err;
}

void plugin_number_from(struct plugin *p, uint64_t first)
{
	p->first = first;
}

static void worker_stop(struct plugin *p)
{
	int status;

	if (p->pid == 0)
		return;
	kill(p->pid, SIGKILL);
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
	worker_stop(p);
}

/* A worker for the next request, a new one if the last is gone. */
static int worker_ready(struct plugin *p, char *why, size_t cap)
{
	struct plugin_description now;
	int err;

	if (p->pid != 0)
		return HV_OK;
	if (p->restarts >= PLUGIN_RESTARTS_MAX && !p->rested)
		return fail(why, cap, HV_E_GONE, "given up after %u workers: %.400s",
			    p->restarts + 1, p->last_why);
	p->restarts += !p->rested;
	p->rested = false;
	p->served = 0;
	err = worker_start(p, why, cap);
	if (err == HV_OK)
		err = describe(p, &now, why, cap);
	if (err == HV_OK && memcmp(&now, &p->said, sizeof(now)) != 0)
		err = fail(why, cap, HV_E_WRONG,
			   "plug-in %s: its task changed since it was opened: start again",
			   p->path);
	if (err != HV_OK)
		worker_stop(p);
	return err;
}

/* ---- opening ---- */

static void task_fill(struct plugin *p)
{
	const struct plugin_description *d = &p->said;

	p->task = (struct harvest_task){
		.size = sizeof(p->task),
		.abi = HARVEST_TASK_ABI,
		.name = d->name,
		.about = d->about[0] != '\0' ? d->about : "a plug-in",
		.version = d->version,
		.in = d->in,
		.out = d->out,
		.metric = (enum harvest_metric)d->metric,
		.linear = (enum harvest_linear)d->linear,
		.rows = d->rows,
		.cols = d->cols,
		.parts = d->parts,
		.domain = d->domain_count > 0 ? d->domain : NULL,
		.domain_count = d->domain_count,
		.range = d->range,
		.pass = d->pass,
		.goal = d->goal,
		.cpu_cycles = d->cpu_cycles,
		.cpu_method = d->cpu_method,
	};
}

static int check_file(const char *path, char *why, size_t cap)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fail(why, cap, errno == EACCES ? HV_E_DENIED : HV_E_NOENT,
			    "cannot open plug-in %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(why, cap, HV_E_FORMAT, "plug-in %s is no file", path);
	return HV_OK;
}

static int shared_make(struct plugin *p)
{
	size_t bytes = p->limits.batch_bytes;

	p->shared_fd = high_fd(memfd_create("harvest-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
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

/* A worker, and what it says. */
static int open_worker(struct plugin *p, char *why, size_t cap)
{
	int err;

	program_find(p->program, sizeof(p->program));
	err = shared_make(p);
	if (err != HV_OK)
		return fail(why, cap, err, "plug-in %s: no shared memory of %u bytes", p->path,
			    p->limits.batch_bytes);
	err = worker_start(p, why, cap);
	return err == HV_OK ? describe(p, &p->said, why, cap) : err;
}

static int open_file(struct plugin *p, const char *path, char *why, size_t cap)
{
	int err = check_file(path, why, cap);

	if (err != HV_OK)
		return err;
	p->path = realpath(path, NULL);
	if (p->path == NULL)
		return fail(why, cap, HV_E_NOENT, "cannot open plug-in %s: %s", path,
			    strerror(errno));
	return open_worker(p, why, cap);
}

/* Old kernels do not know MFD_NOEXEC_SEAL, strict ones want it: it is about execve(), which
 * nobody wants to do, and not about loading. */
static int code_memory(void)
{
	int fd = memfd_create("harvest-code", MFD_CLOEXEC | MFD_ALLOW_SEALING | 8u);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("harvest-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return high_fd(fd);
}

static int open_code(struct plugin *p, const uint8_t *elf, size_t len, char *why, size_t cap)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	char reason[PLUGIN_WHY_CAP];
	int err = plugin_elf_check(elf, len, reason, sizeof(reason));

	if (err == HV_OK)
		err = plugin_elf_fits(elf, reason, sizeof(reason));
	if (err != HV_OK)
		return fail(why, cap, err, "plug-in %s: %s", p->path, reason);
	p->code_fd = code_memory();
	for (size_t done = 0; p->code_fd >= 0 && done < len;) {
		ssize_t n = write(p->code_fd, elf + done, len - done);

		if (n <= 0)
			return fail(why, cap, HV_E_NOMEM, "plug-in %s: no memory for its %zu bytes",
				    p->path, len);
		done += (size_t)n;
	}
	if (p->code_fd < 0 || fcntl(p->code_fd, F_ADD_SEALS, seals) != 0)
		return fail(why, cap, HV_E_IO, "plug-in %s: no memory to load it from: %s", p->path,
			    strerror(errno));
	return open_worker(p, why, cap);
}

static struct plugin *plugin_new(const struct plugin_limits *limits)
{
	struct plugin *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	if (limits != NULL)
		p->limits = *limits;
	if (p->limits.open_ms == 0)
		p->limits.open_ms = OPEN_MS;
	if (p->limits.call_ms == 0)
		p->limits.call_ms = CALL_MS;
	if (p->limits.batch_bytes < PLUGIN_SHARED_MIN)
		p->limits.batch_bytes = PLUGIN_SHARED_MIN;
	p->socket = p->shared_fd = p->code_fd = -1;
	return p;
}

static int opened(struct plugin *p, int err, struct plugin **to)
{
	if (err != HV_OK) {
		plugin_close(p);
		return err;
	}
	task_fill(p);
	*to = p;
	return HV_OK;
}

int plugin_open(const char *path, const struct plugin_limits *limits, struct plugin **to, char *why,
		size_t cap)
{
	struct plugin *p = plugin_new(limits);

	if (p == NULL)
		return fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory", path);
	return opened(p, open_file(p, path, why, cap), to);
}

int plugin_open_code(const uint8_t *elf, size_t len, const char *called,
		     const struct plugin_limits *limits, struct plugin **to, char *why, size_t cap)
{
	struct plugin *p = plugin_new(limits);

	if (p != NULL)
		p->path = strdup(called);
	if (p == NULL || p->path == NULL) {
		plugin_close(p);
		return fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory", called);
	}
	return opened(p, open_code(p, elf, len, why, cap), to);
}

int plugin_open_again(const struct plugin *of, struct plugin **to, char *why, size_t cap)
{
	struct plugin *p;

	if (of->code_fd < 0)
		return plugin_open(of->path, &of->limits, to, why, cap);
	p = plugin_new(&of->limits);
	if (p != NULL) {
		p->path = strdup(of->path);
		p->code_fd = fcntl(of->code_fd, F_DUPFD_CLOEXEC, PLUGIN_CODE_FD + 1);
	}
	if (p == NULL || p->path == NULL || p->code_fd < 0) {
		plugin_close(p);
		return fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory or descriptors",
			    of->path);
	}
	return opened(p, open_worker(p, why, cap), to);
}

void plugin_close(struct plugin *p)
{
	if (p == NULL)
		return;
	worker_stop(p);
	if (p->shared != NULL)
		munmap(p->shared, p->limits.batch_bytes);
	hv_closep(&p->shared_fd);
	hv_closep(&p->code_fd);
	free(p->path);
	free(p);
}

const struct harvest_task *plugin_task(const struct plugin *p)
{
	return &p->task;
}

bool plugin_has_weight(const struct plugin *p)
{
	return p->said.has_weight != 0;
}

const char *plugin_path(const struct plugin *p)
{
	return p->path;
}

/* ---- calls ---- */

/* Records of one request. */
static size_t batch_of(const struct plugin *p)
{
	size_t in = tensor_bytes(&p->task.in), out = tensor_bytes(&p->task.out);
	size_t elements = tensor_elements(&p->task.out);
	size_t n = (p->limits.batch_bytes - 256) / (in + out + (elements + 1) * sizeof(double));

	return n > 0 ? n : 1; /* PLUGIN_SHARED_MIN holds any one record */
}

static struct plugin_layout layout_of(const struct plugin *p, size_t n)
{
	return plugin_layout(tensor_bytes(&p->task.in), tensor_bytes(&p->task.out),
			     tensor_elements(&p->task.out), n);
}

int plugin_sample(struct plugin *p, uint64_t seed, uint64_t first, size_t n, void *out, char *why,
		  size_t cap)
{
	size_t bytes = tensor_bytes(&p->task.in), batch = batch_of(p);
	uint8_t *to = out;

	for (size_t done = 0; done < n;) {
		size_t some = n - done < batch ? n - done : batch, bad;
		struct plugin_request q = { .op = PLUGIN_OP_SAMPLE,
					    .n = (uint32_t)some,
					    .seed = seed,
					    .first = first + done };
		int err = worker_ready(p, why, cap);

		if (err == HV_OK)
			err = exchange(p, &q, p->limits.call_ms, why, cap);
		if (err != HV_OK)
			return err;
		memcpy(to + done * bytes, p->shared + layout_of(p, some).in, some * bytes);
		if (tensor_first_unfinite(&p->task.in, to + done * bytes, some, &bad))
			return fail(why, cap, HV_E_WRONG,
				    "plug-in %s: record %llu of stream %llu holds a NaN or an "
				    "infinity: draw finite inputs",
				    p->path, (unsigned long long)(q.first + bad),
				    (unsigned long long)seed);
		done += some;
	}
	return HV_OK;
}

/* The worker could write while this reads: copies are checked, not the shared memory. */
static int take_answers(const struct plugin *p, size_t done, size_t n, double *ref, void *exact,
			double *weight, char *why, size_t cap)
{
	struct plugin_layout at = layout_of(p, n);
	size_t elements = tensor_elements(&p->task.out), bytes = tensor_bytes(&p->task.out);

	for (size_t i = 0; i < n * elements; i++) {
		double v;

		memcpy(&v, p->shared + at.ref + i * sizeof(v), sizeof(v));
		if (!isfinite(v))
			return fail(why, cap, HV_E_WRONG,
				    "plug-in %s: the answer to record %" PRIu64
				    " is %g: it has to be "
				    "a finite number everywhere",
				    p->path, p->first + done + i / elements, v);
		if (ref != NULL)
			ref[done * elements + i] = v;
	}
	if (exact != NULL)
		memcpy((uint8_t *)exact + done * bytes, p->shared + at.exact, n * bytes);
	for (size_t i = 0; weight != NULL && i < n; i++) {
		memcpy(weight + done + i, p->shared + at.weight + i * sizeof(*weight),
		       sizeof(*weight));
		if (!(weight[done + i] >= 0 && weight[done + i] <= 1))
			return fail(why, cap, HV_E_WRONG,
				    "plug-in %s: the weight of record %zu is %g, not 0 to 1",
				    p->path, done + i, weight[done + i]);
	}
	return HV_OK;
}

int plugin_reference(struct plugin *p, const void *in, size_t n, double *ref, void *exact,
		     double *weight, char *why, size_t cap)
{
	size_t bytes = tensor_bytes(&p->task.in), batch = batch_of(p);

	for (size_t done = 0; done < n;) {
		size_t some = n - done < batch ? n - done : batch;
		struct plugin_request q = { .op = PLUGIN_OP_REFERENCE,
					    .n = (uint32_t)some,
					    .first = done };
		int err = worker_ready(p, why, cap);

		if (err == HV_OK) {
			memcpy(p->shared + layout_of(p, some).in,
			       (const uint8_t *)in + done * bytes, some * bytes);
			err = exchange(p, &q, p->limits.call_ms, why, cap);
		}
		if (err == HV_OK)
			err = take_answers(p, done, some, ref, exact, weight, why, cap);
		if (err != HV_OK)
			return err;
		done += some;
	}
	return HV_OK;
}

int plugin_matrix(struct plugin *p, double *m, char *why, size_t cap)
{
	size_t row = p->task.cols * sizeof(double);
	uint32_t batch;

	if (p->task.linear == HARVEST_NOT_LINEAR)
		return fail(why, cap, HV_E_NOENT, "plug-in %s: its task has no matrix", p->path);
	batch = (uint32_t)(p->limits.batch_bytes / row);
	for (uint32_t first = 0; first < p->task.rows;) {
		uint32_t n = p->task.rows - first < batch ? p->task.rows - first : batch;
		struct plugin_request q = { .op = PLUGIN_OP_MATRIX, .n = n, .first = first };
		int err = worker_ready(p, why, cap);

		if (err == HV_OK)
			err = exchange(p, &q, p->limits.call_ms, why, cap);
		if (err != HV_OK)
			return err;
		memcpy(m + (size_t)first * p->task.cols, p->shared, n * row);
		first += n;
	}
	for (size_t i = 0; i < (size_t)p->task.rows * p->task.cols; i++)
		if (!isfinite(m[i]))
			return fail(why, cap, HV_E_WRONG,
				    "plug-in %s: entry %zu of its matrix is %g", p->path, i, m[i]);
	return HV_OK;
}
