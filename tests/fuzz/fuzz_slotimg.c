/* Slot images as the agent reads them: header, steps, layers. What is read and written of
 * accepted ones stays inside their claims. */
#include "accel/slotimg/slotimg.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static void inside(const struct slotimg *h, uint32_t addr)
{
	uint32_t word = (addr & 0x7fff) / 4;

	require(word >= h->data_first && word < (uint32_t)h->data_first + h->data_words);
}

static void check_addresses(const struct slotimg *h, const struct cnn_steps *s)
{
	uint32_t before = h->positions * (h->records_max - 1u);

	inside(h, slotimg_in_addr(h, before + h->positions - 1, h->in_passes - 1u,
				  (h->per_pass - 1u) / 4));
	for (unsigned i = 0; i < h->sets; i++) {
		unsigned row = (unsigned)h->set[i].slots * h->set[i].out_passes - 1;
		uint32_t pixels = s->finish == CNN_OUT_RAW ? s->raw[i].pixels : h->positions;

		inside(h, slotimg_out_addr(h, i, before + pixels - 1, row));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slotimg h;
	struct cnn_steps s;
	uint8_t again[SLOTIMG_HEADER_BYTES];
	size_t steps;

	if (slotimg_header_parse(data, size, &h) < 0)
		return 0;
	slotimg_header_encode(&h, again);
	require(memcmp(again, data, sizeof again) == 0);
	steps = SLOTIMG_HEADER_BYTES + (size_t)h.n_regs * SLOTIMG_REG_BYTES;
	if (size < steps + h.steps_bytes || cnn_steps_parse(data + steps, h.steps_bytes, &s) < 0 ||
	    slotimg_steps_bind(&h, &s) < 0)
		return 0;
	check_addresses(&h, &s);
	for (unsigned i = 0; i < h.n_regs; i++) {
		uint16_t id = slotimg_reg_id(&h, i);

		require((h.quadrants >> (id >> 10) & 1) != 0 && (id & 31u) < h.layers &&
			(id >> 5 & 31u) < CNN_LAYER_REGS);
	}
	for (unsigned i = 0; i < h.layers; i++)
		if (slotimg_layer_check(&h, data + SLOTIMG_HEADER_BYTES, i) < 0)
			break;
	return 0;
}
