#include "nas/cli/compile.h"
#include "tasks/catalog.h"
#include "tasks/plugin.h"
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
	double *refs; /* (outs) */
	int err;
	char why[PLUGIN_WHY_CAP];
} now;

static bool works(int r)
{
	if (r < 0 && now.err == HV_OK)
		now.err = r;
	return now.err == HV_OK;
}

/* Nothing is asked of a plug-in that broke: the first reason is the one to tell. */
static void sample(uint64_t seed, uint64_t index, void *in)
{
	if (now.err != HV_OK ||
	    !works(plugin_sample(now.p, seed, index, 1, in, now.why, sizeof(now.why))))
		memset(in, 0, now.in_bytes);
}

static void reference(const void *in, double *out)
{
	if (now.err == HV_OK &&
	    works(plugin_reference(now.p, in, 1, out, NULL, NULL, now.why, sizeof(now.why))))
		return;
	for (size_t i = 0; i < now.outs; i++)
		out[i] = NAN;
}

static double weight(const void *in, const double *exact)
{
	double w = NAN;

	(void)exact;
	if (now.err != HV_OK ||
	    !works(plugin_reference(now.p, in, 1, now.refs, NULL, &w, now.why, sizeof(now.why))))
		return NAN;
	return w;
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
	now.refs = malloc(sizeof(*now.refs) * now.outs);
	if (now.refs == NULL)
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
	free(now.refs);
	now.refs = NULL;
	free(now.elf);
	now.elf = NULL;
}

int nas_cli_task_broken(const char **why)
{
	*why = now.why;
	return now.err;
}
