#include "firmware-agent/core/state.h"
#include <string.h>

/* The queue of jobs on the board: first come, first served; every accepted or refused job
 * gets exactly one result, unless the link's life ends before. */

void ag_job_refuse(struct agent *a, uint32_t id, int code)
{
	union link_msg m = { .result = { .id_ = LINK_RESULT, .job = id, .code = (uint16_t)code } };
	uint64_t now = ag_now(a);

	a->n.refused++;
	ag_box_add(a, LINK_BOX_JOB_REFUSED, 0, (uint32_t)code);
	m.result.start_us = m.result.end_us = now;
	/* room for a reply was checked before the message was taken */
	(void)ag_talk_send(a, &m, NULL, 0);
}

int ag_job_check(const struct agent *a, uint8_t slot, uint16_t records)
{
	const struct ag_slot *s;
	uint32_t larger;

	if (slot >= a->cfg.model_slots)
		return HV_E_INVAL;
	if (a->stood_down)
		return HV_E_BUSY;
	s = &a->slot[slot];
	if (s->state != LINK_SLOT_RESIDENT)
		return HV_E_NOENT;
	larger = s->img.in_record_bytes > s->img.out_record_bytes ? s->img.in_record_bytes
								  : s->img.out_record_bytes;
	if (records == 0 || (uint64_t)records * larger > a->cfg.job_bytes)
		return HV_E_INVAL;
	return HV_OK;
}

struct ag_job *ag_job_free(struct agent *a)
{
	for (unsigned i = 0; i < a->cfg.job_slots; i++)
		if (a->job[i].state == AG_JOB_FREE)
			return &a->job[i];
	return NULL;
}

uint8_t *ag_job_input(const struct agent *a, const struct ag_job *j, unsigned record)
{
	uint32_t in = a->slot[j->slot].img.in_record_bytes;

	return j->memory + a->cfg.job_bytes - (j->records - record) * in;
}

bool ag_job_add(struct agent *a, const struct link_job *m)
{
	struct ag_job *j = ag_job_free(a);
	int err = ag_job_check(a, m->slot, m->records);

	if (err == HV_OK &&
	    m->tail.len != (size_t)m->records * a->slot[m->slot].img.in_record_bytes)
		err = HV_E_INVAL;
	if (err == HV_OK && j == NULL)
		err = HV_E_BUSY;
	if (err != HV_OK) {
		ag_job_refuse(a, m->job, err);
		return false;
	}
	*j = (struct ag_job){ .state = AG_JOB_FILLING,
			      .id = m->job,
			      .order = a->job_order++,
			      .slot = m->slot,
			      .records = m->records,
			      .latest_start_us = m->latest_start_us,
			      .memory = j->memory };
	a->in.job = (uint8_t)(j - a->job);
	return true;
}

void ag_job_fill(struct agent *a)
{
	struct ag_job *j = &a->job[a->in.job];
	uint8_t nowhere[AG_SLICE_COPY_BYTES];

	if (j->state != AG_JOB_FILLING) { /* ended by a stand-down */
		(void)ag_link_tail(a, nowhere, sizeof(nowhere));
		return;
	}
	j->filled += (uint32_t)ag_link_tail(a, ag_job_input(a, j, 0) + j->filled, ag_copy_bytes(a));
	if (a->in.left > 0)
		return;
	j->state = AG_JOB_QUEUED;
	a->guard_wake_us = 0;
}

void ag_job_cancel(struct agent *a, uint32_t id)
{
	for (unsigned i = 0; i < a->cfg.job_slots; i++) {
		struct ag_job *j = &a->job[i];

		if (j->state == AG_JOB_QUEUED && j->id == id && j->start_us == 0)
			ag_job_end(a, j, HV_E_CANCEL);
	}
}

void ag_job_end(struct agent *a, struct ag_job *j, int code)
{
	if (&a->job[a->copy.job] == j)
		a->copy.n = 0;
	j->state = AG_JOB_ENDED;
	j->code = code;
	j->end_us = ag_now(a);
	if (j->start_us == 0)
		j->start_us = j->end_us;
	if (code == HV_OK) {
		j->out_bytes = (uint32_t)j->records * a->slot[j->slot].img.out_record_bytes;
		a->n.jobs_done++;
		a->n.records += j->records;
	} else {
		a->n.jobs_failed++;
		ag_box_add(a, LINK_BOX_JOB_FAILED, j->slot, (uint32_t)code);
	}
	a->guard_wake_us = 0;
}

void ag_job_drop_all(struct agent *a)
{
	ag_run_abort(a);
	a->copy.n = 0;
	for (unsigned i = 0; i < AG_JOBS_MAX; i++)
		a->job[i].state = AG_JOB_FREE;
}

void ag_job_fail_slot(struct agent *a, unsigned slot, int code)
{
	if (a->run.phase != AG_IDLE && a->job[a->run.job].slot == slot)
		ag_run_abort(a);
	for (unsigned i = 0; i < a->cfg.job_slots; i++)
		if (a->job[i].state == AG_JOB_QUEUED && a->job[i].slot == slot)
			ag_job_end(a, &a->job[i], code);
}

struct ag_job *ag_job_next(struct agent *a)
{
	struct ag_job *oldest = NULL;
	uint64_t now = ag_now(a);

	for (unsigned i = 0; i < a->cfg.job_slots; i++) {
		struct ag_job *j = &a->job[i];

		if (j->state != AG_JOB_QUEUED)
			continue;
		if (j->start_us == 0 && j->latest_start_us != 0 && now > j->latest_start_us) {
			ag_job_end(a, j, HV_E_TIMEOUT);
			continue;
		}
		if (oldest == NULL || (int32_t)(j->order - oldest->order) < 0)
			oldest = j;
	}
	return oldest;
}

void ag_job_wake(struct agent *a)
{
	for (unsigned i = 0; i < a->cfg.job_slots; i++) {
		const struct ag_job *j = &a->job[i];

		if (j->state == AG_JOB_QUEUED && j->start_us == 0 && j->latest_start_us != 0 &&
		    j->latest_start_us < a->guard_wake_us)
			a->guard_wake_us = j->latest_start_us + 1;
	}
}

static struct ag_job *oldest_ended(struct agent *a)
{
	struct ag_job *oldest = NULL;

	for (unsigned i = 0; i < a->cfg.job_slots; i++) {
		struct ag_job *j = &a->job[i];

		if (j->state == AG_JOB_ENDED &&
		    (oldest == NULL || (int32_t)(j->order - oldest->order) < 0))
			oldest = j;
	}
	return oldest;
}

bool ag_job_report(struct agent *a)
{
	struct ag_job *j = oldest_ended(a);
	union link_msg m;
	size_t n = 0;

	if (j == NULL || !ag_may_be_long(a))
		return false;
	m.result.id_ = LINK_RESULT;
	m.result.job = j->id;
	m.result.code = (uint16_t)j->code;
	m.result.records = 0;
	m.result.start_us = j->start_us;
	m.result.end_us = j->end_us;
	m.result.cycles = j->cycles;
	m.result.aborted = j->aborted;
	if (j->code == HV_OK) {
		m.result.records = j->records;
		n = j->out_bytes;
	}
	if (j->from_ring)
		ag_buffers_result(j, &m);
	return ag_talk_send_result(a, &m, j, n);
}
