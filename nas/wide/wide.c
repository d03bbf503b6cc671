#include "nas/search.h"
#include "nas/wide/train.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Tasks of many inputs, and decisions: one byte an input, and dense chains that learn the rest
 * from as many records as it takes. A ladder of shapes, cheapest first, until one reaches the
 * aim; then the one that came nearest, for longer. */
enum {
	INS_MAX = 64,
	FEW_INS = 8, /* so many or fewer are for the search of encodings, but for decisions */
	VALID = 32768,
	TEST = 16384, /* records of a certificate */
	TUNE = 32768, /* records for constants and least squares */
	LONGER = 4, /* times the steps, when the ladder did not do */
};
/* The records for constants begin here in the train stream: training does not get so far. */
#define TUNE_FIRST (UINT64_C(1) << 32)

/* Two hidden layers at most: a board puts back no more registers than those of three layers in
 * the time that its primary grants, so a deeper net would be served by the CPU alone. 256 units
 * at most: so many biases are left of a quadrant beside a keyword spotter. */
static const struct rung {
	struct wide_shape shape;
	unsigned steps;
} ladder[] = {
	{ { 1, { 32 } }, 2048 },      { { 2, { 32, 16 } }, 4096 },   { { 2, { 64, 32 } }, 8192 },
	{ { 2, { 128, 64 } }, 8192 }, { { 2, { 256, 128 } }, 8192 }, { { 2, { 256, 256 } }, 49152 },
};

struct wide {
	struct nas_request *q;
	struct nas_front *f;
	struct nas_plan plan;
	struct nas_data valid, tune;
	float *x_valid, *x_tune; /* channels, owned */
	struct wide_pool pool;
	double work, all_work; /* multiply-adds done and planned */
	double spent_s, spent_work; /* on rungs that are done */
	double rung_work;
	char *why;
	size_t cap;
};

/* ---- what the host does ---- */

static bool is_whole(enum harvest_dtype t)
{
	return t != HARVEST_F32 && t != HARVEST_F64;
}

/* The range of an element on 256 steps. Of whole numbers a step is a power of two, which a host
 * does with a shift; a power that fits only half of the steps would waste too much. */
static bool add_byte(struct nas_plan *p, const struct nas_data *d, unsigned e, bool shift)
{
	const double *v = d->in + e * d->n;
	double lo = v[0], hi = v[0], gain;

	for (size_t i = 0; i < d->n; i++) {
		lo = fmin(lo, v[i]);
		hi = fmax(hi, v[i]);
	}
	gain = hi > lo ? 255 / (hi - lo) : 1;
	if (!shift)
		return nas_plan_channel(p, nas_plan_in(p, e), gain, -128 - lo * gain);
	gain = fmin(exp2(floor(log2(256 / (hi - lo + 1)))), 1);
	return nas_plan_channel(p, nas_plan_in(p, e), gain, -128.5 - floor(lo * gain));
}

static bool add_bytes(struct nas_plan *p, const struct nas_data *d, bool shift)
{
	p->values = p->channels = 0;
	for (unsigned e = 0; e < d->ins; e++)
		if (!add_byte(p, d, e, shift))
			return false;
	snprintf(p->text, sizeof(p->text), "%zu inputs, a byte each", d->ins);
	return true;
}

/* Cycles of answers: a word, its scale and constant, a comparison, the result. */
static uint64_t decode_cycles(const struct nas_data *d)
{
	return (uint64_t)d->outs * 10;
}

static bool affordable(const struct wide *w)
{
	uint64_t most = w->q->max_host_cycles;

	return most == 0 ||
	       nas_plan_encode_cycles(&w->plan, w->q->task) + decode_cycles(&w->valid) <= most;
}

