#ifndef AGENT_H
#define AGENT_H
#include "firmware-agent/core/hal.h"
#include "util/fs/err.h"

/* The agent, as the firmware of a product sees it: link this in, and idle time of the CNN
 * accelerator runs jobs for a host, never at the expense of the model the product exists for.
 * Portable C11, no heap, no recursion, no floating point. docs/integrating.md goes through an
 * integration step by step.
 *
 * Glossary
 *   primary     the model the board exists for; it brackets every use of the accelerator with
 *               agent_primary_begin() and agent_primary_end()
 *   slot        a harvested network resident in kernel memory beside the primary
 *   guard       starts a harvested run only if the accelerator is idle and the worst case
 *               ends before the next expected activation
 *   slice       work of one agent_step(): at most AG_LONG_OPS bus accesses
 *   ring        samples the product's own firmware writes and a job may read
 *
 * Context: every call belongs to the one main loop, unless it says "interrupt". No call may
 * interrupt another but those. No call blocks, sleeps or masks interrupts.
 *
 * The wait bound: agent_primary_begin() and agent_stand_down() return after at most one abort
 * (a few writes) and the restore of the registers a guest touched (at most AG_RESTORE_REGS_MAX
 * writes); a slice in progress ends first. docs/concepts/agent.md has the sum, the board tells
 * it to the host, AG_WAIT_BOUND_US is its value at the default bus times. */
enum {
	AG_SLICE_OPS = 10, /* while registers are to be restored, else ... */
	AG_LONG_OPS = 20,
	AG_SLOTS_MAX = 8,
	AG_JOBS_MAX = 4,
	AG_IMAGE_REGS_MAX = 320, /* of a slot: four layers in four quadrants */
	AG_RESTORE_REGS_MAX = 144, /* of them, those that differ from the primary's */
	AG_BUFFERS_MAX = 4,
	AG_RATES_MAX = 8,
	AG_NAME_MAX = 15, /* characters of every name the agent tells, ASCII */
	AG_BOX_EVENTS = 32,
};

/* Memory of the black box: the last AG_BOX_EVENTS things that happened, each with its own check
 * sum. Memory that a warm reset does not clear and the start-up code does not touch (a NOLOAD
 * section) makes the reason of a reset readable afterwards. Members are the agent's own. */
struct agent_box {
	struct ag_box_event {
		uint64_t at_us; /* since its boot */
		uint32_t seq, value;
		uint16_t boot; /* counts boots, as far as this memory knows */
		uint8_t kind, arg;
		uint32_t crc;
	} event[AG_BOX_EVENTS];
};

/* What the board gives the agent. All memory is the caller's and lives as long as the agent;
 * the structure itself is copied. Members that are 0 or NULL without a remark are errors. */
struct ag_config {
	const char *serial, *device, *primary_name; /* at most AG_NAME_MAX characters each */
	uint16_t fw_major, fw_minor;
	uint8_t reset_cause; /* enum agent_reset */
	/* Rate of the serial line at boot, bits/s: where host and board meet. 115200 on every
	 * real bridge. */
	uint32_t link_bps;
	uint32_t cnn_hz; /* clock of the accelerator */
	uint32_t cpu_hz; /* clock of the processor, for the wait bound; 0: 100 MHz */
	uint16_t bus_write_ns, bus_read_ns; /* worst time of one access to it */
	/* What the primary leaves: kernel words, bias bytes, data words; its quadrants. */
	uint16_t kernel_first, kernel_words, bias_first, bias_count, data_first, data_words;
	uint8_t primary_quadrants; /* bit q: quadrant q is used by the primary */
	uint8_t model_slots, job_slots; /* <= AG_SLOTS_MAX, AG_JOBS_MAX */
	uint8_t *slot_memory; /* model_slots * slot_bytes: header, regs, steps */
	uint32_t slot_bytes;
	uint8_t *job_memory; /* job_slots * job_bytes */
	uint32_t job_bytes;
	uint8_t *record_memory; /* one output record, until it is whole */
	uint32_t record_bytes; /* longer outputs are refused at load */
	uint8_t *tx, *rx; /* link buffers, powers of two */
	uint16_t tx_bytes, rx_bytes; /* 2048..32768 */
	/* Faster rates of the serial line than link_bps, in any order; copied. 0: the line keeps
	 * its rate, and hal.uart_set_baud may be NULL. */
	const uint32_t *rates;
	uint8_t n_rates; /* <= AG_RATES_MAX */
	struct agent_box *box; /* NULL: no black box */
};

/* Why the board started; anything else is told as a number. */
enum agent_reset {
	AGENT_RESET_POWER = 0, /* power came, or it is not known */
	AGENT_RESET_EXTERNAL = 1, /* reset pin, debug adapter */
	AGENT_RESET_WATCHDOG = 2,
	AGENT_RESET_SOFTWARE = 3, /* the firmware asked for it */
	AGENT_RESET_FAULT = 4, /* the fault handler asked for it */
};

/* Memory of an agent: `static struct agent agent;`, about 7.5 KiB, or a member of yours. The type
 * is complete so that the compiler knows its size on every chip; its members are private. */
struct agent;

/* Begin. Before it: the accelerator is powered and the primary's kernels, bias and registers
 * are loaded (or there is no primary), and the serial line runs at c->link_bps. hal and c are
 * copied. May be called again (a warm restart of the agent alone: slots and jobs are gone).
 *
 *   HV_OK
 *   HV_E_INVAL   a limit of the configuration is broken; nothing was begun */
