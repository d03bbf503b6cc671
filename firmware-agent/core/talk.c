#include "firmware-agent/core/state.h"
#include <string.h>

/* Messages, one at a time. One is taken only when a reply has room, so a refusal never gets
 * lost. */

enum { SHORT_BYTES = 48 };

bool ag_talk_send(struct agent *a, const union link_msg *m, const void *tail, size_t n)
{
	struct ag_out *o = &a->send;
	size_t len;

	if (o->n != 0)
		return false;
	len = link_msg_encode(m, o->head, sizeof(o->head));
	if (len == 0 || n > sizeof(o->head) - len || arq_send_begin(&a->arq, len + n) != HV_OK)
		return false;
	if (n > 0)
		memcpy(o->head + len, tail, n);
	len += n;
	/* short ones at once: what time it is here is in some of them */
	if (len <= SHORT_BYTES)
		arq_send_some(&a->arq, o->head, len);
	else
		o->n = (uint16_t)len;
	o->at = 0;
	o->tail_n = o->tail_at = 0;
	return true;
}

bool ag_talk_send_result(struct agent *a, const union link_msg *m, struct ag_job *j, size_t n)
{
	struct ag_out *o = &a->send;
	size_t len;

	if (o->n != 0)
		return false;
	len = link_msg_encode(m, o->head, sizeof(o->head));
	if (len == 0 || arq_send_begin(&a->arq, len + n) != HV_OK)
		return false;
	o->n = (uint16_t)len;
	o->at = 0;
	o->tail = j->memory;
	o->tail_n = (uint32_t)n;
	o->tail_at = 0;
	o->job = j;
	j->state = AG_JOB_SENDING;
	return true;
}

/* A reply would have room now. */
static bool may_reply(const struct agent *a)
{
	return a->send.n == 0 && arq_room(&a->arq) >= AG_REPLY_ROOM;
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

/* The daemon knows nothing of this life. */
void ag_talk_life_over(struct agent *a)
{
	ag_job_drop_all(a);
	ag_slot_drop_load(a);
	a->in.what = AG_IN_HEAD;
	a->in.bytes = 0;
	a->send.n = 0;
	a->send.job = NULL;
	a->long_due = false;
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
		a->slot[i].report_code = HV_OK;
		a->slot[i].report_due = a->slot[i].report_due || was;
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

/* A message of which more comes than its head. */
static enum ag_in_what begin_tail(struct agent *a, const union link_msg *m)
{
	struct ag_in *in = &a->in;
	union link_msg whole = *m;
	struct link_tail *t = m->any.id_ == LINK_JOB ? &whole.job.tail : &whole.model_chunk.tail;

	in->at = (uint8_t)(t->bytes - in->head);
	t->len += (size_t)in->bytes - in->n;
	in->left = (uint16_t)t->len;
	if (m->any.id_ == LINK_JOB)
		return ag_job_add(a, &whole.job) ? AG_IN_JOB : AG_IN_SKIP;
	return ag_slot_chunk_ok(a, &whole.model_chunk) ? AG_IN_CHUNK : AG_IN_SKIP;
}

/* Act on one message; what is still to be worked on. */
static enum ag_in_what dispatch(struct agent *a, const union link_msg *m)
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
	case LINK_JOB: return begin_tail(a, m);
	case LINK_MODEL_COMMIT:
		return ag_slot_commit(a, m->model_commit.slot) ? AG_IN_COMMIT : AG_IN_HEAD;
	case LINK_MODEL_EVICT: ag_slot_evict(a, m->model_evict.slot); break;
	case LINK_JOB_CANCEL: ag_job_cancel(a, m->job_cancel.job); break;
	case LINK_STATUS_REQ: ag_telemetry_status(a); break;
	case LINK_RESET: reset_all(a); break;
	case LINK_DETAILS_REQ: on_details(a, m->details_req.what); break;
	case LINK_BAUD_REQ: ag_baud_asked(a, &m->baud_req); break;
	case LINK_TIME_REQ: ag_clock_asked(a, &m->time_req); break;
	case LINK_JOB_BUFFER: ag_buffers_job(a, &m->job_buffer); break;
	default: a->n.bad_messages++; break; /* one of ours, sent back */
	}
	return AG_IN_HEAD;
}

/* The life cannot go on: the daemon is told and begins another. */
static void break_life(struct agent *a)
{
	ag_talk_life_over(a);
	arq_reset(&a->arq);
}

static bool has_tail(uint8_t id)
{
	return id == LINK_JOB || id == LINK_MODEL_CHUNK;
}

