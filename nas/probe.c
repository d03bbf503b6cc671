#include "nas/support.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include "util/rng.h"
#include <math.h>
#include <stdbool.h>

/* Even over the box; of a long record every second time only noise of any strength around any
 * value. */
static void probe_record(const struct package *p, const struct harvest_task *t, struct hv_rng *r,
			 uint64_t index, double *v, uint8_t *to)
{
	size_t n = tensor_elements(&t->in), step = p->n_domain > 1 ? 2 : 0;
	bool narrow = n > SUPPORT_PAIRED_MAX && index % 2 == 1;
	double share = narrow ? exp2(hv_rng_uniform(r, -12, 0)) : 1;
	double at = narrow ? hv_rng_uniform(r, 0, 1) : 0;

	for (size_t e = 0; e < n; e++) {
		double lo = p->domain[step * e], width = p->domain[step * e + 1] - lo;

		v[e] = lo + width * (at * (1 - share) + share * hv_rng_uniform(r, 0, 1));
	}
	tensor_from_double(&t->in, v, to);
}

struct probing {
	const struct harvest_task *task;
	struct package *p;
	uint8_t *in, *out;
	double *v, *ref, *got;
};

static int probe_one(struct probing *q, struct hv_rng *r, uint64_t i, struct nas_probe *to,
		     struct hv_metric *whole)
{
	const struct harvest_task *t = q->task;
	struct hv_metric one = hv_metric_begin_of(t);
	bool larger = hv_metric_larger_is_better(t->metric), inside;
	double figure;
	int err;

	probe_record(q->p, t, r, i, q->v, q->in);
	err = package_run(q->p, q->in, q->out, 1);
	if (err < 0)
		return err;
	inside = package_in_domain(q->p, q->in);
	t->reference(q->in, q->ref);
	tensor_to_double(&t->out, q->out, q->got);
	hv_metric_add_of(&one, t, q->in, q->ref, q->got);
	figure = hv_metric_value(&one);
	to->inside += inside;
	for (int k = 0; k <= inside; k++) {
		double *worst = k == 0 ? &to->box_worst : &to->inside_worst;

		hv_metric_add_of(&whole[k], t, q->in, q->ref, q->got);
		if (!isnan(figure) &&
		    (isnan(*worst) || (larger ? figure < *worst : figure > *worst)))
			*worst = figure;
	}
	return HV_OK;
}

int nas_probe(struct package *p, const struct harvest_task *t, uint64_t seed, uint64_t records,
	      struct nas_probe *to)
{
	struct hv_metric whole[2] = { hv_metric_begin_of(t), hv_metric_begin_of(t) };
	struct probing q = { .task = t, .p = p };
	struct hv_rng r;
	int err = HV_OK;

	*to = (struct nas_probe){ .box_worst = NAN, .inside_worst = NAN };
	hv_rng_seed(&r, seed);
	q.in = malloc(tensor_bytes(&t->in));
	q.out = malloc(tensor_bytes(&t->out));
	q.v = malloc(sizeof(double) * tensor_elements(&t->in));
	q.ref = malloc(sizeof(double) * tensor_elements(&t->out));
	q.got = malloc(sizeof(double) * tensor_elements(&t->out));
	if (q.in == NULL || q.out == NULL || q.v == NULL || q.ref == NULL || q.got == NULL)
		err = HV_E_NOMEM;
	for (; to->records < records && err == HV_OK; to->records++)
		err = probe_one(&q, &r, to->records, to, whole);
	to->box = hv_metric_value(&whole[0]);
	to->support = hv_metric_value(&whole[1]);
	free(q.in);
	free(q.out);
	free(q.v);
	free(q.ref);
	free(q.got);
	return err;
}

uint64_t nas_refused(const struct package *p, const struct harvest_task *t, uint64_t seed,
		     uint64_t records)
{
	hv_autofree uint8_t *record = malloc(tensor_bytes(&t->in));
	uint64_t n = 0;

	for (uint64_t i = 0; record != NULL && i < records; i++) {
		t->sample(seed, i, record);
		n += !package_in_domain(p, record);
	}
	return n;
}

uint64_t nas_probes(const struct harvest_task *t)
{
	size_t n = tensor_elements(&t->in);

	return n <= SUPPORT_PAIRED_MAX ? 16384 : n <= 256 ? 1024 : 256;
}
