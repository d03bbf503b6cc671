/* The machine as a whole: memory map, slices of the interpreter, reset, reports. */
#include "tests/emu/m78k/state.h"
#include "accel/arch.h"
#include "util/own.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unicorn/unicorn.h>

enum {
	INTR_SVC = 2,
	INTR_EXC_RETURN = 8,
	WFI = 0xbf30,
	BRANCH_SELF = 0xe7fe,
	SLICE_CYCLES = 1000000,
	APB_CYCLES = 3, /* of an access to a peripheral, beside its instruction */
};

#define ACCEL_BYTES (CNN_DATA - CNN_BASE + 4 * CNN_QUADRANT_STRIDE)

/* -- reports ------------------------------------------------------------------------------- */

void machine_unknown(struct machine *m, uint32_t addr, bool write)
{
	unsigned i = 0;

	m->n.unknown++;
	while (i < m->n_unknown && m->unknown[i].addr != addr)
		i++;
	if (i == UNKNOWN_MAX)
		return;
	if (i == m->n_unknown)
		m->unknown[m->n_unknown++] = (struct unknown){ .addr = addr };
	if (write)
		m->unknown[i].writes++;
	else
		m->unknown[i].reads++;
}

void machine_violation(struct machine *m, const char *fmt, ...)
{
	va_list ap;

	m->n.violations++;
	va_start(ap, fmt);
	vsnprintf(m->n.violation, sizeof(m->n.violation), fmt, ap);
	va_end(ap);
}

static int give_up(struct machine *m, const char *fmt, uint32_t a, uint32_t b)
{
	if (!m->broken)
		snprintf(m->why, sizeof(m->why), fmt, (unsigned)a, (unsigned)b);
	m->broken = true;
	return HV_E_GONE;
}

static bool is_listed(const char *list, uint32_t addr)
{
	char *end = NULL;

	while (list != NULL && *list != 0) {
		if (strtoul(list, &end, 16) == addr && end != list)
			return true;
		list = strchr(list, ',');
		list = list != NULL ? list + 1 : NULL;
	}
	return false;
}

bool machine_unknown_harmful(const struct machine *m, const char *harmless)
{
	for (unsigned i = 0; i < m->n_unknown; i++)
		if (!is_listed(harmless, m->unknown[i].addr))
			return true;
	return false;
}

void machine_report(const struct machine *m, FILE *to, const char *harmless)
{
	for (unsigned i = 0; i < m->n_unknown; i++)
		if (!is_listed(harmless, m->unknown[i].addr))
			fprintf(to,
				"register %08x has no model: read %" PRIu64 ", written %" PRIu64
				" times\n",
				(unsigned)m->unknown[i].addr, m->unknown[i].reads,
				m->unknown[i].writes);
	if (m->n.violations > 0)
		fprintf(to, "%" PRIu64 " violations, last: %s\n", m->n.violations, m->n.violation);
	if (cnn_emu_misuse(m->accel.emu) > 0)
		fprintf(to, "misuse of the accelerator: %" PRIu64 " times, last: %s\n",
			cnn_emu_misuse(m->accel.emu), cnn_emu_misuse_text(m->accel.emu));
}

/* -- time ---------------------------------------------------------------------------------- */

void machine_clock(struct machine *m, uint32_t hz)
{
	m->base_ps = now_ps(m);
	m->base_cycles = m->cycles;
	m->hz = hz > 0 ? hz : 1;
	m->ps_per_cycle = (uint32_t)(UINT64_C(1000000000000) / m->hz);
	slice_cut(m);
}

void machine_charge_ns(struct machine *m, uint32_t ns)
{
	m->cycles += (uint64_t)ns * 1000 / m->ps_per_cycle;
}

