/* Vector table and the way from reset to main(). */
#include "firmware-agent/app/port.h"
#include "firmware-agent/hal/max78000/parts.h"
#include "firmware-agent/hal/max78000/regs.h"
#include <string.h>

/* From the linker script; only their addresses mean something. */
extern uint8_t image_vectors[], image_data_load[], image_data[], image_data_end[];
extern uint8_t image_bss[], image_bss_end[], image_guard[], image_stack_top[];

union vector {
	void *stack;
	void (*handler)(void);
};

#define IRQ(n) (16 + (n))
enum { VECTORS = IRQ(IRQS) };

/* The 256 bytes below the stack belong to nobody: an overflow faults before it overwrites. */
static void guard_begin(void)
{
	if (MPU_TYPE == 0)
		return;
	MPU_RNR = 0;
	MPU_RBAR = (uint32_t)(uintptr_t)image_guard;
	MPU_RASR = MPU_NO_ACCESS_256;
	MPU_CTRL = MPU_ON;
	__asm__ volatile("dsb\n\tisb" ::: "memory");
}

/* The ROM jumps here with its own table in force. */
void max78000_reset(void)
{
	irqs_mask();
	SCB_VTOR = (uint32_t)(uintptr_t)image_vectors;
	SCB_CPACR |= SCB_CPACR_FPU;
	__asm__ volatile("dsb\n\tisb" ::: "memory");
	memcpy(image_data, image_data_load, (size_t)(image_data_end - image_data));
	memset(image_bss, 0, (size_t)(image_bss_end - image_bss));
	guard_begin();
	irqs_unmask();
	(void)main();
	max78000_fault();
}

/* clang-format off */
__attribute__((section(".vectors"), used, aligned(512))) static const union vector table[VECTORS] = {
	[0] = { .stack = image_stack_top },
	[1] = { .handler = max78000_reset },
	[2 ... 14] = { .handler = max78000_fault },
	[15] = { .handler = max78000_on_tick },
	/* interrupts; those in between are never enabled */
	[IRQ(0) ... IRQ(IRQ_UART0) - 1] = { .handler = max78000_fault },
	[IRQ(IRQ_UART0)] = { .handler = max78000_on_uart0 },
	[IRQ(IRQ_UART0) + 1 ... IRQ(IRQ_DMA0) - 1] = { .handler = max78000_fault },
	[IRQ(IRQ_DMA0)] = { .handler = max78000_on_dma0 },
	[IRQ(IRQ_DMA0) + 1 ... IRQ(IRQ_CNN) - 1] = { .handler = max78000_fault },
	[IRQ(IRQ_CNN)] = { .handler = max78000_on_cnn },
	[IRQ(IRQ_CNN) + 1 ... VECTORS - 1] = { .handler = max78000_fault },
};
/* clang-format on */
