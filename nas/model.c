#include "nas/model.h"
#include "nas/hinge.h"
#include "nas/lsq.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RESIDUAL_STEP = 200 }; /* second rows are this much finer than the first */

struct nas_model *nas_model_new(const struct nas_plan *plan, const char *engine)
{
	struct nas_model *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->plan = malloc(sizeof(*m->plan));
	if (m->plan == NULL) {
		free(m);
		return NULL;
	}
	*m->plan = *plan;
	snprintf(m->engine, sizeof(m->engine), "%s", engine);
	return m;
}

void nas_model_free(struct nas_model *m)
{
	if (m == NULL)
		return;
	for (unsigned i = 0; i < m->hiddens; i++) {
		free(m->hidden[i].weights);
		free(m->hidden[i].bias);
	}
	for (unsigned i = 0; i < NAS_PARTS; i++)
		free(m->rows[i]);
	free(m->plan);
	free(m);
}

static unsigned last_units(const struct nas_model *m)
{
	return m->hiddens > 0 ? m->hidden[m->hiddens - 1].units : 0;
}

float *nas_model_features(const struct nas_model *m, const float *x, size_t n, unsigned *columns)
{
	unsigned channels = m->plan->channels, most = channels;
	float *now = NULL, *next;
	hv_autofree float *wide = NULL;

	for (unsigned i = 0; i < m->hiddens; i++)
		most = m->hidden[i].units > most ? m->hidden[i].units : most;
	wide = malloc(sizeof(*wide) * most * most);
	if (wide == NULL)
		return NULL;
	*columns = last_units(m) + (m->direct ? channels : 0);
	for (unsigned i = 0; i < m->hiddens; i++) {
		const struct nas_hidden *h = &m->hidden[i];
		unsigned rows = i + 1 == m->hiddens ? *columns : h->units;

		next = malloc(sizeof(*next) * rows * n);
		if (next != NULL)
			nas_units_run(i == 0 ? x : now, n, h->from, h->weights, h->bias, h->units,
				      h->shift, h->act, wide, next);
		free(now);
		now = next;
		if (now == NULL)
			return NULL;
	}
	if (m->hiddens == 0)
		now = malloc(sizeof(*now) * *columns * n);
	if (now != NULL && m->direct)
		memcpy(now + last_units(m) * n, x, sizeof(*x) * channels * n);
	return now;
}

/* ---- output layer ---- */

/* Best whole-number rows of one target over ridges and scales. */
struct rounding {
	const struct nas_gram *g;
	unsigned target, split; /* columns before it are hidden */
	uint8_t *group;
	double *coef;
	int32_t *q, *best;
	double unit[2], constant, err;
};

static int try_units(struct rounding *r, double ridge, const double *unit, const double *base)
{
	double constant, err;
	int e = nas_gram_round(r->g, r->target, ridge, r->group, unit, 127, base, r->q, &constant,
			       &err);

	if (e < 0)
		return e;
	if (err < r->err) {
		r->err = err;
		r->constant = constant;
		memcpy(r->unit, unit, sizeof(r->unit));
		memcpy(r->best, r->q, sizeof(*r->q) * r->g->n);
	}
	return HV_OK;
}

static int first_rows(struct rounding *r, bool residual)
{
	static const double ridges[] = { 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3 };
	double err;

	r->err = INFINITY;
	for (size_t i = 0; i < HV_ARRAY_SIZE(ridges); i++) {
		double most[2] = { 0, 0 };
		int e = nas_gram_solve(r->g, r->target, ridges[i], r->coef, &err);

		for (unsigned c = 1; c < r->g->n; c++)
			most[r->group[c]] = fmax(most[r->group[c]], fabs(r->coef[c]));
		for (int s = 0; e == HV_OK && s < (residual ? 1 : 49); s++) {
			double unit[2] = { most[0] / 127 * pow(0.88, s % 7),
					   most[1] / 127 * pow(0.88, s / 7) };

			e = try_units(r, ridges[i], unit, NULL);
		}
		if (e < 0)
			return e;
		if (residual)
			break;
	}
	return HV_OK;
}

