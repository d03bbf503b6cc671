#include "nas/curve.h"
#include "nas/points.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_cut(struct points *g, struct nas_encoding *e, unsigned value, unsigned pieces,
		    enum nas_spacing spacing)
{
	if (e->cuts == NAS_CUTS_MAX || value >= e->plan.values)
		return;
	e->cut[e->cuts] = (struct nas_cut){ .value = (uint16_t)value,
					    .pieces = (uint8_t)pieces,
					    .spacing = spacing };
	nas_encoding_range(e, e->cuts++, &g->valid);
}

/* Values that a host makes of two others for little. */
static unsigned derived(struct nas_encoding *e, unsigned kind, unsigned a, unsigned b)
{
	struct nas_plan *p = &e->plan;
	unsigned x = a, y = b;

	switch (kind) {
	case 0: return nas_plan_op(p, HP_MUL, x, y);
	case 1:
		x = nas_plan_op(p, HP_MUL, x, x);
		y = nas_plan_op(p, HP_MUL, y, y);
		return nas_plan_op(p, HP_ADD, x, y);
	case 2: return nas_plan_op(p, HP_ADD, x, y);
	case 3: return nas_plan_op(p, HP_SUB, x, y);
	case 4: return nas_plan_op(p, HP_DIV, x, y);
	case 5: return nas_plan_op(p, HP_DIV, y, x);
	case 6: return nas_plan_op(p, HP_MUL, x, x);
	default: return nas_plan_op(p, HP_MUL, y, y);
	}
}
enum { DERIVED = 8 };

struct way {
	uint8_t pieces;
	enum nas_spacing spacing;
};

static const struct way ways[] = {
	{ 1, NAS_UNIFORM },   { 4, NAS_UNIFORM }, { 8, NAS_UNIFORM }, { 8, NAS_TO_TOP },
	{ 8, NAS_TO_BOTTOM }, { 8, NAS_TO_ENDS }, { 8, NAS_BY_BEND },
};
static const struct way few_ways[] = { { 1, NAS_UNIFORM }, { 8, NAS_BY_BEND } };

/* One more value of every kind, cut in every way. */
static void collect_derived(struct points *g, const struct nas_encoding *now, const struct way *way,
			    unsigned n)
{
	for (unsigned a = 0; a < g->bases; a++)
		for (unsigned b = a + 1; b < g->bases; b++)
			for (unsigned k = 0; k < DERIVED; k++) {
				struct nas_encoding e = *now;
				struct nas_cut *cut = &e.cut[e.cuts];

				add_cut(g, &e, derived(&e, k, g->base[a], g->base[b]), 1,
					NAS_UNIFORM);
				if (e.cuts == now->cuts || !(cut->hi > cut->lo))
					continue;
				for (unsigned w = 0; w < n; w++) {
					cut->pieces = way[w].pieces;
					cut->spacing = way[w].spacing;
					nas_points_collect(g, &e);
				}
			}
}

/* Every input cut alike. */
static void cut_bases(struct points *g, struct nas_encoding *e)
{
	for (unsigned k = 0; k < g->bases; k++)
		add_cut(g, e, g->base[k], 1, NAS_UNIFORM);
}

static void collect_pieces(struct points *g, const struct nas_encoding *cut, unsigned pieces,
			   enum nas_spacing spacing)
{
	struct nas_encoding e = *cut;

	for (unsigned k = 0; k < e.cuts; k++) {
		e.cut[k].pieces = (uint8_t)pieces;
		e.cut[k].spacing = spacing;
	}
	nas_points_collect(g, &e);
}

/* The same, and the host bends the answer. */
static void collect_curves(struct points *g, const struct nas_encoding *start)
{
	static const uint8_t pieces[] = { 1, 3, 8, 16, 32 };

	for (unsigned kind = 1; !g->hinted && kind < NAS_CURVES; kind++) {
		struct nas_encoding e = *start;

		if (!nas_curve_apply(&e.plan, (enum nas_curve_kind)kind, &g->train))
			continue;
		cut_bases(g, &e);
		for (size_t i = 0; i < HV_ARRAY_SIZE(pieces); i++) {
			collect_pieces(g, &e, pieces[i], NAS_UNIFORM);
			if (i > 0)
				collect_pieces(g, &e, pieces[i], NAS_BY_BEND);
		}
		if (kind != NAS_CURVE_EXP || g->bases > 4)
			continue;
		for (unsigned k = 0; k < e.cuts; k++) {
			e.cut[k].pieces = 8;
			e.cut[k].spacing = NAS_BY_BEND;
		}
		collect_derived(g, &e, few_ways, HV_ARRAY_SIZE(few_ways));
	}
}

