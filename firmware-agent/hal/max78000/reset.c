#include "firmware-agent/hal/max78000/parts.h"
#include "firmware-agent/hal/max78000/regs.h"
#include "util/fs/crc32.h"

/* Why this life began, and the memory that tells. SRAM keeps its content over every reset but
 * the loss of power, so a check sum decides whether to believe it. */
enum { STATE_RAN = 1, STATE_FAULTED = 2 };

static struct {
	uint32_t state, boots;
	struct fault_record fault;
	uint32_t crc;
} kept __attribute__((section(".noinit")));

static enum agent_reset cause;
static bool faulted;

static uint32_t kept_crc(void)
{
	return hv_crc32(0, &kept, offsetof(__typeof__(kept), crc));
}

void reset_begin(void)
{
	bool believed = kept.crc == kept_crc();
	uint32_t watchdog = WDT_CTRL & (WDT_WAS_LATE | WDT_WAS_EARLY);

	faulted = believed && kept.state == STATE_FAULTED;
	if (watchdog != 0)
		cause = AGENT_RESET_WATCHDOG;
	else if (!believed)
		cause = AGENT_RESET_POWER;
	else
		cause = faulted ? AGENT_RESET_FAULT : AGENT_RESET_EXTERNAL;
	kept.boots = believed ? kept.boots + 1 : 1;
	kept.state = STATE_RAN;
	kept.crc = kept_crc();
}

enum agent_reset reset_cause(void)
{
	return cause;
}

uint32_t reset_boots(void)
{
	return kept.boots;
}

const struct fault_record *reset_fault(void)
{
	return faulted ? &kept.fault : NULL;
}

/* 1.34 s; the flags of the last reset go. */
void watchdog_begin(void)
{
	GCR_PCLKDIS1 &= ~PCLKDIS1_WDT0;
	WDT_CTRL = 0;
	WDT_CLKSEL = 0;
	WDT_CTRL = WDT_RESET_2POW26 | WDT_RESET_ON;
	watchdog_feed();
	WDT_CTRL |= WDT_ON;
}

void watchdog_feed(void)
{
	WDT_RST = 0xa5;
	WDT_RST = 0x5a;
}

void reset_now(void)
{
	SCB_AIRCR = SCB_AIRCR_RESET;
	for (;;)
		__asm__ volatile("" ::: "memory");
}

/* Called on a fresh stack with what was the stack pointer: of an overflow, it points into the
 * guard and there is no frame to read. */
__attribute__((used, noreturn)) static void fault_record(const uint32_t *frame)
{
	extern const uint32_t image_stack[], image_stack_top[];

	kept.fault = (struct fault_record){ .cfsr = SCB_CFSR, .hfsr = SCB_HFSR, .bfar = SCB_BFAR };
	if (frame >= image_stack && frame + 8 <= image_stack_top) {
		kept.fault.lr = frame[5];
		kept.fault.pc = frame[6];
	}
	kept.state = STATE_FAULTED;
	kept.crc = kept_crc();
	reset_now();
}

/* Every fault, and every interrupt that nobody enabled: write down where, begin again. */
__attribute__((naked)) void max78000_fault(void)
{
	__asm__ volatile("cpsid i\n\t"
			 "mov r0, sp\n\t"
			 "ldr r1, =image_stack_top\n\t"
			 "mov sp, r1\n\t"
			 "b fault_record\n\t"
			 ".ltorg");
}
