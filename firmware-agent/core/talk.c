#include "firmware-agent/core/state.h"
#include <string.h>

/* The link: bytes through arq, messages one at a time. A message is taken only when a reply
 * has room, so a refusal never gets lost. */

bool ag_talk_send(struct agent *a, const union link_msg *m, const void *tail, size_t n)
{
	uint8_t head[AG_REPLY_ROOM];
	size_t len = link_msg_encode(m, head, sizeof(head));

	return len > 0 && arq_send(&a->arq, head, len, tail, n) == HV_OK;
}

static bool send_slot(struct agent *a, unsigned slot, int code)
{
	union link_msg m = { .model_state = { .id_ = LINK_MODEL_STATE,
					      .slot = (uint8_t)slot,
					      .code = (uint16_t)code } };

	if (slot < a->cfg.model_slots) {
		m.model_state.state = a->slot[slot].state;
		memcpy(m.model_state.hash.b,
		       a->slot[slot].state == LINK_SLOT_LOADING ? a->load.want : a->slot[slot].hash,
		       sizeof(m.model_state.hash.b));
	}
	return ag_talk_send(a, &m, NULL, 0);
}

void ag_talk_report_slot(struct agent *a, unsigned slot, int code)
{
	if (code != HV_OK)
		ag_box_add(a, LINK_BOX_LOAD_REFUSED, (uint8_t)slot, (uint32_t)code);
	if (slot >= a->cfg.model_slots) {
		(void)send_slot(a, slot, code);
		return;
	}
	a->slot[slot].report_code = code;
	a->slot[slot].report_due = !send_slot(a, slot, code);
}

/* The daemon knows nothing of this life: jobs and half loads are gone, slots stay. */
static void life_over(struct agent *a)
{
	ag_job_drop_all(a);
	ag_slot_drop_load(a);
	a->message_n = a->message_at = 0;
	a->load_waits = false;
	a->hello_due = a->hello_unasked = false;
	memset(&a->ask, 0, sizeof(a->ask));
	for (unsigned i = 0; i < AG_SLOTS_MAX; i++)
		a->slot[i].report_due = a->slot[i].failed = false;
}

static void reset_all(struct agent *a)
{
	ag_job_drop_all(a);
	for (unsigned i = 0; i < a->cfg.model_slots; i++) {
		bool was = a->slot[i].state != LINK_SLOT_EMPTY;

		ag_slot_clear(a, i);
		a->slot[i].failed = false;
		if (was)
			ag_talk_report_slot(a, i, HV_OK);
	}
}

static void on_clock(struct agent *a, const struct link_clock_req *q)
{
	union link_msg m = { .clock = { .id_ = LINK_CLOCK, .host_ns = q->host_ns } };

	m.clock.board_us = ag_now(a);
	(void)ag_talk_send(a, &m, NULL, 0);
}

static void on_details(struct agent *a, uint32_t what)
{
	a->ask.welcome = true;
	if ((what & LINK_CAP_BUFFERS) != 0)
		a->ask.buffers = (uint8_t)((1u << a->rings) - 1u);
	a->ask.line = a->ask.line || (what & LINK_CAP_BAUD) != 0;
	a->ask.stand = a->ask.stand || (what & LINK_CAP_STAND) != 0;
	if ((what & LINK_CAP_BOX) != 0 && a->cfg.box != NULL) {
		a->ask.box = true;
		a->ask.box_seq = a->box.next_seq - AG_BOX_EVENTS;
	}
}

/* Act on one message; true when its tail is still to be worked on. */
static bool dispatch(struct agent *a, const union link_msg *m)
{
	switch (m->any.id_) {
	case LINK_HELLO_REQ:
		/* the hello of a new life answers the first question, too */
		a->hello_due = a->hello_due || !a->hello_unasked;
		a->hello_unasked = false;
		break;
	case LINK_CLOCK_REQ: on_clock(a, &m->clock_req); break;
	case LINK_MODEL_BEGIN: ag_slot_begin(a, &m->model_begin); break;
	case LINK_MODEL_CHUNK:
		a->message_at = (uint32_t)(m->model_chunk.tail.bytes - a->cfg.message);
		return ag_slot_chunk_ok(a, &m->model_chunk);
	case LINK_MODEL_COMMIT: ag_slot_commit(a, m->model_commit.slot); break;
	case LINK_MODEL_EVICT: ag_slot_evict(a, m->model_evict.slot); break;
	case LINK_JOB: ag_job_add(a, &m->job); break;
	case LINK_JOB_CANCEL: ag_job_cancel(a, m->job_cancel.job); break;
	case LINK_STATUS_REQ: ag_telemetry_status(a); break;
	case LINK_RESET: reset_all(a); break;
	case LINK_DETAILS_REQ: on_details(a, m->details_req.what); break;
	case LINK_BAUD_REQ: ag_baud_asked(a, &m->baud_req); break;
	case LINK_TIME_REQ: ag_clock_asked(a, &m->time_req); break;
	case LINK_JOB_BUFFER: ag_buffers_job(a, &m->job_buffer); break;
	default: a->n.bad_messages++; break; /* one of ours, sent back */
	}
	return false;
}

