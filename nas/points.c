#include "nas/gradient.h"
#include "nas/hint.h"
#include "nas/journal.h"
#include "nas/points.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int choose_setting(struct points *g, const struct nas_encoding *e, struct setting *best)
{
	static const enum cnn_act acts[] = { CNN_ACT_RELU, CNN_ACT_ABS };
	unsigned at;
	int r;

	g->tries = 0;
	for (int shift = 0; shift >= -3; shift--)
		for (unsigned a = 0; a < 2; a++)
			for (unsigned d = 0; d < 2; d++) {
				struct setting s = nas_points_quick(g, e);

				s.shift = shift;
				s.act = acts[a];
				s.direct = d;
				s.width = 12;
				if (nas_points_affordable(g, e, d + 1))
					g->try[g->tries++] = s;
			}
	r = nas_points_try(g, &at);
	if (r == HV_OK)
		*best = g->try[at];
	return r;
}

static int add_kept(struct points *g)
{
	int r = HV_OK;

	for (unsigned i = 0; i < g->tries; i++) {
		if (r == HV_OK && g->try[i].model != NULL)
			r = nas_front_add_model(g->f, g->q, g->try[i].model, g->why, g->cap);
		nas_model_free(g->try[i].model);
		g->try[i].model = NULL;
	}
	return r;
}

/* margin: of the aim, since certificates are a little worse than what validation records say. */
static bool reached(const struct points *g, bool margin)
{
	bool meets;
	struct nas_request q = *g->q;

	q.max_error = q.aim;
	if (margin && hv_metric_larger_is_better(q.task->metric))
		q.max_error += 0.3;
	else if (margin)
		q.max_error *= 0.95;
	(void)nas_front_choose(g->f, &q, &meets);
	return meets;
}

/* Widths from small to large, until the aim is reached or time runs out. */
static int climb(struct points *g, const struct setting *base)
{
	static const uint8_t widths[] = { 0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128 };
	bool met = false;
	int r = HV_OK;

	for (size_t i = 0; r == HV_OK && i < HV_ARRAY_SIZE(widths); i++) {
		unsigned at;

		g->tries = 0;
		for (unsigned k = 0; k < 4; k++) {
			struct setting s = *base;

			s.width = widths[i];
			s.n = TRAIN;
			s.pool = 512;
			s.rounds = 24;
			s.sweeps = 2;
			s.keep = true;
			s.residual = k % 2;
			s.seed = g->q->seed + k / 2;
			s.direct = base->direct || s.width == 0;
			if ((k >= 2 && s.width == 0) ||
			    !nas_points_affordable(g, &s.e, (s.direct + 1u) * (s.residual + 1u)))
				continue;
			g->try[g->tries++] = s;
		}
		if (g->tries == 0)
			continue;
		nas_say(g->q, "widths", 0.4 + 0.6 * (double)i / (double)HV_ARRAY_SIZE(widths),
			g->f->traces > 0 ? g->f->trace[g->f->traces - 1].error : NAN);
		r = nas_points_try(g, &at);
		if (r == HV_OK)
			r = add_kept(g);
		if (r == HV_OK && widths[i] == 0 && g->f->n > 0)
			g->f->base_error = g->f->of[0].error;
		if (reached(g, true) || met || !nas_time_left(g->q, 0.5))
			break;
		met = reached(g, false); /* one more width: its certificate may miss by a hair */
	}
	return r;
}

/* What greedy search did not reach is trained, on more records. */
static int more_data(struct points *g, const struct nas_encoding *e)
{
	size_t n = g->q->budget_s < 600 ? TRAIN_MORE : TRAIN_MOST;
	struct nas_data train = { 0 };
	int r;

	if (reached(g, false) || !nas_time_left(g->q, 0.8))
		return HV_OK;
	while ((double)n * g->record_s > 0.15 * g->q->budget_s && n > TRAIN)
		n /= 2; /* a function that is slow to ask */
	r = nas_data_draw(g->q->task, 1, 0, n, &train, g->why, g->cap);
	if (r == HV_OK)
		r = nas_gradient_run(g->q, g->f, e, &train, &g->valid, g->why, g->cap);
	nas_data_clear(&train);
	return r;
}

static int run(struct points *g)
{
	struct nas_encoding e = { 0 };
	struct setting base;
	int r;

	e.plan.targets = (unsigned)g->train.outs;
	g->hinted = nas_hint_apply(g->q->task, &e.plan, g->base, &g->bases);
	if (!g->hinted)
		for (; g->bases < g->train.ins; g->bases++)
			g->base[g->bases] = (uint16_t)nas_plan_in(&e.plan, g->bases);
	r = nas_points_choose(g, &e);
	if (r == HV_OK)
		r = choose_setting(g, &e, &base);
	if (r == HV_OK)
		r = climb(g, &base);
	return r == HV_OK ? more_data(g, &e) : r;
}

int nas_search_points(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	const struct harvest_task *t = q->task;
	struct points g = { .q = q, .f = f, .why = why, .cap = cap };
	double start = nas_now_s();
	int r;

	if (tensor_elements(&t->in) > INS_MAX || tensor_elements(&t->out) > NAS_TARGETS_MAX) {
		snprintf(why, cap,
			 "task %s has %zu inputs and %zu results a record: the search takes at "
			 "most %d and %d, unless it knows a structure",
			 t->name, tensor_elements(&t->in), tensor_elements(&t->out), INS_MAX,
			 NAS_TARGETS_MAX);
		return HV_E_NOENT;
	}
	g.try = calloc(TRIES_MAX, sizeof(*g.try));
	if (g.try == NULL) {
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	r = nas_data_draw(t, 1, 0, TRAIN, &g.train, why, cap);
	if (r == HV_OK)
		r = nas_data_draw(t, 2, 0, VALID, &g.valid, why, cap);
	g.record_s = (nas_now_s() - start) / (TRAIN + VALID);
	if (r == HV_OK && q->resume != NULL)
		r = nas_journal_open(q->resume, &g.train, &q->journal, &q->resume_damaged, why,
				     cap);
	if (r == HV_OK)
		r = run(&g);
	q->resume_error = nas_journal_error(q->journal);
	nas_journal_close(q->journal);
	q->journal = NULL;
	nas_data_clear(&g.train);
	nas_data_clear(&g.valid);
	free(g.try);
	return r;
}
