#include "firmware-agent/core/state.h"
#include <string.h>

/* Begin, commit and evict: what a slot is. The bytes in between are load.c's. */

void ag_slot_clear(struct agent *a, unsigned slot)
{
	struct ag_slot *s = &a->slot[slot];

	if (s->state == LINK_SLOT_RESIDENT)
		ag_job_fail_slot(a, slot, HV_E_NOENT);
	if (a->load.active && a->load.slot == slot)
		ag_slot_drop_load(a);
	s->state = LINK_SLOT_EMPTY;
	memset(s->hash, 0, sizeof(s->hash));
	if (a->run.snap_slot == slot)
		a->run.snap_valid = false;
}

void ag_slot_drop_load(struct agent *a)
{
	if (!a->load.active)
		return;
	ag_load_release(a);
	a->load.active = false;
	a->long_due = false;
	a->slot[a->load.slot].state = LINK_SLOT_EMPTY;
}

void ag_slot_refuse(struct agent *a, int code)
{
	unsigned slot = a->load.slot;

	a->slot[slot].failed = true;
	ag_slot_drop_load(a);
	ag_talk_report_slot(a, slot, code);
}

static int begin_check(const struct agent *a, const struct link_model_begin *m)
{
	if (m->slot >= a->cfg.model_slots)
		return HV_E_INVAL;
	if (m->bytes < SLOTIMG_HEADER_BYTES)
		return HV_E_FORMAT;
	if (a->stood_down || (a->load.active && a->load.slot != m->slot))
		return HV_E_BUSY;
	return HV_OK;
}

void ag_slot_begin(struct agent *a, const struct link_model_begin *m)
{
	struct ag_slot *s;
	int err = begin_check(a, m);

	if (err != HV_OK) {
		ag_talk_report_slot(a, m->slot, err);
		return;
	}
	s = &a->slot[m->slot];
	if (s->state == LINK_SLOT_RESIDENT && memcmp(s->hash, m->hash.b, sizeof(s->hash)) == 0) {
		ag_talk_report_slot(a, m->slot, HV_OK);
		return;
	}
	ag_slot_clear(a, m->slot);
	s->state = LINK_SLOT_LOADING;
	s->failed = false;
	memset(&a->load, 0, sizeof(a->load)); /* in place: a step is bounded */
	a->load.active = true;
	a->load.slot = m->slot;
	a->load.announced = m->bytes;
	memcpy(a->load.want, m->hash.b, sizeof(a->load.want));
	hv_sha256_init(&a->load.sha);
	ag_talk_report_slot(a, m->slot, HV_OK);
}

bool ag_slot_chunk_ok(struct agent *a, const struct link_model_chunk *m)
{
	const struct ag_load *l = &a->load;

	if (!l->active || l->slot != m->slot) {
		a->n.bad_messages++;
		if (m->slot >= a->cfg.model_slots || !a->slot[m->slot].failed)
			ag_talk_report_slot(a, m->slot, HV_E_NOENT);
		return false;
	}
	if (m->offset != l->got || m->tail.len > l->announced - l->got) {
		a->n.bad_messages++;
		ag_slot_refuse(a, HV_E_INVAL);
		return false;
	}
	return true;
}

bool ag_slot_commit(struct agent *a, uint8_t slot)
{
	struct ag_load *l = &a->load;

	if (!l->active || l->slot != slot) {
		/* a repeated commit of what is there is no fault */
		bool there = slot < a->cfg.model_slots && a->slot[slot].state == LINK_SLOT_RESIDENT;

		if (slot >= a->cfg.model_slots || there || !a->slot[slot].failed)
			ag_talk_report_slot(a, slot, there ? HV_OK : HV_E_NOENT);
		return false;
	}
	if (l->got != l->announced || l->part != AG_PART_DONE) {
		ag_slot_refuse(a, HV_E_FORMAT);
		return false;
	}
	return true;
}

bool ag_slot_commit_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	uint8_t hash[HV_SHA256_BYTES];
	unsigned slot = l->slot;

	if (!l->active) /* ended by a stand-down */
		return true;
	if (!hv_sha256_close(&l->sha, AG_SLICE_ROUNDS, hash) || !ag_may_be_long(a))
		return false;
	if (memcmp(hash, l->want, sizeof(hash)) != 0) {
		ag_slot_refuse(a, HV_E_WRONG);
		return true;
	}
	l->active = false;
	a->slot[slot].state = LINK_SLOT_RESIDENT;
	memcpy(a->slot[slot].hash, hash, sizeof(hash));
	ag_slot_price(a, slot);
	ag_talk_report_slot(a, slot, HV_OK);
	return true;
}

void ag_slot_evict(struct agent *a, uint8_t slot)
{
	if (slot >= a->cfg.model_slots) {
		ag_talk_report_slot(a, slot, HV_E_INVAL);
		return;
	}
	ag_slot_clear(a, slot);
	a->slot[slot].failed = false;
	ag_talk_report_slot(a, slot, HV_OK);
}
