#ifndef AG_HAL_H
#define AG_HAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything the portable core may ask of a chip. No register name of the MCU, interrupt
 * number or vendor type crosses this line. All calls return at once; nothing here blocks.
 * The accelerator is reached by plain bus accesses at the addresses of accel/arch.h. */
struct ag_hal {
	void *ctx;
	uint64_t (*now_us)(void *ctx); /* since boot */
	size_t (*uart_read)(void *ctx, uint8_t *to, size_t cap); /* 0 if none */
	size_t (*uart_write)(void *ctx, const uint8_t *from,
			     size_t n); /* bytes taken, may be < n */
	void (*cnn_write32)(void *ctx, uint32_t addr, uint32_t value);
	void (*cnn_write8)(void *ctx, uint32_t addr, uint8_t value);
	uint32_t (*cnn_read32)(void *ctx, uint32_t addr);
	uint32_t (*random)(void *ctx); /* boot incarnation; once at start */
	/* Both or none (NULL: the line keeps the rate it booted with). uart_tx_idle: the last bit
	 * of everything uart_write() took has left the pin, FIFO and shift register are empty.
	 * uart_set_baud: from now on both ways; only called while uart_tx_idle; false: this rate
	 * cannot be made, nothing changed. Received bytes that are still in a FIFO may get lost. */
	bool (*uart_tx_idle)(void *ctx);
	bool (*uart_set_baud)(void *ctx, uint32_t bps);
};
#endif
