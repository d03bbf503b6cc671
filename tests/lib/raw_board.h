#ifndef TESTS_RAW_BOARD_H
#define TESTS_RAW_BOARD_H
#include "daemon/board/board_priv.h"
#include "daemon/models/models_priv.h"

/* A board whose every message the test writes itself: to lie, to be late, to be garbage. The
 * wire is instant, time is virtual and shared by all. Free of the test framework, so that
 * fuzz targets use it too; a broken promise aborts. */
struct raw_link {
	struct link link; /* first */
	struct raw_board *owner;
	struct raw_link *next_dead;
	uint64_t armed_us;
	uint8_t out[1 << 17];
	size_t out_len;
};

struct raw_board {
	struct raw_link *wire; /* NULL: the daemon closed it, or pulled */
	struct arq arq;
	uint8_t tx[32768], rx[32768], msg[ARQ_MSG_MAX];
	unsigned seen[256]; /* messages of the daemon by id */
	uint32_t jobs[64]; /* ids of the jobs it sent, the last ones */
	uint16_t job_records[64];
	uint8_t job_slot[64];
	unsigned job_count;
	union link_msg last; /* tails are gone */
	bool answers; /* clock and status by itself */
};

extern uint64_t raw_now_us;

struct raw_set {
	struct boards *bs;
	struct models models;
	unsigned accepted, returned, losts, codes[32];
};

void raw_open(struct raw_set *s);
void raw_close(struct raw_set *s); /* aborts when a batch did not come back once */
void raw_plug(struct raw_set *s, struct raw_board *r);
void raw_pull(struct raw_board *r);
/* Exchange what is due, until both are quiet. */
void raw_pump(struct raw_board *r);
/* Let time pass with the daemon's alarms. */
void raw_pass(struct raw_board *r, uint64_t us);
void raw_bytes(struct raw_board *r, const void *bytes, size_t n);
void raw_message(struct raw_board *r, const void *bytes, size_t n); /* whole, as on the stream */
void raw_send(struct raw_board *r, const union link_msg *m, const void *tail, size_t n);
union link_msg raw_hello(const char *serial);
/* Greeted and ready with an empty catalogue. */
void raw_attach(struct raw_set *s, struct raw_board *r, const char *serial);

#endif
