/* What the core owns at 0xe0000000: interrupts and their priorities, SysTick, system control
 * block, cycle counter. */
#include "tests/emu/m78k/state.h"
#include <string.h>
#include <unicorn/unicorn.h>

#define DWT_CTRL   UINT32_C(0xe0001000)
#define DWT_CYCCNT UINT32_C(0xe0001004)
#define ICTR       UINT32_C(0xe000e004)
#define ACTLR      UINT32_C(0xe000e008)
#define SYST_CSR   UINT32_C(0xe000e010)
#define SYST_RVR   UINT32_C(0xe000e014)
#define SYST_CVR   UINT32_C(0xe000e018)
#define SYST_CALIB UINT32_C(0xe000e01c)
#define NVIC_ISER  UINT32_C(0xe000e100)
#define NVIC_ICER  UINT32_C(0xe000e180)
#define NVIC_ISPR  UINT32_C(0xe000e200)
#define NVIC_ICPR  UINT32_C(0xe000e280)
#define NVIC_IABR  UINT32_C(0xe000e300)
#define NVIC_IPR   UINT32_C(0xe000e400)
#define SCB_CPUID  UINT32_C(0xe000ed00)
#define SCB_ICSR   UINT32_C(0xe000ed04)
#define SCB_VTOR   UINT32_C(0xe000ed08)
#define SCB_AIRCR  UINT32_C(0xe000ed0c)
#define SCB_SCR    UINT32_C(0xe000ed10)
#define SCB_CCR    UINT32_C(0xe000ed14)
#define SCB_SHPR1  UINT32_C(0xe000ed18)
#define SCB_SHCSR  UINT32_C(0xe000ed24)
#define SCB_CFSR   UINT32_C(0xe000ed28)
#define SCB_HFSR   UINT32_C(0xe000ed2c)
#define SCB_BFAR   UINT32_C(0xe000ed38)
#define SCB_CPACR  UINT32_C(0xe000ed88)
#define MPU_TYPE   UINT32_C(0xe000ed90)
#define MPU_CTRL   UINT32_C(0xe000ed94)
#define MPU_RNR    UINT32_C(0xe000ed98)
#define MPU_RBAR   UINT32_C(0xe000ed9c)
#define MPU_RASR   UINT32_C(0xe000eda0)
#define SCB_DEMCR  UINT32_C(0xe000edfc)
#define FPU_FPCCR  UINT32_C(0xe000ef34)

enum {
	SYST_ON = 1,
	SYST_INT = 2,
	SYST_COUNTED = 1 << 16,
	PRIORITY_MASK = 0xe0, /* three bits */
	AIRCR_RESET = 4,
	LOWEST = 256,
};

void core_reset(struct machine *m)
{
	m->core = (struct core_regs){ .vtor = FLASH_BASE,
				      .fpccr = UINT32_C(0xc0000000),
				      .ccr = 0x200,
				      .syst_zero_cycles = NEVER };
	m->core.enabled[EXC_HARD] = m->core.enabled[EXC_SVC] = true;
	m->core.enabled[EXC_PENDSV] = m->core.enabled[EXC_SYSTICK] = true;
	for (unsigned i = 4; i < 8; i++)
		m->core.enabled[i] = true;
}

/* -- pending ------------------------------------------------------------------------------- */

static void recount(struct core_regs *c)
{
	c->n_pending = 0;
	for (unsigned i = 1; i < EXCEPTIONS; i++)
		c->n_pending += c->pending[i] && c->enabled[i];
}

void core_pend(struct machine *m, unsigned exception)
{
	m->core.pending[exception] = true;
	recount(&m->core);
	slice_cut(m);
}

void core_taken(struct machine *m, unsigned exception)
{
	m->core.pending[exception] = false;
	recount(&m->core);
}

static bool is_active(const struct core_regs *c, unsigned exception)
{
	for (unsigned i = 0; i < c->depth; i++)
		if (c->stack[i] == exception)
			return true;
	return false;
}

void core_line(struct machine *m, unsigned irq, bool level)
{
	bool was = m->core.line[irq];

	m->core.line[irq] = level;
	if (level && !was)
		core_pend(m, EXC_IRQ0 + irq);
}

static int priority_of(const struct core_regs *c, unsigned exception)
{
	if (exception == EXC_HARD)
		return -1;
	return c->priority[exception];
}

