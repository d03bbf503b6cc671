#include "firmware-agent/core/state.h"

/* The product's firmware wants the accelerator left alone. Jobs and loads are ended at once,
 * which costs no bus access; the host hears of it in agent_step(). */

void agent_stand_down(struct agent *a)
{
	if (a->stood_down)
		return;
	a->stood_down = true;
	ag_load_release(a);
	ag_run_abort(a);
	for (unsigned i = 0; i < a->cfg.job_slots; i++)
		if (a->job[i].state == AG_JOB_QUEUED || a->job[i].state == AG_JOB_FILLING)
			ag_job_end(a, &a->job[i], HV_E_BUSY);
	if (a->load.active)
		ag_slot_refuse(a, HV_E_BUSY);
	a->load_waits = false;
	a->ask.stand = a->ask.welcome;
}

static void forget_slots(struct agent *a)
{
	for (unsigned i = 0; i < a->cfg.model_slots; i++) {
		if (a->slot[i].state == LINK_SLOT_EMPTY)
			continue;
		ag_slot_clear(a, i);
		if (a->arq.state == ARQ_UP)
			ag_talk_report_slot(a, i, HV_OK);
	}
}

void agent_resume(struct agent *a, bool kept)
{
	if (!a->stood_down)
		return;
	a->stood_down = false;
	a->run.snap_valid = false;
	if (!kept)
		forget_slots(a);
	a->guard_wake_us = 0;
	a->ask.stand = a->ask.welcome;
}

bool ag_stand_tell(struct agent *a)
{
	union link_msg m = { .stand = { .id_ = LINK_STAND, .down = a->stood_down } };

	if (!a->ask.stand || !ag_talk_send(a, &m, NULL, 0))
		return false;
	a->ask.stand = false;
	return true;
}

void agent_stats_get(const struct agent *a, struct agent_stats *s)
{
	*s = (struct agent_stats){ .up_us = ag_now(a) - a->boot_us,
				   .harvest_busy_us = a->n.harvest_busy_us,
				   .primary_busy_us = a->primary.busy_us,
				   .primary_total = a->primary.total,
				   .primary_wait_max_us = a->primary.wait_max_ns / 1000,
				   .jobs_done = a->n.jobs_done,
				   .jobs_failed = a->n.jobs_failed,
				   .jobs_refused = a->n.refused,
				   .records = a->n.records,
				   .runs_aborted = a->n.aborted,
				   .bad_messages = a->n.bad_messages,
				   .frames_bad = a->arq.n.frames_bad,
				   .stale = a->stale,
				   .line_bps = a->baud.bps,
				   .link_up = a->arq.state == ARQ_UP,
				   .stood_down = a->stood_down };
	for (unsigned i = 0; i < a->cfg.model_slots; i++)
		if (a->slot[i].state == LINK_SLOT_RESIDENT)
			s->models++;
	for (unsigned i = 0; i < a->cfg.job_slots; i++)
		if (a->job[i].state != AG_JOB_FREE && a->job[i].state != AG_JOB_ENDED)
			s->jobs++;
}
