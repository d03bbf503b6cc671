#include "accel/import/reader.h"

#include <string.h>

static unsigned line_of(const struct import_layer *in, enum import_key k)
{
	return import_has(in, k) ? in->v[k].line : in->line;
}

static int64_t value_or(const struct import_layer *in, enum import_key k, int64_t absent)
{
	return import_has(in, k) ? in->v[k].a : absent;
}

/* ---- operation ---- */

static int take_kernel(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	const struct import_value *k = &in->v[KEY_KERNEL];
	int64_t rows = k->a, columns = k->b;

	if (k->line == 0) {
		rows = l->op == CNN_OP_CONV1D ? 9 : 3;
		columns = l->op == CNN_OP_CONV1D ? 1 : 3;
	} else if (columns == 0 && l->op == CNN_OP_CONV1D) {
		columns = 1;
	}
	if (l->op == CNN_OP_PASS || l->op == CNN_OP_LINEAR) {
		if (k->line != 0 && rows != 1)
			return import_refuse(r, k->line, "kernel_size is %lld, must be 1 here",
					     (long long)rows);
		rows = columns = 1;
	}
	if (columns == 0)
		return import_refuse(r, k->line,
				     "kernel_size is %lld, must be ROWSxCOLUMNS for two dimensions",
				     (long long)rows);
	l->kernel_h = (uint8_t)rows;
	l->kernel_w = (uint8_t)columns;
	return HV_OK;
}

static int take_stride(struct reader *r, const struct import_layer *in, const struct cnn_layer *l)
{
	int64_t want = l->op == CNN_OP_CONVT2D ? 2 : 1;
	int64_t pad = l->op == CNN_OP_CONVT2D ? 1 : 0;
	const struct import_value *s = &in->v[KEY_STRIDE], *p = &in->v[KEY_OUTPUT_PAD];

	if (s->line != 0 && (s->a != want || (s->b != want && l->op != CNN_OP_CONV1D)))
		return import_refuse(r, s->line,
				     "stride is %lld, must be %lld here; pool_stride "
				     "can be larger",
				     (long long)(s->a != want ? s->a : s->b), (long long)want);
	if (p->line != 0 && (p->a != pad || p->b != pad))
		return import_refuse(r, p->line, "output_pad is %lld, must be %lld here",
				     (long long)p->a, (long long)pad);
	return HV_OK;
}

static void take_pad(const struct import_layer *in, struct cnn_layer *l)
{
	bool pads = l->op != CNN_OP_PASS && l->op != CNN_OP_LINEAR;

	l->pad_h = l->pad_w = pads ? 1 : 0;
	if (import_has(in, KEY_PAD)) {
		l->pad_h = (uint8_t)in->v[KEY_PAD].a;
		l->pad_w = (uint8_t)in->v[KEY_PAD].b;
	}
	if (l->op == CNN_OP_CONV1D)
		l->pad_w = 0;
}

static int take_operands(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	int64_t op = value_or(in, KEY_OP, CNN_OP_CONV2D);
	bool combines = op >= OP_ELTWISE || import_has(in, KEY_ELTWISE);

	l->op = op >= OP_ELTWISE ? CNN_OP_PASS : (enum cnn_op)op;
	if (!combines && import_has(in, KEY_OPERANDS))
		return import_refuse(r, in->v[KEY_OPERANDS].line,
				     "operands is given, but no eltwise that combines them");
	if (!combines)
		return HV_OK;
	l->eltwise = (enum cnn_eltwise)value_or(in, KEY_ELTWISE, op - OP_ELTWISE);
	l->operands = (uint8_t)value_or(in, KEY_OPERANDS, 2);
	return HV_OK;
}

static int take_pool(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	const struct import_value *max = &in->v[KEY_MAX_POOL], *avg = &in->v[KEY_AVG_POOL];
	const struct import_value *size = max->line != 0 ? max : avg;
	const struct import_value *stride = &in->v[KEY_POOL_STRIDE];
	bool flat = l->op == CNN_OP_CONV1D || (l->op == CNN_OP_PASS && l->width == 1);

	if (max->line != 0 && avg->line != 0)
		return import_refuse(r, avg->line, "both max_pool and avg_pool are given");
	if (size->line != 0) {
		l->pool = max->line != 0 ? CNN_POOL_MAX : CNN_POOL_AVG;
		l->pool_h = (uint8_t)size->a;
		l->pool_w = flat ? 1 : (uint8_t)size->b;
	}
	if (stride->line != 0 && stride->a != stride->b && !flat)
		return import_refuse(r, stride->line,
				     "pool_stride is %lldx%lld, must be the same both ways",
				     (long long)stride->a, (long long)stride->b);
	l->pool_stride = (uint8_t)value_or(in, KEY_POOL_STRIDE, 1);
	l->combine_first = value_or(in, KEY_POOL_FIRST, 1) == 0;
	if (l->combine_first && (l->pool == CNN_POOL_NONE || cnn_layer_operands(l) == 1))
		return import_refuse(r, in->v[KEY_POOL_FIRST].line,
				     "pool_first is false, which takes pooling and eltwise");
	return HV_OK;
}