static int make_plan(struct wide *w)
{
	bool whole = is_whole(w->q->task->in.dtype);

	w->plan.targets = (unsigned)w->valid.outs;
	if (add_bytes(&w->plan, &w->valid, whole) && affordable(w))
		return HV_OK;
	snprintf(
		w->why, w->cap,
		"task %s: putting %zu inputs into the accelerator and taking %zu results out takes "
		"the host more than the %llu cycles that are a third of the exact code; it stays "
		"on the CPU",
		w->q->task->name, w->valid.ins, w->valid.outs,
		(unsigned long long)w->q->max_host_cycles);
	return HV_E_BUDGET;
}

/* answer k = target k > 0 ? hi : lo */
static void decide(struct wide *w)
{
	struct nas_plan *p = &w->plan;

	for (unsigned k = 0; k < p->targets; k++) {
		uint16_t at = (uint16_t)p->posts;

		p->post[p->posts++] = (struct hostprog_ins){ .op = HP_WORD, .index = k };
		p->post[p->posts++] =
			(struct hostprog_ins){ .op = HP_CONST, .k = w->pool.target[k].hi };
		p->post[p->posts++] =
			(struct hostprog_ins){ .op = HP_CONST, .k = w->pool.target[k].lo };
		p->result[k] = (uint16_t)p->posts;
		p->post[p->posts++] = (struct hostprog_ins){
			.op = HP_SELECT, .a = at, .b = (uint16_t)(at + 1), .c = (uint16_t)(at + 2)
		};
	}
}

/* ---- from a net to a model ---- */

static struct nas_model *model_new(const struct wide *w, const char *engine)
{
	struct nas_model *m = nas_model_new(&w->plan, engine);

	if (m != NULL)
		m->seed = w->q->seed;
	return m;
}

static int take_layers(const struct wide_net *net, struct nas_model *m)
{
	const struct wide_layer *last = &net->layer[net->layers - 1];
	int8_t none[WIDE_TARGETS_MAX];

	for (unsigned l = 0; l + 1 < net->layers; l++) {
		const struct wide_layer *y = &net->layer[l];
		struct nas_hidden *h = &m->hidden[m->hiddens++];

		*h = (struct nas_hidden){ .units = y->out,
					  .from = y->in,
					  .weights = malloc((size_t)y->in * y->out),
					  .bias = malloc(y->out),
					  .shift = y->shift,
					  .act = CNN_ACT_RELU };
		if (h->weights == NULL || h->bias == NULL)
			return HV_E_NOMEM;
		wide_net_take(net, l, h->weights, h->bias);
	}
	for (unsigned i = 0; i < NAS_PARTS; i++) {
		m->rows[i] = calloc((size_t)last->in * last->out, 1);
		if (m->rows[i] == NULL)
			return HV_E_NOMEM;
	}
	wide_net_take(net, net->layers - 1, m->rows[0], none);
	return HV_OK;
}

struct vote {
	double word;
	bool yes;
};

static int compare(const void *a, const void *b)
{
	double x = ((const struct vote *)a)->word, y = ((const struct vote *)b)->word;

	return (x > y) - (x < y);
}

/* The constant with which fewest of the votes are wrong; between two words. */
static double best_constant(struct vote *v, size_t n)
{
	size_t wrong = 0, least;
	double at;

	qsort(v, n, sizeof(*v), compare);
	for (size_t i = 0; i < n; i++)
		wrong += !v[i].yes; /* all say yes */
	least = wrong;
	at = v[0].word - 1;
	for (size_t i = 0; i < n; i++) {
		wrong = v[i].yes ? wrong + 1 : wrong - 1;
		if (wrong >= least || (i + 1 < n && v[i + 1].word <= v[i].word))
			continue;
		least = wrong;
		at = i + 1 < n ? (v[i].word + v[i + 1].word) / 2 : v[i].word + 1;
	}
	return -at;
}

