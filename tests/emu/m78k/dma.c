/* Standard DMA: four channels, bytes, from memory to memory or out of UART0's receive FIFO. A
 * copy in memory takes no time; a byte of the line moves when it arrives. */
#include "tests/emu/m78k/state.h"
#include <unicorn/unicorn.h>

enum {
	INTEN = 0x000,
	INTFL = 0x004,
	CHANNEL = 0x100, /* + 0x20 n */
	C_CTRL = 0x00,
	C_STATUS = 0x04,
	C_SRC = 0x08,
	C_DST = 0x0c,
	C_CNT = 0x10,
	C_SRCRLD = 0x14,
	C_DSTRLD = 0x18,
	C_CNTRLD = 0x1c,
	CTRL_ON = 1 << 0,
	CTRL_RELOAD = 1 << 1,
	CTRL_SRC_INC = 1 << 18,
	CTRL_DST_INC = 1 << 22,
	ST_ON = 1 << 0,
	ST_PENDING = 1 << 1,
	ST_ZERO = 1 << 2,
	ST_RELOADED = 1 << 3,
	ST_FLAGS = ST_ZERO | ST_RELOADED | 1 << 4 | 1 << 6,
	REQUEST_MEMORY = 0,
	REQUEST_UART0_RX = 4,
};

#define CTRL_ZERO_INT (UINT32_C(1) << 31)
#define CNTRLD_ON     (UINT32_C(1) << 31)

static unsigned request(const struct dma_channel *c)
{
	return c->ctrl >> 4 & 0x3f;
}

static void update_lines(struct machine *m)
{
	for (unsigned i = 0; i < DMA_CHANNELS; i++) {
		struct dma_channel *c = &m->dma.channel[i];

		c->status &= ~(uint32_t)ST_PENDING;
		if ((c->status & ST_ZERO) != 0 && (c->ctrl & CTRL_ZERO_INT) != 0)
			c->status |= ST_PENDING;
		core_line(m, IRQ_DMA0 + i,
			  (c->status & ST_PENDING) != 0 && (m->dma.inten >> i & 1) != 0);
	}
}

/* The count reached zero. Reload is for once: firmware arms it again. */
static void counted_out(struct dma_channel *c)
{
	c->status |= ST_ZERO;
	if ((c->ctrl & CTRL_RELOAD) == 0 || (c->cntrld & CNTRLD_ON) == 0) {
		c->ctrl &= ~(uint32_t)CTRL_ON;
		c->status &= ~(uint32_t)ST_ON;
		return;
	}
	c->src = c->srcrld;
	c->dst = c->dstrld;
	c->cnt = c->cntrld & ~CNTRLD_ON;
	c->cntrld &= ~CNTRLD_ON;
	c->status |= ST_RELOADED;
}

static void put_byte(struct machine *m, struct dma_channel *c, uint8_t byte)
{
	if (c->dst < SRAM_BASE || c->dst - SRAM_BASE >= SRAM_BYTES)
		machine_violation(m, "DMA writes to %08x, which is no SRAM", c->dst);
	else
		uc_mem_write(m->uc, c->dst, &byte, 1);
	if ((c->ctrl & CTRL_DST_INC) != 0)
		c->dst++;
	if (--c->cnt == 0)
		counted_out(c);
}

static void copy_memory(struct machine *m, struct dma_channel *c)
{
	uint8_t byte = 0;

	while ((c->status & ST_ON) != 0 && c->cnt > 0) {
		uc_mem_read(m->uc, c->src, &byte, 1);
		if ((c->ctrl & CTRL_SRC_INC) != 0)
			c->src++;
		put_byte(m, c, byte);
	}
}

bool dma_uart_byte(struct machine *m, uint8_t byte)
{
	for (unsigned i = 0; i < DMA_CHANNELS; i++) {
		struct dma_channel *c = &m->dma.channel[i];

		if ((c->status & ST_ON) == 0 || request(c) != REQUEST_UART0_RX || c->cnt == 0)
			continue;
		put_byte(m, c, byte);
		update_lines(m);
		return true;
	}
	return false;
}

static void ctrl_write(struct machine *m, struct dma_channel *c, uint32_t value)
{
	c->ctrl = value;
	c->status &= ~(uint32_t)ST_ON;
	if ((value & CTRL_ON) == 0)
		return;
	if (((value >> 16 | value >> 20) & 3) != 0)
		machine_violation(m, "DMA of more than a byte at a time: not modelled");
	c->status |= ST_ON;
	if (request(c) == REQUEST_MEMORY)
		copy_memory(m, c);
	else if (request(c) != REQUEST_UART0_RX)
		machine_violation(m, "DMA request %u: not modelled", request(c));
	else if (c->src != 0x40042020)
		machine_violation(m, "DMA of UART0 reads %08x instead of its FIFO", c->src);
}

static uint32_t *plain(struct dma_channel *c, uint32_t offset)
{
	switch (offset) {
	case C_SRC: return &c->src;
	case C_DST: return &c->dst;
	case C_CNT: return &c->cnt;
	case C_SRCRLD: return &c->srcrld;
	case C_DSTRLD: return &c->dstrld;
	case C_CNTRLD: return &c->cntrld;
	default: return NULL;
	}
}

uint32_t dma_read(struct machine *m, uint32_t offset)
{
	uint32_t v = 0;

	if (offset == INTEN)
		return m->dma.inten;
	if (offset == INTFL) {
		for (unsigned i = 0; i < DMA_CHANNELS; i++)
			v |= (m->dma.channel[i].status & ST_PENDING) != 0 ? 1u << i : 0;
		return v;
	}
	if (offset >= CHANNEL && offset < CHANNEL + DMA_CHANNELS * 0x20) {
		struct dma_channel *c = &m->dma.channel[(offset - CHANNEL) / 0x20];

		switch (offset & 0x1f) {
		case C_CTRL: return c->ctrl;
		case C_STATUS: return c->status;
		default: return *plain(c, offset & 0x1f);
		}
	}
	machine_unknown(m, 0x40028000 + offset, false);
	return 0;
}

void dma_write(struct machine *m, uint32_t offset, uint32_t value)
{
	if (offset == INTEN) {
		m->dma.inten = value;
	} else if (offset >= CHANNEL && offset < CHANNEL + DMA_CHANNELS * 0x20) {
		struct dma_channel *c = &m->dma.channel[(offset - CHANNEL) / 0x20];

		if ((offset & 0x1f) == C_CTRL)
			ctrl_write(m, c, value);
		else if ((offset & 0x1f) == C_STATUS)
			c->status &= ~(value & ST_FLAGS);
		else
			*plain(c, offset & 0x1f) = value;
	} else {
		machine_unknown(m, 0x40028000 + offset, true);
		return;
	}
	update_lines(m);
	slice_cut(m);
}
