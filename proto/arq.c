#include "proto/arq.h"
#include <string.h>

enum {
	WINDOW_MAX = 32768,
	BACKOFF_MAX = 4, /* the timeout grows to 2^4 times itself */
	CLEAN_SEGS = 8, /* segments acknowledged without a loss before they grow */
	PEER_FRAMES = ARQ_FLIGHT_SEGS + 1, /* its flight, and the one that answers */
	ACK_WIRE = 20, /* bytes of a frame without payload, some noise included */
	SYN_BACKOFF_MAX = 3,
	LINE_BPS_MIN = 1200, /* keeps every time below 2^32 us */
};

/* Stream positions are modulo 2^16; every distance used here is at most 32768. */
static uint16_t dist(uint16_t from, uint16_t to)
{
	return (uint16_t)(to - from);
}

static uint16_t add(uint16_t at, unsigned n)
{
	return (uint16_t)(at + n);
}

static uint16_t least(uint32_t a, uint32_t b)
{
	return (uint16_t)(a < b ? a : b);
}

/* Time of n bytes on the line, 8N1. */
static uint64_t line_us(const struct arq *a, uint32_t n)
{
	return (uint64_t)n * 10000000u / a->line_bps;
}

/* A segment and its frame around it. */
static uint32_t wire_bytes(uint32_t payload, uint32_t seg)
{
	return payload + (payload / seg + 1) * ACK_WIRE;
}

static void streams_clear(struct arq *a)
{
	a->una = a->nxt = a->high = a->end = a->peer_window = 0;
	a->seg = FRAME_MAX_PAYLOAD;
	a->seg_credit = 0;
	a->resend_at_us = a->nak_after_us = 0;
	a->backoff = a->unanswered = 0;
	a->eager_until_us = 0;
	a->probing = false;
	a->rd = a->rcv = a->peer_len = 0;
	a->edge_told = a->rx_cap;
	a->ack_due = a->nak_due = a->synack_due = false;
	a->ack_segs = 0;
	a->ack_at_us = a->syn_at_us = 0;
	a->syn_tries = 0;
}

void arq_init(struct arq *a, enum arq_role role, uint8_t *tx, uint16_t tx_cap, uint8_t *rx,
	      uint16_t rx_cap, uint32_t line_bps)
{
	memset(a, 0, sizeof(*a));
	a->role = role;
	a->tx = tx;
	a->tx_cap = tx_cap;
	a->rx = rx;
	a->rx_cap = rx_cap;
	arq_set_line_bps(a, line_bps);
	a->slack_us = ARQ_SLACK_US;
	a->rst_due = role == ARQ_BOARD;
	streams_clear(a);
}

void arq_set_line_bps(struct arq *a, uint32_t line_bps)
{
	a->line_bps = line_bps > LINE_BPS_MIN ? line_bps : LINE_BPS_MIN;
}

void arq_connect(struct arq *a, uint16_t conn, uint64_t now_us)
{
	streams_clear(a);
	a->state = ARQ_SYN_SENT;
	a->conn = conn;
	a->syn_at_us = now_us;
	a->rst_due = false;
}

static void life_end(struct arq *a)
{
	streams_clear(a);
	a->state = ARQ_DOWN;
	a->n.resets++;
}

void arq_reset(struct arq *a)
{
	if (a->state == ARQ_DOWN)
		return;
	a->rst_due = true;
	a->rst_conn = a->conn;
	life_end(a);
}

/* -- send side ------------------------------------------------------------------------- */

/* What is in flight and its answer, both over the line. What carries the line may take a whole
 * flight of the peer's frames at once: the answer is behind all of them. */
static void timer_start(struct arq *a, uint64_t now_us)
{
	uint32_t flight = wire_bytes(dist(a->una, a->nxt), a->seg);
	uint32_t answer = PEER_FRAMES * (uint32_t)(a->peer_len + ACK_WIRE) + a->seg;
	uint32_t shift = a->backoff < BACKOFF_MAX ? a->backoff : BACKOFF_MAX;

	a->rto_us = (uint32_t)line_us(a, 2 * flight + answer) + a->slack_us;
	a->resend_at_us = now_us + ((uint64_t)a->rto_us << shift);
	a->rto_peer_len = a->peer_len;
}

