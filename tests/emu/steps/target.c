/* The agent alone in memory, for counting its cycles: no chip but RAM and the accelerator's
 * window. The host calls agent_step() and the other functions by their addresses. */
#include "tests/emu/steps/target.h"
#include "firmware-agent/include/agent.h"
#include "accel/arch.h"

enum {
	MODEL_SLOTS = 4,
	SLOT_BYTES = 8192,
	JOB_SLOTS = 4,
	JOB_BYTES = 8192,
	RECORD_BYTES = 4096,
	LINK_BYTES = 16384,
	RING_SAMPLES = 1024,
};

struct agent agent;
struct target_port port;
static struct agent_box box;
static uint8_t slot_memory[MODEL_SLOTS * SLOT_BYTES] __attribute__((aligned(4)));
static uint8_t job_memory[JOB_SLOTS * JOB_BYTES] __attribute__((aligned(4)));
static uint8_t record_memory[RECORD_BYTES] __attribute__((aligned(4)));
static uint8_t tx[LINK_BYTES], rx[LINK_BYTES];
static int16_t ring[RING_SAMPLES];

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return port.now_us;
}

static size_t uart_read(void *ctx, uint8_t *to, size_t cap)
{
	size_t n = 0;

	(void)ctx;
	while (n < cap && port.rx_at < port.rx_n)
		to[n++] = port.rx[port.rx_at++];
	return n;
}

static size_t uart_write(void *ctx, const uint8_t *from, size_t n)
{
	size_t i = 0;

	(void)ctx;
	while (i < n && port.tx_n < TARGET_LINE)
		port.tx[port.tx_n++] = from[i++];
	return i;
}

static void write32(void *ctx, uint32_t addr, uint32_t value)
{
	(void)ctx;
	*(volatile uint32_t *)(uintptr_t)addr = value;
}

static void write8(void *ctx, uint32_t addr, uint8_t value)
{
	(void)ctx;
	*(volatile uint8_t *)(uintptr_t)addr = value;
}

static uint32_t read32(void *ctx, uint32_t addr)
{
	(void)ctx;
	return *(volatile uint32_t *)(uintptr_t)addr;
}

static uint32_t random32(void *ctx)
{
	(void)ctx;
	return 0x12345678;
}

static bool tx_idle(void *ctx)
{
	(void)ctx;
	return port.tx_n == 0;
}

static bool set_baud(void *ctx, uint32_t bps)
{
	(void)ctx;
	return bps != 0;
}

static void tell(void)
{
	port.agent_bytes = sizeof(struct agent);
	port.dirty_regs = offsetof(struct agent, run.dirty_regs);
	port.dirty_ctrl = offsetof(struct agent, run.dirty_ctrl);
	port.hold = offsetof(struct agent, hold);
	port.phase = offsetof(struct agent, run.phase);
	port.turn = offsetof(struct agent, turn);
	port.in_what = offsetof(struct agent, in.what);
	port.load_part = offsetof(struct agent, load.part);
	port.restore_regs_max = AG_RESTORE_REGS_MAX;
	port.step_cycles = AG_STEP_CYCLES;
	port.long_cycles = AG_LONG_CYCLES;
	port.begin_cycles = AG_BEGIN_CYCLES;
	port.restore_cycles = AG_RESTORE_CYCLES;
	port.slice_ops = AG_SLICE_OPS;
	port.long_ops = AG_LONG_OPS;
	port.bound_us = AG_WAIT_BOUND_US;
}

/* 0 when all is well. */
int target_begin(void);
int target_begin(void)
{
	static const uint32_t rates[] = { 1000000 };
	struct ag_hal hal = { .now_us = now_us,
			      .uart_read = uart_read,
			      .uart_write = uart_write,
			      .cnn_write32 = write32,
			      .cnn_write8 = write8,
			      .cnn_read32 = read32,
			      .random = random32,
			      .uart_tx_idle = tx_idle,
			      .uart_set_baud = set_baud };
	struct ag_config c = { .serial = "steps-serial-15",
			       .device = "max78000-device",
			       .primary_name = "primary-name-15",
			       .link_bps = 115200,
			       .rates = rates,
			       .n_rates = 1,
			       .box = &box,
			       .cnn_hz = CNN_CLOCK_HZ,
			       .bus_write_ns = CNN_BUS_WRITE_NS,
			       .bus_read_ns = CNN_BUS_READ_NS,
			       .kernel_first = 376,
			       .kernel_words = 392,
			       .bias_count = CNN_BIAS_BYTES,
			       .data_first = 512,
			       .data_words = 7680,
			       .primary_quadrants = 15,
			       .model_slots = MODEL_SLOTS,
			       .slot_memory = slot_memory,
			       .slot_bytes = SLOT_BYTES,
			       .job_slots = JOB_SLOTS,
			       .job_memory = job_memory,
			       .job_bytes = JOB_BYTES,
			       .record_memory = record_memory,
			       .record_bytes = RECORD_BYTES,
			       .tx = tx,
			       .tx_bytes = LINK_BYTES,
			       .rx = rx,
			       .rx_bytes = LINK_BYTES };
	struct agent_buffer b = { .name = "ring",
				  .dtype = AGENT_S16,
				  .channels = 1,
				  .samples = RING_SAMPLES,
				  .write_ahead = 1,
				  .memory = ring };

	tell();
	if (agent_init(&agent, &hal, &c) != HV_OK)
		return 1;
	if (agent_buffer_register(&agent, &b) != 0)
		return 2;
	agent_buffer_advance(&agent, 0, RING_SAMPLES);
	return 0;
}
