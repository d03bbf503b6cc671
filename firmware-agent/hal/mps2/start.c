/* Vector table and the way from reset to main(). */
#include "firmware-agent/app/port.h"
#include "firmware-agent/hal/mps2/mps2.h"
#include "firmware-agent/hal/mps2/vectors.h"
#include "firmware-agent/include/agent.h"
#include <stdint.h>
#include <string.h>

#define CPACR (*(volatile uint32_t *)UINT32_C(0xe000ed88))
#define AIRCR (*(volatile uint32_t *)UINT32_C(0xe000ed0c))

enum {
	CPACR_FPU_FULL = 0xf << 20,
	AIRCR_RESET = 0x05fa0004,
};

/* From the linker script; only their addresses mean something. */
extern uint8_t image_data_load[], image_data[], image_data_end[];
extern uint8_t image_bss[], image_bss_end[], image_stack_top[];

/* Nothing can be trusted any more: begin again, the daemon sees a new life. */
static void fault(void)
{
	mps2_reset_why(AGENT_RESET_FAULT);
	AIRCR = AIRCR_RESET;
	for (;;)
		__asm__ volatile("" ::: "memory");
}

void mps2_reset(void)
{
	CPACR |= CPACR_FPU_FULL;
	__asm__ volatile("dsb\n\tisb" ::: "memory");
	memcpy(image_data, image_data_load, (size_t)(image_data_end - image_data));
	memset(image_bss, 0, (size_t)(image_bss_end - image_bss));
	(void)main();
	fault();
	for (;;)
		;
}

union vector {
	void *stack;
	void (*handler)(void);
};

/* clang-format off */
__attribute__((section(".vectors"), used)) static const union vector table[] = {
	[0] = { .stack = image_stack_top },
	[1] = { .handler = mps2_reset },
	[2] = { .handler = mps2_on_watchdog },
	[3] = { .handler = fault },  /* hard fault; the configurable ones escalate to it */
	[11] = { .handler = fault }, /* supervisor call: nobody makes one */
	[14] = { .handler = fault }, /* PendSV */
	[15] = { .handler = mps2_on_tick },
	[16] = { .handler = mps2_on_uart_rx },
	[17 ... 47] = { .handler = fault }, /* never enabled */
};
/* clang-format on */