unsigned core_deliverable(struct machine *m, bool masked)
{
	struct core_regs *c = &m->core;
	int limit = LOWEST, best = LOWEST;
	unsigned found = EXC_NONE;
	uint32_t basepri;

	if (c->n_pending == 0)
		return EXC_NONE;
	for (unsigned i = 0; i < c->depth; i++)
		if (priority_of(c, c->stack[i]) < limit)
			limit = priority_of(c, c->stack[i]);
	basepri = reg_get(m, UC_ARM_REG_BASEPRI) & PRIORITY_MASK;
	if (basepri != 0 && (int)basepri < limit)
		limit = (int)basepri;
	if (!masked && (reg_get(m, UC_ARM_REG_PRIMASK) & 1) != 0 && limit > 0)
		limit = 0;
	for (unsigned i = 1; i < EXCEPTIONS; i++)
		if (c->pending[i] && c->enabled[i] && priority_of(c, i) < best) {
			best = priority_of(c, i);
			found = i;
		}
	return best < limit ? found : EXC_NONE;
}

/* -- SysTick ------------------------------------------------------------------------------- */

static uint32_t syst_value(const struct machine *m)
{
	const struct core_regs *c = &m->core;

	if (c->syst_zero_cycles == NEVER)
		return c->syst_left;
	if (c->syst_zero_cycles <= m->cycles || c->syst_zero_cycles - m->cycles > c->syst_rvr)
		return 0; /* it is zero for one cycle, then loaded again */
	return (uint32_t)(c->syst_zero_cycles - m->cycles);
}

static void syst_start(struct machine *m, uint32_t from)
{
	m->core.syst_zero_cycles = m->cycles + from;
	slice_cut(m);
}

/* The counter reached zero, perhaps long ago. */
static void syst_catch_up(struct machine *m)
{
	struct core_regs *c = &m->core;
	uint64_t period = (uint64_t)c->syst_rvr + 1;

	if (c->syst_zero_cycles > m->cycles)
		return;
	c->syst_csr |= SYST_COUNTED;
	if (c->syst_rvr == 0) {
		c->syst_zero_cycles = NEVER;
		c->syst_left = 0;
		return;
	}
	c->syst_zero_cycles += (m->cycles - c->syst_zero_cycles) / period * period + period;
	if ((c->syst_csr & SYST_INT) != 0)
		core_pend(m, EXC_SYSTICK);
}

void core_events(struct machine *m)
{
	syst_catch_up(m);
}

uint64_t core_next_cycles(const struct machine *m)
{
	return m->core.syst_zero_cycles;
}

static uint32_t syst_csr_read(struct machine *m)
{
	uint32_t v;

	syst_catch_up(m);
	v = m->core.syst_csr;
	m->core.syst_csr &= ~(uint32_t)SYST_COUNTED;
	return v;
}

static void syst_csr_write(struct machine *m, uint32_t value)
{
	struct core_regs *c = &m->core;
	bool was = (c->syst_csr & SYST_ON) != 0, on = (value & SYST_ON) != 0;

	if ((value & 4) == 0 && on)
		machine_violation(m, "SysTick from an external clock: not modelled");
	c->syst_csr = (c->syst_csr & SYST_COUNTED) | (value & 7);
	if (on && !was) {
		if (m->accel.agent_epoch_ns == NEVER)
			m->accel.agent_epoch_ns = now_ps(m) / 1000;
		syst_start(m, c->syst_left != 0 ? c->syst_left : c->syst_rvr);
	} else if (!on && was) {
		c->syst_left = syst_value(m);
		c->syst_zero_cycles = NEVER;
	}
}

static void syst_clear(struct machine *m)
{
	m->core.syst_csr &= ~(uint32_t)SYST_COUNTED;
	m->core.syst_left = 0;
	/* the next clock loads the counter, without an interrupt */
	if ((m->core.syst_csr & SYST_ON) != 0)
		syst_start(m, m->core.syst_rvr + 1);
}

/* Counts while trace and the counter are on, and stands still in sleep. */
static uint32_t dwt_count(const struct machine *m)
{
	const struct core_regs *c = &m->core;

	if ((c->demcr >> 24 & 1) == 0 || (c->dwt_ctrl & 1) == 0)
		return 0;
	return (uint32_t)(m->cycles - c->slept_cycles - c->dwt_zero_cycles);
}

bool core_forbids(const struct machine *m, uint32_t addr)
{
	const struct core_regs *c = &m->core;

	if ((c->mpu_ctrl & 1) == 0)
		return false;
	for (unsigned i = 0; i < MPU_REGIONS; i++) {
		uint64_t bytes = UINT64_C(2) << (c->mpu_rasr[i] >> 1 & 0x1f);

		if ((c->mpu_rasr[i] & 1) != 0 && (c->mpu_rasr[i] >> 24 & 7) == 0 &&
		    addr >= c->mpu_rbar[i] && addr - c->mpu_rbar[i] < bytes)
			return true;
	}
	return false;
}

