#include "daemon/models/models.h"
#include "tasks/catalog.h"
#include <stdio.h>
#include <string.h>

/* Both scans are plain loops over int16 so that the compiler can vectorise them: this runs on
 * every record that may go to a board. Records come packed and may be unaligned. */

static void min_max(const uint8_t *bytes, size_t n, int16_t *lo, int16_t *hi)
{
	int16_t a = INT16_MAX, b = INT16_MIN;

	for (size_t i = 0; i < n; i++) {
		int16_t v;

		memcpy(&v, bytes + 2 * i, sizeof(v));
		a = v < a ? v : a;
		b = v > b ? v : b;
	}
	*lo = a;
	*hi = b;
}

/* Two squares fit 32 bits without sign: the sum is widened every second element only, which
 * halves the work of the vector units. n elements of at most 2^30 each: no overflow. */
static uint64_t energy(const uint8_t *bytes, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2) {
		int16_t v[2];

		memcpy(v, bytes + 2 * i, sizeof(v));
		sum += (uint32_t)(v[0] * v[0]) + (uint32_t)(v[1] * v[1]);
	}
	if (n % 2 != 0) {
		int16_t v;

		memcpy(&v, bytes + 2 * (n - 1), sizeof(v));
		sum += (uint32_t)(v * v);
	}
	return sum;
}

static bool range_ok(const struct package_cert *c, const uint8_t *bytes, size_t elements, size_t n,
		     char *why, size_t cap)
{
	int16_t lo, hi;

	if (c->in_min <= INT16_MIN && c->in_max >= INT16_MAX)
		return true;
	for (size_t i = 0; i < n; i++) {
		min_max(bytes + 2 * elements * i, elements, &lo, &hi);
		if (lo >= c->in_min && hi <= c->in_max)
			continue;
		snprintf(why, cap, "record %zu has the value %d, the certificate covers %d to %d",
			 i, lo < c->in_min ? lo : hi, (int)c->in_min, (int)c->in_max);
		return false;
	}
	return true;
}

/* Every record lies in the package's own domain: its ranges, and where its sampler draws. */
static bool hosted_ok(const struct model *m, const uint8_t *bytes, size_t n, char *why, size_t cap)
{
	bool in_box = false;
	size_t first = package_outside(m->pkg, bytes, n, &in_box);

	if (first == n)
		return true;
	if (in_box)
		snprintf(why, cap,
			 "record %zu lies where the sampler of %s draws none: %s is not "
			 "certified there",
			 first, m->task->name, m->pkg->name);
	else
		snprintf(why, cap, "record %zu lies outside the domain %s is certified on", first,
			 m->pkg->name);
	return false;
}

bool model_in_domain(const struct model *m, const void *records, size_t n, char *why, size_t cap)
{
	const struct package_cert *c = &m->pkg->cert;
	size_t elements = tensor_elements(&m->task->in);
	const uint8_t *bytes = (const uint8_t *)records;
	double least = c->in_min_rms * c->in_min_rms * (double)elements;

	if (m->pkg->host != NULL)
		return hosted_ok(m, bytes, n, why, cap);
	if (m->task->in.dtype != HARVEST_S16) {
		snprintf(why, cap, "%s is certified for int16 records only", m->pkg->name);
		return false;
	}
	if (!range_ok(c, bytes, elements, n, why, cap))
		return false;
	if (!(c->in_min_rms > 0))
		return true;
	if ((double)energy(bytes, elements * n) >= least * (double)n)
		return true;
	snprintf(why, cap, "the records are quieter than rms %g, from which %s is certified",
		 c->in_min_rms, m->pkg->name);
	return false;
}
