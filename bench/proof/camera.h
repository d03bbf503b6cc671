#ifndef BENCH_PROOF_CAMERA_H
#define BENCH_PROOF_CAMERA_H
#include <stdint.h>
#include <stdio.h>

/* The "recorded" trace: when a camera pipeline wants the accelerator, lines start_us,busy_us.
 *
 * No recording of a real camera is at hand; this follows what such pipelines do: a sensor of
 * 29.97 frames/s whose clock is its own, normal jitter of 150 us from exposure and DMA, half
 * the rate in stretches of low light, now and then a dropped frame; a detector of 14.2 ms on
 * each frame, and in six of ten frames while somebody is in sight, a second stage of 3 to
 * 6 ms that begins 0.4 to 2 ms later. */
void camera_write(FILE *to, double seconds, uint64_t seed);

#endif
