/* Clocks, cache, pins, info block, watchdog, random numbers: as much as firmware of ours uses. */
#include "tests/emu/m78k/state.h"
#include <string.h>

#define GCR_BASE  UINT32_C(0x40000000)
#define WDT_BASE  UINT32_C(0x40003000)
#define GCFR_BASE UINT32_C(0x40005800)
#define DMA_BASE  UINT32_C(0x40028000)
#define FLC_BASE  UINT32_C(0x40029000)
#define ICC_BASE  UINT32_C(0x4002a000)
#define UART_BASE UINT32_C(0x40042000)
#define TRNG_BASE UINT32_C(0x4004d000)
#define BLOCK(a)  ((a) & ~UINT32_C(0xfff))

static const uint32_t gpio_base[3] = { 0x40008000, 0x40009000, 0x40080400 };

enum gcr {
	GCR_SYSCTRL = 0x00,
	GCR_RST0 = 0x04,
	GCR_CLKCTRL = 0x08,
	GCR_PM = 0x0c,
	GCR_PCLKDIV = 0x18,
	GCR_PCLKDIS0 = 0x24,
	GCR_MEMCTRL = 0x28,
	GCR_SYSST = 0x40,
	GCR_RST1 = 0x44,
	GCR_PCLKDIS1 = 0x48,
	GCR_REVISION = 0x50,
};

enum {
	CLK_SEL = 9, /* shift */
	SEL_ISO = 0,
	SEL_INRO = 3,
	SEL_IPO = 4,
	SEL_IBRO = 5,
	CLK_READY = 1 << 13,
	ERTCO_ON = 1 << 17,
	ISO_ON = 1 << 18,
	IPO_ON = 1 << 19,
	IBRO_ON = 1 << 20,
	ERTCO_READY = 1 << 25,
	ISO_READY = 1 << 26,
	IPO_READY = 1 << 27,
	IBRO_READY = 1 << 28,
	INRO_READY = 1 << 29,
	RST0_WDT0 = 1 << 1,
	RST0_UART0 = 1 << 11,
	RST0_CNN = 1 << 25,
	RST0_SOFT = 1 << 29,
	RST0_PERIPH = 1 << 30,
	DIS_GPIO0 = 1 << 0,
	DIS_DMA = 1 << 5,
	DIS_UART0 = 1 << 9,
	DIS_CNN = 1 << 25,
	ICC_CTRL = 0x100,
	ICC_INVALIDATE = 0x700,
	ICC_READY = 1 << 16,
	FLC_CLKDIV = 0x08,
	FLC_ACTRL = 0x40,
	WDT_CTRL = 0x00,
	WDT_RST = 0x04,
	WDT_CLKSEL = 0x08,
	WDT_CNT = 0x0c,
	WDT_EN = 1 << 8,
	WDT_INT_LATE = 1 << 9,
	WDT_INT_EN = 1 << 10,
	WDT_RST_EN = 1 << 11,
	WDT_CLKRDY = 1 << 28,
	HZ_ISO = 60000000,
	HZ_INRO = 8192,
	HZ_IPO = 100000000,
	HZ_IBRO = 7372800,
	HZ_ERTCO = 32768,
};

#define RST0_SYSTEM  (UINT32_C(1) << 31)
#define WDT_RST_LATE (UINT32_C(1) << 31)
#define START_PS     UINT64_C(20000000) /* of an oscillator: 20 us */

void chip_reset(struct machine *m)
{
	m->chip = (struct chip_regs){ .clkctrl = ISO_ON | SEL_ISO << CLK_SEL,
				      .pclkdis0 = UINT32_MAX,
				      .pclkdis1 = UINT32_MAX,
				      .memctrl = 5 };
	m->dma = (struct dma_regs){ 0 };
	m->chip.flc[FLC_CLKDIV / 4] = 60;
	for (unsigned p = 0; p < 3; p++)
		m->chip.gpio[p][0] = UINT32_MAX; /* EN0: all pins are GPIO */
	machine_clock(m, HZ_ISO);
	accel_system_write(m, GCR_BASE + GCR_PCLKDIS0, m->chip.pclkdis0);
}

uint32_t chip_pclk_hz(const struct machine *m)
{
	return m->hz / 2;
}

/* -- clocks -------------------------------------------------------------------------------- */

