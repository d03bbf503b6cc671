#include "firmware-agent/core/state.h"

/* The primary's bracket. Between begin and end no agent code touches the accelerator. */

void agent_primary_begin(struct agent *a, uint64_t requested_us)
{
	struct ag_primary *p = &a->primary;

	if (p->active)
		agent_primary_end(a);
	ag_load_release(a);
	ag_run_abort(a);
	p->active = true;
	p->begin_us = ag_now(a);
	p->requested_us = requested_us < p->begin_us ? requested_us : p->begin_us;
	p->told = (struct guard_told){ 0 };
	p->quiet_from_us = UINT64_MAX;
	p->total++;
	guard_history_add(&p->seen, p->requested_us);
	a->run.snap_valid = false;
}

void agent_primary_end(struct agent *a)
{
	struct ag_primary *p = &a->primary;
	uint64_t wait_us, busy_us;

	if (!p->active)
		return;
	p->active = false;
	p->end_us = ag_now(a);
	wait_us = p->begin_us - p->requested_us;
	busy_us = p->end_us - p->begin_us;
	if (wait_us > UINT32_MAX / 1000)
		wait_us = UINT32_MAX / 1000;
	if (busy_us > UINT32_MAX)
		busy_us = UINT32_MAX;
	if (p->wait_max_ns < (uint32_t)wait_us * 1000)
		p->wait_max_ns = (uint32_t)wait_us * 1000;
	p->busy_us += busy_us;
	p->busy_max_us -= p->busy_max_us / 16;
	if (p->busy_max_us < busy_us)
		p->busy_max_us = (uint32_t)busy_us;
	ag_telemetry_add(a, (uint32_t)wait_us * 1000, (uint32_t)busy_us);
	a->guard_wake_us = 0;
	ag_quiet_plan(a);
}

void agent_primary_expect(struct agent *a, uint64_t earliest_us, uint64_t latest_us)
{
	if (latest_us < earliest_us)
		latest_us = earliest_us;
	a->primary.told = (struct guard_told){ earliest_us, latest_us };
	a->guard_wake_us = 0;
	ag_quiet_plan(a);
}
