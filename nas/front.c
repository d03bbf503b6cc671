#include "accel/cost/cost.h"
#include "accel/package/check.h"
#include "nas/search.h"
#include "nas/pack.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

double nas_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool nas_time_left(const struct nas_request *q, double share)
{
	return nas_now_s() - q->start_s < share * q->budget_s;
}

void nas_say(const struct nas_request *q, const char *what, double share, double best)
{
	if (q->say != NULL)
		q->say(q->ctx, what, share, best);
}

bool nas_better(const struct harvest_task *task, double a, double b)
{
	if (isnan(a) || isnan(b))
		return !isnan(a);
	return hv_metric_larger_is_better(task->metric) ? a > b : a < b;
}

/* a is at least as good as b in everything. */
static bool covers(const struct harvest_task *t, const struct nas_found *a,
		   const struct nas_found *b)
{
	return !nas_better(t, b->error, a->error) && a->cycles <= b->cycles &&
	       a->weight_bytes <= b->weight_bytes && a->host_cycles <= b->host_cycles &&
	       a->words <= b->words;
}

static void note(struct nas_front *f, const struct harvest_task *t, const struct nas_found *x)
{
	if (f->traces == NAS_TRACE_MAX ||
	    (f->traces > 0 && !nas_better(t, x->error, f->trace[f->traces - 1].error)))
		return;
	f->trace[f->traces++] = (struct nas_trace){ x->at_s, x->error };
}

static void drop(struct nas_front *f, unsigned i)
{
	package_free(f->of[i].package);
	memmove(&f->of[i], &f->of[i + 1], (f->n - i - 1) * sizeof(f->of[0]));
	f->n--;
}

void nas_front_add(struct nas_front *f, const struct harvest_task *task, struct nas_found found)
{
	unsigned at = 0;

	f->tried++;
	if (isnan(found.error)) {
		package_free(found.package);
		return;
	}
	note(f, task, &found);
	for (unsigned i = 0; i < f->n; i++)
		if (covers(task, &f->of[i], &found)) {
			package_free(found.package);
			return;
		}
	for (unsigned i = f->n; i-- > 0;)
		if (covers(task, &found, &f->of[i]))
			drop(f, i);
	if (f->n == NAS_FOUND_MAX)
		drop(f, f->n - 1);
	while (at < f->n && nas_better(task, f->of[at].error, found.error))
		at++;
	memmove(&f->of[at + 1], &f->of[at], (f->n - at) * sizeof(f->of[0]));
	f->of[at] = found;
	f->n++;
}

static bool within(const struct nas_found *x, const struct nas_request *q)
{
	double us = x->cycles * (CNN_CYCLE_NS * 1e-3);

	return (q->max_weight_bytes == 0 || x->weight_bytes <= q->max_weight_bytes) &&
	       (q->max_latency_us == 0 || us <= q->max_latency_us) &&
	       (q->max_host_cycles == 0 || x->host_cycles <= q->max_host_cycles);
}

bool nas_front_within(const struct nas_front *f, const struct nas_request *q)
{
	for (unsigned i = 0; i < f->n; i++)
		if (q->max_host_cycles == 0 || f->of[i].host_cycles <= q->max_host_cycles)
			return true;
	return false;
}

/* What a network costs, for choosing. Where nobody says what the exact code takes, and so what
 * the host may do, its time counts as the accelerator's does: in its cycles, of half the length. */
static double cost_of(const struct nas_found *x, const struct nas_request *q)
{
	if (q->max_host_cycles == 0)
		return 2.0 * x->cycles + (double)x->host_cycles;
	return x->cycles;
}

static bool is_cheaper(const struct nas_found *a, const struct nas_found *b,
		       const struct nas_request *q)
{
	if (cost_of(a, q) != cost_of(b, q))
		return cost_of(a, q) < cost_of(b, q);
	if (a->host_cycles != b->host_cycles)
		return a->host_cycles < b->host_cycles;
	if (a->words != b->words)
		return a->words < b->words;
	return a->weight_bytes < b->weight_bytes;
}

struct nas_found *nas_front_choose(struct nas_front *f, const struct nas_request *q, bool *meets)
{
	struct nas_found *best = NULL, *least = NULL;

