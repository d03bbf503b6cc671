#include "accel/loadimg/loadimg.h"
#include "util/fs/crc32.h"
#include "util/fs/rd.h"
#include <string.h>

enum { OUT_BYTES = 8, CRC_BYTES = 4 };

static void header_read(struct hv_rd *r, struct loadimg *img)
{
	const uint8_t *name;

	img->magic = hv_rd_u32(r);
	img->version = hv_rd_u16(r);
	img->layers = hv_rd_u8(r);
	img->quadrants = hv_rd_u8(r);
	name = hv_rd_bytes(r, LOADIMG_NAME_BYTES);
	if (name != NULL)
		memcpy(img->name, name, LOADIMG_NAME_BYTES);
	img->ctrl_extra = hv_rd_u32(r);
	img->left.kernel_first = hv_rd_u16(r);
	img->left.kernel_words = hv_rd_u16(r);
	img->left.bias_first = hv_rd_u16(r);
	img->left.bias_count = hv_rd_u16(r);
	img->left.data_first = hv_rd_u16(r);
	img->left.data_words = hv_rd_u16(r);
	img->in_word = hv_rd_u16(r);
	img->in_pixels = hv_rd_u16(r);
	img->in_passes = hv_rd_u8(r);
	img->in_first_group = hv_rd_u8(r);
	img->in_groups = hv_rd_u8(r);
	img->reserved = hv_rd_u8(r);
	img->cycles = hv_rd_u32(r);
	img->out_words = hv_rd_u16(r);
	img->n_regs = hv_rd_u16(r);
	img->n_biases = hv_rd_u16(r);
	img->n_kernels = hv_rd_u16(r);
	img->n_outputs = hv_rd_u16(r);
	img->reserved_2 = hv_rd_u16(r);
	img->total_bytes = hv_rd_u32(r);
}

static bool header_ok(const struct loadimg *img, size_t len)
{
	uint32_t in_words = (uint32_t)img->in_pixels * img->in_passes;

	return img->total_bytes == len && img->layers >= 1 && img->layers <= CNN_LAYERS_MAX &&
	       (img->quadrants & 1) != 0 && img->quadrants < 1u << CNN_QUADRANTS &&
	       img->name[LOADIMG_NAME_BYTES - 1] == 0 && img->in_pixels >= 1 &&
	       img->in_passes >= 1 && img->in_groups >= 1 &&
	       img->in_first_group + img->in_groups <= CNN_INSTANCES &&
	       img->in_word + in_words <= CNN_DATA_WORDS && img->n_outputs >= 1;
}

static bool regs_ok(const struct loadimg *img, struct hv_rd *r)
{
	for (unsigned i = 0; i < img->n_regs; i++) {
		uint16_t id = hv_rd_u16(r);

		(void)hv_rd_u32(r);
		if (id >> 10 >= CNN_QUADRANTS || (id >> 5 & 31) >= CNN_LAYER_REGS)
			return false;
	}
	return r->ok;
}

/* Runs of kernels or biases. */
static bool runs_ok(struct hv_rd *r, unsigned n, unsigned units, unsigned cells, unsigned bytes)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t unit = hv_rd_u16(r);
		uint32_t first = hv_rd_u16(r), count = hv_rd_u16(r);

		(void)hv_rd_bytes(r, (size_t)count * bytes);
		if (unit >= units || first + count > cells)
			return false;
	}
	return r->ok;
}

static bool outputs_ok(const struct loadimg *img, struct hv_rd *r)
{
	uint32_t end = cnn_data_addr(CNN_INSTANCES - 1, CNN_DATA_WORDS), words = 0;

	for (unsigned i = 0; i < img->n_outputs; i++) {
		uint32_t addr = hv_rd_u32(r), n = hv_rd_u16(r);

		(void)hv_rd_u16(r);
		if (addr < CNN_DATA || addr % 4 != 0 || addr > end || n > (end - addr) / 4)
			return false;
		words += n;
	}
	return r->ok && words == img->out_words;
}

int loadimg_open(const void *bytes, size_t len, struct loadimg *img)
{
	struct hv_rd r, crc;

	memset(img, 0, sizeof(*img));
	if (len < LOADIMG_HEADER_BYTES + CRC_BYTES)
		return HV_E_FORMAT;
	r = hv_rd_init(bytes, len - CRC_BYTES);
	crc = hv_rd_init(r.end, CRC_BYTES);
	header_read(&r, img);
	if (img->magic != LOADIMG_MAGIC)
		return HV_E_FORMAT;
	if (img->version != LOADIMG_VERSION)
		return HV_E_VERSION;
	if (!header_ok(img, len) || hv_rd_u32(&crc) != hv_crc32(0, bytes, len - CRC_BYTES))
		return HV_E_FORMAT;
	img->regs = r.p;
	if (!regs_ok(img, &r))
		return HV_E_FORMAT;
	img->biases = r.p;
	if (!runs_ok(&r, img->n_biases, CNN_QUADRANTS, CNN_BIAS_BYTES, 1))
		return HV_E_FORMAT;
	img->kernels = r.p;
	if (!runs_ok(&r, img->n_kernels, CNN_PROCESSORS, CNN_KERNEL_WORDS, CNN_KERNEL_WORD_BYTES))
		return HV_E_FORMAT;
	img->outputs = r.p;
	return outputs_ok(img, &r) && hv_rd_done(&r) ? HV_OK : HV_E_FORMAT;
}

