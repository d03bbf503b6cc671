#ifndef CLIENT_LIB_CONN_H
#define CLIENT_LIB_CONN_H
#include "client/lib/reason.h"
#include "proto/ipc_frame.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Owns one stream socket to the daemon, the bytes queued for it and the bytes read from it.
 * Knows frames, not what they mean. Never blocks except in conn_open() and conn_wait(), and
 * there not past the deadline. Raises no signal. */
enum {
	CONN_IN_BYTES = 2 * (IPC_HDR + IPC_MSG_MAX), /* holds the longest header and message */
	CONN_OUT_MAX = IPC_PAYLOAD_MAX + 4 * IPC_MSG_MAX, /* one longest job and its neighbours */
	CONN_OUT_KEEP = 256 * 1024, /* a larger send buffer is given back once it is empty */
};

struct conn {
	int fd;
	uint8_t *out; /* queued: out[out_start .. out_end) of out_cap */
	size_t out_start, out_end, out_cap;
	uint8_t *in; /* in_len bytes read and not yet parsed */
	size_t in_len;
	struct ipc_frame frame; /* whose payload is arriving */
	bool in_payload;
	uint8_t *body; /* where its next byte goes; NULL: dropped */
	size_t body_left;
};

/* Up-calls while frames are parsed. A code below zero ends the connection. */
struct conn_events {
	/* Header and message of a frame (message borrowed, writable). *body: where its
	 * payload_len bytes shall go, stays valid until frame_done; NULL drops them. */
	int (*frame_head)(void *arg, const struct ipc_frame *f, uint8_t *msg, uint8_t **body);
	/* The payload is complete, also when it is empty. */
	int (*frame_done)(void *arg, const struct ipc_frame *f);
};

/* HV_E_GONE: nobody listens there; HV_E_DENIED; HV_E_TIMEOUT; HV_E_INVAL: path too long;
 * HV_E_NOMEM. why is filled on failure. */
HV_NODISCARD int conn_open(struct conn *c, const char *path, uint64_t deadline_ns,
			   struct reason *why);
void conn_close(struct conn *c); /* idempotent */

/* Room for n bytes at the end of the send queue: fill them all, then conn_sent(). NULL with
 * *err = HV_E_BUSY (queue is full) or HV_E_NOMEM. */
uint8_t *conn_room(struct conn *c, size_t n, int *err);
static inline void conn_queued(struct conn *c, size_t n)
{
	c->out_end += n;
}
static inline bool conn_wants_write(const struct conn *c)
{
	return c->out_end > c->out_start;
}

/* Send what the socket takes. HV_E_GONE, HV_E_IO. */
HV_NODISCARD int conn_flush(struct conn *c);
/* Read once and parse every frame of it. 1: something was read and more may be waiting; 0: no
 * more for now; HV_E_GONE: the daemon closed; HV_E_FRAME; or what an up-call returned. */
HV_NODISCARD int conn_receive(struct conn *c, const struct conn_events *ev, void *arg);
/* As conn_receive(), but waits for the first byte, or for room to send, up to the deadline. */
HV_NODISCARD int conn_wait(struct conn *c, uint64_t deadline_ns, const struct conn_events *ev,
			   void *arg);

#endif
