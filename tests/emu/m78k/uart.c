/* UART0: FIFOs of 8 bytes, bytes that take their time, flags that are edges. */
#include "tests/emu/m78k/state.h"
#include <string.h>

enum {
	CTRL = 0x00,
	STATUS = 0x04,
	INT_EN = 0x08,
	INT_FL = 0x0c,
	CLKDIV = 0x10,
	OSR = 0x14,
	TXPEEK = 0x18,
	PNR = 0x1c,
	FIFO = 0x20,
	DMA = 0x30,
	CTRL_FLUSH_TX = 1 << 8,
	CTRL_FLUSH_RX = 1 << 9,
	CTRL_CLOCK = 1 << 15,
	CTRL_READY = 1 << 19,
	FL_OVERRUN = 1 << 3,
	FL_RX_THRESHOLD = 1 << 4,
	FL_TX_ONE = 1 << 5,
	FL_TX_HALF = 1 << 6,
	FL_FRAMING = 1 << 0,
	DMA_TX_ON = 1 << 4,
	DMA_RX_ON = 1 << 9,
	BITS = 10, /* of a byte on the line */
	IBRO_HZ = 7372800,
	RATE_TOLERANCE = 33, /* one part in so many between both ends: 3 % */
};

void uart_reset(struct machine *m)
{
	struct uart_regs *u = &m->uart;

	u->ctrl = u->int_en = u->int_fl = u->clkdiv = u->osr = u->dma = u->pnr = 0;
	u->rx_n = u->tx_n = 0;
	u->shifting = false;
	core_line(m, IRQ_UART0, false);
}

/* Bits a second of the board's end; 0: off. */
static uint64_t board_bps(const struct machine *m)
{
	const struct uart_regs *u = &m->uart;
	uint32_t hz = (u->ctrl >> 16 & 3) == 2 ? IBRO_HZ : chip_pclk_hz(m);

	if ((u->ctrl & CTRL_CLOCK) == 0 || u->clkdiv == 0 || !chip_uart_wired(m))
		return 0;
	return hz / u->clkdiv;
}

static uint64_t byte_ps(uint64_t bps)
{
	return BITS * UINT64_C(1000000000000) / bps;
}

static uint64_t line_byte_ps(const struct machine *m)
{
	uint64_t bps = m->o.line_bps != 0 ? m->o.line_bps : board_bps(m);

	return byte_ps(bps != 0 ? bps : 115200);
}

static void update_line(struct machine *m)
{
	core_line(m, IRQ_UART0, (m->uart.int_fl & m->uart.int_en) != 0);
}

static void flag(struct machine *m, uint32_t bits)
{
	m->uart.int_fl |= bits;
	update_line(m);
}

/* -- out ----------------------------------------------------------------------------------- */

static void shift_next(struct machine *m, uint64_t from_ps)
{
	struct uart_regs *u = &m->uart;
	uint64_t bps = board_bps(m);

	if (u->shifting || u->tx_n == 0 || bps == 0)
		return;
	u->shift = u->tx[0];
	memmove(u->tx, u->tx + 1, --u->tx_n);
	u->shifting = true;
	u->shift_done_ps = from_ps + byte_ps(bps);
	if (u->tx_n == UART_FIFO / 2)
		flag(m, FL_TX_HALF);
	if (u->tx_n == 1)
		flag(m, FL_TX_ONE);
	slice_cut(m);
}

static void shift_out(struct machine *m)
{
	struct uart_regs *u = &m->uart;

	while (u->shifting && u->shift_done_ps <= now_ps(m)) {
		u->shifting = false;
		m->n.tx_bytes++;
		if (u->out_n < OUT_BYTES)
			u->out[(u->out_head + u->out_n++) % OUT_BYTES] = u->shift;
		else
			m->n.tx_lost++;
		shift_next(m, u->shift_done_ps);
	}
}

static void fifo_write(struct machine *m, uint32_t value)
{
	struct uart_regs *u = &m->uart;

	if (u->tx_n == UART_FIFO) {
		machine_violation(m, "a byte is written to the full transmit FIFO");
		m->n.tx_lost++;
		return;
	}
	u->tx[u->tx_n++] = (uint8_t)value;
	shift_next(m, now_ps(m));
}

/* -- in ------------------------------------------------------------------------------------ */

/* Everything goes once the level is at the threshold. */
static void to_dma(struct machine *m)
{
	struct uart_regs *u = &m->uart;

	while ((u->dma & DMA_RX_ON) != 0 && u->rx_n > 0 && u->rx_n >= (u->dma >> 5 & 0xf) &&
	       dma_uart_byte(m, u->rx[0]))
		memmove(u->rx, u->rx + 1, --u->rx_n);
}

static void receive(struct machine *m, uint8_t byte)
{
	struct uart_regs *u = &m->uart;
	uint64_t own = board_bps(m), far = m->o.line_bps;

	if (own == 0)
		return; /* nobody listens */
	if (far != 0 && (own > far ? own - far : far - own) > far / RATE_TOLERANCE) {
		byte = (uint8_t)machine_random(m);
		m->n.rx_garbled++;
		flag(m, FL_FRAMING);
	}
	if (u->rx_n == UART_FIFO) {
		m->n.rx_overruns++;
		flag(m, FL_OVERRUN);
		return;
	}
	u->rx[u->rx_n++] = byte;
	m->n.rx_bytes++;
	if (u->rx_n == (u->ctrl & 0xf))
		flag(m, FL_RX_THRESHOLD);
	to_dma(m);
}

