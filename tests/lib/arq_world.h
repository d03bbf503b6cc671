#ifndef TESTS_ARQ_WORLD_H
#define TESTS_ARQ_WORLD_H
#include "proto/arq.h"
#include "util/rng.h"

/* Two sides of a link and the modelled line between them, in virtual time: 8N1, so ten bits a
 * byte, each way on its own; a fixed latency; bytes may be lost, flipped, repeated or added.
 * Each side sends messages whose bytes follow from the life, the side and a running number,
 * and checks that exactly those arrive, in order. */
struct arq_faults {
	double drop, flip, dup, add; /* probability per byte */
	double hold; /* probability per byte that a whole frame-sized burst is lost */
};

enum { WORLD_BUF = 32768, WORLD_DELAY = 65536, WORLD_AHEAD = 16 * FRAME_MAX_WIRE };

struct arq_wire {
	uint8_t out[WORLD_AHEAD + FRAME_MAX_WIRE]; /* frames being sent */
	size_t used, at;
	size_t ahead; /* the side gives frames away until so many bytes wait; 0: one at a time */
	uint32_t burst; /* bytes still to be lost */
	uint8_t held[WORLD_DELAY]; /* bytes under way, ring */
	uint64_t due_us[WORLD_DELAY];
	uint32_t first, count;
	uint64_t bytes;
};

struct arq_side {
	struct arq a;
	uint8_t tx[WORLD_BUF], rx[WORLD_BUF], msg[ARQ_MSG_MAX];
	uint8_t next[ARQ_MSG_MAX]; /* waits for room */
	size_t next_bytes;
	uint16_t tx_cap, rx_cap;
	struct hv_rng sizes; /* what this side sends in this life */
	struct hv_rng expect; /* what it must receive */
	uint32_t sent, got, want_send;
	uint16_t life; /* for which sizes and expect were seeded */
	uint64_t got_bytes;
	bool deaf; /* does not read its messages */
	unsigned events;
};

struct arq_world {
	struct arq_side side[2]; /* ARQ_DAEMON, ARQ_BOARD */
	struct arq_wire wire[2]; /* wire[i]: from side i to the other */
	struct arq_faults faults;
	struct hv_rng rng;
	uint64_t now_us, latency_us;
	uint32_t moody; /* each side stops or goes on reading every so many steps; 0: never */
	uint32_t bps, byte_us, msg_max;
	uint64_t seed;
	uint64_t steps;
	uint16_t conn;
	char error[160]; /* first broken promise; empty while all is well */
};

/* Both sides booted, nothing connected. */
void world_init(struct arq_world *w, uint64_t seed, uint32_t bps, uint16_t buf_bytes);
/* The daemon draws a new life. */
void world_connect(struct arq_world *w);
/* That side loses its memory; the line keeps what is under way. */
void world_reboot(struct arq_world *w, enum arq_role who);
/* One byte time of both wires, or a jump to the next time something happens. Returns false
 * when nothing will ever happen again. */
bool world_step(struct arq_world *w);
/* Steps until both sides of one life got `messages`, an error, or limit_us. True: they did. */
bool world_run(struct arq_world *w, uint32_t messages, uint64_t limit_us);

#endif
