#include "nas/wide/pool.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One record counts no more than so many of the mean: a few must not make all of a step. */
static const double weight_most = 20;

/* Exactly two values, in v: their lower and higher one. */
static bool two_values(const double *v, size_t n, struct wide_target *t)
{
	t->lo = t->hi = v[0];
	for (size_t i = 0; i < n; i++) {
		t->lo = fmin(t->lo, v[i]);
		t->hi = fmax(t->hi, v[i]);
	}
	for (size_t i = 0; i < n; i++)
		if (v[i] != t->lo && v[i] != t->hi)
			return false;
	return t->lo < t->hi;
}

static void standardise(const double *v, size_t n, struct wide_target *t)
{
	double sum = 0, sum2 = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	t->mean = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		sum2 += (v[i] - t->mean) * (v[i] - t->mean);
	t->dev = sum2 > 0 ? sqrt(sum2 / (double)n) : 1;
}

static int look_at(struct wide_pool *p, const struct nas_data *some)
{
	hv_autofree double *t = NULL, *w = NULL;
	int r = nas_plan_targets(p->plan, some, &t, &w);

	if (r < 0)
		return r;
	p->decides = p->task->metric == HARVEST_MISS_RATE;
	for (unsigned k = 0; k < p->plan->targets; k++) {
		standardise(t + k * some->n, some->n, &p->target[k]);
		p->decides &= two_values(t + k * some->n, some->n, &p->target[k]);
	}
	for (size_t i = 0; i < some->n; i++)
		p->weight += w[i] / (double)some->n;
	return HV_OK;
}

int wide_pool_new(const struct nas_plan *plan, const struct nas_data *some, struct wide_pool *p)
{
	size_t bytes = plan->channels + 2 * sizeof(float) * plan->targets;
	int r;

	*p = (struct wide_pool){ .task = some->task, .plan = plan };
	r = look_at(p, some);
	if (r < 0)
		return r;
	p->most = WIDE_POOL_BYTES / bytes;
	p->most = p->most < WIDE_POOL_MOST ? p->most : WIDE_POOL_MOST;
	p->most -= p->most % WIDE_POOL_CHUNK;
	p->x = malloc(p->most * plan->channels);
	p->y = malloc(p->most * plan->targets * sizeof(*p->y));
	if (!p->decides)
		p->w = malloc(p->most * plan->targets * sizeof(*p->w));
	if (p->x == NULL || p->y == NULL || (!p->decides && p->w == NULL)) {
		wide_pool_clear(p);
		return HV_E_NOMEM;
	}
	return HV_OK;
}

void wide_pool_clear(struct wide_pool *p)
{
	free(p->x);
	free(p->y);
	free(p->w);
	*p = (struct wide_pool){ 0 };
}

static void store(struct wide_pool *p, const float *x, const double *t, const double *w)
{
	unsigned channels = p->plan->channels, targets = p->plan->targets;

	for (size_t i = 0; i < WIDE_POOL_CHUNK; i++) {
		size_t at = p->n + i;

		for (unsigned c = 0; c < channels; c++)
			p->x[at * channels + c] = (int8_t)x[c * WIDE_POOL_CHUNK + i];
		for (unsigned k = 0; k < targets; k++) {
			const struct wide_target *g = &p->target[k];
			double v = t[k * WIDE_POOL_CHUNK + i];

			p->y[at * targets + k] =
				(float)(p->decides ? v > g->lo : (v - g->mean) / g->dev);
			if (!p->decides)
				p->w[at * targets + k] = (float)fmin(w[i] / p->weight, weight_most);
		}
	}
	p->n += WIDE_POOL_CHUNK;
}

static int draw_chunk(struct wide_pool *p, char *why, size_t cap)
{
	struct nas_data d = { 0 };
	hv_autofree double *t = NULL, *w = NULL;
	hv_autofree float *x = NULL;
	int r = nas_data_draw(p->task, 1, p->n, WIDE_POOL_CHUNK, &d, why, cap);

	if (r < 0)
		return r;
	x = nas_plan_channels(p->plan, &d);
	r = x != NULL ? nas_plan_targets(p->plan, &d, &t, &w) : HV_E_NOMEM;
	nas_data_clear(&d);
	if (r == HV_OK)
		store(p, x, t, w);
	else
		snprintf(why, cap, "out of memory");
	return r;
}

/* The first record of a batch. */
static size_t first_of(const struct wide_pool *p, uint64_t batch)
{
	return (size_t)(batch * WIDE_BATCH % p->most);
}

int wide_pool_need(struct wide_pool *p, uint64_t batch, char *why, size_t cap)
{
	int r = HV_OK;

	while (r == HV_OK && p->n < first_of(p, batch) + WIDE_BATCH)
		r = draw_chunk(p, why, cap);
	return r;
}

struct wide_rows wide_pool_rows(const struct wide_pool *p, uint64_t batch, unsigned i)
{
	size_t at = first_of(p, batch) + (size_t)i * WIDE_SHARD_ROWS;

	return (struct wide_rows){ .x = p->x + at * p->plan->channels,
				   .y = p->y + at * p->plan->targets,
				   .weight = p->w != NULL ? p->w + at * p->plan->targets : NULL };
}
