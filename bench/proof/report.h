#ifndef BENCH_PROOF_REPORT_H
#define BENCH_PROOF_REPORT_H
#include "bench/proof/trial.h"

/* The table on standard output, a line a trial as it ends; or one JSON document. */
void report_begin(bool json, const char *weights); /* NULL: not run here */
void report_trial(const struct trial *r);
void report_end(void);

#endif