static void write_all(const struct loadimg *img, const struct cnn_bus *bus, uint32_t addr,
		      uint32_t value)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((img->quadrants >> q & 1) != 0)
			bus->write32(bus->ctx, addr + q * CNN_QUADRANT_STRIDE, value);
}

/* Packed: bytes most significant first, the last word padded with zeros. */
static void write_kernels(struct hv_rd *r, const struct cnn_bus *bus)
{
	unsigned processor = hv_rd_u16(r);
	uint32_t base = cnn_kernel_addr(processor) + 4u * hv_rd_u16(r);
	uint32_t bytes = hv_rd_u16(r) * (uint32_t)CNN_KERNEL_WORD_BYTES;
	const uint8_t *from = hv_rd_bytes(r, bytes);

	if (from == NULL)
		return;
	bus->write8(bus->ctx, base + 1, 1);
	for (uint32_t at = 0; at < bytes; at += 4) {
		uint32_t value = 0;

		for (uint32_t i = 0; i < 4; i++)
			value = value << 8 | (at + i < bytes ? from[at + i] : 0u);
		bus->write32(bus->ctx, base + at, value);
	}
}

static void write_biases(struct hv_rd *r, const struct cnn_bus *bus)
{
	unsigned quadrant = hv_rd_u16(r), first = hv_rd_u16(r), n = hv_rd_u16(r);

	for (unsigned i = 0; i < n; i++)
		bus->write32(bus->ctx, cnn_bias_addr(quadrant, first + i), hv_rd_u8(r));
}

static struct hv_rd view(const uint8_t *from, const uint8_t *to)
{
	return hv_rd_init(from, (size_t)(to - from));
}

void loadimg_load(const struct loadimg *img, const struct cnn_bus *bus)
{
	struct hv_rd r = view(img->kernels, img->outputs);

	bus->write32(bus->ctx, CNN_AON, 0);
	write_all(img, bus, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS);
	write_all(img, bus, CNN_SRAM, CNN_SRAM_DEFAULT);
	write_all(img, bus, CNN_LCNT_MAX, img->layers - 1u);
	for (unsigned i = 0; i < img->n_kernels; i++)
		write_kernels(&r, bus);
	r = view(img->biases, img->kernels);
	for (unsigned i = 0; i < img->n_biases; i++)
		write_biases(&r, bus);
	r = view(img->regs, img->biases);
	for (unsigned i = 0; i < img->n_regs; i++) {
		uint16_t id = hv_rd_u16(&r);

		bus->write32(bus->ctx, cnn_reg_addr(id >> 10, id >> 5 & 31, id & 31),
			     hv_rd_u32(&r));
	}
}

size_t loadimg_pixel_words(const struct loadimg *img)
{
	return (size_t)img->in_passes * img->in_groups;
}

void loadimg_input(const struct loadimg *img, uint32_t first, uint32_t pixels,
		   const uint32_t *words, const struct cnn_bus *bus)
{
	uint32_t all = img->in_pixels, end;

	if (first > all || pixels > all - first)
		pixels = first < all ? all - first : 0;
	end = (first + pixels) * img->in_passes;
	for (uint32_t row = first * img->in_passes; row < end; row++)
		for (unsigned g = 0; g < img->in_groups; g++)
			bus->write32(bus->ctx,
				     cnn_data_addr(img->in_first_group + g, img->in_word + row),
				     *words++);
}

/* All quadrants are armed for synchronisation, then the first one starts them. */
void loadimg_start(const struct loadimg *img, const struct cnn_bus *bus)
{
	uint32_t v = CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS | img->ctrl_extra;

	bus->write32(bus->ctx, CNN_CTRL, v | CNN_CTRL_SYNC);
	for (unsigned q = 1; q < CNN_QUADRANTS; q++)
		if ((img->quadrants >> q & 1) != 0)
			bus->write32(bus->ctx, CNN_CTRL + q * CNN_QUADRANT_STRIDE,
				     v | CNN_CTRL_SYNC | CNN_CTRL_CNN_EN);
	bus->write32(bus->ctx, CNN_CTRL, v | CNN_CTRL_CNN_EN);
}

bool loadimg_is_done(const struct cnn_bus *bus)
{
	return (bus->read32(bus->ctx, CNN_CTRL) & CNN_CTRL_IRQ) != 0;
}

void loadimg_finish(const struct loadimg *img, uint32_t *words, const struct cnn_bus *bus)
{
	struct hv_rd r = hv_rd_init(img->outputs, (size_t)img->n_outputs * OUT_BYTES);

	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t ctrl = CNN_CTRL + q * CNN_QUADRANT_STRIDE;

		if ((img->quadrants >> q & 1) != 0)
			bus->write32(bus->ctx, ctrl,
				     bus->read32(bus->ctx, ctrl) &
					     ~(CNN_CTRL_IRQ | CNN_CTRL_CNN_EN));
	}
	for (unsigned i = 0; i < img->n_outputs; i++) {
		uint32_t addr = hv_rd_u32(&r), n = hv_rd_u16(&r);

		(void)hv_rd_u16(&r);
		for (uint32_t w = 0; w < n; w++)
			*words++ = bus->read32(bus->ctx, addr + 4 * w);
	}
}
