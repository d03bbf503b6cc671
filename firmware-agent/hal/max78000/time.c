#include "firmware-agent/hal/max78000/parts.h"
#include "firmware-agent/hal/max78000/regs.h"

/* 64-bit time from SysTick, which is the one timer that exists on silicon and in every
 * emulation. It wraps every millisecond, the interrupt counts. */
enum { TICK_US = 1000 };

static volatile uint64_t ticks;
static uint64_t last_us; /* the main loop's */

void time_begin(void)
{
	SYST_RVR = TICK_US * clock_core_mhz - 1;
	SYST_CVR = 0;
	SYST_CSR = SYST_ON;
}

void max78000_on_tick(void)
{
	ticks = ticks + 1;
}

/* The counter may have wrapped while the interrupt is pending, because interrupts are masked: the
 * pending bit tells, and a counter in its first half tells that the wrap came before it was
 * read. */
uint64_t time_in_handler_us(void)
{
	uint32_t period = TICK_US * clock_core_mhz, left, elapsed, pending;
	uint64_t n;

	do {
		n = ticks;
		left = SYST_CVR; /* the tick is when it becomes 0 */
		pending = SCB_ICSR & SCB_ICSR_TICK;
	} while (n != ticks);
	elapsed = left == 0 ? 0 : period - left;
	if (pending != 0 && elapsed < period / 2)
		n++;
	return n * TICK_US + elapsed / clock_core_mhz;
}

/* On an emulated core the interrupt may come so late that it is not even pending when the
 * counter has wrapped: then time would go back, and a tick is missing. */
uint64_t time_us(void)
{
	uint64_t now = time_in_handler_us();

	if (now < last_us && now + TICK_US > last_us)
		now += TICK_US;
	if (now > last_us)
		last_us = now;
	return last_us;
}
