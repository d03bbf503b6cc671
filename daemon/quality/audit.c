#include "daemon/quality/audit.h"
#include "tasks/catalog.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void audit_init(struct audit *a, uint64_t seed)
{
	memset(a, 0, sizeof(*a));
	hv_rng_seed(&a->rng, seed);
}

void audit_clear(struct audit *a)
{
	free(a->ref);
	free(a->got);
	a->ref = a->got = NULL;
	a->cap = 0;
}

static int reserve(struct audit *a, size_t elements)
{
	double *ref, *got;

	if (elements <= a->cap)
		return HV_OK;
	ref = realloc(a->ref, elements * sizeof(*ref));
	if (ref != NULL)
		a->ref = ref;
	got = realloc(a->got, elements * sizeof(*got));
	if (got != NULL)
		a->got = got;
	if (ref == NULL || got == NULL)
		return HV_E_NOMEM;
	a->cap = elements;
	return HV_OK;
}

/* Packages with a host program have no closed-form bound: the reference says what the network
 * answers, bit for bit. */
static int as_the_reference(struct audit *a, const struct model *m, const void *in, const void *out,
			    char *why, size_t cap)
{
	int r = package_run(m->pkg, in, a->got, 1);

	if (r != HV_OK)
		return r;
	if (memcmp(a->got, out, tensor_bytes(&m->task->out)) == 0)
		return HV_OK;
	a->worst = INFINITY;
	snprintf(why, cap, "is not what its network answers");
	return HV_E_WRONG;
}

static int within_bound(struct audit *a, const struct model *m, size_t elements, char *why,
			size_t cap)
{
	double bound = m->pkg->cert.max_abs, largest = 0;

	for (size_t k = 0; k < elements; k++) {
		double e = fabs(a->got[k] - a->ref[k]);

		/* Written so that NaN counts as wrong. */
		if (!(e <= largest))
			largest = e;
	}
	if (bound > 0 && largest / bound > a->worst)
		a->worst = largest / bound;
	/* The bound is computed in double precision, the reference too. */
	if (largest <= bound * (1 + 1e-9) + 1e-6)
		return HV_OK;
	snprintf(why, cap, "is off by %.6g, its certificate allows %.6g", largest, bound);
	return HV_E_WRONG;
}

int audit_judge(struct audit *a, const struct model *m, const void *in, const void *out,
		size_t records, char *why, size_t cap)
{
	size_t elements = tensor_elements(&m->task->out);
	size_t i = hv_rng_below(&a->rng, (uint32_t)records);
	char how[96];
	int r = reserve(a, elements);

	a->measured = false;
	if (r != HV_OK)
		return r;
	in = (const uint8_t *)in + i * tensor_bytes(&m->task->in);
	out = (const uint8_t *)out + i * tensor_bytes(&m->task->out);
	if (m->pkg->host != NULL)
		r = as_the_reference(a, m, in, out, how, sizeof(how));
	if (m->task->reference != NULL)
		m->task->reference(in, a->ref);
	else if (m->pkg->host == NULL)
		return HV_OK; /* of a plug-in: its process is not asked from this thread */
	tensor_to_double(&m->task->out, out, a->got);
	if (m->pkg->host == NULL)
		r = within_bound(a, m, elements, how, sizeof(how));
	if (r != HV_OK && r != HV_E_WRONG)
		return r;
	a->checked++;
	if (r == HV_E_WRONG) {
		a->wrong++;
		snprintf(why, cap, "wrong answer: record %zu of a batch of %s %s", i, m->pkg->name,
			 how);
		return r;
	}
	a->measured = m->task->reference != NULL;
	if (a->measured)
		a->weight = m->task->weight != NULL ? m->task->weight(in, a->ref) : 1;
	return HV_OK;
}

void audit_tell(const struct audit *a, struct model *m)
{
	if (a->measured)
		audit_measured(m, a->ref, a->got, a->weight);
}

int audit_batch(struct audit *a, struct model *m, const void *in, const void *out, size_t records,
		char *why, size_t cap)
{
	int r = audit_judge(a, m, in, out, records, why, cap);

	if (r == HV_OK)
		audit_tell(a, m);
	return r;
}
