#ifndef HAL_MAX78000_PARTS_H
#define HAL_MAX78000_PARTS_H
#include "firmware-agent/app/port.h"
#include "firmware-agent/include/agent.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the files of this port know of each other. Main loop only, except the handlers, which
 * the vector table names. */

/* start.c */
void max78000_reset(void) __attribute__((noreturn));

/* clock.c */
/* 100 MHz from the primary oscillator; 60, as after reset, when that one does not come up. */
uint32_t clock_begin(void);
extern uint32_t clock_core_mhz;
/* Until (reg & mask) == want, within about ten milliseconds. */
bool clock_wait(volatile uint32_t *reg, uint32_t mask, uint32_t want);
/* Power, clock and reset of the accelerator. Its registers answer afterwards; memories and
 * registers hold nothing. */
void clock_cnn_begin(void);

/* time.c */
void time_begin(void);
uint64_t time_us(void); /* since time_begin(); never goes back. Main loop only */
uint64_t time_in_handler_us(void);
void max78000_on_tick(void);

/* uart.c */
extern volatile struct port_line uart_counted;
void uart_begin(uint32_t bps);
/* Bytes still in the transmitter are lost: wait for uart_tx_idle(). False: the clock cannot be
 * divided to within one per cent of this rate, and nothing changed. */
bool uart_set_baud(uint32_t bps);
bool uart_tx_idle(void);
size_t uart_read(uint8_t *to, size_t cap);
size_t uart_write(const uint8_t *from, size_t n);
bool uart_has_input(void);
void uart_wake_on_input(void); /* the next byte from now on makes an interrupt */
void max78000_on_uart0(void);
void max78000_on_dma0(void);

/* port.c */
void max78000_on_cnn(void);

/* reset.c */
/* What the last fault left: in memory that a reset does not clear. */
struct fault_record {
	uint32_t pc, lr, cfsr, hfsr, bfar;
};

void reset_begin(void); /* reads the cause; call before the watchdog is set up */
enum agent_reset reset_cause(void);
uint32_t reset_boots(void); /* since power came, this one included */
const struct fault_record *reset_fault(void); /* NULL: the last reset was none */
void watchdog_begin(void);
void watchdog_feed(void);
void reset_now(void) __attribute__((noreturn));
void max78000_fault(void) __attribute__((noreturn));

#endif
