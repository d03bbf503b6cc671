#include "accel/net/net.h"

static uint32_t pooled_size(uint32_t in, uint32_t pool, uint32_t stride)
{
	return in < pool ? 0 : (in - pool) / stride + 1;
}

void cnn_layer_pooled(const struct cnn_layer *l, uint32_t hw[2])
{
	bool pools = l->pool != CNN_POOL_NONE;
	uint32_t ph = pools && l->pool_h > 1 ? l->pool_h : 1;
	uint32_t pw = pools && l->pool_w > 1 ? l->pool_w : 1;

	hw[0] = pooled_size(l->height, ph, cnn_layer_stride(l));
	hw[1] = pooled_size(l->width, pw, cnn_layer_stride(l));
}

static uint32_t conv_size(uint32_t in, uint32_t pad, uint32_t reach)
{
	return in + 2 * pad < reach ? 0 : in + 2 * pad - reach + 1;
}

void cnn_layer_out_shape(const struct cnn_layer *l, uint32_t chw[3])
{
	uint32_t hw[2];

	cnn_layer_pooled(l, hw);
	chw[0] = l->op == CNN_OP_PASS ? l->in_channels : l->out_channels;
	chw[1] = hw[0];
	chw[2] = hw[1];
	switch (l->op) {
	case CNN_OP_LINEAR:
		if (l->flatten)
			chw[1] = chw[2] = 1;
		break;
	case CNN_OP_CONV1D:
		chw[1] = conv_size(hw[0], l->pad_h,
				   1 + cnn_layer_dilation(l) * (cnn_layer_kernel_h(l) - 1));
		break;
	case CNN_OP_CONV2D:
		chw[1] = conv_size(hw[0], l->pad_h, cnn_layer_kernel_h(l));
		chw[2] = conv_size(hw[1], l->pad_w, cnn_layer_kernel_w(l));
		break;
	case CNN_OP_CONVT2D:
		chw[1] = 2 * hw[0] + 2 - 2u * l->pad_h;
		chw[2] = 2 * hw[1] + 2 - 2u * l->pad_w;
		break;
	case CNN_OP_PASS: break;
	}
}

size_t cnn_layer_weights(const struct cnn_layer *l)
{
	size_t n = (size_t)l->out_channels * l->in_channels;
	uint32_t hw[2];

	if (l->op == CNN_OP_PASS)
		return 0;
	cnn_layer_pooled(l, hw);
	if (l->op == CNN_OP_LINEAR)
		return l->flatten ? n * hw[0] * hw[1] : n;
	return n * cnn_layer_kernel_h(l) * cnn_layer_kernel_w(l);
}
