#ifndef NAS_SUPER_NET_H
#define NAS_SUPER_NET_H
#include "nas/super/super.h"
#include "util/rng.h"

/* The supernet's memory and its forward and backward pass. Matrices are row-major; a batch has
 * a row per record. */

/* A vector of trained numbers and its Adam state. */
struct super_param {
	float *v, *grad, *m, *s;
	size_t n;
};

/* One choice among n: logits and what was drawn. */
struct super_pick {
	unsigned n, drawn;
	float logit[SUPER_WIDTHS_MAX], soft[SUPER_WIDTHS_MAX]; /* soft: with noise, tempered */
	float grad[SUPER_WIDTHS_MAX]; /* by the share that was drawn with noise */
	float cost_grad[SUPER_WIDTHS_MAX]; /* by the share without noise */
	float m[SUPER_WIDTHS_MAX], s[SUPER_WIDTHS_MAX];
};

struct super_layer {
	unsigned in, max; /* inputs, units */
	int shift;
	unsigned width_drawn; /* units that are not 0 */
	struct super_param w, b, head; /* (max, in), (max), (out, max) */
	struct super_pick width, act, bits;
	float *rounded, *bias; /* (max, in), (max): as drawn */
	float *y, *h, *d; /* (batch, max): before and behind the activation; gradient of h */
	float *head_used; /* (out, max): rounded head */
};

struct super_net {
	const struct super_options *o;
	unsigned in, out, groups, batch, depth;
	const uint8_t *group;
	struct super_layer layer[SUPER_DEPTH_MAX];
	struct super_param skip, offset; /* (out, in), (depth, out) */
	struct super_pick exits, gate[SUPER_GROUPS_MAX]; /* gate: 0 drop, 1 keep */
	float *x, *x_used, *dx; /* (batch, in) */
	float *target; /* (batch, out), standardised */
	float *pred, *derr; /* (batch, out) */
	float loss[SUPER_DEPTH_MAX];
	float *store; /* everything above */
	uint64_t t; /* Adam steps */
};

HV_NODISCARD int super_net_new(const struct super_data *d, const struct super_options *o,
			       struct super_net *net);
void super_net_free(struct super_net *net);

/* Draw all choices at this temperature; 0: the likeliest ones. */
void super_net_draw(struct super_net *net, struct hv_rng *r, float temperature);
/* Shifts so that the layers' outputs use their eight bits on the batch in x. */
void super_net_calibrate(struct super_net *net);
/* Mean squared error over the exits' weights, of the batch in x and target. all: also the units
 * that only the choice of widths wants to know of. */
float super_net_forward(struct super_net *net, bool all);
/* Gradients of log(mse). weights true: of params only; false: of picks only, after a forward
 * pass of all units. */
void super_net_backward(struct super_net *net, bool weights);
void super_net_learn_weights(struct super_net *net, float rate);
void super_net_learn_picks(struct super_net *net, float rate, float temperature);
/* The gradients that the picks got are not for them. */
void super_net_forget_picks(struct super_net *net);

/* run.c: a net, its data and its luck. */
struct super_run {
	const struct super_data *d; /* set by the caller, like o */
	const struct super_options *o;
	struct super_net net;
	struct hv_rng rng;
	double mean[SUPER_OUT_MAX], scale[SUPER_OUT_MAX]; /* of the targets */
};

/* Checks the limits, makes and calibrates the net. HV_E_INVAL, HV_E_NOMEM: nothing is left. */
HV_NODISCARD int super_run_begin(struct super_run *s);
void super_run_end(struct super_run *s);
/* Random records of [first, end) into the net. */
void super_run_batch(struct super_run *s, size_t first, size_t end);
/* Cosine schedule from `first` on. */
float super_run_rate(const struct super_run *s, unsigned step, float first);

/* pick.c */
void super_pick_init(struct super_pick *p, unsigned n);
void super_pick_draw(struct super_pick *p, struct hv_rng *r, float temperature);
void super_pick_learn(struct super_pick *p, float rate, float temperature, uint64_t t);
void super_pick_forget(struct super_pick *p);
void super_pick_mean(const struct super_pick *p, float share[SUPER_WIDTHS_MAX]);
unsigned super_pick_best(const struct super_pick *p);
void super_pick_fix(struct super_pick *p, unsigned i); /* it can be nothing else */

/* cost.c: expected cost under the picks' shares; weight times the gradient of its logarithm is
 * left in cost_grad of every pick. */
double super_cost_expected(struct super_net *net, const struct super_data *d, double weight);
double super_cost_of(const struct super_net *net, const struct super_data *d,
		     const struct super_choice *c);

#endif
