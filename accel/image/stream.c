/* Registers of layers that work while their input arrives. The units are those of the vendor's
 * generator; a functional model passes whole frames and needs none of them. */
#include "accel/image/geometry.h"

enum { BYTEWISE_RING = 12 };

struct stream {
	uint32_t start, delta1, delta2, volume;
};

static struct cnn_geometry shape_of(const struct cnn_layer *l)
{
	struct cnn_geometry g;

	cnn_geometry_of(l, cnn_geometry_out_map(l, 0), &g);
	return g;
}

static uint32_t pool_h(const struct cnn_layer *l)
{
	return l->pool != CNN_POOL_NONE && l->pool_h > 1 ? l->pool_h : 1;
}

static uint32_t pool_w(const struct cnn_layer *l)
{
	return l->pool != CNN_POOL_NONE && l->pool_w > 1 ? l->pool_w : 1;
}

static uint32_t stride_w(const struct cnn_layer *l)
{
	return l->op == CNN_OP_CONV1D ? 1 : cnn_layer_stride(l);
}

/* Pooled columns with their padding, as the line buffer holds them. */
static uint32_t padded_width(const struct cnn_layer *l)
{
	struct cnn_geometry g = shape_of(l);
	uint32_t hw[2];

	cnn_layer_pooled(l, hw);
	return (g.tall_dilation ? g.width : hw[1]) + 2 * g.pad_w;
}

static struct stream first_layer(const struct cnn_net *net)
{
	const struct cnn_layer *l = &net->layer[0];
	uint32_t pixels = (uint32_t)l->height * l->width;
	struct stream s = { 0 };

	if (!l->streams) {
		s.start = (net->input_chw ? (pixels + 3) / 4 : pixels) * pool_h(l);
		return s;
	}
	s.start = ((pool_h(l) - 1) * l->width + pool_w(l)) * pool_h(l);
	s.delta1 = stride_w(l) - 1;
	s.delta2 = (pool_h(l) - 1) * l->width;
	return s;
}

static struct stream later_layer(const struct cnn_net *net, unsigned layer)
{
	const struct cnn_layer *l = &net->layer[layer], *before = &net->layer[layer - 1];
	struct cnn_geometry g = shape_of(before);
	uint32_t width = padded_width(before), operands = cnn_layer_operands(l);
	struct stream s = { 0 };

	s.start = width * (g.kernel_h - 1 + pool_h(l) - 1) + g.kernel_w - 1 + pool_w(l) + 2;
	s.delta1 = stride_w(l) * operands;
	s.delta2 = (cnn_layer_stride(l) - 1) * width + pool_w(l) * operands;
	for (unsigned i = 0; i < layer; i++)
		s.volume += cnn_passes(net->layer[i].in_channels);
	return s;
}

static struct stream stream_of(const struct cnn_net *net, unsigned layer)
{
	if (layer == 0 && net->fifo)
		return first_layer(net);
	if (layer > 0 && net->layer[layer].streams)
		return later_layer(net, layer);
	return (struct stream){ 0 };
}

uint32_t cnn_stream_ring(const struct cnn_net *net, unsigned layer)
{
	const struct cnn_layer *l = &net->layer[layer];
	uint32_t passes = cnn_passes(l->in_channels), step, words;

	if (!l->streams)
		return 0;
	if (layer == 0 && net->input_chw)
		return (BYTEWISE_RING + passes - 1) / passes * passes;
	step = stride_w(l) > pool_w(l) ? stride_w(l) : pool_w(l);
	words = stream_of(net, layer).start + (pool_h(l) - 1) * l->width + step;
	return (words + passes - 1) / passes * passes;
}

uint32_t cnn_stream_register(const struct cnn_net *net, unsigned layer, unsigned reg)
{
	struct stream s;

	if (layer >= CNN_STREAM_LAYERS)
		return 0;
	s = stream_of(net, layer);
	switch (reg) {
	case CNN_R_STRM0: return s.start;
	case CNN_R_STRM1: return s.delta2 << 16 | s.delta1 << 4 | s.volume;
	case CNN_R_FBUF: return cnn_stream_ring(net, layer);
	default: return 0;
	}
}

uint32_t cnn_line_span(const struct cnn_layer *l)
{
	struct cnn_geometry g = shape_of(l);
	uint32_t hw[2], columns;

	if (g.pass_through)
		return 0;
	cnn_layer_pooled(l, hw);
	columns = padded_width(l);
	if (l->op == CNN_OP_CONVT2D)
		columns = (hw[1] - 1) * 2 + 1 + 1 + 2 * g.pad_w;
	return columns > g.kernel_w ? columns - g.kernel_w : 0;
}

uint32_t cnn_stream_line_offset(const struct cnn_net *net, unsigned layer)
{
	uint32_t sum = 0;

	if (layer == 0 || !net->layer[layer].streams)
		return 0;
	for (unsigned i = 0; i < layer; i++)
		sum += (cnn_line_span(&net->layer[i]) + 1) * cnn_passes(net->layer[i].in_channels);
	return sum;
}
