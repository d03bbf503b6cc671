#ifndef AG_HOST_H
#define AG_HOST_H
#include "accel/emu/emu.h"
#include "firmware-agent/core/hal.h"

/* The chip under a hosted agent: the register-level emulator, and time that only passes when
 * something takes time. Every bus access of the agent costs what the silicon's would; an
 * inference is done when its cycles have passed. Time in nanoseconds since the world began. */
struct host_events {
	void *ctx;
	size_t (*uart_read)(void *ctx, uint8_t *to, size_t cap);
	size_t (*uart_write)(void *ctx, const uint8_t *from, size_t n);
	void (*on_start)(void *ctx); /* the agent started an inference */
	void (*on_done)(void *ctx); /* at done_ns its result was in the memories */
	void (*on_stop)(void *ctx); /* it was stopped before */
	void (*on_output)(void *ctx, uint32_t *v); /* the agent reads a data word; may change it */
	/* Both or none: a line whose rate can change. */
	bool (*uart_tx_idle)(void *ctx);
	bool (*uart_set_baud)(void *ctx, uint32_t bps);
};

struct host_hal {
	struct cnn_emu *emu; /* borrowed */
	struct host_events ev;
	uint64_t now_ns, boot_ns;
	uint64_t done_ns; /* end of the agent's running inference; UINT64_MAX: none */
	uint32_t slow; /* an inference takes so many times its cycles; 1 */
	uint16_t write_ns, read_ns;
	uint32_t random_state;
	uint64_t bus_ops;
};

/* The emulator is the agent's until boot; h lives as long as the struct ag_hal. */
void host_hal_init(struct host_hal *h, struct cnn_emu *emu, const struct host_events *ev,
		   uint32_t seed);
/* A reset of the chip: the clock of the board begins anew, the accelerator lost everything. */
void host_hal_reboot(struct host_hal *h);
struct ag_hal host_hal_ops(struct host_hal *h);

/* Time passes; an inference that ends meanwhile is finished. */
void host_hal_advance(struct host_hal *h, uint64_t ns);
#endif
