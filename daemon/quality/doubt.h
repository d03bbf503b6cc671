#ifndef DAEMON_DOUBT_H
#define DAEMON_DOUBT_H
#include "accel/package/package.h"
#include "tasks/metric.h"

/* Does what was measured contradict a certificate? Pure: no clock, no memory, no randomness.
 *
 * Every audited record has a share a of the error and a share b of what the error is relative
 * to; the metric is a function of sum a / sum b, and the certificate says that a is r b in the
 * mean. The test bets on a > r b: a bet of strength l multiplies a stake by
 *
 *     1 + l (a / r - b) / cap,    0 < l < 1, b <= cap
 *
 * which is never negative, and in the mean at most 1 as long as the certificate is right,
 * whatever the distribution of errors. With record t a fresh stake of 1 / (t (t + 1)) joins, so
 * that an error that begins late is found too. All stakes together never were more than 1: by
 * Ville's inequality they ever reach DOUBT_ODDS with a probability of at most 1 / DOUBT_ODDS,
 * over an endless life of the model.
 *
 * Records of a real stream follow each other and are not drawn one by one: a stretch of them
 * may be somewhat worse than the mean. So r is not that of the certificate but of
 * DOUBT_TOLERANCE times its error.
 *
 * b of snr_db and nrmse is the energy of the answer: cap follows the loudest of late, and a
 * louder one only raises it. b of max_abs is 1, a is 1 for a record beyond the certificate,
 * and r the share of such records that its samples leave open. */
enum {
	DOUBT_BETS = 8,
	DOUBT_ODDS = 1000000,
};
#define DOUBT_TOLERANCE 1.5

struct doubt {
	double r; /* 0: nothing to hold against, e.g. a metric over an unknown range */
	double certified;
	double cap;
	double stake[DOUBT_BETS];
	struct hv_metric pooled; /* over everything added */
	bool convinced; /* the certificate is wrong; stays until doubt_begin() */
};

/* Of a package of the task; forgets everything. */
void doubt_begin(struct doubt *d, const struct harvest_task *t, const struct package_cert *c);
/* One record of the task: its exact answer (before or after rounding) and the given one, n
 * elements each, and its weight. True: now convinced, and not before. */
bool doubt_add(struct doubt *d, const double *ref, const double *got, size_t n, double weight);
/* The metric over everything added; NaN: nothing. */
double doubt_measured(const struct doubt *d);
/* "mean_rel 0.0437 measured over 214 audited records, certified 0.0032"; returns to. */
char *doubt_text(const struct doubt *d, char *to, size_t cap);

#endif
