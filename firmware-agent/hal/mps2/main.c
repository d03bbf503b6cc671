/* An agent without primary on an MPS2 board: link, slots, jobs and the emulated accelerator,
 * all as Arm code. */
#include "accel/arch.h"
#include "firmware-agent/core/state.h"
#include "firmware-agent/hal/mps2/mps2.h"
#include "firmware-agent/hal/mps2/vectors.h"

enum {
	MODEL_SLOTS = 4,
	JOB_SLOTS = 4,
	SLOT_BYTES = 8192,
	JOB_BYTES = 8192,
	LINK_BYTES = 16384,
	RECORD_BYTES = 4096,
	LINK_BPS = 200000, /* what an emulated UART carries; no simulated baud rate */
	SPIN_US = 1000, /* shorter than this is not worth a sleep: SysTick's period */
};

static struct agent agent;
static uint8_t slot_memory[MODEL_SLOTS * SLOT_BYTES], job_memory[JOB_SLOTS * JOB_BYTES];
static uint8_t tx[LINK_BYTES], rx[LINK_BYTES], record[RECORD_BYTES];

static bool begin(void)
{
	struct ag_hal hal = mps2_hal();
	struct ag_config c = { .serial = "mps2",
			       .device = "max78000",
			       .primary_name = "none",
			       .fw_minor = 1,
			       .reset_cause = mps2_reset_cause(),
			       .link_bps = LINK_BPS,
			       .cnn_hz = CNN_CLOCK_HZ,
			       .bus_write_ns = CNN_BUS_WRITE_NS,
			       .bus_read_ns = CNN_BUS_READ_NS,
			       .kernel_words = CNN_KERNEL_WORDS,
			       .bias_count = CNN_BIAS_BYTES,
			       .data_words = CNN_DATA_WORDS,
			       .model_slots = MODEL_SLOTS,
			       .job_slots = JOB_SLOTS,
			       .slot_memory = slot_memory,
			       .slot_bytes = SLOT_BYTES,
			       .job_memory = job_memory,
			       .job_bytes = JOB_BYTES,
			       .record_memory = record,
			       .record_bytes = sizeof(record),
			       .tx = tx,
			       .rx = rx,
			       .tx_bytes = sizeof(tx),
			       .rx_bytes = sizeof(rx) };

	return agent_init(&agent, &hal, &c) == HV_OK;
}

int main(void)
{
	if (!mps2_init() || !begin())
		return 1;
	for (;;) {
		uint64_t now = agent.hal.now_us(agent.hal.ctx), next;

		if (agent_step(&agent))
			continue;
		next = agent_next_us(&agent);
		if (next > now && next - now > SPIN_US)
			mps2_sleep();
	}
}
