#include "nas/cli/cli.h"
#include "nas/suite/suite.h"
#include "util/json_out.h"
#include <math.h>
#include <stdio.h>

static void say_json(const struct nas_cli *c, const struct package *p, const struct loop_result *r)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "package", c->argv[0]);
	hv_json_str(&j, "task", p->task);
	hv_json_str(&j, "mark", suite_mark_text(suite_mark_find(loop_mark(r))));
	hv_json_array(&j, "figures");
	for (size_t i = 0; i < r->n; i++) {
		const struct loop_figure *f = &r->of[i];

		hv_json_object(&j, NULL);
		hv_json_str(&j, "figure", f->name);
		hv_json_str(&j, "unit", f->unit);
		hv_json_f64(&j, "exact", f->exact);
		hv_json_f64(&j, "approximated", f->value);
		hv_json_f64(&j, "pass", f->pass != 0 ? f->pass : NAN);
		hv_json_f64(&j, "goal", f->goal != 0 ? f->goal : NAN);
		hv_json_str(&j, "mark", suite_mark_text(suite_mark_find(loop_figure_mark(f))));
		hv_json_end_object(&j);
	}
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

int nas_cli_apply(const struct nas_cli *c)
{
	struct package *p = NULL;
	struct loop_result figures;
	char why[300] = "";
	int r;

	if (c->argc != 1)
		return nas_cli_fail(c, HV_E_INVAL, "wants one PACKAGE to apply");
	r = package_read(c->argv[0], &p, why, sizeof(why));
	if (r < 0)
		return nas_cli_fail(c, r, "%s: %s", c->argv[0], why);
	r = suite_apply(p, SUITE_STREAM, &figures);
	if (r < 0)
		r = nas_cli_fail(c, r, "%s: %s", c->argv[0],
				 r == HV_E_BUSY ? "the network is too large to be tried"
						: hv_err_text(r));
	else if (c->opt[OPT_JSON] != NULL)
		say_json(c, p, &figures);
	else {
		suite_print_figures_head(stdout);
		suite_print_figures(stdout, p->name, &figures);
	}
	package_free(p);
	return r;
}
