#include "firmware-agent/core/state.h"
#include "util/fs/crc32.h"
#include "util/fs/wr.h"
#include <string.h>

/* The last events, in memory that may outlive a reset. Every event has its own check sum, so
 * that one that was half written, or never, is not there. Adding is a few writes, because calls
 * with a bound add, too; sums are made in agent_step(). */

enum { EVENTS_A_MESSAGE = 4 };

static struct ag_box_event *event_of(const struct agent *a, uint32_t seq)
{
	return &a->cfg.box->event[seq % AG_BOX_EVENTS];
}

static uint32_t sum_of(const struct ag_box_event *e)
{
	struct ag_box_event copy;

	memset(&copy, 0, sizeof(copy)); /* no padding into the sum */
	copy.at_us = e->at_us;
	copy.seq = e->seq;
	copy.value = e->value;
	copy.boot = e->boot;
	copy.kind = e->kind;
	copy.arg = e->arg;
	return hv_crc32(0x41474258, &copy, offsetof(struct ag_box_event, crc));
}

static bool is_whole(const struct ag_box_event *e, unsigned place)
{
	return e->kind != 0 && e->seq % AG_BOX_EVENTS == place && e->crc == sum_of(e);
}

void ag_box_begin(struct agent *a)
{
	struct ag_blackbox *x = &a->box;
	bool any = false;

	if (a->cfg.box == NULL)
		return;
	for (unsigned i = 0; i < AG_BOX_EVENTS; i++) {
		struct ag_box_event *e = &a->cfg.box->event[i];

		if (!is_whole(e, i)) {
			memset(e, 0, sizeof(*e));
			continue;
		}
		if (!any || (int32_t)(e->seq - x->next_seq) >= 0) {
			x->next_seq = e->seq + 1;
			x->boot = (uint16_t)(e->boot + 1);
		}
		any = true;
	}
	x->unsealed = x->next_seq;
	ag_box_add(a, LINK_BOX_BOOT, a->cfg.reset_cause, 0);
	(void)ag_box_step(a);
}

void ag_box_add(struct agent *a, uint8_t kind, uint8_t arg, uint32_t value)
{
	struct ag_box_event *e;

	if (a->cfg.box == NULL)
		return;
	e = event_of(a, a->box.next_seq);
	*e = (struct ag_box_event){ .at_us = ag_now(a),
				    .seq = a->box.next_seq++,
				    .value = value,
				    .boot = a->box.boot,
				    .kind = kind,
				    .arg = arg };
}

void agent_note(struct agent *a, uint8_t kind, uint8_t arg, uint32_t value)
{
	if (kind >= AGENT_NOTE_FIRST)
		ag_box_add(a, kind, arg, value);
}

/* Aborts come with every frame of a busy primary: a row of them is one event that counts. */
static void note_aborts(struct agent *a)
{
	struct ag_blackbox *x = &a->box;
	struct ag_box_event *e = event_of(a, x->next_seq - 1);
	uint32_t more = a->n.aborted - x->aborted;

	if (more == 0)
		return;
	x->aborted = a->n.aborted;
	if (e->kind != LINK_BOX_ABORT || e->boot != x->boot) {
		ag_box_add(a, LINK_BOX_ABORT, 0, more);
		return;
	}
	e->value += more;
	if (x->unsealed == x->next_seq) /* else it, or one before it, is due anyway */
		x->unsealed = e->seq;
}

bool ag_box_step(struct agent *a)
{
	struct ag_blackbox *x = &a->box;

	if (a->cfg.box == NULL)
		return false;
	note_aborts(a);
	if (x->stood_down != a->stood_down) {
		x->stood_down = a->stood_down;
		ag_box_add(a, a->stood_down ? LINK_BOX_STAND_DOWN : LINK_BOX_RESUME, 0, 0);
	}
	if (x->next_seq - x->unsealed > AG_BOX_EVENTS)
		x->unsealed = x->next_seq - AG_BOX_EVENTS;
	if (x->unsealed == x->next_seq)
		return false;
	event_of(a, x->unsealed)->crc = sum_of(event_of(a, x->unsealed));
	x->unsealed++;
	return true;
}

bool ag_box_tell(struct agent *a)
{
	union link_msg m = { .box = { .id_ = LINK_BOX, .boot = a->box.boot } };
	uint8_t tail[EVENTS_A_MESSAGE * LINK_BOX_EVENT_BYTES];
	struct hv_wr w = hv_wr_init(tail, sizeof(tail));
	uint32_t seq = a->ask.box_seq, end = a->box.next_seq;

	if (end - seq > AG_BOX_EVENTS)
		seq = end - AG_BOX_EVENTS;
	for (; seq != end && m.box.n < EVENTS_A_MESSAGE; seq++) {
		const struct ag_box_event *e = event_of(a, seq);

		if (e->kind == 0 || e->seq != seq)
			continue;
		hv_wr_u32(&w, e->seq);
		hv_wr_u16(&w, e->boot);
		hv_wr_u8(&w, e->kind);
		hv_wr_u8(&w, e->arg);
		hv_wr_u32(&w, e->value);
		hv_wr_u64(&w, e->at_us);
		m.box.n++;
	}
	m.box.more = seq != end;
	if (!ag_talk_send(a, &m, tail, hv_wr_len(&w)))
		return false;
	a->ask.box_seq = seq;
	a->ask.box = m.box.more != 0;
	return true;
}
