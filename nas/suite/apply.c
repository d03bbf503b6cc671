#include "accel/cost/cost.h"
#include "nas/suite/suite.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

/* Multiply-accumulates of one record that an application is still tried with: kmeans asks for
 * two million records. */
static const uint64_t macs_most = 2000000;

static int run(void *ctx, const void *in, void *out, size_t n)
{
	return package_run(ctx, in, out, n);
}

/* The goal of a transform is higher with the residual set of weight rows (levels 3 and 4). */
static void residual_goal(const struct harvest_task *t, unsigned level, struct loop_result *r)
{
	for (size_t i = 0; t->linear == HARVEST_LINEAR_DFT && level >= 3 && i < r->n; i++)
		if (r->of[i].goal != 0)
			r->of[i].goal = 70;
}

/* ---- a guard: answers below a confidence go to the CPU ---- */

enum { PAIRS = 16384 };

struct pair {
	float sure; /* distance of the value from the decision */
	bool missed;
};

static int by_confidence(const void *a, const void *b)
{
	float x = ((const struct pair *)a)->sure, y = ((const struct pair *)b)->sure;

	return (x < y) - (x > y);
}

/* What the host program answers before it is rounded; the decision is at a half. */
static int judge_pairs(const struct package *p, const struct harvest_task *t, uint64_t seed,
		       struct pair *of, bool *has_confidence)
{
	size_t in_bytes = package_in_bytes(p);
	hv_autofree uint8_t *in = malloc(in_bytes * PAIRS);
	hv_autofree double *value = malloc(sizeof(*value) * PAIRS);
	struct hostprog unrounded = *p->host;
	struct package like = *p;
	int r;

	if (in == NULL || value == NULL)
		return HV_E_NOMEM;
	unrounded.out_dtype = HARVEST_F64;
	like.host = &unrounded;
	for (size_t i = 0; i < PAIRS; i++)
		t->sample(seed, i, in + i * in_bytes);
	r = package_run(&like, in, value, PAIRS);
	*has_confidence = false;
	for (size_t i = 0; r == HV_OK && i < PAIRS; i++) {
		double want;

		t->reference(in + i * in_bytes, &want);
		of[i].sure = (float)fabs(value[i] - 0.5);
		of[i].missed = (value[i] >= 0.5) != (want > 0.5);
		*has_confidence |= of[i].sure != of[0].sure;
	}
	return r;
}

static double missed_among(const struct pair *of, size_t n)
{
	double missed = 0;

	for (size_t i = 0; i < n; i++)
		missed += of[i].missed;
	return missed / (double)n;
}

/* Misses among the surest answers. None where a decision comes without a confidence. */
static int add_guarded(const struct package *p, const struct harvest_task *t, uint64_t seed,
		       struct loop_result *r)
{
	hv_autofree struct pair *of = malloc(sizeof(*of) * PAIRS);
	bool has_confidence;
	int err;

	if (p->host == NULL || p->host->out_elements != 1)
		return HV_OK;
	if (of == NULL)
		return HV_E_NOMEM;
	err = judge_pairs(p, t, seed, of, &has_confidence);
	if (err != HV_OK || !has_confidence)
		return err;
	qsort(of, PAIRS, sizeof(*of), by_confidence);
	r->of[r->n++] = (struct loop_figure){
		"missed_of_surest_80", "of pairs", 0, missed_among(of, PAIRS * 8 / 10), 0.05, 0
	};
	r->of[r->n++] = (struct loop_figure){
		"missed_of_surest_70", "of pairs", 0, missed_among(of, PAIRS * 7 / 10), 0, 0.02
	};
	return HV_OK;
}

int suite_apply(const struct package *p, uint64_t seed, struct loop_result *r)
{
	const struct harvest_task *t = task_find(p->task);
	int err;

	*r = (struct loop_result){ 0 };
	if (t == NULL)
		return HV_OK;
	if (cnn_cost_macs(&p->net) > macs_most)
		return HV_E_BUSY;
	err = loop_run(t, run, (void *)p, seed, r);
	if (err == HV_E_NOENT)
		return HV_OK;
	residual_goal(t, p->level, r);
	if (err == HV_OK && strcmp(t->name, "jmeint") == 0)
		err = add_guarded(p, t, seed, r);
	return err;
}
