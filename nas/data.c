#include "nas/data.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int refuse(char *why, size_t cap, const struct harvest_task *t, const char *what)
{
	snprintf(why, cap, "task %s %s", t->name, what);
	return HV_E_INVAL;
}

static int draw_one(struct nas_data *d, size_t i, uint64_t seed, uint64_t index, double *scratch,
		    char *why, size_t cap)
{
	const struct harvest_task *t = d->task;
	uint8_t *record = d->records + i * tensor_bytes(&t->in);

	t->sample(seed, index, record);
	tensor_to_double(&t->in, record, scratch);
	for (size_t e = 0; e < d->ins; e++) {
		if (!isfinite(scratch[e]))
			return refuse(why, cap, t,
				      "draws records that are no finite numbers: "
				      "mend its sampler");
		d->in[e * d->n + i] = scratch[e];
	}
	t->reference(record, scratch);
	d->weight[i] = 1;
	if (HARVEST_TASK_HAS(t, weight) && t->weight != NULL)
		d->weight[i] = t->weight(record, scratch);
	for (size_t e = 0; e < d->outs; e++) {
		if (!isfinite(scratch[e]))
			return refuse(why, cap, t,
				      "answers with values that are no finite "
				      "numbers: mend its reference or its sampler");
		d->ref[e * d->n + i] = scratch[e];
	}
	if (!isfinite(d->weight[i]) || d->weight[i] < 0)
		return refuse(why, cap, t, "gives a record a weight that is no number from 0 to 1");
	return HV_OK;
}

static bool varies(const double *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (v[i] != v[0])
			return true;
	return false;
}

static int fill(struct nas_data *d, uint64_t seed, uint64_t first, char *why, size_t cap)
{
	size_t most = d->ins > d->outs ? d->ins : d->outs;
	hv_autofree double *scratch = malloc(most * sizeof(*scratch));
	bool changes = false, weighs = false;

	if (scratch == NULL || d->records == NULL || d->in == NULL || d->ref == NULL ||
	    d->weight == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < d->n; i++) {
		int r = draw_one(d, i, seed, first + i, scratch, why, cap);

		if (r < 0)
			return r;
		weighs |= d->weight[i] > 0;
	}
	if (!weighs)
		return refuse(why, cap, d->task,
			      "gives every record the weight 0: nothing is left to be judged");
	for (size_t e = 0; e < d->outs; e++)
		changes |= varies(d->ref + e * d->n, d->n);
	if (!changes && d->n > 1)
		return refuse(why, cap, d->task,
			      "answers the same to every record: there is "
			      "nothing to approximate");
	return HV_OK;
}

int nas_data_draw(const struct harvest_task *task, uint64_t seed, uint64_t first, size_t n,
		  struct nas_data *d, char *why, size_t cap)
{
	struct nas_data t = { .task = task, .n = n };
	int r;

	t.ins = tensor_elements(&task->in);
	t.outs = tensor_elements(&task->out);
	t.records = malloc(n * tensor_bytes(&task->in));
	t.in = malloc(n * t.ins * sizeof(*t.in));
	t.ref = malloc(n * t.outs * sizeof(*t.ref));
	t.weight = malloc(n * sizeof(*t.weight));
	r = fill(&t, seed, first, why, cap);
	if (r == HV_E_NOMEM)
		snprintf(why, cap, "out of memory");
	if (r < 0)
		nas_data_clear(&t);
	else
		*d = t;
	return r;
}

void nas_data_clear(struct nas_data *d)
{
	free(d->records);
	free(d->in);
	free(d->ref);
	free(d->weight);
	*d = (struct nas_data){ 0 };
}
