#ifndef CNN_BOUND_H
#define CNN_BOUND_H
#include "accel/package/package.h"

/* Closed-form worst case: the largest |answer - definition| of any output element over all
 * inputs with in_min <= x <= in_max. From the effective matrix E of network and steps:
 *   per row  sum_c of the largest |A[r][c] x - E[r][c] x'| over x, where x' is x, at level 1
 *            rounded to 8 bits (off by up to 128, by 255 next to full scale)
 *            + 1/2 output lsb;  DFT rows add the cosine and sine parts.
 * m: the task's matrix, rows x cols. +infinity when memory is short. */
double cnn_bound_max_abs(const struct package *p, const double *m);

/* Relative error energy of the single tone that a DFT package answers worst, before the
 * rounding of inputs and outputs; the tones lie on every half bin. m as above, e the
 * effective matrix. 0 when the package is no DFT. */
double cnn_bound_worst_tone(const struct package *p, const double *m, const double *e);

/* Certificate of the package's metric on the task's test stream (see docs/quality.md): a
 * one-sided tolerance bound at `confidence` for batches of 16 records, lowered by what the
 * roundings cost at the least rms of the domain. Fills everything but in_min, in_max, which
 * are read. HV_E_NOMEM; HV_E_INVAL: not linear, too few samples, other metric. */
HV_NODISCARD int cnn_bound_statistical(const struct package *p, const struct harvest_task *task,
				       uint64_t samples, double confidence,
				       struct package_cert *cert);

#endif