static uint64_t cycles_until(const struct machine *m, uint64_t at_ps)
{
	uint64_t now = now_ps(m);

	if (at_ps == NEVER)
		return NEVER;
	return m->cycles +
	       (at_ps > now ? (at_ps - now + m->ps_per_cycle - 1) / m->ps_per_cycle : 0);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_cycles(const struct machine *m)
{
	uint64_t at = earlier(chip_next_ps(m), earlier(uart_next_ps(m), m->accel.done_ps));

	return earlier(cycles_until(m, at), core_next_cycles(m));
}

/* Noise of this chip; never the same after a reset. */
uint32_t machine_random(struct machine *m)
{
	m->rng ^= m->rng << 13;
	m->rng ^= m->rng >> 17;
	m->rng ^= m->rng << 5;
	return m->rng;
}

/* -- what the interpreter calls ------------------------------------------------------------ */

static void block_price(struct machine *m, uint32_t pc, uint32_t bytes, uint32_t *c, uint32_t *n)
{
	uint32_t at = pc - FLASH_BASE;
	uint16_t cost = 0, count = 0;
	uint8_t code[4096];

	if (at < FLASH_BYTES && bytes <= FLASH_BYTES - at) {
		if (m->cost[at / 2] == 0)
			cost_block(m->image + at, bytes, &m->cost[at / 2], &m->count[at / 2]);
		*c = m->cost[at / 2];
		*n = m->count[at / 2];
		return;
	}
	if (bytes <= sizeof(code) && uc_mem_read(m->uc, pc, code, bytes) == UC_ERR_OK)
		cost_block(code, bytes, &cost, &count);
	*c = cost;
	*n = count;
}

static void on_block(uc_engine *uc, uint64_t pc, uint32_t bytes, void *ctx)
{
	struct machine *m = ctx;
	uint32_t cycles, count;

	if (m->stopped || m->cycles >= m->slice_end ||
	    (m->core.n_pending > 0 && core_deliverable(m, false) != EXC_NONE)) {
		m->stopped = true;
		uc_emu_stop(uc);
		return;
	}
	block_price(m, (uint32_t)pc, bytes, &cycles, &count);
	accel_at(m, (uint32_t)pc);
	m->cycles += cycles;
	m->n.instructions += count;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *ctx)
{
	struct machine *m = ctx;

	m->stopped = true;
	if (number == INTR_EXC_RETURN)
		m->exc_return = true;
	else
		m->pend_fault = number == INTR_SVC ? EXC_SVC : EXC_HARD;
	uc_emu_stop(uc);
}

static bool on_bad_access(uc_engine *uc, uc_mem_type type, uint64_t addr, int size, int64_t value,
			  void *ctx)
{
	struct machine *m = ctx;

	(void)uc, (void)type, (void)size, (void)value;
	m->fault_addr = (uint32_t)addr;
	m->fault_addr_valid = true;
	return false;
}

/* Of what narrow accesses see of a 32-bit register. */
static uint32_t lane(uint32_t word, uint32_t addr, unsigned size)
{
	word >>= 8 * (addr & 3);
	return size == 1 ? word & 0xff : size == 2 ? word & 0xffff : word;
}

static uint64_t on_chip_read(uc_engine *uc, uint64_t offset, unsigned size, void *ctx)
{
	struct machine *m = ctx;
	uint32_t addr = 0x40000000 + (uint32_t)offset;

	(void)uc;
	m->cycles += APB_CYCLES;
	return lane(chip_read(m, addr & ~UINT32_C(3)), addr, size);
}

static void on_chip_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t v, void *ctx)
{
	struct machine *m = ctx;

	(void)uc;
	m->cycles += APB_CYCLES;
	if (size != 4 && (offset & 3) != 0)
		machine_violation(m, "write of %u bytes inside a register at %08x", size,
				  (unsigned)(0x40000000 + offset));
	chip_write(m, 0x40000000 + (uint32_t)offset, (uint32_t)v);
}

static uint64_t on_core_read(uc_engine *uc, uint64_t offset, unsigned size, void *ctx)
{
	uint32_t addr = 0xe0000000 + (uint32_t)offset;

	(void)uc;
	return lane(core_read(ctx, addr & ~UINT32_C(3)), addr, size);
}

