#include "accel/arch.h"
#include "nas/suite/suite.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include <math.h>
#include <string.h>

/* Steps of a linear package, counted as instructions of good code for a Cortex-M4 (Technical
 * Reference Manual 100166, table of instruction timings), the loop's own with them.
 * In: four samples are 2 LDR, 4 UXTB16, 2 ORR with a shift, 1 EOR, 2 STR, 1 of the loop: 12.
 * Word: LDR 2, ADD with a shift 1, the loop 1. Out: SMULL 1, ADDS and ADC of the half 2, a shift
 * 1, SSAT 1, STR 1. */
enum { STEP_IN_CYCLES = 3, STEP_WORD_CYCLES = 4, STEP_OUT_CYCLES = 6 };

static const char *const mark_names[] = {
	[SUITE_NO_MARK] = "-",
	[SUITE_MISSED] = "none",
	[SUITE_PASS] = "pass",
	[SUITE_GOAL] = "goal",
};

const char *suite_mark_text(enum suite_mark m)
{
	return mark_names[m];
}

enum suite_mark suite_mark_find(const char *text)
{
	for (unsigned m = SUITE_MISSED; text != NULL && m <= SUITE_GOAL; m++)
		if (strcmp(mark_names[m], text) == 0)
			return (enum suite_mark)m;
	return SUITE_NO_MARK;
}

enum suite_mark suite_mark_join(const struct harvest_task *t, enum suite_mark by_certificate,
				enum suite_mark by_application)
{
	if (by_application == SUITE_NO_MARK)
		return by_certificate;
	if (by_certificate == SUITE_NO_MARK || loop_is_alone(t))
		return by_application;
	return by_certificate < by_application ? by_certificate : by_application;
}

enum suite_mark suite_mark_of(const struct harvest_task *t, double certified)
{
	if (t == NULL || t->pass == 0)
		return SUITE_NO_MARK;
	if (t->goal != 0 && hv_metric_meets(t->metric, certified, t->goal))
		return SUITE_GOAL;
	return hv_metric_meets(t->metric, certified, t->pass) ? SUITE_PASS : SUITE_MISSED;
}

static size_t weight_bytes(const struct package *p)
{
	size_t n = 0;

	for (unsigned i = 0; i < p->net.layers; i++) {
		const struct cnn_layer *l = &p->net.layer[i];

		n += (cnn_layer_weights(l) * l->weight_bits + 7) / 8 +
		     (l->bias != NULL ? l->out_channels : 0);
	}
	return n;
}

static void price_around(const struct package *p, struct suite_price *r)
{
	const struct harvest_task *t = task_find(p->task);

	r->words_out = cnn_steps_words(&p->steps);
	if (p->host != NULL) {
		r->before = hostprog_cycles(p->host, HOSTPROG_ENCODE);
		r->after = hostprog_cycles(p->host, HOSTPROG_DECODE);
		r->words_in = (uint64_t)p->host->pixels * ((p->host->channels + 3) / 4);
		r->words_out = p->host->words;
		return;
	}
	r->words_in = (uint64_t)cnn_steps_positions(&p->steps) * ((p->net.channels + 3u) / 4);
	r->after = (uint64_t)STEP_WORD_CYCLES * r->words_out;
	if (t == NULL)
		return;
	r->before = (uint64_t)STEP_IN_CYCLES * tensor_elements(&t->in);
	r->after += (uint64_t)STEP_OUT_CYCLES * tensor_elements(&t->out);
}

struct suite_price suite_price_of(const struct package *p)
{
	const struct harvest_task *t = task_find(p->task);
	struct suite_price r = { .cycles = p->record_cycles, .weight_bytes = weight_bytes(p) };
	double exact_ns, bare_ns, move_ns;

	price_around(p, &r);
	r.exact = t != NULL ? t->cpu_cycles : 0;
	exact_ns = (double)r.exact * SUITE_CPU_CYCLE_NS;
	bare_ns =
		(double)(r.before + r.after) * SUITE_CPU_CYCLE_NS + (double)r.cycles * CNN_CYCLE_NS;
	move_ns = (double)r.words_in * CNN_BUS_WRITE_NS + (double)r.words_out * CNN_BUS_READ_NS;
	r.light = r.before + r.after <= r.exact / 3;
	r.bare = r.exact > 0 ? exact_ns / bare_ns : NAN;
	r.moved = r.exact > 0 ? exact_ns / (bare_ns + move_ns) : NAN;
	return r;
}
