#include "firmware-agent/hal/max78000/parts.h"
#include "firmware-agent/hal/max78000/regs.h"

/* The serial line, UART0 on P0.0 and P0.1, 8N1.
 *
 * Receive: a FIFO of eight bytes, no flow control. Up to DMA_BPS an interrupt a byte fills the
 * ring: at most 23040 a second, and every emulation of the chip has this path. Faster, the DMA
 * fills it, because 100000 interrupts a second would take a tenth of the processor from the
 * primary, and because then masked interrupts lose nothing. A chip whose DMA does not copy four
 * bytes when asked (emulations have none) stays with interrupts at any rate. The line begins at
 * a low rate, so a DMA that fails on silicon ends in the negotiation's fallback to that rate.
 *
 * Send: a ring, moved into the FIFO by interrupt and at every call. */
enum {
	RING_BYTES = 1024, /* 10 ms at 1 Mbaud */
	OUT_BYTES = 256,
	DMA_BPS = 230400,
	PINS = 3,
	DIV_MIN = 4,
	OVERSAMPLE_4 = 5, /* the code the vendor's driver uses with UART0-2 */
};
_Static_assert((RING_BYTES & (RING_BYTES - 1)) == 0 && (OUT_BYTES & (OUT_BYTES - 1)) == 0,
	       "indices wrap by mask");

volatile struct port_line uart_counted;

/* Ring positions count bytes and wrap with their type. */
static struct {
	volatile uint32_t head, tail;
	volatile uint32_t laps, laps_seen; /* of the DMA */
	bool dma_works, dma;
	volatile uint8_t byte[RING_BYTES];
} in;

static struct {
	volatile uint32_t head, tail;
	uint8_t byte[OUT_BYTES];
} out;

/* -- interrupt path ------------------------------------------------------------------------ */

/* In the interrupt or with interrupts masked. The flag means that the level rose from 0 to 1:
 * cleared first, a byte that comes while the FIFO is drained sets it again. */
static void take_bytes(void)
{
	UART_INT_FL = UART_INT_RX;
	while ((UART_STATUS & UART_RX_EMPTY) == 0) {
		if (in.head - in.tail == RING_BYTES) {
			UART_INT_EN &= ~UART_INT_RX; /* until the reader made room */
			uart_counted.full = uart_counted.full + 1;
			return;
		}
		in.byte[in.head % RING_BYTES] = (uint8_t)UART_FIFO;
		in.head = in.head + 1;
	}
}

static void move_out(void)
{
	UART_INT_FL = UART_INT_TX_HALF;
	while (out.tail != out.head && (UART_STATUS & UART_TX_FULL) == 0) {
		UART_FIFO = out.byte[out.tail % OUT_BYTES];
		out.tail = out.tail + 1;
	}
}

static void count_errors(uint32_t flags)
{
	UART_INT_FL = flags & (UART_INT_FRAMING | UART_INT_OVERRUN);
	if ((flags & UART_INT_FRAMING) != 0)
		uart_counted.framing = uart_counted.framing + 1;
	if ((flags & UART_INT_OVERRUN) != 0)
		uart_counted.overrun = uart_counted.overrun + 1;
}

void max78000_on_uart0(void)
{
	count_errors(UART_INT_FL);
	if (in.dma) {
		UART_INT_EN &= ~UART_INT_RX; /* it was only to wake the main loop */
		UART_INT_FL = UART_INT_RX;
	} else {
		take_bytes();
	}
	move_out();
}

/* -- DMA path ------------------------------------------------------------------------------ */

static bool dma_copies(void)
{
	static const uint8_t from[4] = { 0x4d, 0xa5, 0x5a, 0xd2 };
	static volatile uint8_t to[4];

	GCR_PCLKDIS0 &= ~PCLKDIS0_DMA;
	DMA_CTRL = 0;
	DMA_SRC = (uint32_t)(uintptr_t)from;
	DMA_DST = (uint32_t)(uintptr_t)to;
	DMA_CNT = sizeof(to);
	DMA_CTRL = DMA_CTRL_SRC_INC | DMA_CTRL_DST_INC | DMA_CTRL_ON;
	(void)clock_wait(&DMA_STATUS, DMA_STATUS_ON, 0);
	DMA_CTRL = 0;
	for (unsigned i = 0; i < sizeof(to); i++)
		if (to[i] != from[i])
			return false;
	return true;
}

static uint32_t dma_position(void)
{
	return (DMA_DST - (uint32_t)(uintptr_t)in.byte) % RING_BYTES;
}

static void dma_begin(void)
{
	in.head = in.tail = in.laps = in.laps_seen = 0;
	DMA_STATUS = DMA_STATUS; /* flags: write 1 to clear */
	DMA_SRC = DMA_SRCRLD = UART_FIFO_ADDR;
	DMA_DST = DMA_DSTRLD = (uint32_t)(uintptr_t)in.byte;
	DMA_CNT = RING_BYTES;
	DMA_CNTRLD = RING_BYTES | DMA_CNTRLD_ON;
	DMA_INTEN |= BIT(0);
	irq_on(IRQ_DMA0);
	DMA_CTRL = DMA_CTRL_UART0_RX | DMA_CTRL_DST_INC | DMA_CTRL_ZERO_INT | DMA_CTRL_RELOAD |
		   DMA_CTRL_ON;
	UART_DMA = UART_DMA_RX_1 | UART_DMA_RX_ON;
}

