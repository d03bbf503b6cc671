#include "nas/linear/map.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <cblas.h>
#include <math.h>
#include <string.h>

/* Is a task linear? Fit on records of the training stream, judge on the validation stream. */
enum { FRESH = 512, SPARE = 512, SNAP_BITS = 30 };

/* From the sharpest on: more ridge for inputs that hardly differ and answers that are rounded. */
static const double ridges[] = { 1e-12, 1e-9, 1e-6 };

/* What rounding may leave. Answers are doubles, but a definition may compute in single
 * precision, or round to the integers that it returns. */
static const double single = 2e-6; /* of the rms of an answer */
static const double lsb_rms = 0.35, lsb_most = 1.01; /* of integers */
static const double lsb_share = 0.02; /* of the deviation: or rounding is what there is */

struct trial {
	const struct harvest_task *task;
	struct nas_data fit;
	double aim;
	double *got; /* (outs, FRESH) */
	struct nas_map *map;
};

static int map_new(const struct harvest_task *t, struct nas_map *map)
{
	*map = (struct nas_map){ .ins = (unsigned)tensor_elements(&t->in),
				 .outs = (unsigned)tensor_elements(&t->out) };
	map->m = calloc((size_t)map->ins * map->outs, sizeof(double));
	map->lo = malloc(sizeof(double) * 6 * map->ins);
	map->offset = calloc(5 * (size_t)map->outs, sizeof(double));
	if (map->m == NULL || map->lo == NULL || map->offset == NULL) {
		nas_map_clear(map);
		return HV_E_NOMEM;
	}
	map->hi = map->lo + map->ins;
	map->floor = map->hi + map->ins;
	map->ceiling = map->floor + map->ins;
	map->mean = map->ceiling + map->ins;
	map->spread = map->mean + map->ins;
	map->out_mean = map->offset + map->outs;
	map->out_most = map->out_mean + map->outs;
	map->least = map->out_most + map->outs;
	map->most = map->least + map->outs;
	for (unsigned r = 0; r < map->outs; r++) {
		map->least[r] = -INFINITY;
		map->most[r] = INFINITY;
	}
	return HV_OK;
}

void nas_map_clear(struct nas_map *map)
{
	free(map->m);
	free(map->lo);
	free(map->offset);
	nas_data_clear(&map->fresh);
	*map = (struct nas_map){ 0 };
}

/* The map over fresh records, limits applied. */
static void predict(const struct nas_map *map, const struct nas_data *d, double *got)
{
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)map->outs, (int)d->n,
		    (int)map->ins, 1, map->m, (int)map->ins, d->in, (int)d->n, 0, got, (int)d->n);
	for (unsigned r = 0; r < map->outs; r++)
		for (size_t i = 0; i < d->n; i++) {
			double *v = &got[r * d->n + i];

			*v = fmin(fmax(*v + map->offset[r], map->least[r]), map->most[r]);
		}
}

static bool is_integer(enum harvest_dtype t)
{
	return t != HARVEST_F32 && t != HARVEST_F64;
}

struct row_error {
	double err2, ref2, var, most; /* means over records; most: largest */
};

static struct row_error row_error_of(const double *ref, const double *got, size_t n)
{
	struct row_error e = { 0 };
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		double d = got[i] - ref[i];

		e.err2 += d * d / (double)n;
		e.ref2 += ref[i] * ref[i] / (double)n;
		e.most = fmax(e.most, fabs(d));
		sum += ref[i] / (double)n;
	}
	for (size_t i = 0; i < n; i++)
		e.var += (ref[i] - sum) * (ref[i] - sum) / (double)n;
	return e;
}

/* Nothing is missed but what rounding explains. */
static bool is_rounding(const struct row_error *e, enum harvest_dtype type)
{
	double rms = sqrt(e->err2), scale = sqrt(e->ref2);

	if (e->most <= 10 * single * scale && rms <= single * scale)
		return true;
	return is_integer(type) && rms <= lsb_rms && e->most <= lsb_most &&
	       rms <= lsb_share * sqrt(e->var);
}

static double metric_of(const struct trial *t)
{
	const struct nas_data *d = &t->map->fresh;
	struct hv_metric m = hv_metric_begin_of(t->task);
	hv_autofree double *ref = malloc(sizeof(*ref) * 2 * d->outs);

	if (ref == NULL)
		return NAN;
	for (size_t i = 0; i < d->n; i++) {
		for (size_t e = 0; e < d->outs; e++) {
			ref[e] = d->ref[e * d->n + i];
			ref[d->outs + e] = t->got[e * d->n + i];
		}
		hv_metric_add_of(&m, t->task, d->records + i * tensor_bytes(&t->task->in), ref,
				 ref + d->outs);
	}
	return hv_metric_value(&m);
}

