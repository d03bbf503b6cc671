#include "tests/lib/accel_nets.h"

#include <stdlib.h>
#include <string.h>

enum { MACS_MAX = 200000, VALUES_MAX = 12000, CHAIN_MAX = 12 };

const struct cnn_room whole_device = { .kernel_words = CNN_KERNEL_WORDS,
				       .bias_count = CNN_BIAS_BYTES,
				       .data_words = CNN_DATA_WORDS };

unsigned rounds(unsigned short_n, unsigned long_n)
{
	const char *s = getenv("HARVEST_LONG");

	return s != NULL && strcmp(s, "1") == 0 ? long_n : short_n;
}

static bool chance(struct hv_rng *r, unsigned percent)
{
	return hv_rng_below(r, 100) < percent;
}

static unsigned between(struct hv_rng *r, unsigned lo, unsigned hi)
{
	return lo + hv_rng_below(r, hi - lo + 1);
}

/* Few channels mostly, several passes sometimes. */
static unsigned random_channels(struct hv_rng *r)
{
	if (chance(r, 80))
		return between(r, 1, 20);
	return chance(r, 80) ? between(r, 21, 140) : between(r, 141, 400);
}

/* ---- building ---- */

struct building {
	struct hv_rng *r;
	enum random_kind kind;
	struct cnn_net *net;
};

static struct cnn_layer *begin_layer(struct building *b, int from)
{
	struct cnn_net *net = b->net;
	struct cnn_layer *l = &net->layer[net->layers++];
	uint32_t chw[3] = { net->channels, net->height, net->width };

	if (from != CNN_FROM_INPUT)
		cnn_layer_out_shape(&net->layer[from], chw);
	*l = (struct cnn_layer){ .op = CNN_OP_LINEAR,
				 .from = from,
				 .in_channels = (uint16_t)chw[0],
				 .height = (uint16_t)chw[1],
				 .width = (uint16_t)chw[2],
				 .out_bits = 8 };
	return l;
}

static void random_result(struct building *b, struct cnn_layer *l)
{
	static const uint8_t widths[] = { 1, 2, 4, 8, 8, 8 };

	l->out_channels = (uint16_t)random_channels(b->r);
	l->weight_bits = widths[hv_rng_below(b->r, sizeof widths)];
	l->shift = (int8_t)((int)between(b->r, 0, 9) - 5 + (l->weight_bits < 8 ? 4 : 0));
	l->act = (enum cnn_act)hv_rng_below(b->r, 3);
}

/* 1..4, within a size that may be 0 in a network that will be refused. */
static uint8_t window(struct building *b, unsigned size)
{
	return (uint8_t)between(b->r, 1, size < 1 ? 1 : size < 4 ? size : 4);
}

static void random_pool(struct building *b, struct cnn_layer *l)
{
	bool columns = l->op != CNN_OP_CONV1D && l->width > 1;

	l->pool = chance(b->r, 50) ? CNN_POOL_MAX : CNN_POOL_AVG;
	l->pool_h = window(b, l->height);
	l->pool_w = columns ? window(b, l->width) : 1;
	l->pool_stride = (uint8_t)between(b->r, 1, 3);
	if (chance(b->r, 10)) {
		l->pool = CNN_POOL_NONE; /* sub-sampling */
		l->pool_h = l->pool_w = 1;
	}
}

static void random_conv1d(struct building *b, struct cnn_layer *l)
{
	l->op = CNN_OP_CONV1D;
	l->kernel_h = (uint8_t)between(b->r, 1, 9);
	l->kernel_w = 1;
	l->pad_h = (uint8_t)hv_rng_below(b->r, l->kernel_h > 2 ? 3 : l->kernel_h);
	if (chance(b->r, 30))
		random_pool(b, l);
	if (!chance(b->r, 25))
		return;
	l->dilation = (uint16_t)between(b->r, 2, 12);
	if ((l->kernel_h - 1u) * l->dilation < 9)
		return;
	l->kernel_h = (uint8_t)between(b->r, 2, 3);
	l->pad_h = 0;
	l->pool = CNN_POOL_NONE;
	l->pool_stride = 0;
}

static void random_conv2d(struct building *b, struct cnn_layer *l)
{
	l->op = CNN_OP_CONV2D;
	l->kernel_h = l->kernel_w = chance(b->r, 30) ? 1 : 3;
	if (l->kernel_h == 3) {
		l->pad_h = (uint8_t)hv_rng_below(b->r, 3);
		l->pad_w = (uint8_t)hv_rng_below(b->r, 3);
	}
	if (chance(b->r, 30))
		random_pool(b, l);
}

static void random_transposed(struct building *b, struct cnn_layer *l)
{
	l->op = CNN_OP_CONVT2D;
	l->kernel_h = l->kernel_w = 3;
	l->pad_h = (uint8_t)hv_rng_below(b->r, 3);
	l->pad_w = (uint8_t)hv_rng_below(b->r, 3);
}

