#include "accel/emu/emu.h"

#include "accel/emu/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ALL_QUADRANTS = (1 << CNN_QUADRANTS) - 1,
	CTRL_RESET = 6,
	CLOCK_GATE_BIT = 25,
	FIFO_ENABLE_SHIFT = 12,
	SRAM_SLEEP = 1 << 15,
	SRAM_OFF = 1 << 16,
};

/* Offsets inside a quadrant, from its control register. */
#define OFF_SRAM       UINT32_C(0x4)
#define OFF_LCNT_MAX   UINT32_C(0x8)
#define OFF_TEST       UINT32_C(0xc)
#define OFF_LREG       UINT32_C(0x10)
#define OFF_LREG_END   (OFF_LREG + 0x80 * CNN_LAYER_REGS)
#define OFF_IFRM       UINT32_C(0x990)
#define OFF_MLAT       UINT32_C(0x1000)
#define OFF_BIAS       (CNN_BIAS - CNN_CTRL)
#define OFF_TRAM       (CNN_TRAM - CNN_CTRL)
#define OFF_KERNEL     (CNN_KERNEL - CNN_CTRL)
#define OFF_DATA       (CNN_DATA - CNN_CTRL)
#define BANK_BYTES     UINT32_C(0x4000) /* of one processor's kernels or line buffer */
#define INSTANCE_BYTES UINT32_C(0x8000)

#define FIFO_STATUS   (CNN_BASE + 0x4)
#define FIFO_DATA     (CNN_BASE + 0x8)
#define SYS_POWER     UINT32_C(0x40005800)
#define SYS_KERNEL    UINT32_C(0x40005804)
#define SYS_ISOLATION UINT32_C(0x40005808)
#define SYS_RESET     UINT32_C(0x4000580c)
#define SYS_CLOCK_DIV UINT32_C(0x40000018)
#define SYS_CLOCK_OFF UINT32_C(0x40000024)

void emu_misuse(struct cnn_emu *e, const char *fmt, ...)
{
	va_list ap;

	e->misuse++;
	va_start(ap, fmt);
	vsnprintf(e->misuse_text, sizeof e->misuse_text, fmt, ap);
	va_end(ap);
}

/* ---- life, power and reset ---- */

static void reset_quadrant(struct cnn_emu *e, unsigned q)
{
	memset(e->reg[q], 0, sizeof e->reg[q]);
	e->ctrl[q] = CTRL_RESET;
	e->sram[q] = e->lcnt_max[q] = e->test[q] = e->ifrm[q] = 0;
	for (unsigned p = 0; p < CNN_PER_QUADRANT; p++)
		e->loader[q * CNN_PER_QUADRANT + p] = (struct emu_loader){ 0 };
	e->fifo[q].n = 0;
	if (q == 0) {
		e->running = false;
		e->next_layer = 0;
	}
}

/* All but the kernels, which have a supply of their own. */
static void lose_powered(struct cnn_emu *e, unsigned q)
{
	emu_lose_data(e, q);
	emu_lose_bias(e, q);
	emu_lose_lines(e, q);
}

void cnn_emu_reset(struct cnn_emu *e)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		reset_quadrant(e, q);
		lose_powered(e, q);
		emu_lose_kernels(e, q);
	}
	e->aon = 3;
	e->fifo_ctrl = 0;
	e->power = e->kernel_power = ALL_QUADRANTS;
	e->isolation = e->reset = 0;
	e->clock_divider = e->clock_gate = 0;
	e->mlat_left = 0;
}

int cnn_emu_new(struct cnn_emu **e)
{
	struct cnn_emu *made = calloc(1, sizeof *made);

	if (made == NULL)
		return HV_E_NOMEM;
	made->work_max = UINT64_C(1) << 36;
	cnn_emu_reset(made);
	*e = made;
	return HV_OK;
}

void cnn_emu_free(struct cnn_emu *e)
{
	if (e == NULL)
		return;
	for (unsigned f = 0; f < EMU_FIFOS; f++)
		free(e->fifo[f].words);
	free(e);
}

