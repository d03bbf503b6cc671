/* Description and place into layer registers. */
#include "accel/image/geometry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(char *why, size_t cap, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return HV_E_INVAL;
}

/* ---- is the place possible ---- */

/* With gaps only whole-word kernels of one pass agree with the kernel counter. */
static bool gaps_possible(const struct cnn_layer *l, const struct cnn_geometry *g)
{
	return g->pass_through ||
	       (g->kernel_h * g->kernel_w == 9 && l->weight_bits == 8 && g->passes == 1);
}

/* A quadrant writes from the first of four processors on: to its own part of the output map, or
 * behind quadrants that filled their groups. */
static bool pass_possible(const struct cnn_place_layer *p)
{
	unsigned before = cnn_first_bit(p->out_processors);

	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		unsigned n = cnn_count_bits(p->in_processors >> (q * CNN_PER_QUADRANT) & 0xffff);
		unsigned own = cnn_count_bits(p->out_processors >> (q * CNN_PER_QUADRANT) & 0xffff);

		if (n > 0 && n != own && before % 4 != 0)
			return false;
		before += n;
	}
	return true;
}

static bool is_contiguous(uint64_t map)
{
	return cnn_last_bit(map) - cnn_first_bit(map) + 1 == cnn_count_bits(map);
}

static int check_maps(const struct cnn_layer *l, const struct cnn_place_layer *p,
		      const struct cnn_geometry *g, unsigned i, char *why, size_t cap)
{
	if (p->in_processors == 0 || cnn_count_bits(p->in_processors) != g->per_pass)
		return refuse(why, cap, "layer %u: input map has %u processors, needs %u", i,
			      cnn_count_bits(p->in_processors), (unsigned)g->per_pass);
	if (cnn_count_bits(p->out_processors) != g->out_per_pass)
		return refuse(why, cap, "layer %u: output map has %u processors, needs %u", i,
			      cnn_count_bits(p->out_processors), (unsigned)g->out_per_pass);
	if (!is_contiguous(p->out_processors) && !gaps_possible(l, g))
		return refuse(why, cap,
			      "layer %u: output map has gaps, which only 3x3 kernels of 8 bits "
			      "and one pass allow",
			      i);
	if (g->pass_through && !pass_possible(p))
		return refuse(why, cap,
			      "layer %u: output map of a pass-through layer must be its input map, "
			      "packed quadrant by quadrant",
			      i);
	if (p->in_offset % 4 != 0 || p->out_offset % 4 != 0)
		return refuse(why, cap, "layer %u: data offsets must be multiples of 4", i);
	if (l->bias != NULL && (p->bias_quadrant < 0 || p->bias_quadrant >= CNN_QUADRANTS))
		return refuse(why, cap, "layer %u: bias has no quadrant", i);
	return HV_OK;
}

static int check_room(const struct cnn_layer *l, const struct cnn_place_layer *p,
		      const struct cnn_geometry *g, bool feeds_stream, unsigned i, char *why,
		      size_t cap)
{
	uint32_t out_words = cnn_geometry_out_words(l, g, p->write_gap);

	if (p->kernel_word + g->kernel_words > CNN_KERNEL_WORDS)
		return refuse(why, cap, "layer %u: kernel words %u..%u, there are %d", i,
			      p->kernel_word, (unsigned)(p->kernel_word + g->kernel_words - 1),
			      CNN_KERNEL_WORDS);
	if (l->bias != NULL && p->bias_first + g->slots > CNN_BIAS_BYTES + 3u * g->out_passes &&
	    p->bias_first + g->out_channels > CNN_BIAS_BYTES)
		return refuse(why, cap, "layer %u: bias bytes beyond %d", i, CNN_BIAS_BYTES);
	if (feeds_stream)
		out_words = 1; /* a ring, which the layer behind it has room for */
	if (p->out_offset / 4u + out_words > CNN_DATA_WORDS)
		return refuse(why, cap, "layer %u: output needs %u words from %u, there are %d", i,
			      (unsigned)out_words, p->out_offset / 4u, CNN_DATA_WORDS);
	if (p->out_offset / 4u < cnn_geometry_lead_words(l, g, p->write_gap))
		return refuse(why, cap, "layer %u: dilation needs %u words before the output", i,
			      (unsigned)cnn_geometry_lead_words(l, g, p->write_gap));
	if (g->out_passes * (p->write_gap + 1u) > 16)
		return refuse(why, cap, "layer %u: %u output passes with a gap of %u", i,
			      (unsigned)g->out_passes, p->write_gap);
	return HV_OK;
}

