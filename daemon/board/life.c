#include "daemon/board/board_priv.h"
#include "daemon/log.h"
#include "util/fs/rd.h"
#include <stdio.h>
#include <string.h>

static const char *name_of(const struct board *b)
{
	return b->known ? b->id : "a new board";
}

bool board_event(struct board *b, enum board_event ev, uint64_t now_us)
{
	enum board_state was = b->fsm.state;

	if (!board_fsm_apply(&b->fsm, ev, now_us)) {
		b->surprises++;
		log_event(LOG_LVL_DEBUG, "BOARD_SURPRISE", "%s: %s means nothing while %s",
			  name_of(b), board_event_text(ev), board_state_text(was));
		return false;
	}
	log_event(LOG_LVL_DEBUG, "BOARD_STATE", "%s: %s, so %s becomes %s", name_of(b),
		  board_event_text(ev), board_state_text(was), board_state_text(b->fsm.state));
	return true;
}

uint64_t board_clock_us(const struct board *b, uint64_t now_us)
{
	struct boardclock_estimate e;

	if (boardclock_now(&b->details.clock, now_us, &e))
		return now_us + (uint64_t)(int64_t)e.offset_us;
	return b->clock_ok ? now_us + (uint64_t)b->clock_offset_us : 0;
}

bool board_send(struct board *b, const union link_msg *m, const void *tail, size_t n,
		uint64_t now_us)
{
	uint8_t head[160];
	size_t len = link_msg_encode(m, head, sizeof(head));

	return len > 0 && b->link != NULL &&
	       link_send(b->link, head, len, tail, n, now_us) == HV_OK;
}

void board_patience_set(const struct board *b, struct board_patience *p, uint64_t expected_us,
			uint64_t now_us)
{
	p->deadline_us = now_us + 4 * expected_us + BOARD_GRACE_US;
	p->limit_us = now_us + BOARD_SLOW_MAX * expected_us + BOARD_GRACE_US;
	p->moved = link_moved(b->link);
	p->put_off = false;
}

_Static_assert(BOARD_SLOW_MAX == 32 && BOARD_STALL_US == 1000000, "the sentences say so");

const char *board_patience_ended(const struct board *b, struct board_patience *p, uint64_t now_us)
{
	uint64_t moved = link_moved(b->link);

	if (p->deadline_us == 0 || now_us < p->deadline_us)
		return NULL;
	if (!p->put_off && (now_us >= p->limit_us || moved - p->moved < BOARD_CHUNK_BYTES))
		return "took more than four times its expected time";
	if (now_us >= p->limit_us)
		return "took more than 32 times its expected time on a bad line";
	if (moved - p->moved < BOARD_CHUNK_BYTES)
		return "was late on a bad line, and then the line stood still for a second";
	p->put_off = true;
	p->moved = moved;
	p->deadline_us = now_us + BOARD_STALL_US;
	if (p->deadline_us > p->limit_us)
		p->deadline_us = p->limit_us;
	return NULL;
}

/* The one alarm of a board: the earliest of all its deadlines. */
void board_rearm(struct board *b)
{
	uint64_t at = UINT64_MAX, work;

	if (b->link == NULL)
		return;
	switch (b->fsm.state) {
	case BOARD_GREETING:
	case BOARD_RECOVERING: at = b->await_us; break;
	case BOARD_PROVING:
	case BOARD_READY:
	case BOARD_DRAINING:
		at = b->heard_us + BOARD_SILENCE_US;
		if (b->status_at_us < at)
			at = b->status_at_us;
		work = board_details_next_us(b);
		if (work < at)
			at = work;
		work = board_work_deadline(b);
		if (work < at)
			at = work;
		if (b->room_at_us != 0 && b->room_at_us < at)
			at = b->room_at_us;
		for (unsigned i = 0; i < board_slots(b); i++)
			if (b->slot[i].patience.deadline_us != 0 &&
			    b->slot[i].patience.deadline_us < at)
				at = b->slot[i].patience.deadline_us;
		break;
	case BOARD_ABSENT:
	case BOARD_QUARANTINE:
	case BOARD_STATE_COUNT: break;
	}
	link_wake_at(b->link, at);
}

