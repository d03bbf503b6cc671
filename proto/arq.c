#include "proto/arq.h"
#include <string.h>

enum {
	WINDOW_MAX = 32768,
	BACKOFF_MAX = 4, /* the timeout grows to 2^4 times itself */
	SPARE_SEG = 2 * ARQ_SEG_MIN, /* segments no longer than this tell of a very bad line */
	GROW_SEG = 128, /* smaller segments grow as slowly as these: too small costs little */
	FRAME_COST = 16, /* bytes of wire a frame adds to its payload */
	PEER_FRAMES = ARQ_FLIGHT_SEGS + 1, /* its flight, and the one that answers */
	ACK_WIRE = 20, /* bytes of a frame without payload, some noise included */
	SYN_BACKOFF_MAX = 3,
	RTT_MAX_US = 2000000,
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
	return (uint64_t)n * a->byte_q16 >> 16;
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

/* Smaller frames survive a worse line, larger ones carry less frame around them. The best size
 * loses one of seg / FRAME_COST segments: so many good ones double what a bad one halves. */
static void seg_shrink(struct arq *a)
{
	a->seg = a->seg / 2 > ARQ_SEG_MIN ? a->seg / 2 : ARQ_SEG_MIN;
}

static void go_back(struct arq *a)
{
	a->nxt = a->una;
	a->hole_due = a->hole_sent = a->rtt_runs = false;
	seg_shrink(a);
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

static void rtt_take(struct arq *a, uint64_t us)
{
	uint32_t sample = us < RTT_MAX_US ? (uint32_t)us : RTT_MAX_US;

	a->rtt_us = a->rtt_us == 0 ? sample : a->rtt_us - a->rtt_us / 4 + sample / 4;
}

/* A hole was filled. Which of several resends did it nobody knows: then the measure is only
 * known to be too short, or the line to be bad. */
static void hole_rtt(struct arq *a, uint64_t now_us)
{
	if (!a->hole_again)
		rtt_take(a, now_us - a->hole_sent_us);
	else if (a->rtt_us < RTT_MAX_US)
		a->rtt_us += a->rtt_us / 8;
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
	if (a->rtt_runs && dist(a->una, a->rtt_seq) <= n) {
		a->rtt_runs = false;
		rtt_take(a, now_us - a->rtt_from_us);
	} else if (a->hole_sent) {
		hole_rtt(a, now_us);
	}
	a->n.bytes_acked += n;
	a->una = ack;
	/* the next hole, if something sent before the last one's resend is still missing */
	a->hole_due = a->hole_sent && dist(ack, a->hole_before) <= dist(ack, a->nxt) &&
		      ack != a->hole_before;
	if (a->hole_due)
		seg_shrink(a);
	/* the spare resends go on where they are, unless the peer has that already */
	a->hole_sent = false;
	a->peer_window = (uint16_t)(a->peer_window > n ? a->peer_window - n : 0);
	a->backoff = a->unanswered = 0;
	a->seg_credit += n;
	if (a->seg_credit >=
	    a->seg * (uint32_t)(a->seg > GROW_SEG ? a->seg : GROW_SEG) / FRAME_COST) {
		seg_grow(a);
		a->slack_us -= (a->slack_us - ARQ_SLACK_US) / 8;
	}
	a->resend_at_us = 0;
	a->probing = false;
	if (a->una != a->nxt)
		timer_start(a, now_us);
}

/* The peer lacks the bytes at una. One resend of them at a time: what tells of them before the
 * resend can have been answered speaks of the time before. */
static void take_nak(struct arq *a, uint64_t now_us)
{
	if (a->hole_due || (a->hole_sent && now_us < a->nak_after_us))
		return;
	a->hole_due = true;
	seg_shrink(a);
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
	if (f->kind == FRAME_NAK && a->una != a->nxt)
		take_nak(a, now_us);
}

static uint16_t flight_limit(const struct arq *a)
{
	uint32_t limit = (uint32_t)ARQ_FLIGHT_SEGS * a->seg;

	return least(a->peer_window, limit < ARQ_FLIGHT_BYTES ? limit : ARQ_FLIGHT_BYTES);
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
	if (n < a->seg && a->tx_owed > 0)
		return 0; /* nor while the rest of the message is on its way */
	to_wrap = (uint16_t)(a->tx_cap - (a->nxt & (a->tx_cap - 1)));
	return least(n, to_wrap);
}

static void frame_begin(struct arq *a, const struct frame *f)
{
	/* Before the frames of beginning and end a delimiter: what is half-way in the peer
	 * must not spoil them. */
	bool delimiter = f->kind == FRAME_SYN || f->kind == FRAME_SYNACK || f->kind == FRAME_RST;

	if (frame_tx_begin(&a->ftx, f, delimiter))
		a->n.frames_out++;
}

/* Every frame of a life says what we have and what we have room for. A payload stays where it
 * is until the frame is out: should its bytes be acknowledged and overwritten meanwhile, the
 * peer has them already. */
static void frame_out(struct arq *a, uint8_t kind, uint16_t seq, uint16_t len)
{
	struct frame f = { .ver = FRAME_VER, .kind = kind, .conn = a->conn, .seq = seq };

	f.ack = a->rcv;
	f.window = (uint16_t)(a->rx_cap - dist(a->rd, a->rcv));
	f.len = len;
	f.payload = a->tx + (seq & (a->tx_cap - 1));
	if (kind == FRAME_DATA) {
		if (a->nak_due)
			f.kind = FRAME_NAK;
		a->edge_told = add(f.ack, f.window);
		a->ack_due = a->nak_due = false;
		a->ack_segs = 0;
	}
	frame_begin(a, &f);
}

static void rst_out(struct arq *a)
{
	struct frame f = { .ver = FRAME_VER, .kind = FRAME_RST, .conn = a->rst_conn };

	a->rst_due = false;
	frame_begin(a, &f);
}

static void syn_out(struct arq *a, uint64_t now_us)
{
	uint32_t shift = a->syn_tries < SYN_BACKOFF_MAX ? a->syn_tries : SYN_BACKOFF_MAX;

	a->syn_tries += a->syn_tries < UINT32_MAX;
	a->syn_at_us = now_us + ((uint64_t)ARQ_SYN_US << shift);
	frame_out(a, FRAME_SYN, 0, 0);
}

static void data_out(struct arq *a, uint16_t n, uint64_t now_us)
{
	uint16_t seq = a->nxt;

	if (dist(a->una, a->nxt) < dist(a->una, a->high))
		a->n.resent++;
	a->nxt = add(a->nxt, n);
	if (dist(a->una, a->nxt) > dist(a->una, a->high)) {
		a->high = a->nxt;
		if (!a->rtt_runs) {
			a->rtt_runs = true;
			a->rtt_seq = a->nxt;
			a->rtt_from_us = now_us;
		}
	}
	if (a->resend_at_us == 0 || a->probing) {
		a->probing = false;
		timer_start(a, now_us);
	}
	frame_out(a, FRAME_DATA, seq, n);
}

static void hole_out(struct arq *a, uint64_t now_us)
{
	uint64_t wait_us, rtt_us = a->rtt_us + a->rtt_us / 4;
	uint16_t n;

	if (!a->hole_due)
		seg_shrink(a); /* the resend was lost, too */
	wait_us = line_us(a, a->seg + a->peer_len + 3u * ACK_WIRE);
	n = least(a->seg, dist(a->una, a->nxt));
	a->hole_due = false;
	a->hole_again = a->hole_sent || a->nxt != a->high;
	a->hole_sent = true;
	a->hole_before = a->nxt;
	a->hole_sent_us = now_us;
	a->nak_after_us = now_us + (wait_us > rtt_us ? wait_us : rtt_us);
	a->rtt_runs = false;
	a->n.resent++;
	timer_start(a, now_us);
	n = least(n, a->tx_cap - (a->una & (a->tx_cap - 1u)));
	a->spare_at = add(a->una, n);
	frame_out(a, FRAME_DATA, a->una, n);
}

/* On a very bad line there are more holes, each of which would cost a round trip: time of the
 * line that nobody else wants goes into guesses. Their length; 0: none. */
static uint16_t spare_next(const struct arq *a)
{
	uint16_t left = dist(a->spare_at, a->hole_before);

	if (!a->hole_sent || a->seg > SPARE_SEG || a->una == a->nxt || left > WINDOW_MAX)
		return 0;
	return least(least(a->seg, left), a->tx_cap - (a->spare_at & (a->tx_cap - 1u)));
}

static void spare_out(struct arq *a, uint16_t n)
{
	uint16_t seq = a->spare_at;

	a->spare_at = add(seq, n);
	a->n.resent++;
	frame_out(a, FRAME_DATA, seq, n);
}

/* One byte beyond the window, to be told the window again. */
static void probe_out(struct arq *a)
{
	if (a->high == a->una)
		a->high = add(a->una, 1);
	frame_out(a, FRAME_DATA, a->una, 1);
}

/* The peer said that it lacks the bytes at una, and their resend has not been answered. */
static bool hole_is_late(const struct arq *a, uint64_t now_us)
{
	return a->hole_sent && a->una != a->nxt && now_us >= a->nak_after_us;
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
		go_back(a);
		a->eager_until_us = now_us + line_us(a, wire_bytes(a->seg, a->seg));
	}
	return false;
}

/* The next frame of a life that is up, if there is one to send. */
static void life_out(struct arq *a, uint64_t now_us)
{
	uint16_t n;

	if (a->synack_due) {
		a->synack_due = false;
		frame_out(a, FRAME_SYNACK, 0, 0);
	} else if (timer_run(a, now_us)) {
		probe_out(a);
	} else if ((a->hole_due && a->una != a->nxt) || hole_is_late(a, now_us)) {
		hole_out(a, now_us);
	} else if ((n = seg_next(a)) > 0) {
		data_out(a, n, now_us);
	} else if ((n = spare_next(a)) > 0) {
		spare_out(a, n);
	} else if (a->nak_due || (a->ack_due && now_us >= a->ack_at_us)) {
		frame_out(a, FRAME_DATA, a->nxt, 0);
	}
}

bool arq_output_begin(struct arq *a, uint64_t now_us)
{
	if (arq_is_pulling(a))
		return true;
	if (a->rst_due)
		rst_out(a);
	else if (a->state == ARQ_SYN_SENT && now_us >= a->syn_at_us)
		syn_out(a, now_us);
	else if (a->state == ARQ_UP)
		life_out(a, now_us);
	return arq_is_pulling(a);
}

size_t arq_pull(struct arq *a, uint8_t *to, size_t cap)
{
	size_t n = frame_tx_pull(&a->ftx, to, cap);

	a->n.bytes_out += n;
	return n;
}

size_t arq_output(struct arq *a, uint8_t *to, uint64_t now_us)
{
	size_t n = 0;

	(void)arq_output_begin(a, now_us);
	while (arq_is_pulling(a))
		n += arq_pull(a, to + n, FRAME_MAX_WIRE - n);
	return n;
}

uint64_t arq_next_us(const struct arq *a)
{
	uint64_t at = UINT64_MAX;

	if (a->rst_due || arq_is_pulling(a))
		return 0;
	if (a->state == ARQ_SYN_SENT)
		return a->syn_at_us;
	if (a->state != ARQ_UP)
		return UINT64_MAX;
	if (a->synack_due || a->nak_due || a->hole_due || seg_next(a) > 0 || spare_next(a) > 0)
		return 0;
	if (a->resend_at_us != 0)
		at = a->resend_at_us;
	else if (a->una == a->nxt && a->end != a->una)
		return 0; /* blocked by the window: the probe's timer wants to be started */
	if (a->ack_due && a->ack_at_us < at)
		at = a->ack_at_us;
	if (a->hole_sent && a->una != a->nxt && a->nak_after_us < at)
		at = a->nak_after_us;
	return at;
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
	uint16_t f = dist(a->rcv, from), t = dist(a->rcv, to);
	unsigned i = 0;

	while (i < a->islands && dist(a->rcv, a->island[i].to) < f)
		i++;
	while (i < a->islands && dist(a->rcv, a->island[i].from) <= t) {
		f = least(f, dist(a->rcv, a->island[i].from));
		if (dist(a->rcv, a->island[i].to) > t)
			t = dist(a->rcv, a->island[i].to);
		island_drop(a, i);
	}
	if (a->islands == ARQ_ISLANDS)
		return;
	for (unsigned k = a->islands++; k > i; k--)
		a->island[k] = a->island[k - 1];
	a->island[i] = (struct arq_island){ add(a->rcv, f), add(a->rcv, t) };
}

/* Bytes [rcv, to) lie in rx. */
static void advance(struct arq *a, uint16_t to)
{
	uint16_t from = a->rcv;

	while (a->islands > 0 && dist(from, a->island[0].from) <= dist(from, to)) {
		if (dist(from, a->island[0].to) > dist(from, to))
			to = a->island[0].to;
		island_drop(a, 0);
	}
	a->rcv = to;
	a->n.bytes_taken += dist(from, to);
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
	uint16_t n = least(a->store_n, ARQ_PIECE);

	n = least(n, (uint32_t)a->rx_cap - at);
	memcpy(a->rx + at, a->store_from, n);
	a->store_from += n;
	a->store_at = add(a->store_at, n);
	a->store_n = (uint16_t)(a->store_n - n);
	if (a->store_n == 0)
		stored(a, now_us);
}

/* Stream bytes are kept as far as there is room, the next ones and those behind a hole. */
static void take_data(struct arq *a, const struct frame *f)
{
	uint16_t known = dist(f->seq, a->rcv), ahead = 0;
	uint32_t room = (uint32_t)a->rx_cap - dist(a->rd, a->rcv);

	if (f->len == 0)
		return;
	a->peer_len = f->len;
	timer_stretch(a);
	if (known > WINDOW_MAX) { /* seq lies beyond rcv */
		ahead = dist(a->rcv, f->seq);
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
	a->store_first = a->store_at = add(a->rcv, ahead);
	a->store_n = least((uint32_t)f->len - known, room - ahead);
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
	size_t i = 0;
	int r = 0;

	if (a->store_n > 0) {
		store_piece(a, now_us);
		return 0;
	}
	while (i < n && r == 0) {
		struct frame f;
		uint16_t wire_n = a->frx.used;

		r = frame_rx_byte(&a->frx, bytes[i++], &f);
		if (r != 0)
			*events |= frame_done(a, r, wire_n, &f, now_us);
	}
	a->n.bytes_in += i;
	return i;
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
	size_t left = (size_t)a->tx_cap - dist(a->una, a->end);

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
	a->end = add(a->end, (unsigned)n);
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

/* Length of the next message, as it was announced; 0: not yet known. */
static int announced(const struct arq *a)
{
	uint16_t mask = (uint16_t)(a->rx_cap - 1);
	size_t len;

	if (a->state != ARQ_UP || dist(a->rd, a->rcv) < 2)
		return 0;
	len = a->rx[a->rd & mask] | (size_t)a->rx[add(a->rd, 1) & mask] << 8;
	return len == 0 || len > ARQ_MSG_MAX ? HV_E_FRAME : (int)len;
}

int arq_recv(struct arq *a, uint8_t *to, size_t cap)
{
	int len = announced(a);

	if (len <= 0)
		return len;
	if ((size_t)len > cap || len + 2 > a->rx_cap)
		return HV_E_FRAME;
	if (dist(a->rd, a->rcv) < len + 2)
		return 0;
	a->rd = add(a->rd, 2);
	rx_copy(a, to, (uint16_t)len);
	window_update(a);
	return len;
}

int arq_recv_begin(struct arq *a)
{
	int len = a->rx_left > 0 ? 0 : announced(a);

	if (len > 0) {
		a->rd = add(a->rd, 2);
		a->rx_left = (uint16_t)len;
	}
	return len;
}

size_t arq_recv_some(struct arq *a, uint8_t *to, size_t n)
{
	uint16_t some = least(a->rx_left, dist(a->rd, a->rcv));

	if (some > n)
		some = (uint16_t)n;
	if (some == 0)
		return 0;
	rx_copy(a, to, some);
	a->rx_left = (uint16_t)(a->rx_left - some);
	window_update(a);
	return some;
}

bool arq_is_stuck(const struct arq *a, uint32_t tries)
{
	return (a->state == ARQ_SYN_SENT ? a->syn_tries : a->unanswered) > tries;
}