static uint32_t ready_bits(const struct machine *m)
{
	const struct chip_regs *c = &m->chip;
	uint32_t v = INRO_READY;

	if ((c->clkctrl & ERTCO_ON) != 0)
		v |= ERTCO_READY;
	if ((c->clkctrl & ISO_ON) != 0)
		v |= ISO_READY;
	if ((c->clkctrl & IPO_ON) != 0 && now_ps(m) >= c->ipo_ready_ps)
		v |= IPO_READY;
	if ((c->clkctrl & IBRO_ON) != 0 && now_ps(m) >= c->ibro_ready_ps)
		v |= IBRO_READY;
	return v;
}

static void clkctrl_write(struct machine *m, uint32_t value)
{
	static const struct {
		uint32_t hz, ready;
	} source[8] = {
		[SEL_ISO] = { HZ_ISO, ISO_READY }, [SEL_INRO] = { HZ_INRO, INRO_READY },
		[SEL_IPO] = { HZ_IPO, IPO_READY }, [SEL_IBRO] = { HZ_IBRO, IBRO_READY },
		[6] = { HZ_ERTCO, ERTCO_READY },
	};
	struct chip_regs *c = &m->chip;
	uint32_t was = c->clkctrl, sel = value >> CLK_SEL & 7;

	if ((value & ~was & IPO_ON) != 0)
		c->ipo_ready_ps = now_ps(m) + START_PS;
	if ((value & ~was & IBRO_ON) != 0)
		c->ibro_ready_ps = now_ps(m) + START_PS;
	c->clkctrl = value & (0x1c0 | 7 << CLK_SEL | ERTCO_ON | ISO_ON | IPO_ON | IBRO_ON);
	if (source[sel].hz == 0 || (ready_bits(m) & source[sel].ready) == 0)
		machine_violation(m, "system clock %u is selected but does not run", sel);
	else
		machine_clock(m, source[sel].hz >> (value >> 6 & 7));
}

static void rst0_write(struct machine *m, uint32_t value)
{
	if ((value & RST0_UART0) != 0)
		uart_reset(m);
	if ((value & RST0_WDT0) != 0)
		m->chip.wdt_ctrl = 0;
	if ((value & RST0_CNN) != 0)
		machine_violation(m, "reset of the accelerator through GCR: not modelled");
	if ((value & (RST0_SYSTEM | RST0_SOFT | RST0_PERIPH)) != 0) {
		m->want_reset = true;
		slice_cut(m);
	}
}

static uint32_t gcr_read(struct machine *m, uint32_t offset)
{
	const struct chip_regs *c = &m->chip;

	switch (offset) {
	case GCR_SYSCTRL: return 0;
	case GCR_RST0: return 0;
	case GCR_CLKCTRL: return c->clkctrl | ready_bits(m) | CLK_READY;
	case GCR_PM: return c->pm;
	case GCR_PCLKDIV: return c->pclkdiv;
	case GCR_PCLKDIS0: return c->pclkdis0;
	case GCR_MEMCTRL: return c->memctrl;
	case GCR_SYSST: return 0;
	case GCR_RST1: return 0;
	case GCR_PCLKDIS1: return c->pclkdis1;
	case GCR_REVISION: return 0xa1;
	default: machine_unknown(m, GCR_BASE + offset, false); return 0;
	}
}

static void gcr_write(struct machine *m, uint32_t offset, uint32_t value)
{
	struct chip_regs *c = &m->chip;

	switch (offset) {
	case GCR_RST0: rst0_write(m, value); break;
	case GCR_CLKCTRL: clkctrl_write(m, value); break;
	case GCR_PM:
		c->pm = value;
		if ((value & 7) != 0)
			machine_violation(m, "power mode %u: not modelled", value & 7);
		break;
	case GCR_PCLKDIV: c->pclkdiv = value; break;
	case GCR_PCLKDIS0: c->pclkdis0 = value; break;
	case GCR_MEMCTRL: c->memctrl = value; break;
	case GCR_PCLKDIS1: c->pclkdis1 = value; break;
	default: machine_unknown(m, GCR_BASE + offset, true); return;
	}
	if (offset == GCR_PCLKDIV || offset == GCR_PCLKDIS0)
		accel_system_write(m, GCR_BASE + offset, value);
}

/* -- pins ---------------------------------------------------------------------------------- */

/* Registers with a set and a clear twin behind them. */
static const uint8_t gpio_triples[] = { 0x00, 0x0c, 0x18, 0x34, 0x68, 0x74, 0x80 };