void board_tell_room(struct board *b)
{
	if (b->fsm.state == BOARD_READY && b->set->ev.on_room != NULL)
		b->set->ev.on_room(b->set->ev.ctx, b);
}

static void greet(struct board *b, uint64_t now_us)
{
	if (b->hello_tries == 0)
		b->greet_why[0] = '\0';
	b->life++;
	b->hello_tries++;
	b->await_us = now_us + BOARD_HELLO_US;
	board_rate_begin(b);
	link_connect(b->link, now_us);
}

void board_begin(struct board *b, uint64_t now_us)
{
	b->hello_tries = 0;
	b->heard_us = now_us;
	rate_init(&b->details.rate);
	b->reason[0] = '\0';
	board_event(b, BOARD_EV_ATTACHED, now_us);
	greet(b, now_us);
	board_rearm(b);
}

/* Faults of the last minute, this one included. */
static unsigned count_fault(struct board *b, uint64_t now_us)
{
	unsigned n = 1;

	b->faults++;
	for (unsigned i = BOARD_FAULTS_MAX - 1; i > 0; i--) {
		b->fault_us[i] = b->fault_us[i - 1];
		if (b->fault_us[i] != 0 && now_us - b->fault_us[i] < BOARD_FAULTS_US)
			n++;
	}
	b->fault_us[0] = now_us;
	return n;
}

/* After a transition out of work: batches and slots go, the upper module hears of it. */
static void leave(struct board *b, enum board_state was, int code, uint64_t now_us)
{
	bool had_jobs = board_state_has_jobs(was);

	b->proving_begun = false;
	b->place_due = false;
	b->clock_ok = false;
	b->details.time_at_us = UINT64_MAX;
	b->room_at_us = 0;
	board_slots_forget(b);
	board_works_return(b, code, now_us);
	if (had_jobs && !b->set->closing && b->set->ev.on_lost != NULL)
		b->set->ev.on_lost(b->set->ev.ctx, b);
}

void board_quarantine(struct board *b, const char *why, int code, uint64_t now_us)
{
	enum board_state was = b->fsm.state;

	if (!board_event(b, BOARD_EV_GIVE_UP, now_us))
		return;
	snprintf(b->reason, sizeof(b->reason), "%s", why);
	log_event(LOG_LVL_WARNING, "BOARD_QUARANTINED",
		  "board %s (serial %s) is set aside: %s; replug it, or harvestctl boards reset %s",
		  b->id, b->serial, why, b->id);
	leave(b, was, code, now_us);
	board_rearm(b);
}

void board_fault(struct board *b, const char *why, int code, uint64_t now_us)
{
	enum board_state was = b->fsm.state;
	unsigned recent;

	if (was != BOARD_GREETING && !board_state_has_jobs(was))
		return;
	recent = count_fault(b, now_us);
	if (recent >= BOARD_FAULTS_MAX) {
		char text[BOARD_REASON_MAX];

		snprintf(text, sizeof(text), "%u faults within a minute, the last: %s", recent,
			 why);
		board_quarantine(b, text, code, now_us);
		return;
	}
	if (!board_event(b, BOARD_EV_FAULT, now_us))
		return;
	snprintf(b->reason, sizeof(b->reason), "%s", why);
	log_event(LOG_LVL_WARNING, "BOARD_FAULT", "board %s (serial %s): %s; it gets a new life",
		  b->id, b->serial, why);
	b->await_us = now_us + ((uint64_t)BOARD_RETRY_US << (recent - 1));
	leave(b, was, code, now_us);
	board_rearm(b);
}