/* The same cuts, and another curve or none. */
static void collect_other_curves(struct points *g, const struct nas_encoding *now)
{
	for (unsigned kind = 0; !g->hinted && kind < NAS_CURVES; kind++) {
		struct nas_encoding e = *now;

		if (kind == now->plan.curve.kind)
			continue;
		nas_curve_remove(&e.plan);
		if (kind != NAS_CURVE_NONE &&
		    !nas_curve_apply(&e.plan, (enum nas_curve_kind)kind, &g->train))
			continue;
		for (unsigned i = 0; i < e.cuts; i++)
			nas_encoding_range(&e, i, &g->valid);
		nas_points_collect(g, &e);
		for (unsigned i = 0; i < e.cuts; i++)
			if (e.cut[i].pieces > 1)
				e.cut[i].spacing = NAS_BY_BEND;
		nas_points_collect(g, &e);
	}
}

/* Every input cut alike, and all products of two, or only those of different ones. */
static void collect_products(struct points *g, const struct nas_encoding *cut, bool squares)
{
	struct nas_encoding e = *cut;

	for (unsigned a = 0; a < g->bases; a++)
		for (unsigned b = squares ? a : a + 1; b < g->bases; b++)
			add_cut(g, &e, nas_plan_op(&e.plan, HP_MUL, g->base[a], g->base[b]), 1,
				NAS_UNIFORM);
	nas_points_collect(g, &e);
}

/* Better than the aim by a margin, already with a few units: of those the encoding that costs the
 * host least. False: there is none. */
static bool cheapest_enough(const struct points *g, unsigned *at)
{
	const struct harvest_task *t = g->q->task;
	double aim = hv_metric_larger_is_better(t->metric) ? g->q->aim + 2 : 0.8 * g->q->aim;
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < g->tries; i++) {
		uint64_t cycles;

		if (isnan(g->try[i].error) || !hv_metric_meets(t->metric, g->try[i].error, aim))
			continue;
		cycles = nas_plan_encode_cycles(&g->try[i].e.plan, t);
		if (cycles < least) {
			least = cycles;
			*at = i;
		}
	}
	return least < UINT64_MAX;
}

/* Sums and differences of two, alone: sines and cosines that are multiplied are sums of theirs. */
static void collect_sums(struct points *g, const struct nas_encoding *start)
{
	static const uint8_t pieces[] = { 8, 16, 24, 32 };
	struct nas_encoding e = *start;

	if (g->bases < 2 || g->bases > 4)
		return;
	for (unsigned a = 0; a < g->bases; a++)
		for (unsigned b = a + 1; b < g->bases; b++) {
			add_cut(g, &e, nas_plan_op(&e.plan, HP_ADD, g->base[a], g->base[b]), 1,
				NAS_UNIFORM);
			add_cut(g, &e, nas_plan_op(&e.plan, HP_SUB, g->base[a], g->base[b]), 1,
				NAS_UNIFORM);
		}
	for (size_t i = 0; i < HV_ARRAY_SIZE(pieces); i++)
		collect_pieces(g, &e, pieces[i], NAS_UNIFORM);
}

/* What is tried first: every input in the same number of pieces, and with all products. */
static void collect_plain(struct points *g, const struct nas_encoding *cut)
{
	static const uint8_t pieces[] = { 1, 3, 6, 8, 12, 16, 24, 32 };

	for (size_t i = 0; i < HV_ARRAY_SIZE(pieces); i++)
		collect_pieces(g, cut, pieces[i], NAS_UNIFORM);
	for (unsigned n = 1; n <= 3 && g->bases > 1 && g->bases <= 6; n += 2) {
		struct nas_encoding e = *cut;

		for (unsigned k = 0; k < e.cuts; k++)
			e.cut[k].pieces = (uint8_t)n;
		collect_products(g, &e, false);
		collect_products(g, &e, true);
	}
}