static void gpio_write(uint32_t *reg, uint32_t offset, uint32_t value)
{
	for (size_t i = 0; i < sizeof(gpio_triples); i++) {
		uint32_t base = gpio_triples[i];

		if (offset == base + 4)
			reg[base / 4] |= value;
		else if (offset == base + 8)
			reg[base / 4] &= ~value;
		else
			continue;
		return;
	}
	reg[offset / 4] = value;
}

bool chip_uart_wired(const struct machine *m)
{
	const uint32_t *r = m->chip.gpio[0];

	return ((r[0] | r[0x68 / 4] | r[0x74 / 4]) & 3) == 0 && (r[0x30 / 4] & 3) == 3 &&
	       (m->chip.pclkdis0 & (DIS_UART0 | DIS_GPIO0)) == 0;
}

/* -- serial number ------------------------------------------------------------------------- */

static void flc_unlock(struct machine *m, uint32_t value)
{
	static const uint32_t key[3] = { 0x3a7f5ca3, 0xa1e34f20, 0x9608b2c1 };
	uint32_t *at = &m->chip.flc_unlock;

	*at = *at < 3 && value == key[*at] ? *at + 1 : 0;
}

uint32_t info_read(struct machine *m, uint32_t addr)
{
	uint32_t x =
		m->o.unit * UINT32_C(0x9e3779b9) + (addr - INFO_BASE) / 4 * UINT32_C(0x85ebca6b);

	if (m->chip.flc_unlock != 3) {
		machine_violation(m, "the info block is read while it is locked");
		return UINT32_MAX;
	}
	x ^= x >> 15;
	x *= UINT32_C(0x2c1b3c6d);
	return x ^ x >> 12;
}

/* -- watchdog ------------------------------------------------------------------------------ */

static uint64_t wdt_clock_ps(const struct machine *m)
{
	uint32_t hz = (m->chip.wdt_clksel & 7) == 1 ? HZ_IBRO : chip_pclk_hz(m);

	return UINT64_C(1000000000000) / hz;
}

static uint64_t wdt_after_ps(const struct machine *m, unsigned shift)
{
	unsigned n = m->chip.wdt_ctrl >> shift & 0xf;

	return (UINT64_C(1) << (31 - n)) * wdt_clock_ps(m);
}

static uint64_t wdt_reset_ps(const struct machine *m)
{
	if ((m->chip.wdt_ctrl & (WDT_EN | WDT_RST_EN)) != (WDT_EN | WDT_RST_EN))
		return NEVER;
	return m->chip.wdt_base_ps + wdt_after_ps(m, 4);
}

static uint64_t wdt_int_ps(const struct machine *m)
{
	if ((m->chip.wdt_ctrl & (WDT_EN | WDT_INT_EN | WDT_INT_LATE)) != (WDT_EN | WDT_INT_EN))
		return NEVER;
	return m->chip.wdt_base_ps + wdt_after_ps(m, 0);
}

static void wdt_write(struct machine *m, uint32_t offset, uint32_t value)
{
	struct chip_regs *c = &m->chip;

	if (offset == WDT_CTRL) {
		if ((value & ~c->wdt_ctrl & WDT_EN) != 0)
			c->wdt_base_ps = now_ps(m);
		c->wdt_ctrl = value & ~WDT_RST_LATE;
		m->late_reset = m->late_reset && (value & WDT_RST_LATE) != 0;
		core_line(m, IRQ_WDT0, (c->wdt_ctrl & WDT_INT_LATE) != 0);
	} else if (offset == WDT_RST) {
		if (c->wdt_feed == 0xa5 && value == 0x5a)
			c->wdt_base_ps = now_ps(m);
		c->wdt_feed = value;
	} else if (offset == WDT_CLKSEL) {
		c->wdt_clksel = value;
	} else {
		machine_unknown(m, WDT_BASE + offset, true);
	}
	slice_cut(m);
}

static uint32_t wdt_read(struct machine *m, uint32_t offset)
{
	switch (offset) {
	case WDT_CTRL: return m->chip.wdt_ctrl | WDT_CLKRDY | (m->late_reset ? WDT_RST_LATE : 0);
	case WDT_RST: return 0;
	case WDT_CLKSEL: return m->chip.wdt_clksel;
	case WDT_CNT: return (uint32_t)((now_ps(m) - m->chip.wdt_base_ps) / wdt_clock_ps(m));
	default: machine_unknown(m, WDT_BASE + offset, false); return 0;
	}
}