/* False: it was a stranger and is gone now. */
static bool no_hello(struct board *b, uint64_t now_us)
{
	char why[BOARD_REASON_MAX + 64];

	if (b->hello_tries < BOARD_HELLO_TRIES) {
		greet(b, now_us);
		return true;
	}
	if (b->known) {
		snprintf(why, sizeof(why), "it does not answer the hello%s%s",
			 b->greet_why[0] ? "; last: " : "", b->greet_why);
		board_fault(b, why, HV_E_TIMEOUT, now_us);
		return true;
	}
	log_event(LOG_LVL_WARNING, "BOARD_SILENT",
		  "what plugged in does not answer the hello as a board does%s%s; it is left alone "
		  "until it is replugged",
		  b->greet_why[0] ? ": " : "", b->greet_why);
	boards_forget_stranger(b);
	return false;
}

void board_ask_clock(struct board *b, uint64_t now_us)
{
	union link_msg m = { .clock_req = { .id_ = LINK_CLOCK_REQ, .host_ns = now_us * 1000 } };

	(void)board_send(b, &m, NULL, 0, now_us); /* no room: the next status asks again */
}

void board_ask_status(struct board *b, uint64_t now_us)
{
	union link_msg m = { .status_req = { .id_ = LINK_STATUS_REQ } };

	b->status_at_us = now_us + BOARD_STATUS_US;
	(void)board_send(b, &m, NULL, 0, now_us);
}

/* Not in the middle of a change of the line's rate; and what fits is to be known, and what the
 * life before left aside is to be over: it would keep the load back. */
void board_prove_if_may(struct board *b, uint64_t now_us)
{
	if (b->fsm.state != BOARD_PROVING || b->proving_begun || !b->clock_ok ||
	    !b->details.rate_settled || board_aside_busy(b))
		return;
	b->proving_begun = true;
	board_prove_begin(b, now_us);
}

static void on_clock(struct board *b, const union link_msg *m, uint64_t now_us)
{
	uint64_t sent_us = m->clock.host_ns / 1000, rtt;

	if (!board_state_has_jobs(b->fsm.state) || sent_us > now_us) {
		b->surprises++;
		return;
	}
	rtt = now_us - sent_us;
	/* The quickest answer tells most; every few seconds the clocks drift apart a little,
	 * so older knowledge loses weight. */
	if (!b->clock_ok || rtt <= b->clock_rtt_us) {
		b->clock_offset_us = (int64_t)(m->clock.board_us - (sent_us + rtt / 2));
		b->clock_rtt_us = rtt;
		b->clock_ok = true;
	} else {
		b->clock_rtt_us += b->clock_rtt_us / 8 + 1;
	}
	board_prove_if_may(b, now_us);
}

void board_proved_if_done(struct board *b, uint64_t now_us)
{
	if (b->fsm.state != BOARD_PROVING || !b->proving_begun || board_loading(b))
		return;
	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].state == SLOT_PROVING)
			return;
	if (!board_event(b, BOARD_EV_PROVED, now_us))
		return;
	b->hello_tries = 0;
	log_event(LOG_LVL_NOTICE, "BOARD_READY", "board %s (serial %s) is ready%s%s", b->id,
		  b->serial, b->reason[0] ? ": " : "", b->reason);
	if (b->held)
		board_event(b, BOARD_EV_DRAIN, now_us);
	board_tell_room(b);
}

static void on_model_state(struct board *b, const union link_msg *m, uint64_t now_us)
{
	if (board_state_has_jobs(b->fsm.state))
		board_model_state(b, &m->model_state, now_us);
}

static void on_result(struct board *b, const union link_msg *m, uint64_t now_us)
{
	if (board_state_has_jobs(b->fsm.state))
		board_result(b, &m->result, now_us);
	else
		b->late++;
}

