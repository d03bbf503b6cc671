#include "tasks/builtin.h"
#include "tasks/catalog.h"
#include "tasks/loop_run.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <string.h>

/* Figures over records of the domain: other metrics than the one a task is judged by, and that
 * one for each kind of input by itself. */

/* Records of the stream, their answers by the exact map and by the map under test. */
struct answers {
	const struct harvest_task *task;
	size_t n, in_bytes, out_bytes;
	uint8_t *in, *exact, *got; /* owned */
	double *ref, *value; /* owned, one answer each: the definition's, the one looked at */
};

static void answers_free(struct answers *a)
{
	free(a->in);
	free(a->exact);
	free(a->got);
	free(a->ref);
	free(a->value);
}

static int answers_make(struct answers *a, const struct harvest_task *t, loop_map_fn map, void *ctx,
			uint64_t seed, size_t n)
{
	int err;

	*a = (struct answers){ .task = t, .n = n };
	a->in_bytes = tensor_bytes(&t->in);
	a->out_bytes = tensor_bytes(&t->out);
	a->in = calloc(n, a->in_bytes);
	a->exact = calloc(n, a->out_bytes);
	a->got = calloc(n, a->out_bytes);
	a->ref = calloc(tensor_elements(&t->out), sizeof(*a->ref));
	a->value = calloc(tensor_elements(&t->out), sizeof(*a->value));
	if (a->in == NULL || a->exact == NULL || a->got == NULL || a->ref == NULL ||
	    a->value == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		t->sample(seed, i, a->in + i * a->in_bytes);
	err = loop_exact_map((void *)t, a->in, a->exact, n);
	return err == HV_OK ? map(ctx, a->in, a->got, n) : err;
}

/* The task's metric over records first, first + step, ... */
static double metric_of(const struct answers *a, const uint8_t *of, size_t first, size_t step)
{
	struct hv_metric m = hv_metric_begin_of(a->task);

	for (size_t i = first; i < a->n; i += step) {
		const uint8_t *in = a->in + i * a->in_bytes;

		a->task->reference(in, a->ref);
		tensor_to_double(&a->task->out, of + i * a->out_bytes, a->value);
		hv_metric_add_of(&m, a->task, in, a->ref, a->value);
	}
	return hv_metric_value(&m);
}

enum { PARTS_MAX = 4 };

/* clang-format off */
static const struct parts {
	const char *task;
	size_t records; /* of each part */
	const char *unit;
	struct {
		const char *name;
		double pass, goal;
	} part[PARTS_MAX];
} parts[] = {
	/* marks where they are named for a part; 70 dB are the aim of levels with a residual set */
	{ "fft64",   256, "dB", { { "noise", 40, 50 }, { "tones", 40, 50 }, { "noise_40dBFS", 0, 50 } } },
	{ "fft128",  128, "dB", { { "noise", 40, 50 }, { "tones", 40, 50 }, { "noise_40dBFS", 0, 50 } } },
	{ "fft256",   64, "dB", { { "noise", 40, 50 }, { "tones", 40, 50 }, { "noise_40dBFS", 0, 50 } } },
	/* pictures: the rounding of whole answers leaves flat blocks less SNR than the marks */
	{ "dct8x8", 2048, "dB", { { "pictures", 40, 70 } } },
	{ "fir32",   512, "dB", { { "noise", 0, 0 }, { "tones", 0, 0 }, { "speech", 0, 0 }, { "noise_40dBFS", 0, 0 } } },
	{ "specmag256", 256, "dB", { { "noise", 0, 0 }, { "tones", 0, 0 }, { "noise_40dBFS", 0, 0 } } },
	{ "median9", 1024, "of range", { { "12dBFS", .01, .004 }, { "24dBFS", .01, .004 }, { "36dBFS", .01, .004 } } },
	{ "features64", 1024, "worst part", { { "12dBFS", .01, .004 }, { "24dBFS", .01, .004 }, { "36dBFS", .01, .004 } } },
	{ "rms64",   2048, "relative", { { "12dBFS", .01, .002 }, { "24dBFS", .01, .002 }, { "36dBFS", .01, .002 } } },
};
/* clang-format on */

int loop_parts_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		   struct loop_result *r)
{
	const struct parts *p = parts;
	size_t kinds = t->parts > 1 ? t->parts : 1;
	struct answers a;
	int err;

	while (strcmp(p->task, t->name) != 0)
		p++;
	err = answers_make(&a, t, map, ctx, seed, p->records * kinds);
	for (size_t i = 0; err == HV_OK && i < kinds; i++)
		loop_figure_add(r, (struct loop_figure){
					   .name = p->part[i].name,
					   .unit = p->unit,
					   .exact = metric_of(&a, a.exact, i, kinds),
					   .value = metric_of(&a, a.got, i, kinds),
					   .pass = p->part[i].pass,
					   .goal = p->part[i].goal,
				   });
	answers_free(&a);
	return err;
}

