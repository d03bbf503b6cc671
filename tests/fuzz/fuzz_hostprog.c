/* Host programs out of packages. What is accepted runs over any record and any words without
 * leaving a buffer (the sanitizers see it), and encodes to the same bytes again. */
#include "accel/hostprog/hostprog.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Programs that run long are checked, not run. */
static int is_short(const struct hostprog *h)
{
	uint64_t steps = 0;

	for (unsigned i = 0; i < h->n_blocks; i++)
		steps += (uint64_t)h->block[i].rows * h->block[i].cols * h->block[i].count;
	return steps < 20000;
}

static void run(const struct hostprog *h, uint8_t fill)
{
	size_t in = hostprog_in_bytes(h), out = hostprog_out_bytes(h);
	uint8_t *record = malloc(in), *answer = malloc(out);
	int8_t *px = malloc((size_t)h->channels * h->pixels);
	int32_t *words = malloc(sizeof(*words) * h->words);

	if (record == NULL || answer == NULL || px == NULL || words == NULL)
		abort();
	memset(record, fill, in);
	memset(words, fill, sizeof(*words) * h->words);
	hostprog_run_encode(h, record, px);
	hostprog_run_decode(h, record, words, answer);
	(void)hostprog_cycles(h, HOSTPROG_ENCODE);
	(void)hostprog_cycles(h, HOSTPROG_DECODE);
	free(record);
	free(answer);
	free(px);
	free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hostprog *h = NULL;
	uint8_t *blob = NULL;
	size_t len = 0;
	char why[300];

	if (size < 1 || hostprog_parse(data + 1, size - 1, &h, why, sizeof(why)) != HV_OK)
		return 0;
	if (is_short(h))
		run(h, data[0]);
	if (hostprog_encode(h, &blob, &len) != HV_OK || len != size - 1 ||
	    memcmp(blob, data + 1, len) != 0)
		abort();
	free(blob);
	hostprog_free(h);
	return 0;
}
