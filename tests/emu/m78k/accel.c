/* The accelerator behind its bus window, and what can be seen of its use from outside. */
#include "tests/emu/m78k/state.h"
#include "accel/arch.h"
#include <inttypes.h>
#include <unicorn/unicorn.h>

enum { GATE_BIT = 25, GCFR_POWER = 0x40005800 };

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* -- evidence ------------------------------------------------------------------------------ */

static void log_line(struct machine *m, const char *kind, uint64_t start_ns, uint64_t end_ns,
		     uint64_t requested_ns, uint64_t hash)
{
	if (m->o.log != NULL)
		fprintf(m->o.log, "%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%016" PRIx64 "\n", kind,
			start_ns, end_ns, requested_ns, hash);
}

void accel_close_run(struct machine *m)
{
	struct accel_state *a = &m->accel;

	if (!a->run_open)
		return;
	a->run_open = false;
	log_line(m, "harvest", a->run_start_ns, a->run_end_ns, a->run_start_ns, a->run_hash);
}

static void on_begin(struct machine *m)
{
	struct accel_state *a = &m->accel;
	uint64_t asked_us = (uint64_t)reg_get(m, UC_ARM_REG_R3) << 32 | reg_get(m, UC_ARM_REG_R2);
	uint64_t now = now_ps(m) / 1000;
	uint64_t epoch = a->agent_epoch_ns != NEVER ? a->agent_epoch_ns : 0;

	a->requested_ns = epoch + asked_us * 1000;
	if (a->requested_ns > now)
		a->requested_ns = now; /* what it said is no time that was */
	a->return_pc = reg_get(m, UC_ARM_REG_LR) & ~UINT32_C(1);
	a->waiting = true;
}

static void on_begun(struct machine *m)
{
	struct accel_state *a = &m->accel;

	accel_close_run(m);
	a->waiting = false;
	a->primary = true;
	a->begin_ns = now_ps(m) / 1000;
	a->inference_hash = FNV_BASIS;
}

static void on_end(struct machine *m)
{
	struct accel_state *a = &m->accel;
	uint64_t wait = a->begin_ns - a->requested_ns;

	if (!a->primary)
		return;
	a->primary = false;
	m->n.primaries++;
	if (wait > m->n.wait_max_ns)
		m->n.wait_max_ns = wait;
	log_line(m, "primary", a->begin_ns, now_ps(m) / 1000, a->requested_ns, a->inference_hash);
}

void accel_at(struct machine *m, uint32_t pc)
{
	struct accel_state *a = &m->accel;

	if (a->waiting && pc == a->return_pc)
		on_begun(m);
	else if (pc == m->o.primary_begin && !a->waiting)
		on_begin(m);
	else if (pc == m->o.primary_end)
		on_end(m);
}

/* -- power --------------------------------------------------------------------------------- */

void accel_reset(struct machine *m)
{
	struct accel_state *a = &m->accel;

	accel_close_run(m);
	if (a->done_ps != NEVER && !a->primary && m->n.runs > 0)
		m->n.run_aborts++;
	cnn_emu_reset(a->emu);
	cnn_emu_write32(a->emu, GCFR_POWER, 0);
	cnn_emu_write32(a->emu, GCFR_POWER + 4, 0);
	a->done_ps = NEVER;
	a->primary = a->waiting = false;
	a->agent_epoch_ns = NEVER;
	core_line(m, IRQ_CNN, false);
}

void accel_system_write(struct machine *m, uint32_t addr, uint32_t value)
{
	cnn_emu_write32(m->accel.emu, addr, value);
}

/* True: nothing answers at addr, a bus fault is on its way. */
static bool is_dead(struct machine *m, uint32_t addr)
{
	uint32_t on = cnn_emu_read32(m->accel.emu, GCFR_POWER);
	uint32_t need = 0xf;

	if (addr >= CNN_CTRL)
		need = UINT32_C(1) << ((addr - CNN_CTRL) / CNN_QUADRANT_STRIDE);
	if ((on & need) != 0 && (m->chip.pclkdis0 >> GATE_BIT & 1) == 0)
		return false;
	if (m->pend_fault == 0) {
		m->pend_fault = EXC_HARD;
		m->fault_addr = addr;
		m->fault_addr_valid = true;
	}
	slice_cut(m);
	return true;
}