/* ---- registers ---- */

/* One layer being compiled. */
struct layer {
	const struct cnn_net *net;
	unsigned index;
	const struct cnn_layer *l;
	const struct cnn_place_layer *p;
	struct cnn_geometry g;
	uint8_t quadrants;
};

static uint32_t quadrant_bits(uint64_t map, unsigned q)
{
	return (uint32_t)(map >> (q * CNN_PER_QUADRANT) & 0xffff);
}

static bool pools(const struct cnn_layer *l)
{
	return l->pool != CNN_POOL_NONE && (l->pool_h > 1 || l->pool_w > 1);
}

static uint32_t count_register(uint32_t size, uint32_t pad, bool transposed)
{
	return ((transposed ? 2 : 1) * size - 1 + 2 * pad) | pad << 16;
}

static uint32_t reg_oned(const struct layer *y)
{
	const struct cnn_geometry *g = &y->g;
	uint32_t taps = g->kernel_h * g->kernel_w, value = 0, fullest = 0;

	if (g->pass_through) {
		for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
			uint32_t n = cnn_count_bits(quadrant_bits(y->p->in_processors, q));

			fullest = n > fullest ? n : fullest;
		}
		value = (fullest + 3) / 4 - 1;
	} else {
		value = CNN_KERNEL_WORD_BYTES * y->p->kernel_word % taps << 4;
	}
	if (!g->pass_through && y->l->op == CNN_OP_CONV1D && !g->tall_dilation)
		value |= 1u << 12 | g->kernel_h << 8;
	else if (taps == 1 && (!g->pass_through || g->operands == 1))
		value |= 1u << 8;
	if (g->operands > 1) {
		value |= 1u << 13 | (uint32_t)y->l->eltwise << 14 | (g->operands - 1) << 18;
		if (pools(y->l) && !y->l->combine_first)
			value |= 1u << 16;
		if (!g->pass_through)
			value |= 1u << 17;
	}
	return value;
}

/* Every quadrant of a pass-through layer writes its own processors' results: to its own part of
 * the output map when that has as many, else packed behind the quadrants before it. */
static uint32_t pass_instance(const struct cnn_place_layer *p, unsigned q)
{
	uint64_t before = (UINT64_C(1) << (q * CNN_PER_QUADRANT)) - 1;
	uint64_t mine = p->out_processors & (UINT64_C(0xffff) << (q * CNN_PER_QUADRANT));
	unsigned have = cnn_count_bits(quadrant_bits(p->in_processors, q));

	if (have == 0 || have == cnn_count_bits(mine))
		return mine != 0 ? cnn_first_bit(mine) / 4 : 0;
	return (cnn_first_bit(p->out_processors) + cnn_count_bits(p->in_processors & before)) / 4 &
	       15;
}

static uint32_t reg_wptr_base(const struct layer *y, unsigned q)
{
	uint32_t word =
		y->p->out_offset / 4u - cnn_geometry_lead_words(y->l, &y->g, y->p->write_gap);
	uint32_t first = cnn_first_bit(y->p->out_processors);

	return word | (y->g.pass_through ? pass_instance(y->p, q) : first / 4) << 13;
}

static uint32_t reg_wptr_toff(const struct layer *y)
{
	if (y->g.pass_through)
		return cnn_count_bits(y->p->in_processors) > 4 ||
				       (y->g.operands > 1 && y->g.channel_passes > 1)
			       ? 0x2000
			       : 0x800;
	return y->g.kernel_h * y->g.kernel_w == 1 && y->l->op != CNN_OP_CONV1D ? 1 : 0;
}

static uint32_t reg_lctl(const struct layer *y, unsigned q)
{
	const struct cnn_layer *l = y->l;
	uint32_t value = 1u << 5 | 1u << 11;

	if (y->net->input_chw && y->index == 0)
		value |= 1u << 6;
	if (pools(l))
		value |= 1u << 7;
	if (l->pool != CNN_POOL_AVG)
		value |= 1u << 8;
	if (l->act == CNN_ACT_RELU)
		value |= 1u << 9;
	if (l->out_bits == 32)
		value |= 1u << 16;
	for (unsigned t = 1; q == 0 && !y->g.pass_through && t < CNN_QUADRANTS; t++)
		if (quadrant_bits(y->p->in_processors, t) != 0 ||
		    (l->bias != NULL && y->p->bias_quadrant == (int)t))
			value |= 1u << (12 + t);
	return value;
}