/* Fills residual, error and kind; exact: what it is when only rounding is missed. */
static void judge(const struct trial *t, enum nas_map_kind exact)
{
	struct nas_map *map = t->map;
	const struct nas_data *d = &t->map->fresh;
	double err2 = 0, var = 0;
	bool rounding = true;

	predict(map, d, t->got);
	for (unsigned r = 0; r < map->outs; r++) {
		struct row_error e = row_error_of(d->ref + r * d->n, t->got + r * d->n, d->n);

		err2 += e.err2;
		var += e.var;
		rounding &= is_rounding(&e, t->task->out.dtype);
	}
	map->residual = err2 > 0 ? sqrt(err2 / var) : 0;
	map->error = metric_of(t);
	map->kind = NAS_MAP_NOT;
	if (rounding)
		map->kind = exact;
	else if (hv_metric_meets(t->task->metric, map->error, t->aim))
		map->kind = NAS_MAP_NEAR;
}

/* An end at which several answers stop: a limit. Exact answers hardly ever agree otherwise. */
static double plateau(const double *v, size_t n, bool top)
{
	double end = v[0];
	size_t times = 0;

	for (size_t i = 1; i < n; i++)
		end = top ? fmax(end, v[i]) : fmin(end, v[i]);
	for (size_t i = 0; i < n; i++)
		times += v[i] == end;
	if (times >= 3 && times < n)
		return end;
	return top ? INFINITY : -INFINITY;
}

/* Limits of the answers, and the records that meet none: how many. */
static size_t find_limits(const struct trial *t, uint8_t *keep)
{
	struct nas_map *map = t->map;
	const struct nas_data *d = &t->fit;
	size_t kept = 0;

	memset(keep, 1, d->n);
	for (unsigned r = 0; r < map->outs; r++) {
		const double *v = d->ref + r * d->n;

		map->least[r] = plateau(v, d->n, false);
		map->most[r] = plateau(v, d->n, true);
		for (size_t i = 0; i < d->n; i++)
			keep[i] &= v[i] > map->least[r] && v[i] < map->most[r];
	}
	for (size_t i = 0; i < d->n; i++)
		kept += keep[i];
	return kept;
}

static void no_limits(struct nas_map *map)
{
	for (unsigned r = 0; r < map->outs; r++) {
		map->least[r] = -INFINITY;
		map->most[r] = INFINITY;
	}
}

/* Better of what is there and what another ridge, or other records, make. */
static int attempt(struct trial *t, const uint8_t *keep, double ridge, enum nas_map_kind exact)
{
	struct nas_map *map = t->map;
	size_t values = (size_t)map->ins * map->outs;
	double residual = map->residual, error = map->error;
	enum nas_map_kind kind = map->kind;
	hv_autofree double *old = malloc(sizeof(*old) * (values + map->outs));
	int r;

	if (old == NULL)
		return HV_E_NOMEM;
	memcpy(old, map->m, sizeof(*old) * values);
	memcpy(old + values, map->offset, sizeof(*old) * map->outs);
	r = nas_map_solve(t->fit.in, map->ins, t->fit.ref, map->outs, t->fit.n, keep, ridge, map->m,
			  map->offset);
	if (r < 0)
		return r;
	judge(t, exact);
	if (map->residual <= residual)
		return HV_OK;
	memcpy(map->m, old, sizeof(*old) * values);
	memcpy(map->offset, old + values, sizeof(*old) * map->outs);
	map->residual = residual;
	map->error = error;
	map->kind = kind;
	return HV_OK;
}

static int try_ridges(struct trial *t, const uint8_t *keep, enum nas_map_kind exact)
{
	int r = HV_OK;

	for (size_t i = 0; r == HV_OK && i < HV_ARRAY_SIZE(ridges); i++) {
		double before = t->map->residual;

		r = attempt(t, keep, ridges[i], exact);
		/* an answer, or so far from linear that no ridge changes it */
		if (t->map->kind >= NAS_MAP_LIMITED || t->map->residual > 0.9 * before)
			break;
	}
	return r;
}

static int fit_limited(struct trial *t)
{
	hv_autofree uint8_t *keep = malloc(t->fit.n);
	struct nas_map *map = t->map;
	size_t kept;
	int r = HV_OK;

	if (keep == NULL)
		return HV_E_NOMEM;
	kept = find_limits(t, keep);
	if (kept < t->fit.n && kept >= map->ins + SPARE / 4)
		r = try_ridges(t, keep, NAS_MAP_LIMITED);
	if (map->kind != NAS_MAP_LIMITED)
		no_limits(map);
	return r;
}

