/* Pre- and post-steps of a package, as a board gets them. What is accepted runs: every pixel
 * and every item, over the worst words a memory can hold, without leaving a buffer or a sum
 * (the sanitizers see both). The first byte chooses the words, the rest is the blob. */
#include "accel/steps/steps.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD_MAX = 1 << 20, WORDS_PER_ITEM = 16 };

struct words {
	uint8_t kind;
	uint32_t asked, state;
};

static int32_t word(void *ctx, unsigned set, unsigned position, unsigned row)
{
	struct words *w = ctx;

	w->asked++;
	w->state = w->state * 1664525u + 1013904223u + set + position + row;
	switch (w->kind % 4) {
	case 0: return INT32_MIN;
	case 1: return INT32_MAX;
	case 2: return (row + set) % 2 ? INT32_MIN : INT32_MAX;
	default: return (int32_t)w->state;
	}
}

static void inputs_run(const struct cnn_steps *s, uint8_t kind)
{
	uint32_t n = cnn_steps_in_bytes(s);
	uint8_t *record = malloc(n > 0 ? n : 1);

	if (record == NULL || n == 0 || n > RECORD_MAX)
		abort();
	memset(record, kind, n);
	for (unsigned p = 0; p < cnn_steps_positions(s); p++)
		for (unsigned c = 0; c < s->channels; c++)
			(void)cnn_steps_in(s, record, p, c);
	free(record);
}

static void outputs_run(const struct cnn_steps *s, uint8_t kind)
{
	uint32_t n = cnn_steps_out_bytes(s);
	uint8_t *record = malloc(n > 0 ? n : 1);
	struct words w = { .kind = kind };

	if (record == NULL || n == 0 || n > RECORD_MAX)
		abort();
	for (unsigned i = 0; i < cnn_steps_items(s); i++) {
		w.asked = 0;
		cnn_steps_out(s, i, word, &w, record);
		if (w.asked > WORDS_PER_ITEM)
			abort(); /* the agent's slices count on it */
	}
	free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cnn_steps s;

	if (size < 1 || cnn_steps_parse(data + 1, size - 1, &s) != HV_OK)
		return 0;
	inputs_run(&s, data[0]);
	outputs_run(&s, data[0]);
	return 0;
}
