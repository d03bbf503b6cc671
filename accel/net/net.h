#ifndef CNN_NET_H
#define CNN_NET_H
#include "accel/arch.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Description of one network in the accelerator's own terms: layers in execution order.
 * A layer: gather operands -> pool and combine them -> convolve -> bias -> shift and clamp ->
 * activation. Arithmetic of a convolution: acc = sum x*w + 128*bias; 32-bit output: acc; 8-bit
 * output: clamp(floor(acc * 2^shift / 128 + 1/2), -128, 127), then the activation.
 * A `linear` layer is a 1x1 convolution over every pixel of its input; with `flatten` the
 * whole C,H,W input is one vector and the output has one pixel.
 * Fields that a linear layer does not need mean "absent" or 1 when they are 0. */
enum cnn_op {
	CNN_OP_LINEAR = 1,
	CNN_OP_CONV1D, /* width 1, kernel 1..9 rows */
	CNN_OP_CONV2D, /* 1x1 or 3x3 */
	CNN_OP_CONVT2D, /* transposed: 3x3, stride 2, output pad 1 */
	CNN_OP_PASS, /* pooling and element-wise only */
};

enum cnn_act {
	CNN_ACT_NONE = 0,
	CNN_ACT_RELU = 1,
	CNN_ACT_ABS = 2,
};

enum cnn_pool {
	CNN_POOL_NONE = 0,
	CNN_POOL_MAX = 1,
	CNN_POOL_AVG = 2,
};

enum cnn_eltwise { /* as the register encodes them */
		   CNN_ELT_SUB = 0,
		   CNN_ELT_ADD = 1,
		   CNN_ELT_OR = 2,
		   CNN_ELT_XOR = 3,
};

enum {
	CNN_FROM_INPUT = -1,
	CNN_SOURCES_MAX = 16,
	CNN_OPERANDS_MAX = 16,
};

struct cnn_layer {
	enum cnn_op op;
	int from; /* an earlier layer, or CNN_FROM_INPUT */
	uint16_t in_channels, height, width; /* of one operand */
	bool flatten;
	uint16_t out_channels;
	uint8_t weight_bits; /* 1, 2, 4, 8 */
	int8_t shift; /* total, -15..15: includes 8 - weight_bits; 8-bit output only */
	enum cnn_act act; /* 8-bit output only */
	uint8_t out_bits; /* 8 or 32 */
	bool is_output; /* unloaded after the run */
	const int8_t *weights; /* borrowed; (out_channels, in_channels, kernel_h, kernel_w), or
				   (out_channels, in_channels * height * width) when flatten,
				   C,H,W order of the pooled input; each within weight_bits */
	const int8_t *bias; /* borrowed; (out_channels), or NULL */

	uint8_t more_sources; /* further sources, concatenated behind `from` by channel */
	int8_t more_from[CNN_SOURCES_MAX - 1];
	uint8_t operands; /* 2..16: the channels of the source(s) fall into this many equal
				   groups, combined left to right by `eltwise` */
	enum cnn_eltwise eltwise;
	bool combine_first; /* combine, then pool; else pool every operand, then combine */
	enum cnn_pool pool;
	uint8_t pool_h, pool_w; /* 1..16 */
	uint8_t pool_stride; /* 1..16, rows and columns; without pooling it sub-samples */
	uint8_t kernel_h, kernel_w, pad_h, pad_w;
	uint16_t dilation; /* conv1d only */
	bool streams; /* works while its input arrives, of which only some rows are ever in
			 data memory; the first layers of a network with a FIFO */
};

struct cnn_net {
	unsigned layers; /* 1..CNN_LAYERS_MAX */
	uint16_t channels, height, width; /* of the network input */
	bool input_chw; /* byte-sequential input layout (layer 0 only) */
	bool fifo; /* the input comes through the FIFOs, after the start */
	bool avg_round; /* average pooling rounds half away from zero; else it truncates.
				   conv1d layers always truncate */
	struct cnn_layer layer[CNN_LAYERS_MAX];
};

static inline unsigned cnn_layer_operands(const struct cnn_layer *l)
{
	return l->operands > 1 ? l->operands : 1;
}

static inline unsigned cnn_layer_stride(const struct cnn_layer *l)
{
	return l->pool_stride > 1 ? l->pool_stride : 1;
}

static inline unsigned cnn_layer_dilation(const struct cnn_layer *l)
{
	return l->dilation > 1 ? l->dilation : 1;
}

/* Kernel rows and columns; 1 for linear. */
static inline unsigned cnn_layer_kernel_h(const struct cnn_layer *l)
{
	return l->kernel_h > 1 ? l->kernel_h : 1;
}

static inline unsigned cnn_layer_kernel_w(const struct cnn_layer *l)
{
	return l->kernel_w > 1 ? l->kernel_w : 1;
}

static inline unsigned cnn_layer_sources(const struct cnn_layer *l)
{
	return 1u + l->more_sources;
}

/* Source i: an earlier layer or CNN_FROM_INPUT. */
static inline int cnn_layer_source(const struct cnn_layer *l, unsigned i)
{
	return i == 0 ? l->from : l->more_from[i - 1];
}

/* Height and width after pooling. */
void cnn_layer_pooled(const struct cnn_layer *l, uint32_t hw[2]);
/* Channels, height and width of a layer's output. */
void cnn_layer_out_shape(const struct cnn_layer *l, uint32_t chw[3]);
/* Weights a layer has (elements). */
size_t cnn_layer_weights(const struct cnn_layer *l);

/* Every limit of the device. On HV_E_INVAL a sentence naming layer, field, value and limit
 * is in why. */
HV_NODISCARD int cnn_net_check(const struct cnn_net *net, char *why, size_t cap);

#endif