	for (unsigned i = 0; i < f->n; i++) {
		struct nas_found *x = &f->of[i];

		if (!within(x, q))
			continue;
		if (least == NULL || nas_better(q->task, x->error, least->error))
			least = x;
		if (!hv_metric_meets(q->task->metric, x->error, q->max_error))
			continue;
		if (best == NULL || is_cheaper(x, best, q))
			best = x;
	}
	*meets = best != NULL;
	if (best == NULL && least == NULL && f->n > 0)
		return &f->of[0];
	return best != NULL ? best : least;
}

int nas_front_add_model(struct nas_front *f, struct nas_request *q, struct nas_model *m, char *why,
			size_t cap)
{
	struct package *p = NULL;
	struct nas_found x = { .error = m->error, .at_s = nas_now_s() - q->start_s };
	int r;

	m->seed = q->seed;
	r = nas_model_package(m, q->task, &p, why, cap);
	if (r < 0)
		return r;
	x.package = p;
	x.cycles = m->cycles;
	x.host_cycles = m->host_cycles;
	x.weight_bytes = m->weight_bytes;
	x.words = m->words;
	x.layers = p->net.layers;
	snprintf(x.engine, sizeof(x.engine), "%s", m->engine);
	snprintf(x.encoding, sizeof(x.encoding), "%s", m->plan->text);
	nas_front_add(f, q->task, x);
	return HV_OK;
}

/* The metric of a package over records of the validation stream; NaN without memory. */
static double package_error(const struct package *p, const struct harvest_task *t, size_t records)
{
	enum { BATCH = 64 };
	size_t outs = tensor_elements(&t->out), ins = tensor_bytes(&t->in), bytes;
	hv_autofree uint8_t *in = malloc(ins * BATCH);
	hv_autofree uint8_t *out = malloc(tensor_bytes(&t->out) * BATCH);
	hv_autofree double *ref = malloc(sizeof(*ref) * 2 * outs);
	struct hv_metric m = hv_metric_begin_of(t);

	if (in == NULL || out == NULL || ref == NULL)
		return NAN;
	bytes = tensor_bytes(&t->out);
	for (size_t i = 0, n; i < records; i += n) {
		n = records - i < BATCH ? records - i : BATCH;
		for (size_t k = 0; k < n; k++)
			t->sample(2, i + k, in + k * ins);
		if (package_run(p, in, out, n) < 0)
			return NAN;
		for (size_t k = 0; k < n; k++) {
			t->reference(in + k * ins, ref);
			tensor_to_double(&t->out, out + k * bytes, ref + outs);
			hv_metric_add_of(&m, t, in + k * ins, ref, ref + outs);
		}
	}
	return hv_metric_value(&m);
}

/* 32-bit words to be read for one record: four neighbouring channels of 8 bits share one. */
static uint32_t words_of(const struct cnn_steps *s)
{
	uint32_t n = 0;

	if (s->input != CNN_IN_BYTES)
		return cnn_steps_words(s);
	for (unsigned i = 0; i < s->sets; i++)
		n += s->raw[i].pixels *
		     (s->raw[i].bits == 8 ? (s->raw[i].rows + 3u) / 4 : s->raw[i].rows);
	return n;
}

/* Everything but the error. On failure p is freed. */
static int finish_package(struct nas_request *q, struct package *p, const char *engine,
			  const char *text, struct nas_found *x, char *why, size_t cap)
{
	int r = package_check_net(p, why, cap);

	if (r == HV_OK && p->host != NULL)
		r = hostprog_check(p->host, why, cap);
	if (r < 0) {
		package_free(p);
		return r == HV_E_NOMEM ? r : HV_E_INVAL;
	}
	if (p->host != NULL) /* else who built it has done so */
		nas_pack_finish(p, q->task, engine, text, q->seed);
	*x = (struct nas_found){ .package = p,
				 .cycles = p->record_cycles,
				 .host_cycles = nas_pack_host_cycles(p),
				 .weight_bytes = nas_pack_weight_bytes(p),
				 .words = words_of(&p->steps),
				 .layers = p->net.layers };
	snprintf(x->engine, sizeof(x->engine), "%s", engine);
	snprintf(x->encoding, sizeof(x->encoding), "%s", text);
	return HV_OK;
}

