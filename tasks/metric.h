#ifndef TASKS_METRIC_H
#define TASKS_METRIC_H
#include "tasks/task.h"
#include <stdbool.h>

/* Accumulates one error metric over records. Pure. */
struct hv_metric {
	enum harvest_metric kind;
	uint64_t records, elements;
	double sum_ref2, sum_err2, max_abs, sum_rel, misses;
};

struct hv_metric hv_metric_begin(enum harvest_metric kind);
/* ref: doubles of the definition, got: doubles of the answer, n elements of one record. */
void hv_metric_add(struct hv_metric *m, const double *ref, const double *got, size_t n);
/* SNR of identical signals is +infinity; of nothing at all, NaN. */
double hv_metric_value(const struct hv_metric *m);

const char *hv_metric_text(enum harvest_metric kind);       /* "snr_db" */
enum harvest_metric hv_metric_find(const char *text);       /* 0 when unknown */
bool hv_metric_larger_is_better(enum harvest_metric kind);

/* Budgets. A budget of 0 asks for the exact answer, whatever the metric; only a place with
 * certified == hv_metric_exact(kind) meets it. */
double hv_metric_exact(enum harvest_metric kind);           /* +infinity for SNR, else 0 */
bool hv_metric_meets(enum harvest_metric kind, double certified, double budget);

#endif