void uart_events(struct machine *m)
{
	struct uart_regs *u = &m->uart;

	shift_out(m);
	while (u->line_n > 0 && u->line_next_ps <= now_ps(m)) {
		receive(m, u->line[u->line_head]);
		u->line_head = (u->line_head + 1) % LINE_BYTES;
		u->line_n--;
		u->line_next_ps += line_byte_ps(m);
	}
}

uint64_t uart_next_ps(const struct machine *m)
{
	const struct uart_regs *u = &m->uart;
	uint64_t next = u->shifting ? u->shift_done_ps : NEVER;

	if (u->line_n > 0 && u->line_next_ps < next)
		next = u->line_next_ps;
	return next;
}

static uint32_t fifo_read(struct machine *m)
{
	struct uart_regs *u = &m->uart;
	uint32_t v;

	if (u->rx_n == 0)
		return 0;
	v = u->rx[0];
	memmove(u->rx, u->rx + 1, --u->rx_n);
	return v;
}

/* -- registers ----------------------------------------------------------------------------- */

static uint32_t status(const struct machine *m)
{
	const struct uart_regs *u = &m->uart;
	uint32_t v = u->rx_n << 8 | u->tx_n << 12;

	v |= u->shifting || u->tx_n > 0 ? 1 : 0;
	v |= u->rx_n == 0 ? 1 << 4 : 0;
	v |= u->rx_n == UART_FIFO ? 1 << 5 : 0;
	v |= u->tx_n == 0 ? 1 << 6 : 0;
	v |= u->tx_n == UART_FIFO ? 1 << 7 : 0;
	return v;
}

uint32_t uart_read(struct machine *m, uint32_t offset)
{
	struct uart_regs *u = &m->uart;

	uart_events(m); /* time went on inside the block */
	switch (offset) {
	case CTRL: return u->ctrl | ((u->ctrl & CTRL_CLOCK) != 0 ? CTRL_READY : 0);
	case STATUS: return status(m);
	case INT_EN: return u->int_en;
	case INT_FL: return u->int_fl;
	case CLKDIV: return u->clkdiv;
	case OSR: return u->osr;
	case TXPEEK: return u->txpeek;
	case PNR: return u->pnr;
	case FIFO: return fifo_read(m);
	case DMA: return u->dma;
	default: machine_unknown(m, 0x40042000 + offset, false); return 0;
	}
}

static void ctrl_write(struct machine *m, uint32_t value)
{
	struct uart_regs *u = &m->uart;

	if ((value & CTRL_FLUSH_TX) != 0)
		u->tx_n = 0;
	if ((value & CTRL_FLUSH_RX) != 0)
		u->rx_n = 0;
	u->ctrl = value & ~(uint32_t)(CTRL_FLUSH_TX | CTRL_FLUSH_RX | CTRL_READY);
	if ((value & CTRL_CLOCK) != 0 && (value >> 10 & 3) != 3)
		machine_violation(m, "UART0 runs with %u data bits: the line has 8",
				  5 + (value >> 10 & 3));
	shift_next(m, now_ps(m));
}

void uart_write(struct machine *m, uint32_t offset, uint32_t value)
{
	struct uart_regs *u = &m->uart;

	uart_events(m);
	switch (offset) {
	case CTRL: ctrl_write(m, value); break;
	case INT_EN: u->int_en = value; break;
	case INT_FL: u->int_fl &= ~value; break;
	case CLKDIV: u->clkdiv = value & 0xfffff; break;
	case OSR: u->osr = value; break;
	case TXPEEK: u->txpeek = value; break;
	case PNR: u->pnr = value; break;
	case FIFO: fifo_write(m, value); break;
	case DMA:
		u->dma = value;
		if ((value & DMA_TX_ON) != 0)
			machine_violation(m, "sending by DMA: not modelled");
		to_dma(m);
		break;
	default: machine_unknown(m, 0x40042000 + offset, true); return;
	}
	update_line(m);
	slice_cut(m);
}

/* -- the far end --------------------------------------------------------------------------- */

size_t machine_feed_room(const struct machine *m)
{
	return LINE_BYTES - m->uart.line_n;
}

size_t machine_feed(struct machine *m, const uint8_t *bytes, size_t n)
{
	struct uart_regs *u = &m->uart;

	if (n > machine_feed_room(m))
		n = machine_feed_room(m);
	if (n > 0 && u->line_n == 0 && u->line_next_ps < now_ps(m) + line_byte_ps(m))
		u->line_next_ps = now_ps(m) + line_byte_ps(m);
	for (size_t i = 0; i < n; i++)
		u->line[(u->line_head + u->line_n++) % LINE_BYTES] = bytes[i];
	return n;
}

size_t machine_drain(struct machine *m, uint8_t *to, size_t cap)
{
	struct uart_regs *u = &m->uart;
	size_t n = u->out_n < cap ? u->out_n : cap;

	for (size_t i = 0; i < n; i++)
		to[i] = u->out[(u->out_head + i) % OUT_BYTES];
	u->out_head = (uint32_t)((u->out_head + n) % OUT_BYTES);
	u->out_n -= (uint32_t)n;
	return n;
}

void machine_unplug(struct machine *m)
{
	m->uart.line_n = m->uart.out_n = 0;
}
