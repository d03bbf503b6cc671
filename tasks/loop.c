#include "tasks/loop_run.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <assert.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *task;
	loop_run_fn *run;
} loops[] = {
	{ "heading", loop_heading_run },
	{ "iir_c02", loop_iir_run },
	{ "iir_c05", loop_iir_run },
	{ "iir_c20", loop_iir_run },
	{ "kmeans",  loop_kmeans_run },
	{ "speed",   loop_speed_run },
};
/* clang-format on */

int loop_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
	     struct loop_result *r)
{
	r->n = 0;
	if (task_find(t->name) != t)
		return HV_E_NOENT; /* a plug-in that happens to have the name of a built-in one */
	for (size_t i = 0; i < HV_ARRAY_SIZE(loops); i++)
		if (strcmp(loops[i].task, t->name) == 0)
			return loops[i].run(t, map, ctx, seed, r);
	return HV_E_NOENT;
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

void loop_figure_add(struct loop_result *r, const char *name, const char *unit, double value,
		     double pass, double goal)
{
	assert(r->n < LOOP_FIGURES_MAX);
	r->of[r->n++] = (struct loop_figure){ name, unit, value, pass, goal };
}
