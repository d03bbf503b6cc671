#ifndef HAL_MPS2_VECTORS_H
#define HAL_MPS2_VECTORS_H

/* What the vector table names: start.c owns the table, the others the handlers. */
void mps2_on_tick(void);
void mps2_on_uart_rx(void);
void mps2_reset(void) __attribute__((noreturn));
int main(void);

#endif
