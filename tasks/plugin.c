#include "tasks/plugin_inside.h"
#include "tasks/catalog.h"
#include "tasks/plugin_elf.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { OPEN_MS = 10000, CALL_MS = 10000 };

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
		return plugin_fail(why, cap, errno == EACCES ? HV_E_DENIED : HV_E_NOENT,
				   "cannot open plug-in %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return plugin_fail(why, cap, HV_E_FORMAT, "plug-in %s is no file", path);
	return HV_OK;
}

/* A worker, and what it says. */
static int open_worker(struct plugin *p, char *why, size_t cap)
{
	int err;

	plugin_program_find(p->program, sizeof(p->program));
	err = plugin_worker_start(p, why, cap);
	return err == HV_OK ? plugin_describe(p, &p->said, why, cap) : err;
}

static int open_file(struct plugin *p, const char *path, char *why, size_t cap)
{
	int err = check_file(path, why, cap);

	if (err != HV_OK)
		return err;
	p->path = realpath(path, NULL);
	if (p->path == NULL)
		return plugin_fail(why, cap, HV_E_NOENT, "cannot open plug-in %s: %s", path,
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
	return plugin_high_fd(fd);
}

static int open_code(struct plugin *p, const uint8_t *elf, size_t len, char *why, size_t cap)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	char reason[PLUGIN_WHY_CAP];
	int err = plugin_elf_check(elf, len, reason, sizeof(reason));

	if (err == HV_OK)
		err = plugin_elf_fits(elf, reason, sizeof(reason));
	if (err != HV_OK)
		return plugin_fail(why, cap, err, "plug-in %s: %s", p->path, reason);
	p->code_fd = code_memory();
	for (size_t done = 0; p->code_fd >= 0 && done < len;) {
		ssize_t n = write(p->code_fd, elf + done, len - done);

		if (n <= 0)
			return plugin_fail(why, cap, HV_E_NOMEM,
					   "plug-in %s: no memory for its %zu bytes", p->path, len);
		done += (size_t)n;
	}
	if (p->code_fd < 0 || fcntl(p->code_fd, F_ADD_SEALS, seals) != 0)
		return plugin_fail(why, cap, HV_E_IO, "plug-in %s: no memory to load it from: %s",
				   p->path, strerror(errno));
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
		return plugin_fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory", path);
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
		return plugin_fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory", called);
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
		return plugin_fail(why, cap, HV_E_NOMEM, "plug-in %s: out of memory or descriptors",
				   of->path);
	}
	return opened(p, open_worker(p, why, cap), to);
}

void plugin_close(struct plugin *p)
{
	if (p == NULL)
		return;
	plugin_worker_stop(p);
	plugin_shared_drop(p);
	hv_closep(&p->code_fd);
	free(p->path);
	free(p);
}

const struct harvest_task *plugin_task(const struct plugin *p)
{
	return &p->task;
}

const struct plugin *plugin_of(const struct harvest_task *t)
{
	return (const struct plugin *)(const void *)((const char *)t -
						     offsetof(struct plugin, task));
}

bool plugin_is_file(const struct plugin *p)
{
	return p->code_fd < 0;
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
		int err = plugin_worker_ready(p, why, cap);

		if (err == HV_OK)
			err = plugin_exchange(p, &q, p->limits.call_ms, why, cap);
		if (err != HV_OK)
			return err;
		memcpy(to + done * bytes, p->shared + layout_of(p, some).in, some * bytes);
		if (tensor_first_unfinite(&p->task.in, to + done * bytes, some, &bad))
			return plugin_fail(
				why, cap, HV_E_WRONG,
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
			return plugin_fail(why, cap, HV_E_WRONG,
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
			return plugin_fail(why, cap, HV_E_WRONG,
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
		int err = plugin_worker_ready(p, why, cap);

		if (err == HV_OK) {
			memcpy(p->shared + layout_of(p, some).in,
			       (const uint8_t *)in + done * bytes, some * bytes);
			err = plugin_exchange(p, &q, p->limits.call_ms, why, cap);
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
		return plugin_fail(why, cap, HV_E_NOENT, "plug-in %s: its task has no matrix",
				   p->path);
	batch = (uint32_t)(p->limits.batch_bytes / row);
	for (uint32_t first = 0; first < p->task.rows;) {
		uint32_t n = p->task.rows - first < batch ? p->task.rows - first : batch;
		struct plugin_request q = { .op = PLUGIN_OP_MATRIX, .n = n, .first = first };
		int err = plugin_worker_ready(p, why, cap);

		if (err == HV_OK)
			err = plugin_exchange(p, &q, p->limits.call_ms, why, cap);
		if (err != HV_OK)
			return err;
		memcpy(m + (size_t)first * p->task.cols, p->shared, n * row);
		first += n;
	}
	for (size_t i = 0; i < (size_t)p->task.rows * p->task.cols; i++)
		if (!isfinite(m[i]))
			return plugin_fail(why, cap, HV_E_WRONG,
					   "plug-in %s: entry %zu of its matrix is %g", p->path, i,
					   m[i]);
	return HV_OK;
}
