/* The board as the agent and the application see it: time, serial line, watchdog, sleep. */
#include "firmware-agent/app/port.h"
#include "accel/arch.h"
#include "firmware-agent/hal/mps2/mps2.h"
#include "firmware-agent/hal/mps2/vectors.h"
#include "firmware-agent/include/agent.h"

/* -- registers ----------------------------------------------------------------------------- */

#define REG(addr) (*(volatile uint32_t *)(uintptr_t)(addr))

/* CMSDK timer 0: counts down at 25 MHz */
#define TIMER_CTRL   REG(0x40000000)
#define TIMER_VALUE  REG(0x40000004)
#define TIMER_RELOAD REG(0x40000008)
/* CMSDK UART 0 carries the link, UART 1 the evidence */
#define UART_DATA     REG(0x40004000)
#define UART_STATE    REG(0x40004004)
#define UART_CTRL     REG(0x40004008)
#define UART_INTCLEAR REG(0x4000400c)
#define UART_BAUDDIV  REG(0x40004010)
#define LOG_DATA      REG(0x40005000)
#define LOG_STATE     REG(0x40005004)
#define LOG_CTRL      REG(0x40005008)
#define LOG_BAUDDIV   REG(0x40005010)
/* CMSDK watchdog: the first time it runs out is an NMI, the second resets */
#define WDOG_LOAD   REG(0x40008000)
#define WDOG_CTRL   REG(0x40008008)
#define WDOG_INTCLR REG(0x4000800c)
#define WDOG_LOCK   REG(0x40008c00)
/* core */
#define SYST_CSR   REG(0xe000e010)
#define SYST_RVR   REG(0xe000e014)
#define SYST_CVR   REG(0xe000e018)
#define NVIC_ISER0 REG(0xe000e100)

enum {
	CORE_MHZ = 25,
	TICK_CYCLES = CORE_MHZ * 1000,
	WDOG_CYCLES = 2 * CORE_MHZ * 1000000, /* an emulated inference takes its time, too */
	WDOG_SOON = CORE_MHZ * 1000,
	WDOG_ON = 1 | 2, /* interrupt, reset */
	WDOG_KEY = 0x1acce551,
	UART_TX_FULL = 1,
	UART_RX_FULL = 2,
	UART_RX_INT = 2, /* in INTCLEAR */
	UART_CTRL_ON = 1 | 2 | 8, /* transmit, receive, interrupt on receive */
	UART_CTRL_DEAF = 1 | 2, /* the ring is full: the byte waits in the UART */
	UART_BAUD = 1000000,
	LINK_BPS = 60000, /* what an emulated UART carries on a busy machine; no simulated rate */
	RING_BYTES = 4096,
	SLEEP_US = 1000, /* shorter than this is not worth a sleep: SysTick's period */
};

static struct {
	uint64_t cycles; /* since boot, of TIMER0, without those that stood still */
	uint32_t last_value;
} clock;

/* What the interrupt fills. head is the interrupt's, tail the main loop's. */
static struct {
	volatile uint32_t head, tail;
	volatile uint8_t byte[RING_BYTES];
	uint32_t full;
} ring;

/* Survives a reset of the core. */
__attribute__((section(".noinit"))) static struct {
	uint32_t magic, boots, cause;
} kept;

enum { KEPT_MAGIC = 0x48525632 };

static struct port_facts facts = { .serial = "mps2",
				   .device = "max78000",
				   .link_bps = LINK_BPS,
				   .cpu_hz = CORE_MHZ * 1000000,
				   .cnn_hz = CNN_CLOCK_HZ,
				   .bus_write_ns = CNN_BUS_WRITE_NS,
				   .bus_read_ns = CNN_BUS_READ_NS };

/* -- time ---------------------------------------------------------------------------------- */

/* The timer wraps after 171 s; the main loop asks at least every millisecond. A free running
 * counter, because the SysTick interrupt of an emulated core may come after its counter
 * wrapped, and then time would go back. */
uint64_t mps2_now_ns(void)
{
	uint32_t value = TIMER_VALUE;

	clock.cycles += clock.last_value - value;
	clock.last_value = value;
	return clock.cycles * (1000 / CORE_MHZ);
}

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return mps2_now_ns() / 1000;
}