static void on_core_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t v, void *ctx)
{
	(void)uc;
	core_write(ctx, 0xe0000000 + (uint32_t)offset, (uint32_t)v, size);
}

static uint64_t on_accel_read(uc_engine *uc, uint64_t offset, unsigned size, void *ctx)
{
	uint32_t addr = CNN_BASE + (uint32_t)offset;

	(void)uc;
	return lane(accel_read(ctx, addr, size), addr, size);
}

static void on_accel_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t v, void *ctx)
{
	(void)uc;
	accel_write(ctx, CNN_BASE + (uint32_t)offset, (uint32_t)v, size);
}

static uint64_t on_info_read(uc_engine *uc, uint64_t offset, unsigned size, void *ctx)
{
	uint32_t addr = INFO_BASE + (uint32_t)offset;

	(void)uc;
	return lane(info_read(ctx, addr & ~UINT32_C(3)), addr, size);
}

static void on_info_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t v, void *ctx)
{
	(void)uc, (void)size, (void)v;
	machine_violation(ctx, "write to the info block at offset %u", (unsigned)offset);
}

/* -- begin and reset ----------------------------------------------------------------------- */

static bool map(struct machine *m)
{
	struct range {
		uint32_t base, bytes;
		uc_cb_mmio_read_t read;
		uc_cb_mmio_write_t write;
	};
	static const struct range ranges[] = {
		{ 0x40000000, 1 << 20, on_chip_read, on_chip_write },
		{ 0xe0000000, 1 << 20, on_core_read, on_core_write },
		{ CNN_BASE, ACCEL_BYTES, on_accel_read, on_accel_write },
		{ INFO_BASE, 16 << 10, on_info_read, on_info_write },
	};
	uc_engine *uc = m->uc;
	uc_hook block, intr, bad;

	for (size_t i = 0; i < HV_ARRAY_SIZE(ranges); i++)
		if (uc_mmio_map(uc, ranges[i].base, ranges[i].bytes, ranges[i].read, m,
				ranges[i].write, m) != UC_ERR_OK)
			return false;
	return uc_mem_map(uc, FLASH_BASE, FLASH_BYTES, UC_PROT_READ | UC_PROT_EXEC) == UC_ERR_OK &&
	       uc_mem_map(uc, SRAM_BASE, SRAM_BYTES, UC_PROT_ALL) == UC_ERR_OK &&
	       uc_mem_write(uc, FLASH_BASE, m->image, FLASH_BYTES) == UC_ERR_OK &&
	       uc_hook_add(uc, &block, UC_HOOK_BLOCK, (void *)on_block, m, 1, 0) == UC_ERR_OK &&
	       uc_hook_add(uc, &intr, UC_HOOK_INTR, (void *)on_interrupt, m, 1, 0) == UC_ERR_OK &&
	       uc_hook_add(uc, &bad, UC_HOOK_MEM_INVALID, (void *)on_bad_access, m, 1, 0) ==
		       UC_ERR_OK;
}

/* SRAM keeps its content, as it does on silicon while the supply is there. */
static void reset(struct machine *m)
{
	uint32_t vector[2];

	memcpy(vector, m->image, sizeof(vector));
	for (int r = UC_ARM_REG_R0; r <= UC_ARM_REG_R12; r++)
		reg_set(m, r, 0);
	reg_set(m, UC_ARM_REG_PRIMASK, 0);
	reg_set(m, UC_ARM_REG_BASEPRI, 0);
	reg_set(m, UC_ARM_REG_FAULTMASK, 0);
	reg_set(m, UC_ARM_REG_CONTROL, 0);
	reg_set(m, UC_ARM_REG_IPSR, 0);
	reg_set(m, UC_ARM_REG_SP, vector[0]);
	reg_set(m, UC_ARM_REG_LR, UINT32_MAX);
	m->pc = vector[1] & ~UINT32_C(1);
	core_reset(m);
	accel_reset(m);
	chip_reset(m);
	uart_reset(m);
	m->want_reset = m->locked = m->sleeping = m->hang = false;
	m->pend_fault = 0;
}

