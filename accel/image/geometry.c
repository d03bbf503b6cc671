#include "accel/image/geometry.h"

uint32_t cnn_passes(uint32_t channels)
{
	return (channels + CNN_PROCESSORS - 1) / CNN_PROCESSORS;
}

uint32_t cnn_per_pass(uint32_t channels)
{
	uint32_t passes = cnn_passes(channels);

	if (passes == 1)
		return channels;
	return ((channels + passes - 1) / passes + 3) / 4 * 4;
}

unsigned cnn_first_bit(uint64_t map)
{
	return (unsigned)__builtin_ctzll(map);
}

unsigned cnn_last_bit(uint64_t map)
{
	return 63u - (unsigned)__builtin_clzll(map);
}

unsigned cnn_count_bits(uint64_t map)
{
	return (unsigned)__builtin_popcountll(map);
}

/* A short dilated kernel is stored with zeros between its taps; a long one becomes a 3x3 kernel
 * on an image with one column per phase. */
static void dilate(const struct cnn_layer *l, struct cnn_geometry *g)
{
	uint32_t d = cnn_layer_dilation(l), reach = (g->kernel_h - 1) * d;

	if (d == 1)
		return;
	if (reach < 9) {
		g->kernel_h = reach + 1;
		return;
	}
	g->tall_dilation = true;
	g->height = (g->height + d - 1) / d;
	g->width = d;
	g->pad_h = g->pad_w = 1;
	g->row_shift = g->kernel_h == 3 ? d : 0;
	g->kernel_h = g->kernel_w = 3;
}

static void input_side(const struct cnn_layer *l, struct cnn_geometry *g)
{
	g->height = l->height;
	g->width = l->width;
	g->pad_h = l->pad_h;
	g->pad_w = l->pad_w;
	g->kernel_h = cnn_layer_kernel_h(l);
	g->kernel_w = cnn_layer_kernel_w(l);
	g->channels = l->in_channels;
	g->operands = cnn_layer_operands(l);
	g->channel_passes = g->passes = cnn_passes(l->in_channels);
	g->per_pass = cnn_per_pass(l->in_channels);
	g->pass_through = l->op == CNN_OP_PASS;
	if (l->op == CNN_OP_CONVT2D) {
		g->pad_h = 2u - l->pad_h;
		g->pad_w = 2u - l->pad_w;
	}
	if (l->op == CNN_OP_CONV1D)
		dilate(l, g);
	if (l->flatten) {
		g->passes *= g->height * g->width;
		g->height = g->width = 1;
	}
	if (g->pass_through && g->operands > 1 && g->passes > 1 &&
	    (g->operands > 2 || g->passes > 2)) {
		g->folded = g->passes;
		g->height *= g->passes;
		g->passes = 1;
	}
}

/* The first slot belongs to the first of a group of four processors, used or not. */
static void output_side(const struct cnn_layer *l, uint64_t out_processors, struct cnn_geometry *g)
{
	unsigned first = cnn_first_bit(out_processors) / 4 * 4;
	uint32_t planes;

	g->slot_map = out_processors >> first;
	g->pass_slots = cnn_last_bit(out_processors) - first + 1;
	g->slots = g->pass_slots * g->out_passes;
	if (l->flatten) /* the last pass ends with the last channel */
		g->slots -= g->out_per_pass * g->out_passes - g->out_channels;
	planes = (g->slots * g->passes * l->weight_bits + 7) / 8;
	g->kernel_words = (planes * g->kernel_h * g->kernel_w + CNN_KERNEL_WORD_BYTES - 1) /
			  CNN_KERNEL_WORD_BYTES;
}

void cnn_geometry_of(const struct cnn_layer *l, uint64_t out_processors, struct cnn_geometry *g)
{
	uint32_t chw[3];

	*g = (struct cnn_geometry){ 0 };
	input_side(l, g);
	cnn_layer_out_shape(l, chw);
	g->out_channels = chw[0];
	g->out_passes = cnn_passes(chw[0]);
	g->out_per_pass = cnn_per_pass(chw[0]);
	if (!g->pass_through)
		output_side(l, out_processors, g);
}

bool cnn_geometry_channel(const struct cnn_geometry *g, uint32_t s, uint32_t *channel)
{
	uint32_t pass = s / g->pass_slots, pos = s % g->pass_slots;

	if ((g->slot_map >> pos & 1) == 0)
		return false;
	*channel =
		pass * g->out_per_pass + cnn_count_bits(g->slot_map & ((UINT64_C(1) << pos) - 1));
	return *channel < g->out_channels;
}

uint64_t cnn_geometry_out_map(const struct cnn_layer *l, unsigned first)
{
	uint32_t chw[3], n;

	cnn_layer_out_shape(l, chw);
	n = cnn_per_pass(chw[0]);
	return (n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1) << first;
}

uint32_t cnn_geometry_tap(const struct cnn_layer *l, const struct cnn_geometry *g, uint32_t row,
			  uint32_t column)
{
	if (g->tall_dilation)
		return (row + (cnn_layer_kernel_h(l) == 2 ? 1 : 0)) * 3 + 1;
	return row * cnn_layer_dilation(l) * g->kernel_w + column;
}

uint32_t cnn_geometry_lead_words(const struct cnn_layer *l, const struct cnn_geometry *g,
				 unsigned write_gap)
{
	return g->row_shift * g->out_passes * (write_gap + 1) * (l->out_bits == 32 ? 4 : 1);
}

uint32_t cnn_geometry_out_words(const struct cnn_layer *l, const struct cnn_geometry *g,
				unsigned write_gap)
{
	uint32_t chw[3], pixels;

	cnn_layer_out_shape(l, chw);
	pixels = chw[1] * chw[2];
	if (g->tall_dilation)
		pixels = g->height * g->width - g->row_shift;
	return ((pixels * g->out_passes - 1) * (write_gap + 1) + 1) * (l->out_bits == 32 ? 4 : 1);
}

uint8_t cnn_place_quadrants(const struct cnn_net *net, const struct cnn_place *place)
{
	uint64_t all = 1;
	uint8_t mask = 0;

	for (unsigned i = 0; i < net->layers; i++)
		all |= place->layer[i].in_processors | place->layer[i].out_processors;
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((all >> (q * CNN_PER_QUADRANT) & 0xffff) != 0)
			mask |= (uint8_t)(1u << q);
	return mask;
}
