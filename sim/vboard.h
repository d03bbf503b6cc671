#ifndef SIM_VBOARD_H
#define SIM_VBOARD_H
#include "firmware-agent/core/state.h"
#include "firmware-agent/hal/host/host.h"
#include "sim/fault.h"
#include "sim/primary_net.h"
#include "sim/primary_spec.h"
#include "sim/ring.h"
#include "sim/wire.h"
#include <stdio.h>

/* A virtual board: agent core, emulated accelerator, a primary workload and a serial line, all
 * in one modelled time. Deterministic: the same options and the same bytes at the same
 * modelled times give the same board. Nothing here sleeps or knows of sockets. */
enum {
	VBOARD_MODEL_SLOTS = 4,
	VBOARD_JOB_SLOTS = 4,
	VBOARD_SLOT_BYTES = 8192,
	VBOARD_JOB_BYTES = 8192,
	VBOARD_RECORD_BYTES = 4096,
	VBOARD_LINK_BUF = 16384,
	VBOARD_RX_WAKE =
		64, /* bytes in the serial driver that wake the agent; fewer after a pause */
	VBOARD_STEP_NS = 500, /* processor time of one agent step */
	VBOARD_TX_BYTES = 256, /* of the serial driver */
	VBOARD_SERIAL_MAX = 15,
};

struct vboard_options {
	const char *serial, *device; /* borrowed during vboard_new() */
	const struct primary_spec *primary; /* borrowed for the board's life */
	struct fault_plan fault;
	uint32_t link_bps;
	/* The line begins with this rate and offers faster ones up to link_bps; 0, or not less
	 * than link_bps: it always has link_bps. */
	uint32_t meet_bps;
	struct sim_ring *rings; /* borrowed for the board's life */
	unsigned n_rings;
	uint64_t seed;
	FILE *log; /* evidence, or NULL; borrowed */
	struct primary_net *net; /* taken over at once; NULL: the one primary names */
};

struct vboard_counters {
	uint64_t primaries; /* activations that ended */
	uint64_t wait_max_ns, wait_sum_ns, primary_busy_ns;
	uint64_t runs, run_aborts; /* harvested inferences */
	uint64_t intrusions; /* bus accesses of the agent while the primary has the accelerator */
	uint64_t resets;
};

struct vboard {
	struct agent agent;
	struct host_hal hal;
	struct cnn_emu *emu;
	struct fault_plan fault;
	struct hv_rng fault_rng, link_rng;
	struct wire to_board, from_board;
	bool more; /* the agent has work at once */
	uint32_t step_ns; /* VBOARD_STEP_NS; may be changed */
	bool stalled, unplugged;
	/* primary */
	const struct primary_spec *spec;
	struct primary_net *net; /* NULL: none */
	struct primary_arrivals arrivals;
	bool has_next, active;
	uint64_t next_ns, requested_ns, begin_ns, end_ns;
	uint32_t next_busy_us;
	uint64_t inference;
	uint64_t bus_ops_begin;
	/* evidence of the present harvested run */
	FILE *log;
	bool run_open, lying;
	uint64_t run_start_ns, run_end_ns, run_hash;
	struct vboard_counters n;
	char serial[VBOARD_SERIAL_MAX + 1], device[VBOARD_SERIAL_MAX + 1];
	struct ag_config config;
	struct agent_box box; /* a reset leaves it as it is */
	uint32_t rates[AG_RATES_MAX];
	struct sim_ring *rings;
	unsigned n_rings;
	uint8_t slot_memory[VBOARD_MODEL_SLOTS * VBOARD_SLOT_BYTES];
	uint8_t job_memory[VBOARD_JOB_SLOTS * VBOARD_JOB_BYTES];
	uint8_t record_memory[VBOARD_RECORD_BYTES];
	uint8_t tx[VBOARD_LINK_BUF], rx[VBOARD_LINK_BUF];
};

/* HV_E_INVAL: a limit, HV_E_NOMEM, or what the primary's file says; why gets one sentence. */
HV_NODISCARD int vboard_new(const struct vboard_options *o, struct vboard **b, char *why,
			    size_t cap);
void vboard_free(struct vboard *b);

/* Let modelled time pass until until_ns; everything that falls into it happens in order. A
 * slice in progress may end a little later. */
void vboard_run(struct vboard *b, uint64_t until_ns);

/* The next time something happens without input, at least now; UINT64_MAX: nothing will. */
uint64_t vboard_next_ns(struct vboard *b);
/* A job, a load or bytes on the line: in fast mode time jumps while this is true. */
bool vboard_is_busy(const struct vboard *b);

/* The daemon's end of the line. */
size_t vboard_feed(struct vboard *b, const uint8_t *bytes, size_t n); /* how many had room */
size_t vboard_drain(struct vboard *b, uint8_t *to, size_t cap);

void vboard_log_header(FILE *log);
void vboard_log_flush(struct vboard *b); /* the last harvested run, too */

static inline uint64_t vboard_now_ns(const struct vboard *b)
{
	return b->hal.now_ns;
}
#endif
