#include "firmware-agent/core/state.h"

/* What a slot image says is checked before a byte of it reaches the accelerator. */

static bool overlap(uint32_t a, uint32_t an, uint32_t b, uint32_t bn)
{
	return an > 0 && bn > 0 && a < b + bn && b < a + an;
}

static bool within(uint32_t first, uint32_t n, uint32_t room, uint32_t room_n)
{
	return n == 0 || (first >= room && first + n <= room + room_n);
}

/* Claims inside the room the primary leaves, kernels and biases apart from other slots'.
 * Data words are shared: a run fills them anew. */
static bool claims_ok(const struct agent *a, unsigned slot)
{
	const struct ag_config *c = &a->cfg;
	const struct slotimg *img = &a->slot[slot].img;

	if (!within(img->kernel_first, img->kernel_words, c->kernel_first, c->kernel_words) ||
	    !within(img->bias_first, img->bias_count, c->bias_first, c->bias_count) ||
	    !within(img->data_first, img->data_words, c->data_first, c->data_words))
		return false;
	for (unsigned i = 0; i < c->model_slots; i++) {
		const struct slotimg *o = &a->slot[i].img;

		if (i == slot || a->slot[i].state != LINK_SLOT_RESIDENT)
			continue;
		if (overlap(img->kernel_first, img->kernel_words, o->kernel_first,
			    o->kernel_words) ||
		    overlap(img->bias_first, img->bias_count, o->bias_first, o->bias_count))
			return false;
	}
	return true;
}

int ag_slot_check_header(const struct agent *a, unsigned slot)
{
	const struct slotimg *img = &a->slot[slot].img;
	uint32_t kept =
		SLOTIMG_HEADER_BYTES + (uint32_t)img->n_regs * SLOTIMG_REG_BYTES + img->steps_bytes;

	if (img->total_bytes != a->load.announced)
		return HV_E_FORMAT;
	/* an image of version 1 covers what the primary uses; others start their own alone */
	if (img->version == SLOTIMG_VERSION && (a->cfg.primary_quadrants & ~img->quadrants) != 0)
		return HV_E_FORMAT;
	if (kept > a->cfg.slot_bytes || img->n_regs > AG_IMAGE_REGS_MAX ||
	    img->out_record_bytes > a->cfg.record_bytes ||
	    img->in_record_bytes > a->cfg.job_bytes || img->out_record_bytes > a->cfg.job_bytes)
		return HV_E_BUSY;
	return claims_ok(a, slot) ? HV_OK : HV_E_BUSY;
}

int ag_slot_parse_steps(struct agent *a, unsigned slot)
{
	struct ag_slot *s = &a->slot[slot];
	uint32_t at = SLOTIMG_HEADER_BYTES + (uint32_t)s->img.n_regs * SLOTIMG_REG_BYTES;
	int err = cnn_steps_view(s->memory + at, s->img.steps_bytes, &s->steps);

	return err == HV_OK ? slotimg_steps_bind(&s->img, &s->steps) : err;
}

static uint32_t clamp_ns(uint64_t ns)
{
	return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static uint64_t cycles_ns(const struct agent *a, uint32_t cycles)
{
	return (uint64_t)cycles * 1000000000u / a->cfg.cnn_hz;
}

/* Worst case of a run in bus times, cycles and slices: snapshot, configuration, input, start,
 * inference, acknowledge, restore, unload. */
void ag_slot_price(struct agent *a, unsigned slot)
{
	struct ag_slot *s = &a->slot[slot];
	const struct slotimg *img = &s->img;
	uint64_t regs = img->n_regs + 2u * CNN_QUADRANTS;
	uint64_t in_words = slotimg_in_words(img);
	uint64_t out_words = cnn_steps_words(&s->steps);
	uint64_t fixed_slices = 3 * (img->n_regs / AG_SLICE_REGS + 1u) + 12;
	uint64_t record_slices = in_words / AG_SLICE_PIXELS + out_words / AG_SLICE_WORDS +
				 cnn_steps_items(&s->steps) + 2 +
				 img->out_record_bytes / AG_SLICE_COPY_BYTES;

	s->cap_records = img->records_max;
	s->pace = AG_PACE_ONE;
	s->start_ns = clamp_ns(cycles_ns(a, img->fixed_cycles));
	s->start_record_ns = clamp_ns(cycles_ns(a, img->record_cycles));
	s->fixed_ns = clamp_ns(regs * a->cfg.bus_read_ns + (2 * regs + 16) * a->cfg.bus_write_ns +
			       cycles_ns(a, img->fixed_cycles) + fixed_slices * AG_STEP_CPU_NS);
	s->record_ns = clamp_ns(in_words * a->cfg.bus_write_ns + out_words * a->cfg.bus_read_ns +
				cycles_ns(a, img->record_cycles) + record_slices * AG_STEP_CPU_NS);
}
