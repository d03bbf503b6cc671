#include "firmware-agent/core/state.h"
#include "util/fs/wr.h"

/* The rate of the serial line. Host and board meet at the rate of the configuration; the host
 * may ask for a faster one.
 *
 *   STEADY --asked, answered--> ANSWERED --last bit left--> TRIAL --good frame--> FAST
 *      ^                            | 300 ms                  | 300 ms              |
 *      +----------------------------+-------------------------+---------------------+
 *                    FAST ends after 300 ms of bytes without a good frame, or 3 s of nothing
 *
 * The host keeps the same times, so that both are back at the first rate when they lost each
 * other, or when one of them was restarted. */
enum { TRIAL_US = 300000, NOISE_US = 300000, SILENCE_US = 3000000 };

static bool has_baud(const struct agent *a)
{
	return a->baud.n_rates > 0;
}

void ag_baud_begin(struct agent *a)
{
	const struct ag_config *c = &a->cfg;
	struct ag_baud *b = &a->baud;

	b->bps = c->link_bps;
	if (a->hal.uart_set_baud == NULL || a->hal.uart_tx_idle == NULL)
		return;
	for (unsigned i = 0; i < c->n_rates && i < AG_RATES_MAX; i++)
		if (c->rates[i] > c->link_bps)
			b->rates[b->n_rates++] = c->rates[i];
}

static void answer(struct agent *a, uint32_t bps, int code)
{
	union link_msg m = { .baud = { .id_ = LINK_BAUD, .bps = bps, .code = (uint16_t)code } };

	/* room for a reply was checked before the message was taken */
	(void)ag_talk_send(a, &m, NULL, 0);
}

void ag_baud_asked(struct agent *a, const struct link_baud_req *m)
{
	struct ag_baud *b = &a->baud;
	bool known = m->bps == a->cfg.link_bps && has_baud(a);

	for (unsigned i = 0; i < b->n_rates; i++)
		known = known || b->rates[i] == m->bps;
	if (!known || b->state == AG_BAUD_ANSWERED || b->state == AG_BAUD_TRIAL) {
		answer(a, m->bps, known ? HV_E_BUSY : HV_E_INVAL);
		return;
	}
	answer(a, m->bps, HV_OK);
	b->wanted_bps = m->bps;
	b->state = AG_BAUD_ANSWERED;
	b->until_us = ag_now(a) + TRIAL_US;
}

bool ag_baud_holds(const struct agent *a)
{
	return a->baud.state == AG_BAUD_ANSWERED && ag_all_sent(a);
}

static void note_frames(struct agent *a, uint64_t now)
{
	a->baud.good = a->arq.n.frames_in;
	a->baud.bytes = a->arq.n.bytes_in;
	a->baud.heard_us = now;
	a->baud.until_us = 0;
}

static bool change(struct agent *a, uint32_t bps)
{
	if (!a->hal.uart_set_baud(a->hal.ctx, bps))
		return false;
	a->baud.bps = bps;
	arq_set_line_bps(&a->arq, bps);
	return true;
}

static void fall_back(struct agent *a)
{
	uint32_t failed = a->baud.bps;

	a->baud.until_us = 0;
	a->baud.state = AG_BAUD_STEADY;
	if (failed == a->cfg.link_bps)
		return;
	(void)change(a, a->cfg.link_bps);
	ag_box_add(a, LINK_BOX_FALL_BACK, 0, failed);
}

/* The answer has left, or does not get away. */
static bool switch_over(struct agent *a, uint64_t now)
{
	struct ag_baud *b = &a->baud;

	if (ag_all_sent(a) && a->hal.uart_tx_idle(a->hal.ctx)) {
		if (!change(a, b->wanted_bps)) {
			fall_back(a);
			return true;
		}
		b->state = AG_BAUD_TRIAL;
		note_frames(a, now);
		b->until_us = now + TRIAL_US;
		return true;
	}
	if (now < b->until_us)
		return false;
	b->state = b->bps == a->cfg.link_bps ? AG_BAUD_STEADY : AG_BAUD_FAST;
	note_frames(a, now);
	return true;
}

static bool watch_fast(struct agent *a, uint64_t now)
{
	struct ag_baud *b = &a->baud;

	if (b->until_us == 0 && a->arq.n.bytes_in != b->bytes)
		b->until_us = now + NOISE_US;
	if ((b->until_us == 0 || now < b->until_us) && now < b->heard_us + SILENCE_US)
		return false;
	fall_back(a);
	return true;
}

bool ag_baud_step(struct agent *a)
{
	struct ag_baud *b = &a->baud;
	uint64_t now;

	if (b->state == AG_BAUD_STEADY)
		return false;
	now = ag_now(a);
	if (b->state == AG_BAUD_ANSWERED)
		return switch_over(a, now);
	if (a->arq.n.frames_in != b->good) {
		if (b->state == AG_BAUD_TRIAL)
			ag_box_add(a, LINK_BOX_RATE, 0, b->bps);
		b->state = b->bps == a->cfg.link_bps ? AG_BAUD_STEADY : AG_BAUD_FAST;
		note_frames(a, now);
		return false;
	}
	if (b->state == AG_BAUD_FAST)
		return watch_fast(a, now);
	if (now < b->until_us)
		return false;
	fall_back(a);
	return true;
}

uint64_t ag_baud_next_us(const struct agent *a)
{
	const struct ag_baud *b = &a->baud;
	uint64_t at = b->until_us != 0 ? b->until_us : UINT64_MAX;

	switch (b->state) {
	case AG_BAUD_STEADY: return UINT64_MAX;
	case AG_BAUD_ANSWERED: return ag_all_sent(a) ? 0 : at;
	case AG_BAUD_TRIAL: return at;
	case AG_BAUD_FAST: break;
	}
	return at < b->heard_us + SILENCE_US ? at : b->heard_us + SILENCE_US;
}

bool ag_baud_tell(struct agent *a)
{
	union link_msg m = { .line = { .id_ = LINK_LINE,
				       .now_bps = a->baud.bps,
				       .meet_bps = a->cfg.link_bps,
				       .n = a->baud.n_rates } };
	uint8_t tail[4 * AG_RATES_MAX];
	struct hv_wr w = hv_wr_init(tail, sizeof(tail));

	for (unsigned i = 0; i < a->baud.n_rates; i++)
		hv_wr_u32(&w, a->baud.rates[i]);
	return ag_talk_send(a, &m, tail, hv_wr_len(&w));
}
