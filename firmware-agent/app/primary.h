#ifndef APP_PRIMARY_H
#define APP_PRIMARY_H
#include "accel/loadimg/loadimg.h"
#include "firmware-agent/include/agent.h"

/* The model the board exists for: keyword spotting, thirty times a second over the last second
 * of sound, bracketed for the agent as every product does it. Main loop only. */
struct primary_counters {
	uint32_t inferences, missed; /* missed: activations whose time had passed altogether */
	uint32_t last_hash, all_hash; /* CRC-32 of the last answer, and of all since boot */
	uint32_t keyword; /* of the last answer: the largest output */
	uint32_t run_us; /* from its start to the interrupt of its end; 0: unknown */
};

/* Load its network into the accelerator. False: there is no accelerator, or the image in flash
 * is damaged; then nothing below may be called but primary_image(). */
bool primary_begin(const struct ag_hal *hal);
/* Its network; NULL before primary_begin(), or when that failed. */
const struct loadimg *primary_image(void);

/* Offer the microphone's ring to jobs; after agent_init(). */
void primary_share(struct agent *a);

/* One step: begin an activation that is due, or end one that is done. True: something happened. */
bool primary_step(struct agent *a);
/* Nothing happens before, but the end of an inference. */
uint64_t primary_next_us(void);

const struct primary_counters *primary_counted(void);

#endif