/* The peer's frames are longer than the running timer knew. At most once for every length, so
 * that no peer can put the timeout off for ever. */
static void timer_stretch(struct arq *a)
{
	if (a->resend_at_us == 0 || a->peer_len <= a->rto_peer_len)
		return;
	a->resend_at_us += line_us(a, PEER_FRAMES * (uint32_t)(a->peer_len - a->rto_peer_len));
	a->rto_peer_len = a->peer_len;
}

/* Smaller frames survive a worse line. */
static void go_back(struct arq *a, uint64_t now_us)
{
	uint32_t flight = wire_bytes(dist(a->una, a->nxt), a->seg);

	a->nak_after_us = now_us + line_us(a, flight + a->peer_len + 3 * ACK_WIRE);
	a->nxt = a->una;
	a->seg = a->seg / 2 > ARQ_SEG_MIN ? a->seg / 2 : ARQ_SEG_MIN;
	a->seg_credit = 0;
}

static void seg_grow(struct arq *a)
{
	a->seg = least(2u * a->seg, FRAME_MAX_PAYLOAD);
	a->seg_credit = 0;
}

/* The answer came before the resend could have caused it: the timeout was too eager. */
static void timeout_regret(struct arq *a)
{
	a->slack_us = 2 * a->slack_us < ARQ_SLACK_MAX_US ? 2 * a->slack_us : ARQ_SLACK_MAX_US;
	seg_grow(a);
}

/* Bytes up to ack arrived. */
static void acked(struct arq *a, uint16_t ack, uint64_t now_us)
{
	uint16_t n = dist(a->una, ack);

	if (n > dist(a->una, a->nxt)) {
		if (now_us < a->eager_until_us)
			timeout_regret(a);
		a->nxt = ack;
	}
	a->eager_until_us = 0;
	a->n.bytes_acked += n;
	a->una = ack;
	a->peer_window = (uint16_t)(a->peer_window > n ? a->peer_window - n : 0);
	a->backoff = a->unanswered = 0;
	a->seg_credit += n;
	if (a->seg_credit >= (uint32_t)CLEAN_SEGS * a->seg) {
		seg_grow(a);
		a->slack_us -= (a->slack_us - ARQ_SLACK_US) / 8;
	}
	a->resend_at_us = 0;
	a->probing = false;
	if (a->una != a->nxt)
		timer_start(a, now_us);
}

/* Acknowledgement and window of a frame of this life. */
static void take_ack(struct arq *a, const struct frame *f, uint64_t now_us)
{
	uint16_t window = least(f->window, WINDOW_MAX);

	if (dist(a->una, f->ack) > dist(a->una, a->high)) {
		a->n.stale++;
		return;
	}
	if (!a->probing)
		a->backoff = 0; /* it lives: a bad line needs another try, not patience */
	if (f->ack != a->una)
		acked(a, f->ack, now_us);
	/* An edge never moves back: a smaller one is an old frame. */
	if (window > a->peer_window) {
		a->peer_window = window;
		a->backoff = 0;
	} else if (a->probing) {
		a->unanswered = 0; /* it lives, it just has no room */
	}
	if (f->kind == FRAME_NAK && a->una != a->nxt && now_us >= a->nak_after_us) {
		go_back(a, now_us);
		a->resend_at_us = 0;
	}
}

static uint16_t flight_limit(const struct arq *a)
{
	return least(a->peer_window, (uint32_t)ARQ_FLIGHT_SEGS * a->seg);
}

/* Length of the next segment at nxt; 0 when none may go now. */
static uint16_t seg_next(const struct arq *a)
{
	uint16_t flight = dist(a->una, a->nxt), limit = flight_limit(a);
	uint16_t want = least(a->seg, dist(a->nxt, a->end)), n, to_wrap;

	if (a->state != ARQ_UP || flight >= limit)
		return 0;
	n = least(want, (uint32_t)limit - flight);
	if (n < want && flight > 0)
		return 0; /* no crumbs while an acknowledgement is on its way */
	to_wrap = (uint16_t)(a->tx_cap - (a->nxt & (a->tx_cap - 1)));
	return least(n, to_wrap);
}

