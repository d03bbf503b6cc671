#include "tests/lib/slot_run.h"
#include "accel/slotimg/slotimg.h"
#include "util/fs/rd.h"

/* Header and cursor behind it. */
static const char *open_image(const uint8_t *image, size_t len, struct slotimg *h, struct hv_rd *r)
{
	if (slotimg_header_parse(image, len, h) < 0)
		return "header refused";
	if (h->total_bytes != len)
		return "header has another length";
	*r = hv_rd_init(image, len);
	(void)hv_rd_bytes(r, SLOTIMG_HEADER_BYTES);
	return NULL;
}

static void load_biases(struct cnn_emu *e, struct hv_rd *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned quadrant = hv_rd_u8(r), first, count;

		(void)hv_rd_u8(r);
		first = hv_rd_u16(r);
		count = hv_rd_u16(r);
		for (unsigned b = 0; b < count; b++)
			cnn_emu_write32(e, cnn_bias_addr(quadrant, first + b), hv_rd_u8(r));
	}
}

static void load_kernels(struct cnn_emu *e, struct hv_rd *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned processor = hv_rd_u8(r), first, words;
		uint32_t base;

		(void)hv_rd_u8(r);
		first = hv_rd_u16(r);
		words = hv_rd_u16(r);
		base = cnn_kernel_addr(processor) + 4 * first;
		cnn_emu_write8(e, base + 1, 1);
		for (unsigned at = 0; at < 9 * words; at += 4) {
			uint32_t v = 0;

			for (unsigned b = 0; b < 4; b++)
				v = v << 8 | (at + b < 9 * words ? hv_rd_u8(r) : 0u);
			cnn_emu_write32(e, base + at, v);
		}
	}
}

static void each_quadrant(struct cnn_emu *e, const struct slotimg *h, uint32_t addr, uint32_t v)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if (h->quadrants >> q & 1)
			cnn_emu_write32(e, addr + q * CNN_QUADRANT_STRIDE, v);
}

static void init(struct cnn_emu *e, const struct slotimg *h)
{
	cnn_emu_write32(e, CNN_AON, 0);
	each_quadrant(e, h, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS);
	each_quadrant(e, h, CNN_SRAM, CNN_SRAM_DEFAULT);
	each_quadrant(e, h, CNN_LCNT_MAX, h->layers - 1u);
}

const char *slot_run_load(struct cnn_emu *e, const uint8_t *image, size_t len)
{
	struct slotimg h;
	struct hv_rd r;
	const char *bad = open_image(image, len, &h, &r);

	if (bad != NULL)
		return bad;
	init(e, &h);
	(void)hv_rd_bytes(&r, (size_t)SLOTIMG_REG_BYTES * h.n_regs + h.steps_bytes);
	load_biases(e, &r, h.n_biases);
	load_kernels(e, &r, h.n_kernels);
	return hv_rd_done(&r) ? NULL : "image has another length than its parts";
}

static const char *configure(struct cnn_emu *e, const struct slotimg *h, struct hv_rd *r,
			     unsigned records)
{
	for (unsigned i = 0; i < h->n_regs; i++) {
		uint16_t id = hv_rd_u16(r);
		uint32_t value = hv_rd_u32(r);

		if (id != slotimg_reg_id(h, i))
			return "register out of order";
		if ((id >> 5 & 31) == CNN_R_RCNT)
			value -= (uint32_t)h->height * (h->records_max - records);
		cnn_emu_write32(e, cnn_reg_addr(id >> 10, id >> 5 & 31, id & 31), value);
	}
	return NULL;
}

