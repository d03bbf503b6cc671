/* Records that describe the network: net, input, layer, hw, latency. */
#include "accel/kat/parser.h"

enum { SIZE_MAX_TEXT = 65535 };

/* Reads keys one after the other; the first error sticks. */
struct keys {
	struct kat_parser *p;
	int err;
};

static int64_t number(struct keys *k, const char *key, int64_t min, int64_t max)
{
	int64_t value = 0;

	if (k->err == HV_OK)
		k->err = kat_key_int(k->p, key, min, max, &value);
	return k->err == HV_OK ? value : min;
}

static uint64_t hex(struct keys *k, const char *key, uint64_t max)
{
	uint64_t value = 0;

	if (k->err == HV_OK)
		k->err = kat_key_hex(k->p, key, max, &value);
	return k->err == HV_OK ? value : 0;
}

static void sizes(struct keys *k, const char *key, unsigned n, int64_t max, int64_t *value)
{
	for (unsigned i = 0; i < n; i++)
		value[i] = 0;
	if (k->err == HV_OK)
		k->err = kat_key_sizes(k->p, key, n, max, value);
}

static int name(struct keys *k, const char *key, const char *const *names)
{
	int which = 0;

	if (k->err == HV_OK)
		k->err = kat_key_name(k->p, key, names, &which);
	return which;
}

int kat_parse_net(struct kat_parser *p)
{
	struct keys k = { .p = p };
	struct kat *kat = p->k;

	if (p->has_net)
		return kat_bad(p, "second net record");
	p->layers = kat->net.layers = (unsigned)number(&k, "layers", 1, CNN_LAYERS_MAX);
	kat->net.avg_round = number(&k, "avg_pool_rounding", 0, 1) == 1;
	kat->net.fifo = number(&k, "fifo", 0, 1) == 1;
	(void)number(&k, "streaming", 0, 1); /* said again for every layer */
	kat->oneshot = number(&k, "oneshot", 0, 1) == 1;
	p->has_net = k.err == HV_OK;
	return k.err;
}

int kat_parse_input(struct kat_parser *p)
{
	static const char *const formats[] = { "hwc", "chw", NULL };
	struct keys k = { .p = p };
	struct cnn_net *net = &p->k->net;

	net->channels = (uint16_t)number(&k, "channels", 1, CNN_CHANNELS_MAX);
	net->height = (uint16_t)number(&k, "height", 1, CNN_ROWS_MAX);
	net->width = (uint16_t)number(&k, "width", 1, CNN_ROWS_MAX);
	net->input_chw = name(&k, "format", formats) == 1;
	p->has_input_shape = k.err == HV_OK;
	return k.err;
}

/* Number of the layer that a layer, hw or latency record is about. */
static int layer_number(struct kat_parser *p, uint32_t *seen, unsigned *index)
{
	int64_t value;
	int err;

	if (!p->has_net)
		return kat_bad(p, "no net record before this one");
	err = kat_decimal(p, "layer number", 0, (int64_t)p->layers - 1, &value);
	if (err < 0)
		return err;
	if ((*seen >> value & 1) != 0)
		return kat_bad(p, "second record of this kind for layer %d", (int)value);
	*seen |= UINT32_C(1) << value;
	*index = (unsigned)value;
	return HV_OK;
}

static void parse_sources(struct keys *k, struct cnn_layer *l)
{
	int64_t from[CNN_SOURCES_MAX] = { 0 };
	unsigned n = 1;

	if (k->err == HV_OK)
		k->err = kat_key_list(k->p, "from", CNN_FROM_INPUT, CNN_LAYERS_MAX - 1, from,
				      CNN_SOURCES_MAX, &n);
	l->from = (int)from[0];
	l->more_sources = (uint8_t)(n - 1);
	for (unsigned i = 1; i < n; i++)
		l->more_from[i - 1] = (int8_t)from[i];
}

/* One stride for both axes; an axis without room for a second step may say anything. */
static void parse_pool(struct keys *k, struct cnn_layer *l)
{
	static const char *const pools[] = { "none", "max", "avg", NULL };
	int64_t size[2], stride[2];

	l->pool = (enum cnn_pool)name(k, "pool", pools);
	sizes(k, "pool_size", 2, 255, size);
	sizes(k, "pool_stride", 2, 255, stride);
	l->pool_h = (uint8_t)size[0];
	l->pool_w = (uint8_t)size[1];
	l->pool_stride = (uint8_t)stride[0];
	if (k->err == HV_OK && l->op != CNN_OP_CONV1D && stride[0] != stride[1])
		k->err = kat_bad(k->p, "pool_stride differs between rows and columns");
}

static void parse_kernel(struct keys *k, struct cnn_layer *l)
{
	int64_t kernel[2], pad[2], stride[2], dilation[2], extra[2];

	sizes(k, "kernel", 2, 255, kernel);
	sizes(k, "pad", 2, 255, pad);
	sizes(k, "stride", 2, 255, stride);
	sizes(k, "dilation", 2, SIZE_MAX_TEXT, dilation);
	sizes(k, "output_pad", 2, 255, extra);
	l->kernel_h = (uint8_t)kernel[0];
	l->kernel_w = (uint8_t)kernel[1];
	l->pad_h = (uint8_t)pad[0];
	l->pad_w = (uint8_t)pad[1];
	l->dilation = (uint16_t)dilation[0];
	if (k->err == HV_OK && l->op == CNN_OP_CONVT2D &&
	    (stride[0] != 2 || stride[1] != 2 || extra[0] != 1 || extra[1] != 1))
		k->err =
			kat_bad(k->p, "transposed convolutions have stride 2x2 and output_pad 1x1");
	if (k->err == HV_OK && l->op != CNN_OP_CONVT2D &&
	    (stride[0] > 1 || (stride[1] > 1 && l->op != CNN_OP_CONV1D)))
		k->err = kat_bad(k->p, "stride of a convolution must be 1x1");
}

