#include "accel/net/net.h"

#include <stdarg.h>
#include <stdio.h>

/* Where a refusal is written: one sentence naming layer, field, value and limit. */
struct report {
	char *why;
	size_t cap;
	unsigned layer;
};

static int refuse(const struct report *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(const struct report *r, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (r->cap > 0)
		snprintf(r->why, r->cap, "layer %u: %s", r->layer, text);
	return HV_E_INVAL;
}

static int range(const struct report *r, const char *field, long value, long min, long max)
{
	if (value >= min && value <= max)
		return HV_OK;
	return refuse(r, "%s is %ld, must be %ld..%ld", field, value, min, max);
}

/* A field whose 0 means 1. */
static int range01(const struct report *r, const char *field, long value, long max)
{
	return range(r, field, value, 0, max);
}

static int check_one_source(const struct cnn_net *net, const struct cnn_layer *l, unsigned i,
			    const struct report *r, uint32_t *channels)
{
	int from = cnn_layer_source(l, i);
	uint32_t chw[3] = { net->channels, net->height, net->width };

	if (from == CNN_FROM_INPUT && (net->input_chw || net->fifo) && r->layer != 0)
		return refuse(r,
			      "source %u is the network input in byte-sequential layout or from "
			      "the FIFO, which only layer 0 can read",
			      i);
	if (from != CNN_FROM_INPUT) {
		if (from < 0 || (unsigned)from >= r->layer)
			return refuse(r,
				      "source %u is layer %d, must be the input or an earlier "
				      "layer",
				      i, from);
		if (net->layer[from + 1].streams && r->layer != (unsigned)from + 1)
			return refuse(r,
				      "source %u is layer %d, whose output streams into layer %d "
				      "and is never whole",
				      i, from, from + 1);
		if (net->layer[from].out_bits != 8)
			return refuse(r,
				      "source %u is layer %d whose outputs have 32 bits; only "
				      "8-bit outputs can be read again",
				      i, from);
		cnn_layer_out_shape(&net->layer[from], chw);
	}
	if (chw[1] * chw[2] != (uint32_t)l->height * l->width)
		return refuse(r, "height x width is %ux%u, but source %u has %ux%u pixels",
			      l->height, l->width, i, (unsigned)chw[1], (unsigned)chw[2]);
	*channels += chw[0];
	return HV_OK;
}

static int check_sources(const struct cnn_net *net, const struct cnn_layer *l,
			 const struct report *r)
{
	uint32_t channels = 0, want = (uint32_t)l->in_channels * cnn_layer_operands(l);
	int err = range(r, "number of sources", cnn_layer_sources(l), 1, CNN_SOURCES_MAX);

	for (unsigned i = 0; err == HV_OK && i < cnn_layer_sources(l); i++)
		err = check_one_source(net, l, i, r, &channels);
	if (err == HV_OK && net->input_chw && l->from == CNN_FROM_INPUT && l->flatten &&
	    l->height * l->width > 1)
		return refuse(r, "flatten of the byte-sequential input; give it in pixel order");
	if (err == HV_OK && channels != want)
		return refuse(r, "in_channels x operands is %u, but the sources have %u channels",
			      (unsigned)want, (unsigned)channels);
	return err;
}

static int check_sizes(const struct cnn_layer *l, const struct report *r)
{
	int err = range(r, "in_channels", l->in_channels, 1, CNN_CHANNELS_MAX);

	if (err == HV_OK && l->op != CNN_OP_PASS)
		err = range(r, "out_channels", l->out_channels, 1,
			    l->bias != NULL ? CNN_BIAS_BYTES : CNN_CHANNELS_MAX);
	if (err == HV_OK)
		err = range(r, "height", l->height, 1, CNN_ROWS_MAX);
	if (err == HV_OK)
		err = range(r, "width", l->width, 1, CNN_ROWS_MAX);
	if (err == HV_OK && l->op == CNN_OP_CONV1D)
		err = range(r, "width of a conv1d layer", l->width, 1, 1);
	return err;
}

static int check_pool(const struct cnn_layer *l, const struct report *r)
{
	uint32_t hw[2];
	int err = range(r, "pool", (long)l->pool, CNN_POOL_NONE, CNN_POOL_AVG);

	if (err == HV_OK)
		err = range01(r, "pool_h", l->pool_h, 16);
	if (err == HV_OK)
		err = range01(r, "pool_w", l->pool_w, l->op == CNN_OP_CONV1D ? 1 : 16);
	if (err == HV_OK)
		err = range01(r, "pool_stride", l->pool_stride, 16);
	if (err != HV_OK)
		return err;
	cnn_layer_pooled(l, hw);
	if (hw[0] == 0 || hw[1] == 0)
		return refuse(r, "pool is %ux%u, larger than the %ux%u input", l->pool_h, l->pool_w,
			      l->height, l->width);
	if (l->op == CNN_OP_PASS && l->pool != CNN_POOL_NONE && l->in_channels > CNN_PROCESSORS &&
	    hw[0] * hw[1] != 1)
		return refuse(r,
			      "pooling alone of %u channels gives %ux%u; with more than %d "
			      "channels only 1x1 results are possible",
			      l->in_channels, (unsigned)hw[0], (unsigned)hw[1], CNN_PROCESSORS);
	return HV_OK;
}

static int check_operands(const struct cnn_layer *l, const struct report *r)
{
	int err = range01(r, "operands", l->operands, CNN_OPERANDS_MAX);

	if (err != HV_OK || cnn_layer_operands(l) == 1)
		return err;
	if (l->op == CNN_OP_CONV1D || l->flatten)
		return refuse(r, "operands is %u, but conv1d and flattened layers take 1",
			      l->operands);
	if (l->combine_first && l->pool != CNN_POOL_NONE && l->operands > 2)
		return refuse(r,
			      "operands is %u, but only 2 can be pooled after they were "
			      "combined",
			      l->operands);
	if (l->op != CNN_OP_PASS && l->in_channels > CNN_PROCESSORS &&
	    (l->operands > 2 || l->in_channels > 2 * CNN_PROCESSORS))
		return refuse(r, "%u operands of %u channels cannot be convolved in the same layer",
			      l->operands, l->in_channels);
	/* Those are run pass after pass as a taller image, which cannot be pooled. */
	if (l->op == CNN_OP_PASS && l->in_channels > CNN_PROCESSORS &&
	    (l->operands > 2 || l->in_channels > 2 * CNN_PROCESSORS) &&
	    (l->pool != CNN_POOL_NONE || cnn_layer_stride(l) != 1))
		return refuse(r, "%u operands of %u channels cannot be pooled in the same layer",
			      l->operands, l->in_channels);
	return range(r, "eltwise", (long)l->eltwise, CNN_ELT_SUB, CNN_ELT_XOR);
}

static int check_pads(const struct cnn_layer *l, const struct report *r, unsigned pad_h_max,
		      unsigned pad_w_max)
{
	int err = range(r, "pad_h", l->pad_h, 0, pad_h_max);

	return err == HV_OK ? range(r, "pad_w", l->pad_w, 0, pad_w_max) : err;
}

static int check_dilation(const struct cnn_layer *l, const struct report *r)
{
	unsigned k = cnn_layer_kernel_h(l), d = cnn_layer_dilation(l);
	int err = range01(r, "dilation", l->dilation, l->op == CNN_OP_CONV1D ? CNN_ROWS_MAX : 1);

	if (err != HV_OK || (k - 1) * d < 9)
		return err;
	if (k > 3)
		return refuse(r,
			      "dilation is %u with %u kernel rows; beyond a reach of 9 rows at "
			      "most 3 are possible",
			      d, k);
	if (l->pad_h != 0 || l->pool != CNN_POOL_NONE || cnn_layer_stride(l) != 1)
		return refuse(r,
			      "dilation is %u: beyond a reach of 9 rows neither padding nor "
			      "pooling is possible",
			      d);
	return HV_OK;
}

static int check_kernel(const struct cnn_layer *l, const struct report *r)
{
	unsigned kh = cnn_layer_kernel_h(l), kw = cnn_layer_kernel_w(l);
	unsigned pad_max = kh > 2 ? 2 : kh - 1;
	int err = HV_OK;

	switch (l->op) {
	case CNN_OP_PASS:
	case CNN_OP_LINEAR:
		if (kh != 1 || kw != 1)
			return refuse(r, "kernel is %ux%u, must be 1x1 here", kh, kw);
		err = check_pads(l, r, 0, 0);
		break;
	case CNN_OP_CONV1D:
		if (kh > 9 || kw != 1)
			return refuse(r, "kernel is %ux%u, must be 1..9 rows by 1", kh, kw);
		err = check_pads(l, r, pad_max, 0);
		break;
	case CNN_OP_CONV2D:
		if (kh != kw || (kh != 1 && kh != 3))
			return refuse(r, "kernel is %ux%u, must be 1x1 or 3x3", kh, kw);
		err = check_pads(l, r, pad_max, pad_max);
		break;
	case CNN_OP_CONVT2D:
		if (kh != 3 || kw != 3)
			return refuse(r, "kernel is %ux%u, must be 3x3", kh, kw);
		err = check_pads(l, r, 2, 2);
		break;
	}
	return err == HV_OK ? check_dilation(l, r) : err;
}

static int check_flatten(const struct cnn_layer *l, const struct report *r)
{
	uint32_t pixels = (uint32_t)l->height * l->width;

	if (!l->flatten)
		return HV_OK;
	if (l->op != CNN_OP_LINEAR)
		return refuse(r, "flatten is possible for linear layers only");
	if (l->pool != CNN_POOL_NONE || cnn_layer_stride(l) != 1)
		return refuse(r, "flatten and pooling are not possible in one layer");
	if (pixels > 256 || pixels * ((l->in_channels + 63u) / 64) > 256)
		return refuse(r, "flatten of %ux%ux%u takes more than 256 passes", l->in_channels,
			      l->height, l->width);
	return range(r, "flattened size", (long)(pixels * l->in_channels), 1, 16384);
}

static int check_weight_values(const struct cnn_layer *l, const struct report *r)
{
	size_t n = cnn_layer_weights(l);
	int max = (1 << (l->weight_bits - 1)) - 1, min = -max - 1;

	if (l->weights == NULL)
		return refuse(r, "weights are missing");
	for (size_t i = 0; i < n; i++)
		if (l->weights[i] < min || l->weights[i] > max)
			return refuse(r, "weight %zu is %d, must be %d..%d for %u bits", i,
				      l->weights[i], min, max, l->weight_bits);
	return HV_OK;
}

static int check_result(const struct cnn_layer *l, const struct report *r)
{
	bool wide = l->out_bits == 32;

	if (l->out_bits != 8 && !wide)
		return refuse(r, "out_bits is %u, must be 8 or 32", l->out_bits);
	if (l->act != CNN_ACT_NONE && (wide || l->op == CNN_OP_PASS))
		return refuse(r, "act is %d, but %s have no activation", (int)l->act,
			      wide ? "32-bit outputs" : "pass-through layers");
	if (l->op == CNN_OP_PASS)
		return wide || l->bias != NULL || l->shift != 0
			       ? refuse(r, "pass-through layers have 8-bit outputs, no bias and no "
					   "shift")
			       : HV_OK;
	if (l->weight_bits != 1 && l->weight_bits != 2 && l->weight_bits != 4 &&
	    l->weight_bits != 8)
		return refuse(r, "weight_bits is %u, must be 1, 2, 4 or 8", l->weight_bits);
	return range(r, "shift", l->shift, -15, 15);
}

static int check_shape(const struct cnn_layer *l, const struct report *r)
{
	uint32_t chw[3];

	cnn_layer_out_shape(l, chw);
	if (chw[1] == 0 || chw[2] == 0)
		return refuse(r, "the kernel is larger than the padded input");
	if (chw[1] > CNN_ROWS_MAX || chw[2] > CNN_ROWS_MAX)
		return refuse(r, "output is %ux%u, must be at most %dx%d", (unsigned)chw[1],
			      (unsigned)chw[2], CNN_ROWS_MAX, CNN_ROWS_MAX);
	return HV_OK;
}

static int check_streaming(const struct cnn_net *net, const struct cnn_layer *l,
			   const struct report *r)
{
	if (net->fifo && r->layer == 0 && (cnn_layer_operands(l) > 1 || l->flatten))
		return refuse(r, "the input of the FIFO is neither operands nor flattened");
	if (!l->streams)
		return HV_OK;
	if (!net->fifo)
		return refuse(r, "streaming needs an input that comes through the FIFO");
	if (l->op == CNN_OP_CONV1D && (cnn_layer_kernel_h(l) - 1) * cnn_layer_dilation(l) >= 9)
		return refuse(r, "streams, but its dilated kernel reaches over more than 9 rows");
	if (r->layer >= CNN_STREAM_LAYERS)
		return refuse(r, "only the first %d layers can stream", CNN_STREAM_LAYERS);
	if (l->from != (int)r->layer - 1 || cnn_layer_sources(l) != 1 || l->flatten)
		return refuse(r, "a streaming layer reads the layer before it alone, unflattened");
	if (r->layer > 0 && net->layer[r->layer - 1].is_output)
		return refuse(r, "streams, but the layer before it is an output");
	if (r->layer > 0 && !net->layer[r->layer - 1].streams)
		return refuse(r, "streams, but the layer before it does not");
	return HV_OK;
}

static int check_layer(const struct cnn_net *net, unsigned i, char *why, size_t cap)
{
	typedef int check_fn(const struct cnn_layer *, const struct report *);
	static check_fn *const checks[] = {
		check_sizes,   check_pool,   check_operands, check_kernel,
		check_flatten, check_result, check_shape,
	};
	const struct cnn_layer *l = &net->layer[i];
	struct report r = { .why = why, .cap = cap, .layer = i };
	int err = range(&r, "op", (long)l->op, CNN_OP_LINEAR, CNN_OP_PASS);

	for (size_t c = 0; err == HV_OK && c < sizeof checks / sizeof checks[0]; c++)
		err = checks[c](l, &r);
	if (err == HV_OK)
		err = check_sources(net, l, &r);
	if (err == HV_OK)
		err = check_streaming(net, l, &r);
	if (err == HV_OK && l->op != CNN_OP_PASS)
		err = check_weight_values(l, &r);
	return err;
}

static int refuse_net(char *why, size_t cap, const char *field, unsigned value, unsigned max)
{
	if (cap > 0)
		snprintf(why, cap, "network: %s is %u, must be 1..%u", field, value, max);
	return HV_E_INVAL;
}

/* Without an output the run would have no result. */
static bool has_output(const struct cnn_net *net)
{
	for (unsigned i = 0; i < net->layers; i++)
		if (net->layer[i].is_output)
			return true;
	return false;
}

int cnn_net_check(const struct cnn_net *net, char *why, size_t cap)
{
	int err = HV_OK;

	if (net->layers < 1 || net->layers > CNN_LAYERS_MAX)
		return refuse_net(why, cap, "number of layers", net->layers, CNN_LAYERS_MAX);
	if (net->channels < 1 || net->channels > CNN_CHANNELS_MAX)
		return refuse_net(why, cap, "input channels", net->channels, CNN_CHANNELS_MAX);
	if (net->height < 1 || net->height > CNN_ROWS_MAX)
		return refuse_net(why, cap, "input height", net->height, CNN_ROWS_MAX);
	if (net->width < 1 || net->width > CNN_ROWS_MAX)
		return refuse_net(why, cap, "input width", net->width, CNN_ROWS_MAX);
	if (net->input_chw && net->channels > CNN_INSTANCES)
		return refuse_net(why, cap, "input channels of the byte-sequential layout",
				  net->channels, CNN_INSTANCES);
	if (net->fifo && net->channels > (net->input_chw ? 4 : CNN_INSTANCES))
		return refuse_net(why, cap, "input channels of the FIFO", net->channels,
				  net->input_chw ? 4 : CNN_INSTANCES);
	for (unsigned i = 0; err == HV_OK && i < net->layers; i++)
		err = check_layer(net, i, why, cap);
	if (err == HV_OK && !has_output(net)) {
		if (cap > 0)
			snprintf(why, cap, "network: no layer is marked as output");
		return HV_E_INVAL;
	}
	return err;
}