/* As a result, and where its samples were. */
static void on_buffer_result(struct board *b, const union link_msg *m, uint64_t now_us)
{
	const struct link_buffer_result *f = &m->buffer_result;
	struct link_result r = { .id_ = LINK_RESULT,
				 .job = f->job,
				 .code = f->code,
				 .records = f->records,
				 .start_us = f->start_us,
				 .end_us = f->end_us,
				 .cycles = f->cycles,
				 .aborted = f->aborted,
				 .tail = f->tail };

	if (!board_state_has_jobs(b->fsm.state)) {
		b->late++;
		return;
	}
	board_work_place(b, f->job, f->first);
	board_result(b, &r, now_us);
}

static void on_primary(struct board *b, const union link_msg *m, uint64_t now_us)
{
	const struct link_primary *p = &m->primary;
	struct hv_rd r = hv_rd_init(p->tail.bytes, p->tail.len);

	if (p->tail.len != (size_t)p->n * 16) {
		board_fault(b, "it sent a report of the primary with a wrong length", HV_E_TIMEOUT,
			    now_us);
		return;
	}
	tracker_report(&b->tracker, p->total, p->dropped, p->period_us, p->jitter_us,
		       p->wait_max_ns);
	for (unsigned i = 0; i < p->n; i++) {
		uint64_t requested_us = hv_rd_u64(&r);
		uint32_t wait_ns = hv_rd_u32(&r);

		tracker_activation(&b->tracker, requested_us + wait_ns / 1000, hv_rd_u32(&r));
	}
	b->window_us = tracker_window_us(&b->tracker);
}

static void on_status(struct board *b, const union link_msg *m, uint64_t now_us)
{
	const struct link_status *s = &m->status;

	(void)now_us;
	tracker_status(&b->tracker, s->now_us, s->harvest_busy_us, s->primary_busy_us);
	b->refused = s->refused;
}

static const struct {
	uint8_t id;
	void (*run)(struct board *b, const union link_msg *m, uint64_t now_us);
} handlers[] = {
	{ LINK_CLOCK, on_clock },   { LINK_MODEL_STATE, on_model_state },
	{ LINK_RESULT, on_result }, { LINK_PRIMARY, on_primary },
	{ LINK_STATUS, on_status }, { LINK_BUFFER_RESULT, on_buffer_result },
};

static void on_up(void *ctx, uint64_t now_us)
{
	struct board *b = ctx;
	union link_msg m = { .hello_req = { .id_ = LINK_HELLO_REQ,
					    .proto_min = LINK_PROTO_MIN,
					    .proto_max = LINK_PROTO_MAX } };

	if (b->fsm.state != BOARD_GREETING)
		return;
	(void)board_send(b, &m, NULL, 0, now_us); /* an empty link has room */
}

static void on_message(void *ctx, const uint8_t *bytes, size_t len, uint64_t now_us)
{
	struct board *b = ctx;
	union link_msg m;

	if (b->fsm.state == BOARD_QUARANTINE || b->fsm.state == BOARD_RECOVERING)
		return;
	if (link_msg_decode(bytes, len, &m) != HV_OK || m.any.id_ < 64) {
		if (b->known)
			board_fault(b, "it sent a malformed message", HV_E_TIMEOUT, now_us);
		else
			boards_forget_stranger(b);
		return;
	}
	if (b->fsm.state == BOARD_GREETING && m.any.id_ != LINK_HELLO)
		return; /* left over in its queues */
	b->heard_us = now_us;
	if (m.any.id_ == LINK_HELLO) {
		board_hello(b, &m.hello, now_us); /* b may be gone, or the link has another owner */
		return;
	}
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].id == m.any.id_)
			handlers[i].run(b, &m, now_us);
	board_details_message(b, &m, now_us);
	board_details_tick(b, now_us);
	board_rearm(b);
}

