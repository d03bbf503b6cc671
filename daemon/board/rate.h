#ifndef DAEMON_RATE_H
#define DAEMON_RATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The daemon's half of changing the rate of a board's line. PURE: it is told what happened and
 * says what to do. A board and its host meet at one rate; after the hello the board tells a list,
 * and the fastest rate of it is asked for, then tried:
 *
 *   AWAIT --list, 3 s--> PLAIN
 *   PLAIN --ask--> ASKED --answer--> TRIAL --board says so--> FAST
 *     ^              | refused, 3 s     | 300 ms             | hardly a good frame
 *     +-----BACK-----+------------------+--------------------+
 *
 * That frames come does not say that both ends have the same rate: some carriers do not care
 * for rates, and then a board that went back alone would be taken for a fast one, and every
 * deadline be too short. So the board is asked, in TRIAL and now and then in FAST.
 *
 * BACK: the line has the meeting rate again, and the board gets the time to notice. A rate that
 * failed twice, for a machine that is starved fails good ones, is never asked for again before
 * rate_init(): the next slower one is. */
enum {
	RATE_LIST_MAX = 8,
	RATE_TRIAL_US = 300000,
	RATE_BACK_US = 400000,
	RATE_ANSWER_US = 3000000,
	RATE_TRIES = 2
};

enum rate_state { RATE_PLAIN, RATE_AWAIT, RATE_ASKED, RATE_TRIAL, RATE_FAST, RATE_BACK };

enum rate_act {
	RATE_NOTHING,
	RATE_ASK, /* ask the board for r->wanted_bps */
	RATE_SET, /* the line gets r->now_bps; in TRIAL the board is asked for its rate */
	RATE_SETTLED, /* the line keeps the rate it has, unless frames stop coming */
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
	unsigned fallbacks; /* rates given up since rate_init() */
	unsigned tries; /* failed ones of wanted_bps */
	unsigned later; /* times in a row that the board was not ready to change */
	uint64_t until_us, heard_us;
	struct rate_counts seen;
};

void rate_init(struct rate *r); /* plugged in, or the operator's reset */
/* A new life begins: true when the line must get r->now_bps, the meeting rate. */
bool rate_begin(struct rate *r);
void rate_hello(struct rate *r, uint32_t bps); /* heard at this rate: nothing was asked yet */
/* It is going to tell its rates. If it does not, RATE_SETTLED comes and meet_bps stays 0. */
void rate_await(struct rate *r, uint64_t now_us);
/* The board told its rates, in any order. */
enum rate_act rate_offer(struct rate *r, uint32_t meet_bps, const uint32_t *list, size_t n,
			 uint64_t now_us);
enum rate_reply { RATE_GRANTED, RATE_REFUSED, RATE_LATER };
enum rate_act rate_answer(struct rate *r, uint32_t bps, enum rate_reply reply, struct rate_counts c,
			  uint64_t now_us);
/* The board told the rate that it has. */
enum rate_act rate_told(struct rate *r, uint32_t bps, struct rate_counts c, uint64_t now_us);
bool rate_in_doubt(const struct rate *r); /* it makes sense to ask */
/* Time has passed, or frames have come. */
enum rate_act rate_tick(struct rate *r, struct rate_counts c, uint64_t now_us);
uint64_t rate_next_us(const struct rate *r); /* when rate_tick() is due; UINT64_MAX: not */

#endif
