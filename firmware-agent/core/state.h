#ifndef AG_STATE_H
#define AG_STATE_H
#include "firmware-agent/include/agent.h"
#include "accel/slotimg/slotimg.h"
#include "firmware-agent/core/guard.h"
#include "proto/arq.h"
#include "proto/linkmsg.h"
#include "util/fs/sha256.h"

/* The agent's memory and what its files know of each other. Private to core/, the virtual
 * board and tests; a product's firmware gets it with the public header for its size alone. */
enum {
	AG_EVENTS = 64, /* primary activations waiting for the link */
	AG_FRUITLESS_MAX = 16, /* aborts in a row that finished no record */
	AG_REPLY_ROOM = 160, /* more than any message without a tail */
	AG_HEAD_BYTES = 64, /* more than any message to the board without a tail */
	AG_EVENT_BYTES = 16, /* of link message primary */
	AG_REPORT_EVERY_US = 250000,
	AG_QUIET_MAX_US = 2500, /* bytes of so long wait in the serial driver */
	AG_STEP_CPU_NS =
		1000, /* what the guard allows for a slice of a run, before it has learned */
	AG_PACE_ONE = 16,
	AG_PACE_MAX = 1024,
	/* Most that one step does of each kind; AG_STEP_CYCLES follows from these. */
	AG_LINE_BYTES = 8, /* link bytes taken and decoded, or encoded and given away */
	AG_LONG_LINE_BYTES = 32, /* the same while no registers are to be restored */
	AG_SLICE_COPY_BYTES = 32, /* of a message, of a ring's samples, of an output record */
	AG_LONG_COPY_BYTES = 128, /* the same while no registers are to be restored */
	AG_SLICE_HASH_BYTES = 16, /* of a slot image */
	AG_SLICE_ROUNDS = 8, /* of SHA-256 */
	AG_SLICE_ROWS = 2, /* of a table of steps checked */
	AG_SLICE_REGS = 6, /* registers */
	AG_SLICE_SNAP = 16, /* registers read, while none are to be restored */
	AG_SLICE_PIXELS = 12, /* input words, 48 conversions, while ... */
	AG_SLICE_WORDS = 12, /* output words, and what ends an item, while ... */
};

/* The promise to the primary. It waits for a step of agent_step() in progress, then for
 * agent_primary_begin(). Every term is either counted in bus accesses, which take a time, or in
 * processor cycles, which tests/emu/step_cost counts in the Arm code:
 *
 *   a step while registers of a run are to be restored   AG_SLICE_OPS, AG_STEP_CYCLES
 *   any other step                                       AG_LONG_OPS, AG_LONG_CYCLES
 *   hand-over: begin, CTRL and LCNT_MAX                  1 + 3 a quadrant, AG_BEGIN_CYCLES
 *   hand-over: each layer register                       1, AG_RESTORE_CYCLES
 */
enum {
	AG_CPU_HZ = 100000000, /* of a configuration that says 0 */
	AG_STEP_CYCLES = 1600,
	AG_LONG_CYCLES = 7000,
	AG_BEGIN_CYCLES = 850,
	AG_RESTORE_CYCLES = 17,
};
_Static_assert((int)AG_RESTORE_REGS_MAX == (int)SLOTIMG_RESTORE_MAX, "what hosts refuse to send");
#define AG_HANDOVER_WRITES           (1 + 3 * CNN_QUADRANTS + AG_RESTORE_REGS_MAX)
#define AG_CYCLES_NS(cycles, cpu_hz) ((uint32_t)((cycles)*UINT64_C(1000000000) / (cpu_hz)))
#define AG_SHORT_NS(access_ns, write_ns, cpu_hz)                                             \
	(AG_SLICE_OPS * (uint32_t)(access_ns) + AG_RESTORE_REGS_MAX * (uint32_t)(write_ns) + \
	 AG_CYCLES_NS(AG_STEP_CYCLES + AG_RESTORE_CYCLES * AG_RESTORE_REGS_MAX, cpu_hz))
#define AG_LONG_NS(access_ns, cpu_hz) \
	(AG_LONG_OPS * (uint32_t)(access_ns) + AG_CYCLES_NS(AG_LONG_CYCLES, cpu_hz))
#define AG_LONGER(a, b) ((a) > (b) ? (a) : (b))
#define AG_WAIT_BOUND_NS(write_ns, read_ns, cpu_hz)                             \
	((AG_HANDOVER_WRITES - AG_RESTORE_REGS_MAX) * (uint32_t)(write_ns) +    \
	 AG_CYCLES_NS(AG_BEGIN_CYCLES, cpu_hz) +                                \
	 AG_LONGER(AG_SHORT_NS(AG_LONGER(write_ns, read_ns), write_ns, cpu_hz), \
		   AG_LONG_NS(AG_LONGER(write_ns, read_ns), cpu_hz)))
