#include "accel/bound/source.h"
#include "accel/build/build.h"
#include "accel/cost/cost.h"
#include "accel/image/image.h"
#include "accel/package/check.h"
#include "nas/linear/lowrank.h"
#include "nas/search.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>

/* Linear tasks are derived, not searched: from the matrix that they bring, or from the one that
 * their records give away. Every rung of the precision dial and every form that the matrix
 * allows go into the front. */
enum {
	LEVELS = 4,
	SAMPLES = 4096,
	SPARE = 512,
	MANY = 8192,
	CACHED = 2048,
	RANK_MAX = 40,
	RAMPS_MAX = 4
};

/* Elements that differ by less do not differ: share of the largest one. */
static const double slack_exact = 1e-7;
static const double slack_near = 0.2; /* times what the map misses */

struct engine {
	struct nas_request *q;
	struct nas_front *f;
	struct nas_map map;
	struct nas_data data; /* for what is solved on whole numbers; n 0: not drawn yet */
	double slack;
	char remark[40]; /* what people should know about the map */
	char *why;
	size_t cap;
};

/* ---- tasks that bring their matrix ---- */

static int add_level(struct nas_request *q, struct nas_front *f, struct bound_cache *cache,
		     unsigned level, char *why, size_t cap)
{
	const struct harvest_task *t = q->task;
	struct nas_found x = { .at_s = nas_now_s() - q->start_s };
	int r = cnn_build_again(t, cache, level, SAMPLES, &x.package, why, cap);

	if (r < 0)
		return r;
	x.error = x.package->cert.certified;
	x.cycles = x.package->record_cycles;
	x.layers = x.package->net.layers;
	x.words = cnn_steps_words(&x.package->steps);
	for (unsigned i = 0; i < x.package->net.layers; i++)
		x.weight_bytes += cnn_layer_weights(&x.package->net.layer[i]) *
				  x.package->net.layer[i].weight_bits / 8;
	snprintf(x.engine, sizeof(x.engine), "matrix");
	snprintf(x.encoding, sizeof(x.encoding), "level %u", level);
	nas_front_add(f, t, x);
	nas_say(q, "levels", (double)level / LEVELS, x.error);
	return HV_OK;
}

static int add_levels(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	const struct harvest_task *t = q->task;
	bool small = tensor_elements(&t->in) <= CACHED && tensor_elements(&t->out) <= CACHED;
	struct bound_cache *cache = NULL;
	int r = small ? bound_cache_new(t, SAMPLES, &cache) : HV_OK;

	if (r < 0)
		snprintf(why, cap, "%s", hv_err_text(r));
	for (unsigned level = 1; r == HV_OK && level <= LEVELS; level++)
		r = add_level(q, f, cache, level, why, cap);
	bound_cache_free(cache);
	return r;
}

/* ---- forms ---- */

/* An empty accelerator takes it. */
static bool has_place(const struct package *p)
{
	static const struct cnn_room all = { .kernel_words = CNN_KERNEL_WORDS,
					     .bias_count = CNN_BIAS_BYTES,
					     .data_words = CNN_DATA_WORDS };
	struct cnn_place place;
	char why[200];

	return package_check_net(p, why, sizeof(why)) == HV_OK &&
	       cnn_place_fit(&p->net, &all, &place, why, sizeof(why)) == HV_OK;
}

/* Takes p. What does not fit is no candidate, and no failure. */
static int add(struct engine *g, struct package *p, const char *engine, const char *text)
{
	char said[96], unfit[200];
	int r;

	if (!has_place(p)) {
		package_free(p);
		return HV_OK;
	}
	snprintf(said, sizeof(said), "%.60s%.35s", text, g->remark);
	r = nas_front_add_judged(g->f, g->q, p, engine, said, &g->map.fresh, unfit, sizeof(unfit));
	return r == HV_E_NOMEM ? r : HV_OK;
}

static int add_form(struct engine *g, const struct nas_form *f, const struct nas_map *map,
		    const struct nas_rung *rung, const char *engine, const char *how)
{
	struct package *p;
	char text[96];
	int r = nas_form_package(f, rung, map, g->q->task, &p);

	if (r < 0)
		return r == HV_E_NOMEM ? r : HV_OK;
	snprintf(text, sizeof(text), "level %u: %s%s", rung->level, rung->text, how);
	return add(g, p, engine, text);
}

