#include "nas/cli/compile.h"
#include "tasks/catalog.h"
#include "tasks/plugin.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A plug-in as a task. Engines call sample() and reference() as those of a built-in one; here
 * they are requests to the plug-in's process. The first that fails is remembered, everything
 * after it is NaN or zeros, which no engine accepts. One plug-in, one thread. */
enum { EXAMINED = 64, OBJECT_MAX_BYTES = 64 << 20 };

static struct {
	struct plugin *p;
	struct harvest_task task;
	uint8_t *elf; /* what packages carry */
	size_t elf_bytes;
	size_t in_bytes, outs;
	int err;
	char why[PLUGIN_WHY_CAP];
} now;

static bool works(int r)
{
	if (r < 0 && now.err == HV_OK)
		now.err = r;
	return now.err == HV_OK;
}

/* Records are mostly asked for one after the other, each with its answer: they are fetched by
 * blocks, which grow as long as the plug-in fills one quickly and begin at multiples of their
 * size. */
enum { BLOCK = 512 };
static const double block_s = 0.05;

static struct {
	uint8_t *records; /* (BLOCK + 1): the last one is none of a stream */
	double *refs, *weights; /* (BLOCK + 1, outs), (BLOCK + 1) */
	uint64_t seed, first, next; /* the stream, record 0 of the block, the one after the last
				       that was asked for */
	size_t n, size; /* records here, records of the next block */
	bool answered; /* refs and weights are of these records */
	size_t look; /* record whose answer is probably asked for next */
	bool shy; /* it broke at a record that its sampler does not draw: no more of those */
} block;

static double now_s(void)
{
	return (double)hv_now_ns() * 1e-9;
}

static bool block_draw(uint64_t seed, uint64_t index)
{
	size_t n = seed == block.seed && index == block.next ? block.size : 1;
	uint64_t first = index - index % n;
	double start = now_s();

	block.n = 0;
	block.answered = false;
	if (!works(plugin_sample(now.p, seed, first, n, block.records, now.why, sizeof(now.why))))
		return false;
	block.seed = seed;
	block.first = first;
	block.n = n;
	block.look = (size_t)(index - first);
	if (now_s() - start < block_s && block.size < BLOCK)
		block.size *= 2;
	return true;
}

/* Nothing is asked of a plug-in that broke: the first reason is the one to tell. */
static void sample(uint64_t seed, uint64_t index, void *in)
{
	bool here = seed == block.seed && index >= block.first && index - block.first < block.n;

	if (now.err != HV_OK || (!here && !block_draw(seed, index))) {
		memset(in, 0, now.in_bytes);
		return;
	}
	block.next = index + 1;
	memcpy(in, block.records + (size_t)(index - block.first) * now.in_bytes, now.in_bytes);
}

/* Answers of the whole block: they mostly take longer than its records did. */
static bool block_answer(void)
{
	double start = now_s();

	if (!works(plugin_reference(now.p, block.records, block.n, block.refs, NULL, block.weights,
				    now.why, sizeof(now.why))))
		return false;
	block.answered = true;
	if (now_s() - start > block_s)
		block.size = block.n > 1 ? block.n / 2 : 1;
	return true;
}

/* Where in the block a record is; BLOCK: it is not there. */
static size_t find(const void *in)
{
	for (size_t k = 0; k < block.n; k++) {
		size_t at = (block.look + k) % block.n;

		if (memcmp(block.records + at * now.in_bytes, in, now.in_bytes) == 0)
			return at;
	}
	return BLOCK;
}

/* A record that is none of its sampler's may be beyond what the function can answer: that is no
 * fault of it. */
static bool answer_alone(const void *in)
{
	char why[PLUGIN_WHY_CAP];
	int r;

	if (block.shy)
		return false;
	r = plugin_reference(now.p, in, 1, block.refs + BLOCK * now.outs, NULL,
			     block.weights + BLOCK, why, sizeof(why));
	block.shy = r < 0 && r != HV_E_WRONG;
	return r == HV_OK;
}

/* Where the answer to a record is, its weight at the same place of the weights; BLOCK + 1: there
 * is none. */
static size_t answer(const void *in)
{
	size_t at = find(in);

	if (now.err != HV_OK)
		return BLOCK + 1;
	if (at == BLOCK)
		return answer_alone(in) ? BLOCK : BLOCK + 1;
	block.look = (at + 1) % block.n;
	return block.answered || block_answer() ? at : BLOCK + 1;
}

static void reference(const void *in, double *out)
{
	size_t at = answer(in);

	for (size_t i = 0; i < now.outs; i++)
		out[i] = at <= BLOCK ? block.refs[at * now.outs + i] : NAN;
}