static size_t encode_out(struct arq *a, const struct frame *f, uint8_t *to)
{
	size_t n = 0;

	/* Before the frames of beginning and end a delimiter: what is half-way in the peer
	 * must not spoil them. */
	if (f->kind == FRAME_SYN || f->kind == FRAME_SYNACK || f->kind == FRAME_RST)
		to[n++] = 0;
	n += frame_encode(f, to + n);
	a->n.frames_out++;
	a->n.bytes_out += n;
	return n;
}

/* Every frame of a life says what we have and what we have room for. */
static size_t frame_out(struct arq *a, uint8_t kind, uint16_t seq, uint16_t len, uint8_t *to)
{
	struct frame f = { .ver = FRAME_VER, .kind = kind, .conn = a->conn, .seq = seq };

	f.ack = a->rcv;
	f.window = (uint16_t)(a->rx_cap - dist(a->rd, a->rcv));
	f.len = len;
	f.payload = a->tx + (seq & (a->tx_cap - 1));
	if (kind == FRAME_DATA || kind == FRAME_NAK) {
		a->edge_told = add(f.ack, f.window);
		a->ack_due = a->nak_due = false;
		a->ack_segs = 0;
	}
	return encode_out(a, &f, to);
}

static size_t rst_out(struct arq *a, uint8_t *to)
{
	struct frame f = { .ver = FRAME_VER, .kind = FRAME_RST, .conn = a->rst_conn };

	a->rst_due = false;
	return encode_out(a, &f, to);
}

static size_t syn_out(struct arq *a, uint8_t *to, uint64_t now_us)
{
	uint32_t shift = a->syn_tries < SYN_BACKOFF_MAX ? a->syn_tries : SYN_BACKOFF_MAX;

	a->syn_tries += a->syn_tries < UINT32_MAX;
	a->syn_at_us = now_us + ((uint64_t)ARQ_SYN_US << shift);
	return frame_out(a, FRAME_SYN, 0, 0, to);
}

static size_t data_out(struct arq *a, uint16_t n, uint8_t *to, uint64_t now_us)
{
	uint16_t seq = a->nxt;

	if (dist(a->una, a->nxt) < dist(a->una, a->high))
		a->n.resent++;
	a->nxt = add(a->nxt, n);
	if (dist(a->una, a->nxt) > dist(a->una, a->high))
		a->high = a->nxt;
	if (a->resend_at_us == 0 || a->probing) {
		a->probing = false;
		timer_start(a, now_us);
	}
	return frame_out(a, FRAME_DATA, seq, n, to);
}

/* One byte beyond the window, to be told the window again. */
static size_t probe_out(struct arq *a, uint8_t *to)
{
	if (a->high == a->una)
		a->high = add(a->una, 1);
	return frame_out(a, FRAME_DATA, a->una, 1, to);
}

/* The timer of the send side ran out, or one is missing. Returns true to send a probe. */
static bool timer_run(struct arq *a, uint64_t now_us)
{
	bool blocked = a->una == a->nxt && a->end != a->una && a->peer_window == 0;

	if (blocked && !a->probing) {
		a->probing = true;
		timer_start(a, now_us);
		return false;
	}
	if (a->resend_at_us == 0 || now_us < a->resend_at_us)
		return false;
	a->backoff += a->backoff < BACKOFF_MAX;
	a->unanswered += a->unanswered < UINT32_MAX;
	if (blocked) {
		timer_start(a, now_us);
		return true;
	}
	a->probing = false;
	a->resend_at_us = 0;
	if (a->una != a->nxt) {
		go_back(a, now_us);
		a->eager_until_us = now_us + line_us(a, wire_bytes(a->seg, a->seg));
	}
	return false;
}

size_t arq_output(struct arq *a, uint8_t *to, uint64_t now_us)
{
	uint16_t n;

	if (a->rst_due)
		return rst_out(a, to);
	if (a->state == ARQ_SYN_SENT)
		return now_us >= a->syn_at_us ? syn_out(a, to, now_us) : 0;
	if (a->state != ARQ_UP)
		return 0;
	if (a->synack_due) {
		a->synack_due = false;
		return frame_out(a, FRAME_SYNACK, 0, 0, to);
	}
	if (timer_run(a, now_us))
		return probe_out(a, to);
	if (a->nak_due)
		return frame_out(a, FRAME_NAK, a->nxt, 0, to);
	n = seg_next(a);
	if (n > 0)
		return data_out(a, n, to, now_us);
	if (a->ack_due && now_us >= a->ack_at_us)
		return frame_out(a, FRAME_DATA, a->nxt, 0, to);
	return 0;
}

