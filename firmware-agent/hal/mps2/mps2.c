#include "firmware-agent/hal/mps2/mps2.h"
#include "accel/arch.h"
#include "accel/emu/emu.h"
#include "firmware-agent/hal/mps2/vectors.h"

/* -- registers ----------------------------------------------------------------------------- */

#define REG(addr) (*(volatile uint32_t *)(uintptr_t)(addr))

/* CMSDK timer 0: counts down at 25 MHz */
#define TIMER_CTRL   REG(0x40000000)
#define TIMER_VALUE  REG(0x40000004)
#define TIMER_RELOAD REG(0x40000008)
/* CMSDK UART 0 */
#define UART_DATA     REG(0x40004000)
#define UART_STATE    REG(0x40004004)
#define UART_CTRL     REG(0x40004008)
#define UART_INTCLEAR REG(0x4000400c)
#define UART_BAUDDIV  REG(0x40004010)
/* core */
#define SYST_CSR   REG(0xe000e010)
#define SYST_RVR   REG(0xe000e014)
#define SYST_CVR   REG(0xe000e018)
#define NVIC_ISER0 REG(0xe000e100)

enum {
	CORE_MHZ = 25,
	TICK_CYCLES = CORE_MHZ * 1000,
	UART_TX_FULL = 1,
	UART_RX_FULL = 2,
	UART_RX_INT = 2, /* in INTCLEAR */
	UART_CTRL_ON = 1 | 2 | 8, /* transmit, receive, interrupt on receive */
	UART_CTRL_DEAF = 1 | 2, /* the ring is full: the byte waits in the UART */
	UART_BAUD = 1000000,
	RING_BYTES = 4096,
	REBOOT_MAGIC = 0x48525631,
};

static struct {
	uint64_t cycles; /* since boot, of TIMER0 */
	uint32_t last_value;
	struct cnn_emu *emu;
	bool running;
	uint64_t done_us; /* when the inference in progress ends */
	uint8_t reset_cause;
} hal;

/* What the interrupt fills. head is the interrupt's, tail the main loop's. */
static struct {
	volatile uint32_t head, tail;
	volatile uint8_t byte[RING_BYTES];
} ring;

/* Survive a reset of the core. */
__attribute__((section(".noinit"))) static uint32_t magic, boots;

/* -- time ---------------------------------------------------------------------------------- */

/* The timer wraps after 171 s; the main loop asks at least every millisecond. A free running
 * counter, because the SysTick interrupt of an emulated core may come after its counter
 * wrapped, and then time would go back. */
static uint64_t now_us(void *ctx)
{
	uint32_t value = TIMER_VALUE;

	(void)ctx;
	hal.cycles += hal.last_value - value;
	hal.last_value = value;
	return hal.cycles / CORE_MHZ;
}

/* Only wakes the main loop. */
void mps2_on_tick(void)
{
}

void mps2_sleep(void)
{
	__asm__ volatile("cpsid i" ::: "memory");
	if (ring.head == ring.tail)
		__asm__ volatile("wfi" ::: "memory");
	__asm__ volatile("cpsie i" ::: "memory");
}

/* -- serial line --------------------------------------------------------------------------- */

/* Runs with the interrupt off or in it. */
static void take_bytes(void)
{
	UART_INTCLEAR = UART_RX_INT;
	while ((UART_STATE & UART_RX_FULL) != 0) {
		if (ring.head - ring.tail == RING_BYTES) {
			UART_CTRL = UART_CTRL_DEAF;
			return;
		}
		ring.byte[ring.head % RING_BYTES] = (uint8_t)UART_DATA;
		ring.head++;
	}
}

void mps2_on_uart_rx(void)
{
	take_bytes();
}

static size_t uart_read(void *ctx, uint8_t *to, size_t cap)
{
	size_t n = 0;

	(void)ctx;
	for (; n < cap && ring.tail != ring.head; n++) {
		to[n] = ring.byte[ring.tail % RING_BYTES];
		ring.tail++;
	}
	if (n > 0 && UART_CTRL == UART_CTRL_DEAF) {
		__asm__ volatile("cpsid i" ::: "memory");
		UART_CTRL = UART_CTRL_ON;
		take_bytes();
		__asm__ volatile("cpsie i" ::: "memory");
	}
	return n;
}

static size_t uart_write(void *ctx, const uint8_t *from, size_t n)
{
	size_t done = 0;

	(void)ctx;
	for (; done < n && (UART_STATE & UART_TX_FULL) == 0; done++)
		UART_DATA = from[done];
	return done;
}

/* -- accelerator --------------------------------------------------------------------------- */

/* An inference takes its modelled time, so that the agent waits as it would on silicon. */
static void settle(void)
{
	if (!hal.running || now_us(NULL) < hal.done_us)
		return;
	cnn_emu_finish(hal.emu);
	hal.running = false;
}

static void write32(void *ctx, uint32_t addr, uint32_t value)
{
	bool running;

	(void)ctx;
	settle();
	cnn_emu_write32(hal.emu, addr, value);
	running = cnn_emu_running(hal.emu);
	if (running && !hal.running)
		hal.done_us =
			now_us(NULL) + (uint64_t)cnn_emu_cycles(hal.emu) * CNN_CYCLE_NS / 1000 + 1;
	hal.running = running;
}

static void write8(void *ctx, uint32_t addr, uint8_t value)
{
	(void)ctx;
	settle();
	cnn_emu_write8(hal.emu, addr, value);
}

static uint32_t read32(void *ctx, uint32_t addr)
{
	(void)ctx;
	settle();
	return cnn_emu_read32(hal.emu, addr);
}

/* -- begin --------------------------------------------------------------------------------- */

/* Another number each boot as long as the memory keeps its content; the board has no source
 * of noise. */
static uint32_t random32(void *ctx)
{
	uint32_t x = boots * UINT32_C(2654435761) + TIMER_VALUE;

	(void)ctx;
	x ^= x >> 16;
	x *= UINT32_C(0x85ebca6b);
	x ^= x >> 13;
	return x != 0 ? x : 1;
}

uint8_t mps2_reset_cause(void)
{
	return hal.reset_cause;
}

bool mps2_init(void)
{
	hal.reset_cause = magic == REBOOT_MAGIC;
	boots = hal.reset_cause != 0 ? boots + 1 : 1;
	magic = REBOOT_MAGIC;
	TIMER_RELOAD = UINT32_MAX;
	TIMER_VALUE = UINT32_MAX;
	TIMER_CTRL = 1;
	hal.last_value = TIMER_VALUE;
	SYST_RVR = TICK_CYCLES - 1;
	SYST_CVR = 0;
	SYST_CSR = 7; /* core clock, interrupt, on */
	UART_BAUDDIV = CORE_MHZ * 1000000 / UART_BAUD;
	UART_CTRL = UART_CTRL_ON;
	NVIC_ISER0 = 1; /* UART0 receive */
	return cnn_emu_new(&hal.emu) == HV_OK;
}

struct ag_hal mps2_hal(void)
{
	return (struct ag_hal){ .now_us = now_us,
				.uart_read = uart_read,
				.uart_write = uart_write,
				.cnn_write32 = write32,
				.cnn_write8 = write8,
				.cnn_read32 = read32,
				.random = random32 };
}
