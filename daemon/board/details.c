#include "daemon/board/board_priv.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include "util/fs/rd.h"
#include <stdio.h>
#include <string.h>

/* What a board tells beyond its hello when it is asked: rings of samples, the rate of the line,
 * the exact time, the black box, stand-down. */

enum {
	LENGTH_AND_ID_BYTES = 3,
	TIME_REQ_BYTES = LENGTH_AND_ID_BYTES + 4 + FRAME_HDR + FRAME_CRC,
	TIME_BYTES = LENGTH_AND_ID_BYTES + 4 + 8 + 8 + FRAME_HDR + FRAME_CRC,
	TIME_SOON_US = 100000, /* the first TIME_SOON_COUNT exchanges */
	TIME_SOON_COUNT = 6,
	TIME_LATER_US = 500000,
	TIME_QUIET_US = 1000000, /* a busy line is waited for so long */
	RATE_CHECK_US = 2000000,
	RATE_MIN_BPS = 9600,
	RATE_MAX_BPS = 12000000,
};

void board_details_begin(struct board *b, uint64_t now_us)
{
	const uint32_t known = LINK_CAP_BUFFERS | LINK_CAP_BAUD | LINK_CAP_BOX | LINK_CAP_STAND;
	union link_msg m = { .details_req = { .id_ = LINK_DETAILS_REQ,
					      .what = b->hello.caps & known } };
	struct board_details *d = &b->details;

	d->n_rings = 0;
	d->n_box = 0;
	d->stood_down = false;
	d->line_told = false;
	d->rate_settled = (b->hello.caps & LINK_CAP_BAUD) == 0;
	boardclock_init(&d->clock);
	d->time_sent_us = 0;
	d->time_at_us = (b->hello.caps & LINK_CAP_TIME) != 0 ? now_us : UINT64_MAX;
	rate_hello(&d->rate, b->hello.link_bps);
	if (!d->rate_settled)
		rate_await(&d->rate, now_us);
	if (m.details_req.what != 0)
		(void)board_send(b, &m, NULL, 0, now_us); /* a fresh link has room */
}

/* -- the rate of the line ---------------------------------------------------------------- */

static struct rate_counts counts_of(const struct board *b)
{
	const struct arq_counters *n = link_counters(b->link);

	return (struct rate_counts){ n->frames_in, n->frames_bad };
}

void board_ask_rate(struct board *b, uint64_t now_us)
{
	union link_msg m = { .details_req = { .id_ = LINK_DETAILS_REQ, .what = LINK_CAP_BAUD } };

	if (!rate_in_doubt(&b->details.rate) || (b->details.rate.state == RATE_FAST &&
						 now_us < b->details.rate_asked_us + RATE_CHECK_US))
		return;
	b->details.rate_asked_us = now_us;
	(void)board_send(b, &m, NULL, 0, now_us); /* no room: it is asked again */
}

static void act(struct board *b, enum rate_act what, uint64_t now_us)
{
	union link_msg ask = { .baud_req = { .id_ = LINK_BAUD_REQ } };
	struct rate *r = &b->details.rate;

	switch (what) {
	case RATE_NOTHING: break;
	case RATE_ASK:
		ask.baud_req.bps = r->wanted_bps;
		(void)board_send(b, &ask, NULL, 0, now_us); /* else it times out */
		break;
	case RATE_SET:
		if (r->state == RATE_BACK)
			log_event(LOG_LVL_NOTICE, "BOARD_RATE_FAILED",
				  "board %s: the line does not keep the rate it was asked for; "
				  "back to %u bit/s",
				  b->id, (unsigned)r->now_bps);
		link_set_baud(b->link, r->now_bps);
		b->hello.link_bps = r->now_bps; /* what prices and deadlines count with */
		board_works_patience(b, now_us);
		if (r->state == RATE_TRIAL)
			board_ask_rate(b, now_us);
		else
			board_ask_clock(b, now_us);
		break;
	case RATE_SETTLED:
		if (!b->details.line_told && !b->details.rate_settled)
			log_event(LOG_LVL_WARNING, "BOARD_RATE_UNTOLD",
				  "board %s: it says that its line has other rates and does not "
				  "tell them; it keeps %u bit/s",
				  b->id, (unsigned)r->now_bps);
		log_event(LOG_LVL_INFO, "BOARD_RATE", "board %s: the line has %u bit/s", b->id,
			  (unsigned)r->now_bps);
		b->hello.link_bps = r->now_bps;
		b->details.rate_settled = true;
		board_prove_if_may(b, now_us);
		break;
	}
}