uint64_t arq_next_us(const struct arq *a)
{
	uint64_t at = UINT64_MAX;

	if (a->rst_due)
		return 0;
	if (a->state == ARQ_SYN_SENT)
		return a->syn_at_us;
	if (a->state != ARQ_UP)
		return UINT64_MAX;
	if (a->synack_due || a->nak_due || seg_next(a) > 0)
		return 0;
	if (a->resend_at_us != 0)
		at = a->resend_at_us;
	else if (a->una == a->nxt && a->end != a->una)
		return 0; /* blocked by the window: the probe's timer wants to be started */
	if (a->ack_due && a->ack_at_us < at)
		at = a->ack_at_us;
	return at;
}

/* -- receive side ---------------------------------------------------------------------- */

static void ack_soon(struct arq *a, uint64_t at_us)
{
	if (!a->ack_due || at_us < a->ack_at_us)
		a->ack_at_us = at_us;
	a->ack_due = true;
}

static void rx_store(struct arq *a, const uint8_t *from, uint16_t n)
{
	uint16_t at = (uint16_t)(a->rcv & (a->rx_cap - 1));
	uint16_t first = least(n, (uint32_t)a->rx_cap - at);

	memcpy(a->rx + at, from, first);
	memcpy(a->rx, from + first, (size_t)n - first);
	a->rcv = add(a->rcv, n);
}

/* Stream bytes: the next ones are kept as far as there is room, all others are dropped. */
static void take_data(struct arq *a, const struct frame *f, uint64_t now_us)
{
	uint16_t known = dist(f->seq, a->rcv), n, room;

	if (f->len == 0)
		return;
	a->peer_len = f->len;
	timer_stretch(a);
	if (known > WINDOW_MAX) { /* seq lies beyond rcv */
		a->nak_due = true;
		return;
	}
	if (known >= f->len) {
		a->n.duplicate++;
		ack_soon(a, 0);
		return;
	}
	room = (uint16_t)(a->rx_cap - dist(a->rd, a->rcv));
	n = least((uint32_t)f->len - known, room);
	rx_store(a, f->payload + known, n);
	a->n.bytes_taken += n;
	if (a->ack_segs < UINT8_MAX)
		a->ack_segs++;
	ack_soon(a, n == 0 || a->ack_segs > 1 ? 0 : now_us + ARQ_ACK_DELAY_US);
}

/* Daemon to board: a life begins, or its SYNACK was lost. */
static unsigned take_syn(struct arq *a, const struct frame *f)
{
	bool known = a->state == ARQ_UP && f->conn == a->conn;

	if (a->role != ARQ_BOARD || f->conn == 0 || f->len != 0) {
		a->n.stale++;
		return 0;
	}
	if (!known) {
		streams_clear(a);
		a->state = ARQ_UP;
		a->conn = f->conn;
		a->peer_window = least(f->window, WINDOW_MAX);
		a->rst_due = false;
	}
	a->synack_due = true;
	return known ? 0 : 1u << ARQ_EV_UP;
}

static unsigned take_synack(struct arq *a, const struct frame *f)
{
	if (a->state != ARQ_SYN_SENT || f->conn != a->conn || f->len != 0) {
		a->n.stale++;
		return 0;
	}
	a->state = ARQ_UP;
	a->peer_window = least(f->window, WINDOW_MAX);
	return 1u << ARQ_EV_UP;
}

static unsigned take_rst(struct arq *a, const struct frame *f)
{
	bool booted = a->role == ARQ_DAEMON && f->conn == 0;

	if (a->state == ARQ_UP && (booted || f->conn == a->conn)) {
		life_end(a);
		return 1u << ARQ_EV_RESET;
	}
	if (a->state == ARQ_SYN_SENT && booted)
		a->syn_at_us = 0; /* it just woke up: ask again at once */
	a->n.stale++;
	return 0;
}