/* The longest agent_primary_begin() may make the primary wait, at the default bus times and
 * clock. */
#define AG_WAIT_BOUND_US \
	((AG_WAIT_BOUND_NS(CNN_BUS_WRITE_NS, CNN_BUS_READ_NS, AG_CPU_HZ) + 999) / 1000)
_Static_assert(AG_WAIT_BOUND_US <= 100, "the promise to the primary");

/* A network in its slot. steps borrows the slot's memory. */
struct ag_slot {
	uint8_t state; /* enum link_slot_state */
	bool failed; /* the last load was refused: later chunks are ignored */
	bool report_due; /* model_state waits for room on the link */
	int report_code;
	uint8_t hash[HV_SHA256_BYTES];
	struct slotimg img;
	struct cnn_steps steps;
	uint8_t *memory; /* header, registers, steps */
	uint16_t cap_records; /* of one run: halved by an abort, doubled by a success */
	uint32_t fixed_ns, record_ns; /* worst case of a run: fixed + record * records */
	uint32_t start_ns, start_record_ns; /* of that, the inference */
	uint16_t pace; /* what runs take of that here, in sixteenths: learned, at least 16 */
};

/* HEADER and STEPS are checks of what has come. */
enum ag_load_part {
	AG_PART_KEPT,
	AG_PART_HEADER,
	AG_PART_STEPS,
	AG_PART_BIAS,
	AG_PART_KERNEL,
	AG_PART_DONE
};

/* The one load in progress. */
struct ag_load {
	bool active;
	uint8_t slot;
	enum ag_load_part part;
	uint32_t announced, got; /* bytes of the image */
	uint32_t kept; /* bytes that stay in slot memory; 0: header not complete */
	uint32_t checked; /* registers, then rows of steps, then layers */
	uint8_t checks; /* of steps that are over: 0, the view, its rows */
	uint16_t runs_left; /* of this part, the present one included */
	uint8_t head[SLOTIMG_RUN_HEAD_BYTES], head_n;
	uint8_t unit; /* quadrant or processor of the present run */
	uint16_t at, left; /* next word or byte of the present run, and how many */
	uint8_t group[4 * CNN_KERNEL_WORD_BYTES], group_n;
	struct hv_sha256 sha;
	uint8_t want[HV_SHA256_BYTES];
};

/* FILLING: its records are coming over the link or are being copied out of a ring; then QUEUED.
 * SENDING: its result is on its way; then FREE. */
enum ag_job_state {
	AG_JOB_FREE,
	AG_JOB_QUEUED,
	AG_JOB_RUNNING,
	AG_JOB_ENDED,
	AG_JOB_FILLING,
	AG_JOB_SENDING
};

/* Inputs are at the end of memory, outputs grow from its start: the output of record i never
 * reaches the input of record i + 1. */
struct ag_job {
	enum ag_job_state state;
	uint32_t id, order;
	uint8_t slot;
	uint16_t records, done;
	uint64_t latest_start_us, start_us, end_us;
	uint32_t cycles;
	uint16_t aborted, fruitless;
	int code;
	uint32_t out_bytes; /* of a job that is done: its slot may be another's by now */
	uint8_t *memory;
	/* input from a ring */
	bool from_ring;
	uint8_t ring;
	uint64_t first; /* sample its first record begins with */
	uint32_t hop; /* samples from record to record */
	uint32_t filled; /* bytes copied */
	uint32_t record_at; /* offset in the ring of the record being copied */
};

/* A registered ring. The writer adds to published, perhaps in an interrupt; the main loop
 * follows it with a count that does not wrap. */
struct ag_ring {
	const uint8_t *memory;
	char name[AG_NAME_MAX + 1];
	uint8_t dtype, channels, sample_bytes;
	uint32_t samples, write_ahead, rate_millihz;
	uint32_t published, seen;
	uint64_t written;
};

enum ag_baud_state { AG_BAUD_STEADY, AG_BAUD_ANSWERED, AG_BAUD_TRIAL, AG_BAUD_FAST };

/* The rate of the serial line; see baud.c. */
struct ag_baud {
	enum ag_baud_state state;
	uint32_t rates[AG_RATES_MAX];
	uint8_t n_rates;
	uint32_t bps, wanted_bps;
	uint64_t until_us; /* of an answer, a trial, or noise; 0: none runs */
	uint64_t heard_us; /* last good frame */
	uint32_t good; /* good frames then */
	uint64_t bytes; /* received bytes then */
};