/* blackscholes: mean relative error over all prices, rms error over the strike */
struct option_errors {
	double relative, over_strike;
};

static struct option_errors option_errors(const struct answers *a, const uint8_t *of)
{
	double relative = 0, over_strike2 = 0;

	for (size_t i = 0; i < a->n; i++) {
		float x[6], price;
		double off;

		memcpy(x, a->in + i * a->in_bytes, sizeof(x));
		memcpy(&price, of + i * a->out_bytes, sizeof(price));
		a->task->reference(x, a->ref);
		off = fabs((double)price - a->ref[0]);
		relative += off == 0 ? 0 : a->ref[0] == 0 ? 1 : fmin(1, off / fabs(a->ref[0]));
		over_strike2 += off / (double)x[1] * (off / (double)x[1]);
	}
	return (struct option_errors){ relative / (double)a->n, sqrt(over_strike2 / (double)a->n) };
}

int loop_option_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		    struct loop_result *r)
{
	struct option_errors exact, got;
	struct answers a;
	int err = answers_make(&a, t, map, ctx, seed, 16384);

	if (err == HV_OK) {
		exact = option_errors(&a, a.exact);
		got = option_errors(&a, a.got);
		loop_figure_add(r,
				(struct loop_figure){ "are_all_prices", "relative", exact.relative,
						      got.relative, 0.07, 0.05 });
		loop_figure_add(r,
				(struct loop_figure){ "rms_over_strike", "of strike",
						      exact.over_strike, got.over_strike, 0, 0 });
	}
	answers_free(&a);
	return err;
}

/* jmeint: beside the rate stands what the more frequent answer alone would miss, and the mean
 * of the rates of both answers, which is a half for whoever always says the same. */
int loop_jmeint_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		    struct loop_result *r)
{
	double n[2] = { 0 }, missed[2] = { 0 };
	struct answers a;
	int err = answers_make(&a, t, map, ctx, seed, 16384);

	for (size_t i = 0; err == HV_OK && i < a.n; i++) {
		n[a.exact[i] != 0]++;
		missed[a.exact[i] != 0] += (a.exact[i] != 0) != (a.got[i] != 0);
	}
	if (err == HV_OK) {
		loop_figure_add(r, (struct loop_figure){
					   .name = "miss_rate",
					   .unit = "of pairs",
					   .value = (missed[0] + missed[1]) / (double)a.n,
				   });
		loop_figure_add(r, (struct loop_figure){
					   .name = "miss_rate_balanced",
					   .unit = "of pairs",
					   .value = 0.5 * (missed[0] / n[0] + missed[1] / n[1]),
				   });
		loop_figure_add(r, (struct loop_figure){
					   .name = "miss_rate_of_one_answer",
					   .unit = "of pairs",
					   .value = fmin(n[0], n[1]) / (double)a.n,
				   });
	}
	answers_free(&a);
	return err;
}