static void on_line(struct board *b, const union link_msg *m, uint64_t now_us)
{
	struct hv_rd r = hv_rd_init(m->line.tail.bytes, m->line.tail.len);
	uint32_t list[RATE_LIST_MAX];
	unsigned n = 0;

	if (m->line.tail.len != (size_t)m->line.n * 4 || m->line.meet_bps < RATE_MIN_BPS) {
		board_fault(b, "it sent a list of line rates with a wrong length or rate",
			    HV_E_TIMEOUT, now_us);
		return;
	}
	for (unsigned i = 0; i < m->line.n; i++) {
		uint32_t bps = hv_rd_u32(&r);

		if (n < RATE_LIST_MAX && bps >= RATE_MIN_BPS && bps <= RATE_MAX_BPS &&
		    link_can_baud(b->link))
			list[n++] = bps;
	}
	b->details.line_told = true;
	if (rate_in_doubt(&b->details.rate)) {
		act(b, rate_told(&b->details.rate, m->line.now_bps, counts_of(b), now_us), now_us);
		return;
	}
	act(b, rate_offer(&b->details.rate, m->line.meet_bps, list, n, now_us), now_us);
}

static void on_baud(struct board *b, const union link_msg *m, uint64_t now_us)
{
	int code = (int16_t)m->baud.code;
	enum rate_reply reply = code == HV_OK       ? RATE_GRANTED
				: code == HV_E_BUSY ? RATE_LATER
						    : RATE_REFUSED;

	act(b, rate_answer(&b->details.rate, m->baud.bps, reply, counts_of(b), now_us), now_us);
}

void board_rate_begin(struct board *b)
{
	if (rate_begin(&b->details.rate))
		link_set_baud(b->link, b->details.rate.now_bps);
}

/* -- the exact time ---------------------------------------------------------------------- */

static void ask_time(struct board *b, uint64_t now_us)
{
	struct board_details *d = &b->details;
	union link_msg m = { .time_req = { .id_ = LINK_TIME_REQ, .seq = d->time_seq + 1 } };
	bool quiet = link_backlog(b->link) == 0;

	if (now_us < d->time_at_us || (!quiet && now_us < d->time_at_us + TIME_QUIET_US))
		return;
	if (!board_send(b, &m, NULL, 0, now_us)) {
		d->time_at_us = now_us + TIME_SOON_US; /* one in the past would spin the alarm */
		return;
	}
	d->time_seq++;
	d->time_sent_us = now_us;
	d->time_bps = b->hello.link_bps;
	d->time_at_us = now_us + (d->clock.n < TIME_SOON_COUNT ? TIME_SOON_US : TIME_LATER_US);
}

static void on_time(struct board *b, const union link_msg *m, uint64_t now_us)
{
	struct board_details *d = &b->details;
	struct boardclock_exchange e = { .sent_us = d->time_sent_us,
					 .heard_us = now_us,
					 .received_us = m->time.received_us,
					 .answered_us = m->time.sent_us };

	if (m->time.seq != d->time_seq || d->time_sent_us == 0 || d->time_bps != b->hello.link_bps)
		return; /* late, or the rate changed meanwhile */
	d->time_sent_us = 0;
	e.out_us = TIME_REQ_BYTES * 1e7 / d->time_bps;
	e.back_us = TIME_BYTES * 1e7 / d->time_bps;
	if (!boardclock_add(&d->clock, &e)) {
		e.out_us = e.back_us = 0; /* a line that is faster than it says */
		(void)boardclock_add(&d->clock, &e);
	}
}

/* -- rings, black box, stand-down -------------------------------------------------------- */

static bool ring_ok(const struct link_buffer *m)
{
	if (m->buffer >= BOARD_RINGS_MAX || m->dtype == 0 || m->channels == 0 || m->samples < 2 ||
	    m->write_ahead == 0 || m->write_ahead >= m->samples || m->name.b[0] == '\0' ||
	    m->name.b[sizeof(m->name.b) - 1] != '\0')
		return false;
	for (const char *p = m->name.b; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '"')
			return false;
	return true;
}

