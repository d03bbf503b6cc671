#ifndef NAS_MODEL_H
#define NAS_MODEL_H
#include "accel/package/package.h"
#include "nas/plan.h"

/* A whole-number network behind a plan: a chain of hidden layers, and an output of 32-bit sums
 * from the last of them and, if direct, from the input. Target k = constant + sum over the parts
 * of unit * word; a part is hidden or direct, first or (with residual) second rows. */
enum { NAS_HIDDEN_MAX = 8, NAS_PARTS = 4 };

struct nas_hidden {
	unsigned units, from; /* outputs, inputs */
	int8_t *weights; /* (units, from), owned */
	int8_t *bias; /* (units), owned */
	int shift;
	enum cnn_act act;
};

struct nas_row { /* of one target */
	double constant;
	double unit[NAS_PARTS]; /* hidden, hidden residual, direct, direct residual */
};

struct nas_model {
	struct nas_plan *plan; /* owned */
	unsigned hiddens;
	struct nas_hidden hidden[NAS_HIDDEN_MAX];
	bool direct, residual;
	int8_t *rows[NAS_PARTS]; /* (targets, last units) or (targets, channels), owned */
	struct nas_row row[NAS_TARGETS_MAX];
	char engine[32];
	uint64_t seed;
	double error; /* of the metric on validation records */
	uint32_t cycles; /* of one record, without start-up */
	uint64_t host_cycles;
	size_t weight_bytes; /* biases included */
	uint32_t words; /* 32-bit results of one record */
	double seconds; /* the search took */
};

/* Of a copy of the plan, without layers; returned owned, NULL without memory. */
struct nas_model *nas_model_new(const struct nas_plan *plan, const char *engine);
void nas_model_free(struct nas_model *m); /* NULL is fine */

/* Features of the output layer for all records: hidden units, then inputs if direct: (columns,
 * n) floats, returned owned, NULL without memory. x: (channels, n). */
float *nas_model_features(const struct nas_model *m, const float *x, size_t n, unsigned *columns);

/* Solves the output rows on (t, weight) and rounds them; absolute: sum of errors, not squares.
 * HV_E_NOMEM. */
HV_NODISCARD int nas_model_solve(struct nas_model *m, const float *x, size_t n, const double *t,
				 const double *weight, bool absolute);

/* Answers of n records from their channels: (outs, n), doubles, before rounding to the type.
 * Returned owned, NULL without memory. */
double *nas_model_answers(const struct nas_model *m, const struct nas_data *d, const float *x);

/* The task's metric over the records of d. NaN without memory. */
double nas_model_error(const struct nas_model *m, const struct nas_data *d, const float *x);

/* Network, steps and host program; the sizes and costs of m. Certificate and vectors are not in
 * it yet. *p returned owned. HV_E_NOMEM, HV_E_INVAL with a sentence in why. */
HV_NODISCARD int nas_model_package(struct nas_model *m, const struct harvest_task *task,
				   struct package **p, char *why, size_t cap);
/* cycles, host_cycles, weight_bytes, words. HV_E_NOMEM, HV_E_INVAL. */
HV_NODISCARD int nas_model_price(struct nas_model *m, const struct harvest_task *task, char *why,
				 size_t cap);

#endif
