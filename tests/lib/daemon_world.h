#ifndef TESTS_LIB_DAEMON_WORLD_H
#define TESTS_LIB_DAEMON_WORLD_H
#include "daemon/ipc/server.h"
#include "proto/ipc_frame.h"
#include "tests/lib/fake_boards.h"
#include <uv.h>

/* A whole daemon in the test's process, but for app: real loop, real sockets, fake boards.
 * Time can be moved forward; nothing sleeps. After every step the counters add up, or the test
 * ends. */
struct world {
	uv_loop_t loop;
	struct store store;
	struct timers timers;
	struct models *models;
	struct boards *boards;
	struct cpu *cpu;
	struct dispatch *dispatch;
	struct server *server;
	uint64_t ahead_ns, lag_ns;
	struct hv_rng rng;
	bool hold_boards; /* their batches do not end by themselves */
};

extern struct limits world_limits;

void world_start(struct world *w, uint64_t seed);
/* Winds the daemon up as app does and checks that nothing is left. */
void world_stop(struct world *w);
void world_step(struct world *w);
void world_advance(struct world *w, uint64_t ns);

/* The client's end of a connection. */
struct peer {
	int fd;
	uint8_t *in;
	size_t in_len, in_cap;
	bool ended;
};

struct reply {
	struct ipc_frame f;
	uint8_t *msg, *samples; /* in one allocation: free(msg) */
};

struct peer peer_connect(struct world *w); /* greeted */
struct peer peer_raw(struct world *w); /* not greeted */
void peer_close(struct peer *p);
/* All of it, stepping the world while the socket is full; false: the daemon closed. */
bool peer_write(struct world *w, struct peer *p, const void *data, size_t n);
bool peer_send(struct world *w, struct peer *p, uint16_t kind, uint32_t tag,
	       const ProtobufCMessage *m, const void *samples, size_t n);
/* One reply that is already there, without stepping. */
bool peer_poll(struct peer *p, struct reply *r);
/* Step until a reply comes; false: the daemon closed, or nothing came in many steps. */
bool peer_read(struct world *w, struct peer *p, struct reply *r);

/* SUBMIT of records drawn by the task's sampler. in: kept for comparing, or NULL. */
Hv__Submit submit_of(const char *task, uint32_t records);
uint8_t *samples_of(const char *task, uint32_t records, uint64_t seed);
bool peer_submit(struct world *w, struct peer *p, uint32_t tag, const Hv__Submit *m, uint64_t seed);
/* Are these the answers to samples_of()? FFT kernels run in single precision. */
bool answers_right(const char *task, uint32_t records, uint64_t seed, const uint8_t *got, size_t n);

#endif
