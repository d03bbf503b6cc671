#include "accel/bound/source.h"
#include "tasks/catalog.h"
#include <stdlib.h>
#include <string.h>

/* Records of the test stream and their exact answers, kept from one certificate to the next. */
struct bound_cache {
	const struct harvest_task *task;
	uint64_t records;
	size_t in_bytes, outs;
	uint8_t *in; /* (records) */
	double *ref; /* (records, outs) */
	uint8_t *drawn; /* (records) */
	/* who asks for an answer has drawn the record a moment ago */
	struct {
		const void *at;
		uint64_t index;
	} last[BOUND_BATCH_RECORDS];
	unsigned next;
};

int bound_cache_new(const struct harvest_task *task, uint64_t records, struct bound_cache **cache)
{
	struct bound_cache *c;

	if (records > BOUND_SAMPLES_MAX)
		return HV_E_INVAL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return HV_E_NOMEM;
	c->task = task;
	c->records = records;
	c->in_bytes = tensor_bytes(&task->in);
	c->outs = tensor_elements(&task->out);
	c->in = malloc(records * c->in_bytes);
	c->ref = malloc(records * c->outs * sizeof(*c->ref));
	c->drawn = calloc(records, 1);
	if (c->in == NULL || c->ref == NULL || c->drawn == NULL) {
		bound_cache_free(c);
		return HV_E_NOMEM;
	}
	*cache = c;
	return HV_OK;
}

void bound_cache_free(struct bound_cache *c)
{
	if (c == NULL)
		return;
	free(c->in);
	free(c->ref);
	free(c->drawn);
	free(c);
}

static void cached_sample(const void *ctx, uint64_t seed, uint64_t index, void *in)
{
	struct bound_cache *c = (struct bound_cache *)(uintptr_t)ctx;
	uint8_t *record;

	if (seed != BOUND_TEST_STREAM || index >= c->records) {
		c->task->sample(seed, index, in);
		return;
	}
	record = c->in + index * c->in_bytes;
	if (!c->drawn[index]) {
		c->task->sample(seed, index, record);
		c->task->reference(record, c->ref + index * c->outs);
		c->drawn[index] = 1;
	}
	memcpy(in, record, c->in_bytes);
	c->last[c->next].at = in;
	c->last[c->next].index = index;
	c->next = (c->next + 1) % BOUND_BATCH_RECORDS;
}

static void cached_reference(const void *ctx, const void *in, double *out)
{
	const struct bound_cache *c = ctx;

	for (unsigned i = 0; i < BOUND_BATCH_RECORDS; i++) {
		uint64_t index = c->last[i].index;

		if (c->last[i].at == in &&
		    memcmp(in, c->in + index * c->in_bytes, c->in_bytes) == 0) {
			memcpy(out, c->ref + index * c->outs, c->outs * sizeof(*out));
			return;
		}
	}
	c->task->reference(in, out);
}

struct bound_source bound_source_of_cache(struct bound_cache *c, double *matrix)
{
	struct bound_source src = bound_source_of_task(c->task, matrix);

	src.ctx = c;
	src.sample = cached_sample;
	src.reference = cached_reference;
	return src;
}
