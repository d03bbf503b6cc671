#ifndef BENCH_PROOF_RING_H
#define BENCH_PROOF_RING_H
#include "tests/lib/board_peer.h"

/* A microphone of 16 kHz on the board, whose samples are known to both sides: sample i is a
 * function of i alone. Jobs read it where it is; only their outputs cross the line. */
enum { RING_SAMPLES = 16384, RING_WRITE_AHEAD = 64, RING_RATE_HZ = 16000 };

struct ring {
	int16_t memory[RING_SAMPLES];
	uint64_t written;
	int number; /* the board's */
};

/* The board must be up; r outlives it. Aborts the program when the board refuses. */
void ring_open(struct ring *r, struct vboard *b);
/* What the microphone wrote until now. */
void ring_follow(struct ring *r, struct vboard *b);
/* A job of the newest samples, each record `hop` behind the one before. False: no room. */
bool ring_job(const struct ring *r, struct peer *p, uint32_t id, uint8_t slot,
	      const struct package *pkg, uint16_t records, uint32_t hop);

#endif
