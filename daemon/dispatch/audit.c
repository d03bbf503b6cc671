#include "daemon/dispatch/inside.h"
#include "daemon/quality/audit.h"
#include "tasks/catalog.h"
#include "tasks/plugin.h"
#include <stdlib.h>
#include <string.h>

/* Answers of plug-in tasks are held against their function, too, but that runs in a process of
 * its own and may take its time: so a worker asks for it, one record at a time. */

static void drop(struct dispatch *d)
{
	struct dispatch_audit *a = &d->audit;

	free(a->in);
	free(a->exact);
	free(a->got);
	a->in = a->exact = NULL;
	a->got = NULL;
	if (a->model != NULL)
		model_drop(d->with.models, a->model);
	a->model = NULL;
}

void dispatch_audit_drop(struct dispatch *d)
{
	drop(d);
}

/* A weight of the record would have to be asked for too. */
static bool is_weighed(const struct harvest_task *t)
{
	return t->metric == HARVEST_MEAN_REL && plugin_has_weight(plugin_of(t));
}

void dispatch_audit_batch(struct dispatch *d, const struct job *j, const struct board_batch *batch)
{
	struct dispatch_audit *a = &d->audit;
	const struct harvest_task *t = j->task;
	size_t in = tensor_bytes(&t->in), out = tensor_bytes(&t->out), at;

	if (task_plugin_path(t) == NULL || batch->from != NULL || a->model != NULL ||
	    batch->model->suspended || is_weighed(t) || !cpu_has_room(d->cpu) ||
	    !audit_affords(&a->purse, d->now_ns / 1000))
		return;
	a->in = malloc(in);
	a->exact = malloc(out);
	a->got = malloc(2 * tensor_elements(&t->out) * sizeof(*a->got));
	if (a->in == NULL || a->exact == NULL || a->got == NULL) {
		drop(d);
		return;
	}
	at = hv_rng_below(&a->rng, batch->records);
	memcpy(a->in, batch->in + at * in, in);
	tensor_to_double(&t->out, batch->out + at * out, a->got);
	a->model = batch->model;
	model_hold(a->model);
	a->unit = (struct cpu_unit){
		.task = j->task_index, .records = 1, .in = a->in, .out = a->exact
	};
	cpu_give(d->cpu, &a->unit);
}

bool dispatch_audit_done(struct dispatch *d, const struct cpu_unit *u)
{
	struct dispatch_audit *a = &d->audit;
	const struct harvest_task *t;
	double *ref;

	if (u != &a->unit)
		return false;
	t = a->model->task;
	ref = a->got + tensor_elements(&t->out);
	audit_spent(&a->purse, (u->end_ns - u->begin_ns) / 1000);
	if (u->err == HV_OK) { /* a plug-in that fails says so to jobs */
		tensor_to_double(&t->out, a->exact, ref);
		audit_measured(a->model, ref, a->got, 1);
	}
	drop(d);
	return true;
}
