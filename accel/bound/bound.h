#ifndef CNN_BOUND_H
#define CNN_BOUND_H
#include "accel/package/package.h"

/* Closed-form worst case: the largest |answer - definition| of any output element over all
 * inputs with in_min <= x <= in_max. From the effective matrix E of network and steps:
 *   per row  sum_c |A[r][c] - E[r][c]| * max|x|  +  input rounding (L1) 128 * sum_c |E[r][c]|
 *            + 1/2 output lsb;  DFT rows add the cosine and sine parts.
 * m: the task's matrix, rows x cols. */
double cnn_bound_max_abs(const struct package *p, const double *m);

/* Statistical certificate of the package's metric on the task's test stream: one-sided bound
 * at `confidence` by the normal approximation over batches of records (see docs/quality.md).
 * Fills certified, median, worst, samples, confidence, method. */
HV_NODISCARD int cnn_bound_statistical(const struct package *p, const struct harvest_task *task,
				       uint64_t samples, double confidence,
				       struct package_cert *cert);

#endif
