#ifndef CNN_NET_H
#define CNN_NET_H
#include "accel/arch.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Description of one network in the accelerator's own terms: layers in execution order.
 * Arithmetic of a layer: acc = sum x*w + 128*bias; 32-bit output: acc; 8-bit output:
 * clamp(floor(acc * 2^shift / 128 + 1/2), -128, 127), then the activation.
 * A `linear` layer is a 1x1 convolution over every pixel of its input; with `flatten` the
 * whole C,H,W input is one vector and the output has one pixel. */
enum cnn_op {
	CNN_OP_LINEAR = 1,
};

enum cnn_act {
	CNN_ACT_NONE = 0,
	CNN_ACT_RELU = 1,
	CNN_ACT_ABS = 2,
};

enum { CNN_FROM_INPUT = -1 };

struct cnn_layer {
	enum cnn_op op;
	int from;               /* an earlier layer, or CNN_FROM_INPUT */
	uint16_t in_channels, height, width;
	bool flatten;
	uint16_t out_channels;
	uint8_t weight_bits;    /* 1, 2, 4, 8 */
	int8_t shift;           /* total, -15..15: includes 8 - weight_bits; 8-bit output only */
	enum cnn_act act;       /* 8-bit output only */
	uint8_t out_bits;       /* 8 or 32 */
	bool is_output;         /* unloaded after the run */
	const int8_t *weights;  /* borrowed; (out_channels, in_channels [* height * width when
				   flatten, C,H,W order]), each within weight_bits */
	const int8_t *bias;     /* borrowed; (out_channels), or NULL */
};

struct cnn_net {
	unsigned layers;        /* 1..CNN_LAYERS_MAX */
	uint16_t channels, height, width; /* of the network input */
	bool input_chw;         /* byte-sequential input layout (layer 0 only) */
	struct cnn_layer layer[CNN_LAYERS_MAX];
};

/* Channels, height and width of a layer's output. */
void cnn_layer_out_shape(const struct cnn_layer *l, uint32_t chw[3]);
/* Weights a layer has (elements). */
size_t cnn_layer_weights(const struct cnn_layer *l);

/* Every limit of the device. On HV_E_INVAL a sentence naming layer, field, value and limit
 * is in why. */
HV_NODISCARD int cnn_net_check(const struct cnn_net *net, char *why, size_t cap);

#endif
