#ifndef HAL_MPS2_VECTORS_H
#define HAL_MPS2_VECTORS_H

/* What the vector table names: start.c owns the table, port.c the handlers. */
void mps2_on_tick(void);
void mps2_on_uart_rx(void);
void mps2_on_watchdog(void) __attribute__((noreturn));
void mps2_reset(void) __attribute__((noreturn));

#endif
