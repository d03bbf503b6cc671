#include "bench/proof/sabotage.h"
#include "firmware-agent/core/state.h"

enum sabotage sabotage;

const char *sabotage_text(enum sabotage s)
{
	static const char *const text[SABOTAGES] = { "none", "guard", "restore", "abort" };

	return text[s];
}

/* The linker's names: __real_x is the agent's x, calls of x come to __wrap_x. */
uint16_t __real_guard_records(const struct guard_forecast *f, const struct guard_question *q,
			      uint64_t *again_us);
uint16_t __wrap_guard_records(const struct guard_forecast *f, const struct guard_question *q,
			      uint64_t *again_us);
void __real_ag_run_abort(struct agent *a);
void __wrap_ag_run_abort(struct agent *a);
void __real_ag_quiet_plan(struct agent *a);
void __wrap_ag_quiet_plan(struct agent *a);

uint16_t __wrap_guard_records(const struct guard_forecast *f, const struct guard_question *q,
			      uint64_t *again_us)
{
	if (sabotage == SABOTAGE_GUARD)
		return q->records;
	return __real_guard_records(f, q, again_us);
}

/* A guard that knows nothing does not keep quiet either. */
void __wrap_ag_quiet_plan(struct agent *a)
{
	if (sabotage != SABOTAGE_GUARD)
		__real_ag_quiet_plan(a);
}

void __wrap_ag_run_abort(struct agent *a)
{
	if (sabotage == SABOTAGE_RESTORE)
		a->run.dirty_regs = 0;
	/* a read lets modelled time pass */
	while (sabotage == SABOTAGE_ABORT && a->run.phase != AG_IDLE)
		if (!ag_run_slice(a))
			(void)ag_read(a, CNN_CTRL);
	__real_ag_run_abort(a);
}