/* Constants of decisions, one target after the other. */
static int settle_decisions(const struct wide *w, struct nas_model *m)
{
	unsigned columns = 0, n = (unsigned)w->tune.n;
	hv_autofree float *f = nas_model_features(m, w->x_tune, n, &columns);
	hv_autofree struct vote *v = malloc(n * sizeof(*v));

	if (f == NULL || v == NULL)
		return HV_E_NOMEM;
	for (unsigned k = 0; k < w->plan.targets; k++) {
		for (size_t i = 0; i < n; i++)
			v[i] = (struct vote){ .yes = w->tune.ref[k * n + i] >
						     w->pool.target[k].lo };
		for (unsigned c = 0; c < columns; c++)
			for (size_t i = 0; i < n; i++)
				v[i].word +=
					(double)f[(size_t)c * n + i] * m->rows[0][k * columns + c];
		m->row[k] = (struct nas_row){ .unit[0] = 1, .constant = best_constant(v, n) };
	}
	return HV_OK;
}

/* Least squares on the features that the net has learnt; of decisions on -1 and 1. */
static int solve(const struct wide *w, struct nas_model *m)
{
	hv_autofree double *t = NULL, *weight = NULL;
	int r = nas_plan_targets(&w->plan, &w->tune, &t, &weight);

	for (size_t i = 0; r == HV_OK && w->pool.decides && i < w->plan.targets * w->tune.n; i++)
		t[i] = t[i] > w->pool.target[i / w->tune.n].lo ? 1 : -1;
	if (r == HV_OK)
		r = nas_model_solve(m, w->x_tune, w->tune.n, t, weight,
				    w->q->task->metric == HARVEST_MEAN_REL ||
					    w->q->task->metric == HARVEST_MAX_ABS);
	return r;
}

/* Takes the model in every case. */
static int add(struct wide *w, struct nas_model *m, int r)
{
	if (r == HV_OK) {
		m->error = nas_model_error(m, &w->valid, w->x_valid);
		r = isnan(m->error) ? HV_E_NOMEM
				    : nas_front_add_model(w->f, w->q, m, w->why, w->cap);
	}
	nas_model_free(m);
	if (r == HV_E_NOMEM)
		snprintf(w->why, w->cap, "out of memory");
	return r;
}

static int add_net(struct wide *w, const struct wide_net *net, bool residual)
{
	struct nas_model *m = model_new(w, "wide");
	int r = HV_E_NOMEM;

	if (m == NULL)
		return add(w, m, r);
	m->residual = residual;
	r = take_layers(net, m);
	if (r == HV_OK)
		r = w->pool.decides ? settle_decisions(w, m) : solve(w, m);
	return add(w, m, r);
}

/* What a linear fit with the same interface does. */
static int add_linear(struct wide *w)
{
	struct nas_model *m = model_new(w, "linear fit");
	int r = HV_E_NOMEM;

	if (m != NULL) {
		m->direct = true;
		r = solve(w, m);
	}
	r = add(w, m, r);
	if (r == HV_OK && w->f->n > 0)
		w->f->base_error = w->f->of[0].error;
	return r;
}

/* ---- the ladder ---- */

/* The aim is for the certificate, and that is so much above what was counted on validation
 * records: four deviations of the test records' count. */
static double aim_of(const struct wide *w)
{
	double aim = w->q->aim;

	if (w->q->task->metric != HARVEST_MISS_RATE)
		return aim;
	return fmax(aim - 4 * sqrt(aim * (1 - fmin(aim, 1)) / TEST), 0.5 * aim);
}

static bool reached(const struct wide *w)
{
	struct nas_request q = *w->q;
	bool meets;

	q.max_error = aim_of(w);
	(void)nas_front_choose(w->f, &q, &meets);
	return meets;
}

static double work_of(const struct wide *w, const struct wide_shape *s, unsigned steps)
{
	return (double)wide_shape_macs(s, w->plan.channels, w->plan.targets) * WIDE_BATCH * steps;
}

static bool watch(void *ctx, double share, double loss)
{
	struct wide *w = ctx;
	double done = w->work + share * w->rung_work;

	(void)loss;
	nas_say(w->q, "wide networks", done / w->all_work,
		w->f->traces > 0 ? w->f->trace[w->f->traces - 1].error : NAN);
	return nas_time_left(w->q, 1);
}