static int take_result(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	int64_t bits = value_or(in, KEY_QUANTIZATION, 8);
	int64_t width = value_or(in, KEY_OUTPUT_WIDTH, 8);

	if (bits != 1 && bits != 2 && bits != 4 && bits != 8)
		return import_refuse(r, in->v[KEY_QUANTIZATION].line,
				     "quantization is %lld, must be 1, 2, 4 or 8", (long long)bits);
	if (width != 8 && width != 32)
		return import_refuse(r, in->v[KEY_OUTPUT_WIDTH].line,
				     "output_width is %lld, must be 8 or 32", (long long)width);
	if (l->op == CNN_OP_PASS)
		bits = 8; /* there are no weights: no hidden shift */
	l->weight_bits = l->op == CNN_OP_PASS ? 0 : (uint8_t)bits;
	l->shift = (int8_t)(value_or(in, KEY_OUTPUT_SHIFT, 0) + 8 - bits);
	l->out_bits = (uint8_t)width;
	l->act = (enum cnn_act)value_or(in, KEY_ACTIVATE, CNN_ACT_NONE);
	l->streams = value_or(in, KEY_STREAMING, 0) != 0;
	if (l->streams)
		r->im->net.fifo = true;
	return HV_OK;
}

static int take_dilation(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	const struct import_value *d = &in->v[KEY_DILATION];

	l->dilation = (uint16_t)value_or(in, KEY_DILATION, 1);
	if (d->line != 0 && l->op != CNN_OP_CONV1D && d->a != d->b)
		return import_refuse(r, d->line, "dilation is %lldx%lld, must be 1 here",
				     (long long)d->a, (long long)d->b);
	return HV_OK;
}

/* ---- sources ---- */

static void source_shape(const struct reader *r, int from, uint32_t chw[3])
{
	const struct cnn_net *net = &r->im->net;

	if (from == CNN_FROM_INPUT) {
		chw[0] = net->channels;
		chw[1] = net->height;
		chw[2] = net->width;
	} else {
		cnn_layer_out_shape(&net->layer[from], chw);
	}
}

/* The sources, together: channels of all, rows and columns of each. */
static int take_sources(struct reader *r, const struct import_layer *in, struct cnn_layer *l,
			uint32_t chw[3])
{
	unsigned n = in->sources > 0 ? in->sources : 1;

	l->from = in->sources > 0 ? in->from[0] : r->at - 1;
	source_shape(r, l->from, chw);
	for (unsigned i = 1; i < n; i++) {
		uint32_t next[3];

		l->more_from[i - 1] = (int8_t)in->from[i];
		source_shape(r, in->from[i], next);
		chw[0] += next[0];
		if ((next[1] != chw[1] || next[2] != chw[2]) && !import_has(in, KEY_IN_DIM))
			return import_refuse(r, line_of(in, KEY_IN_SEQUENCES),
					     "in_sequences joins %ux%u with %ux%u; give in_dim",
					     (unsigned)chw[1], (unsigned)chw[2], (unsigned)next[1],
					     (unsigned)next[2]);
	}
	l->more_sources = (uint8_t)(n - 1);
	return HV_OK;
}

/* in_channels counts one operand; of a flattened layer all values. */
static int check_in_channels(struct reader *r, const struct import_layer *in,
			     const struct cnn_layer *l)
{
	int64_t want = l->in_channels;

	if (l->flatten)
		want *= (int64_t)l->height * l->width;
	if (!import_has(in, KEY_IN_CHANNELS) || in->v[KEY_IN_CHANNELS].a == want)
		return HV_OK;
	return import_refuse(r, in->v[KEY_IN_CHANNELS].line,
			     "in_channels is %lld, but what the layer reads has %lld",
			     (long long)in->v[KEY_IN_CHANNELS].a, (long long)want);
}

