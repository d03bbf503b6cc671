#ifndef TASKS_LOOP_RUN_H
#define TASKS_LOOP_RUN_H
#include "tasks/loop.h"

/* Inside of tasks/: one loop each, run with the task's exact map and with the other. */
typedef int loop_run_fn(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
			struct loop_result *r);
loop_run_fn loop_iir_run, loop_kmeans_run, loop_speed_run, loop_heading_run;
loop_run_fn loop_jpeg_run, loop_option_run, loop_jmeint_run, loop_parts_run;

void loop_figure_add(struct loop_result *r, struct loop_figure f);

#endif