/* What was asked and waits for room or for a quiet line. */
struct ag_answers {
	bool welcome; /* this life's host knows messages beyond the first protocol */
	uint8_t buffers; /* bit i: describe ring i */
	bool line, box, stand;
	uint32_t box_seq; /* next event to send */
	bool time;
	uint32_t time_seq;
	uint64_t time_received_us, time_until_us;
};

/* Where the black box stands. */
struct ag_blackbox {
	uint32_t next_seq, unsealed; /* events from unsealed on have no sum yet */
	uint16_t boot;
	uint32_t aborted; /* runs given up that are in the box */
	bool stood_down;
};

enum ag_phase { AG_IDLE, AG_SNAP, AG_CONFIG, AG_INPUT, AG_START, AG_WAIT, AG_RESTORE, AG_UNLOAD };

/* A register as the primary left it, and the guest does not. */
struct ag_saved {
	uint32_t addr, value;
};

/* The run in progress, and what has to be undone for the primary. */
struct ag_run {
	enum ag_phase phase;
	uint8_t job;
	uint16_t records, record, item; /* of this run; unload position */
	uint32_t at; /* register, or word of the input's pixels */
	uint16_t in_record, in_position; /* input position */
	uint8_t in_pass, in_group, in_step;
	uint8_t sums; /* of the item that is being unloaded */
	int64_t sum[CNN_STEPS_SUMS_MAX];
	uint64_t start_us, poll_us, give_up_us;
	uint32_t planned_us; /* what the guard was told */
	/* as the primary left them, for the slot in snap_slot while snap_valid */
	bool snap_valid;
	uint8_t snap_slot, snap_q; /* snap_q: quadrants whose CTRL and LCNT_MAX were read */
	struct ag_saved saved[AG_RESTORE_REGS_MAX];
	uint32_t ctrl[CNN_QUADRANTS], lcnt[CNN_QUADRANTS];
	uint16_t saved_n;
	uint16_t dirty_regs; /* saved [0, dirty_regs) are to be restored */
	bool dirty_ctrl; /* CTRL and LCNT_MAX may differ */
};

struct ag_event {
	uint64_t requested_us;
	uint32_t wait_ns, busy_us;
};

struct ag_primary {
	bool active;
	uint64_t requested_us, begin_us, end_us;
	uint32_t busy_max_us; /* of the last activations, slowly forgotten */
	struct guard_history seen;
	struct guard_told told; /* of the next request */
	uint64_t quiet_from_us, quiet_until_us; /* see quiet.c; from > until: never */
	uint32_t total, dropped, wait_max_ns;
	uint64_t busy_us;
	struct ag_event event[AG_EVENTS];
	uint16_t first, n;
	uint64_t report_us; /* when the waiting events are sent */
};

struct ag_counters {
	uint32_t jobs_done, jobs_failed, records, aborted, refused, bad_messages;
	uint64_t harvest_busy_us;
};

/* The message being taken from the link: its head, then its tail piece by piece. */
enum ag_in_what { AG_IN_HEAD, AG_IN_ACT, AG_IN_JOB, AG_IN_CHUNK, AG_IN_COMMIT, AG_IN_SKIP };

struct ag_in {
	enum ag_in_what what;
	uint8_t head[AG_HEAD_BYTES], n, at; /* [at, n) begins the tail */
	uint16_t bytes; /* of the message; 0: none has begun */
	uint16_t left; /* of the tail */
	uint64_t read_us; /* when its bytes were taken from the line */
	uint8_t job; /* that the tail fills */
};

/* The message being handed to the link. */
struct ag_out {
	uint8_t head[AG_REPLY_ROOM];
	uint16_t n, at; /* n 0: none */
	const uint8_t *tail; /* lives until it is handed over */
	uint32_t tail_n, tail_at;
	struct ag_job *job; /* whose result this is; free then */
};

/* A finished record on its way to its job's memory. */
struct ag_copy {
	uint8_t job;
	uint16_t n, at; /* n 0: none */
};