static void store_rows(struct nas_model *m, const struct rounding *r, unsigned second)
{
	unsigned units = last_units(m), channels = m->plan->channels;
	struct nas_row *row = &m->row[r->target];

	for (unsigned i = 0; i < units; i++)
		m->rows[second][r->target * units + i] = (int8_t)r->best[1 + i];
	row->unit[second] = r->unit[0];
	for (unsigned c = 0; m->direct && c < channels; c++)
		m->rows[2 + second][r->target * channels + c] = (int8_t)r->best[1 + units + c];
	row->unit[2 + second] = m->direct ? r->unit[1] : 0;
	row->constant = r->constant;
}

static int second_rows(struct nas_model *m, struct rounding *r)
{
	double unit[2] = { r->unit[0] / RESIDUAL_STEP, r->unit[1] / RESIDUAL_STEP };
	int e;

	r->coef[0] = 0;
	for (unsigned c = 1; c < r->g->n; c++)
		r->coef[c] = r->best[c] * r->unit[r->group[c]];
	r->err = INFINITY;
	e = try_units(r, 1e-9, unit, r->coef);
	if (e == HV_OK)
		store_rows(m, r, 1);
	return e;
}

static int round_target(struct nas_model *m, const struct nas_gram *g, unsigned target)
{
	hv_autofree uint8_t *group = calloc(g->n, 1);
	hv_autofree double *coef = malloc(sizeof(*coef) * g->n);
	hv_autofree int32_t *q = calloc(2u * g->n, sizeof(*q));
	struct rounding r = { .g = g, .target = target, .group = group, .coef = coef, .q = q };
	int e;

	if (group == NULL || coef == NULL || q == NULL)
		return HV_E_NOMEM;
	r.best = q + g->n;
	for (unsigned c = 1 + last_units(m); c < g->n; c++)
		group[c] = 1;
	e = first_rows(&r, m->residual);
	if (e < 0)
		return e;
	store_rows(m, &r, 0);
	return m->residual ? second_rows(m, &r) : HV_OK;
}

/* Weights that make squares count like absolute values around real coefficients. */
static int reweigh(const struct nas_gram *g, const float *f, const double *t, const double *weight,
		   size_t n, double *w)
{
	unsigned cols = g->n - 1;
	hv_autofree double *coef = malloc(sizeof(*coef) * g->n);
	hv_autofree double *e2 = calloc(n, sizeof(*e2));
	double err, mean = 0;

	if (coef == NULL || e2 == NULL)
		return HV_E_NOMEM;
	for (unsigned k = 0; k < g->targets; k++) {
		int r = nas_gram_solve(g, k, 1e-9, coef, &err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++) {
			double v = coef[0] - t[k * n + i];

			for (unsigned c = 0; c < cols; c++)
				v += coef[c + 1] * (double)f[c * n + i];
			e2[i] += v * v * weight[i];
		}
	}
	for (size_t i = 0; i < n; i++)
		mean += sqrt(e2[i]) / (double)n;
	for (size_t i = 0; i < n; i++)
		w[i] = weight[i] * mean / (sqrt(e2[i]) + 0.2 * mean + 1e-30);
	return HV_OK;
}

static int room_for_rows(struct nas_model *m)
{
	size_t hidden = (size_t)m->plan->targets * last_units(m);
	size_t direct = m->direct ? (size_t)m->plan->targets * m->plan->channels : 0;

	for (unsigned i = 0; i < NAS_PARTS; i++) {
		free(m->rows[i]);
		m->rows[i] = calloc((i < 2 ? hidden : direct) + 1, 1);
		if (m->rows[i] == NULL)
			return HV_E_NOMEM;
	}
	return HV_OK;
}

int nas_model_solve(struct nas_model *m, const float *x, size_t n, const double *t,
		    const double *weight, bool absolute)
{
	unsigned columns = 0;
	hv_autofree float *f = nas_model_features(m, x, n, &columns);
	hv_autofree double *w = malloc(sizeof(*w) * n);
	struct nas_gram g = { 0 };
	int r = HV_E_NOMEM;

	if (f != NULL && w != NULL)
		r = room_for_rows(m);
	if (r == HV_OK) {
		memcpy(w, weight, sizeof(*w) * n);
		r = nas_gram_make(f, columns, t, m->plan->targets, w, n, &g);
	}
	for (int i = 0; r == HV_OK && absolute && i < 4; i++) {
		r = reweigh(&g, f, t, weight, n, w);
		nas_gram_clear(&g);
		if (r == HV_OK)
			r = nas_gram_make(f, columns, t, m->plan->targets, w, n, &g);
	}
	for (unsigned k = 0; r == HV_OK && k < m->plan->targets; k++)
		r = round_target(m, &g, k);
	nas_gram_clear(&g);
	return r;
}