static void on_down(void *ctx, const char *why, uint64_t now_us)
{
	struct board *b = ctx;

	if (b->fsm.state == BOARD_GREETING) { /* the next try of the hello is on its way */
		snprintf(b->greet_why, sizeof(b->greet_why), "%s", why);
		return;
	}
	board_fault(b, why, HV_E_TIMEOUT, now_us);
}

static void on_room(void *ctx, uint64_t now_us)
{
	struct board *b = ctx;

	if (!board_state_has_jobs(b->fsm.state))
		return;
	board_work_pump(b, now_us);
	board_load_pump(b, now_us);
	board_rearm(b);
}

static const char *load_overdue(struct board *b, uint64_t now_us)
{
	const char *how = NULL;

	for (unsigned i = 0; i < board_slots(b) && how == NULL; i++)
		how = board_patience_ended(b, &b->slot[i].patience, now_us);
	return how;
}

static void wake_working(struct board *b, uint64_t now_us)
{
	const char *how;
	char why[BOARD_REASON_MAX];

	if (now_us >= b->heard_us + BOARD_SILENCE_US) {
		board_fault(b, "nothing was heard from it for 4 s", HV_E_TIMEOUT, now_us);
		return;
	}
	board_details_tick(b, now_us);
	how = board_work_overdue(b, now_us);
	if (how != NULL) {
		snprintf(why, sizeof(why), "a job %s", how);
		board_fault(b, why, HV_E_TIMEOUT, now_us);
		return;
	}
	how = load_overdue(b, now_us);
	if (how != NULL) {
		snprintf(why, sizeof(why), "loading a model %s", how);
		board_fault(b, why, HV_E_TIMEOUT, now_us);
		return;
	}
	if (b->room_at_us != 0 && now_us >= b->room_at_us) {
		b->room_at_us = 0;
		board_tell_room(b);
	}
	if (now_us >= b->status_at_us) {
		board_ask_status(b, now_us);
		board_ask_clock(b, now_us);
		board_ask_rate(b, now_us);
	}
}

static void on_wake(void *ctx, uint64_t now_us)
{
	struct board *b = ctx;

	if (b->fsm.state == BOARD_RECOVERING && now_us >= b->await_us) {
		b->hello_tries = 0;
		board_event(b, BOARD_EV_RETRY, now_us);
		greet(b, now_us);
	} else if (b->fsm.state == BOARD_GREETING && now_us >= b->await_us) {
		if (!no_hello(b, now_us))
			return;
	} else if (board_state_has_jobs(b->fsm.state)) {
		wake_working(b, now_us);
	}
	board_rearm(b);
}

void board_restart(struct board *b, uint64_t now_us)
{
	enum board_state was = b->fsm.state;

	if (!board_event(b, BOARD_EV_RESET, now_us))
		return;
	memset(b->fault_us, 0, sizeof(b->fault_us));
	memset(b->details.rate.failed, 0, sizeof(b->details.rate.failed));
	b->wrongs = 0;
	b->wipe = true;
	b->await_us = now_us;
	snprintf(b->reason, sizeof(b->reason), "reset by the operator");
	leave(b, was, HV_E_GONE, now_us);
	board_rearm(b);
}

static void on_gone(void *ctx, const char *why, uint64_t now_us)
{
	struct board *b = ctx;
	enum board_state was = b->fsm.state;

	if (!b->known) {
		b->link = NULL;
		boards_forget_stranger(b);
		return;
	}
	b->link = NULL;
	if (!board_event(b, BOARD_EV_DETACHED, now_us))
		return;
	snprintf(b->reason, sizeof(b->reason), "unplugged: %s", why);
	log_event(LOG_LVL_NOTICE, "BOARD_GONE", "board %s (serial %s) left: %s", b->id, b->serial,
		  why);
	leave(b, was, HV_E_GONE, now_us);
}

const struct link_events board_link_events = {
	.on_up = on_up,
	.on_message = on_message,
	.on_down = on_down,
	.on_room = on_room,
	.on_wake = on_wake,
	.on_gone = on_gone,
};
