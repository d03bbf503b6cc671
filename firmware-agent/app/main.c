/* A product with an agent: a primary model in a loop of thirty activations a second, and beside
 * it everything the agent needs: its memory, its configuration, its step. Nothing here knows a
 * chip; port.h is all of it. */
#include "firmware-agent/app/mic.h"
#include "firmware-agent/app/port.h"
#include "firmware-agent/app/primary.h"
#include "firmware-agent/include/agent.h"

/* 128 KiB are all that a MAX78000 has: these, the microphone's second, the serial driver and
 * the stack. */
enum {
	MODEL_SLOTS = 4,
	SLOT_BYTES = 6144,
	JOB_SLOTS = 4,
	JOB_BYTES = 8032, /* with 160 bytes of a message around it, as long as the link buffers */
	RECORD_BYTES = 4096,
	TX_BYTES = 8192,
	RX_BYTES = 16384,
};

static struct agent agent;
static uint8_t slot_memory[MODEL_SLOTS * SLOT_BYTES] __attribute__((aligned(4)));
static uint8_t job_memory[JOB_SLOTS * JOB_BYTES] __attribute__((aligned(4)));
static uint8_t record_memory[RECORD_BYTES] __attribute__((aligned(4)));
static uint8_t tx[TX_BYTES], rx[RX_BYTES];
static struct agent_box box __attribute__((section(".noinit")));

/* This product's entries in the black box. */
enum {
	NOTE_FAULT = AGENT_NOTE_FIRST, /* value: where */
	NOTE_FAULT_STATUS,
	NOTE_LINE, /* arg: 0 framing, 1 overrun, 2 ring full; value: how many since boot */
};

/* Guests get what the primary's image says it leaves; without an accelerator, nothing. */
static void set_room(struct ag_config *c, const struct loadimg *net)
{
	if (net == NULL)
		return;
	c->primary_name = net->name;
	c->primary_quadrants = net->quadrants;
	c->kernel_first = net->left.kernel_first;
	c->kernel_words = net->left.kernel_words;
	c->bias_first = net->left.bias_first;
	c->bias_count = net->left.bias_count;
	c->data_first = net->left.data_first;
	c->data_words = net->left.data_words;
}

static bool agent_begin(const struct ag_hal *hal)
{
	const struct port_facts *f = port_facts();
	struct ag_config c = { .serial = f->serial,
			       .device = f->device,
			       .primary_name = "none",
			       .fw_minor = 1,
			       .reset_cause = f->reset_cause,
			       .link_bps = f->link_bps,
			       .cnn_hz = f->cnn_hz,
			       .cpu_hz = f->cpu_hz,
			       .bus_write_ns = f->bus_write_ns,
			       .bus_read_ns = f->bus_read_ns,
			       .primary_quadrants = (1u << CNN_QUADRANTS) - 1,
			       .model_slots = MODEL_SLOTS,
			       .slot_memory = slot_memory,
			       .slot_bytes = SLOT_BYTES,
			       .job_slots = JOB_SLOTS,
			       .job_memory = job_memory,
			       .job_bytes = JOB_BYTES,
			       .record_memory = record_memory,
			       .record_bytes = RECORD_BYTES,
			       .tx = tx,
			       .tx_bytes = TX_BYTES,
			       .rx = rx,
			       .rx_bytes = RX_BYTES,
			       .rates = f->rates,
			       .n_rates = f->n_rates,
			       .box = &box };

	set_room(&c, primary_image());
	if (agent_init(&agent, hal, &c) != HV_OK)
		return false;
	if (f->fault_pc != 0 || f->fault_status != 0) {
		agent_note(&agent, NOTE_FAULT, 0, f->fault_pc);
		agent_note(&agent, NOTE_FAULT_STATUS, 0, f->fault_status);
	}
	return true;
}

static void note_line(uint8_t arg, uint32_t now, uint32_t *noted)
{
	if (now != *noted)
		agent_note(&agent, NOTE_LINE, arg, now);
	*noted = now;
}

/* Damage on the serial line goes into the black box, at most once a second. */
static void watch_line(uint64_t now_us)
{
	static struct port_line noted;
	static uint64_t next_us;
	struct port_line line;

	if (now_us < next_us)
		return;
	next_us = now_us + 1000000;
	line = port_line();
	note_line(0, line.framing, &noted.framing);
	note_line(1, line.overrun, &noted.overrun);
	note_line(2, line.full, &noted.full);
}

/* Fed only by a loop in which the agent stepped and the primary finished an inference since the
 * last time: an accelerator that never ends one is a reason to begin anew, too. */
static void feed(bool has_primary)
{
	static uint32_t fed_at;
	uint32_t n = primary_counted()->inferences;

	if (has_primary && n == fed_at)
		return;
	fed_at = n;
	port_feed();
}

/* When the agent or the primary next has something to do that no interrupt tells. */
static uint64_t next_us(bool has_primary)
{
	uint64_t quiet = 0, next = agent_next_us(&agent);

	if (agent_is_quiet(&agent, &quiet) && quiet > next)
		next = quiet;
	if (has_primary && primary_next_us() < next)
		next = primary_next_us();
	return next;
}

int main(void)
{
	struct ag_hal hal;
	bool has_primary;

	if (!port_begin())
		return 1;
	hal = port_hal();
	has_primary = primary_begin(&hal);
	if (!agent_begin(&hal))
		return 1;
	if (has_primary)
		primary_share(&agent);
	for (;;) {
		bool more = has_primary && primary_step(&agent);

		if (agent_step(&agent))
			more = true;
		feed(has_primary);
		watch_line(hal.now_us(hal.ctx));
		if (!more)
			port_sleep(next_us(has_primary));
	}
}
