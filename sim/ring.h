#ifndef SIM_RING_H
#define SIM_RING_H
#include "firmware-agent/include/agent.h"

/* A ring of samples on a virtual board, written in modelled time from a recording that is
 * repeated for ever: what a microphone's driver does on a real one. Sample i of the ring's
 * count is sample i % recorded of the recording. */
enum { SIM_RING_SAMPLES = 32768, SIM_RING_FILE_MAX = 64 << 20 };

struct sim_ring {
	char name[AG_NAME_MAX + 1];
	uint8_t channels;
	uint32_t samples, write_ahead; /* of the ring */
	double rate_hz;
	int16_t *recording; /* owned; recorded * channels */
	uint64_t recorded;
	int16_t *memory; /* owned; samples * channels */
	int number; /* of the agent; -1: none */
	uint64_t written;
};

/* NAME=FILE[,rate_hz=X][,samples=N][,channels=N]: .wav (16 bit PCM), .npy (<i2, one or two
 * dimensions) or raw little-endian int16. HV_E_INVAL: the words; HV_E_FORMAT, HV_E_IO: the file;
 * HV_E_NOMEM: why gets one sentence. */
HV_NODISCARD int sim_ring_parse(const char *text, struct sim_ring *r, char *why, size_t cap);
void sim_ring_clear(struct sim_ring *r);

/* Offer it to a freshly booted agent; its count begins anew. */
HV_NODISCARD int sim_ring_register(struct sim_ring *r, struct agent *a);
/* Write what the samples up to up_ns (since boot) are. */
void sim_ring_advance(struct sim_ring *r, struct agent *a, uint64_t up_ns);
#endif