/* -- registers ----------------------------------------------------------------------------- */

static uint32_t gather(const bool *b, uint32_t addr, uint32_t base)
{
	uint32_t first = 8 * (addr - base), v = 0;

	for (uint32_t i = 0; i < 32 && first + i < IRQS; i++)
		v |= (uint32_t)b[first + i] << i;
	return v;
}

static void scatter(struct machine *m, bool *b, uint32_t addr, uint32_t base, uint32_t v, bool to)
{
	uint32_t first = 8 * (addr - base);

	for (uint32_t i = 0; i < 32 && first + i < IRQS; i++)
		if ((v >> i & 1) != 0)
			b[first + i] = to;
	recount(&m->core);
	slice_cut(m);
}

static bool within(uint32_t addr, uint32_t base, uint32_t bytes)
{
	return addr >= base && addr - base < bytes;
}

static uint32_t priorities(const struct core_regs *c, uint32_t first)
{
	uint32_t v = 0;

	for (uint32_t i = 0; i < 4 && first + i < EXCEPTIONS; i++)
		v |= (uint32_t)c->priority[first + i] << 8 * i;
	return v;
}

static uint32_t icsr(struct machine *m)
{
	struct core_regs *c = &m->core;
	uint32_t v = c->depth > 0 ? c->stack[c->depth - 1] : 0;

	v |= core_deliverable(m, true) << 12;
	v |= (uint32_t)c->pending[EXC_SYSTICK] << 26 | (uint32_t)c->pending[EXC_PENDSV] << 28;
	return v;
}

static uint32_t nvic_read(struct machine *m, uint32_t addr)
{
	struct core_regs *c = &m->core;
	bool active[IRQS];

	if (within(addr, NVIC_ISER, 16))
		return gather(c->enabled + EXC_IRQ0, addr, NVIC_ISER);
	if (within(addr, NVIC_ICER, 16))
		return gather(c->enabled + EXC_IRQ0, addr, NVIC_ICER);
	if (within(addr, NVIC_ISPR, 16))
		return gather(c->pending + EXC_IRQ0, addr, NVIC_ISPR);
	if (within(addr, NVIC_ICPR, 16))
		return gather(c->pending + EXC_IRQ0, addr, NVIC_ICPR);
	if (within(addr, NVIC_IPR, IRQS))
		return priorities(c, EXC_IRQ0 + (addr - NVIC_IPR));
	for (unsigned i = 0; i < IRQS; i++)
		active[i] = is_active(c, EXC_IRQ0 + i);
	return gather(active, addr, NVIC_IABR);
}

uint32_t core_read(struct machine *m, uint32_t addr)
{
	struct core_regs *c = &m->core;

	switch (addr) {
	case DWT_CTRL: return c->dwt_ctrl;
	case DWT_CYCCNT: return dwt_count(m);
	case ICTR: return 3;
	case ACTLR: return 0;
	case SYST_CSR: return syst_csr_read(m);
	case SYST_RVR: return c->syst_rvr;
	case SYST_CVR: syst_catch_up(m); return syst_value(m);
	case SYST_CALIB: return 0;
	case SCB_CPUID: return UINT32_C(0x410fc241);
	case SCB_ICSR: return icsr(m);
	case SCB_VTOR: return c->vtor;
	case SCB_AIRCR: return UINT32_C(0xfa050000) | (c->aircr & 0x700);
	case SCB_SCR: return c->scr;
	case SCB_CCR: return c->ccr;
	case SCB_SHPR1:
	case SCB_SHPR1 + 4:
	case SCB_SHPR1 + 8: return priorities(c, 4 + (addr - SCB_SHPR1));
	case SCB_SHCSR: return c->shcsr;
	case SCB_CFSR: return c->cfsr;
	case SCB_HFSR: return c->hfsr;
	case SCB_CPACR: return c->cpacr;
	case MPU_TYPE: return 0x800;
	case MPU_CTRL: return c->mpu_ctrl;
	case MPU_RNR: return c->mpu_rnr;
	case MPU_RBAR: return c->mpu_rbar[c->mpu_rnr];
	case MPU_RASR: return c->mpu_rasr[c->mpu_rnr];
	case SCB_BFAR: return c->bfar;
	case SCB_DEMCR: return c->demcr;
	case FPU_FPCCR: return c->fpccr;
	default: break;
	}
	if (within(addr, NVIC_ISER, 0x3f0))
		return nvic_read(m, addr);
	machine_unknown(m, addr, false);
	return 0;
}