static void ranges_of(const struct harvest_task *t, const struct nas_data *d, struct nas_map *map)
{
	for (unsigned c = 0; c < map->ins; c++) {
		const double *x = d->in + c * d->n;
		double lo = x[0], hi = x[0], mean = 0, var = 0;

		for (size_t i = 0; i < d->n; i++) {
			lo = fmin(lo, x[i]);
			hi = fmax(hi, x[i]);
			mean += x[i] / (double)d->n;
		}
		for (size_t i = 0; i < d->n; i++)
			var += (x[i] - mean) * (x[i] - mean) / (double)d->n;
		map->mean[c] = mean;
		map->spread[c] = sqrt(var);
		map->lo[c] = lo - (hi - lo) / 16;
		map->hi[c] = hi + (hi - lo) / 16;
		map->floor[c] = lo - (hi - lo) / 2;
		map->ceiling[c] = hi + (hi - lo) / 2;
		if (HARVEST_TASK_HAS(t, domain_count) && t->domain_count > 0) {
			const struct harvest_range *g = &t->domain[t->domain_count > 1 ? c : 0];

			map->floor[c] = g->lo;
			map->ceiling[c] = g->hi;
			map->lo[c] = fmax(map->lo[c], g->lo);
			map->hi[c] = fmin(map->hi[c], g->hi);
		}
	}
}

static void answers_of(const struct nas_data *d, struct nas_map *map)
{
	for (unsigned r = 0; r < map->outs; r++) {
		const double *v = d->ref + r * d->n;
		double mean = 0, most = 0;

		for (size_t i = 0; i < d->n; i++)
			mean += v[i] / (double)d->n;
		for (size_t i = 0; i < d->n; i++)
			most = fmax(most, fabs(v[i] - mean));
		map->out_mean[r] = mean;
		map->out_most[r] = most;
	}
}

static int trial_begin(struct trial *t, size_t records, char *why, size_t cap)
{
	int r = nas_data_draw(t->task, 1, 0, records, &t->fit, why, cap);

	if (r == HV_OK)
		r = nas_data_draw(t->task, 2, 0, FRESH, &t->map->fresh, why, cap);
	if (r == HV_OK) {
		t->got = malloc(sizeof(double) * t->map->outs * FRESH);
		r = t->got == NULL ? HV_E_NOMEM : HV_OK;
	}
	if (r != HV_OK)
		return r;
	ranges_of(t->task, &t->fit, t->map);
	answers_of(&t->fit, t->map);
	return HV_OK;
}

/* Numbers that least squares leaves a hair off become what they are: else the last bit decides
 * how a half is rounded, and machines differ in it. */
static void snap(struct nas_map *map)
{
	for (unsigned r = 0; r < map->outs; r++) {
		double *row = map->m + (size_t)r * map->ins, most = 0, unit;

		for (unsigned c = 0; c < map->ins; c++)
			most = fmax(most, fabs(row[c]));
		unit = most > 1e-280 ? exp2(ceil(log2(most)) - SNAP_BITS) : 1;
		for (unsigned c = 0; c < map->ins; c++)
			row[c] = rint(row[c] / unit) * unit;
		most = fmax(map->out_most[r], fabs(map->offset[r]));
		unit = most > 1e-280 ? exp2(ceil(log2(most)) - SNAP_BITS) : 1;
		map->offset[r] = rint(map->offset[r] / unit) * unit;
	}
}

static int trial_end(struct trial *t, int r)
{
	nas_data_clear(&t->fit);
	free(t->got);
	if (r < 0)
		nas_map_clear(t->map);
	return r;
}

static bool too_large(const struct harvest_task *t)
{
	return tensor_elements(&t->in) > NAS_MAP_ELEMENTS_MAX ||
	       tensor_elements(&t->out) > NAS_MAP_ELEMENTS_MAX;
}

int nas_map_fit(const struct harvest_task *task, double aim, struct nas_map *map, char *why,
		size_t cap)
{
	struct trial t = { .task = task, .aim = aim, .map = map };
	int r;

	if (too_large(task))
		return HV_E_NOENT;
	r = map_new(task, map);
	if (r < 0)
		return r;
	r = trial_begin(&t, 2 * (size_t)map->ins + SPARE, why, cap);
	map->residual = INFINITY;
	if (r == HV_OK)
		r = try_ridges(&t, NULL, NAS_MAP_EXACT);
	if (r == HV_OK && map->kind < NAS_MAP_LIMITED)
		r = fit_limited(&t);
	if (r == HV_OK && map->kind >= NAS_MAP_LIMITED)
		snap(map);
	return trial_end(&t, r);
}

int nas_map_take(const struct harvest_task *task, double aim, struct nas_map *map, char *why,
		 size_t cap)
{
	struct trial t = { .task = task, .aim = aim, .map = map };
	int r;

	if (too_large(task) || task->rows != tensor_elements(&task->out) ||
	    task->cols != tensor_elements(&task->in))
		return HV_E_NOENT;
	r = map_new(task, map);
	if (r < 0)
		return r;
	r = trial_begin(&t, SPARE, why, cap);
	if (r == HV_OK) {
		task->matrix(map->m);
		judge(&t, NAS_MAP_EXACT);
	}
	return trial_end(&t, r);
}