struct agent {
	struct ag_hal hal;
	struct ag_config cfg;
	uint64_t boot_us;
	uint32_t boot_id;
	struct arq arq;
	uint8_t rx[AG_LONG_LINE_BYTES], rx_n, rx_at;
	uint8_t out[AG_LONG_LINE_BYTES], out_n, out_at;
	struct ag_in in;
	struct ag_out send;
	struct ag_copy copy;
	uint8_t turn; /* whose step is next */
	uint8_t idle; /* a bit for each that had nothing to do since anything was done */
	bool long_due; /* a long step waits for the end of the run: no other begins before */
	bool hello_due, hello_unasked; /* unasked: sent at the begin of this life */
	struct ag_slot slot[AG_SLOTS_MAX];
	struct ag_load load;
	bool load_waits; /* a chunk waits for the accelerator: no run starts before */
	bool hold; /* CTRL of all quadrants is set for loading kernels */
	uint32_t hold_ctrl[CNN_QUADRANTS];
	struct ag_job job[AG_JOBS_MAX];
	uint32_t job_order;
	uint64_t guard_wake_us;
	struct ag_run run;
	struct ag_primary primary;
	struct ag_counters n;
	uint64_t read_us; /* when link bytes were last taken */
	struct ag_ring ring[AG_BUFFERS_MAX];
	uint8_t rings;
	uint32_t stale;
	struct ag_baud baud;
	struct ag_answers ask;
	struct ag_blackbox box;
	bool stood_down;
};

static inline uint64_t ag_now(const struct agent *a)
{
	return a->hal.now_us(a->hal.ctx);
}

static inline void ag_write(const struct agent *a, uint32_t addr, uint32_t value)
{
	a->hal.cnn_write32(a->hal.ctx, addr, value);
}

static inline uint32_t ag_read(const struct agent *a, uint32_t addr)
{
	return a->hal.cnn_read32(a->hal.ctx, addr);
}

static inline uint32_t ag_quadrant(uint32_t addr, unsigned q)
{
	return addr + q * CNN_QUADRANT_STRIDE;
}

/* A control word that configures without starting and leaves no done bit behind. */
static inline uint32_t ag_ctrl_idle(uint32_t ctrl)
{
	return ctrl & ~(CNN_CTRL_CNN_EN | CNN_CTRL_IRQ);
}

/* Everything that was to be sent has been given to the serial driver. */
static inline bool ag_all_sent(const struct agent *a)
{
	return a->send.n == 0 && a->arq.nxt == a->arq.end && !arq_is_pulling(&a->arq) &&
	       a->out_at == a->out_n;
}

/* May a step take long now? If registers would have to be restored after it, no; then no run
 * begins before it came. */
static inline bool ag_may_be_long(struct agent *a)
{
	a->long_due = a->run.dirty_regs > 0;
	return !a->long_due;
}

/* The primary would wait for a restore after this step, or its firmware waits for the processor. */
static inline bool ag_is_hurried(const struct agent *a)
{
	return a->run.dirty_regs > 0 || a->primary.active;
}

/* Link bytes that a step may work on now. */
static inline size_t ag_line_bytes(const struct agent *a)
{
	return ag_is_hurried(a) ? AG_LINE_BYTES : AG_LONG_LINE_BYTES;
}

/* Bytes that a step may copy now. */
static inline uint32_t ag_copy_bytes(const struct agent *a)
{
	return ag_is_hurried(a) ? AG_SLICE_COPY_BYTES : AG_LONG_COPY_BYTES;
}

/* agent.c */
uint32_t ag_wait_bound_us(const struct ag_config *c);

/* link.c: bytes and pieces of messages. True when something was done. */
bool ag_link_in(struct agent *a);
bool ag_link_out(struct agent *a);
bool ag_link_send_piece(struct agent *a); /* of the message being handed over */
size_t ag_link_tail(struct agent *a, uint8_t *to, size_t n); /* of the message being taken */

/* talk.c: messages. */
bool ag_talk_send_due(struct agent *a);
bool ag_talk_take(struct agent *a);
uint64_t ag_talk_next_us(const struct agent *a);
void ag_talk_life_over(struct agent *a); /* jobs and half loads are gone, slots stay */
/* False: no room, or one is being handed over. Of AG_REPLY_ROOM bytes at most, tail included. */
bool ag_talk_send(struct agent *a, const union link_msg *m, const void *tail, size_t n);
/* The same with n bytes of a job's memory as tail; then the job is free. */
bool ag_talk_send_result(struct agent *a, const union link_msg *m, struct ag_job *j, size_t n);
void ag_talk_report_slot(struct agent *a, unsigned slot, int code); /* now or when room is */