/* What has no chance to be done in time is not begun. */
static bool fits_time(const struct wide *w)
{
	double left_s = w->q->budget_s - (nas_now_s() - w->q->start_s);

	return w->spent_work <= 0 || w->rung_work * w->spent_s / w->spent_work < left_s;
}

static int climb(struct wide *w, const struct wide_shape *shape, unsigned steps, uint64_t seed)
{
	struct wide_effort e = { .shape = *shape,
				 .steps = steps,
				 .seed = seed,
				 .threads = w->q->threads,
				 .watch = watch,
				 .ctx = w };
	struct wide_net *net = NULL;
	double start_s = nas_now_s();
	int r;

	w->rung_work = work_of(w, shape, steps);
	if (!fits_time(w))
		return HV_OK;
	r = wide_train(&w->pool, &e, &net, w->why, w->cap);
	if (r == HV_OK)
		r = add_net(w, net, false);
	if (r == HV_OK && !w->pool.decides)
		r = add_net(w, net, true);
	wide_net_free(net);
	w->work += w->rung_work;
	w->spent_work += w->rung_work;
	w->spent_s += nas_now_s() - start_s;
	return r == HV_E_CANCEL ? HV_OK : r;
}

static int climb_all(struct wide *w)
{
	const size_t n = HV_ARRAY_SIZE(ladder);
	const struct rung *top = &ladder[n - 1];
	int r = HV_OK;

	for (size_t i = 0; i < n; i++)
		w->all_work += work_of(w, &ladder[i].shape, ladder[i].steps);
	for (size_t i = 0; r == HV_OK && i < n && !reached(w); i++)
		r = climb(w, &ladder[i].shape, ladder[i].steps, w->q->seed + i);
	if (r == HV_OK && !reached(w)) {
		w->all_work += work_of(w, &top->shape, LONGER * top->steps);
		r = climb(w, &top->shape, LONGER * top->steps, w->q->seed + n);
	}
	return r;
}

static int run(struct wide *w)
{
	int r = make_plan(w);

	if (r < 0)
		return r;
	w->x_valid = nas_plan_channels(&w->plan, &w->valid);
	w->x_tune = nas_plan_channels(&w->plan, &w->tune);
	r = w->x_valid != NULL && w->x_tune != NULL ? HV_OK : HV_E_NOMEM;
	if (r == HV_OK)
		r = wide_pool_new(&w->plan, &w->tune, &w->pool);
	if (r == HV_E_NOMEM)
		snprintf(w->why, w->cap, "out of memory");
	if (r == HV_OK && w->pool.decides)
		decide(w);
	if (r == HV_OK)
		r = add_linear(w);
	return r == HV_OK ? climb_all(w) : r;
}

int nas_search_wide(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	const struct harvest_task *t = q->task;
	struct wide w = { .q = q, .f = f, .why = why, .cap = cap };
	size_t ins = tensor_elements(&t->in), outs = tensor_elements(&t->out);
	int r;

	if (ins > INS_MAX || outs > NAS_TARGETS_MAX) {
		snprintf(why, cap,
			 "task %s has %zu inputs and %zu results a record: the search takes at "
			 "most %d and %d, unless it knows a structure",
			 t->name, ins, outs, INS_MAX, NAS_TARGETS_MAX);
		return HV_E_NOENT;
	}
	if (ins <= FEW_INS && t->metric != HARVEST_MISS_RATE)
		return HV_E_NOENT;
	r = nas_data_draw(t, 2, 0, VALID, &w.valid, why, cap);
	if (r == HV_OK)
		r = nas_data_draw(t, 1, TUNE_FIRST, TUNE, &w.tune, why, cap);
	if (r == HV_OK)
		r = run(&w);
	nas_data_clear(&w.valid);
	nas_data_clear(&w.tune);
	wide_pool_clear(&w.pool);
	free(w.x_valid);
	free(w.x_tune);
	return r;
}