void mps2_time_stop(void)
{
	(void)mps2_now_ns();
}

void mps2_time_go(void)
{
	clock.last_value = TIMER_VALUE;
}

/* Only wakes the main loop. */
void mps2_on_tick(void)
{
}

void port_sleep(uint64_t until_us)
{
	uint64_t now = now_us(NULL);

	if (until_us < now || until_us - now < SLEEP_US)
		return;
	__asm__ volatile("cpsid i" ::: "memory");
	if (ring.head == ring.tail)
		__asm__ volatile("wfi" ::: "memory");
	__asm__ volatile("cpsie i" ::: "memory");
}

/* -- watchdog, resets ---------------------------------------------------------------------- */

void mps2_reset_why(uint32_t cause)
{
	kept.cause = cause;
}

/* The main loop did not feed it: write that down, and let it reset soon. */
void mps2_on_watchdog(void)
{
	mps2_reset_why(AGENT_RESET_WATCHDOG);
	WDOG_LOCK = WDOG_KEY;
	WDOG_LOAD = WDOG_SOON;
	for (;;)
		__asm__ volatile("" ::: "memory");
}

void port_feed(void)
{
	WDOG_INTCLR = 1; /* counts from the beginning */
}

static void remember(void)
{
	bool believed = kept.magic == KEPT_MAGIC;

	facts.reset_cause = AGENT_RESET_POWER;
	if (believed)
		facts.reset_cause = (uint8_t)kept.cause;
	kept.boots = believed ? kept.boots + 1 : 1;
	kept.magic = KEPT_MAGIC;
	kept.cause = AGENT_RESET_EXTERNAL;
}

/* -- serial line --------------------------------------------------------------------------- */

/* Runs with the interrupt off or in it. */
static void take_bytes(void)
{
	UART_INTCLEAR = UART_RX_INT;
	while ((UART_STATE & UART_RX_FULL) != 0) {
		if (ring.head - ring.tail == RING_BYTES) {
			UART_CTRL = UART_CTRL_DEAF;
			ring.full++;
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

/* A byte is lost when nobody takes them: evidence must not hold up what it is about. */
void mps2_log_byte(char c)
{
	for (unsigned i = 0; i < 1000 && (LOG_STATE & UART_TX_FULL) != 0; i++)
		;
	LOG_DATA = (uint8_t)c;
}

struct port_line port_line(void)
{
	return (struct port_line){ .full = ring.full };
}

/* -- begin --------------------------------------------------------------------------------- */

/* Another number each boot as long as the memory keeps its content; the board has no source
 * of noise. */
static uint32_t random32(void *ctx)
{
	uint32_t x = kept.boots * UINT32_C(2654435761) + TIMER_VALUE;

	(void)ctx;
	x ^= x >> 16;
	x *= UINT32_C(0x85ebca6b);
	x ^= x >> 13;
	return x != 0 ? x : 1;
}

bool port_begin(void)
{
	remember();
	WDOG_LOCK = WDOG_KEY;
	WDOG_LOAD = WDOG_CYCLES;
	WDOG_CTRL = WDOG_ON;
	TIMER_RELOAD = UINT32_MAX;
	TIMER_VALUE = UINT32_MAX;
	TIMER_CTRL = 1;
	clock.last_value = TIMER_VALUE;
	SYST_RVR = TICK_CYCLES - 1;
	SYST_CVR = 0;
	SYST_CSR = 7; /* core clock, interrupt, on */
	UART_BAUDDIV = LOG_BAUDDIV = CORE_MHZ * 1000000 / UART_BAUD;
	UART_CTRL = UART_CTRL_ON;
	LOG_CTRL = 1;
	NVIC_ISER0 = 1; /* UART0 receive */
	return mps2_cnn_begin();
}

const struct port_facts *port_facts(void)
{
	return &facts;
}

struct ag_hal port_hal(void)
{
	return (struct ag_hal){ .now_us = now_us,
				.uart_read = uart_read,
				.uart_write = uart_write,
				.cnn_write32 = mps2_cnn_write32,
				.cnn_write8 = mps2_cnn_write8,
				.cnn_read32 = mps2_cnn_read32,
				.random = random32 };
}