/* Registers go with the power; kernels stay when only their own supply does. */
static void power_changed(struct cnn_emu *e, uint32_t power, uint32_t kernel_power)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t bit = UINT32_C(1) << q;

		if ((e->power & bit & ~power) != 0) {
			reset_quadrant(e, q);
			lose_powered(e, q);
		}
		if (((e->power | e->kernel_power) & bit) != 0 &&
		    ((power | kernel_power) & bit) == 0)
			emu_lose_kernels(e, q);
	}
	e->power = power & ALL_QUADRANTS;
	e->kernel_power = kernel_power & ALL_QUADRANTS;
}

static bool system_write(struct cnn_emu *e, uint32_t addr, uint32_t value)
{
	switch (addr) {
	case SYS_POWER: power_changed(e, value, e->kernel_power); return true;
	case SYS_KERNEL: power_changed(e, e->power, value); return true;
	case SYS_ISOLATION: e->isolation = value & ALL_QUADRANTS; return true;
	case SYS_RESET:
		for (unsigned q = 0; q < CNN_QUADRANTS; q++)
			if ((value >> q & 1) != 0)
				reset_quadrant(e, q);
		e->reset = value & ALL_QUADRANTS;
		return true;
	case SYS_CLOCK_DIV: e->clock_divider = value; return true;
	case SYS_CLOCK_OFF: e->clock_gate = value; return true;
	default: return false;
	}
}

static bool system_read(const struct cnn_emu *e, uint32_t addr, uint32_t *value)
{
	switch (addr) {
	case SYS_POWER: *value = e->power; return true;
	case SYS_KERNEL: *value = e->kernel_power; return true;
	case SYS_ISOLATION: *value = e->isolation; return true;
	case SYS_RESET: *value = e->reset; return true;
	case SYS_CLOCK_DIV: *value = e->clock_divider; return true;
	case SYS_CLOCK_OFF: *value = e->clock_gate; return true;
	default: return false;
	}
}

/* On silicon such an access hangs the bus or does nothing. */
static bool clocked(struct cnn_emu *e, uint32_t addr)
{
	if ((e->clock_gate >> CLOCK_GATE_BIT & 1) == 0)
		return true;
	emu_misuse(e, "access to %08x while the accelerator's clock is gated", (unsigned)addr);
	return false;
}

static bool reachable(struct cnn_emu *e, unsigned q, uint32_t addr)
{
	uint32_t bit = UINT32_C(1) << q;

	if ((e->power & bit) != 0 && ((e->isolation | e->reset) & bit) == 0)
		return true;
	emu_misuse(e, "access to %08x while quadrant %u is off, isolated or in reset",
		   (unsigned)addr, q);
	return false;
}

/* ---- start and stop ---- */

static bool oneshot(const struct cnn_emu *e)
{
	return (e->ctrl[0] & CNN_CTRL_ONESHOT) != 0;
}

/* Layers the pending start runs. */
static void run_range(const struct cnn_emu *e, unsigned *first, unsigned *last)
{
	*first = oneshot(e) ? e->next_layer : 0;
	*last = oneshot(e) ? *first : e->lcnt_max[0];
}

static void start(struct cnn_emu *e)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((e->ctrl[q] & CNN_CTRL_CNN_EN) != 0 && e->lcnt_max[q] != e->lcnt_max[0])
			emu_misuse(e, "start: last layer is %u in quadrant 0 and %u in quadrant %u",
				   (unsigned)e->lcnt_max[0], (unsigned)e->lcnt_max[q], q);
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((e->ctrl[q] & CNN_CTRL_CNN_EN) != 0 &&
		    (((e->aon >> 8 | e->aon >> 12) >> q & 1) != 0 ||
		     (e->sram[q] & (SRAM_SLEEP | SRAM_OFF)) != 0))
			emu_misuse(e, "start while memories of quadrant %u sleep or are off", q);
	if ((e->ctrl[0] & CNN_CTRL_CLK_EN) == 0)
		emu_misuse(e, "start without the data-path clock (control bit 3)");
	if (!oneshot(e) || e->next_layer > e->lcnt_max[0])
		e->next_layer = 0;
	e->running = true;
}

