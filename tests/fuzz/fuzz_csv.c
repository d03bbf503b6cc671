/* Text files of numbers: what the reader accepts has as many bytes as its shape says, and
 * becomes records or a refusal with a sentence. */
#include "client/ctl/in/samples.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct harvest_tensor tasks[] = {
		{ HARVEST_S16, 2, { 2, 2 } },
		{ HARVEST_F32, 1, { 3 } },
	};
	struct reason why = { "" };
	struct samples s = { .data = NULL };
	int err = csv_parse(data, size, &s, &why);

	if (err == HV_OK) {
		uint64_t n = 1;
		uint32_t records = 0;
		bool converted;

		for (uint32_t i = 0; i < s.ndim; i++)
			n *= s.shape[i];
		if (n == 0 || n != samples_count(&s))
			abort();
		err = samples_to_records(&s, &tasks[size % 2], &records, &converted, &why);
		if (err == HV_OK && s.bytes != records * tensor_bytes(&tasks[size % 2]))
			abort();
	}
	if (err != HV_OK && why.text[0] == '\0')
		abort();
	samples_free(&s);
	return 0;
}
