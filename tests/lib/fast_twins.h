#ifndef TEST_FAST_TWINS_H
#define TEST_FAST_TWINS_H
#include "tests/lib/accel_nets.h"

/* Runs the fast twin with every instruction set of this machine, as the second of a batch, and
 * compares it with the slow one. False when they differ, with which and where in why. */
bool fast_twins_agree(const struct random_net *n, char *why, size_t cap);

/* Every weight, bias and input becomes its smallest or its largest value: what overflows, overflows
 * here. */
void random_net_to_extremes(struct hv_rng *r, struct random_net *n);

#endif