/* The life cannot go on: the daemon is told and begins another. */
static void break_life(struct agent *a)
{
	life_over(a);
	arq_reset(&a->arq);
}

static bool take_message(struct agent *a)
{
	union link_msg m;
	int n;

	if (arq_room(&a->arq) < AG_REPLY_ROOM)
		return false;
	n = arq_recv(&a->arq, a->cfg.message, a->cfg.message_bytes);
	if (n == 0)
		return false;
	if (n < 0) {
		a->n.bad_messages++;
		break_life(a);
		return true;
	}
	if (link_msg_decode(a->cfg.message, (size_t)n, &m) != HV_OK) {
		a->n.bad_messages++;
		return true;
	}
	if (dispatch(a, &m))
		a->message_n = (uint32_t)n;
	return true;
}

/* What was asked beyond the first protocol. */
static bool send_answers(struct agent *a)
{
	if (a->ask.line && ag_baud_tell(a)) {
		a->ask.line = false;
		return true;
	}
	return (a->ask.buffers != 0 && ag_buffers_tell(a)) || ag_stand_tell(a) ||
	       (a->ask.box && ag_box_tell(a)) || ag_clock_tell(a);
}

static bool send_due(struct agent *a)
{
	if (a->hello_due && arq_room(&a->arq) >= AG_REPLY_ROOM) {
		a->hello_due = false;
		ag_telemetry_hello(a);
		for (unsigned i = 0; i < a->cfg.model_slots; i++)
			if (a->slot[i].state != LINK_SLOT_EMPTY)
				ag_talk_report_slot(a, i, HV_OK);
		return true;
	}
	for (unsigned i = 0; i < a->cfg.model_slots; i++) {
		struct ag_slot *s = &a->slot[i];

		if (!s->report_due || !send_slot(a, i, s->report_code))
			continue;
		s->report_due = false;
		return true;
	}
	return send_answers(a) || ag_job_report(a) || ag_telemetry_report(a);
}

uint64_t ag_talk_next_us(const struct agent *a)
{
	uint64_t next = UINT64_MAX, baud = ag_baud_next_us(a), time = ag_clock_next_us(a);

	/* a frame that does not fit into the serial driver waits for the driver */
	if (a->out_at == a->out_n && !ag_baud_holds(a))
		next = arq_next_us(&a->arq);
	if (baud < next)
		next = baud;
	if (a->arq.state == ARQ_UP && time < next)
		next = time;
	if (a->box.unsealed != a->box.next_seq)
		next = 0;
	return next;
}

bool ag_talk_messages(struct agent *a)
{
	bool did;

	if (a->arq.state != ARQ_UP)
		return false;
	did = send_due(a);
	if (ag_buffers_slice(a))
		return true;
	if (a->message_n > 0)
		return ag_load_slice(a) || did;
	return take_message(a) || did;
}

bool ag_talk_link(struct agent *a)
{
	uint64_t now = ag_now(a);
	size_t n = a->hal.uart_read(a->hal.ctx, a->rx, sizeof(a->rx));
	bool did = n > 0;

	ag_buffers_follow(a);
	ag_box_step(a);
	if (n > 0) {
		unsigned events = arq_input(&a->arq, a->rx, n, now);

		a->read_us = now;
		if ((events & (1u << ARQ_EV_UP | 1u << ARQ_EV_RESET)) != 0)
			life_over(a);
		if ((events & 1u << ARQ_EV_RESET) != 0)
			ag_box_add(a, LINK_BOX_LIFE_END, 0, a->arq.conn);
		if ((events & 1u << ARQ_EV_UP) != 0) {
			a->hello_due = a->hello_unasked = true;
			ag_box_add(a, LINK_BOX_LIFE, 0, a->arq.conn);
		}
	}
	did = ag_baud_step(a) || did;
	if (a->out_at == a->out_n && !ag_baud_holds(a)) {
		a->out_at = 0;
		a->out_n = (uint16_t)arq_output(&a->arq, a->out, now);
	}
	if (a->out_at < a->out_n) {
		n = a->hal.uart_write(a->hal.ctx, a->out + a->out_at,
				      (size_t)(a->out_n - a->out_at));
		a->out_at = (uint16_t)(a->out_at + n);
		did = did || n > 0;
	}
	return did;
}