/* ---- answers ---- */

static void add_part(const int8_t *row, double unit, const float *f, unsigned columns, size_t n,
		     double *to)
{
	for (unsigned c = 0; c < columns; c++) {
		double k = unit * row[c];

		for (size_t i = 0; k != 0 && i < n; i++)
			to[i] += k * (double)f[c * n + i];
	}
}

/* Targets (targets, n). */
static double *predict(const struct nas_model *m, const float *x, size_t n)
{
	unsigned columns = 0, units = last_units(m), channels = m->plan->channels;
	hv_autofree float *f = nas_model_features(m, x, n, &columns);
	double *t = f != NULL ? malloc(sizeof(*t) * m->plan->targets * n) : NULL;

	for (unsigned k = 0; t != NULL && k < m->plan->targets; k++) {
		const struct nas_row *row = &m->row[k];
		double *to = t + k * n;

		for (size_t i = 0; i < n; i++)
			to[i] = row->constant;
		for (unsigned s = 0; s < 2; s++) {
			if (units > 0 && row->unit[s] != 0)
				add_part(m->rows[s] + k * units, row->unit[s], f, units, n, to);
			if (m->direct && row->unit[2 + s] != 0)
				add_part(m->rows[2 + s] + k * channels, row->unit[2 + s],
					 f + units * n, channels, n, to);
		}
	}
	return t;
}

/* Runs the plan's post-instructions over columns. */
static double *finish(const struct nas_plan *p, const struct nas_data *d, const double *t)
{
	size_t n = d->n;
	hv_autofree double *col = malloc(sizeof(*col) * (p->posts + 1u) * n);
	double *out = malloc(sizeof(*out) * d->outs * n);

	if (col == NULL || out == NULL) {
		free(out);
		return NULL;
	}
	for (unsigned i = 0; i < p->posts; i++) {
		const struct hostprog_ins *s = &p->post[i];
		double *to = col + i * n;

		if (s->op == HP_IN)
			memcpy(to, d->in + s->index * n, n * sizeof(*to));
		else if (s->op == HP_WORD)
			memcpy(to, t + s->index * n, n * sizeof(*to));
		else if (s->op == HP_CONST)
			for (size_t k = 0; k < n; k++)
				to[k] = s->k;
		else
			hostprog_column(s->op, n, col + s->a * n, col + s->b * n, col + s->c * n,
					to);
	}
	for (size_t e = 0; e < d->outs; e++)
		memcpy(out + e * n, p->posts > 0 ? col + p->result[e] * n : t + e * n,
		       n * sizeof(*out));
	return out;
}

double *nas_model_answers(const struct nas_model *m, const struct nas_data *d, const float *x)
{
	hv_autofree double *t = predict(m, x, d->n);

	return t != NULL ? finish(m->plan, d, t) : NULL;
}

/* As the answer's type will hold it. */
static double fit(enum harvest_dtype t, double v)
{
	switch (t) {
	case HARVEST_U8: return fmin(fmax(round(v), 0), UINT8_MAX);
	case HARVEST_S8: return fmin(fmax(round(v), INT8_MIN), INT8_MAX);
	case HARVEST_U16: return fmin(fmax(round(v), 0), UINT16_MAX);
	case HARVEST_S16: return fmin(fmax(round(v), INT16_MIN), INT16_MAX);
	case HARVEST_S32: return fmin(fmax(round(v), INT32_MIN), INT32_MAX);
	default: return v;
	}
}

double nas_model_error(const struct nas_model *m, const struct nas_data *d, const float *x)
{
	hv_autofree double *out = nas_model_answers(m, d, x);
	hv_autofree double *ref = malloc(sizeof(*ref) * 2 * d->outs);
	struct hv_metric metric = hv_metric_begin_of(d->task);
	double *got = ref + d->outs;

	if (out == NULL || ref == NULL)
		return NAN;
	for (size_t i = 0; i < d->n; i++) {
		for (size_t e = 0; e < d->outs; e++) {
			ref[e] = d->ref[e * d->n + i];
			got[e] = fit(d->task->out.dtype, out[e * d->n + i]);
		}
		hv_metric_add_weighted(&metric, ref, got, d->outs, d->weight[i]);
	}
	return hv_metric_value(&metric);
}
