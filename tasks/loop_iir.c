#include "tasks/builtin.h"
#include "tasks/draw.h"
#include "tasks/loop_run.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <stdbool.h>
#include <string.h>

/* Runs of 200 blocks, four of each kind of signal of the domain, the state carried from block
 * to block in the task's int16. Compared with the filter in double, in which nothing is
 * rounded but the samples, and with the exact blocks, which round their answers and states. */
enum {
	RUNS = 4 * DRAW_SIGNALS,
	BLOCKS = 200,
	SAMPLES = BLOCKS * IIR_BLOCK,
};

struct iir_runs {
	int16_t in[RUNS][SAMPLES];
	int16_t exact[RUNS][SAMPLES], got[RUNS][SAMPLES];
	double ideal[RUNS][SAMPLES];
};

static enum iir_filter filter_of(const struct harvest_task *t)
{
	return strcmp(t->name, "iir_c20") == 0   ? IIR_C20
	       : strcmp(t->name, "iir_c05") == 0 ? IIR_C05
						 : IIR_C02;
}

static void filter_in_double(enum iir_filter f, const int16_t *in, double *out)
{
	const struct iir_section *s = iir_section(f);
	double state[IIR_STATES] = { 0 };

	for (size_t i = 0; i < SAMPLES; i++) {
		out[i] = s->c[0] * state[0] + s->c[1] * state[1] + s->d * in[i];
		iir_settle(f, in + i, 1, state);
	}
}

static int filter_by_map(loop_map_fn map, void *ctx, int16_t in[RUNS][SAMPLES],
			 int16_t out[RUNS][SAMPLES])
{
	int16_t from[RUNS][IIR_IO] = { { 0 } }, to[RUNS][IIR_IO];

	for (size_t b = 0; b < BLOCKS; b++) {
		int err;

		for (size_t r = 0; r < RUNS; r++)
			memcpy(from[r], in[r] + b * IIR_BLOCK, IIR_BLOCK * sizeof(**in));
		err = map(ctx, from, to, RUNS);
		if (err != HV_OK)
			return err;
		for (size_t r = 0; r < RUNS; r++) {
			memcpy(out[r] + b * IIR_BLOCK, to[r], IIR_BLOCK * sizeof(**out));
			memcpy(from[r] + IIR_BLOCK, to[r] + IIR_BLOCK, IIR_STATES * sizeof(**to));
		}
	}
	return HV_OK;
}

/* SNR over the runs of one kind of signal, or of all (DRAW_SIGNALS). ref: of ideal or exact. */
static double snr_db(const struct iir_runs *x, const int16_t got[RUNS][SAMPLES], bool of_exact,
		     size_t kind)
{
	struct hv_metric m = hv_metric_begin(HARVEST_SNR_DB);

	for (size_t r = 0; r < RUNS; r++) {
		if (kind < DRAW_SIGNALS && r % DRAW_SIGNALS != kind)
			continue;
		for (size_t i = 0; i < SAMPLES; i++) {
			double want = of_exact ? x->exact[r][i] : x->ideal[r][i];
			double have = got[r][i];

			hv_metric_add(&m, &want, &have, 1);
		}
	}
	return hv_metric_value(&m);
}

static void figures(const struct iir_runs *x, struct loop_result *r)
{
	const int16_t(*got)[SAMPLES] = (const int16_t(*)[SAMPLES])x->got;
	const int16_t(*exact)[SAMPLES] = (const int16_t(*)[SAMPLES])x->exact;
	double worst = INFINITY, worst_exact = INFINITY;

	for (size_t kind = 0; kind < DRAW_SIGNALS; kind++) {
		worst = fmin(worst, snr_db(x, got, false, kind));
		worst_exact = fmin(worst_exact, snr_db(x, exact, false, kind));
	}
	loop_figure_add(r, (struct loop_figure){
				   .name = "run_snr",
				   .unit = "dB",
				   .exact = snr_db(x, exact, false, DRAW_SIGNALS),
				   .value = snr_db(x, got, false, DRAW_SIGNALS),
				   .pass = 44,
				   .goal = 65,
			   });
	loop_figure_add(r, (struct loop_figure){
				   .name = "run_snr_worst_signal",
				   .unit = "dB",
				   .exact = worst_exact,
				   .value = worst,
			   });
	loop_figure_add(r, (struct loop_figure){
				   .name = "snr_to_exact_blocks",
				   .unit = "dB",
				   .exact = INFINITY,
				   .value = snr_db(x, got, true, DRAW_SIGNALS),
			   });
}

int loop_iir_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		 struct loop_result *r)
{
	hv_autofree struct iir_runs *x = malloc(sizeof(*x));
	int err;

	if (x == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < RUNS; i++) {
		struct hv_rng rng = draw_record_rng(seed, UINT64_C(1) << 40 | i);

		draw_signal(&rng, i, x->in[i], SAMPLES);
		filter_in_double(filter_of(t), x->in[i], x->ideal[i]);
	}
	err = filter_by_map(loop_exact_map, (void *)t, x->in, x->exact);
	if (err == HV_OK)
		err = filter_by_map(map, ctx, x->in, x->got);
	if (err == HV_OK)
		figures(x, r);
	return err;
}
