#ifndef AG_AGENT_H
#define AG_AGENT_H
#include "accel/slotimg/slotimg.h"
#include "firmware-agent/core/hal.h"
#include "proto/arq.h"
#include "proto/linkmsg.h"
#include "util/fs/sha256.h"

/* The agent: owns the accelerator whenever the primary does not, runs harvested jobs in the
 * gaps and gives it back within a bound. Portable, no heap, no recursion, no floating point;
 * one context, everything happens inside these calls.
 *
 * Glossary
 *   primary     the model the board exists for; it brackets every use of the accelerator with
 *               agent_primary_begin() and agent_primary_end()
 *   slot        a harvested network resident in kernel memory beside the primary
 *   guard       starts a harvested run only if the accelerator is idle and the worst case
 *               ends before the next expected activation
 *   slice       work of one agent_step(): at most AG_SLICE_OPS bus accesses
 *
 * The wait bound: agent_primary_begin() returns after at most one abort (a few writes) and the
 * restore of the registers a guest touched (at most AG_RESTORE_REGS_MAX writes); a slice in
 * progress ends first. See docs/concepts/agent.md for the sum. */
enum {
	AG_SLICE_OPS = 32,
	AG_SLOTS_MAX = 8,
	AG_JOBS_MAX = 4,
	AG_RESTORE_REGS_MAX = 256,
};

/* What the board gives the agent. All memory is the caller's and lives as long as the agent. */
struct ag_config {
	const char *serial, *device, *primary_name; /* at most 15 characters each */
	uint16_t fw_major, fw_minor;
	uint8_t reset_cause;
	uint32_t link_bps, cnn_hz;
	uint16_t bus_write_ns, bus_read_ns;
	/* What the primary leaves: kernel words, bias bytes, data words; its quadrants. */
	uint16_t kernel_first, kernel_words, bias_first, bias_count, data_first, data_words;
	uint8_t primary_quadrants;
	uint8_t model_slots, job_slots; /* <= AG_SLOTS_MAX, AG_JOBS_MAX */
	uint8_t *slot_memory; /* model_slots * slot_bytes: header, regs, steps */
	uint32_t slot_bytes;
	uint8_t *job_memory; /* job_slots * job_bytes */
	uint32_t job_bytes;
	uint8_t *record_memory; /* one output record, until it is whole */
	uint32_t record_bytes; /* longer outputs are refused at load */
	uint8_t *tx, *rx; /* link buffers, powers of two */
	uint16_t tx_bytes, rx_bytes;
	uint8_t *message; /* one whole message */
	uint32_t message_bytes;
};

struct agent; /* firmware-agent/core/state.h; static storage is the owner's */

/* Begin. The accelerator is powered and the primary's kernels, bias and registers are loaded
 * (or there is none). HV_E_INVAL: a limit of the configuration is wrong. */
HV_NODISCARD int agent_init(struct agent *a, const struct ag_hal *hal, const struct ag_config *c);

/* One slice of work: link, loading, a piece of a run. Returns true when there may be more to
 * do at once, false when nothing happens before agent_next_us() or new link bytes. */
bool agent_step(struct agent *a);
/* UINT64_MAX: only on input, or when the serial line takes bytes again. */
uint64_t agent_next_us(const struct agent *a);

/* The primary wants the accelerator, which it requested at requested_us (an interrupt may
 * have noted it before this call). On return it is the primary's: idle, with every register
 * as the primary left it. */
void agent_primary_begin(struct agent *a, uint64_t requested_us);
void agent_primary_end(struct agent *a);

/* The primary knows when it will request the accelerator next: its period and its jitter. Both
 * 0: it does not know; the agent then predicts from what it saw. Forgotten at the next begin.
 * A request within these times finds neither a run nor a step of the agent. */
void agent_primary_expect(struct agent *a, uint64_t earliest_us, uint64_t latest_us);

/* The primary is due: agent_step() does nothing before *until_us (at most 2.7 ms from now), not
 * even with link bytes, which wait in the serial driver. A main loop sleeps until then. */
bool agent_is_quiet(const struct agent *a, uint64_t *until_us);

#endif
