#include "tasks/catalog.h"
#include "tasks/plugin_jail.h"
#include "tasks/plugin_wire.h"
#include "util/fs/err.h"
#include "util/own.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* harvest-plugin FILE [NAME]: the process that a plug-in lives in. Started by
 * tasks/plugin_worker.c with the descriptors of plugin_wire.h, and of no use by hand. */
struct host {
	struct harvest_task task; /* fields that the plug-in's size does not cover are zero */
	uint8_t *shared;
	size_t shared_bytes;
	double *matrix, *scratch;
};

static int fail(struct plugin_reply *r, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct plugin_reply *r, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
	return err;
}

/* The owner is gone: so is the reason to be here, whatever the plug-in is busy with. */
static void *watch_owner(void *arg)
{
	struct pollfd p = { .fd = PLUGIN_SOCKET_FD };

	(void)arg;
	while (poll(&p, 1, -1) < 0 || (p.revents & (POLLHUP | POLLERR)) == 0)
		;
	kill(0, SIGKILL); /* and what it has forked */
	_exit(0);
}

static int watch_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, watch_owner, NULL) != 0)
		return HV_E_NOMEM;
	pthread_detach(thread);
	return HV_OK;
}

/* Limits; and what it prints goes to stderr, since stdout is the owner's result. */
static void confine(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	plugin_jail_limits();
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	plugin_jail_load();
}

#if defined(__SANITIZE_ADDRESS__)
/* A search for leaks begins with a process of its own, which the jail refuses. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
	return 1;
}
#endif

static int load(const char *path, struct host *h, struct plugin_reply *r)
{
	const size_t least = offsetof(struct harvest_task, parts);
	const struct harvest_task *t;
	harvest_task_fn entry;
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol;

	if (so == NULL)
		return fail(r, HV_E_FORMAT, "%s", dlerror());
	symbol = dlsym(so, HARVEST_PLUGIN_SYMBOL);
	if (symbol == NULL)
		return fail(r, HV_E_FORMAT, "it exports no function '%s': see <harvest/task.h>",
			    HARVEST_PLUGIN_SYMBOL);
	memcpy(&entry, &symbol, sizeof(entry));
	t = entry();
	if (t == NULL)
		return fail(r, HV_E_FORMAT, "%s() answers NULL", HARVEST_PLUGIN_SYMBOL);
	if (t->abi != HARVEST_TASK_ABI)
		return fail(r, HV_E_VERSION,
			    "it is made for version %u of the task interface, this program has %u: "
			    "compile it again",
			    t->abi, HARVEST_TASK_ABI);
	if (t->size < least || t->size > 16 * sizeof(*t))
		return fail(r, HV_E_FORMAT,
			    "its task has size %u: set it to sizeof(struct "
			    "harvest_task)",
			    t->size);
	memcpy(&h->task, t, t->size < sizeof(*t) ? t->size : sizeof(*t));
	if (h->task.reference == NULL || h->task.sample == NULL || h->task.name == NULL)
		return fail(r, HV_E_FORMAT, "its task lacks name, reference or sample");
	return HV_OK;
}

static void copy_text(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from != NULL ? from : "");
}

static int describe(struct host *h, struct plugin_reply *r)
{
	const struct harvest_task *t = &h->task;
	struct plugin_description d = {
		.version = t->version,
		.metric = (uint32_t)t->metric,
		.linear = (uint32_t)t->linear,
		.rows = t->rows,
		.cols = t->cols,
		.parts = t->parts,
		.cpu_cycles = t->cpu_cycles,
		.has_weight = t->weight != NULL,
		.has_matrix = t->matrix != NULL,
		.in = t->in,
		.out = t->out,
		.range = t->range,
		.pass = t->pass,
		.goal = t->goal,
	};

	if (strlen(t->name) >= sizeof(d.name))
		return fail(r, HV_E_FORMAT, "the task's name is longer than %zu characters",
			    sizeof(d.name) - 1);
	copy_text(d.name, sizeof(d.name), t->name);
	copy_text(d.about, sizeof(d.about), t->about);
	copy_text(d.cpu_method, sizeof(d.cpu_method), t->cpu_method);
	if (t->domain != NULL)
		d.domain_count = t->domain_count; /* too many: the owner refuses them */
	if (d.domain_count > 0 && d.domain_count <= PLUGIN_DOMAIN_MAX)
		memcpy(d.domain, t->domain, sizeof(*t->domain) * d.domain_count);
	memcpy(h->shared, &d, sizeof(d));
	return HV_OK;
}

/* Room for the records of a request; the owner never asks for more. */
static int place(const struct host *h, uint32_t n, struct plugin_layout *at, struct plugin_reply *r)
{
	const struct harvest_task *t = &h->task;

	*at = plugin_layout(tensor_bytes(&t->in), tensor_bytes(&t->out), tensor_elements(&t->out),
			    n);
	if (at->total > h->shared_bytes)
		return fail(r, HV_E_INVAL, "%u records do not fit the shared memory", n);
	return HV_OK;
}

