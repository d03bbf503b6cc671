#include "accel/cli/tenant.h"
#include "accel/slotimg/build.h"
#include "util/fs/rd.h"
#include "util/own.h"

#include <stdio.h>

/* ---- an approximation: what the board writes for its slot image ---- */

static void all_quadrants(const struct slotimg *h, const struct cnn_bus *bus, uint32_t addr,
			  uint32_t value)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((h->quadrants >> q & 1) != 0)
			bus->write32(bus->ctx, addr + q * CNN_QUADRANT_STRIDE, value);
}

static void write_registers(const struct slotimg *h, struct hv_rd *r, const struct cnn_bus *bus)
{
	for (unsigned i = 0; i < h->n_regs; i++) {
		uint16_t id = hv_rd_u16(r);
		uint32_t value = hv_rd_u32(r);

		bus->write32(bus->ctx, cnn_reg_addr(id >> 10 & 3, id >> 5 & 31, id & 31), value);
	}
	(void)hv_rd_bytes(r, h->steps_bytes);
}

static void write_biases(const struct slotimg *h, struct hv_rd *r, const struct cnn_bus *bus)
{
	for (unsigned i = 0; i < h->n_biases; i++) {
		unsigned quadrant = hv_rd_u16(r) & 3, first = hv_rd_u16(r), n = hv_rd_u16(r);

		for (unsigned b = 0; b < n; b++)
			bus->write32(bus->ctx, cnn_bias_addr(quadrant, first + b), hv_rd_u8(r));
	}
}

static void write_kernels(const struct slotimg *h, struct hv_rd *r, const struct cnn_bus *bus)
{
	for (unsigned i = 0; i < h->n_kernels; i++) {
		unsigned processor = hv_rd_u16(r) & 63, first = hv_rd_u16(r), words = hv_rd_u16(r);
		uint32_t base = cnn_kernel_addr(processor) + 4 * first;

		bus->write8(bus->ctx, base + 1, 1);
		for (unsigned at = 0; at < CNN_KERNEL_WORD_BYTES * words; at += 4)
			bus->write32(bus->ctx, base + at, 0); /* where, not what */
		(void)hv_rd_bytes(r, (size_t)CNN_KERNEL_WORD_BYTES * words);
	}
}

static int replay_slot(const uint8_t *image, size_t len, const struct slotimg *h,
		       struct cnn_footprint *f, char *why, size_t cap)
{
	uint32_t ctrl = CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS;
	struct cnn_bus bus = cnn_footprint_bus(f);
	struct hv_rd r = hv_rd_init(image, len);

	cnn_footprint_begin(f);
	all_quadrants(h, &bus, CNN_CTRL, ctrl);
	all_quadrants(h, &bus, CNN_LCNT_MAX, h->layers - 1u);
	(void)hv_rd_bytes(&r, SLOTIMG_HEADER_BYTES);
	write_registers(h, &r, &bus);
	write_biases(h, &r, &bus);
	write_kernels(h, &r, &bus);
	if (!hv_rd_done(&r))
		return HV_E_FORMAT;
	all_quadrants(h, &bus, CNN_CTRL, ctrl | CNN_CTRL_CNN_EN);
	return cnn_footprint_close(f, why, cap);
}

static int place_slot(const struct package *p, const struct tenancy *left, struct tenant *t,
		      char *why, size_t cap)
{
	hv_autofree uint8_t *image = NULL;
	size_t len = 0;
	int r = slotimg_build(&p->net, p->steps_blob, p->steps_len, &left->room, left->quadrants,
			      &image, &len, why, cap);

	t->has_slot = true;
	if (r == HV_OK)
		r = slotimg_header_parse(image, len, &t->slot);
	return r == HV_OK ? replay_slot(image, len, &t->slot, &t->footprint, why, cap) : r;
}

/* ---- a network alone ---- */

static int place_network(const struct package *p, const struct tenancy *left, struct tenant *t,
			 char *why, size_t cap)
{
	hv_autofree struct cnn_place *place = calloc(1, sizeof(*place));
	struct cnn_image image = { 0 };
	int r;

	if (place == NULL)
		return HV_E_NOMEM;
	r = cnn_place_fit(&p->net, &left->room, place, why, cap);
	if (r == HV_OK)
		r = cnn_image_build(&p->net, place, left->quadrants, &image, why, cap);
	if (r == HV_OK)
		r = cnn_footprint_image(&t->footprint, &image, why, cap);
	cnn_image_free(&image);
	return r;
}

/* ---- what is left ---- */

/* One behind the last cell that is set in any row of a or b. */
static unsigned end_of(const uint32_t *a, const uint32_t *b, unsigned rows, unsigned cells)
{
	unsigned end = 0;

	for (unsigned row = 0; row < rows; row++)
		for (unsigned i = end; i < cells; i++)
			if (cnn_cell(a + row * (cells / 32), i) ||
			    cnn_cell(b + row * (cells / 32), i))
				end = i + 1;
	return end;
}

static void take(uint16_t *first, uint16_t *count, unsigned end, unsigned cells)
{
	if (end <= *first)
		return;
	*first = (uint16_t)(end < cells ? end : cells);
	*count = (uint16_t)(cells - *first);
}

static void take_away(struct tenancy *left, const struct cnn_footprint *f)
{
	struct cnn_room *room = &left->room;
	unsigned kernels =
		end_of(f->loaded.kernel[0], f->read.kernel[0], CNN_PROCESSORS, CNN_KERNEL_WORDS);

	take(&room->kernel_first, &room->kernel_words, (kernels + 3) / 4 * 4, CNN_KERNEL_WORDS);
	take(&room->bias_first, &room->bias_count,
	     end_of(f->loaded.bias[0], f->read.bias[0], CNN_QUADRANTS, CNN_BIAS_BYTES),
	     CNN_BIAS_BYTES);
	if (left->keep_data)
		take(&room->data_first, &room->data_words,
		     end_of(f->read.data[0], f->written.data[0], CNN_INSTANCES, CNN_DATA_WORDS),
		     CNN_DATA_WORDS);
	left->quadrants |= f->started;
}

int tenant_move_in(const struct cli *c, const char *path, struct tenancy *left, struct tenant *t)
{
	struct package *p = NULL;
	char why[300] = "";
	int r = cli_open(c, path, &p);

	if (r != CLI_DONE)
		return r;
	snprintf(t->name, sizeof(t->name), "%s", p->name);
	t->layers = p->net.layers;
	if (p->kind == PACKAGE_NETWORK)
		r = place_network(p, left, t, why, sizeof(why));
	else
		r = place_slot(p, left, t, why, sizeof(why));
	package_free(p);
	if (r < 0)
		return cli_fail(c, r, "%s: %s", path, why[0] != '\0' ? why : hv_err_text(r));
	take_away(left, &t->footprint);
	return CLI_DONE;
}