int machine_new(const struct machine_options *o, struct machine **out, char *why, size_t cap)
{
	struct machine *m;
	uint32_t vector[2] = { 0 };

	if (o->image_bytes >= sizeof(vector))
		memcpy(vector, o->image, sizeof(vector));
	if (o->image_bytes < sizeof(vector) || o->image_bytes > FLASH_BYTES ||
	    vector[0] < SRAM_BASE || vector[0] > SRAM_BASE + SRAM_BYTES || vector[0] % 4 != 0 ||
	    vector[1] < FLASH_BASE || vector[1] - FLASH_BASE >= o->image_bytes ||
	    vector[1] % 2 != 1) {
		snprintf(why, cap,
			 "%zu bytes that do not begin with a stack in SRAM and an entry in flash: "
			 "no "
			 "image of a MAX78000",
			 o->image_bytes);
		return HV_E_INVAL;
	}
	m = calloc(1, sizeof(*m));
	snprintf(why, cap, "out of memory");
	if (m == NULL)
		return HV_E_NOMEM;
	m->o = *o;
	m->o.image = NULL;
	m->rng = o->unit * UINT32_C(2654435761) + 1;
	m->rng = m->rng != 0 ? m->rng : 1;
	m->accel.done_ps = NEVER;
	memset(m->image, 0xff, FLASH_BYTES);
	memcpy(m->image, o->image, o->image_bytes);
	machine_clock(m, 60000000);
	if (cnn_emu_new(&m->accel.emu) != HV_OK ||
	    uc_open(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS, &m->uc) != UC_ERR_OK ||
	    uc_ctl_set_cpu_model(m->uc, UC_CPU_ARM_CORTEX_M4) != UC_ERR_OK || !map(m)) {
		machine_free(m);
		return HV_E_NOMEM;
	}
	reset(m);
	*out = m;
	return HV_OK;
}

void machine_free(struct machine *m)
{
	if (m == NULL)
		return;
	if (m->uc != NULL)
		uc_close(m->uc);
	cnn_emu_free(m->accel.emu);
	free(m);
}

/* -- running ------------------------------------------------------------------------------- */

static void take_fault(struct machine *m)
{
	unsigned exception = (unsigned)m->pend_fault;

	m->pend_fault = 0;
	if (exception == EXC_HARD) {
		m->n.faults++;
		m->core.hfsr |= 1u << 30;
		m->core.cfsr |= m->fault_addr_valid ? 0x400 : 0x10000;
		m->core.bfar = m->fault_addr;
		machine_violation(m, "fault near pc %08x, address %08x", m->pc, m->fault_addr);
		m->fault_addr_valid = false;
		for (unsigned i = 0; i < m->core.depth; i++)
			if (m->core.stack[i] == EXC_HARD)
				m->locked = true;
	}
	if (!m->locked)
		exception_enter(m, exception);
}

static uint32_t code16(const struct machine *m, uint32_t pc)
{
	uint32_t at = pc - FLASH_BASE;

	return at + 2 <= FLASH_BYTES ? (uint32_t)(m->image[at] | m->image[at + 1] << 8) : 0;
}

static void slice(struct machine *m)
{
	uc_err err;

	m->stopped = m->exc_return = false;
	err = uc_emu_start(m->uc, m->pc | 1, UINT64_C(1) << 33, 0, 0);
	m->pc = reg_get(m, UC_ARM_REG_PC) & ~UINT32_C(1);
	if (m->exc_return || m->pc >= 0xffffffe0) {
		exception_return(m);
		return;
	}
	if (err != UC_ERR_OK) {
		if (m->pend_fault == 0)
			m->pend_fault = EXC_HARD;
		return;
	}
	if (!m->stopped && m->pend_fault == 0) {
		if (code16(m, m->pc - 2) == WFI)
			m->sleeping = true;
		else
			(void)give_up(m, "the interpreter stopped at pc %08x, unit %u", m->pc,
				      m->o.unit);
	}
}