void chip_events(struct machine *m)
{
	uint64_t now = now_ps(m);

	if (now >= wdt_int_ps(m)) {
		m->chip.wdt_ctrl |= WDT_INT_LATE;
		core_line(m, IRQ_WDT0, true);
	}
	if (now >= wdt_reset_ps(m)) {
		m->late_reset = true;
		m->want_reset = true;
		m->n.watchdog_resets++;
	}
}

uint64_t chip_next_ps(const struct machine *m)
{
	uint64_t a = wdt_reset_ps(m), b = wdt_int_ps(m);

	return a < b ? a : b;
}

/* -- all of them --------------------------------------------------------------------------- */

static int gpio_port(uint32_t addr)
{
	for (int p = 0; p < 3; p++)
		if (addr >= gpio_base[p] && addr - gpio_base[p] < 0x100)
			return p;
	return -1;
}

/* A peripheral without clock does not answer; silicon may hang. */
static void needs_clock(struct machine *m, uint32_t addr, uint32_t gate)
{
	if ((m->chip.pclkdis0 & gate) != 0)
		machine_violation(m, "access to %08x, whose clock is off", addr);
}

static uint32_t icc_read(struct machine *m, uint32_t offset)
{
	if (offset == ICC_CTRL)
		return m->chip.icc_ctrl | ICC_READY;
	if (offset != 0 && offset != 4 && offset != ICC_INVALIDATE)
		machine_unknown(m, ICC_BASE + offset, false);
	return 0;
}

uint32_t chip_read(struct machine *m, uint32_t addr)
{
	int port = gpio_port(addr);

	if (port >= 0) {
		if (port == 0)
			needs_clock(m, addr, DIS_GPIO0);
		return m->chip.gpio[port][(addr & 0xff) / 4];
	}
	switch (BLOCK(addr)) {
	case GCR_BASE: return gcr_read(m, addr - GCR_BASE);
	case WDT_BASE: return wdt_read(m, addr - WDT_BASE);
	case BLOCK(GCFR_BASE):
		if (addr >= GCFR_BASE && addr < GCFR_BASE + 16)
			return cnn_emu_read32(m->accel.emu, addr);
		break;
	case FLC_BASE:
		if (addr - FLC_BASE < sizeof(m->chip.flc))
			return m->chip.flc[(addr - FLC_BASE) / 4];
		break;
	case ICC_BASE: return icc_read(m, addr - ICC_BASE);
	case DMA_BASE: needs_clock(m, addr, DIS_DMA); return dma_read(m, addr - DMA_BASE);
	case UART_BASE: needs_clock(m, addr, DIS_UART0); return uart_read(m, addr - UART_BASE);
	case TRNG_BASE:
		if (addr - TRNG_BASE == 0)
			return m->chip.trng_ctrl;
		if (addr - TRNG_BASE == 4)
			return 1; /* ready */
		if (addr - TRNG_BASE == 8)
			return machine_random(m);
		break;
	default: break;
	}
	machine_unknown(m, addr, false);
	return 0;
}

void chip_write(struct machine *m, uint32_t addr, uint32_t value)
{
	int port = gpio_port(addr);

	if (port >= 0) {
		if (port == 0)
			needs_clock(m, addr, DIS_GPIO0);
		gpio_write(m->chip.gpio[port], addr & 0xfc, value);
		return;
	}
	switch (BLOCK(addr)) {
	case GCR_BASE: gcr_write(m, addr - GCR_BASE, value); return;
	case WDT_BASE: wdt_write(m, addr - WDT_BASE, value); return;
	case BLOCK(GCFR_BASE):
		if (addr >= GCFR_BASE && addr < GCFR_BASE + 16) {
			accel_system_write(m, addr, value);
			return;
		}
		break;
	case FLC_BASE:
		if (addr - FLC_BASE == FLC_ACTRL) {
			flc_unlock(m, value);
			return;
		}
		break;
	case ICC_BASE:
		if (addr - ICC_BASE == ICC_CTRL)
			m->chip.icc_ctrl = value & 1;
		else if (addr - ICC_BASE != ICC_INVALIDATE)
			break;
		return;
	case DMA_BASE:
		needs_clock(m, addr, DIS_DMA);
		dma_write(m, addr - DMA_BASE, value);
		return;
	case UART_BASE:
		needs_clock(m, addr, DIS_UART0);
		uart_write(m, addr - UART_BASE, value);
		return;
	case TRNG_BASE: m->chip.trng_ctrl = value; return;
	default: break;
	}
	machine_unknown(m, addr, true);
}
