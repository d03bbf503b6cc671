/* Result messages: what our decoder accepts it must read as the generated code does, and every
 * string must end inside the message. It is stricter: a field of the wrong wire type is refused. */
#include "client/lib/result.h"
#include "proto/harvest.pb-c.h"
#include "util/own.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool same_double(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Strings of protobuf may hold NUL; both sides show what is before it. */
static void compare(const struct result *r, const Hv__Result *m)
{
	check(strcmp(r->job, m->job) == 0 && strcmp(r->task, m->task) == 0);
	check(strcmp(r->metric, m->metric) == 0 && strcmp(r->why, m->why) == 0);
	check(strcmp(r->state, m->state) == 0);
	check(r->records == m->records && r->ok == (m->ok != 0) && r->code == m->code);
	check(r->has_certified == (m->has_certified != 0) &&
	      same_double(r->certified, m->certified));
	check(r->n_parts == m->n_parts);
	for (size_t i = 0; i < r->n_parts; i++) {
		check(strcmp(r->parts[i].where, m->parts[i]->where) == 0);
		check(strcmp(r->parts[i].model, m->parts[i]->model) == 0);
		check(r->parts[i].records == m->parts[i]->records);
		check(same_double(r->parts_certified[i], m->parts[i]->certified));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	hv_autofree uint8_t *own = malloc(size ? size : 1);
	Hv__Result *m = hv__result__unpack(NULL, size, data);
	struct result r;
	int err;

	if (own == NULL)
		return 0;
	if (size > 0)
		memcpy(own, data, size);
	result_init(&r);
	err = result_decode(&r, own, size);
	check(err == HV_OK || err == HV_E_FRAME || err == HV_E_NOMEM);
	if (err == HV_OK && m != NULL)
		compare(&r, m);
	result_free(&r);
	if (m != NULL)
		hv__result__free_unpacked(m, NULL);
	return 0;
}