/* Quadrant 0 is always used and leads; the others are armed by the same bit. */
static void ctrl_write(struct cnn_emu *e, unsigned q, uint32_t value)
{
	uint32_t old = e->ctrl[q], armed = CNN_CTRL_CNN_EN | CNN_CTRL_IRQ;

	if ((old & armed) == armed && (value & CNN_CTRL_CNN_EN) != 0)
		emu_misuse(e,
			   "quadrant %u is enabled again although its done bit was never "
			   "acknowledged",
			   q);
	e->ctrl[q] = value;
	if ((value & CNN_CTRL_FIFO) == 0)
		e->fifo[q].n = 0;
	if (q != 0)
		return;
	if ((value & CNN_CTRL_CNN_EN) == 0)
		e->running = false;
	else if ((old & CNN_CTRL_CNN_EN) == 0)
		start(e);
}

bool cnn_emu_running(const struct cnn_emu *e)
{
	return e->running;
}

uint32_t cnn_emu_cycles(const struct cnn_emu *e)
{
	unsigned first, last;
	uint64_t cycles;

	run_range(e, &first, &last);
	cycles = CNN_STARTUP_CYCLES + emu_run_cycles(e, first, last);
	return cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX;
}

void cnn_emu_finish(struct cnn_emu *e)
{
	unsigned first, last;

	if (!e->running)
		return;
	run_range(e, &first, &last);
	emu_run(e, first, last);
	e->running = false;
	e->next_layer = oneshot(e) && last < e->lcnt_max[0] ? last + 1 : 0;
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		if ((e->ctrl[q] & CNN_CTRL_CNN_EN) != 0)
			e->ctrl[q] |= CNN_CTRL_IRQ;
		if (e->next_layer == 0)
			e->fifo[q].n = 0;
	}
}

void cnn_emu_work_max(struct cnn_emu *e, uint64_t steps)
{
	e->work_max = steps;
}

void cnn_emu_on_layer(struct cnn_emu *e, void (*fn)(void *ctx, unsigned layer), void *ctx)
{
	e->on_layer = fn;
	e->on_layer_ctx = ctx;
}

uint64_t cnn_emu_misuse(const struct cnn_emu *e)
{
	return e->misuse;
}

const char *cnn_emu_misuse_text(const struct cnn_emu *e)
{
	return e->misuse_text;
}

/* ---- FIFO ---- */

static void fifo_write(struct cnn_emu *e, unsigned n, uint32_t value)
{
	struct emu_fifo *f = &e->fifo[n];

	if ((e->fifo_ctrl >> (FIFO_ENABLE_SHIFT + n) & 1) == 0)
		emu_misuse(e, "write to FIFO %u which is not enabled", n);
	if (f->n == EMU_FIFO_WORDS_MAX) {
		emu_misuse(e, "FIFO %u: more words than any frame has", n);
		return;
	}
	if (f->n == f->cap) {
		size_t cap = f->cap > 0 ? 2 * f->cap : 1024;
		uint32_t *words = realloc(f->words, cap * sizeof *words);

		if (words == NULL) {
			emu_misuse(e, "FIFO %u: the emulator is out of memory", n);
			return;
		}
		f->words = words;
		f->cap = cap;
	}
	f->words[f->n++] = value;
}

/* Full behind the largest frame only: the model takes a whole frame at once. */
static uint32_t fifo_status(const struct cnn_emu *e)
{
	uint32_t status = 0;

	for (unsigned n = 0; n < EMU_FIFOS; n++)
		if (e->fifo[n].n == 0)
			status |= UINT32_C(1) << (4 + n);
		else if (e->fifo[n].n == EMU_FIFO_WORDS_MAX)
			status |= UINT32_C(1) << n;
	return status;
}

/* ---- quadrant address space ---- */

/* Memories may be touched only while the machine stands still and has a clock. */
static bool memory_usable(struct cnn_emu *e, unsigned q, uint32_t addr)
{
	if (e->running) {
		emu_misuse(e, "memory access to %08x while the machine is running", (unsigned)addr);
		return false;
	}
	if ((e->ctrl[q] & CNN_CTRL_CLK_EN) == 0) {
		emu_misuse(e, "memory access to %08x without the data-path clock of quadrant %u",
			   (unsigned)addr, q);
		return false;
	}
	if ((e->sram[q] & (SRAM_SLEEP | SRAM_OFF)) != 0) {
		emu_misuse(e, "memory access to %08x while the memories of quadrant %u sleep",
			   (unsigned)addr, q);
		return false;
	}
	return true;
}

