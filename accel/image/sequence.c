/* What a compiled network needs on the bus: init, load, configure, input, start, unload. */
#include "accel/image/geometry.h"

#include <string.h>

static void write_all(const struct cnn_image *image, const struct cnn_bus *bus, uint32_t addr,
		      uint32_t value)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((image->quadrants >> q & 1) != 0)
			bus->write32(bus->ctx, addr + q * CNN_QUADRANT_STRIDE, value);
}

void cnn_image_init(const struct cnn_image *image, const struct cnn_bus *bus)
{
	bus->write32(bus->ctx, CNN_AON, 0);
	write_all(image, bus, CNN_CTRL,
		  CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS | (image->ctrl_extra & CNN_CTRL_FIFO));
	write_all(image, bus, CNN_SRAM, CNN_SRAM_DEFAULT);
	write_all(image, bus, CNN_LCNT_MAX, image->layers - 1);
}

/* Packed: bytes most significant first, the last word padded with zeros. */
static void load_kernels(const struct cnn_kernel_run *run, const struct cnn_bus *bus)
{
	uint32_t base = cnn_kernel_addr(run->processor) + 4u * run->first_word;
	size_t bytes = (size_t)run->words * CNN_KERNEL_WORD_BYTES;

	bus->write8(bus->ctx, base + 1, 1);
	for (size_t at = 0; at < bytes; at += 4) {
		uint32_t value = 0;

		for (size_t i = 0; i < 4; i++)
			value = value << 8 | (at + i < bytes ? run->bytes[at + i] : 0u);
		bus->write32(bus->ctx, base + (uint32_t)at, value);
	}
}

void cnn_image_load(const struct cnn_image *image, const struct cnn_bus *bus)
{
	for (size_t i = 0; i < image->n_kernels; i++)
		load_kernels(&image->kernels[i], bus);
	for (size_t i = 0; i < image->n_biases; i++)
		for (unsigned b = 0; b < image->biases[i].count; b++)
			bus->write32(bus->ctx,
				     cnn_bias_addr(image->biases[i].quadrant,
						   image->biases[i].first + b),
				     (uint8_t)image->biases[i].bytes[b]);
}

void cnn_image_configure(const struct cnn_image *image, const struct cnn_bus *bus)
{
	for (size_t i = 0; i < image->n_regs; i++) {
		const struct cnn_reg_write *r = &image->regs[i];

		bus->write32(bus->ctx, cnn_reg_addr(r->quadrant, r->reg, r->layer), r->value);
	}
	cnn_image_fifo(image, bus);
}

void cnn_image_fifo(const struct cnn_image *image, const struct cnn_bus *bus)
{
	if (image->fifo_ctrl == 0)
		return;
	write_all(image, bus, CNN_IFRM, image->frame);
	bus->write32(bus->ctx, CNN_FIFO_CTRL, image->fifo_ctrl);
}

/* All quadrants are armed for synchronisation, then the first one starts them. With a FIFO the
 * starting write has the synchronisation bit too. */
void cnn_image_start(const struct cnn_image *image, const struct cnn_bus *bus)
{
	uint32_t v = CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS | image->ctrl_extra;

	if (image->fifo_ctrl != 0)
		v |= CNN_CTRL_SYNC;
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((image->quadrants >> q & 1) != 0)
			bus->write32(bus->ctx, CNN_CTRL + q * CNN_QUADRANT_STRIDE,
				     v | CNN_CTRL_SYNC | (q != 0 ? CNN_CTRL_CNN_EN : 0));
	bus->write32(bus->ctx, CNN_CTRL, v | CNN_CTRL_CNN_EN);
}

/* ---- data ---- */

/* The layer that reads the network input; every other one that does has the same view of it. */
static unsigned input_layer(const struct cnn_net *net)
{
	for (unsigned i = 0; i < net->layers; i++)
		for (unsigned s = 0; s < cnn_layer_sources(&net->layer[i]); s++)
			if (cnn_layer_source(&net->layer[i], s) == CNN_FROM_INPUT)
				return i;
	return 0;
}

/* Bytes of one word of a data instance: those of the enabled processors among its four. */
static uint32_t gather_word(const struct cnn_layer *l, uint64_t map, unsigned instance,
			    uint32_t pixel, uint32_t pass, uint32_t operand, const int8_t *input)
{
	uint32_t per_pass = cnn_per_pass(l->in_channels);
	size_t pixels = (size_t)l->height * l->width;
	uint32_t value = 0;

	for (unsigned lane = 0; lane < 4; lane++) {
		unsigned p = 4 * instance + lane;
		uint32_t c;

		if ((map >> p & 1) == 0)
			continue;
		c = pass * per_pass + cnn_count_bits(map & ((UINT64_C(1) << p) - 1));
		if (c < l->in_channels)
			value |= (uint32_t)(uint8_t)
					 input[(operand * l->in_channels + c) * pixels + pixel]
				 << 8 * lane;
	}
	return value;
}

static void write_pixels(const struct cnn_layer *l, const struct cnn_place_layer *p,
			 unsigned instance, const int8_t *input, const struct cnn_bus *bus)
{
	uint32_t passes = cnn_passes(l->in_channels), operands = cnn_layer_operands(l);
	uint32_t pixels = (uint32_t)l->height * l->width, word = p->in_offset / 4u;

	for (uint32_t n = 0; n < pixels; n++)
		for (uint32_t e = 0; e < passes; e++)
			for (uint32_t k = 0; k < operands; k++)
				bus->write32(
					bus->ctx, cnn_data_addr(instance, word++),
					gather_word(l, p->in_processors, instance, n, e, k, input));
}

