#ifndef TESTS_PACKAGE_MAKE_H
#define TESTS_PACKAGE_MAKE_H
#include "accel/build/build.h"

/* A package of a matrix of normal numbers (rows x cols) from this seed; aborts the test when
 * it cannot be built. */
struct package *package_make(uint64_t seed, unsigned rows, unsigned cols, unsigned level);

#endif