HV_NODISCARD int agent_init(struct agent *a, const struct ag_hal *hal, const struct ag_config *c);

/* One slice of work: link, loading, a piece of a run. Call it in the main loop, as often as
 * possible; what takes longer than hal.now_us() needs to pass a few hundred microseconds between
 * two calls only costs harvest. Returns true when there may be more to do at once, false when
 * nothing happens before agent_next_us() or new link bytes: sleep until then or an interrupt. */
bool agent_step(struct agent *a);
/* Time of hal.now_us(); 0: at once; UINT64_MAX: only on input, or when the serial driver takes
 * bytes again. */
uint64_t agent_next_us(const struct agent *a);

/* The primary wants the accelerator, which it requested at requested_us (an interrupt may
 * have noted it before this call; a time in the future counts as now). On return it is the
 * primary's: idle, with every register as the primary left it, kernels and biases of its own
 * untouched; its data memory may have been used. Returns within the wait bound. A begin without
 * an end ends the bracket before. */
void agent_primary_begin(struct agent *a, uint64_t requested_us);
/* The primary is done: idle, its outputs read. Without a begin: nothing happens. */
void agent_primary_end(struct agent *a);

/* The primary knows when it will request the accelerator next: its period and its jitter, in
 * times of hal.now_us(). Both 0: it does not know; the agent then predicts from what it saw.
 * Forgotten at the next begin. A request within these times finds neither a run nor a step of
 * the agent. */
void agent_primary_expect(struct agent *a, uint64_t earliest_us, uint64_t latest_us);

/* The primary is due: agent_step() does nothing before *until_us (at most 2.7 ms from now), not
 * even with link bytes, which wait in the serial driver. A main loop sleeps until then. */
bool agent_is_quiet(const struct agent *a, uint64_t *until_us);

/* Stand-down: the agent leaves the accelerator alone until agent_resume(), for sleep, another
 * use, or an update. The running job is aborted and every job here goes back to the host, which
 * finds it another place; a load is refused. On return the accelerator is as
 * agent_primary_begin() would leave it, within the same bound. The link stays alive as long as
 * agent_step() is called, and the host knows. Idempotent. Inside a bracket it is fine, too. */
void agent_stand_down(struct agent *a);
/* Back to work. kept: the accelerator's kernel and bias memories kept their contents meanwhile;
 * false (power was off, or they were used): all slots are forgotten, the host loads them again.
 * Without a stand-down: nothing happens. */
void agent_resume(struct agent *a, bool kept);

/* Type of a sample's channels; numbers as in the host's tasks. Little endian. */
enum agent_dtype { AGENT_S8 = 1, AGENT_U8 = 2, AGENT_S16 = 3, AGENT_U16 = 4, AGENT_S32 = 5 };

/* A ring of samples that the product writes for itself: microphone, motion sensor, line of a
 * camera. Sample i of the running count lies at memory + (i % samples) * channels * bytes of
 * dtype. Jobs read it, nothing of the agent writes it. */
struct agent_buffer {
	const char *name; /* 1..AG_NAME_MAX characters of a-z 0-9 - _ . */
	uint8_t dtype; /* enum agent_dtype */
	uint8_t channels; /* interleaved values of one sample, 1..16 */
	uint32_t samples; /* length of the ring, 2..2^24 */
	/* Samples that the writer may be overwriting before it says so with agent_buffer_advance():
	 * a DMA block, or what one interrupt writes. At least 1, less than samples. */
	uint32_t write_ahead;
	uint32_t rate_millihz; /* samples in 1000 s; 0: not regular */
	const void *memory; /* aligned for dtype; lives as long as the agent */
};

/* Offer a ring to jobs, under its name. After agent_init(), before or after the link is up. The
 * structure is copied, the memory is not.
 *
 *   0..AG_BUFFERS_MAX-1   its number, for agent_buffer_advance()
 *   HV_E_INVAL            a member is outside what it says above
 *   HV_E_BUSY             AG_BUFFERS_MAX are registered, or one has this name */
HV_NODISCARD int agent_buffer_register(struct agent *a, const struct agent_buffer *b);
/* The writer has written so many more samples; more than the ring holds is fine. Interrupt or
 * main loop, one writer a buffer; a few instructions. At least one agent_step() must come
 * between 2^31 samples. A number that is not registered: nothing happens. */
void agent_buffer_advance(struct agent *a, int buffer, uint32_t samples);

/* What the agent did since agent_init(). Counters wrap. */
struct agent_stats {
	uint64_t up_us, harvest_busy_us, primary_busy_us;
	uint32_t primary_total; /* activations */
	uint32_t primary_wait_max_us; /* longest wait in agent_primary_begin(), request included */
	uint32_t jobs_done, jobs_failed, jobs_refused, records;
	uint32_t runs_aborted; /* given up for the primary or a stand-down, then repeated */
	uint32_t bad_messages, frames_bad; /* damage on the line */
	uint32_t stale; /* jobs whose samples were overwritten before they were read */
	uint32_t line_bps; /* rate of the line now */
	uint8_t models, jobs; /* resident, and queued or running now */
	bool link_up, stood_down;
};
void agent_stats_get(const struct agent *a, struct agent_stats *s);

/* For the product's own entries in the black box: kind AGENT_NOTE_FIRST..255 are yours, arg and
 * value mean what you like and are shown as numbers. No box: nothing happens. */
enum { AGENT_NOTE_FIRST = 64 };
void agent_note(struct agent *a, uint8_t kind, uint8_t arg, uint32_t value);

/* The members of struct agent. */
#include "firmware-agent/core/state.h"

#endif
