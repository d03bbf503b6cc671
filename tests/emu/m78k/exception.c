/* Entry into and return from exceptions, on the main stack. */
#include "tests/emu/m78k/state.h"
#include <string.h>
#include <unicorn/unicorn.h>

enum { FRAME_WORDS = 8, XPSR_ALIGNED = 1 << 9, ENTRY_CYCLES = 12, RETURN_CYCLES = 10 };
#define XPSR_IT UINT32_C(0x0600fc00) /* an interrupted IT block: the handler begins outside */

uint32_t reg_get(struct machine *m, int reg)
{
	uint32_t v = 0;

	uc_reg_read(m->uc, reg, &v);
	return v;
}

void reg_set(struct machine *m, int reg, uint32_t value)
{
	uc_reg_write(m->uc, reg, &value);
}

static const int frame_regs[FRAME_WORDS - 2] = {
	UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3, UC_ARM_REG_R12, UC_ARM_REG_LR,
};

static void fpu_move(struct machine *m, uint64_t *d, bool save)
{
	for (int i = 0; i < 8; i++)
		if (save)
			uc_reg_read(m->uc, UC_ARM_REG_D0 + i, &d[i]);
		else
			uc_reg_write(m->uc, UC_ARM_REG_D0 + i, &d[i]);
}

static bool fpu_kept(const struct machine *m)
{
	return (m->core.fpccr >> 31) != 0 && (m->core.cpacr & 0xf << 20) != 0;
}

/* A fault where none can be taken: the core stops until something resets the chip. */
static void lock_up(struct machine *m, const char *what)
{
	m->locked = true;
	machine_violation(m, "lockup: %s at pc %08x", what, m->pc);
}

void exception_enter(struct machine *m, unsigned exception)
{
	uint32_t frame[FRAME_WORDS], sp, xpsr = reg_get(m, UC_ARM_REG_XPSR), handler = 0;
	uint32_t from_thread = m->core.depth == 0;

	if (m->core.depth == NEST_MAX) {
		lock_up(m, "exceptions nested too deep");
		return;
	}
	for (unsigned i = 0; i < FRAME_WORDS - 2; i++)
		frame[i] = reg_get(m, frame_regs[i]);
	frame[6] = m->pc;
	sp = reg_get(m, UC_ARM_REG_SP);
	frame[7] = (xpsr & ~(uint32_t)XPSR_ALIGNED) | ((sp & 4) != 0 ? XPSR_ALIGNED : 0);
	sp = (sp & ~UINT32_C(7)) - (uint32_t)sizeof(frame);
	if (core_forbids(m, sp)) {
		lock_up(m, "the stack has grown into its guard");
		return;
	}
	if (uc_mem_write(m->uc, sp, frame, sizeof(frame)) != UC_ERR_OK ||
	    uc_mem_read(m->uc, m->core.vtor + 4 * exception, &handler, 4) != UC_ERR_OK ||
	    (handler & 1) == 0) {
		lock_up(m, "no stack or no handler for an exception");
		return;
	}
	if (fpu_kept(m))
		fpu_move(m, m->core.fpu[m->core.depth], true);
	m->core.stack[m->core.depth++] = (uint8_t)exception;
	reg_set(m, UC_ARM_REG_SP, sp);
	reg_set(m, UC_ARM_REG_LR, from_thread ? 0xfffffff9 : 0xfffffff1);
	reg_set(m, UC_ARM_REG_XPSR, xpsr & ~XPSR_IT);
	reg_set(m, UC_ARM_REG_IPSR, exception);
	m->pc = handler & ~UINT32_C(1);
	m->cycles += ENTRY_CYCLES;
	m->n.interrupts++;
	m->sleeping = false;
}

void exception_return(struct machine *m)
{
	uint32_t frame[FRAME_WORDS], sp = reg_get(m, UC_ARM_REG_SP);
	uint32_t kind = m->pc & 0xf;
	struct core_regs *c = &m->core;

	if (c->depth == 0 || (kind != 0 && kind != 8) || (kind == 8) != (c->depth == 1)) {
		lock_up(m, "a return from exception that does not fit its entry");
		return;
	}
	if (uc_mem_read(m->uc, sp, frame, sizeof(frame)) != UC_ERR_OK) {
		lock_up(m, "no stack to return from an exception");
		return;
	}
	c->depth--;
	if (c->stack[c->depth] >= EXC_IRQ0 && c->line[c->stack[c->depth] - EXC_IRQ0])
		core_pend(m, c->stack[c->depth]);
	if (fpu_kept(m))
		fpu_move(m, c->fpu[c->depth], false);
	for (unsigned i = 0; i < FRAME_WORDS - 2; i++)
		reg_set(m, frame_regs[i], frame[i]);
	sp += (uint32_t)sizeof(frame) + ((frame[7] & XPSR_ALIGNED) != 0 ? 4 : 0);
	reg_set(m, UC_ARM_REG_SP, sp);
	reg_set(m, UC_ARM_REG_XPSR, frame[7] & ~(uint32_t)XPSR_ALIGNED);
	reg_set(m, UC_ARM_REG_IPSR, c->depth > 0 ? c->stack[c->depth - 1] : 0);
	m->pc = frame[6] & ~UINT32_C(1);
	m->cycles += RETURN_CYCLES;
}
