#include "tasks/plugin_inside.h"
#include "tasks/catalog.h"
#include "util/clock.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

enum { CALLS_OF_ONE = 5 }; /* an examination's time in that of calls */

struct examined {
	uint8_t *in, *again, *out, *out_again;
	uint64_t end_ns;
};

static int in_time(const struct plugin *p, const struct examined *x, char *why, size_t cap)
{
	if (hv_now_ns() <= x->end_ns)
		return HV_OK;
	return plugin_fail(why, cap, HV_E_TIMEOUT,
			   "plug-in %s: its examination took more than %u ms: it is too slow",
			   plugin_path(p), CALLS_OF_ONE * p->limits.call_ms);
}

static bool all_equal(const uint8_t *records, size_t bytes, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (memcmp(records, records + i * bytes, bytes) != 0)
			return false;
	return true;
}

/* The other order: last record first, one at a time; and by a worker that knows nothing. */
static int compare_samples(struct plugin *p, struct examined *x, size_t n, char *why, size_t cap)
{
	size_t bytes = tensor_bytes(&plugin_task(p)->in), few = n < 64 ? n : 64;
	int err = HV_OK;

	plugin_rest(p);
	for (size_t i = few; err == HV_OK && i-- > 0;) {
		err = plugin_sample(p, 3, i, 1, x->again + i * bytes, why, cap);
		if (err == HV_OK)
			err = in_time(p, x, why, cap);
	}
	for (size_t i = 0; err == HV_OK && i < few; i++)
		if (memcmp(x->in + i * bytes, x->again + i * bytes, bytes) != 0)
			err = plugin_fail(
				why, cap, HV_E_WRONG,
				"plug-in %s: record %zu of stream 3 is not the same when it is "
				"drawn again: make it of seed and index alone",
				plugin_path(p), i);
	return err;
}

static int compare_answers(struct plugin *p, struct examined *x, size_t n, char *why, size_t cap)
{
	size_t bytes = tensor_bytes(&plugin_task(p)->out);
	int err = plugin_reference(p, x->in, n, NULL, x->out, NULL, why, cap);

	if (err == HV_OK)
		err = plugin_reference(p, x->in, n, NULL, x->out_again, NULL, why, cap);
	for (size_t i = 0; err == HV_OK && i < n; i++)
		if (memcmp(x->out + i * bytes, x->out_again + i * bytes, bytes) != 0)
			err = plugin_fail(
				why, cap, HV_E_WRONG,
				"plug-in %s: two answers to record %zu of stream 3 differ: the "
				"function must depend on its input alone",
				plugin_path(p), i);
	if (err == HV_OK && all_equal(x->out, bytes, n))
		err = plugin_fail(
			why, cap, HV_E_WRONG,
			"plug-in %s: the answers to %zu records are all the same: there is "
			"nothing to approximate, or the sampler misses what matters",
			plugin_path(p), n);
	return err;
}

/* Certificates hold on the domain: one whose records all lie elsewhere would certify nothing. */
static int check_domain(const struct plugin *p, const uint8_t *in, size_t n, char *why, size_t cap)
{
	size_t bytes = tensor_bytes(&plugin_task(p)->in),
	       elements = tensor_elements(&plugin_task(p)->in);
	hv_autofree double *v = calloc(elements, sizeof(*v));

	if (v == NULL)
		return plugin_fail(why, cap, HV_E_NOMEM, "out of memory for a record");
	for (size_t i = 0; plugin_task(p)->domain_count > 0 && i < n; i++) {
		tensor_to_double(&plugin_task(p)->in, in + i * bytes, v);
		for (size_t k = 0; k < elements; k++) {
			const struct harvest_range *r =
				&plugin_task(p)->domain[plugin_task(p)->domain_count > 1 ? k : 0];
			double rounding =
				1e-6 * (fabs(r->lo) + fabs(r->hi)); /* of single precision */

			if (v[k] < r->lo - rounding || v[k] > r->hi + rounding)
				return plugin_fail(
					why, cap, HV_E_WRONG,
					"plug-in %s: element %zu of record %zu of stream 3 is %g, "
					"outside its domain of %g to %g: make the two agree",
					plugin_path(p), k, i, v[k], r->lo, r->hi);
		}
	}
	return HV_OK;
}

int plugin_examine(struct plugin *p, size_t n, char *why, size_t cap)
{
	size_t in_bytes = tensor_bytes(&plugin_task(p)->in),
	       out_bytes = tensor_bytes(&plugin_task(p)->out);
	hv_autofree uint8_t *in = calloc(n, in_bytes), *again = calloc(n, in_bytes);
	hv_autofree uint8_t *out = calloc(n, out_bytes), *out_again = calloc(n, out_bytes);
	uint64_t most_ns = (uint64_t)CALLS_OF_ONE * p->limits.call_ms * 1000000;
	struct examined x = { in, again, out, out_again, hv_now_ns() + most_ns };
	int err;

	if (n < 2)
		return plugin_fail(why, cap, HV_E_INVAL, "two records are the least to examine");
	if (in == NULL || again == NULL || out == NULL || out_again == NULL)
		return plugin_fail(why, cap, HV_E_NOMEM, "out of memory for %zu records", n);
	err = plugin_sample(p, 3, 0, n, in, why, cap);
	if (err == HV_OK && all_equal(in, in_bytes, n))
		err = plugin_fail(why, cap, HV_E_WRONG,
				  "plug-in %s: its sampler draws the same record for every number",
				  plugin_path(p));
	if (err == HV_OK)
		err = check_domain(p, in, n, why, cap);
	if (err == HV_OK)
		err = compare_samples(p, &x, n, why, cap);
	if (err == HV_OK)
		err = compare_answers(p, &x, n, why, cap);
	return err;
}
