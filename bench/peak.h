#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

/* The machine's peak of 8-bit multiply-accumulates: `steps` rounds of independent instructions
 * on registers alone. Returns how many multiply-accumulates that was. */
double bench_peak_run(unsigned steps);
const char *bench_peak_name(void); /* of the instruction */

#endif