static void parse_result(struct keys *k, struct cnn_layer *l, int64_t out[3])
{
	static const char *const acts[] = { "none", "relu", "abs", NULL };

	l->weight_bits = (uint8_t)number(k, "wbits", 0, 8);
	l->shift = (int8_t)number(k, "shift", -15, 15);
	l->act = (enum cnn_act)name(k, "act", acts);
	l->out_bits = (uint8_t)number(k, "out_bits", 8, 32);
	l->is_output = number(k, "output", 0, 1) == 1;
	sizes(k, "out", 3, SIZE_MAX_TEXT, out);
	l->out_channels = (uint16_t)out[0];
}

int kat_parse_layer(struct kat_parser *p)
{
	static const char *const ops[] = { "linear",          "conv1d", "conv2d",
					   "convtranspose2d", "none",   NULL };
	static const char *const combinations[] = { "sub", "add", "or", "xor", "none", NULL };
	struct keys k = { .p = p };
	struct cnn_layer *l;
	int64_t in[3], out[3];
	uint32_t chw[3];
	unsigned i = 0;

	k.err = layer_number(p, &p->seen_layers, &i);
	l = &p->k->net.layer[i];
	l->op = (enum cnn_op)(CNN_OP_LINEAR + name(&k, "op", ops));
	parse_sources(&k, l);
	sizes(&k, "in", 3, SIZE_MAX_TEXT, in);
	l->in_channels = (uint16_t)in[0];
	l->height = (uint16_t)in[1];
	l->width = (uint16_t)in[2];
	l->operands = (uint8_t)number(&k, "operands", 1, 255);
	l->eltwise = (enum cnn_eltwise)name(&k, "eltwise", combinations);
	l->combine_first = number(&k, "pool_first", 0, 1) == 0;
	parse_pool(&k, l);
	l->flatten = number(&k, "flatten", 0, 1) == 1;
	parse_kernel(&k, l);
	parse_result(&k, l, out);
	p->has_bias[i] = number(&k, "bias", 0, 1) == 1;
	if (k.err < 0)
		return k.err;
	cnn_layer_out_shape(l, chw);
	if (chw[0] != out[0] || chw[1] != out[1] || chw[2] != out[2])
		return kat_bad(p, "out is %dx%dx%d, but the layer makes %ux%ux%u", (int)out[0],
			       (int)out[1], (int)out[2], (unsigned)chw[0], (unsigned)chw[1],
			       (unsigned)chw[2]);
	return HV_OK;
}

int kat_parse_place(struct kat_parser *p)
{
	struct keys k = { .p = p };
	struct cnn_place_layer *at;
	const char *text;
	size_t len = 0;
	unsigned i = 0;

	k.err = layer_number(p, &p->seen_places, &i);
	if (k.err == HV_OK && (p->seen_layers >> i & 1) == 0)
		return kat_bad(p, "hw record before the layer record");
	at = &p->k->place.layer[i];
	at->in_processors = hex(&k, "processors", UINT64_MAX);
	at->out_processors = hex(&k, "output_processors", UINT64_MAX);
	at->in_offset = (uint16_t)hex(&k, "in_offset", 0x7fff);
	at->out_offset = (uint16_t)hex(&k, "out_offset", 0x7fff);
	at->write_gap = (uint8_t)number(&k, "write_gap", 0, 255);
	at->kernel_word = (uint16_t)number(&k, "kernel_offset", 0, CNN_KERNEL_WORDS - 1);
	at->bias_first = (uint16_t)number(&k, "bias_offset", 0, CNN_BIAS_BYTES - 1);
	p->k->net.layer[i].streams = number(&k, "streaming", 0, 1) == 1;
	at->bias_quadrant = -1;
	if (k.err == HV_OK)
		k.err = kat_key_text(p, "bias_quadrant", &text, &len);
	if (k.err == HV_OK && (at->in_processors == 0 || at->out_processors == 0))
		return kat_bad(p, "a processor map is empty");
	if (k.err == HV_OK && !kat_word_is(text, len, "none"))
		at->bias_quadrant = (int8_t)number(&k, "bias_quadrant", 0, CNN_QUADRANTS - 1);
	return k.err;
}

int kat_parse_latency(struct kat_parser *p)
{
	struct keys k = { .p = p };
	const char *at = p->at, *word = NULL;
	size_t len = 0;
	unsigned i = 0;

	if (kat_word(p, &word, &len) && kat_word_is(word, len, "total")) {
		p->k->total_cycles = (uint32_t)number(&k, "cycles", 0, UINT32_MAX);
		p->k->startup_cycles = (uint32_t)number(&k, "startup", 0, UINT32_MAX);
		p->k->has_latency = true;
		return k.err;
	}
	p->at = at;
	k.err = layer_number(p, &p->seen_latency, &i);
	p->k->cycles[i] = (uint32_t)number(&k, "cycles", 0, UINT32_MAX);
	p->k->estimate[i] = number(&k, "estimate", 0, 1) == 1;
	p->k->macs[i] = (uint64_t)number(&k, "macc", 0, INT64_C(1) << 40);
	return k.err;
}