/* The package path with samples in and results out takes it as it is: no host program. */
static bool goes_by_steps(const struct engine *g)
{
	const struct harvest_task *t = g->q->task;
	double most = t->out.dtype == HARVEST_S16 ? INT16_MAX : INT32_MAX;

	if (t->in.dtype != HARVEST_S16 ||
	    (t->out.dtype != HARVEST_S16 && t->out.dtype != HARVEST_S32) ||
	    (t->metric != HARVEST_SNR_DB && t->metric != HARVEST_NRMSE &&
	     t->metric != HARVEST_MAX_ABS))
		return false;
	for (unsigned r = 0; r < g->map.outs; r++)
		if ((isfinite(g->map.least[r]) && g->map.least[r] != -most - 1) ||
		    (isfinite(g->map.most[r]) && g->map.most[r] != most))
			return false;
	return true;
}

static int add_steps(struct engine *g)
{
	const struct harvest_task *t = g->q->task;
	const struct nas_map *m = &g->map;
	struct cnn_affine a = { .rows = m->outs,
				.cols = m->ins,
				.out_bits = t->out.dtype == HARVEST_S16 ? 16 : 32,
				.m = m->m,
				.offset = m->offset,
				.mean = m->mean };
	int r = HV_OK;

	for (unsigned level = 1; r == HV_OK && level <= LEVELS; level++) {
		struct package *p;
		char text[40];

		r = cnn_build_affine(t->name, t->version, &a, level, &p, g->why, g->cap);
		if (r == HV_E_INVAL)
			return HV_OK;
		snprintf(text, sizeof(text), "level %u, on the board", level);
		if (r == HV_OK)
			r = add(g, p, "matrix", text);
	}
	return r;
}

static int add_dense(struct engine *g, bool by_steps)
{
	enum harvest_dtype type = g->q->task->in.dtype;
	struct nas_dense s;
	const struct nas_rung *rung;
	int r = nas_shape_dense(&g->map, g->slack, &s);

	if (r < 0)
		return r;
	for (unsigned i = 0; r == HV_OK && (rung = nas_rung_at(type, i)) != NULL; i++) {
		bool smaller = s.form.in_step < g->map.ins || s.form.out_step < g->map.outs;

		if (by_steps && rung->level > 1 && !smaller)
			continue;
		r = add_form(g, &s.form, &g->map, rung, "matrix", "");
	}
	nas_dense_clear(&s);
	return r;
}

/* ---- convolutions ---- */

static uint32_t fold_cycles(const struct nas_form *f)
{
	struct cnn_layer y = { .op = f->kernel > 1 ? CNN_OP_CONV1D : CNN_OP_LINEAR,
			       .from = CNN_FROM_INPUT,
			       .in_channels = (uint16_t)f->in_step,
			       .height = (uint16_t)f->pixels,
			       .width = 1,
			       .kernel_h = (uint8_t)f->kernel,
			       .kernel_w = 1,
			       .out_channels = (uint16_t)f->out_step,
			       .weight_bits = 8,
			       .out_bits = 32,
			       .is_output = true };

	return cnn_cost_layer_cycles(&y);
}

/* Folds of least cycles, of least weights, and of least of both. */
static void choose_folds(const struct engine *g, const struct nas_shift *s, unsigned fold[3])
{
	double best[3] = { INFINITY, INFINITY, INFINITY };

	fold[0] = fold[1] = fold[2] = 0;
	for (unsigned k = 1; k * s->out_step <= g->map.outs; k++) {
		struct nas_form f;
		double *w, cycles, weights;

		if (nas_shift_fold(s, g->map.outs, k, &f, &w) < 0)
			continue;
		free(w);
		cycles = fold_cycles(&f);
		weights = (double)f.in_step * f.out_step * f.kernel;
		for (unsigned i = 0; i < 3; i++) {
			double cost = i == 0 ? cycles : i == 1 ? weights : cycles * weights;

			if (cost < best[i]) {
				best[i] = cost;
				fold[i] = k;
			}
		}
	}
}

static int add_fold(struct engine *g, const struct nas_shift *s, unsigned fold)
{
	enum harvest_dtype type = g->q->task->in.dtype;
	const struct nas_rung *rung;
	struct nas_map map = g->map;
	struct nas_form f;
	hv_autofree double *offset = malloc(sizeof(*offset) * map.outs);
	double *w;
	char how[40];
	int r = nas_shift_fold(s, map.outs, fold, &f, &w);

	if (r < 0 || offset == NULL) {
		if (r == HV_OK)
			free(w);
		return r == HV_E_BUSY ? HV_OK : HV_E_NOMEM;
	}
	for (unsigned i = 0; i < map.outs; i++)
		offset[i] = s->offset[i % s->out_step];
	map.offset = offset;
	snprintf(how, sizeof(how), ", %u to %u by %u", f.in_step, f.out_step, f.kernel);
	for (unsigned i = 0; r == HV_OK && (rung = nas_rung_at(type, i)) != NULL; i++)
		r = add_form(g, &f, &map, rung, "convolution", how);
	free(w);
	return r;
}