int nas_front_add_package(struct nas_front *f, struct nas_request *q, struct package *p,
			  const char *engine, const char *text, size_t records, char *why,
			  size_t cap)
{
	struct nas_found x;
	int r = finish_package(q, p, engine, text, &x, why, cap);

	if (r < 0)
		return r;
	x.error = package_error(p, q->task, records);
	x.at_s = nas_now_s() - q->start_s;
	nas_front_add(f, q->task, x);
	return HV_OK;
}

int nas_front_add_judged(struct nas_front *f, struct nas_request *q, struct package *p,
			 const char *engine, const char *text, const struct nas_data *d, char *why,
			 size_t cap)
{
	const struct harvest_task *t = q->task;
	hv_autofree uint8_t *out = malloc(d->n * tensor_bytes(&t->out));
	hv_autofree double *ref = malloc(sizeof(*ref) * 2 * d->outs);
	struct hv_metric m = hv_metric_begin_of(t);
	struct nas_found x;
	int r = finish_package(q, p, engine, text, &x, why, cap);

	if (r < 0)
		return r;
	if (out == NULL || ref == NULL || package_run(p, d->records, out, d->n) < 0) {
		package_free(p);
		return HV_E_NOMEM;
	}
	for (size_t i = 0; i < d->n; i++) {
		for (size_t e = 0; e < d->outs; e++)
			ref[e] = d->ref[e * d->n + i];
		tensor_to_double(&t->out, out + i * tensor_bytes(&t->out), ref + d->outs);
		hv_metric_add_of(&m, t, d->records + i * tensor_bytes(&t->in), ref, ref + d->outs);
	}
	x.error = hv_metric_value(&m);
	x.at_s = nas_now_s() - q->start_s;
	nas_front_add(f, t, x);
	return HV_OK;
}

void nas_front_free(struct nas_front *f)
{
	if (f == NULL)
		return;
	for (unsigned i = 0; i < f->n; i++)
		package_free(f->of[i].package);
	free(f);
}

static bool aim_reached(struct nas_front *f, const struct nas_request *q)
{
	struct nas_request aim = *q;
	bool meets;

	aim.max_error = q->aim;
	(void)nas_front_choose(f, &aim, &meets);
	return meets;
}

/* Few numbers first, then wide networks for what they leave; decisions have no gradient to
 * follow but a wide network's. Numbers whose encoding costs too much, and tasks with too many of
 * them, get the plain bytes of the wide ones. */
static int search_trained(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	int r = HV_E_NOENT, wide;

	if (q->task->metric != HARVEST_MISS_RATE)
		r = nas_search_points(q, f, why, cap);
	if (r == HV_OK && (aim_reached(f, q) || !nas_time_left(q, 0.9)))
		return r;
	if (r < 0 && r != HV_E_NOENT && r != HV_E_BUDGET)
		return r;
	wide = nas_search_wide(q, f, why, cap);
	if (wide == HV_E_NOENT || (r == HV_OK && wide == HV_E_BUDGET))
		return r == HV_E_NOENT ? HV_E_INVAL : r;
	return wide;
}

int nas_search(struct nas_request *q, struct nas_front **front, char *why, size_t cap)
{
	struct nas_front *f = calloc(1, sizeof(*f));
	int r;

	if (f == NULL) {
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	f->base_error = NAN;
	q->start_s = nas_now_s();
	r = nas_search_linear(q, f, why, cap);
	if (r == HV_E_NOENT)
		r = nas_search_structure(q, f, why, cap);
	if (r == HV_E_NOENT)
		r = search_trained(q, f, why, cap);
	/* what others cannot search, a linear map may do */
	if ((r == HV_E_INVAL || r == HV_E_BUDGET) && nas_front_within(f, q))
		r = HV_OK;
	f->seconds = nas_now_s() - q->start_s;
	if (r < 0) {
		nas_front_free(f);
		return r;
	}
	*front = f;
	return HV_OK;
}
