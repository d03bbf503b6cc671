#include "daemon/board/rate.h"
#include <string.h>

enum {
	LATER_MAX = 5, /* then the rate counts as refused */
	SILENCE_US = 1500000, /* status is asked for more often */
	WATCH_FRAMES = 64, /* damaged ones, before a rate is given up for them */
	WATCH_SHARE = 8, /* fewer good ones than one in so many */
};

void rate_init(struct rate *r)
{
	memset(r, 0, sizeof(*r));
}

bool rate_begin(struct rate *r)
{
	bool change = r->meet_bps != 0 && r->now_bps != r->meet_bps;

	if (change)
		r->now_bps = r->meet_bps;
	r->state = RATE_PLAIN;
	return change;
}

void rate_hello(struct rate *r, uint32_t bps)
{
	r->now_bps = bps;
	r->state = RATE_PLAIN;
}

void rate_await(struct rate *r, uint64_t now_us)
{
	r->state = RATE_AWAIT;
	r->until_us = now_us + RATE_ANSWER_US;
}

/* The fastest that has not failed; the meeting rate when there is none. */
static uint32_t best(const struct rate *r)
{
	for (unsigned i = 0; i < r->n; i++)
		if (!r->failed[i])
			return r->list[i];
	return r->meet_bps;
}

static void watch(struct rate *r, struct rate_counts c, uint64_t now_us)
{
	r->seen = c;
	r->heard_us = now_us;
}

static enum rate_act ask(struct rate *r, uint64_t now_us)
{
	uint32_t wanted = best(r);

	if (wanted != r->wanted_bps)
		r->tries = 0;
	r->wanted_bps = wanted;
	if (r->wanted_bps == r->now_bps) {
		r->state = r->now_bps == r->meet_bps ? RATE_PLAIN : RATE_FAST;
		r->heard_us = now_us;
		return RATE_SETTLED;
	}
	r->state = RATE_ASKED;
	r->until_us = now_us + RATE_ANSWER_US;
	return RATE_ASK;
}

enum rate_act rate_offer(struct rate *r, uint32_t meet_bps, const uint32_t *list, size_t n,
			 uint64_t now_us)
{
	bool failed[RATE_LIST_MAX] = { false };
	uint32_t rates[RATE_LIST_MAX];
	unsigned count = 0;

	if ((r->state != RATE_PLAIN && r->state != RATE_AWAIT) || meet_bps == 0)
		return RATE_NOTHING;
	for (size_t i = 0; i < n && count < RATE_LIST_MAX; i++) {
		unsigned k = count++;

		for (; k > 0 && rates[k - 1] < list[i]; k--)
			rates[k] = rates[k - 1];
		rates[k] = list[i];
	}
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < r->n; k++)
			failed[i] = failed[i] || (r->failed[k] && r->list[k] == rates[i]);
	memcpy(r->list, rates, count * sizeof(rates[0]));
	memcpy(r->failed, failed, sizeof(failed));
	r->n = (uint8_t)count;
	r->meet_bps = meet_bps;
	return ask(r, now_us);
}

static void mark_failed(struct rate *r, uint32_t bps)
{
	for (unsigned i = 0; i < r->n; i++)
		r->failed[i] = r->failed[i] || r->list[i] == bps;
}

enum rate_act rate_answer(struct rate *r, uint32_t bps, enum rate_reply reply, struct rate_counts c,
			  uint64_t now_us)
{
	if (r->state != RATE_ASKED || bps != r->wanted_bps)
		return RATE_NOTHING;
	if (reply == RATE_LATER && r->later++ < LATER_MAX) {
		r->state = RATE_BACK;
		r->until_us = now_us + RATE_BACK_US;
		return RATE_NOTHING;
	}
	r->later = 0;
	if (reply != RATE_GRANTED) {
		mark_failed(r, bps);
		return ask(r, now_us);
	}
	r->state = RATE_TRIAL;
	r->now_bps = bps;
	r->until_us = now_us + RATE_TRIAL_US;
	watch(r, c, now_us);
	return RATE_SET;
}

