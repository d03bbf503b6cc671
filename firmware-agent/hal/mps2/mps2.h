#ifndef HAL_MPS2_H
#define HAL_MPS2_H
#include <stdbool.h>
#include <stdint.h>

/* What the files of this port know of each other: Arm's MPS2 board with a Cortex-M4 (QEMU:
 * mps2-an386). Link on UART0, evidence on UART1, time from TIMER0, SysTick to wake the main loop
 * every millisecond, the watchdog, and the emulated accelerator in the PSRAM, because the board
 * has none. Main loop only, but what vectors.h names. */

/* port.c */
uint64_t mps2_now_ns(void); /* since port_begin() */
void mps2_time_stop(void); /* until mps2_time_go(): what happens takes no time */
void mps2_time_go(void);
void mps2_reset_why(uint32_t cause); /* enum agent_reset, for the life after the next reset */
void mps2_log_byte(char c);

/* cnn.c */
bool mps2_cnn_begin(void); /* false: no memory */
void mps2_cnn_write32(void *ctx, uint32_t addr, uint32_t value);
void mps2_cnn_write8(void *ctx, uint32_t addr, uint8_t value);
uint32_t mps2_cnn_read32(void *ctx, uint32_t addr);

#endif
