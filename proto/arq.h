#ifndef PROTO_ARQ_H
#define PROTO_ARQ_H
#include "proto/frame.h"
#include <stdbool.h>

/* Reliable message stream over frames: one side of one link. Freestanding, no heap, no clock:
 * time comes in as an argument, bytes go out through a pull. Messages are u16 length + bytes
 * on the stream, 1..ARQ_MSG_MAX of them; the peer gets each exactly once and in order, or the
 * life ends.
 *
 * Glossary
 *   life     what SYN begins and RST (or the next SYN) ends; both streams start at byte 0
 *   edge     first byte the receiver has no room for: its ack plus its window
 *   hole     the first bytes the peer lacks while it has later ones; told by NAK, sent again
 *            alone
 *   island   bytes received behind a hole, kept in their place until it is filled
 *   go back  forget what is in flight and send again from the first unacknowledged byte
 *
 * Memory is the owner's: a send buffer and a receive buffer, each a power of two of
 * 2048..32768 bytes, at least ARQ_MSG_MAX + 2 of them for the messages it uses.
 *
 * The line keeps order: it may lose, flip, add and repeat bytes, but a frame does not
 * overtake another by 32 KiB of stream. */
enum {
	ARQ_MSG_MAX = 16384,
	ARQ_SEG_MIN = 32,
	ARQ_FLIGHT_SEGS = 32, /* segments in flight at most, and ... */
	ARQ_FLIGHT_BYTES = 8192, /* ... so many bytes */
	ARQ_ISLANDS = 12, /* more than that are received in vain */
	ARQ_PIECE = 64, /* bytes arq_take() stores in one call */
	ARQ_ACK_DELAY_US = 2000, /* a lone acknowledgement waits this long for company */
	ARQ_SYN_US = 100000, /* first repeat of SYN; doubles up to 8 times this */
	ARQ_SLACK_US = 10000, /* time that neither line nor peer's frames explain ... */
	ARQ_SLACK_MAX_US = 1000000, /* ... grows to this when resends prove needless */
};

enum arq_role { ARQ_DAEMON, ARQ_BOARD };
enum arq_state { ARQ_DOWN, ARQ_SYN_SENT, ARQ_UP };

struct arq_counters {
	uint32_t frames_in, frames_bad, frames_out, resent, stale, duplicate, resets;
	uint64_t bytes_in, bytes_out; /* on the wire */
	uint64_t bytes_acked, bytes_taken; /* of the streams, all lives */
};

/* Stream bytes [from, to), received ahead of rcv. */
struct arq_island {
	uint16_t from, to;
};

struct arq {
	enum arq_role role;
	enum arq_state state;
	uint16_t conn;
	/* send stream: [una, nxt) is in flight, [nxt, end) waits, [una, high) was sent once */
	uint8_t *tx;
	uint16_t tx_cap, una, nxt, high, end, peer_window;
	uint16_t seg; /* present segment limit */
	uint32_t seg_credit; /* bytes acknowledged since the last loss or growth */
	uint64_t resend_at_us; /* 0: nothing to resend, no window to probe */
	bool hole_due; /* send again from una, one segment */
	bool hole_sent, hole_again; /* that was done, more than once */
	uint16_t hole_end; /* of what was sent again */
	uint16_t hole_before; /* what was sent before that arrived before it, or never */
	uint64_t line_free_us; /* what was put out has left by then */
	uint16_t spare_at; /* on a bad line, what lies before hole_before goes again, too */
	uint64_t hole_sent_us, nak_after_us; /* NAKs before this speak of the time before */
	uint32_t rtt_us; /* smoothed; 0: not measured */
	bool rtt_runs;
	uint16_t rtt_seq; /* its acknowledgement ends the measurement */
	uint64_t rtt_from_us;
	uint16_t tx_owed; /* bytes of a message begun and not yet handed over */
	uint32_t rto_us, slack_us, backoff, unanswered;
	uint16_t rto_peer_len; /* frame length of the peer that resend_at_us allows for */
	uint64_t eager_until_us; /* an answer before this shows the last timeout needless */
	bool probing; /* resend_at_us waits for a window */
	/* receive stream: [rd, rcv) is received and not yet read */
	uint8_t *rx;
	uint16_t rx_cap, rd, rcv, edge_told, peer_len;
	struct arq_island island[ARQ_ISLANDS]; /* in order, apart, all behind rcv */
	uint8_t islands;
	/* a frame's payload on its way into rx: taken in pieces */
	const uint8_t *store_from;
	uint16_t store_at, store_n, store_first;
	uint16_t rx_left; /* bytes of the message being read */
	bool ack_due;
	uint8_t ack_segs; /* segments taken since the last acknowledgement */
	uint64_t ack_at_us;
	bool nak_due;
	bool synack_due;
	bool rst_due;
	uint16_t rst_conn;
	uint32_t byte_q16; /* microseconds a byte takes, times 2^16 */
	uint64_t syn_at_us;
	uint32_t syn_tries;
	struct frame_rx frx;
	struct frame_tx ftx;
	struct arq_counters n;
};

