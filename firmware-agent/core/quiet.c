#include "firmware-agent/core/state.h"

/* Shortly before the primary is expected the agent gives back what it holds and begins nothing
 * more, not even work on the link: a primary that comes when it was expected waits for no step.
 * The time is short, or it is not kept: the link must live. */

void ag_quiet_plan(struct agent *a)
{
	struct ag_primary *p = &a->primary;
	uint64_t now = ag_now(a);
	struct guard_forecast f = guard_forecast(&p->seen, &p->told, now);

	p->quiet_from_us = UINT64_MAX;
	p->quiet_until_us = 0;
	/* a primary that is nearly always there must not silence the agent */
	if (!f.known || f.latest_us - f.earliest_us > AG_QUIET_MAX_US ||
	    f.earliest_us <= now + GUARD_MARGIN_US)
		return;
	p->quiet_from_us = f.earliest_us - GUARD_MARGIN_US;
	p->quiet_until_us = f.latest_us + GUARD_MARGIN_US;
}

static bool due(const struct agent *a)
{
	const struct ag_primary *p = &a->primary;
	uint64_t now;

	if (p->active || p->quiet_from_us == UINT64_MAX)
		return false;
	now = ag_now(a);
	return now >= p->quiet_from_us && now <= p->quiet_until_us;
}

static bool holds(const struct agent *a)
{
	return a->hold || a->run.phase != AG_IDLE;
}

/* The margin of the guard covers a slice, the hand-over and some more. */
bool ag_quiet_step(struct agent *a)
{
	_Static_assert(AG_WAIT_BOUND_US <= GUARD_MARGIN_US, "a hand-over before the primary comes");

	if (!due(a))
		return false;
	ag_load_release(a);
	ag_run_abort(a);
	return true;
}

uint64_t ag_quiet_next_us(const struct agent *a, uint64_t next_us)
{
	const struct ag_primary *p = &a->primary;

	if (due(a))
		return holds(a) ? 0 : p->quiet_until_us + 1;
	if (!p->active && holds(a) && p->quiet_from_us < next_us && ag_now(a) < p->quiet_from_us)
		return p->quiet_from_us;
	return next_us;
}

bool agent_is_quiet(const struct agent *a, uint64_t *until_us)
{
	*until_us = a->primary.quiet_until_us + 1;
	return due(a) && !holds(a);
}