static void dma_end(void)
{
	UART_DMA = 0;
	DMA_CTRL = 0;
	irq_off(IRQ_DMA0);
	in.head = in.tail = 0;
}

/* A lap is done: the reload happened and wants to be armed for the next. */
void max78000_on_dma0(void)
{
	DMA_STATUS = DMA_STATUS;
	DMA_CNTRLD = RING_BYTES | DMA_CNTRLD_ON;
	in.laps = in.laps + 1;
	if ((DMA_STATUS & DMA_STATUS_ON) != 0)
		return;
	/* it came too late for the reload, and bytes may be lost: better than all of them */
	uart_counted.full = uart_counted.full + 1;
	dma_begin();
}

/* How far the DMA is. If it overtook the reader, the line's check sums find the hole; here it
 * is counted. */
static void dma_follow(void)
{
	uint32_t at = dma_position(), laps = in.laps - in.laps_seen, tail = in.tail % RING_BYTES;

	in.laps_seen = in.laps_seen + laps;
	if (laps > 1 || (laps == 1 && at > tail))
		uart_counted.full = uart_counted.full + 1;
	in.head = in.tail + (at - tail) % RING_BYTES;
}

/* -- both ---------------------------------------------------------------------------------- */

bool uart_has_input(void)
{
	if (in.dma)
		dma_follow();
	return in.head != in.tail;
}

void uart_wake_on_input(void)
{
	if (!in.dma)
		return; /* it does anyway */
	UART_INT_FL = UART_INT_RX;
	UART_INT_EN |= UART_INT_RX;
}

size_t uart_read(uint8_t *to, size_t cap)
{
	size_t n = 0;

	irqs_mask();
	move_out(); /* should the interrupt of the transmitter not have come */
	if (!in.dma && (UART_INT_EN & UART_INT_RX) == 0 && in.head == in.tail) {
		UART_INT_EN |= UART_INT_RX;
		take_bytes();
	}
	irqs_unmask();
	if (!uart_has_input())
		return 0;
	for (; n < cap && in.tail != in.head; n++) {
		to[n] = in.byte[in.tail % RING_BYTES];
		in.tail = in.tail + 1;
	}
	return n;
}

size_t uart_write(const uint8_t *from, size_t n)
{
	size_t done = 0;

	for (; done < n && out.head - out.tail < OUT_BYTES; done++) {
		out.byte[out.head % OUT_BYTES] = from[done];
		__asm__ volatile("" ::: "memory");
		out.head = out.head + 1;
	}
	irqs_mask();
	move_out();
	irqs_unmask();
	return done;
}

bool uart_tx_idle(void)
{
	irqs_mask();
	move_out();
	irqs_unmask();
	return out.head == out.tail && (UART_STATUS & (UART_TX_BUSY | UART_TX_LEVEL)) == 0;
}

bool uart_set_baud(uint32_t bps)
{
	uint32_t pclk_hz = clock_core_mhz * 500000, div = (pclk_hz + bps / 2) / bps;
	uint32_t made = div > 0 ? pclk_hz / div : 0;

	if (div < DIV_MIN || made > bps + bps / 100 || made < bps - bps / 100)
		return false;
	irq_off(IRQ_UART0);
	if (in.dma)
		dma_end();
	UART_INT_EN = 0;
	UART_CTRL = UART_CTRL_RX_1 | UART_CTRL_8_BITS;
	UART_OSR = OVERSAMPLE_4;
	UART_CLKDIV = div;
	UART_CTRL |= UART_CTRL_BCLK_ON;
	(void)clock_wait(&UART_CTRL, UART_CTRL_BCLK_RDY, UART_CTRL_BCLK_RDY);
	UART_CTRL |= UART_CTRL_TX_FLUSH | UART_CTRL_RX_FLUSH;
	UART_INT_FL = UINT32_MAX;
	out.tail = out.head;
	in.tail = in.head;
	in.dma = in.dma_works && bps > DMA_BPS;
	if (in.dma)
		dma_begin();
	UART_INT_EN =
		UART_INT_FRAMING | UART_INT_OVERRUN | UART_INT_TX_HALF | (in.dma ? 0 : UART_INT_RX);
	irq_on(IRQ_UART0);
	return true;
}

void uart_begin(uint32_t bps)
{
	GCR_PCLKDIS0 &= ~(PCLKDIS0_GPIO0 | PCLKDIS0_UART0);
	GPIO0_INEN |= PINS;
	GPIO0_EN2_CLR = PINS;
	GPIO0_EN1_CLR = PINS;
	GPIO0_EN0_CLR = PINS;
	in.dma_works = dma_copies();
	(void)uart_set_baud(bps);
}
