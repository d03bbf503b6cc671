#ifndef HV_CLOCK_H
#define HV_CLOCK_H
#include <stdint.h>
#include <time.h>

/* Monotonic time. Pure cores take it as an argument; only shells call this. */
static inline uint64_t hv_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#endif
