#include "proto/arq.h"
#include "proto/arq_priv.h"
#include <string.h>

static void streams_clear(struct arq *a)
{
	a->una = a->nxt = a->high = a->end = a->peer_window = 0;
	a->seg = FRAME_MAX_PAYLOAD;
	a->seg_credit = 0;
	a->resend_at_us = a->nak_after_us = a->line_free_us = 0;
	a->hole_due = a->hole_sent = a->rtt_runs = false;
	a->tx_owed = a->rx_left = 0;
	a->islands = 0;
	a->store_n = 0;
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
	uint32_t bps = line_bps > LINE_BPS_MIN ? line_bps : LINE_BPS_MIN;

	/* a division for all the times it is needed: the board has none for 64 bits */
	a->byte_q16 = (uint32_t)(((uint64_t)10000000 << 16) / bps);
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

/* -- receive side ---------------------------------------------------------------------- */

static void ack_soon(struct arq *a, uint64_t at_us)
{
	if (!a->ack_due || at_us < a->ack_at_us)
		a->ack_at_us = at_us;
	a->ack_due = true;
}

/* Island i is out of the way. */
static void island_drop(struct arq *a, unsigned i)
{
	for (a->islands--; i < a->islands; i++)
		a->island[i] = a->island[i + 1];
}

/* [from, to) lies in rx, behind a hole. What finds no place among the islands is forgotten. */
static void island_add(struct arq *a, uint16_t from, uint16_t to)
{
	uint16_t f = arq_dist(a->rcv, from), t = arq_dist(a->rcv, to);
	unsigned i = 0;

	while (i < a->islands && arq_dist(a->rcv, a->island[i].to) < f)
		i++;
	while (i < a->islands && arq_dist(a->rcv, a->island[i].from) <= t) {
		f = arq_least(f, arq_dist(a->rcv, a->island[i].from));
		if (arq_dist(a->rcv, a->island[i].to) > t)
			t = arq_dist(a->rcv, a->island[i].to);
		island_drop(a, i);
	}
	if (a->islands == ARQ_ISLANDS)
		return;
	for (unsigned k = a->islands++; k > i; k--)
		a->island[k] = a->island[k - 1];
	a->island[i] = (struct arq_island){ arq_add(a->rcv, f), arq_add(a->rcv, t) };
}

/* Bytes [rcv, to) lie in rx. */
static void advance(struct arq *a, uint16_t to)
{
	uint16_t from = a->rcv;

	while (a->islands > 0 && arq_dist(from, a->island[0].from) <= arq_dist(from, to)) {
		if (arq_dist(from, a->island[0].to) > arq_dist(from, to))
			to = a->island[0].to;
		island_drop(a, 0);
	}
	a->rcv = to;
	a->n.bytes_taken += arq_dist(from, to);
}

/* The bytes of a frame are all in rx. */
static void stored(struct arq *a, uint64_t now_us)
{
	uint16_t from = a->store_first, to = a->store_at;

	if (from != a->rcv) {
		island_add(a, from, to);
		return;
	}
	advance(a, to);
	a->nak_due = a->islands > 0;
	if (a->ack_segs < UINT8_MAX)
		a->ack_segs++;
	ack_soon(a, a->ack_segs > 1 ? 0 : now_us + ARQ_ACK_DELAY_US);
}

static void store_piece(struct arq *a, uint64_t now_us)
{
	uint16_t at = (uint16_t)(a->store_at & (a->rx_cap - 1));
	uint16_t n = arq_least(a->store_n, ARQ_PIECE);

	n = arq_least(n, (uint32_t)a->rx_cap - at);
	memcpy(a->rx + at, a->store_from, n);
	a->store_from += n;
	a->store_at = arq_add(a->store_at, n);
	a->store_n = (uint16_t)(a->store_n - n);
	if (a->store_n == 0)
		stored(a, now_us);
}

/* Stream bytes are kept as far as there is room, the next ones and those behind a hole. */
static void take_data(struct arq *a, const struct frame *f)
{
	uint16_t known = arq_dist(f->seq, a->rcv), ahead = 0;
	uint32_t room = (uint32_t)a->rx_cap - arq_dist(a->rd, a->rcv);

	if (f->len == 0)
		return;
	a->peer_len = f->len;
	arq_timer_stretch(a);
	if (known > WINDOW_MAX) { /* seq lies beyond rcv */
		ahead = arq_dist(a->rcv, f->seq);
		known = 0;
		a->nak_due = true;
	}
	if (known >= f->len) {
		a->n.duplicate++;
		ack_soon(a, 0);
		return;
	}
	if (ahead >= room) {
		ack_soon(a, 0);
		return;
	}
	a->store_from = f->payload + known;
	a->store_first = a->store_at = arq_add(a->rcv, ahead);
	a->store_n = arq_least((uint32_t)f->len - known, room - ahead);
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
		a->peer_window = arq_least(f->window, WINDOW_MAX);
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
	a->peer_window = arq_least(f->window, WINDOW_MAX);
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
	arq_take_ack(a, f, now_us);
	take_data(a, f);
	return 0;
}

/* The end of a frame, or of what was none. */
static unsigned frame_done(struct arq *a, int r, uint16_t wire_n, const struct frame *f,
			   uint64_t now_us)
{
	if (r > 0)
		return take_frame(a, f, now_us);
	a->n.frames_bad++;
	if (r == HV_E_VERSION)
		return 1u << ARQ_EV_VERSION;
	if (wire_n > ACK_WIRE && a->state == ARQ_UP)
		a->nak_due = true; /* most likely data: do not wait for its timeout */
	return 0;
}

size_t arq_take(struct arq *a, const uint8_t *bytes, size_t n, uint64_t now_us, unsigned *events)
{
	uint16_t wire_n = a->frx.used;
	struct frame f;
	size_t taken = 0;
	int r;

	if (a->store_n > 0) {
		store_piece(a, now_us);
		return 0;
	}
	r = frame_rx_take(&a->frx, bytes, n, &taken, &f);
	if (r != 0)
		*events |= frame_done(a, r, wire_n, &f, now_us);
	a->n.bytes_in += taken;
	return taken;
}

unsigned arq_input(struct arq *a, const uint8_t *bytes, size_t n, uint64_t now_us)
{
	unsigned events = 0;
	size_t i = 0;

	while (i < n || a->store_n > 0)
		i += arq_take(a, bytes + i, n - i, now_us, &events);
	return events;
}

/* -- messages -------------------------------------------------------------------------- */

size_t arq_room(const struct arq *a)
{
	size_t left = (size_t)a->tx_cap - arq_dist(a->una, a->end);

	if (a->state != ARQ_UP || left <= 2 || a->tx_owed > 0)
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
	a->end = arq_add(a->end, (unsigned)n);
}

int arq_send_begin(struct arq *a, size_t n)
{
	uint8_t len[2] = { (uint8_t)n, (uint8_t)(n >> 8) };

	if (a->state != ARQ_UP)
		return HV_E_GONE;
	if (n == 0 || n > ARQ_MSG_MAX || n + 2 > a->tx_cap)
		return HV_E_INVAL;
	if (n > arq_room(a))
		return HV_E_BUSY;
	tx_store(a, len, 2);
	a->tx_owed = (uint16_t)n;
	return HV_OK;
}

void arq_send_some(struct arq *a, const void *bytes, size_t n)
{
	if (n > a->tx_owed)
		n = a->tx_owed;
	tx_store(a, bytes, n);
	a->tx_owed = (uint16_t)(a->tx_owed - n);
}

int arq_send(struct arq *a, const void *head, size_t n, const void *tail, size_t m)
{
	int err = arq_send_begin(a, n > ARQ_MSG_MAX || m > ARQ_MSG_MAX ? 0 : n + m);

	if (err != HV_OK)
		return err;
	arq_send_some(a, head, n);
	arq_send_some(a, tail, m);
	return HV_OK;
}

static void rx_copy(struct arq *a, uint8_t *to, uint16_t n)
{
	uint16_t at = (uint16_t)(a->rd & (a->rx_cap - 1));
	uint16_t first = arq_least(n, (uint32_t)a->rx_cap - at);

	memcpy(to, a->rx + at, first);
	memcpy(to + first, a->rx, (size_t)n - first);
	a->rd = arq_add(a->rd, n);
}

/* Tell of room when the peer may be waiting for it. */
static void window_update(struct arq *a)
{
	uint16_t gain = arq_dist(a->edge_told, arq_add(a->rd, a->rx_cap));

	if (a->edge_told == a->rcv || gain >= arq_least(a->rx_cap / 4u, FRAME_MAX_PAYLOAD))
		ack_soon(a, 0);
}

/* Length of the next message, as it was announced; 0: not yet known. */
static int announced(const struct arq *a)
{
	uint16_t mask = (uint16_t)(a->rx_cap - 1);
	size_t len;

	if (a->state != ARQ_UP || arq_dist(a->rd, a->rcv) < 2)
		return 0;
	len = a->rx[a->rd & mask] | (size_t)a->rx[arq_add(a->rd, 1) & mask] << 8;
	return len == 0 || len > ARQ_MSG_MAX ? HV_E_FRAME : (int)len;
}

int arq_recv(struct arq *a, uint8_t *to, size_t cap)
{
	int len = announced(a);

	if (len <= 0)
		return len;
	if ((size_t)len > cap || len + 2 > a->rx_cap)
		return HV_E_FRAME;
	if (arq_dist(a->rd, a->rcv) < len + 2)
		return 0;
	a->rd = arq_add(a->rd, 2);
	rx_copy(a, to, (uint16_t)len);
	window_update(a);
	return len;
}

int arq_recv_begin(struct arq *a)
{
	int len = a->rx_left > 0 ? 0 : announced(a);

	if (len > 0) {
		a->rd = arq_add(a->rd, 2);
		a->rx_left = (uint16_t)len;
	}
	return len;
}

size_t arq_recv_some(struct arq *a, uint8_t *to, size_t n)
{
	uint16_t some = arq_least(a->rx_left, arq_dist(a->rd, a->rcv));

	if (some > n)
		some = (uint16_t)n;
	if (some == 0)
		return 0;
	rx_copy(a, to, some);
	a->rx_left = (uint16_t)(a->rx_left - some);
	window_update(a);
	return some;
}

bool arq_recv_ready(const struct arq *a)
{
	return a->rx_left > 0 && a->rd != a->rcv;
}

bool arq_is_stuck(const struct arq *a, uint32_t tries)
{
	return (a->state == ARQ_SYN_SENT ? a->syn_tries : a->unanswered) > tries;
}
