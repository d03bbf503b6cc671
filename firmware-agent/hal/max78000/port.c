#include "firmware-agent/app/port.h"
#include "accel/arch.h"
#include "firmware-agent/hal/max78000/parts.h"
#include "firmware-agent/hal/max78000/regs.h"
#include "util/fs/sha256.h"

/* The chip as the agent and the application see it. */
enum {
	MEETING_BPS = 115200, /* every adapter carries it */
	SERIAL_WORDS = 5, /* of the information block */
	SERIAL_BYTES = 7, /* that the identity shows */
	NEVER_DEEP = 4, /* SCR: bit 2 would lock the debugger out */
};

#define SCB_SCR    REG(0xe000ed10)
#define FLC_CLKDIV REG(0x40029008)

static char serial[2 * SERIAL_BYTES + 1] = "max78000";
/* 1 Mbaud is exact here and in every usual adapter; the others are its second best. */
static const uint32_t rates[] = { 230400, 460800, 921600, 1000000 };
static struct port_facts facts = { .serial = serial,
				   .device = "max78000",
				   .link_bps = MEETING_BPS,
				   .rates = rates,
				   .n_rates = sizeof(rates) / sizeof(rates[0]),
				   .bus_write_ns = CNN_BUS_WRITE_NS,
				   .bus_read_ns = CNN_BUS_READ_NS };
static volatile uint64_t done_us;
static volatile bool done_unseen; /* an inference ended since the last sleep */

/* -- struct ag_hal ------------------------------------------------------------------------- */

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return time_us();
}

static size_t line_read(void *ctx, uint8_t *to, size_t cap)
{
	(void)ctx;
	return uart_read(to, cap);
}

static size_t line_write(void *ctx, const uint8_t *from, size_t n)
{
	(void)ctx;
	return uart_write(from, n);
}

static bool line_idle(void *ctx)
{
	(void)ctx;
	return uart_tx_idle();
}

static bool line_set_baud(void *ctx, uint32_t bps)
{
	(void)ctx;
	return uart_set_baud(bps);
}

static void write32(void *ctx, uint32_t addr, uint32_t value)
{
	(void)ctx;
	REG(addr) = value;
}

static void write8(void *ctx, uint32_t addr, uint8_t value)
{
	(void)ctx;
	*(volatile uint8_t *)(uintptr_t)addr = value;
}

static uint32_t read32(void *ctx, uint32_t addr)
{
	(void)ctx;
	return REG(addr);
}

/* From the noise source; without one, the number of this boot spread over 32 bits. */
static uint32_t random32(void *ctx)
{
	uint32_t x = reset_boots() * UINT32_C(2654435761) ^ SYST_CVR;

	(void)ctx;
	GCR_PCLKDIS1 &= ~PCLKDIS1_TRNG;
	if (clock_wait(&TRNG_STATUS, TRNG_READY, TRNG_READY))
		x ^= TRNG_DATA;
	return x != 0 ? x : 1;
}

struct ag_hal port_hal(void)
{
	return (struct ag_hal){ .now_us = now_us,
				.uart_read = line_read,
				.uart_write = line_write,
				.cnn_write32 = write32,
				.cnn_write8 = write8,
				.cnn_read32 = read32,
				.random = random32,
				.uart_tx_idle = line_idle,
				.uart_set_baud = line_set_baud };
}

/* -- identity ------------------------------------------------------------------------------ */

/* The information block is readable between the unlock sequence and any other write. Of its
 * first words a hash is shown: the number itself has 26 digits. */
static void read_serial(void)
{
	static const char digit[] = "0123456789abcdef";
	uint32_t word[SERIAL_WORDS], all_set = UINT32_MAX, any_set = 0;
	uint8_t hash[HV_SHA256_BYTES];
	struct hv_sha256 sha;

	if (FLC_CLKDIV == 0)
		return; /* no flash controller: an emulation, and no block behind it */
	FLC_ACCESS = 0x3a7f5ca3;
	FLC_ACCESS = 0xa1e34f20;
	FLC_ACCESS = 0x9608b2c1;
	for (unsigned i = 0; i < SERIAL_WORDS; i++) {
		word[i] = REG(INFO_BLOCK + 4 * i);
		all_set &= word[i];
		any_set |= word[i];
	}
	FLC_ACCESS = 0xdeadbeef;
	if (all_set == UINT32_MAX || any_set == 0)
		return;
	hv_sha256_init(&sha);
	hv_sha256_add(&sha, word, sizeof(word));
	hv_sha256_end(&sha, hash);
	for (unsigned i = 0; i < SERIAL_BYTES; i++) {
		serial[2 * i] = digit[hash[i] >> 4];
		serial[2 * i + 1] = digit[hash[i] & 15];
	}
}

/* -- application --------------------------------------------------------------------------- */

bool port_begin(void)
{
	SCB_SCR &= ~(uint32_t)NEVER_DEEP;
	GCR_PCLKDIS1 &= ~PCLKDIS1_WDT0;
	reset_begin();
	facts.reset_cause = (uint8_t)reset_cause();
	if (reset_fault() != NULL) {
		facts.fault_pc = reset_fault()->pc;
		facts.fault_status = reset_fault()->cfsr;
	}
	facts.cpu_hz = clock_begin() * 1000000;
	facts.cnn_hz = facts.cpu_hz / 2;
	watchdog_begin();
	time_begin();
	DEMCR |= DEMCR_TRACE; /* cycles, for whoever measures with a debugger */
	DWT_CTRL |= 1;
	read_serial();
	clock_cnn_begin();
	uart_begin(MEETING_BPS);
	return true;
}

const struct port_facts *port_facts(void)
{
	return &facts;
}

struct port_line port_line(void)
{
	return uart_counted;
}

void port_feed(void)
{
	watchdog_feed();
}

/* The tick ends it after a millisecond at the latest. */
void port_sleep(uint64_t until_us)
{
	uint64_t now = time_us();

	if (until_us < now || until_us - now < 1000)
		return;
	irqs_mask();
	uart_wake_on_input();
	if (!done_unseen && !uart_has_input())
		__asm__ volatile("dsb\n\twfi" ::: "memory");
	done_unseen = false;
	irqs_unmask();
}

/* The request stays up until somebody acknowledges it in the accelerator, which is not this
 * handler's business: the agent and the primary wait for that bit. */
void max78000_on_cnn(void)
{
	irq_off(IRQ_CNN);
	done_us = time_in_handler_us();
	done_unseen = true;
}

void port_await_done(void)
{
	done_us = 0;
	done_unseen = false;
	irq_forget(IRQ_CNN);
	irq_on(IRQ_CNN);
}

uint64_t port_done_us(void)
{
	uint64_t t;

	irqs_mask();
	t = done_us;
	irqs_unmask();
	return t;
}
