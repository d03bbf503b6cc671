#include "util/fs/cobs.h"

size_t hv_cobs_encode(uint8_t *out, const uint8_t *in, size_t n)
{
	size_t code_at = 0, o = 1;
	uint8_t code = 1;

	for (size_t i = 0; i < n; i++) {
		if (in[i] != 0) {
			out[o++] = in[i];
			code++;
		}
		if (in[i] == 0 || code == 0xff) {
			out[code_at] = code;
			code_at = o++;
			code = 1;
		}
	}
	out[code_at] = code;
	return o;
}

size_t hv_cobs_decode(uint8_t *out, const uint8_t *in, size_t n)
{
	size_t i = 0, o = 0;

	while (i < n) {
		uint8_t code = in[i++];

		if (code == 0 || (size_t)(code - 1) > n - i)
			return 0;
		for (uint8_t k = 1; k < code; k++) {
			if (in[i] == 0)
				return 0;
			out[o++] = in[i++];
		}
		if (code != 0xff && i < n)
			out[o++] = 0;
	}
	return o;
}
