#ifndef NAS_SUPER_H
#define NAS_SUPER_H
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A differentiable supernet over dense networks as the accelerator has them: one training run
 * that contains every depth, width, activation, weight width and input encoding of the space,
 * and learns which of them a task needs.
 *
 *   hidden layer  y = clamp(floor((W x + 128 b) 2^shift / 128 + 1/2), -128, 127), activation,
 *                 units beyond the sampled width are 0
 *   exits         one float head behind every hidden layer, all of them also read the encoded
 *                 input: the depth is a weighted mean of losses, the rest is sampled one-hot
 *                 (Gumbel softmax, straight-through: Dong and Yang 2019), so that every forward
 *                 pass is a network that the accelerator could run, bit for bit
 *   bits          W is rounded to 8, 4 or 2 bits before the one product of a layer
 *   objective     log(mse) + weight * log(cost), cost in expected cycles, weight bytes and host
 *                 cycles; weights learn on one half of the data, choices on the other (first
 *                 order: Liu et al. 2018), after a warm-up without choices; the temperature is
 *                 annealed so that widths do not collapse
 *
 * All sums of a layer are integers below 2^24, so single precision holds them exactly.
 * Deterministic in (data, options); one thread. */
enum {
	SUPER_DEPTH_MAX = 3,
	SUPER_WIDTH_MAX = 64,
	SUPER_WIDTHS_MAX = 8,
	SUPER_ACTS = 3, /* none, relu, abs: enum cnn_act */
	SUPER_BITS = 3, /* 8, 4, 2 */
	SUPER_GROUPS_MAX = 16,
	SUPER_IN_MAX = 256,
	SUPER_OUT_MAX = 64,
};

/* n records. x: (n, in) network inputs; y: (n, out) targets. Channel c of x belongs to encoding
 * group[c] < groups, which costs the host group_cycles[] a record. Borrowed. */
struct super_data {
	const int8_t *x;
	const double *y;
	size_t n;
	unsigned in, out, groups;
	const uint8_t *group;
	const double *group_cycles;
};

struct super_options {
	unsigned depth; /* most hidden layers, 1..SUPER_DEPTH_MAX */
	unsigned n_widths; /* ascending, the last one <= SUPER_WIDTH_MAX */
	unsigned widths[SUPER_WIDTHS_MAX];
	unsigned batch, steps;
	unsigned restarts; /* searches from other seeds; the best objective wins */
	double cost_weight; /* of log(cost) beside log(mse) */
	double byte_cost, host_cost; /* accelerator cycles that a weight byte, a host cycle weigh */
	uint64_t seed;
	/* Called every steps / 100 steps; false stops. NULL: none. */
	bool (*progress)(void *ctx, unsigned step, double mse, double cost);
	void *ctx;
};

/* Good values: three layers, widths 8..64, batch 64, four times 3000 steps. */
struct super_options super_defaults(void);

struct super_choice {
	unsigned depth, width[SUPER_DEPTH_MAX];
	int act[SUPER_DEPTH_MAX]; /* enum cnn_act */
	unsigned bits[SUPER_DEPTH_MAX];
	uint32_t groups; /* bit per encoding that is kept */
	double mse; /* of standardised targets, on the held-out half, with the float head */
	double cost; /* of this very network, in the units of the objective */
	unsigned steps; /* less than asked for: the choice had not changed for a long time */
};

/* HV_E_INVAL: a limit above; HV_E_NOMEM; HV_E_CANCEL: progress said stop. */
HV_NODISCARD int super_search(const struct super_data *d, const struct super_options *o,
			      struct super_choice *choice);

/* One hidden layer in whole numbers, as struct cnn_layer has it. */
struct super_hidden {
	unsigned units, from;
	int8_t *weights, *bias; /* (units, from), (units): owned */
	unsigned bits;
	int shift, act; /* total shift; enum cnn_act */
};

struct super_trained {
	unsigned layers;
	struct super_hidden layer[SUPER_DEPTH_MAX];
	double mse; /* as in super_choice */
};

/* Train the chosen network alone: float master weights, the whole-number network in every
 * forward pass, Adam, cosine schedule. o: steps, batch and seed, widths as in the search. Channels
 * of dropped encodings have weights 0. *t is owned by the caller: super_trained_clear().
 * HV_E_INVAL: a limit, or a width that o does not have; HV_E_NOMEM; HV_E_CANCEL. */
HV_NODISCARD int super_train(const struct super_data *d, const struct super_options *o,
			     const struct super_choice *choice, struct super_trained *t);
void super_trained_clear(struct super_trained *t);

/* Seconds of one step (weights, then choices), for bench/nas; steps > 0. Negative: HV_E_*. */
double super_step_seconds(const struct super_data *d, const struct super_options *o,
			  unsigned steps);

#endif
