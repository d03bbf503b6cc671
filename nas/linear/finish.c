#include "nas/linear/finish.h"
#include "accel/bound/source.h"
#include "accel/package/check.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>

enum { DOMAIN_RECORDS = 4096 };
static const double confidence = 0.999;

static void of_task_reference(const void *ctx, const void *in, double *out)
{
	((const struct harvest_task *)ctx)->reference(in, out);
}

static void of_task_sample(const void *ctx, uint64_t seed, uint64_t index, void *in)
{
	((const struct harvest_task *)ctx)->sample(seed, index, in);
}

/* One range for all elements: that is what such a package can say. */
static int domain_of(const struct harvest_task *t, struct package_cert *cert)
{
	size_t n = tensor_elements(&t->in);
	hv_autofree uint8_t *record = malloc(tensor_bytes(&t->in));
	hv_autofree double *v = malloc(sizeof(*v) * n);
	double lo = INT16_MAX, hi = INT16_MIN;

	if (record == NULL || v == NULL)
		return HV_E_NOMEM;
	if (HARVEST_TASK_HAS(t, domain_count) && t->domain_count > 0) {
		for (uint32_t i = 0; i < t->domain_count; i++) {
			lo = fmin(lo, t->domain[i].lo);
			hi = fmax(hi, t->domain[i].hi);
		}
	} else {
		for (uint64_t i = 0; i < DOMAIN_RECORDS; i++) {
			t->sample(1, i, record);
			tensor_to_double(&t->in, record, v);
			for (size_t e = 0; e < n; e++) {
				lo = fmin(lo, v[e]);
				hi = fmax(hi, v[e]);
			}
		}
	}
	cert->in_min = (int32_t)fmax(ceil(lo), INT16_MIN);
	cert->in_max = (int32_t)fmin(floor(hi), INT16_MAX);
	return HV_OK;
}

int nas_linear_finish(struct package *p, const struct harvest_task *task, uint64_t samples,
		      struct nas_verdict *v, char *why, size_t cap)
{
	struct bound_source src = { .ctx = task,
				    .reference = of_task_reference,
				    .sample = of_task_sample,
				    .metric = task->metric };
	int r;

	if (samples > BOUND_SAMPLES_MAX)
		samples = BOUND_SAMPLES_MAX;
	r = domain_of(task, &p->cert);
	if (r == HV_OK)
		r = bound_certify(p, &src, samples, confidence, &p->cert, why, cap);
	if (r == HV_OK)
		r = nas_vectors(p, task);
	if (r == HV_OK)
		r = package_check(p, why, cap);
	*v = (struct nas_verdict){ .whole = p->cert.median, .p99 = p->cert.worst };
	return r == HV_E_FORMAT ? HV_E_INVAL : r;
}
