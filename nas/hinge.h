#ifndef NAS_HINGE_H
#define NAS_HINGE_H
#include "accel/net/net.h"
#include <stdbool.h>

/* The greedy engine: one hidden layer whose units are chosen one by one, each by what it takes
 * off the error when the output layer is solved anew; then each is exchanged for a better one,
 * in turn. All arithmetic of the units is the accelerator's: whole numbers in floats. */
struct nas_hinge_problem {
	size_t n; /* records */
	unsigned channels, targets;
	const float *x; /* (channels, n): whole numbers of 8 bits */
	const double *t; /* (targets, n) */
	const double *weight; /* (n): of a squared error */
	bool absolute_loss; /* sum of sqrt(weight) |error| instead of squares */
	bool direct; /* the output also reads the input */
	int shift; /* of the hidden layer */
	enum cnn_act act;
	unsigned width; /* units wanted */
	unsigned pool; /* random candidates for each unit */
	unsigned rounds; /* of mutation for each unit */
	unsigned sweeps; /* of exchange */
	uint64_t seed;
	const int8_t *start_weights,
		*start_bias; /* units to begin with, (starts, channels), (starts);
						     no more than width; or NULL */
	unsigned starts;
	const uint8_t *feature; /* (channels): which value the channel is cut from */
};

struct nas_units {
	unsigned n, channels;
	int8_t *weights; /* (n, channels), owned */
	int8_t *bias; /* (n), owned */
};

/* Called between units: share done, error energy; false stops the search there. */
typedef bool nas_hinge_watch(void *ctx, double share, double error);

/* *u is owned by the caller: nas_units_clear(). HV_E_NOMEM; HV_E_CANCEL when stopped before
 * the first unit. */
HV_NODISCARD int nas_hinge_run(const struct nas_hinge_problem *p, nas_hinge_watch *watch, void *ctx,
			       struct nas_units *u);
void nas_units_clear(struct nas_units *u);

/* Outputs of units as the accelerator computes them: to (units, n), floats. */
void nas_units_run(const float *x, size_t n, unsigned channels, const int8_t *weights,
		   const int8_t *bias, unsigned units, int shift, enum cnn_act act, float *wide,
		   float *to);

#endif
