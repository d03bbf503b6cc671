#ifndef NAS_CURVE_H
#define NAS_CURVE_H
#include "nas/plan.h"

/* What the host may do to a single answer after the network, so that the network has to learn
 * something straighter: products become sums under exp, norms become sums under a root. */

/* Makes plan answer through curve `kind`, fitted to the answers of d: sets plan->curve, the
 * instructions behind the words and the result. False: the answers do not allow it, or are so
 * close together that it would change nothing; plan is untouched. */
bool nas_curve_apply(struct nas_plan *plan, enum nas_curve_kind kind, const struct nas_data *d);
void nas_curve_remove(struct nas_plan *plan);
/* What the network has to answer for the exact answer y. */
double nas_curve_target(const struct nas_curve *c, double y);
/* How far the answer moves with the target, at the exact answer y. */
double nas_curve_slope(const struct nas_curve *c, double y);
/* "exp", ... for people; "" for none. */
const char *nas_curve_text(enum nas_curve_kind kind);

#endif
