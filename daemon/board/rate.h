#ifndef DAEMON_RATE_H
#define DAEMON_RATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The daemon's half of changing the rate of a board's line. PURE: it is told what happened and
 * says what to do. A board and its host meet at one rate; after the hello the fastest rate of
 * the board's list is asked for, then tried:
 *
 *   PLAIN --ask--> ASKED --answer--> TRIAL --good frame--> FAST
 *     ^              | refused, 1 s     | 300 ms             | hardly a good frame
 *     +-----BACK-----+------------------+--------------------+
 *
 * BACK: the line has the meeting rate again, and the board gets the time to notice. A rate that
 * failed is never asked for again before rate_init(): the next slower one is. */
enum { RATE_LIST_MAX = 8, RATE_TRIAL_US = 300000, RATE_BACK_US = 400000, RATE_ANSWER_US = 3000000 };

enum rate_state { RATE_PLAIN, RATE_ASKED, RATE_TRIAL, RATE_FAST, RATE_BACK };

enum rate_act {
	RATE_NOTHING,
	RATE_ASK, /* ask the board for r->wanted_bps */
	RATE_SET, /* the line gets r->now_bps, then a probe goes out */
	RATE_SETTLED, /* no faster rate will be asked for now */
};

/* What the line carried so far, ever. */
struct rate_counts {
	uint64_t good, bad; /* frames */
};

struct rate {
	enum rate_state state;
	uint32_t meet_bps, now_bps, wanted_bps; /* 0: not known */
	uint32_t list[RATE_LIST_MAX]; /* falling */
	bool failed[RATE_LIST_MAX];
	uint8_t n;
	unsigned fallbacks; /* since rate_init() */
	unsigned later; /* times in a row that the board was not ready to change */
	uint64_t until_us, heard_us;
	struct rate_counts seen;
};

void rate_init(struct rate *r); /* plugged in, or the operator's reset */
/* A new life begins: true when the line must get r->now_bps, the meeting rate. */
bool rate_begin(struct rate *r);
void rate_hello(struct rate *r, uint32_t bps); /* heard at this rate: nothing was asked yet */
/* The board told its rates, in any order. */
enum rate_act rate_offer(struct rate *r, uint32_t meet_bps, const uint32_t *list, size_t n,
			 uint64_t now_us);
enum rate_reply { RATE_GRANTED, RATE_REFUSED, RATE_LATER };
enum rate_act rate_answer(struct rate *r, uint32_t bps, enum rate_reply reply, struct rate_counts c,
			  uint64_t now_us);
/* Time has passed, or frames have come. */
enum rate_act rate_tick(struct rate *r, struct rate_counts c, uint64_t now_us);
uint64_t rate_next_us(const struct rate *r); /* when rate_tick() is due; UINT64_MAX: not */

#endif