/* Kernel memories have two more switches of their own. */
static bool kernels_usable(struct cnn_emu *e, unsigned q, uint32_t addr)
{
	if (((e->aon >> 8 | e->aon >> 12) >> q & 1) == 0)
		return true;
	emu_misuse(e, "access to %08x while the kernel memories of quadrant %u sleep or are off",
		   (unsigned)addr, q);
	return false;
}

static void aon_write(struct cnn_emu *e, uint32_t value)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((value >> (12 + q) & 1) != 0)
			emu_lose_kernels(e, q);
	e->aon = value;
}

static bool in_kernels(uint32_t off)
{
	return off >= OFF_KERNEL && off < OFF_KERNEL + CNN_PER_QUADRANT * BANK_BYTES;
}

static bool usable(struct cnn_emu *e, unsigned q, uint32_t off, uint32_t addr)
{
	return memory_usable(e, q, addr) && (!in_kernels(off) || kernels_usable(e, q, addr));
}

/* Word of a data memory, or NULL. */
static const uint32_t *data_word(const struct cnn_emu *e, unsigned q, uint32_t off)
{
	if (off < OFF_DATA || off >= OFF_DATA + 4 * INSTANCE_BYTES)
		return NULL;
	off -= OFF_DATA;
	return &e->data[4 * q + off / INSTANCE_BYTES][off % INSTANCE_BYTES / 4];
}

/* One of the plain registers, or NULL. */
static uint32_t *plain_register(struct cnn_emu *e, unsigned q, uint32_t off)
{
	switch (off) {
	case OFF_SRAM: return &e->sram[q];
	case OFF_LCNT_MAX: return &e->lcnt_max[q];
	case OFF_TEST: return &e->test[q];
	case OFF_IFRM: return &e->ifrm[q];
	default: break;
	}
	if (off < OFF_LREG || off >= OFF_LREG_END)
		return NULL;
	off -= OFF_LREG;
	return &e->reg[q][off / 0x80][off % 0x80 / 4];
}

static bool memory_write(struct cnn_emu *e, unsigned q, uint32_t off, uint32_t value)
{
	const uint32_t *word = data_word(e, q, off);
	unsigned first = q * CNN_PER_QUADRANT;
	size_t at = word != NULL ? (size_t)(word - &e->data[0][0]) : 0;

	if (word != NULL) {
		e->data[at / CNN_DATA_WORDS][at % CNN_DATA_WORDS] = value;
		emu_set(e->data_set[at / CNN_DATA_WORDS], at % CNN_DATA_WORDS);
	} else if (off >= OFF_BIAS && off < OFF_BIAS + 4 * CNN_BIAS_BYTES) {
		e->bias[q][(off - OFF_BIAS) / 4] = (int8_t)(value & 0xff);
		emu_set(e->bias_set[q], (off - OFF_BIAS) / 4);
	} else if (off >= OFF_KERNEL && off < OFF_KERNEL + CNN_PER_QUADRANT * BANK_BYTES)
		emu_kernel_write32(e, first + (off - OFF_KERNEL) / BANK_BYTES,
				   (off - OFF_KERNEL) % BANK_BYTES, value);
	else if (off >= OFF_TRAM && off < OFF_TRAM + CNN_PER_QUADRANT * BANK_BYTES &&
		 (off - OFF_TRAM) % BANK_BYTES < 4 * CNN_TRAM_WORDS)
		e->tram[first + (off - OFF_TRAM) / BANK_BYTES][(off - OFF_TRAM) % BANK_BYTES / 4] =
			(uint16_t)value;
	else
		return false;
	return true;
}

