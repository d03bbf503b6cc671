#ifndef TASKS_METRIC_H
#define TASKS_METRIC_H
#include "tasks/task.h"
#include <stdbool.h>

/* Accumulates one error metric over records. Pure. */
struct hv_metric {
	enum harvest_metric kind;
	uint64_t records, elements;
	double sum_ref2, sum_err2, max_abs, sum_rel, misses;
	double sum_weight; /* of the records, for mean_rel */
	double ref_min, ref_max;
	double range; /* given by the task; 0: ref_max - ref_min */
	uint32_t tail; /* worst_part: elements that mean_rel judges; the others count as elements */
	double tail_factor;
};

struct hv_metric hv_metric_begin(enum harvest_metric kind);
/* As the task is judged: its metric, its range. Add with hv_metric_add_of(). */
struct hv_metric hv_metric_begin_of(const struct harvest_task *t);
/* ref: doubles of the definition, got: doubles of the answer, n elements of one record. */
void hv_metric_add(struct hv_metric *m, const double *ref, const double *got, size_t n);
/* The same with the record's weight, 0..1, in mean_rel; the other metrics have none. */
void hv_metric_add_weighted(struct hv_metric *m, const double *ref, const double *got, size_t n,
			    double weight);
/* With the weight that the task gives the record. in: one record. */
void hv_metric_add_of(struct hv_metric *m, const struct harvest_task *t, const void *in,
		      const double *ref, const double *got);
/* SNR of identical signals is +infinity; of nothing at all, NaN; mean_rel of records that all
 * weigh nothing, NaN. */
double hv_metric_value(const struct hv_metric *m);

const char *hv_metric_text(enum harvest_metric kind); /* "snr_db" */
enum harvest_metric hv_metric_find(const char *text); /* 0 when unknown; "are" is mean_rel */
bool hv_metric_larger_is_better(enum harvest_metric kind);

/* Budgets. A budget of 0 asks for the exact answer, whatever the metric; only a place with
 * certified == hv_metric_exact(kind) meets it. */
double hv_metric_exact(enum harvest_metric kind); /* +infinity for SNR, else 0 */
bool hv_metric_meets(enum harvest_metric kind, double certified, double budget);

#endif
