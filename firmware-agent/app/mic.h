#ifndef APP_MIC_H
#define APP_MIC_H
#include <stddef.h>
#include <stdint.h>

/* A synthetic microphone: no board is needed to hear it. One second of samples in a ring of
 * frames; sample s of its life is always the same, so that every answer can be foretold. A
 * product fills the same ring from its audio interface. */
enum {
	MIC_HZ = 16000,
	MIC_FRAME = 128, /* samples of a frame: channels of one input pixel */
	MIC_FRAMES = 128, /* of the ring: pixels of an input */
	MIC_LISTEN_MAX = 8 * MIC_FRAME, /* samples that one mic_listen() writes */
};

extern uint32_t mic_ring[MIC_FRAMES * MIC_FRAME / 4]; /* four samples, int8, a word */

/* Frames that are complete at time_us of its life and were not heard yet, the next few of many.
 * Returns how many samples it wrote. */
uint32_t mic_listen(uint64_t time_us);
/* The oldest frame of the ring; those after it are younger, and after the last comes the first. */
unsigned mic_oldest(void);

#endif
