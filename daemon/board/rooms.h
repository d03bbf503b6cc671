#ifndef DAEMON_ROOMS_H
#define DAEMON_ROOMS_H
#include "accel/image/image.h"
#include <stdbool.h>

/* Where the next network fits between those that are resident. PURE. Kernel words and bias
 * bytes belong to one network; the data words are everybody's, one run after the other. */
struct rooms_claim {
	uint16_t kernel_first, kernel_words, bias_first, bias_count;
};

enum { ROOMS_CLAIMS_MAX = 16 };

/* The nth stretch (from 0) of free kernel words that is at least kernel_words long, with the
 * first stretch of bias bytes that holds bias_count. Claims may come in any order, at most
 * ROOMS_CLAIMS_MAX of them, and may stick out of the room. False: there is none. */
bool rooms_find(const struct cnn_room *all, const struct rooms_claim *claims, unsigned n,
		uint16_t kernel_words, uint16_t bias_count, unsigned nth, struct cnn_room *gap);

#endif