/* Time passes without the core. */
static void sleep_until(struct machine *m, uint64_t cycles)
{
	if (cycles <= m->cycles)
		return;
	m->core.slept_cycles += cycles - m->cycles;
	m->cycles = cycles;
}

static void events(struct machine *m)
{
	core_events(m);
	uart_events(m);
	accel_events(m);
	chip_events(m);
	if (m->want_reset) {
		m->n.resets++;
		reset(m);
	}
}

/* Put the main loop onto an instruction that never ends. */
static void hang_now(struct machine *m)
{
	for (uint32_t at = 0; at + 2 <= FLASH_BYTES; at += 2)
		if (code16(m, FLASH_BASE + at) == BRANCH_SELF) {
			m->pc = FLASH_BASE + at;
			break;
		}
	m->hang = m->sleeping = false;
	reg_set(m, UC_ARM_REG_PRIMASK, 0);
}

int machine_run(struct machine *m, uint64_t until_ns)
{
	while (!m->broken && now_ps(m) < until_ns * 1000) {
		uint64_t until, next;
		unsigned exception;

		events(m);
		if (m->hang && m->core.depth == 0)
			hang_now(m);
		until = cycles_until(m, until_ns * 1000);
		next = earlier(next_cycles(m), until);
		if (m->locked) {
			sleep_until(m, next > m->cycles ? next : m->cycles + 1);
			continue;
		}
		if (m->sleeping && core_deliverable(m, true) != EXC_NONE)
			m->sleeping = false;
		if (m->pend_fault != 0)
			take_fault(m);
		exception = core_deliverable(m, false);
		if (exception != EXC_NONE) {
			core_taken(m, exception);
			exception_enter(m, exception);
		}
		if (m->sleeping) {
			sleep_until(m, next > m->cycles ? next : m->cycles + 1);
			continue;
		}
		if (m->locked)
			continue;
		m->slice_end = earlier(next, m->cycles + SLICE_CYCLES);
		if (m->slice_end <= m->cycles)
			m->slice_end = m->cycles + 1;
		slice(m);
	}
	return m->broken ? HV_E_GONE : HV_OK;
}

/* -- small things -------------------------------------------------------------------------- */

const char *machine_why(const struct machine *m)
{
	return m->why;
}

uint64_t machine_now_ns(const struct machine *m)
{
	return now_ps(m) / 1000;
}

uint64_t machine_next_ns(const struct machine *m)
{
	uint64_t next;

	if (!m->sleeping && !m->locked)
		return now_ps(m) / 1000;
	next = next_cycles(m);
	if (next == NEVER)
		return NEVER;
	next = now_ps(m) + (next > m->cycles ? next - m->cycles : 0) * m->ps_per_cycle;
	return next / 1000 + 1;
}

bool machine_is_busy(const struct machine *m)
{
	return (!m->sleeping && !m->locked) || m->uart.line_n > 0 || m->uart.shifting ||
	       m->accel.done_ps != NEVER;
}

int machine_hang(struct machine *m)
{
	for (uint32_t at = 0; at + 2 <= FLASH_BYTES; at += 2)
		if (code16(m, FLASH_BASE + at) == BRANCH_SELF) {
			m->hang = true;
			slice_cut(m);
			return HV_OK;
		}
	return HV_E_NOENT;
}

uint32_t machine_peek32(struct machine *m, uint32_t addr)
{
	uint32_t v = 0;

	if (uc_mem_read(m->uc, addr, &v, sizeof(v)) != UC_ERR_OK)
		return 0;
	return v;
}

uint32_t machine_clock_hz(const struct machine *m)
{
	return m->hz;
}

uint64_t machine_misuse(const struct machine *m)
{
	return cnn_emu_misuse(m->accel.emu);
}

const struct machine_counters *machine_counters(const struct machine *m)
{
	return &m->n;
}

void machine_log_flush(struct machine *m)
{
	if (m->accel.done_ps == NEVER)
		accel_close_run(m);
	if (m->o.log != NULL)
		fflush(m->o.log);
}