static void on_buffer(struct board *b, const union link_msg *m, uint64_t now_us)
{
	const struct link_buffer *r = &m->buffer;
	struct board_details *d = &b->details;

	if (!ring_ok(r) || r->buffer > d->n_rings) {
		board_fault(b, "it described a buffer that cannot be", HV_E_TIMEOUT, now_us);
		return;
	}
	d->ring[r->buffer] = (struct board_ring){ .number = r->buffer,
						  .dtype = r->dtype,
						  .channels = r->channels,
						  .samples = r->samples,
						  .write_ahead = r->write_ahead,
						  .rate_hz = r->rate_millihz / 1000.0,
						  .written = r->written };
	memcpy(d->ring[r->buffer].name, r->name.b, sizeof(r->name.b));
	if (r->buffer == d->n_rings)
		d->n_rings++;
	board_tell_room(b);
}

static void on_box(struct board *b, const union link_msg *m, uint64_t now_us)
{
	struct hv_rd r = hv_rd_init(m->box.tail.bytes, m->box.tail.len);
	struct board_details *d = &b->details;

	if (m->box.tail.len != (size_t)m->box.n * LINK_BOX_EVENT_BYTES) {
		board_fault(b, "its black box came with a wrong length", HV_E_TIMEOUT, now_us);
		return;
	}
	if (d->box_whole)
		d->n_box = 0;
	d->box_whole = m->box.more == 0;
	d->boot = m->box.boot;
	for (unsigned i = 0; i < m->box.n && d->n_box < BOARD_BOX_MAX; i++) {
		struct board_box_event *e = &d->box[d->n_box++];

		e->seq = hv_rd_u32(&r);
		e->boot = hv_rd_u16(&r);
		e->kind = hv_rd_u8(&r);
		e->arg = hv_rd_u8(&r);
		e->value = hv_rd_u32(&r);
		e->at_us = hv_rd_u64(&r);
	}
}

static void on_stand(struct board *b, const union link_msg *m, uint64_t now_us)
{
	struct board_details *d = &b->details;
	bool down = m->stand.down != 0;

	(void)now_us;
	if (down == d->stood_down)
		return;
	d->stood_down = down;
	log_event(LOG_LVL_NOTICE, "BOARD_STAND", "board %s: its firmware %s the accelerator", b->id,
		  down ? "keeps" : "gave back");
	if (!down)
		board_tell_room(b);
}

static const struct {
	uint8_t id;
	void (*run)(struct board *b, const union link_msg *m, uint64_t now_us);
} handlers[] = {
	{ LINK_LINE, on_line },     { LINK_BAUD, on_baud }, { LINK_TIME, on_time },
	{ LINK_BUFFER, on_buffer }, { LINK_BOX, on_box },   { LINK_STAND, on_stand },
};

void board_details_message(struct board *b, const union link_msg *m, uint64_t now_us)
{
	if (!board_state_has_jobs(b->fsm.state))
		return;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].id == m->any.id_)
			handlers[i].run(b, m, now_us);
}

/* Anything was heard, or time has passed. */
void board_details_tick(struct board *b, uint64_t now_us)
{
	if (b->link == NULL || !board_state_has_jobs(b->fsm.state))
		return;
	act(b, rate_tick(&b->details.rate, counts_of(b), now_us), now_us);
	if (b->details.rate.state != RATE_TRIAL && b->details.rate.state != RATE_ASKED)
		ask_time(b, now_us);
}

uint64_t board_details_next_us(const struct board *b)
{
	const struct board_details *d = &b->details;
	uint64_t at = rate_next_us(&d->rate), time = d->time_at_us;

	if (time != UINT64_MAX && link_backlog(b->link) > 0)
		time += TIME_QUIET_US; /* or when something is heard */
	return time < at ? time : at;
}

const struct board_ring *board_ring_find(const struct board *b, const char *name)
{
	for (unsigned i = 0; i < b->details.n_rings; i++)
		if (strcmp(b->details.ring[i].name, name) == 0)
			return &b->details.ring[i];
	return NULL;
}

uint32_t board_ring_hop(const struct board_ring *r, const struct board_input *from,
			const struct model *m)
{
	size_t sample = dtype_bytes(m->task->in.dtype) * r->channels;

	if (from->hop != 0)
		return from->hop;
	return sample > 0 ? (uint32_t)(tensor_bytes(&m->task->in) / sample) : 1;
}

void board_box_again(struct board *b, uint64_t now_us)
{
	union link_msg m = { .details_req = { .id_ = LINK_DETAILS_REQ, .what = LINK_CAP_BOX } };

	if (b->link != NULL && (b->hello.caps & LINK_CAP_BOX) != 0)
		(void)board_send(b, &m, NULL, 0, now_us);
}
