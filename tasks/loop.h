#ifndef TASKS_LOOP_H
#define TASKS_LOOP_H
#include "tasks/task.h"
#include "util/fs/err.h"

/* Closed loops: the same plant, noise and inputs once with the exact map and once with the map
 * under test, where a task's error recirculates or matters only through a whole algorithm.
 *
 *   kmeans   a 64x64 colour scene of the suite clustered with 6 centres in 10 rounds
 *   speed    a DC motor through steps of speed and a load step
 *   heading  a two-state Kalman filter over 64 runs of 60 s
 *   iir_*    runs of 200 blocks, the state carried from block to block
 */

/* n records in, n answers out, packed, in the task's types. Negative: HV_E_*, ends the loop. */
typedef int (*loop_map_fn)(void *ctx, const void *in, void *out, size_t n);

enum { LOOP_FIGURES_MAX = 12 };

struct loop_figure {
	const char *name; /* "image_diff", static */
	const char *unit; /* "", "dB", "rad/s", "deg", "s", static */
	double value;
	double pass, goal; /* marks of this figure; 0: it has none */
};

struct loop_result {
	size_t n;
	struct loop_figure of[LOOP_FIGURES_MAX]; /* of[0] is the one the task is judged by */
};

/* seed names the scenes, noise and runs (3: the test's). HV_E_NOENT: the task has no loop. */
HV_NODISCARD int loop_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
			  struct loop_result *r);
/* The exact map, as a loop_map_fn. ctx: struct harvest_task *, with a reference. */
int loop_exact_map(void *ctx, const void *in, void *out, size_t n);

#endif
