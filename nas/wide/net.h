#ifndef NAS_WIDE_NET_H
#define NAS_WIDE_NET_H
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A dense chain with ReLU and its training: first in floating point, then, once it is made
 * whole, with the accelerator's arithmetic in every forward pass and the gradient straight
 * through the roundings. A batch is cut into shards of equal size whose gradients are added in
 * order, so that results do not depend on the number of threads.
 *
 * Matrices are row-major, a batch has a row per record. Parameters lie in one vector: weights
 * (units, from), then bias (units), layer after layer; the last layer answers the targets. While
 * the net is whole its parameters are in the units of int8 weights and biases, and all sums are
 * integers below 2^24, which single precision holds exactly. */
enum {
	WIDE_HIDDEN_MAX = 7,
	WIDE_UNITS_MAX = 512,
	WIDE_IN_MAX = 256,
	WIDE_TARGETS_MAX = 8,
	WIDE_SHARDS = 4,
	WIDE_SHARD_ROWS = 128,
	WIDE_BATCH = WIDE_SHARDS * WIDE_SHARD_ROWS,
};

struct wide_shape {
	unsigned hiddens; /* 1..WIDE_HIDDEN_MAX */
	uint16_t units[WIDE_HIDDEN_MAX];
};

struct wide_layer {
	unsigned in, out;
	size_t weights, bias; /* where they begin among the parameters */
	int shift; /* whole: as in struct cnn_layer */
	float factor; /* of the sums; whole: 2^(shift - 7), of the last layer any */
	float bias_unit; /* whole: 2^shift */
};

/* Records of one shard. x: (WIDE_SHARD_ROWS, in); y, weight: (WIDE_SHARD_ROWS, targets).
 * Borrowed. weight NULL: 1 */
struct wide_rows {
	const int8_t *x;
	const float *y, *weight;
};

struct wide_shard {
	float *x; /* (rows, in) */
	float *h[WIDE_HIDDEN_MAX + 1]; /* (rows, out) of each layer, behind the activation */
	float *d; /* (2, rows, most units): gradients of two neighbouring layers */
	float *grad; /* (parameters) */
	double loss; /* sum over the rows */
};

struct wide_net {
	unsigned in, targets, layers; /* hidden ones and the last */
	struct wide_layer layer[WIDE_HIDDEN_MAX + 1];
	bool logistic; /* y is 0 or 1 and the answer its log-odds; else squares */
	bool whole;
	size_t n; /* parameters */
	float *v, *used, *m, *s; /* (n): trained, as the forward pass sees them, Adam's moments */
	uint64_t steps; /* of Adam since it began */
	struct wide_shard shard[WIDE_SHARDS];
	float *store; /* everything above */
};

/* HV_E_NOMEM; HV_E_INVAL: beyond the limits above. *net is returned owned. */
HV_NODISCARD int wide_net_new(const struct wide_shape *shape, unsigned in, unsigned targets,
			      bool logistic, uint64_t seed, struct wide_net **net);
void wide_net_free(struct wide_net *net); /* NULL is fine */

/* Forward and backward pass of shard i. Shards may run at the same time. */
void wide_net_shard(struct wide_net *net, unsigned i, const struct wide_rows *rows);
/* One step of Adam for part i of WIDE_SHARDS of the parameters. Parts may run at the same time,
 * after all shards; wide_net_begin_step() comes before the first. */
void wide_net_begin_step(struct wide_net *net);
void wide_net_learn(struct wide_net *net, unsigned i, float rate);
double wide_net_loss(const struct wide_net *net); /* mean of the last step */

/* Multiply-adds of one record, forward. */
uint64_t wide_shape_macs(const struct wide_shape *shape, unsigned in, unsigned targets);

/* From floating point to whole numbers: each unit is scaled so that the most it has answered to
 * the records of the last step is 127, as far as the layer's one shift lets its weights. Adam
 * begins anew. */
HV_NODISCARD int wide_net_make_whole(struct wide_net *net);

/* Whole-number layer l of a whole net, also the last: weights (out, in), bias (out). */
void wide_net_take(const struct wide_net *net, unsigned l, int8_t *weights, int8_t *bias);

#endif
