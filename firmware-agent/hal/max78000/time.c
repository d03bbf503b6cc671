#include "firmware-agent/hal/max78000/parts.h"
#include "firmware-agent/hal/max78000/regs.h"

/* 64-bit time from SysTick, which is the one timer that exists on silicon and in every
 * emulation. It wraps every millisecond, the interrupt counts. */
enum { TICK_US = 1000 };

static volatile uint64_t ticks;
static uint64_t last_us;

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

/* Two races. The counter wrapped and the interrupt is pending, because interrupts are masked:
 * the pending bit tells, and a counter in its first half tells that the wrap came before it was
 * read. Or the wrap is not even pending, as on emulated cores whose interrupt comes late: then
 * time would go back, and a tick is missing. */
uint64_t time_us(void)
{
	uint32_t period = TICK_US * clock_core_mhz, elapsed, pending;
	uint64_t n, now;

	do {
		n = ticks;
		elapsed = period - 1 - SYST_CVR;
		pending = SCB_ICSR & SCB_ICSR_TICK;
	} while (n != ticks);
	if (pending != 0 && elapsed < period / 2)
		n++;
	now = n * TICK_US + elapsed / clock_core_mhz;
	if (now < last_us && now + TICK_US > last_us)
		now += TICK_US;
	if (now > last_us)
		last_us = now;
	return last_us;
}
