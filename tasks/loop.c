#include "tasks/loop_run.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <assert.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *task;
	loop_run_fn *run;
	bool alone;
} loops[] = {
	{ "blackscholes",    loop_option_run, false },
	{ "dct8x8",          loop_parts_run, true },
	{ "features64",      loop_parts_run, false },
	{ "fft128",          loop_parts_run, false },
	{ "fft256",          loop_parts_run, false },
	{ "fft64",           loop_parts_run, false },
	{ "fir32",           loop_parts_run, false },
	{ "heading",         loop_heading_run, true },
	{ "iir_c02",         loop_iir_run, true },
	{ "iir_c05",         loop_iir_run, true },
	{ "iir_c20",         loop_iir_run, true },
	{ "jmeint",          loop_jmeint_run, false },
	{ "jmeint_balanced", loop_jmeint_run, false },
	{ "jpeg50",          loop_jpeg_run, false },
	{ "jpeg75",          loop_jpeg_run, false },
	{ "kmeans",          loop_kmeans_run, false },
	{ "median9",         loop_parts_run, false },
	{ "rms64",           loop_parts_run, false },
	{ "specmag256",      loop_parts_run, false },
	{ "speed",           loop_speed_run, true },
};
/* clang-format on */

int loop_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
	     struct loop_result *r)
{
	*r = (struct loop_result){ 0 };
	if (task_find(t->name) != t)
		return HV_E_NOENT; /* a plug-in that happens to have the name of a built-in one */
	for (size_t i = 0; i < HV_ARRAY_SIZE(loops); i++)
		if (strcmp(loops[i].task, t->name) == 0)
			return loops[i].run(t, map, ctx, seed, r);
	return HV_E_NOENT;
}

bool loop_is_alone(const struct harvest_task *t)
{
	for (size_t i = 0; t != NULL && i < HV_ARRAY_SIZE(loops); i++)
		if (strcmp(loops[i].task, t->name) == 0)
			return loops[i].alone;
	return false;
}

int loop_exact_map(void *ctx, const void *in, void *out, size_t n)
{
	const struct harvest_task *t = ctx;
	size_t in_bytes = tensor_bytes(&t->in), out_bytes = tensor_bytes(&t->out);
	hv_autofree double *scratch = calloc(tensor_elements(&t->out), sizeof(*scratch));

	if (scratch == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		task_exact(t, (const uint8_t *)in + i * in_bytes, (uint8_t *)out + i * out_bytes,
			   scratch);
	return HV_OK;
}

void loop_figure_add(struct loop_result *r, struct loop_figure f)
{
	assert(r->n < LOOP_FIGURES_MAX);
	r->of[r->n++] = f;
}

bool loop_figure_meets(const struct loop_figure *f, double mark)
{
	if (mark == 0)
		return true;
	return strcmp(f->unit, "dB") == 0 ? f->value >= mark : f->value <= mark;
}

const char *loop_figure_mark(const struct loop_figure *f)
{
	struct loop_result one = { .n = 1, .of = { *f } };

	return loop_mark(&one);
}

const char *loop_mark(const struct loop_result *r)
{
	bool marks = false, pass = true, goal = true;

	for (size_t i = 0; i < r->n; i++) {
		marks |= r->of[i].pass != 0 || r->of[i].goal != 0;
		pass &= loop_figure_meets(&r->of[i], r->of[i].pass);
		goal &= loop_figure_meets(&r->of[i], r->of[i].goal);
	}
	if (!marks)
		return NULL;
	return pass && goal ? "goal" : pass ? "pass" : "none";
}