static uint32_t reg_mcnt(const struct layer *y)
{
	const struct cnn_geometry *g = &y->g;
	uint32_t start, count = g->slots * g->passes;

	if (g->pass_through)
		return (g->passes - 1) * 8;
	start = 8 * (CNN_KERNEL_WORD_BYTES * y->p->kernel_word / (g->kernel_h * g->kernel_w));
	return start << 16 | (start + (count - 1) * y->l->weight_bits);
}

static uint32_t reg_tptr(const struct layer *y)
{
	const struct cnn_geometry *g = &y->g;
	uint32_t last = g->passes - 1, before = cnn_stream_line_offset(y->net, y->index);
	bool one_by_one = g->kernel_h * g->kernel_w == 1 && !g->pass_through;

	if (y->l->flatten && last >= 16)
		return last << 16 | (2 * last + 1);
	if ((y->l->op == CNN_OP_CONV1D && !g->tall_dilation) || (one_by_one && before == 0))
		return 0;
	return before << 16 | (before + cnn_line_span(y->l));
}

static uint32_t reg_post(const struct layer *y, unsigned q)
{
	static const uint8_t width_code[9] = { [1] = 1, [2] = 2, [4] = 3, [8] = 0 };
	const struct cnn_layer *l = y->l;
	uint32_t value = 0, magnitude = (uint32_t)(l->shift < 0 ? -l->shift : l->shift);

	if (y->g.pass_through)
		return y->g.operands > 1 ? 1u << 24 : 3u << 24;
	if (l->bias != NULL && y->p->bias_quadrant == (int)q)
		value |= 1u << 12 | y->p->bias_first;
	value |= magnitude << 13 | (uint32_t)(l->shift < 0) << 17;
	value |= (uint32_t)width_code[l->weight_bits] << 22;
	if (l->act == CNN_ACT_ABS)
		value |= 1u << 26;
	if (l->flatten && y->g.passes - 1 >= 16)
		value |= 1u << 27 | (y->g.passes - 1) >> 4 << 18;
	if (l->op == CNN_OP_CONVT2D)
		value |= 1u << 28;
	return value;
}

static uint32_t reg_en(const struct layer *y, unsigned q)
{
	uint32_t bits = quadrant_bits(y->p->in_processors, q);

	return y->g.pass_through ? bits : bits << 16 | bits;
}

static uint32_t reg_lctl2(const struct layer *y)
{
	const struct cnn_geometry *g = &y->g;
	uint32_t gap = y->p->write_gap;

	if (g->pass_through)
		return (g->passes - 1) | gap << 4;
	return ((g->passes - 1) & 0xf) | (g->out_passes * (gap + 1) - 1) << 4 |
	       (g->pass_slots - 1) * y->l->weight_bits << 8;
}

static uint32_t reg_value(const struct layer *y, unsigned reg, unsigned q)
{
	const struct cnn_geometry *g = &y->g;
	const struct cnn_layer *l = y->l;
	bool transposed = l->op == CNN_OP_CONVT2D;

	switch (reg) {
	case CNN_R_RCNT: return count_register(g->height, g->pad_h, transposed);
	case CNN_R_CCNT: return count_register(g->width, g->pad_w, transposed);
	case CNN_R_ONED: return reg_oned(y);
	case CNN_R_PRCNT: return pools(l) && l->pool_h > 1 ? l->pool_h - 1u : 0;
	case CNN_R_PCCNT: return pools(l) && l->pool_w > 1 ? l->pool_w - 1u : 0;
	case CNN_R_STRIDE: return cnn_layer_stride(l) - 1;
	case CNN_R_WPTR_BASE: return reg_wptr_base(y, q);
	case CNN_R_WPTR_TOFF: return reg_wptr_toff(y);
	case CNN_R_WPTR_MOFF: return g->pass_through ? 0 : CNN_DATA_WORDS;
	case CNN_R_WPTR_CHOFF:
		return !g->pass_through && g->out_passes > 1
			       ? l->out_bits / 8u * (y->p->write_gap + 1u)
			       : 0;
	case CNN_R_RPTR_BASE: return y->p->in_offset / 4u;
	case CNN_R_LCTL: return reg_lctl(y, q);
	case CNN_R_MCNT: return reg_mcnt(y);
	case CNN_R_TPTR: return reg_tptr(y);
	case CNN_R_EN: return reg_en(y, q);
	case CNN_R_POST: return reg_post(y, q);
	case CNN_R_LCTL2: return reg_lctl2(y);
	default: return cnn_stream_register(y->net, y->index, reg);
	}
}