static int take_input(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	uint32_t chw[3];
	int err = take_sources(r, in, l, chw);
	unsigned operands = cnn_layer_operands(l);

	if (err < 0)
		return err;
	if (import_has(in, KEY_IN_DIM)) {
		chw[1] = (uint32_t)in->v[KEY_IN_DIM].a;
		chw[2] = (uint32_t)in->v[KEY_IN_DIM].b;
	}
	if (chw[0] % operands != 0)
		return import_refuse(r, line_of(in, KEY_OPERANDS),
				     "operands is %u, but what the layer reads has %u channels",
				     operands, (unsigned)chw[0]);
	chw[0] /= operands;
	if (chw[0] < 1 || chw[0] > CNN_CHANNELS_MAX || chw[1] < 1 || chw[1] > CNN_ROWS_MAX ||
	    chw[2] < 1 || chw[2] > CNN_ROWS_MAX)
		return import_refuse(r, line_of(in, KEY_IN_DIM),
				     "input is %ux%ux%u, must be at most %dx%dx%d",
				     (unsigned)chw[0], (unsigned)chw[1], (unsigned)chw[2],
				     CNN_CHANNELS_MAX, CNN_ROWS_MAX, CNN_ROWS_MAX);
	l->in_channels = (uint16_t)chw[0];
	l->height = (uint16_t)chw[1];
	l->width = (uint16_t)chw[2];
	l->flatten = value_or(in, KEY_FLATTEN, 0) != 0;
	return check_in_channels(r, in, l);
}

/* ---- all ---- */

static int take_format(struct reader *r, const struct import_layer *in)
{
	if (value_or(in, KEY_FORMAT, 0) == 0)
		return HV_OK;
	if (r->at != 0)
		return import_refuse(r, in->v[KEY_FORMAT].line,
				     "data_format is CHW, which only the first layer can read");
	r->im->net.input_chw = true;
	return HV_OK;
}

static int take_weights(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	int64_t out = value_or(in, KEY_OUT_CHANNELS, 0);
	int err = HV_OK;

	if (l->op == CNN_OP_PASS)
		l->out_channels = l->in_channels;
	else
		err = import_weights(r, l);
	if (err == HV_OK && out != 0 && out != l->out_channels)
		err = import_refuse(r, in->v[KEY_OUT_CHANNELS].line,
				    "out_channels is %lld, but the layer makes %u", (long long)out,
				    l->out_channels);
	return err;
}

static int take_layer(struct reader *r, const struct import_layer *in, struct cnn_layer *l)
{
	typedef int step(struct reader *, const struct import_layer *, struct cnn_layer *);
	static step *const steps[] = {
		take_operands, take_input,  take_kernel,  take_pool,
		take_dilation, take_result, take_weights,
	};
	int err = take_format(r, in);

	for (size_t i = 0; err == HV_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
		err = steps[i](r, in, l);
	take_pad(in, l);
	return err == HV_OK ? take_stride(r, in, l) : err;
}

static void mark_outputs(struct reader *r)
{
	struct cnn_net *net = &r->im->net;
	bool any = false;

	for (unsigned i = 0; i < net->layers; i++) {
		net->layer[i].is_output = value_or(&r->layer[i], KEY_OUTPUT, 0) != 0;
		any = any || net->layer[i].is_output;
	}
	if (!any)
		net->layer[net->layers - 1].is_output = true;
}

/* The device's limits; the refusal begins with the layer, which has a line. */
static int check(struct reader *r)
{
	char detail[240] = "";
	unsigned layer = 0, line = 1;
	int skip = 0, err;

	mark_outputs(r);
	err = cnn_net_check(&r->im->net, detail, sizeof(detail));
	if (err != HV_E_INVAL)
		return err;
	if (sscanf(detail, "layer %u: %n", &layer, &skip) == 1 && skip > 0 && layer < r->layers) {
		r->at = (int)layer;
		line = r->layer[layer].line;
	} else {
		r->at = -1;
		skip = 0;
	}
	return import_refuse(r, line, "%s", detail + skip);
}

static int take_network_input(struct reader *r)
{
	struct cnn_net *net = &r->im->net;
	uint32_t chw[3] = { 0 };
	bool given;
	int err;

	r->at = 0;
	err = import_input(r, chw, &given);
	if (err < 0)
		return err;
	net->channels = (uint16_t)chw[0];
	net->height = (uint16_t)chw[1];
	net->width = (uint16_t)chw[2];
	net->avg_round = r->options->avg_round;
	net->fifo = r->options->fifo;
	return HV_OK;
}

int import_layers(struct reader *r)
{
	struct cnn_net *net = &r->im->net;
	int err = take_network_input(r);

	for (unsigned i = 0; err == HV_OK && i < r->layers; i++) {
		struct cnn_layer *l = &net->layer[i];

		r->at = (int)i;
		err = take_layer(r, &r->layer[i], l);
		net->layers = i + 1;
		/* the first fault is named, not what follows from it */
		if (err == HV_OK)
			err = check(r);
	}
	return err;
}
