#ifndef NAS_PLAN_H
#define NAS_PLAN_H
#include "accel/hostprog/hostprog.h"
#include "nas/data.h"
#include <stdbool.h>

/* What the host does around a network: values computed of a record, channels cut out of them,
 * and how the network's answers become the task's.
 *
 * A value is one instruction of a host program. A channel is clamp(floor(gain * value + offset
 * + 1/2), -128, 127). A network answers `targets`; in `post`, instruction HP_WORD k stands for
 * target k, and the last `outs` values named by result[] are the answer; without `post` target
 * k is element k of the answer. */
enum {
	NAS_VALUES_MAX = 192,
	NAS_CHANNELS_MAX = 256,
	NAS_TARGETS_MAX = 8,
};

struct nas_channel {
	uint16_t value;
	double gain, offset;
};

/* The answer of a single target is exp, root, reciprocal or square of what the network says. */
enum nas_curve_kind {
	NAS_CURVE_NONE,
	NAS_CURVE_EXP,
	NAS_CURVE_ROOT,
	NAS_CURVE_OVER,
	NAS_CURVE_SQUARE,
	NAS_CURVES,
};

struct nas_curve {
	enum nas_curve_kind kind;
	double floor; /* answers smaller than this count as this for slopes */
	double middle, unit; /* of EXP: target = (log |y| - middle) * unit */
};

struct nas_plan {
	unsigned values;
	struct hostprog_ins value[NAS_VALUES_MAX];
	unsigned channels;
	struct nas_channel channel[NAS_CHANNELS_MAX];
	unsigned targets;
	/* in: (ins) elements, exact: (outs); fills target (targets). NULL: the answer itself. */
	void (*target)(const double *in, const double *exact, double *target);
	/* How far the answer moves with the targets, for weighing errors. NULL: 1. */
	double (*slope)(const double *in, const double *exact);
	struct nas_curve curve; /* in place of target and slope; see nas/curve.h */
	unsigned posts;
	struct hostprog_ins post[NAS_VALUES_MAX];
	uint16_t result[NAS_TARGETS_MAX];
	char text[96]; /* for people: "x, y, x*x+y*y in 8 ramps" */
};

/* Adds an instruction and returns its value; the same instruction is not added twice.
 * NAS_VALUES_MAX when there is no room. */
unsigned nas_plan_value(struct nas_plan *p, struct hostprog_ins ins);
unsigned nas_plan_in(struct nas_plan *p, unsigned element);
unsigned nas_plan_op(struct nas_plan *p, enum hostprog_op op, unsigned a, unsigned b);
unsigned nas_plan_const(struct nas_plan *p, double k);
bool nas_plan_channel(struct nas_plan *p, unsigned value, double gain, double offset);

/* Columns of all values: (values, n). Returned owned, NULL: no memory. */
double *nas_plan_columns(const struct nas_plan *p, const struct nas_data *d);
/* Channels of all records as floats: (channels, n), whole numbers. Returned owned. */
float *nas_plan_channels(const struct nas_plan *p, const struct nas_data *d);
/* Targets, (targets, n), and what a squared error of a target weighs in the metric, (n): both
 * returned owned. HV_E_NOMEM. */
HV_NODISCARD int nas_plan_targets(const struct nas_plan *p, const struct nas_data *d, double **t,
				  double **weight);
/* Cycles of the encoding, modelled, without a network: of a program made of it. */
uint64_t nas_plan_encode_cycles(const struct nas_plan *p, const struct harvest_task *t);

/* Puts the encoding into h, whose sizes are set: one block. HV_E_NOMEM, HV_E_BUSY. */
HV_NODISCARD int nas_plan_emit(const struct nas_plan *p, struct hostprog *h);

#endif
