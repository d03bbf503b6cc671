/* Slot images as the agent reads them: header, then registers. What is accepted stays inside
 * its claims. */
#include "accel/slotimg/slotimg.h"
#include "util/fs/rd.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static void check_addresses(const struct slotimg *h)
{
	uint32_t last = (uint32_t)h->positions * h->records_max - 1;
	uint32_t end = 4u * (h->data_first + h->data_words);

	require((slotimg_in_addr(h, last, h->in_passes - 1u, (h->per_pass - 1u) / 4) & 0x7fff) <
		end);
	for (unsigned s = 0; s < h->sets; s++) {
		unsigned row = (unsigned)h->set[s].slots * h->set[s].out_passes - 1;

		require((slotimg_out_addr(h, s, last, row) & 0x7fff) < end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slotimg h;
	struct hv_rd r = hv_rd_init(data, size);
	uint8_t again[SLOTIMG_HEADER_BYTES];

	if (slotimg_header_parse(data, size, &h) < 0)
		return 0;
	slotimg_header_encode(&h, again);
	require(memcmp(again, data, sizeof again) == 0);
	check_addresses(&h);
	(void)hv_rd_bytes(&r, SLOTIMG_HEADER_BYTES);
	for (unsigned i = 0; i < h.n_regs && r.ok; i++) {
		uint16_t id = hv_rd_u16(&r);
		uint32_t value = hv_rd_u32(&r);

		if (slotimg_reg_check(&h, id, value) < 0)
			continue;
		require((h.quadrants >> (id >> 10) & 1) != 0 && (id & 31u) < h.layers);
		if ((id >> 5 & 31) == CNN_R_MCNT)
			require((value >> 16) / 72 >= h.kernel_first &&
				(value & 0xffff) / 72 < (uint32_t)h.kernel_first + h.kernel_words);
	}
	return 0;
}