/* Byte-sequential: four pixels of one channel in a word, one channel per instance. */
static void write_rows(const struct cnn_layer *l, const struct cnn_place_layer *p,
		       unsigned instance, const int8_t *channel, const struct cnn_bus *bus)
{
	uint32_t pixels = (uint32_t)l->height * l->width, word = p->in_offset / 4u;

	for (uint32_t n = 0; n < pixels; n += 4) {
		uint32_t value = 0;

		for (uint32_t i = 0; i < 4 && n + i < pixels; i++)
			value |= (uint32_t)(uint8_t)channel[n + i] << 8 * i;
		bus->write32(bus->ctx, cnn_data_addr(instance, word++), value);
	}
}

/* One word a pixel and four channels, or four pixels of a channel, to the FIFO of the quadrant
 * that reads them. The status is read before every write, as a full FIFO would lose it. */
static void write_fifos(const struct cnn_net *net, const struct cnn_place_layer *p,
			const int8_t *input, const struct cnn_bus *bus)
{
	const struct cnn_layer *l = &net->layer[0];
	uint32_t pixels = (uint32_t)l->height * l->width, at = 0;

	while (at < (net->input_chw ? (pixels + 3) / 4 : pixels)) {
		for (unsigned f = 0; f < CNN_FIFOS; f++) {
			unsigned instance = 4 * f;
			uint64_t below =
				p->in_processors & ((UINT64_C(1) << (CNN_PER_QUADRANT * f)) - 1);
			const int8_t *channel = input + (size_t)cnn_count_bits(below) * pixels;
			uint32_t value = 0;

			if ((p->in_processors >> (CNN_PER_QUADRANT * f) & 0xf) == 0)
				continue;
			if (!net->input_chw)
				value = gather_word(l, p->in_processors, instance, at, 0, 0, input);
			for (uint32_t i = 0; net->input_chw && i < 4 && 4 * at + i < pixels; i++)
				value |= (uint32_t)(uint8_t)channel[4 * at + i] << 8 * i;
			while ((bus->read32(bus->ctx, CNN_FIFO_STATUS) >> f & 1) != 0)
				;
			bus->write32(bus->ctx, CNN_FIFO_DATA + 4 * f, value);
		}
		at++;
	}
}

void cnn_input_write(const struct cnn_net *net, const struct cnn_place *place, const int8_t *input,
		     const struct cnn_bus *bus)
{
	unsigned i = input_layer(net);
	const struct cnn_layer *l = &net->layer[i];
	const struct cnn_place_layer *p = &place->layer[i];
	size_t pixels = (size_t)l->height * l->width;

	if (net->fifo) {
		write_fifos(net, p, input, bus);
		return;
	}
	for (unsigned instance = 0; instance < CNN_INSTANCES; instance++) {
		uint64_t here = p->in_processors >> (4 * instance) & 0xf;
		uint64_t below = p->in_processors & ((UINT64_C(1) << (4 * instance)) - 1);

		if (here == 0)
			continue;
		if (net->input_chw)
			write_rows(l, p, instance, input + cnn_count_bits(below) * pixels, bus);
		else
			write_pixels(l, p, instance, input, bus);
	}
}

/* The n-th set bit of a map. */
static unsigned nth_bit(uint64_t map, unsigned n)
{
	while (n-- > 0)
		map &= map - 1;
	return cnn_first_bit(map);
}

/* Address and byte lane of an output channel of a pixel. */
static uint32_t output_at(const struct cnn_layer *l, const struct cnn_place_layer *p,
			  uint32_t pixel, uint32_t channel, unsigned *lane)
{
	uint32_t chw[3], per_pass, passes, word;
	unsigned processor;

	cnn_layer_out_shape(l, chw);
	per_pass = cnn_per_pass(chw[0]);
	passes = cnn_passes(chw[0]);
	processor = nth_bit(p->out_processors, channel % per_pass);
	word = (pixel * passes + channel / per_pass) * (p->write_gap + 1u);
	if (l->out_bits == 32)
		word = 4 * word + processor % 4;
	*lane = l->out_bits == 32 ? 0 : processor % 4;
	return cnn_data_addr(processor / 4, p->out_offset / 4u + word);
}

uint32_t cnn_output_addr32(const struct cnn_layer *l, const struct cnn_place_layer *p,
			   uint32_t pixel, unsigned row)
{
	unsigned lane;

	return output_at(l, p, pixel, row, &lane);
}

void cnn_output_read(const struct cnn_net *net, const struct cnn_place *place, unsigned layer,
		     int32_t *out, const struct cnn_bus *bus)
{
	const struct cnn_layer *l = &net->layer[layer];
	uint32_t chw[3];
	unsigned lane;

	cnn_layer_out_shape(l, chw);
	for (uint32_t c = 0; c < chw[0]; c++)
		for (uint32_t n = 0; n < chw[1] * chw[2]; n++) {
			uint32_t addr = output_at(l, &place->layer[layer], n, c, &lane);
			uint32_t word = bus->read32(bus->ctx, addr);

			*out++ = l->out_bits == 32 ? (int32_t)word
						   : (int8_t)(word >> 8 * lane & 0xff);
		}
}
