/* A port to copy: every function that core/hal.h and app/port.h ask for, with what it must do.
 * It compiles and does nothing. To port the agent to a chip:
 *
 *   1. copy this folder to hal/CHIP, and add it to firmware.mk as max78000 is;
 *   2. write start-up code and a linker script (hal/max78000/start.c and max78000.ld show what
 *      they owe: vector table, data and bss, memory that a reset keeps, stack with a guard);
 *   3. fill in the functions from top to bottom: time first, then the serial line, and
 *      harvestd says hello; then the accelerator;
 *   4. measure agent_step() with this chip's clock: AG_STEP_CYCLES and AG_LONG_CYCLES of
 *      core/state.h are what the promise to the primary allows for one step beside its bus
 *      accesses.
 *
 * Rules that hold for all of them: called from the main loop alone, never from an interrupt;
 * no call waits, but port_begin() and port_sleep(); no floating point in interrupts. */
#include "firmware-agent/app/port.h"
#include "accel/arch.h"

/* What this chip has for the functions below; ctx of struct ag_hal points to it. */
static struct {
	uint64_t now_us;
} chip;

/* Microseconds since port_begin(), 64 bits: it never wraps and never goes back, not even when
 * an interrupt that counts overflows comes late. Called several times a step, so it should cost
 * less than a microsecond. Its rate is the board's promise of clock synchronisation: take a
 * crystal if there is one. */
static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return chip.now_us;
}

/* Take up to cap bytes that came over the serial line; 0 if there are none. Bytes must not be
 * lost while the agent is not called: for as long as one activation of the primary blocks the
 * main loop, plus 3 ms in which the agent is quiet, at the fastest rate of the line. An
 * interrupt or a DMA fills a ring; this function empties it. */
static size_t uart_read(void *ctx, uint8_t *to, size_t cap)
{
	(void)ctx;
	(void)to;
	(void)cap;
	return 0;
}

/* Queue up to n bytes for sending; returns how many had room, and never waits for the line. A
 * ring of 256 bytes that an interrupt empties keeps 1 Mbaud busy. */
static size_t uart_write(void *ctx, const uint8_t *from, size_t n)
{
	(void)ctx;
	(void)from;
	(void)n;
	return 0;
}

/* One 32-bit write to the accelerator at an address of accel/arch.h. On the chip itself a
 * volatile store: no barrier is needed, device memory keeps its order. */
static void cnn_write32(void *ctx, uint32_t addr, uint32_t value)
{
	(void)ctx;
	(void)addr;
	(void)value;
}

/* An 8-bit one; only the address port of the kernel memories takes it. */
static void cnn_write8(void *ctx, uint32_t addr, uint8_t value)
{
	(void)ctx;
	(void)addr;
	(void)value;
}

static uint32_t cnn_read32(void *ctx, uint32_t addr)
{
	(void)ctx;
	(void)addr;
	return 0;
}

/* A number that is most likely another one after every reset: it names this life of the board
 * to the daemon. A noise source, or a boot counter in memory that survives, mixed. Not secret. */
static uint32_t random32(void *ctx)
{
	(void)ctx;
	return 1;
}

/* The last bit of everything that uart_write() took has left the pin: ring, FIFO and shift
 * register are empty. */
static bool uart_tx_idle(void *ctx)
{
	(void)ctx;
	return true;
}

/* From now on both ways; false when the clock cannot be divided to within one per cent. Called
 * while the transmitter is idle; bytes that are being received may get lost. A chip with one
 * rate leaves this and uart_tx_idle NULL, and offers no rates below. */
static bool uart_set_baud(void *ctx, uint32_t bps)
{
	(void)ctx;
	return bps == 115200;
}

struct ag_hal port_hal(void)
{
	return (struct ag_hal){ .ctx = &chip,
				.now_us = now_us,
				.uart_read = uart_read,
				.uart_write = uart_write,
				.cnn_write32 = cnn_write32,
				.cnn_write8 = cnn_write8,
				.cnn_read32 = cnn_read32,
				.random = random32,
				.uart_tx_idle = uart_tx_idle,
				.uart_set_baud = uart_set_baud };
}

/* In this order: the cause of the reset, before anything clears it; clocks, each wait with a
 * bound and a way to go on when it passes; the watchdog; time; the serial line at the meeting
 * rate; power, clock and reset of the accelerator. False ends in a reset. */
bool port_begin(void)
{
	return true;
}

/* What is true of this chip and board. The serial is the board's identity for the daemon, which
 * keeps measurements by it: unique, and the same every boot. Rates:
 * those at which no byte is lost while the primary blocks the main loop. */
const struct port_facts *port_facts(void)
{
	static const struct port_facts facts = { .serial = "template",
						 .device = "max78000",
						 .link_bps = 115200,
						 .cpu_hz = 100000000,
						 .cnn_hz = CNN_CLOCK_HZ,
						 .bus_write_ns = CNN_BUS_WRITE_NS,
						 .bus_read_ns = CNN_BUS_READ_NS };

	return &facts;
}

/* Flags of the receiver, counted where they are cleared. */
struct port_line port_line(void)
{
	return (struct port_line){ 0 };
}

/* Feed the watchdog: nowhere else, and above all in no interrupt, which would keep a dead main
 * loop alive. The application decides what counts as living. */
void port_feed(void)
{
}

/* Stop the core until an interrupt, but only if nothing happened since the main loop last
 * looked: mask interrupts, look for bytes and for an ended inference, then wait, then unmask.
 * Something must end the wait near until_us; a tick of a millisecond does, and a time nearer
 * than the tick is not worth a sleep. No mode that stops the accelerator, the serial line or
 * the debugger's access. */
void port_sleep(uint64_t until_us)
{
	(void)until_us;
}

/* Let the accelerator's interrupt come once. Its handler notes the time, ends a sleep and turns
 * itself off; it does not acknowledge in the accelerator, because the owner of the inference
 * waits for the done bit. */
void port_await_done(void)
{
}

uint64_t port_done_us(void)
{
	return 0;
}
