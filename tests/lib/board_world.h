#ifndef TESTS_BOARD_WORLD_H
#define TESTS_BOARD_WORLD_H
#include "accel/emu/emu.h"
#include "daemon/board/board_priv.h"
#include "daemon/models/models_priv.h"
#include "firmware-agent/core/state.h"

/* The board side of the daemon against the real agent core over the register-level emulator,
 * in one process and in virtual time. The wire between them carries whole frames at the
 * line's rate and can hurt any one of them. */
enum world_fault {
	WORLD_NONE,
	WORLD_DROP, /* the frame vanishes */
	WORLD_CORRUPT, /* one byte of it changes */
	WORLD_REPEAT, /* it comes twice */
	WORLD_RESET, /* the board reboots: memory lost */
	WORLD_UNPLUG, /* the wire ends; replugged 50 ms later, rebooted */
	WORLD_STALL, /* the board never does anything again */
	WORLD_FAULTS,
};

enum { WORLD_BATCHES = 12, WORLD_QUEUE = 1 << 18, WORLD_MODELS = 4, WORLD_ASIDES = 4 };

struct world_frame {
	uint64_t at_us;
	uint16_t len;
	uint8_t bytes[FRAME_MAX_WIRE];
};

struct world_wire {
	struct world_frame *frame; /* ring */
	unsigned first, count, cap;
	uint64_t free_us; /* the line is busy until then */
};

struct world;
struct world_link {
	struct link link; /* first */
	struct world *w;
	struct world_link *next_dead;
	uint64_t armed_us;
};

/* One batch of the little dispatcher: it tries again until it is done. */
struct world_batch {
	struct board_batch b;
	bool running, done;
	unsigned accepted, returned, wrong; /* accepted == returned + running, always */
	uint8_t *in, *out, *want;
};

struct world {
	/* daemon */
	struct boards *bs;
	struct models models;
	struct world_link *wire; /* plugged in */
	struct world_link *dead; /* closed, freed between steps */
	unsigned rooms, losts;
	bool on_batch_runs; /* start the next batch from inside on_batch */
	struct world_batch batch[WORLD_BATCHES];
	unsigned batches, done, turn;
	unsigned codes[32]; /* how often a batch ended with -code */
	/* threads of the daemon: each piece of work is run when it is through */
	struct board_aside *aside[WORLD_ASIDES];
	uint64_t aside_at_us[WORLD_ASIDES];
	uint64_t aside_us; /* how long one takes; UINT64_MAX: until it is changed */
	unsigned asides[4]; /* ever, by what they were for */
	/* wire */
	struct world_wire to_board, to_daemon;
	uint32_t bps;
	unsigned frames; /* put on the wire so far, both directions */
	enum world_fault fault;
	unsigned fault_at; /* frame number, from 1; 0: none */
	unsigned lost_percent; /* of all frames, whatever the fault */
	uint64_t replug_us;
	uint8_t part[FRAME_MAX_WIRE * 2]; /* of the agent's present frame */
	size_t part_len;
	size_t read_at; /* of the first frame to the board */
	/* board */
	bool powered, stalled;
	bool keeps_power; /* a plug does not reboot it */
	struct agent agent;
	struct cnn_emu *emu;
	uint64_t done_at_ns;
	bool emu_busy;
	unsigned lie_every; /* every nth word read from data memory is wrong; 0: none */
	unsigned reads;
	uint32_t boot;
	char serial[16];
	uint32_t primary_period_us, primary_busy_us;
	uint64_t primary_next_us, primary_end_us;
	bool primary_active;
	struct ag_config cfg;
	uint8_t *slot_memory, *job_memory, *record_memory;
	uint8_t tx[16384], rx[16384];
};

extern uint64_t world_now_ns; /* the one clock; boards see it too */

/* A world without batches; packages are built once per process and shared. */
void world_open(struct world *w);
void world_add_model(struct world *w, const char *task, unsigned level);
void world_add_package(struct world *w, const char *path); /* of a file */
void world_plug(struct world *w); /* with a freshly booted board, unless it keeps power */
void world_unplug(struct world *w);
/* n batches of `records` records of model i. */
void world_batches(struct world *w, unsigned n, unsigned model, unsigned records);
/* Let time pass until pred holds; false after limit_us. */
bool world_run(struct world *w, bool (*pred)(struct world *w), uint64_t limit_us);
void world_pass(struct world *w, uint64_t us);
void world_asides_finish(struct world *w); /* at once, whatever they were to take */
struct board *world_board(const struct world *w); /* the first, or NULL */
bool world_is(const struct world *w, enum board_state s);
bool world_all_done(struct world *w);
bool world_ready(struct world *w);
/* Every accepted batch came back once; no answer was wrong. Closes everything. */
void world_close(struct world *w);

#endif
