#ifndef DAEMON_LINK_H
#define DAEMON_LINK_H
#include "proto/arq.h"
#include "util/rng.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A link moves messages to one board and back: a byte channel of some kind (socket now, tty and
 * USB later) under the resending stream of proto/arq. It does not know what a message means.
 *
 * Glossary
 *   kind   what carries the bytes: a table of functions, struct link_kind
 *   owner  who receives the events (a board)
 *   life   what lies between two link_connect(): sequence numbers start anew
 *
 * Times are microseconds of one monotonic clock that the kind reads. One thread. Nothing
 * blocks. No event is delivered from inside a call of the owner. */
struct link;

struct link_events {
	/* A life began: the peer answered link_connect(). */
	void (*on_up)(void *ctx, uint64_t now_us);
	void (*on_message)(void *ctx, const uint8_t *bytes, size_t len, uint64_t now_us);
	/* The life is over: the peer restarted, broke the rules or does not acknowledge. why
	 * is a sentence without full stop. link_connect() begins another. */
	void (*on_down)(void *ctx, const char *why, uint64_t now_us);
	/* After a link_send() that said HV_E_BUSY, or link_want_room(): there is more room now. */
	void (*on_room)(void *ctx, uint64_t now_us);
	/* The time of link_wake_at() has come. */
	void (*on_wake)(void *ctx, uint64_t now_us);
	/* The channel ended. The link closes itself; the owner forgets the pointer. */
	void (*on_gone)(void *ctx, const char *why, uint64_t now_us);
};

struct link_kind {
	const char *name; /* "virtual" */
	size_t (*room)(const struct link *l); /* bytes write() takes now */
	void (*write)(struct link *l, const uint8_t *bytes, size_t n);
	void (*flush)(struct link *l, uint64_t now_us); /* after some write() */
	void (*arm)(struct link *l, uint64_t at_us); /* call link_on_time() then */
	void (*close)(struct link *l); /* asynchronous; frees the link */
	/* The line gets another rate when what was written has left. NULL: it has one rate. */
	void (*set_baud)(struct link *l, uint32_t bps);
};

enum { LINK_BUF_BYTES = 32768, LINK_STUCK_TRIES = 8 };

/* Embedded in each kind's own structure. Fields are private to daemon/link. */
struct link {
	const struct link_kind *kind;
	const struct link_events *ev;
	void *ctx;
	bool closed; /* by either side: no event any more */
	bool want_room;
	bool busy; /* inside an entry point of the kind: pump at its end */
	uint64_t wake_at_us, armed_us;
	uint16_t conn;
	struct hv_rng rng;
	struct arq arq;
	uint8_t tx[LINK_BUF_BYTES], rx[LINK_BUF_BYTES];
	uint8_t msg[ARQ_MSG_MAX];
};

/* For the owner. */
void link_bind(struct link *l, const struct link_events *ev, void *ctx);
/* Begin a new life; everything queued is forgotten. on_up follows, or nothing. */
void link_connect(struct link *l, uint64_t now_us);
/* Queue one message of two parts. HV_E_BUSY: no room now, on_room() will tell; HV_E_INVAL: too
 * long; HV_E_GONE: no life. */
HV_NODISCARD int link_send(struct link *l, const void *head, size_t n, const void *tail, size_t m,
			   uint64_t now_us);
void link_want_room(struct link *l); /* on_room(), please */
size_t link_room(const struct link *l); /* bytes of the largest message now */
size_t link_backlog(const struct link *l); /* bytes queued and not acknowledged */
uint64_t link_moved(const struct link *l); /* bytes that arrived for good, both ways, ever */
void link_wake_at(struct link *l, uint64_t at_us); /* one alarm; UINT64_MAX: none */
void link_set_bps(struct link *l, uint32_t line_bps); /* once the board told its line */
bool link_can_baud(const struct link *l); /* is there a line whose rate can change? */
void link_set_baud(struct link *l, uint32_t bps); /* both the line and what is known of it */
const struct arq_counters *link_counters(const struct link *l);
const char *link_kind_text(const struct link *l);
/* Idempotent, from any event. No event follows; the memory goes when the last handle closed. */
void link_close(struct link *l);

/* For the kinds. */
void link_init(struct link *l, const struct link_kind *kind, uint32_t line_bps, uint64_t seed);
void link_bytes_in(struct link *l, const uint8_t *bytes, size_t n, uint64_t now_us);
void link_writable(struct link *l, uint64_t now_us);
void link_on_time(struct link *l, uint64_t now_us);
void link_gone(struct link *l, const char *why, uint64_t now_us);

#endif