static enum rate_act go_back(struct rate *r, uint64_t now_us)
{
	r->now_bps = r->meet_bps;
	r->state = RATE_BACK;
	r->until_us = now_us + RATE_BACK_US;
	return RATE_SET;
}

static enum rate_act fall_back(struct rate *r, uint64_t now_us)
{
	mark_failed(r, r->now_bps);
	r->fallbacks++;
	return go_back(r, now_us);
}

static enum rate_act trial_failed(struct rate *r, uint64_t now_us)
{
	if (++r->tries < RATE_TRIES)
		return go_back(r, now_us);
	return fall_back(r, now_us);
}

/* The line carries almost nothing any more. */
static bool is_bad(struct rate *r, struct rate_counts c, uint64_t now_us)
{
	uint64_t good = c.good - r->seen.good, bad = c.bad - r->seen.bad;

	if (bad >= WATCH_FRAMES && good < bad / WATCH_SHARE)
		return true;
	if (good > 0 && bad >= WATCH_FRAMES)
		r->seen = c;
	if (good > 0)
		r->heard_us = now_us;
	if (good > 0 && bad == 0)
		r->seen = c;
	return false;
}

enum rate_act rate_told(struct rate *r, uint32_t bps, struct rate_counts c, uint64_t now_us)
{
	if (r->state == RATE_TRIAL && bps == r->now_bps) {
		r->state = r->now_bps == r->meet_bps ? RATE_PLAIN : RATE_FAST;
		r->tries = 0;
		watch(r, c, now_us);
		return RATE_SETTLED;
	}
	if (r->state == RATE_TRIAL)
		return trial_failed(r, now_us);
	if (r->state != RATE_FAST || bps == r->now_bps)
		return RATE_NOTHING;
	/* It went back alone, over a pause of this host perhaps: the rate may be tried again. */
	return go_back(r, now_us);
}

bool rate_in_doubt(const struct rate *r)
{
	return r->state == RATE_TRIAL || r->state == RATE_FAST;
}

enum rate_act rate_tick(struct rate *r, struct rate_counts c, uint64_t now_us)
{
	switch (r->state) {
	case RATE_PLAIN: return RATE_NOTHING;
	case RATE_AWAIT:
		if (now_us < r->until_us)
			return RATE_NOTHING;
		r->state = RATE_PLAIN;
		return RATE_SETTLED;
	case RATE_ASKED:
		if (now_us < r->until_us)
			return RATE_NOTHING;
		/* the answer may come yet, and the board with it be elsewhere: it comes back */
		mark_failed(r, r->wanted_bps);
		r->state = RATE_BACK;
		r->until_us = now_us + RATE_BACK_US;
		return RATE_NOTHING;
	case RATE_TRIAL:
		if (c.good != r->seen.good) { /* so the board's word will come */
			watch(r, c, now_us);
			r->until_us = now_us + RATE_ANSWER_US;
		}
		return now_us < r->until_us ? RATE_NOTHING : trial_failed(r, now_us);
	case RATE_FAST:
		if (!is_bad(r, c, now_us) && now_us < r->heard_us + SILENCE_US)
			return RATE_NOTHING;
		return fall_back(r, now_us);
	case RATE_BACK: return now_us < r->until_us ? RATE_NOTHING : ask(r, now_us);
	}
	return RATE_NOTHING;
}

uint64_t rate_next_us(const struct rate *r)
{
	switch (r->state) {
	case RATE_PLAIN: return UINT64_MAX;
	case RATE_FAST: return r->heard_us + SILENCE_US;
	case RATE_AWAIT:
	case RATE_ASKED:
	case RATE_TRIAL:
	case RATE_BACK: return r->until_us;
	}
	return UINT64_MAX;
}