/* -- runs ---------------------------------------------------------------------------------- */

static uint64_t cycle_ps(const struct machine *m)
{
	static const uint8_t divide[8] = { 2, 4, 8, 16, 1, 1, 1, 1 };
	uint32_t v = m->chip.pclkdiv;
	uint32_t hz = (v >> 17 & 1) != 0 ? 60000000 : chip_pclk_hz(m);

	return UINT64_C(1000000000000) / hz * divide[v >> 14 & 7];
}

static void started(struct machine *m)
{
	struct accel_state *a = &m->accel;

	a->done_ps = now_ps(m) + (uint64_t)cnn_emu_cycles(a->emu) * cycle_ps(m) *
					 (a->primary || m->o.slow == 0 ? 1 : m->o.slow);
	slice_cut(m);
	if (a->primary)
		return;
	accel_close_run(m);
	m->n.runs++;
	a->run_start_ns = now_ps(m) / 1000;
	a->run_hash = FNV_BASIS;
}

/* What a stopped layer leaves in the memories is undefined; the emulator takes the start back. */
static void cancelled(struct machine *m)
{
	struct accel_state *a = &m->accel;

	a->done_ps = NEVER;
	if (a->primary)
		return;
	m->n.run_aborts++;
	log_line(m, "harvest", a->run_start_ns, now_ps(m) / 1000, a->run_start_ns, 0);
}

static void settle_line(struct machine *m)
{
	core_line(m, IRQ_CNN, (cnn_emu_peek32(m->accel.emu, CNN_CTRL) & CNN_CTRL_IRQ) != 0);
}

void accel_events(struct machine *m)
{
	struct accel_state *a = &m->accel;

	if (now_ps(m) < a->done_ps)
		return;
	cnn_emu_finish(a->emu);
	if (!a->primary) {
		a->run_end_ns = a->done_ps / 1000;
		a->run_open = true;
	}
	a->done_ps = NEVER;
	settle_line(m);
}

/* -- bus ----------------------------------------------------------------------------------- */

static bool is_data(uint32_t addr)
{
	return addr >= CNN_DATA && (addr - CNN_DATA) % CNN_QUADRANT_STRIDE < 0x20000;
}

uint32_t accel_read(struct machine *m, uint32_t addr, unsigned size)
{
	struct accel_state *a = &m->accel;
	uint32_t v;

	machine_charge_ns(m, CNN_BUS_READ_NS);
	if (is_dead(m, addr))
		return 0;
	accel_events(m);
	if (size != 4)
		machine_violation(m, "read of %u bytes at %08x", size, addr);
	v = cnn_emu_read32(a->emu, addr & ~UINT32_C(3));
	if (is_data(addr)) {
		uint64_t *hash = a->primary ? &a->inference_hash : &a->run_hash;

		*hash = (*hash ^ v) * FNV_PRIME;
	}
	return v;
}

void accel_write(struct machine *m, uint32_t addr, uint32_t value, unsigned size)
{
	struct accel_state *a = &m->accel;
	bool was, is;

	machine_charge_ns(m, CNN_BUS_WRITE_NS);
	if (is_dead(m, addr))
		return;
	accel_events(m);
	was = cnn_emu_running(a->emu);
	if (size == 1)
		cnn_emu_write8(a->emu, addr, (uint8_t)value);
	else if (size == 4)
		cnn_emu_write32(a->emu, addr, value);
	else
		machine_violation(m, "write of %u bytes at %08x", size, addr);
	is = cnn_emu_running(a->emu);
	if (was && !is)
		cancelled(m);
	else if (is && !was)
		started(m);
	if (addr == CNN_CTRL)
		settle_line(m);
}