static void random_operation(struct building *b, struct cnn_layer *l)
{
	unsigned what = b->kind == NETS_LINEAR ? 0 : hv_rng_below(b->r, 6);

	random_result(b, l);
	if (what == 1 && l->width == 1)
		random_conv1d(b, l);
	else if (what == 2 || what == 1)
		random_conv2d(b, l);
	else if (what == 3 && l->height < 12 && l->width < 12)
		random_transposed(b, l);
	else if (what == 4) {
		l->op = CNN_OP_PASS;
		l->act = CNN_ACT_NONE;
		l->weight_bits = 0;
		l->shift = 0;
		random_pool(b, l);
	} else if (what == 5) {
		random_pool(b, l);
	} else if (chance(b->r, 25)) {
		l->flatten = true;
	}
}

/* Several layers side by side, then one that takes them together. */
static void random_join(struct building *b, int from)
{
	bool operands = chance(b->r, 60);
	unsigned n = between(b->r, 2, 4), channels = between(b->r, 1, 5) * 4, first;
	struct cnn_layer *l;

	first = b->net->layers;
	if (operands && chance(b->r, 20))
		channels = between(b->r, 65, 90); /* several passes of several operands */
	for (unsigned i = 0; i < n; i++) {
		l = begin_layer(b, from);
		random_result(b, l);
		l->out_channels = (uint16_t)channels;
	}
	l = begin_layer(b, (int)first);
	if (operands)
		l->operands = (uint8_t)n;
	else
		l->in_channels = (uint16_t)(n * channels);
	l->more_sources = (uint8_t)(n - 1);
	for (unsigned i = 1; i < n; i++)
		l->more_from[i - 1] = (int8_t)(first + i);
	random_operation(b, l);
	if (l->op == CNN_OP_CONV1D)
		l->op = CNN_OP_CONV2D, l->kernel_h = 1, l->pad_h = 0, l->dilation = 0;
	l->flatten = false;
	l->eltwise = (enum cnn_eltwise)hv_rng_below(b->r, 4);
	l->combine_first = operands && n == 2 && chance(b->r, 50);
}

/* A wide layer whose passes are the operands of the next one. */
static void random_split(struct building *b, int from)
{
	unsigned n = between(b->r, 2, 3), each = between(b->r, 12, 16) * 4;
	struct cnn_layer *l = begin_layer(b, from);

	random_result(b, l);
	l->out_channels = (uint16_t)(n * each > 64 * (n - 1) ? n * each : n * 64);
	each = l->out_channels / n;
	l = begin_layer(b, (int)b->net->layers - 1);
	l->in_channels = (uint16_t)each;
	l->operands = (uint8_t)n;
	random_operation(b, l);
	if (l->op == CNN_OP_CONV1D)
		l->op = CNN_OP_CONV2D, l->kernel_h = 1, l->pad_h = 0, l->dilation = 0;
	l->flatten = false;
	l->eltwise = (enum cnn_eltwise)hv_rng_below(b->r, 4);
}

static void random_input(struct building *b)
{
	struct cnn_net *net = b->net;
	bool flat = chance(b->r, 60);

	net->channels = (uint16_t)random_channels(b->r);
	net->height = (uint16_t)between(b->r, 1, flat ? 40 : 12);
	net->width = (uint16_t)(flat ? 1 : between(b->r, 1, 12));
	net->input_chw = net->channels <= CNN_INSTANCES && chance(b->r, 20);
	net->avg_round = chance(b->r, 30);
	net->fifo = b->kind == NETS_ANY && net->channels <= (net->input_chw ? 4 : 16) &&
		    chance(b->r, 25);
}

/* Outputs: the last layer, and everything that nobody reads. */
static void mark_outputs(struct building *b)
{
	struct cnn_net *net = b->net;
	bool read[CNN_LAYERS_MAX] = { false };

	for (unsigned i = 0; i < net->layers; i++)
		for (unsigned s = 0; s < cnn_layer_sources(&net->layer[i]); s++)
			if (cnn_layer_source(&net->layer[i], s) >= 0)
				read[cnn_layer_source(&net->layer[i], s)] = true;
	for (unsigned i = 0; i < net->layers; i++) {
		struct cnn_layer *l = &net->layer[i];

		l->is_output = !read[i];
		if (!read[i] && l->op != CNN_OP_PASS && chance(b->r, 50)) {
			l->out_bits = 32;
			l->act = CNN_ACT_NONE;
		}
	}
}

/* Some of the first layers of a chain work while their input arrives. */
static void random_streaming(struct building *b)
{
	struct cnn_net *net = b->net;
	unsigned n = net->fifo ? hv_rng_below(b->r, 4) : 0;

	for (unsigned i = 0; i < n && i < net->layers; i++) {
		struct cnn_layer *l = &net->layer[i];

		if (l->flatten || l->dilation > 1 || cnn_layer_sources(l) > 1 ||
		    l->from != (int)i - 1 || (i > 0 && net->layer[i - 1].is_output))
			return;
		l->streams = true;
	}
}