/* Then pieces where the records say, more of them, and answers bent by the host. */
static void collect_learnt(struct points *g, const struct nas_encoding *start,
			   const struct nas_encoding *cut)
{
	static const uint8_t pieces[] = { 3, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128 };

	for (size_t i = 0; i < HV_ARRAY_SIZE(pieces); i++) {
		collect_pieces(g, cut, pieces[i], NAS_BY_BEND);
		collect_pieces(g, cut, pieces[i], NAS_BY_RANK);
		if (pieces[i] > 32)
			collect_pieces(g, cut, pieces[i], NAS_UNIFORM);
	}
	collect_curves(g, start);
}

/* Then one derived value beside them. */
static void collect_more_values(struct points *g, const struct nas_encoding *cut)
{
	static const uint8_t pieces[] = { 1, 3, 6 };

	for (size_t i = 0; i < HV_ARRAY_SIZE(pieces); i++) {
		struct nas_encoding e = *cut;

		for (unsigned k = 0; k < e.cuts; k++)
			e.cut[k].pieces = pieces[i];
		if (g->bases <= (i == 0 ? 4 : 3))
			collect_derived(g, &e, ways, HV_ARRAY_SIZE(ways));
	}
}

static int refuse_host(struct points *g)
{
	snprintf(g->why, g->cap,
		 "task %s: putting %zu inputs into the accelerator and taking %zu results out "
		 "takes the host more than the %llu cycles that are a third of the exact code; it "
		 "stays on the CPU",
		 g->q->task->name, g->train.ins, g->train.outs,
		 (unsigned long long)g->q->max_host_cycles);
	return HV_E_BUDGET;
}

/* Alike for all inputs, in three steps of which each is taken only if those before gave nothing
 * that is good enough. */
static int choose_base(struct points *g, struct nas_encoding *best)
{
	const struct nas_encoding start = *best;
	struct nas_encoding cut = start;
	double error = NAN;

	cut_bases(g, &cut);
	for (unsigned step = 0; step < 3 && !g->enough; step++) {
		unsigned at;
		int r;

		g->tries = 0;
		if (step == 0) {
			collect_plain(g, &cut);
			collect_sums(g, &start);
		} else if (step == 1) {
			collect_learnt(g, &start, &cut);
		} else {
			collect_more_values(g, &cut);
		}
		if (g->tries == 0 && step == 0)
			return refuse_host(g);
		if (g->tries == 0)
			continue;
		r = nas_points_try(g, &at);
		if (r < 0)
			return r;
		g->enough = cheapest_enough(g, &at);
		if (step > 0 && !nas_better(g->q->task, g->try[at].error, error))
			continue;
		error = g->try[at].error;
		*best = g->try[at].e;
	}
	return HV_OK;
}

static unsigned most_pieces(enum nas_spacing spacing)
{
	bool halves = spacing != NAS_UNIFORM && spacing != NAS_BY_RANK && spacing != NAS_BY_BEND;

	return halves ? 12 : NAS_PIECES_MAX;
}

/* Cutting what there is differently: one cut's pieces or spacing, or without it. */
static void collect_recuts(struct points *g, const struct nas_encoding *now)
{
	static const uint8_t pieces[] = { 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64 };

	for (unsigned i = 0; i < now->cuts; i++) {
		for (unsigned k = 0; k < HV_ARRAY_SIZE(pieces) * NAS_SPACINGS; k++) {
			struct nas_encoding e = *now;

			e.cut[i].pieces = pieces[k % HV_ARRAY_SIZE(pieces)];
			e.cut[i].spacing = (enum nas_spacing)(k / HV_ARRAY_SIZE(pieces));
			if (e.cut[i].pieces <= 2 && e.cut[i].spacing != NAS_UNIFORM)
				continue;
			if (e.cut[i].pieces > most_pieces(e.cut[i].spacing))
				continue;
			if (e.cut[i].pieces == now->cut[i].pieces &&
			    e.cut[i].spacing == now->cut[i].spacing)
				continue;
			nas_points_collect(g, &e);
		}
		if (now->cuts > 1) {
			struct nas_encoding e = *now;

			memmove(&e.cut[i], &e.cut[i + 1], (e.cuts - i - 1) * sizeof(e.cut[0]));
			e.cuts--;
			nas_points_collect(g, &e);
		}
	}
}

