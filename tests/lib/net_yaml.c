#include "tests/lib/net_yaml.h"
#include "accel/import/npy.h"
#include "util/own.h"

#include <inttypes.h>
#include <stdio.h>

static void put_array(const char *dir, const char *name, int index, const int8_t *v,
		      const size_t *shape, unsigned ndim)
{
	struct npy n = { .kind = 'i', .item_bytes = 1, .ndim = ndim, .items = 1 };
	char path[300];
	uint8_t *bytes = NULL;
	size_t len;

	for (unsigned i = 0; i < ndim; i++) {
		n.shape[i] = shape[i];
		n.items *= shape[i];
	}
	n.data = (const uint8_t *)v;
	if (index >= 0)
		snprintf(path, sizeof(path), "%s/%s%d.npy", dir, name, index);
	else
		snprintf(path, sizeof(path), "%s/%s.npy", dir, name);
	if (npy_encode(&n, &bytes, &len) < 0 || hv_file_write(path, bytes, len) < 0)
		abort();
	free(bytes);
}

static void put_arrays(const char *dir, const struct cnn_layer *l, int index)
{
	size_t shape[4] = { l->out_channels, l->in_channels, cnn_layer_kernel_h(l),
			    cnn_layer_kernel_w(l) };

	if (l->op == CNN_OP_PASS)
		return;
	if (l->flatten)
		shape[1] *= (size_t)l->height * l->width;
	put_array(dir, "w", index, l->weights, shape,
		  l->op == CNN_OP_LINEAR   ? 2
		  : l->op == CNN_OP_CONV1D ? 3
					   : 4);
	if (l->bias != NULL)
		put_array(dir, "b", index, l->bias, shape, 1);
}

static const char *op_text(const struct cnn_layer *l)
{
	static const char *const combined[] = { "sub", "Add", "BitwiseOr", "xor" };

	switch (l->op) {
	case CNN_OP_LINEAR: return "MLP";
	case CNN_OP_CONV1D: return "Conv1d";
	case CNN_OP_CONV2D: return "conv2d";
	case CNN_OP_CONVT2D: return "ConvTranspose2d";
	case CNN_OP_PASS: return l->operands > 1 ? combined[l->eltwise] : "passthrough";
	}
	return "?";
}

static void put_pool(FILE *f, const struct cnn_layer *l)
{
	if (l->pool != CNN_POOL_NONE)
		fprintf(f, "    %s: [%u, %u]\n", l->pool == CNN_POOL_MAX ? "max_pool" : "avg_pool",
			l->pool_h > 1 ? l->pool_h : 1, l->pool_w > 1 ? l->pool_w : 1);
	if (cnn_layer_stride(l) > 1)
		fprintf(f, "    pool_stride: %u\n", cnn_layer_stride(l));
	if (l->combine_first && l->pool != CNN_POOL_NONE && l->operands > 1)
		fprintf(f, "    pool_first: false\n");
}

static void put_operation(FILE *f, const struct cnn_layer *l)
{
	static const char *const eltwise[] = { "sub", "add", "or", "xor" };
	static const char *const act[] = { "None", "ReLU", "Abs" };

	if (l->operands > 1 && l->op != CNN_OP_PASS)
		fprintf(f, "    eltwise: %s\n", eltwise[l->eltwise]);
	if (l->operands > 2)
		fprintf(f, "    operands: %u\n", l->operands);
	if (l->op == CNN_OP_CONV1D)
		fprintf(f, "    kernel_size: %u\n    dilation: %u\n", cnn_layer_kernel_h(l),
			cnn_layer_dilation(l));
	if (l->op == CNN_OP_CONV2D || l->op == CNN_OP_CONVT2D)
		fprintf(f, "    kernel_size: %ux%u\n", cnn_layer_kernel_h(l),
			cnn_layer_kernel_w(l));
	if (l->pad_h == l->pad_w || l->op == CNN_OP_CONV1D)
		fprintf(f, "    pad: %u\n", l->pad_h);
	else
		fprintf(f, "    pad: [%u, %u]\n", l->pad_h, l->pad_w);
	if (l->op == CNN_OP_PASS)
		return;
	fprintf(f, "    activate: %s\n    quantization: %u\n    output_shift: %d\n", act[l->act],
		l->weight_bits, l->shift - 8 + l->weight_bits);
	fprintf(f, "    output_width: %u\n", l->out_bits);
}

static void put_place(FILE *f, const struct cnn_place_layer *at)
{
	fprintf(f,
		"    processors: 0x%016" PRIx64
		"\n    output_processors: \"%04x.%04x.%04x.%04x\"\n",
		at->in_processors, (unsigned)(at->out_processors >> 48),
		(unsigned)(at->out_processors >> 32 & 0xffff),
		(unsigned)(at->out_processors >> 16 & 0xffff),
		(unsigned)(at->out_processors & 0xffff));
	fprintf(f, "    in_offset: 0x%04x\n    out_offset: %u\n    write_gap: %u\n", at->in_offset,
		at->out_offset, at->write_gap);
}

static void put_layer(FILE *f, const struct cnn_net *net, unsigned i)
{
	const struct cnn_layer *l = &net->layer[i];

	fprintf(f, "  - name: Layer-%c\n    op: %s\n    in_dim: [%u, %u]\n", 'a' + (int)i,
		op_text(l), l->height, l->width);
	fprintf(f, "    in_sequences: [");
	for (unsigned s = 0; s < cnn_layer_sources(l); s++) {
		int from = cnn_layer_source(l, s);

		if (from >= 0 && s % 2 == 1)
			fprintf(f, "%slayer-%c", s > 0 ? ", " : "", 'a' + from);
		else
			fprintf(f, "%s%d", s > 0 ? ", " : "", from);
	}
	fprintf(f, "]\n");
	put_pool(f, l);
	put_operation(f, l);
	if (l->flatten)
		fprintf(f, "    flatten: true\n");
	if (l->streams)
		fprintf(f, "    streaming: yes\n");
	if (l->is_output)
		fprintf(f, "    output: true\n");
	if (i == 0)
		fprintf(f, "    data_format: %s\n", net->input_chw ? "CHW" : "HWC");
}

void net_yaml_write(const char *dir, const struct cnn_net *net, const struct cnn_place *place,
		    const int8_t *input)
{
	size_t shape[3] = { net->channels, net->height, net->width };
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/net.yaml", dir);
	f = fopen(path, "w");
	if (f == NULL)
		abort();
	fprintf(f, "---\n# made by a test\narch: made\ndataset: made\nlayers:\n");
	for (unsigned i = 0; i < net->layers; i++) {
		put_layer(f, net, i);
		if (place != NULL)
			put_place(f, &place->layer[i]);
		put_arrays(dir, &net->layer[i], (int)i);
	}
	if (fclose(f) != 0)
		abort();
	put_array(dir, "input", -1, input, shape, net->width == 1 ? 2 : 3);
}
