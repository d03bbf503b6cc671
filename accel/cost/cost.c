#include "accel/cost/cost.h"

#include "accel/cost/cycles.h"
#include "accel/image/geometry.h"

/* Published for this device: 0.09 mJ per inference of a face network of 8.2 million
 * multiply-accumulates; everything the chip spent is in it, so it bounds from above. */
#define PICOJOULE_PER_MAC 11.0

static void convolution_shape(const struct cnn_layer *l, const struct cnn_geometry *g,
			      struct cnn_cycle_shape *s)
{
	uint32_t hw[2], chw[3];

	cnn_layer_pooled(l, hw);
	cnn_layer_out_shape(l, chw);
	s->out_w = g->tall_dilation ? g->width : chw[2];
	s->slots = g->slots;
	s->big_flatten = l->flatten && g->passes - 1 >= 16;
	if (g->tall_dilation) {
		s->pooled_h = g->height;
		s->pooled_w = g->width;
	} else if (l->op == CNN_OP_CONVT2D) {
		s->pooled_h = 2 * hw[0];
		s->pooled_w = 2 * hw[1];
	} else if (l->flatten) {
		/* Counted as if it ran over all pixels, one pass of the channels each. */
		s->passes = g->channel_passes;
		s->slots = l->out_channels;
		s->out_w = l->width;
	}
}

/* Groups of four processors in the fullest quadrant. */
static uint32_t timeslots(uint64_t map)
{
	uint32_t fullest = 0;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t n = cnn_count_bits(map >> (q * CNN_PER_QUADRANT) & 0xffff);

		fullest = n > fullest ? n : fullest;
	}
	return (fullest + 3) / 4;
}

uint32_t cnn_cost_placed_cycles(const struct cnn_layer *l, const struct cnn_place_layer *place)
{
	struct cnn_geometry g;
	uint32_t hw[2];
	struct cnn_cycle_shape s;
	bool pools = l->pool != CNN_POOL_NONE && (l->pool_h > 1 || l->pool_w > 1);
	uint64_t cycles;

	cnn_geometry_of(l, place->out_processors, &g);
	cnn_layer_pooled(l, hw);
	s = (struct cnn_cycle_shape){
		.pooled_h = hw[0],
		.pooled_w = hw[1],
		.pool_h = pools && l->pool_h > 1 ? l->pool_h : 1,
		.pool_w = pools && l->pool_w > 1 ? l->pool_w : 1,
		.kernel_h = g.kernel_h,
		.kernel_w = g.kernel_w,
		.pad_h = g.pad_h,
		.pad_w = g.pad_w,
		.passes = g.channel_passes,
		.operands = g.operands,
		.kernel_word = place->kernel_word,
		.timeslots = timeslots(place->in_processors),
		.combine_first = l->combine_first && g.operands > 1 && pools,
		.pass_through = g.pass_through,
	};
	if (!g.pass_through)
		convolution_shape(l, &g, &s);
	else if (pools && g.channel_passes > 1)
		s.passes = 2 * g.channel_passes - 1;
	else if (g.folded > 0)
		s.pooled_h *= g.folded, s.passes = 1;
	cycles = cnn_cycle_count(&s);
	if (l->streams) /* the vendor's guess: half as long again */
		cycles = (3 * cycles + 1) / 2;
	return cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX;
}

uint32_t cnn_cost_layer_cycles(const struct cnn_layer *l)
{
	uint32_t n = cnn_per_pass(l->in_channels);
	struct cnn_place_layer place = {
		.in_processors = n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1,
		.out_processors = cnn_geometry_out_map(l, 0),
	};

	return cnn_cost_placed_cycles(l, &place);
}

uint32_t cnn_cost_cycles(const struct cnn_net *net)
{
	uint64_t cycles = CNN_STARTUP_CYCLES;

	for (unsigned i = 0; i < net->layers; i++)
		cycles += cnn_cost_layer_cycles(&net->layer[i]);
	return cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX;
}

uint64_t cnn_cost_layer_macs(const struct cnn_layer *l)
{
	uint32_t chw[3];

	cnn_layer_out_shape(l, chw);
	return (uint64_t)cnn_layer_weights(l) * chw[1] * chw[2];
}

uint64_t cnn_cost_macs(const struct cnn_net *net)
{
	uint64_t macs = 0;

	for (unsigned i = 0; i < net->layers; i++)
		macs += cnn_cost_layer_macs(&net->layer[i]);
	return macs;
}

double cnn_cost_energy_uj(uint64_t macs)
{
	return (double)macs * PICOJOULE_PER_MAC * 1e-6;
}