/* Streaming start and delta registers exist for the first layers only. */
static bool reg_exists(unsigned reg, unsigned layer)
{
	return reg != CNN_R_IFRM && ((reg != CNN_R_STRM0 && reg != CNN_R_STRM1) || layer < 8);
}

static void list_registers(const struct layer *y, unsigned i, struct cnn_image *image)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		if ((y->quadrants >> q & 1) == 0)
			continue;
		for (unsigned reg = 0; reg < CNN_LAYER_REGS; reg++)
			if (reg_exists(reg, i))
				image->regs[image->n_regs++] = (struct cnn_reg_write){
					.quadrant = (uint8_t)q,
					.reg = (uint8_t)reg,
					.layer = (uint8_t)i,
					.value = reg_value(y, reg, q),
				};
	}
}

static int build_registers(const struct cnn_net *net, const struct cnn_place *place,
			   struct cnn_image *image, char *why, size_t cap)
{
	size_t most = (size_t)net->layers * CNN_QUADRANTS * CNN_LAYER_REGS;
	int err = HV_OK;

	image->regs = calloc(most, sizeof *image->regs);
	if (image->regs == NULL)
		return HV_E_NOMEM;
	for (unsigned i = 0; err == HV_OK && i < net->layers; i++) {
		struct layer y = { .net = net,
				   .index = i,
				   .l = &net->layer[i],
				   .p = &place->layer[i],
				   .quadrants = image->quadrants };

		if (y.p->out_processors == 0)
			return refuse(why, cap, "layer %u: output map is empty", i);
		cnn_geometry_of(y.l, y.p->out_processors, &y.g);
		err = check_maps(y.l, y.p, &y.g, i, why, cap);
		if (err == HV_OK)
			err = check_room(y.l, y.p, &y.g,
					 i + 1 < net->layers && net->layer[i + 1].streams, i, why,
					 cap);
		if (err == HV_OK)
			list_registers(&y, i, image);
	}
	return err;
}

/* Channels of the input select FIFOs by the quadrants of their processors. */
static void describe_fifo(const struct cnn_net *net, const struct cnn_place *place,
			  struct cnn_image *image)
{
	uint64_t map = place->layer[0].in_processors;
	uint32_t pixels = (uint32_t)net->height * net->width, enables = 0;

	if (!net->fifo)
		return;
	for (unsigned c = 0; c < net->channels; c++)
		if ((map >> (c % CNN_FIFOS * CNN_PER_QUADRANT) & 1) != 0)
			enables |= 1u << c % CNN_FIFOS;
	image->fifo_ctrl = 0x908 | enables << 12;
	image->frame = net->input_chw ? (pixels + 3) / 4 : pixels;
	image->ctrl_extra |= CNN_CTRL_FIFO;
	if (net->layer[0].streams)
		image->ctrl_extra |= CNN_CTRL_STREAM | CNN_CTRL_LILBUF;
}

int cnn_image_build(const struct cnn_net *net, const struct cnn_place *place,
		    uint8_t also_quadrants, struct cnn_image *image, char *why, size_t cap)
{
	struct cnn_image made = { .layers = net->layers,
				  .ctrl_extra = net->avg_round ? CNN_CTRL_POOLRND : 0 };
	int err;

	made.quadrants = (uint8_t)((cnn_place_quadrants(net, place) | also_quadrants) & 0xf);
	if (cap > 0)
		why[0] = '\0';
	describe_fifo(net, place, &made);
	err = build_registers(net, place, &made, why, cap);
	if (err == HV_OK)
		err = cnn_image_pack(net, place, &made);
	if (err < 0) {
		cnn_image_free(&made);
		return err;
	}
	*image = made;
	return HV_OK;
}

void cnn_image_free(struct cnn_image *image)
{
	for (size_t i = 0; i < image->n_kernels; i++)
		free(image->kernels[i].bytes);
	for (size_t i = 0; i < image->n_biases; i++)
		free(image->biases[i].bytes);
	free(image->kernels);
	free(image->biases);
	free(image->regs);
	*image = (struct cnn_image){ 0 };
}