static int add_convolutions(struct engine *g)
{
	struct nas_shift s;
	unsigned fold[3];
	int r = nas_shape_shift(&g->map, g->slack, &s);

	if (r < 0)
		return r == HV_E_NOENT ? HV_OK : r;
	choose_folds(g, &s, fold);
	for (unsigned i = 0; r == HV_OK && i < 3; i++)
		if (fold[i] > 0 && (i < 1 || fold[i] != fold[0]) && (i < 2 || fold[i] != fold[1]))
			r = add_fold(g, &s, fold[i]);
	nas_shift_clear(&s);
	return r;
}

/* ---- low rank ---- */

/* Share of the answers' energy that an error in the task's metric leaves. */
static double share_of(const struct harvest_task *t, double error)
{
	if (t->metric == HARVEST_SNR_DB)
		return pow(10, -error / 10);
	return t->metric == HARVEST_MAX_ABS ? 1e-4 : error * error;
}

static int draw(struct engine *g, size_t records)
{
	if (g->data.n >= records)
		return HV_OK;
	nas_data_clear(&g->data);
	return nas_data_draw(g->q->task, 1, 0, records, &g->data, g->why, g->cap);
}

static int add_rank(struct engine *g, unsigned rank, const double *u, unsigned columns)
{
	enum harvest_dtype type = g->q->task->in.dtype;
	unsigned parts = type == HARVEST_U8 || type == HARVEST_S8 ? 1 : 2;
	int r = draw(g, 4 * (size_t)rank * RAMPS_MAX + SPARE);

	for (unsigned i = 0; r == HV_OK && i < parts * RAMPS_MAX; i++) {
		unsigned ramps = 1 + i / parts, of = 1 + i % parts;
		struct nas_lowrank k = { rank, ramps, of, u, columns };
		struct package *p;
		char text[60];

		r = nas_lowrank_package(&k, &g->map, &g->data, &p);
		if (r == HV_E_BUSY)
			return HV_OK;
		snprintf(text, sizeof(text), "rank %u in %u channels, %u-bit input", rank,
			 rank * ramps, 8 * of);
		if (r == HV_OK)
			r = add(g, p, "low rank", text);
	}
	return r;
}

/* The least rank that leaves that share of the answers' energy. */
static unsigned rank_for(const double *share, unsigned most, double aim)
{
	for (unsigned i = 1; i <= most; i++)
		if (share[i] <= aim)
			return i;
	return 0;
}

/* Behind it the energy falls at once: the rest is noise. */
static unsigned rank_before_gap(const double *share, unsigned most)
{
	double widest = 0;
	unsigned at = 0;

	for (unsigned i = 1; i < most; i++) {
		double before = share[i - 1] - share[i], behind = share[i] - share[i + 1];

		if (behind > 0 && before / behind > widest) {
			widest = before / behind;
			at = i;
		}
	}
	return widest > 30 ? at : 0;
}

/* Ranks that leave half of what is asked for, or nothing, or noise, where two layers weigh less
 * than one. */
static int add_ranks(struct engine *g)
{
	const struct harvest_task *t = g->q->task;
	unsigned most = RANK_MAX, done[4];
	hv_autofree double *u = malloc(sizeof(*u) * g->map.outs * RANK_MAX);
	double share[RANK_MAX + 1];
	const double wanted[3] = { share_of(t, g->q->max_error) / 2, share_of(t, g->q->aim) / 2,
				   1e-10 };
	int r = HV_E_NOMEM;

	if (u != NULL)
		r = nas_shape_rank(&g->map, &most, u, share);
	for (unsigned i = 0; r == HV_OK && i < 4; i++) {
		unsigned rank =
			i < 3 ? rank_for(share, most, wanted[i]) : rank_before_gap(share, most);
		bool twice = false;

		for (unsigned k = 0; k < i; k++)
			twice |= done[k] == rank;
		done[i] = rank;
		if (rank == 0 || twice ||
		    4 * (size_t)rank * (g->map.ins + g->map.outs) >
			    3 * (size_t)g->map.ins * g->map.outs)
			continue;
		r = add_rank(g, rank, u, most);
	}
	return r;
}

/* ---- the engine ---- */