/* A board says RST with conn 0 first, so that a daemon learns of a reboot at once. */
void arq_init(struct arq *a, enum arq_role role, uint8_t *tx, uint16_t tx_cap, uint8_t *rx,
	      uint16_t rx_cap, uint32_t line_bps);

/* The rate of the line became known or changed. Bits per second; under 1200 counts as 1200. */
void arq_set_line_bps(struct arq *a, uint32_t line_bps);

/* Daemon: begin a new life; conn != 0 and different from the last one (the caller draws it). */
void arq_connect(struct arq *a, uint16_t conn, uint64_t now_us);

/* Either: end the life here and tell the peer. What was queued or unread is gone. */
void arq_reset(struct arq *a);

/* What happened while bytes were taken in. Look at a->state for how it ended. */
enum arq_event {
	ARQ_EV_NONE = 0,
	ARQ_EV_UP = 1, /* a life began: daemon got SYNACK, board got SYN */
	ARQ_EV_RESET = 2, /* the peer lost the life (reboot): state is ARQ_DOWN */
	ARQ_EV_VERSION = 3, /* the peer speaks another frame version */
};

/* Take received bytes; returns the bit-or of (1 << event). */
unsigned arq_input(struct arq *a, const uint8_t *bytes, size_t n, uint64_t now_us);

/* The same in bounded pieces: either stores up to ARQ_PIECE bytes of the last frame, which
 * takes none of the new ones, or takes bytes before a delimiter, or one delimiter. Returns how
 * many it took; adds to *events. */
size_t arq_take(struct arq *a, const uint8_t *bytes, size_t n, uint64_t now_us, unsigned *events);
static inline bool arq_is_storing(const struct arq *a) /* arq_take() has work without bytes */
{
	return a->store_n > 0;
}

/* Next frame to put on the wire, into to[FRAME_MAX_WIRE]: data, resend, acknowledgement, SYN.
 * 0 when there is nothing to send now. Call until 0, or until the wire is full. */
size_t arq_output(struct arq *a, uint8_t *to, uint64_t now_us);

/* The same in bounded pieces: begin a frame if there is one to send; true while one is open.
 * Then arq_pull(): at most cap bytes of it; may be 0 before its end. */
bool arq_output_begin(struct arq *a, uint64_t now_us);
size_t arq_pull(struct arq *a, uint8_t *to, size_t cap);
static inline bool arq_is_pulling(const struct arq *a)
{
	return frame_tx_is_open(&a->ftx);
}

/* When arq_output() may have something without new input: 0 for now, UINT64_MAX for never. */
uint64_t arq_next_us(const struct arq *a);

/* Queue one message of two parts (b may be NULL). HV_E_BUSY: no room now; HV_E_INVAL: empty
 * or longer than the buffer or ARQ_MSG_MAX; HV_E_GONE: not up. */
HV_NODISCARD int arq_send(struct arq *a, const void *head, size_t n, const void *tail, size_t m);
size_t arq_room(const struct arq *a); /* largest n + m arq_send() would take now */

/* The same in pieces: n bytes in all will be handed over by arq_send_some(), soon, before
 * any other message; those beyond n are ignored. */
HV_NODISCARD int arq_send_begin(struct arq *a, size_t n);
void arq_send_some(struct arq *a, const void *bytes, size_t n);

/* Next whole message into to[cap]: its length; 0 when none is complete; HV_E_FRAME when the
 * peer announced none, more than cap or than fits the buffer: the life cannot go on, reset
 * it. */
int arq_recv(struct arq *a, uint8_t *to, size_t cap);

/* The same in pieces and as the bytes come: begin the next message (length, 0: nothing yet,
 * HV_E_FRAME: announced none or more than ARQ_MSG_MAX), then take up to n of its bytes at a
 * time, until none are left. */
int arq_recv_begin(struct arq *a);
size_t arq_recv_some(struct arq *a, uint8_t *to, size_t n);
bool arq_recv_ready(const struct arq *a); /* the message has bytes to take */

/* True when the peer has not acknowledged for `tries` resends (or answered so many SYN). */
bool arq_is_stuck(const struct arq *a, uint32_t tries);

#endif