static void write_record(struct cnn_emu *e, const struct slotimg *h, const struct cnn_steps *s,
			 const uint8_t *record, unsigned index)
{
	for (unsigned p = 0; (h->flags & SLOTIMG_CHW) != 0 && p < h->positions; p += 4) {
		uint32_t v = 0;

		for (unsigned i = 0; i < 4 && p + i < h->positions; i++)
			v |= (uint32_t)record[p + i] << 8 * i;
		cnn_emu_write32(e, slotimg_in_addr(h, p, 0, 0), v);
	}
	for (unsigned p = 0; (h->flags & SLOTIMG_CHW) == 0 && p < h->positions; p++)
		for (unsigned pass = 0; pass < h->in_passes; pass++)
			for (unsigned group = 0; 4 * group < h->per_pass; group++) {
				uint32_t v = 0;

				for (unsigned lane = 0; lane < 4; lane++) {
					unsigned j = 4 * group + lane;
					unsigned c = pass * h->per_pass + j;

					if (j < h->per_pass && c < s->channels)
						v |= (uint32_t)(uint8_t)cnn_steps_in(s, record, p,
										     c)
						     << 8 * lane;
				}
				cnn_emu_write32(
					e,
					slotimg_in_addr(h, index * h->positions + p, pass, group),
					v);
			}
}

static void start(struct cnn_emu *e, const struct slotimg *h)
{
	uint32_t v = CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS;

	if ((h->flags & SLOTIMG_ROUND) != 0)
		v |= CNN_CTRL_POOLRND;
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if (h->quadrants >> q & 1)
			cnn_emu_write32(e, CNN_CTRL + q * CNN_QUADRANT_STRIDE,
					v | CNN_CTRL_SYNC | (q != 0 ? CNN_CTRL_CNN_EN : 0));
	cnn_emu_write32(e, CNN_CTRL, v | CNN_CTRL_CNN_EN);
}

struct reader {
	struct cnn_emu *e;
	const struct slotimg *h;
	unsigned record;
};

static int32_t read_word(void *ctx, unsigned set, unsigned position, unsigned row)
{
	const struct reader *o = ctx;
	uint32_t pixel = o->record * o->h->positions + position;

	uint32_t word = cnn_emu_read32(o->e, slotimg_out_addr(o->h, set, pixel, row));

	return slotimg_out_value(o->h, set, row, word);
}

const char *slot_run_records(struct cnn_emu *e, const uint8_t *image, size_t len, const uint8_t *in,
			     uint8_t *out, unsigned records)
{
	struct slotimg h;
	struct cnn_steps s;
	struct hv_rd r, ahead;
	uint64_t price;
	const char *bad = open_image(image, len, &h, &r);

	if (bad != NULL)
		return bad;
	ahead = r;
	(void)hv_rd_bytes(&ahead, (size_t)SLOTIMG_REG_BYTES * h.n_regs);
	if (cnn_steps_parse(hv_rd_bytes(&ahead, h.steps_bytes), h.steps_bytes, &s) < 0)
		return "steps refused";
	if (slotimg_steps_bind(&h, &s) < 0)
		return "steps are not the header's";
	for (unsigned i = 0; i < h.layers; i++)
		if (slotimg_layer_check(&h, image + SLOTIMG_HEADER_BYTES, i) < 0)
			return "layer refused";
	init(e, &h);
	bad = configure(e, &h, &r, records);
	if (bad != NULL)
		return bad;
	for (unsigned i = 0; i < records; i++)
		write_record(e, &h, &s, in + (size_t)cnn_steps_in_bytes(&s) * i, i);
	start(e, &h);
	if (!cnn_emu_running(e))
		return "start did not run";
	price = h.fixed_cycles + (uint64_t)h.record_cycles * records;
	if (cnn_emu_cycles(e) != price && (h.fixed_cycles > 0 || cnn_emu_cycles(e) > price ||
					   price - cnn_emu_cycles(e) > h.record_cycles))
		return "emulator counts other cycles than the header";
	cnn_emu_finish(e);
	each_quadrant(e, &h, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS);
	for (unsigned i = 0; i < records; i++) {
		struct reader o = { e, &h, i };

		for (unsigned k = 0; k < cnn_steps_items(&s); k++)
			cnn_steps_out(&s, k, read_word, &o,
				      out + (size_t)cnn_steps_out_bytes(&s) * i);
	}
	return cnn_emu_misuse(e) == 0 ? NULL : cnn_emu_misuse_text(e);
}