/* slots.c */
void ag_slot_begin(struct agent *a, const struct link_model_begin *m);
/* False: refused, the chunk's bytes are not wanted. */
bool ag_slot_chunk_ok(struct agent *a, const struct link_model_chunk *m);
/* True: the load is being committed, by ag_slot_commit_slice() until it says true. */
bool ag_slot_commit(struct agent *a, uint8_t slot);
bool ag_slot_commit_slice(struct agent *a);
void ag_slot_evict(struct agent *a, uint8_t slot);
void ag_slot_clear(struct agent *a, unsigned slot); /* empty it without a word */
void ag_slot_refuse(struct agent *a, int code); /* end the load in progress */
void ag_slot_drop_load(struct agent *a);

/* load.c: work on the chunk whose tail is being taken; true when something was done. Bytes for
 * the accelerator wait until it is free. */
bool ag_load_slice(struct agent *a);
void ag_load_release(struct agent *a); /* CTRL as the primary had it: <= CNN_QUADRANTS writes */

/* slot_check.c: is what a slot image says true and inside the room? 0 or HV_E_*. */
HV_NODISCARD int ag_slot_check_header(const struct agent *a, unsigned slot);
/* Then cnn_steps_check() has its rows, and slotimg_part_check() its layers. */
HV_NODISCARD int ag_slot_parse_steps(struct agent *a, unsigned slot);
void ag_slot_price(struct agent *a, unsigned slot);

/* jobs.c */
bool ag_job_add(struct agent *a, const struct link_job *m); /* false: refused */
void ag_job_fill(struct agent *a); /* the next piece of its records */
void ag_job_cancel(struct agent *a, uint32_t id);
void ag_job_end(struct agent *a, struct ag_job *j, int code);
void ag_job_drop_all(struct agent *a);
void ag_job_fail_slot(struct agent *a, unsigned slot, int code);
struct ag_job *ag_job_next(struct agent *a); /* oldest that wants to run, or NULL */
void ag_job_wake(struct agent *a); /* the guard wakes at the first deadline, too */
bool ag_job_report(struct agent *a); /* send ended jobs; true when one was sent */
int ag_job_check(const struct agent *a, uint8_t slot, uint16_t records); /* or HV_E_* */
struct ag_job *ag_job_free(struct agent *a); /* NULL: all taken */
void ag_job_refuse(struct agent *a, uint32_t id, int code);
uint8_t *ag_job_input(const struct agent *a, const struct ag_job *j, unsigned record);

/* run.c */
bool ag_run_slice(struct agent *a);
void ag_run_abort(struct agent *a); /* give up the run and restore, within the bound */
uint64_t ag_run_next_us(const struct agent *a);

/* quiet.c: nothing is begun while the primary is due. */
void ag_quiet_plan(struct agent *a); /* what is known of the next request has changed */
bool ag_quiet_step(struct agent *a); /* true: the primary is due, the accelerator is its own */
uint64_t ag_quiet_next_us(const struct agent *a, uint64_t next_us);

/* buffers.c: rings that the product's firmware fills, as input of jobs. */
void ag_buffers_follow(struct agent *a); /* every step: what the writers wrote */
void ag_buffers_job(struct agent *a, const struct link_job_buffer *m);
bool ag_buffers_slice(struct agent *a); /* copy samples; true when something was done */
void ag_buffers_result(const struct ag_job *j, union link_msg *m); /* from result */
bool ag_buffers_tell(struct agent *a); /* one asked description; true when sent */

/* baud.c: the rate of the line. */
void ag_baud_begin(struct agent *a);
void ag_baud_asked(struct agent *a, const struct link_baud_req *m);
bool ag_baud_step(struct agent *a); /* before bytes go out; true when something was done */
bool ag_baud_holds(const struct agent *a); /* nothing may go out before the rate changed */
uint64_t ag_baud_next_us(const struct agent *a);
bool ag_baud_tell(struct agent *a);

/* clock.c: what time it is here. */
void ag_clock_asked(struct agent *a, const struct link_time_req *m);
bool ag_clock_tell(struct agent *a);
uint64_t ag_clock_next_us(const struct agent *a);

/* blackbox.c. Kinds are those of enum link_box_kind. */
void ag_box_begin(struct agent *a);
void ag_box_add(struct agent *a, uint8_t kind, uint8_t arg, uint32_t value);
bool ag_box_step(struct agent *a); /* what calls with a bound left to be noted */
bool ag_box_tell(struct agent *a);

/* stand.c */
bool ag_stand_tell(struct agent *a);

/* telemetry.c */
void ag_telemetry_add(struct agent *a, uint32_t wait_ns, uint32_t busy_us);
bool ag_telemetry_report(struct agent *a);
void ag_telemetry_status(struct agent *a);
void ag_telemetry_hello(struct agent *a);

#endif