static void set_priorities(struct machine *m, uint32_t first, uint32_t value, unsigned size)
{
	for (uint32_t i = 0; i < size && first + i < EXCEPTIONS; i++)
		m->core.priority[first + i] = (uint8_t)(value >> 8 * i & PRIORITY_MASK);
	slice_cut(m);
}

static void icsr_write(struct machine *m, uint32_t value)
{
	struct core_regs *c = &m->core;

	if ((value >> 25 & 1) != 0)
		c->pending[EXC_SYSTICK] = false;
	if ((value >> 27 & 1) != 0)
		c->pending[EXC_PENDSV] = false;
	recount(c);
	if ((value >> 26 & 1) != 0)
		core_pend(m, EXC_SYSTICK);
	if ((value >> 28 & 1) != 0)
		core_pend(m, EXC_PENDSV);
}

static bool nvic_write(struct machine *m, uint32_t addr, uint32_t value, unsigned size)
{
	struct core_regs *c = &m->core;

	if (within(addr, NVIC_ISER, 16))
		scatter(m, c->enabled + EXC_IRQ0, addr, NVIC_ISER, value, true);
	else if (within(addr, NVIC_ICER, 16))
		scatter(m, c->enabled + EXC_IRQ0, addr, NVIC_ICER, value, false);
	else if (within(addr, NVIC_ISPR, 16))
		scatter(m, c->pending + EXC_IRQ0, addr, NVIC_ISPR, value, true);
	else if (within(addr, NVIC_ICPR, 16))
		scatter(m, c->pending + EXC_IRQ0, addr, NVIC_ICPR, value, false);
	else if (within(addr, NVIC_IPR, IRQS))
		set_priorities(m, EXC_IRQ0 + (addr - NVIC_IPR), value, size);
	else if (within(addr, SCB_SHPR1, 12))
		set_priorities(m, 4 + (addr - SCB_SHPR1), value, size);
	else
		return false;
	/* a line that is still high asks again */
	for (unsigned i = 0; i < IRQS; i++)
		if (c->line[i] && !c->pending[EXC_IRQ0 + i] && !is_active(c, EXC_IRQ0 + i))
			core_pend(m, EXC_IRQ0 + i);
	return true;
}

void core_write(struct machine *m, uint32_t addr, uint32_t value, unsigned size)
{
	struct core_regs *c = &m->core;

	if (nvic_write(m, addr, value, size))
		return;
	switch (addr) {
	case DWT_CTRL: c->dwt_ctrl = value; break;
	case DWT_CYCCNT: c->dwt_zero_cycles = m->cycles - c->slept_cycles - value; break;
	case ACTLR: break;
	case SYST_CSR: syst_csr_write(m, value); break;
	case SYST_RVR: c->syst_rvr = value & 0xffffff; break;
	case SYST_CVR: syst_clear(m); break;
	case SCB_ICSR: icsr_write(m, value); break;
	case SCB_VTOR:
		if ((value & 0x1ff) != 0)
			machine_violation(m, "vector table at %08x is not aligned to 512 bytes",
					  value);
		c->vtor = value & ~UINT32_C(0x7f);
		break;
	case SCB_AIRCR:
		if (value >> 16 != 0x05fa)
			break;
		c->aircr = value;
		if ((value & AIRCR_RESET) != 0) {
			m->want_reset = true;
			slice_cut(m);
		}
		break;
	case SCB_SCR: c->scr = value; break;
	case SCB_CCR: c->ccr = value; break;
	case SCB_SHCSR: c->shcsr = value; break;
	case SCB_CFSR: c->cfsr &= ~value; break;
	case SCB_HFSR: c->hfsr &= ~value; break;
	case SCB_CPACR: c->cpacr = value; break;
	case MPU_CTRL: c->mpu_ctrl = value; break;
	case MPU_RNR: c->mpu_rnr = value % MPU_REGIONS; break;
	case MPU_RBAR: c->mpu_rbar[c->mpu_rnr] = value & ~UINT32_C(0x1f); break;
	case MPU_RASR: c->mpu_rasr[c->mpu_rnr] = value; break;
	case SCB_DEMCR: c->demcr = value; break;
	case FPU_FPCCR: c->fpccr = value; break;
	default: machine_unknown(m, addr, true); break;
	}
}