/* Some pieces of one cut go to another, whose spacing changes. */
static void collect_moves(struct points *g, const struct nas_encoding *now)
{
	for (unsigned i = 0; i < now->cuts; i++)
		for (unsigned k = 0; k < now->cuts; k++)
			for (unsigned n = 2; n <= 4; n += 2)
				for (unsigned sp = 0; sp < NAS_SPACINGS; sp++) {
					struct nas_encoding e = *now;

					if (i == k || e.cut[i].pieces <= n ||
					    e.cut[k].pieces + n > most_pieces(sp))
						continue;
					e.cut[i].pieces = (uint8_t)(e.cut[i].pieces - n);
					e.cut[k].pieces = (uint8_t)(e.cut[k].pieces + n);
					e.cut[k].spacing = (enum nas_spacing)sp;
					nas_points_collect(g, &e);
				}
}

/* Values that no cut uses any more. */
static void sweep_values(struct nas_encoding *e)
{
	bool used[NAS_VALUES_MAX] = { false };
	uint16_t to[NAS_VALUES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < e->cuts; i++)
		used[e->cut[i].value] = true;
	for (unsigned i = e->plan.values; i-- > 0;) {
		const struct hostprog_ins *s = &e->plan.value[i];

		if (used[i] && s->op != HP_IN && s->op != HP_CONST)
			used[s->a] = used[s->b] = used[s->c] =
				true; /* operand 0 stands for absent ones: harmless */
	}
	for (unsigned i = 0; i < e->plan.values; i++) {
		struct hostprog_ins s = e->plan.value[i];

		to[i] = (uint16_t)n;
		if (!used[i])
			continue;
		if (s.op != HP_IN && s.op != HP_CONST) {
			s.a = to[s.a];
			s.b = to[s.b];
			s.c = to[s.c];
		}
		e->plan.value[n++] = s;
	}
	e->plan.values = n;
	for (unsigned i = 0; i < e->cuts; i++)
		e->cut[i].value = to[e->cut[i].value];
}

static bool hardly_worse(const struct harvest_task *t, double a, double b)
{
	return hv_metric_larger_is_better(t->metric) ? a > b - 0.15 : a < b * 1.02;
}

/* What is hardly missed goes: host work for nothing. */
static int prune(struct points *g, struct nas_encoding *best)
{
	for (unsigned round = 0; round < NAS_CUTS_MAX && best->cuts > 1; round++) {
		unsigned at;
		int r;

		if (!nas_time_left(g->q, 0.35))
			break;
		g->tries = 0;
		nas_points_collect(g, best);
		for (unsigned i = 0; i < best->cuts; i++) {
			struct nas_encoding e = *best;

			memmove(&e.cut[i], &e.cut[i + 1], (e.cuts - i - 1) * sizeof(e.cut[0]));
			e.cuts--;
			nas_points_collect(g, &e);
		}
		if (g->tries < 2)
			break;
		r = nas_points_try(g, &at);
		if (r < 0)
			return r;
		at = 1;
		for (unsigned i = 2; i < g->tries; i++)
			if (nas_better(g->q->task, g->try[i].error, g->try[at].error))
				at = i;
		if (!hardly_worse(g->q->task, g->try[at].error, g->try[0].error))
			break;
		*best = g->try[at].e;
	}
	return HV_OK;
}

/* Greedy: what helps most is taken, until nothing helps enough. */
int nas_points_choose(struct points *g, struct nas_encoding *best)
{
	double error;
	unsigned at;
	int r = choose_base(g, best);

	if (r < 0)
		return r;
	error = NAN;
	for (unsigned round = 0; round < (g->enough ? 1 : 8) && nas_time_left(g->q, 0.3); round++) {
		nas_say(g->q, "encodings", 0.05 * round, error);
		g->tries = 0;
		nas_points_collect(g, best);
		collect_other_curves(g, best);
		collect_recuts(g, best);
		collect_moves(g, best);
		if (round == 1 && g->bases <= 4)
			collect_derived(g, best, ways, HV_ARRAY_SIZE(ways));
		else if (round > 0 && g->bases <= 8)
			collect_derived(g, best, few_ways, HV_ARRAY_SIZE(few_ways));
		r = nas_points_try(g, &at);
		if (r < 0)
			return r;
		error = g->try[at].error;
		if (round > 1 && fabs(g->try[0].error - error) < 0.03 * fabs(error))
			break;
		g->enough = cheapest_enough(g, &at);
		*best = g->try[at].e;
	}
	r = prune(g, best);
	if (r < 0)
		return r;
	sweep_values(best);
	(void)nas_encoding_apply(best);
	nas_encoding_describe(best);
	return HV_OK;
}
