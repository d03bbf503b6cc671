#include "firmware-agent/core/state.h"

/* What time it is here: when the question was taken from the line and when the answer was put on
 * it. The answer waits for a quiet line, but not for long: what it would wait there looks like
 * doubt about the time. */
enum { PATIENCE_US = 20000 };

void ag_clock_asked(struct agent *a, const struct link_time_req *m)
{
	a->ask.time = true; /* the newest question is the one worth an answer */
	a->ask.time_seq = m->seq;
	a->ask.time_received_us = a->in.read_us;
	a->ask.time_until_us = ag_now(a) + PATIENCE_US;
}

static bool line_is_quiet(const struct agent *a)
{
	return ag_all_sent(a) && (a->hal.uart_tx_idle == NULL || a->hal.uart_tx_idle(a->hal.ctx));
}

bool ag_clock_tell(struct agent *a)
{
	union link_msg m;

	if (!a->ask.time || !ag_may_be_long(a))
		return false;
	m.time = (struct link_time){ .id_ = LINK_TIME,
				     .seq = a->ask.time_seq,
				     .received_us = a->ask.time_received_us };
	m.time.sent_us = ag_now(a);
	if (!line_is_quiet(a) && m.time.sent_us < a->ask.time_until_us)
		return false;
	if (!ag_talk_send(a, &m, NULL, 0))
		return false;
	a->ask.time = false;
	return true;
}

uint64_t ag_clock_next_us(const struct agent *a)
{
	if (!a->ask.time)
		return UINT64_MAX;
	return line_is_quiet(a) ? 0 : a->ask.time_until_us;
}