static bool memory_read(const struct cnn_emu *e, unsigned q, uint32_t off, uint32_t *value)
{
	const uint32_t *word = data_word(e, q, off);
	unsigned first = q * CNN_PER_QUADRANT;

	if (word != NULL)
		*value = *word;
	else if (off >= OFF_BIAS && off < OFF_BIAS + 4 * CNN_BIAS_BYTES)
		*value = (uint8_t)e->bias[q][(off - OFF_BIAS) / 4];
	else if (off >= OFF_KERNEL && off < OFF_KERNEL + CNN_PER_QUADRANT * BANK_BYTES)
		*value = emu_kernel_read32(e, first + (off - OFF_KERNEL) / BANK_BYTES,
					   (off - OFF_KERNEL) % BANK_BYTES);
	else if (off >= OFF_TRAM && off < OFF_TRAM + CNN_PER_QUADRANT * BANK_BYTES &&
		 (off - OFF_TRAM) % BANK_BYTES < 4 * CNN_TRAM_WORDS)
		*value = e->tram[first + (off - OFF_TRAM) / BANK_BYTES]
				[(off - OFF_TRAM) % BANK_BYTES / 4];
	else
		return false;
	return true;
}

/* Byte transposer: after an arming dummy read, each read gives the same byte lane of four
 * successive words. */
static uint32_t mlat_read(struct cnn_emu *e, unsigned q)
{
	unsigned lane = e->ctrl[q] >> 17 & 3;
	uint32_t base = e->reg[q][CNN_R_WPTR_BASE][0] & 0x1ffff, value = 0;

	if ((e->ctrl[q] >> 16 & 1) == 0) {
		emu_misuse(e, "byte transposer read while it is not loaded (control bit 16)");
		return 0;
	}
	if (e->mlat_left++ == 0)
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		uint32_t at = (base + 4 * (e->mlat_left - 2) + i) & 0x1ffff;

		value |= (e->data[at / CNN_DATA_WORDS][at % CNN_DATA_WORDS] >> 8 * lane & 0xff)
			 << 8 * i;
	}
	return value;
}

/* Quadrant of an address; false outside all of them. */
static bool locate(uint32_t addr, unsigned *q, uint32_t *off)
{
	if (addr < CNN_CTRL || addr >= CNN_CTRL + CNN_QUADRANTS * CNN_QUADRANT_STRIDE)
		return false;
	*q = (addr - CNN_CTRL) / CNN_QUADRANT_STRIDE;
	*off = (addr - CNN_CTRL) % CNN_QUADRANT_STRIDE;
	return true;
}

static bool register_write(struct cnn_emu *e, unsigned q, uint32_t off, uint32_t value)
{
	uint32_t *r;

	if (off == 0) {
		e->mlat_left = 0;
		ctrl_write(e, q, value);
		return true;
	}
	r = plain_register(e, q, off);
	if (r == NULL)
		return false;
	if (e->running || (off == OFF_LCNT_MAX && (e->ctrl[q] & CNN_CTRL_CNN_EN) != 0)) {
		emu_misuse(e, "write to register %x of quadrant %u while the machine is enabled",
			   (unsigned)off, q);
		return true;
	}
	if (off == OFF_LCNT_MAX) {
		value &= CNN_LAYERS_MAX - 1;
		e->next_layer = 0;
	}
	if (off == OFF_TEST) {
		emu_test_write(e, q, value);
		return true;
	}
	*r = value;
	if (off == OFF_SRAM && (value & SRAM_OFF) != 0) {
		lose_powered(e, q);
		emu_lose_kernels(e, q);
	}
	return true;
}

static void quadrant_write(struct cnn_emu *e, unsigned q, uint32_t off, uint32_t value,
			   uint32_t addr)
{
	if (!reachable(e, q, addr) || register_write(e, q, off, value))
		return;
	if (usable(e, q, off, addr) && !memory_write(e, q, off, value))
		emu_misuse(e, "write to %08x where nothing is", (unsigned)addr);
}

void cnn_emu_write32(struct cnn_emu *e, uint32_t addr, uint32_t value)
{
	unsigned q;
	uint32_t off;

	if (addr % 4 != 0) {
		emu_misuse(e, "32-bit write to unaligned address %08x", (unsigned)addr);
		return;
	}
	if (system_write(e, addr, value) || !clocked(e, addr))
		return;
	if (locate(addr, &q, &off))
		quadrant_write(e, q, off, value, addr);
	else if (addr == CNN_AON)
		aon_write(e, value);
	else if (addr == CNN_BASE)
		e->fifo_ctrl = value;
	else if (addr >= FIFO_DATA && addr < FIFO_DATA + 4 * EMU_FIFOS)
		fifo_write(e, (addr - FIFO_DATA) / 4, value);
	else
		emu_misuse(e, "write to %08x where nothing is", (unsigned)addr);
}