static unsigned take_frame(struct arq *a, const struct frame *f, uint64_t now_us)
{
	a->n.frames_in++;
	switch (f->kind) {
	case FRAME_SYN: return take_syn(a, f);
	case FRAME_SYNACK: return take_synack(a, f);
	case FRAME_RST: return take_rst(a, f);
	case FRAME_DATA:
	case FRAME_NAK: break;
	default: a->n.stale++; return 0;
	}
	if (a->state != ARQ_UP || f->conn != a->conn) {
		a->n.stale++;
		if (a->state != ARQ_SYN_SENT) {
			a->rst_due = true;
			a->rst_conn = f->conn;
		}
		return 0;
	}
	take_ack(a, f, now_us);
	take_data(a, f, now_us);
	return 0;
}

unsigned arq_input(struct arq *a, const uint8_t *bytes, size_t n, uint64_t now_us)
{
	unsigned events = 0;

	for (size_t i = 0; i < n; i++) {
		struct frame f;
		uint16_t held = a->frx.used;
		int r = frame_rx_byte(&a->frx, bytes[i], &f);

		if (r > 0)
			events |= take_frame(a, &f, now_us);
		if (r >= 0)
			continue;
		a->n.frames_bad++;
		if (r == HV_E_VERSION)
			events |= 1u << ARQ_EV_VERSION;
		else if (held > ACK_WIRE && a->state == ARQ_UP)
			a->nak_due = true; /* most likely data: do not wait for its timeout */
	}
	a->n.bytes_in += n;
	return events;
}

/* -- messages -------------------------------------------------------------------------- */

size_t arq_room(const struct arq *a)
{
	size_t left = (size_t)a->tx_cap - dist(a->una, a->end);

	if (a->state != ARQ_UP || left <= 2)
		return 0;
	return left - 2 < ARQ_MSG_MAX ? left - 2 : ARQ_MSG_MAX;
}

static void tx_store(struct arq *a, const uint8_t *from, size_t n)
{
	size_t at = a->end & (size_t)(a->tx_cap - 1);
	size_t first = n < a->tx_cap - at ? n : a->tx_cap - at;

	if (n == 0)
		return;
	memcpy(a->tx + at, from, first);
	memcpy(a->tx, from + first, n - first);
	a->end = add(a->end, (unsigned)n);
}

int arq_send(struct arq *a, const void *head, size_t n, const void *tail, size_t m)
{
	uint8_t len[2];

	if (a->state != ARQ_UP)
		return HV_E_GONE;
	if (n > ARQ_MSG_MAX || m > ARQ_MSG_MAX - n || n + m == 0 || n + m + 2 > a->tx_cap)
		return HV_E_INVAL;
	if (n + m > arq_room(a))
		return HV_E_BUSY;
	len[0] = (uint8_t)(n + m);
	len[1] = (uint8_t)((n + m) >> 8);
	tx_store(a, len, 2);
	tx_store(a, head, n);
	tx_store(a, tail, m);
	return HV_OK;
}

static void rx_copy(struct arq *a, uint8_t *to, uint16_t n)
{
	uint16_t at = (uint16_t)(a->rd & (a->rx_cap - 1));
	uint16_t first = least(n, (uint32_t)a->rx_cap - at);

	memcpy(to, a->rx + at, first);
	memcpy(to + first, a->rx, (size_t)n - first);
	a->rd = add(a->rd, n);
}

/* Tell of room when the peer may be waiting for it. */
static void window_update(struct arq *a)
{
	uint16_t gain = dist(a->edge_told, add(a->rd, a->rx_cap));

	if (a->edge_told == a->rcv || gain >= least(a->rx_cap / 4u, FRAME_MAX_PAYLOAD))
		ack_soon(a, 0);
}

int arq_recv(struct arq *a, uint8_t *to, size_t cap)
{
	uint16_t have = dist(a->rd, a->rcv), mask = (uint16_t)(a->rx_cap - 1);
	size_t len;

	if (a->state != ARQ_UP || have < 2)
		return 0;
	len = a->rx[a->rd & mask] | (size_t)a->rx[add(a->rd, 1) & mask] << 8;
	if (len == 0 || len > cap || len > ARQ_MSG_MAX || len + 2 > a->rx_cap)
		return HV_E_FRAME;
	if (have < len + 2)
		return 0;
	a->rd = add(a->rd, 2);
	rx_copy(a, to, (uint16_t)len);
	window_update(a);
	return (int)len;
}

bool arq_is_stuck(const struct arq *a, uint32_t tries)
{
	return (a->state == ARQ_SYN_SENT ? a->syn_tries : a->unanswered) > tries;
}