/* To be read by the owner when this process is gone. */
static void progress(struct host *h, uint32_t record)
{
	*(volatile uint64_t *)plugin_progress(h->shared, h->shared_bytes) = record;
}

static int sample(struct host *h, const struct plugin_request *q, struct plugin_reply *r)
{
	size_t bytes = tensor_bytes(&h->task.in);
	struct plugin_layout at;
	int err = place(h, q->n, &at, r);

	for (uint32_t i = 0; err == HV_OK && i < q->n; i++) {
		progress(h, i);
		h->task.sample(q->seed, q->first + i, h->shared + at.in + i * bytes);
	}
	return err;
}

static int reference(struct host *h, const struct plugin_request *q, struct plugin_reply *r)
{
	const struct harvest_task *t = &h->task;
	size_t in_bytes = tensor_bytes(&t->in), out_bytes = tensor_bytes(&t->out);
	size_t elements = tensor_elements(&t->out);
	struct plugin_layout at;
	int err = place(h, q->n, &at, r);

	for (uint32_t i = 0; err == HV_OK && i < q->n; i++) {
		const uint8_t *in = h->shared + at.in + i * in_bytes;
		double weight = 1;

		progress(h, i);
		task_exact(t, in, h->shared + at.exact + i * out_bytes, h->scratch);
		memcpy(h->shared + at.ref + i * elements * sizeof(double), h->scratch,
		       elements * sizeof(double));
		if (t->weight != NULL)
			weight = t->weight(in, h->scratch);
		memcpy(h->shared + at.weight + i * sizeof(weight), &weight, sizeof(weight));
	}
	return err;
}

static int matrix(struct host *h, const struct plugin_request *q, struct plugin_reply *r)
{
	const struct harvest_task *t = &h->task;
	size_t row = t->cols * sizeof(double);

	if (t->matrix == NULL || q->first + q->n > t->rows || q->n * row > h->shared_bytes)
		return fail(r, HV_E_INVAL, "rows beyond the matrix");
	if (h->matrix == NULL) {
		h->matrix = calloc(t->rows, row);
		if (h->matrix == NULL)
			return fail(r, HV_E_NOMEM, "out of memory for its matrix");
		t->matrix(h->matrix);
	}
	memcpy(h->shared, h->matrix + q->first * t->cols, q->n * row);
	return HV_OK;
}

static int answer(struct host *h, const struct plugin_request *q, struct plugin_reply *r)
{
	switch ((enum plugin_op)q->op) {
	case PLUGIN_OP_DESCRIBE: return describe(h, r);
	case PLUGIN_OP_SAMPLE: return sample(h, q, r);
	case PLUGIN_OP_REFERENCE: return reference(h, q, r);
	case PLUGIN_OP_MATRIX: return matrix(h, q, r);
	}
	return fail(r, HV_E_INVAL, "unknown request %u", q->op);
}

static int map_shared(struct host *h, size_t bytes)
{
	if (h->shared != NULL)
		return bytes == h->shared_bytes ? HV_OK : HV_E_INVAL;
	h->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, PLUGIN_SHARED_FD, 0);
	if (h->shared == MAP_FAILED)
		return HV_E_NOMEM;
	h->shared_bytes = bytes;
	return HV_OK;
}

static int scratch_make(struct host *h)
{
	size_t n = tensor_elements(&h->task.out);

	if (n < 1 || n > HARVEST_RECORD_MAX_BYTES)
		n = 1; /* the owner refuses the description and never asks for more */
	h->scratch = calloc(n, sizeof(double));
	return h->scratch != NULL ? HV_OK : HV_E_NOMEM;
}

int main(int argc, char **argv)
{
	struct host h = { .shared = NULL };
	struct plugin_request q;
	int loaded = HV_E_INVAL;
	char why[PLUGIN_REPLY_WHY] = "";

	if (argc < 2 || argc > 3 || fcntl(PLUGIN_SOCKET_FD, F_GETFD) < 0) {
		fprintf(stderr,
			"harvest-plugin: started by harvestd and harvest-nas, not by hand\n");
		return 2;
	}
	confine();
	if (watch_start() != HV_OK)
		return 1;
	while (recv(PLUGIN_SOCKET_FD, &q, sizeof(q), 0) == (ssize_t)sizeof(q)) {
		struct plugin_reply r = { .serial = q.serial };

		if (h.shared == NULL) { /* the first request */
			loaded = load(argv[1], &h, &r);
			loaded = loaded == HV_OK ? scratch_make(&h) : loaded;
			plugin_jail_compute();
			memcpy(why, r.why, sizeof(why));
		}
		r.err = map_shared(&h, q.shared_bytes);
		if (r.err == HV_OK)
			r.err = loaded;
		if (loaded != HV_OK)
			memcpy(r.why, why, sizeof(why));
		if (r.err == HV_OK)
			r.err = answer(&h, &q, &r);
		if (send(PLUGIN_SOCKET_FD, &r, sizeof(r), MSG_NOSIGNAL) != (ssize_t)sizeof(r))
			break;
	}
	_exit(0); /* not through the plug-in's exit handlers */
}
