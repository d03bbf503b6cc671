#ifndef TASKS_LOOP_H
#define TASKS_LOOP_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>

/* What a map is worth to the application that uses it. Closed loops run the same plant, noise and
 * inputs once with the exact map and once with the map under test, where a task's error
 * recirculates or matters only through a whole algorithm; the others look at whole pictures, at
 * other metrics of the field, or at each kind of input by itself.
 *
 *   kmeans   64x64 colour scenes of the suite clustered with 6 centres in 10 rounds
 *   speed    a DC motor through steps of speed and a load step
 *   heading  a two-state Kalman filter over 64 runs of 60 s
 *   iir_*    runs of 200 blocks, the state carried from block to block
 *   jpeg*    whole pictures: what is lost against them, coefficients that stay
 *   blackscholes   over all prices, and over the strike
 *   jmeint*  both answers apart
 *   fft*, specmag256, fir32, median9, rms64   by kind of input: noise, tones, levels
 */

/* n records in, n answers out, packed, in the task's types. Negative: HV_E_*, ends the loop. */
typedef int (*loop_map_fn)(void *ctx, const void *in, void *out, size_t n);

enum { LOOP_FIGURES_MAX = 12 };

struct loop_figure {
	const char *name; /* "image_diff", static */
	const char *unit; /* "", "dB", "rad/s", "deg", "s", static; more dB are better */
	double exact; /* of the exact map */
	double value; /* of the map under test */
	double pass, goal; /* marks of this figure; 0: it has none */
};

struct loop_result {
	size_t n;
	struct loop_figure of[LOOP_FIGURES_MAX]; /* of[0] is the one the task is judged by */
};

/* seed names the scenes, noise and runs (3: the test's). HV_E_NOENT: the task has no figures. */
HV_NODISCARD int loop_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
			  struct loop_result *r);
/* The figures alone judge the task, its metric on single records does not. */
bool loop_is_alone(const struct harvest_task *t);
/* The exact map, as a loop_map_fn. ctx: struct harvest_task *, with a reference. */
int loop_exact_map(void *ctx, const void *in, void *out, size_t n);

bool loop_figure_meets(const struct loop_figure *f, double mark); /* 0: no mark, is met */
/* "goal", "pass" or "none": of one figure, of all together. NULL: nothing has a mark. */
const char *loop_figure_mark(const struct loop_figure *f);
const char *loop_mark(const struct loop_result *r);

#endif