static void build(struct building *b)
{
	unsigned layers = between(b->r, 1, CHAIN_MAX);
	int last = CNN_FROM_INPUT;

	random_input(b);
	while (b->net->layers < layers) {
		bool fan = b->net->layers > 0 && !b->net->input_chw && !b->net->fifo &&
			   chance(b->r, 15);

		if (b->kind == NETS_ANY && chance(b->r, 15) &&
		    !(last == CNN_FROM_INPUT && (b->net->input_chw || b->net->fifo)))
			random_join(b, last);
		else if (b->kind == NETS_ANY && chance(b->r, 4))
			random_split(b, last);
		else
			random_operation(b, begin_layer(b, fan ? CNN_FROM_INPUT : last));
		last = (int)b->net->layers - 1;
	}
	mark_outputs(b);
	random_streaming(b);
}

/* ---- weights, and whether it is small enough ---- */

static void fill(struct hv_rng *r, int8_t *v, size_t n, unsigned bits)
{
	for (size_t i = 0; i < n; i++)
		v[i] = (int8_t)((int)hv_rng_below(r, 1u << bits) - (1 << (bits - 1)));
}

/* Layers that are impossible in themselves are found before weights are made for them. */
static bool is_small(const struct cnn_net *net)
{
	uint64_t macs = 0, values = 0;

	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];
		uint32_t chw[3];

		if (l->height == 0 || l->width == 0 || l->in_channels == 0)
			return false;
		cnn_layer_out_shape(l, chw);
		values += (uint64_t)chw[0] * chw[1] * chw[2];
		macs += (uint64_t)cnn_layer_weights(l) * chw[1] * chw[2];
		if (chw[1] == 0 || chw[2] == 0 || chw[1] > 100 || chw[2] > 100)
			return false;
	}
	return macs <= MACS_MAX && values <= VALUES_MAX &&
	       (uint64_t)net->channels * net->height * net->width <= VALUES_MAX;
}

void random_net_fill(struct hv_rng *r, struct random_net *n)
{
	for (unsigned i = 0; i < n->net.layers; i++) {
		struct cnn_layer *l = &n->net.layer[i];
		size_t count = cnn_layer_weights(l);

		if (l->op == CNN_OP_PASS)
			continue;
		n->weights[i] = malloc(count);
		fill(r, n->weights[i], count, l->weight_bits);
		l->weights = n->weights[i];
		if (!chance(r, 40) || l->out_channels > 100)
			continue;
		n->bias[i] = malloc(l->out_channels);
		fill(r, n->bias[i], l->out_channels, 8);
		l->bias = n->bias[i];
	}
	n->input = malloc((size_t)n->net.channels * n->net.height * n->net.width);
	fill(r, n->input, (size_t)n->net.channels * n->net.height * n->net.width, 8);
}

void random_net_make(struct hv_rng *r, enum random_kind kind, struct random_net *n)
{
	char why[200];

	for (;;) {
		struct building b = { .r = r, .kind = kind, .net = &n->net };

		memset(n, 0, sizeof *n);
		build(&b);
		if (!is_small(&n->net))
			continue;
		random_net_fill(r, n);
		if (cnn_net_check(&n->net, why, sizeof why) == HV_OK)
			return;
		random_net_free(n);
	}
}

void random_net_free(struct random_net *n)
{
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++) {
		free(n->weights[i]);
		free(n->bias[i]);
	}
	free(n->input);
	memset(n, 0, sizeof *n);
}

struct cnn_room random_room(struct hv_rng *r)
{
	struct cnn_room room;

	room.kernel_first = (uint16_t)hv_rng_below(r, 500);
	room.kernel_words = (uint16_t)between(r, 100, CNN_KERNEL_WORDS - room.kernel_first);
	room.bias_first = (uint16_t)hv_rng_below(r, 300);
	room.bias_count = (uint16_t)between(r, 20, CNN_BIAS_BYTES - room.bias_first);
	room.data_first = (uint16_t)hv_rng_below(r, 4000);
	room.data_words = (uint16_t)between(r, 1000, CNN_DATA_WORDS - room.data_first);
	return room;
}

/* ---- bus ---- */

static void write32(void *ctx, uint32_t addr, uint32_t value)
{
	cnn_emu_write32(ctx, addr, value);
}

static void write8(void *ctx, uint32_t addr, uint8_t value)
{
	cnn_emu_write8(ctx, addr, value);
}

static uint32_t read32(void *ctx, uint32_t addr)
{
	return cnn_emu_read32(ctx, addr);
}

struct cnn_bus bus_of_emu(struct cnn_emu *e)
{
	return (struct cnn_bus){ .ctx = e, .write32 = write32, .write8 = write8, .read32 = read32 };
}
