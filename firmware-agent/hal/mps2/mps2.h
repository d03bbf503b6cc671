#ifndef HAL_MPS2_H
#define HAL_MPS2_H
#include "firmware-agent/core/hal.h"

/* The chip of an agent on Arm's MPS2 board with a Cortex-M4 (QEMU: mps2-an386): serial line on
 * UART0, time from TIMER0, SysTick to wake the main loop every millisecond, and the emulated
 * accelerator in the PSRAM, because the board has none. One instance; main loop only. */

/* Begin. False: no memory for the accelerator. */
bool mps2_init(void);
struct ag_hal mps2_hal(void);
/* Sleep until an interrupt; none is lost that came since the last step. */
void mps2_sleep(void);
/* 0 after power-on, 1 when this program ran before. */
uint8_t mps2_reset_cause(void);

#endif
