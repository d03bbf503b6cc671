#include "firmware-agent/hal/host/host.h"
#include "accel/arch.h"

static void settle(struct host_hal *h)
{
	if (h->now_ns < h->done_ns)
		return;
	cnn_emu_finish(h->emu);
	h->ev.on_done(h->ev.ctx);
	h->done_ns = UINT64_MAX;
}

void host_hal_advance(struct host_hal *h, uint64_t ns)
{
	h->now_ns += ns;
	settle(h);
}

static bool is_data(uint32_t addr)
{
	uint32_t in_quadrant = (addr - CNN_DATA) % CNN_QUADRANT_STRIDE;

	return addr >= CNN_DATA && addr < CNN_DATA + CNN_QUADRANTS * CNN_QUADRANT_STRIDE &&
	       in_quadrant < 4 * 4 * CNN_DATA_WORDS;
}

/* A write may have started the machine, or stopped it. */
static void watch(struct host_hal *h)
{
	bool running = cnn_emu_running(h->emu);

	if (running && h->done_ns == UINT64_MAX) {
		uint64_t cycles = cnn_emu_cycles(h->emu);

		h->done_ns = h->now_ns + cycles * CNN_CYCLE_NS * h->slow;
		h->ev.on_start(h->ev.ctx);
	} else if (!running && h->done_ns != UINT64_MAX) {
		h->done_ns = UINT64_MAX;
		h->ev.on_stop(h->ev.ctx);
	}
}

static void write32(void *ctx, uint32_t addr, uint32_t value)
{
	struct host_hal *h = ctx;

	h->bus_ops++;
	host_hal_advance(h, h->write_ns);
	cnn_emu_write32(h->emu, addr, value);
	watch(h);
}

static void write8(void *ctx, uint32_t addr, uint8_t value)
{
	struct host_hal *h = ctx;

	h->bus_ops++;
	host_hal_advance(h, h->write_ns);
	cnn_emu_write8(h->emu, addr, value);
}

static uint32_t read32(void *ctx, uint32_t addr)
{
	struct host_hal *h = ctx;
	uint32_t v;

	h->bus_ops++;
	host_hal_advance(h, h->read_ns);
	v = cnn_emu_read32(h->emu, addr);
	if (is_data(addr))
		h->ev.on_output(h->ev.ctx, &v);
	return v;
}

static uint64_t now_us(void *ctx)
{
	const struct host_hal *h = ctx;

	return (h->now_ns - h->boot_ns) / 1000;
}

static size_t uart_read(void *ctx, uint8_t *to, size_t cap)
{
	struct host_hal *h = ctx;

	return h->ev.uart_read(h->ev.ctx, to, cap);
}

static size_t uart_write(void *ctx, const uint8_t *from, size_t n)
{
	struct host_hal *h = ctx;

	return h->ev.uart_write(h->ev.ctx, from, n);
}

static bool uart_tx_idle(void *ctx)
{
	struct host_hal *h = ctx;

	return h->ev.uart_tx_idle(h->ev.ctx);
}

static bool uart_set_baud(void *ctx, uint32_t bps)
{
	struct host_hal *h = ctx;

	return h->ev.uart_set_baud(h->ev.ctx, bps);
}

/* xorshift32 */
static uint32_t random32(void *ctx)
{
	struct host_hal *h = ctx;

	h->random_state ^= h->random_state << 13;
	h->random_state ^= h->random_state >> 17;
	h->random_state ^= h->random_state << 5;
	return h->random_state;
}

void host_hal_init(struct host_hal *h, struct cnn_emu *emu, const struct host_events *ev,
		   uint32_t seed)
{
	*h = (struct host_hal){ .emu = emu,
				.ev = *ev,
				.done_ns = UINT64_MAX,
				.slow = 1,
				.write_ns = CNN_BUS_WRITE_NS,
				.read_ns = CNN_BUS_READ_NS,
				.random_state = seed != 0 ? seed : 1 };
}

void host_hal_reboot(struct host_hal *h)
{
	cnn_emu_reset(h->emu);
	h->done_ns = UINT64_MAX;
	h->boot_ns = h->now_ns;
}

struct ag_hal host_hal_ops(struct host_hal *h)
{
	return (struct ag_hal){ .ctx = h,
				.now_us = now_us,
				.uart_read = uart_read,
				.uart_write = uart_write,
				.cnn_write32 = write32,
				.cnn_write8 = write8,
				.cnn_read32 = read32,
				.random = random32,
				.uart_tx_idle = h->ev.uart_tx_idle != NULL ? uart_tx_idle : NULL,
				.uart_set_baud =
					h->ev.uart_set_baud != NULL ? uart_set_baud : NULL };
}