/* What ends the run in progress anyway does so first, in a step of its own. */
static bool ends_run(const struct agent *a)
{
	const uint8_t *head = a->in.head;

	if (a->run.phase == AG_IDLE)
		return false;
	return head[0] == LINK_RESET ||
	       (head[0] == LINK_MODEL_EVICT && a->in.n > 1 && head[1] == a->job[a->run.job].slot);
}

static void message_done(struct agent *a, enum ag_in_what next)
{
	struct ag_in *in = &a->in;

	in->what = next;
	if (next != AG_IN_HEAD)
		return;
	in->bytes = 0;
}

/* The head has come. It waits until no registers are to be restored. */
static bool act(struct agent *a)
{
	struct ag_in *in = &a->in;
	union link_msg m;

	if (!may_reply(a))
		return false;
	if (ends_run(a)) {
		ag_run_abort(a);
		a->long_due = true; /* and no other begins */
		return true;
	}
	if (!ag_may_be_long(a))
		return false;
	in->left = (uint16_t)(in->bytes - in->n);
	in->at = in->n;
	if (link_msg_decode(in->head, in->n, &m) != HV_OK ||
	    (in->left > 0 && !has_tail(m.any.id_))) {
		a->n.bad_messages++;
		message_done(a, AG_IN_SKIP);
		return true;
	}
	message_done(a, dispatch(a, &m));
	return true;
}

static bool take_head(struct agent *a)
{
	struct ag_in *in = &a->in;
	size_t want, n;

	if (in->bytes == 0) {
		int len = arq_recv_begin(&a->arq);

		if (len == 0)
			return false;
		if (len < 0) {
			a->n.bad_messages++;
			break_life(a);
			return true;
		}
		in->bytes = (uint16_t)len;
		in->n = 0;
		in->read_us = a->read_us;
	}
	want = in->bytes < AG_HEAD_BYTES ? in->bytes : (size_t)AG_HEAD_BYTES;
	n = arq_recv_some(&a->arq, in->head + in->n, want - in->n);
	in->n = (uint8_t)(in->n + n);
	if (in->n == want)
		in->what = AG_IN_ACT;
	return n > 0;
}

static bool skip_tail(struct agent *a)
{
	uint8_t nowhere[AG_SLICE_COPY_BYTES];
	size_t n = ag_link_tail(a, nowhere, sizeof(nowhere));

	if (a->in.left == 0)
		message_done(a, AG_IN_HEAD);
	return n > 0 || a->in.left == 0;
}

static bool fill_job(struct agent *a)
{
	uint16_t left = a->in.left;

	ag_job_fill(a);
	if (a->in.left == 0)
		message_done(a, AG_IN_HEAD);
	return a->in.left != left;
}

static bool take_message(struct agent *a)
{
	switch (a->in.what) {
	case AG_IN_HEAD: return take_head(a);
	case AG_IN_ACT: return act(a);
	case AG_IN_JOB: return fill_job(a);
	case AG_IN_CHUNK: return ag_load_slice(a);
	case AG_IN_COMMIT:
		if (ag_slot_commit_slice(a))
			message_done(a, AG_IN_HEAD);
		return true;
	case AG_IN_SKIP: break;
	}
	return skip_tail(a);
}

/* What was asked beyond the first protocol. */
static bool send_answers(struct agent *a)
{
	const struct ag_answers *k = &a->ask;

	if (ag_clock_tell(a))
		return true;
	if (!(k->line || k->stand || k->box || k->buffers != 0) || !ag_may_be_long(a))
		return false;
	if (k->line && ag_baud_tell(a)) {
		a->ask.line = false;
		return true;
	}
	return (k->buffers != 0 && ag_buffers_tell(a)) || ag_stand_tell(a) ||
	       (k->box && ag_box_tell(a));
}

static bool send_due(struct agent *a)
{
	if (!may_reply(a))
		return false;
	if (a->hello_due && ag_may_be_long(a)) {
		a->hello_due = false;
		ag_telemetry_hello(a);
		for (unsigned i = 0; i < a->cfg.model_slots; i++) {
			a->slot[i].report_code = HV_OK;
			a->slot[i].report_due = a->slot[i].state != LINK_SLOT_EMPTY;
		}
		return true;
	}
	for (unsigned i = 0; i < a->cfg.model_slots; i++) {
		struct ag_slot *s = &a->slot[i];

		if (!s->report_due || !ag_may_be_long(a) || !send_slot(a, i, s->report_code))
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

bool ag_talk_send_due(struct agent *a)
{
	if (ag_box_step(a))
		return true;
	return a->arq.state == ARQ_UP && (ag_link_send_piece(a) || send_due(a));
}

bool ag_talk_take(struct agent *a)
{
	return a->arq.state == ARQ_UP && (ag_buffers_slice(a) || take_message(a));
}