/* The answer has just been asked for, mostly. */
static double weight(const void *in, const double *exact)
{
	size_t at;

	(void)exact;
	if (block.n > 0)
		block.look = (block.look + block.n - 1) % block.n;
	at = answer(in);
	return at <= BLOCK ? block.weights[at] : NAN;
}

static void matrix(double *m)
{
	if (now.err == HV_OK && works(plugin_matrix(now.p, m, now.why, sizeof(now.why))))
		return;
	for (size_t i = 0; i < (size_t)now.task.rows * now.task.cols; i++)
		m[i] = NAN;
}

static bool ends_in(const char *path, const char *with)
{
	size_t n = strlen(path), m = strlen(with);

	return n > m && strcmp(path + n - m, with) == 0;
}

bool nas_cli_is_file(const char *name)
{
	return strchr(name, '/') != NULL || ends_in(name, ".c") || ends_in(name, ".so") ||
	       ends_in(name, ".hvm");
}

static int read_object(const struct nas_cli *c, const char *path)
{
	int r = hv_file_read(path, OBJECT_MAX_BYTES, &now.elf, &now.elf_bytes);

	if (r == HV_OK)
		return EXIT_DONE;
	return nas_cli_fail(c, r, "cannot open plug-in %s: %s", path,
			    r == HV_E_FORMAT ? "it is no file, or too long" : strerror(errno));
}

/* Whoever names a package as a task says that its machine code may run. */
static int take_from_package(const struct nas_cli *c, const char *path)
{
	struct package *p = NULL;
	int r = package_read(path, &p, now.why, sizeof(now.why));

	if (r < 0)
		return nas_cli_fail(c, r, "%s: %s", path, now.why);
	now.elf = p->plugin;
	now.elf_bytes = p->plugin_len;
	p->plugin = NULL;
	package_free(p);
	if (now.elf == NULL)
		return nas_cli_fail(c, HV_E_FORMAT, "%s carries no function: name its task", path);
	return EXIT_DONE;
}

static int get_object(const struct nas_cli *c, const char *path)
{
	if (ends_in(path, ".c"))
		return nas_cli_compile(c, path, &now.elf, &now.elf_bytes);
	if (ends_in(path, ".hvm"))
		return take_from_package(c, path);
	return read_object(c, path);
}

/* Opened, and its promises looked at. An HV_E_*, with why. */
static int open_object(const char *path)
{
	int r = plugin_open_code(now.elf, now.elf_bytes, path, NULL, &now.p, now.why,
				 sizeof(now.why));

	if (r == HV_OK && task_is_builtin(plugin_task(now.p)->name)) {
		snprintf(now.why, sizeof(now.why),
			 "plug-in %.300s: its task is called %s, and there is a built-in one of "
			 "that name: give it another",
			 path, plugin_task(now.p)->name);
		return HV_E_FORMAT;
	}
	return r == HV_OK ? plugin_examine(now.p, EXAMINED, now.why, sizeof(now.why)) : r;
}

int nas_cli_plugin(const struct nas_cli *c, const char *path, const struct harvest_task **task)
{
	int r = get_object(c, path);

	if (r != EXIT_DONE)
		return r;
	r = open_object(path);
	if (r < 0)
		return nas_cli_fail(c, r, "%s", now.why);
	now.task = *plugin_task(now.p);
	now.task.size = sizeof(now.task);
	now.in_bytes = tensor_bytes(&now.task.in);
	now.outs = tensor_elements(&now.task.out);
	block.records = malloc((BLOCK + 1) * now.in_bytes);
	block.refs = malloc(sizeof(*block.refs) * (BLOCK + 1) * now.outs);
	block.weights = malloc(sizeof(*block.weights) * (BLOCK + 1));
	block.size = 1;
	if (block.records == NULL || block.refs == NULL || block.weights == NULL)
		return nas_cli_fail(c, HV_E_NOMEM, "out of memory");
	now.task.sample = sample;
	now.task.reference = reference;
	now.task.weight = plugin_has_weight(now.p) ? weight : NULL;
	now.task.matrix = now.task.linear != HARVEST_NOT_LINEAR ? matrix : NULL;
	*task = &now.task;
	return EXIT_DONE;
}

int nas_cli_task_pack(struct package *p, char *why, size_t cap)
{
	if (now.p == NULL)
		return HV_OK;
	return package_set_plugin(p, now.elf, now.elf_bytes, why, cap);
}

void nas_cli_task_close(void)
{
	plugin_close(now.p);
	now.p = NULL;
	free(block.records);
	free(block.refs);
	free(block.weights);
	memset(&block, 0, sizeof(block));
	free(now.elf);
	now.elf = NULL;
}

int nas_cli_task_broken(const char **why)
{
	*why = now.why;
	return now.err;
}
