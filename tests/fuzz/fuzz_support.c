/* The support of a package. What is accepted judges records of any bits, and encodes to the same
 * bytes again. The first byte chooses the type of the records. */
#include "accel/package/support.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { ELEMENTS = 5 };
	uint8_t record[8 * ELEMENTS], *blob = NULL;
	struct support *s = NULL;
	char why[300] = "", text[64];
	enum harvest_dtype t;
	size_t len = 0;

	if (size < 1)
		return 0;
	t = (enum harvest_dtype)(HARVEST_S8 + data[0] % HARVEST_F64);
	if (support_parse(data + 1, size - 1, t, ELEMENTS, &s, why, sizeof(why)) < 0) {
		require(why[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < sizeof(record); i++)
		record[i] = data[i * 7 % size];
	require(support_outside(s, record, 1) <= 1);
	support_text(s, text, sizeof(text));
	require(strlen(text) < sizeof(text));
	require(support_encode(s, &blob, &len) == 0);
	support_free(s);
	require(support_parse(blob, len, t, ELEMENTS, &s, why, sizeof(why)) == 0);
	support_free(s);
	free(blob);
	return 0;
}