void cnn_emu_write8(struct cnn_emu *e, uint32_t addr, uint8_t value)
{
	unsigned q;
	uint32_t off;

	if (!clocked(e, addr))
		return;
	if (!locate(addr, &q, &off) || off < OFF_KERNEL ||
	    off >= OFF_KERNEL + CNN_PER_QUADRANT * BANK_BYTES) {
		emu_misuse(e, "8-bit write to %08x: only kernel memories take them",
			   (unsigned)addr);
		return;
	}
	if (reachable(e, q, addr) && usable(e, q, off, addr))
		emu_kernel_write8(e, q * CNN_PER_QUADRANT + (off - OFF_KERNEL) / BANK_BYTES,
				  (off - OFF_KERNEL) % BANK_BYTES, value);
}

uint32_t cnn_emu_peek32(const struct cnn_emu *e, uint32_t addr)
{
	unsigned q;
	uint32_t off, value = 0;
	const uint32_t *r;

	if (addr % 4 != 0 || !locate(addr, &q, &off))
		return addr == CNN_AON ? e->aon : 0;
	if (off == 0)
		return e->ctrl[q];
	r = plain_register((struct cnn_emu *)(uintptr_t)e, q, off);
	if (r != NULL)
		return *r;
	(void)memory_read(e, q, off, &value);
	return value;
}

static void note_unset(struct cnn_emu *e, unsigned q, uint32_t off, uint32_t addr)
{
	uint32_t in = in_kernels(off) ? off - OFF_KERNEL : 0, p = in / BANK_BYTES;

	if (off >= OFF_DATA)
		emu_unset_bus_read(e, addr, e->data_set[4 * q + (off - OFF_DATA) / INSTANCE_BYTES],
				   (off - OFF_DATA) % INSTANCE_BYTES / 4);
	else if (off >= OFF_BIAS && off < OFF_BIAS + 4 * CNN_BIAS_BYTES)
		emu_unset_bus_read(e, addr, e->bias_set[q], (off - OFF_BIAS) / 4);
	else if (in_kernels(off) && in % BANK_BYTES / 16 < CNN_KERNEL_WORDS)
		emu_unset_bus_read(e, addr, e->kernel_set[q * CNN_PER_QUADRANT + p],
				   in % BANK_BYTES / 16);
}

static uint32_t quadrant_read(struct cnn_emu *e, unsigned q, uint32_t off, uint32_t addr)
{
	const uint32_t *r;
	uint32_t value = 0;

	if (!reachable(e, q, addr))
		return 0;
	if (off == 0)
		return e->ctrl[q];
	if (off == OFF_MLAT)
		return mlat_read(e, q);
	r = plain_register(e, q, off);
	if (r != NULL)
		return *r;
	if (!usable(e, q, off, addr))
		return 0;
	if (!memory_read(e, q, off, &value))
		emu_misuse(e, "read of %08x where nothing is", (unsigned)addr);
	else
		note_unset(e, q, off, addr);
	return value;
}

uint32_t cnn_emu_read32(struct cnn_emu *e, uint32_t addr)
{
	unsigned q;
	uint32_t off, value = 0;

	if (addr % 4 != 0) {
		emu_misuse(e, "32-bit read of unaligned address %08x", (unsigned)addr);
		return 0;
	}
	if (system_read(e, addr, &value) || !clocked(e, addr))
		return value;
	if (locate(addr, &q, &off))
		return quadrant_read(e, q, off, addr);
	if (addr == CNN_AON)
		return e->aon;
	if (addr == CNN_BASE)
		return e->fifo_ctrl;
	if (addr == FIFO_STATUS)
		return fifo_status(e);
	emu_misuse(e, "read of %08x where nothing is", (unsigned)addr);
	return 0;
}