static int add_all(struct engine *g, bool has_levels)
{
	bool by_steps = goes_by_steps(g);
	int r = HV_OK;

	g->slack = nas_shape_largest(&g->map) *
		   (g->map.kind == NAS_MAP_NEAR || g->map.kind == NAS_MAP_NOT
			    ? fmin(slack_near * g->map.residual, 0.05)
			    : slack_exact);
	if (by_steps && !has_levels)
		r = add_steps(g);
	if (r == HV_OK)
		r = add_dense(g, by_steps);
	nas_say(g->q, "structure", 0.5, NAN);
	if (r == HV_OK && g->map.outs > 1)
		r = add_convolutions(g);
	if (r == HV_OK && g->map.outs > 2 && g->map.ins > 2)
		r = add_ranks(g);
	return r == HV_E_NOENT ? HV_OK : r;
}

static bool meets(const struct engine *g, double error)
{
	struct nas_request q = *g->q;
	bool is_met;

	q.max_error = error;
	q.max_host_cycles = q.host_unsaid ? 0 : q.max_host_cycles;
	(void)nas_front_choose(g->f, &q, &is_met);
	return is_met;
}

/* The map is built. A host that may not even carry the bytes leaves nothing to choose. */
static int concluded(const struct engine *g)
{
	const struct harvest_task *t = g->q->task;
	uint64_t least = UINT64_MAX;

	if (g->f->n == 0)
		return HV_E_NOENT;
	if (g->q->host_unsaid || nas_front_within(g->f, g->q))
		return HV_OK;
	for (unsigned i = 0; i < g->f->n; i++)
		least = g->f->of[i].host_cycles < least ? g->f->of[i].host_cycles : least;
	snprintf(g->why, g->cap,
		 "task %s is linear, and putting %u inputs into the accelerator and taking %u "
		 "results out takes the host %llu cycles, more than the %llu that are a third of "
		 "the exact code; it stays on the CPU",
		 t->name, g->map.ins, g->map.outs, (unsigned long long)least,
		 (unsigned long long)g->q->max_host_cycles);
	return HV_E_BUDGET;
}

/* What a task brings, once its records agree with it. HV_E_NOENT: nothing, or they do not. */
static int take(struct engine *g)
{
	const struct harvest_task *t = g->q->task;
	bool levels = t->in.dtype == HARVEST_S16;
	int r;

	if (t->linear == HARVEST_NOT_LINEAR || t->matrix == NULL)
		return HV_E_NOENT;
	if (t->linear == HARVEST_LINEAR_DFT)
		return levels ? add_levels(g->q, g->f, g->why, g->cap) : HV_E_NOENT;
	r = nas_map_take(t, g->q->aim, &g->map, g->why, g->cap);
	if (r < 0)
		return r;
	if (g->map.kind != NAS_MAP_EXACT) {
		nas_map_clear(&g->map);
		return HV_E_NOENT;
	}
	if (levels && (t->out.dtype == HARVEST_S16 || t->out.dtype == HARVEST_S32))
		r = add_levels(g->q, g->f, g->why, g->cap);
	if (r == HV_E_INVAL) { /* a metric without closed form: the forms have certificates too */
		levels = false;
		r = HV_OK;
	}
	if (r == HV_OK)
		r = add_all(g, levels);
	return r == HV_OK ? concluded(g) : r;
}

/* What records give away. HV_E_NOENT: others should look at the task too. */
static int find_out(struct engine *g)
{
	const struct nas_map *m = &g->map;
	int r = nas_map_fit(g->q->task, g->q->aim, &g->map, g->why, g->cap);

	if (r == HV_E_INVAL) /* constant so far; if more records agree, nobody finds anything */
		r = draw(g, MANY);
	if (r < 0 || g->data.n > 0)
		return r == HV_OK ? HV_E_NOENT : r;
	g->f->base_error = m->error;
	if (m->kind == NAS_MAP_NEAR || m->kind == NAS_MAP_NOT)
		snprintf(g->remark, sizeof(g->remark), "; a linear map misses %.2g %%",
			 100 * m->residual);
	else if (m->kind == NAS_MAP_LIMITED)
		snprintf(g->remark, sizeof(g->remark), "; within limits");
	if (m->kind == NAS_MAP_NOT &&
	    !hv_metric_meets(g->q->task->metric, m->error, g->q->max_error))
		return HV_E_NOENT;
	r = add_all(g, false);
	if (r < 0)
		return r;
	if (m->kind >= NAS_MAP_LIMITED)
		return concluded(g);
	return m->kind == NAS_MAP_NEAR && meets(g, g->q->aim) ? HV_OK : HV_E_NOENT;
}

int nas_search_linear(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	struct engine g = { .q = q, .f = f, .why = why, .cap = cap };
	int r = take(&g);

	if (r == HV_E_NOENT)
		r = find_out(&g);
	if (r == HV_OK && q->host_unsaid) /* a map's cost is known: both sides' time decides */
		q->max_host_cycles = 0;
	nas_map_clear(&g.map);
	nas_data_clear(&g.data);
	return r;
}
