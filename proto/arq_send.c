#include "proto/arq.h"
#include "proto/arq_priv.h"

/* A flight of the peer's frames and the one that answers. */
static uint32_t peer_wire(uint32_t len)
{
	uint32_t flight = ARQ_FLIGHT_SEGS * len;

	if (flight > ARQ_FLIGHT_BYTES)
		flight = ARQ_FLIGHT_BYTES;
	return (len > 0 ? arq_wire_bytes(flight, len) : 0) + len + ACK_WIRE;
}

/* What is in flight and its answer, both over the line. What carries the line may take a whole
 * flight of the peer's frames at once: the answer is behind all of them. */
static void timer_start(struct arq *a, uint64_t now_us)
{
	uint32_t flight = arq_wire_bytes(arq_dist(a->una, a->nxt), a->seg);
	uint32_t answer = peer_wire(a->peer_len) + a->seg;
	uint32_t shift = a->backoff < BACKOFF_MAX ? a->backoff : BACKOFF_MAX;

	a->rto_us = (uint32_t)arq_line_us(a, 2 * flight + answer) + a->slack_us;
	a->resend_at_us = now_us + ((uint64_t)a->rto_us << shift);
	a->rto_peer_len = a->peer_len;
}

/* The peer's frames are longer than the running timer knew. At most once for every length, so
 * that no peer can put the timeout off for ever. */
void arq_timer_stretch(struct arq *a)
{
	uint32_t knew = peer_wire(a->rto_peer_len), is = peer_wire(a->peer_len);

	if (a->resend_at_us == 0 || a->peer_len <= a->rto_peer_len)
		return;
	a->resend_at_us += is > knew ? arq_line_us(a, is - knew) : 0;
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
	a->seg = arq_least(2u * a->seg, FRAME_MAX_PAYLOAD);
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
	uint16_t n = arq_dist(a->una, ack);

	if (n > arq_dist(a->una, a->nxt)) {
		if (now_us < a->eager_until_us)
			timeout_regret(a);
		a->nxt = ack;
	}
	a->eager_until_us = 0;
	if (a->rtt_runs && arq_dist(a->una, a->rtt_seq) <= n) {
		a->rtt_runs = false;
		rtt_take(a, now_us - a->rtt_from_us);
	} else if (a->hole_sent) {
		hole_rtt(a, now_us);
	}
	a->n.bytes_acked += n;
	a->una = ack;
	/* the next hole, if something sent before the last one's resend is still missing */
	a->hole_due = a->hole_sent && arq_dist(ack, a->hole_before) <= arq_dist(ack, a->nxt) &&
		      ack != a->hole_before;
	if (a->hole_due && ack != a->hole_end) /* else the same one goes on: it was longer */
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
void arq_take_ack(struct arq *a, const struct frame *f, uint64_t now_us)
{
	uint16_t window = arq_least(f->window, WINDOW_MAX);

	if (arq_dist(a->una, f->ack) > arq_dist(a->una, a->high)) {
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

	return arq_least(a->peer_window, limit < ARQ_FLIGHT_BYTES ? limit : ARQ_FLIGHT_BYTES);
}

/* Length of the next segment at nxt; 0 when none may go now. */
static uint16_t seg_next(const struct arq *a)
{
	uint16_t flight = arq_dist(a->una, a->nxt), limit = flight_limit(a);
	uint16_t want = arq_least(a->seg, arq_dist(a->nxt, a->end)), n, to_wrap;

	if (a->state != ARQ_UP || flight >= limit)
		return 0;
	n = arq_least(want, (uint32_t)limit - flight);
	if (n < want && flight > 0)
		return 0; /* no crumbs while an acknowledgement is on its way */
	if (n < a->seg && a->tx_owed > 0)
		return 0; /* nor while the rest of the message is on its way */
	to_wrap = (uint16_t)(a->tx_cap - (a->nxt & (a->tx_cap - 1)));
	return arq_least(n, to_wrap);
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
	f.window = (uint16_t)(a->rx_cap - arq_dist(a->rd, a->rcv));
	f.len = len;
	f.payload = a->tx + (seq & (a->tx_cap - 1));
	if (kind == FRAME_DATA) {
		if (a->nak_due)
			f.kind = FRAME_NAK;
		a->edge_told = arq_add(f.ack, f.window);
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

	if (arq_dist(a->una, a->nxt) < arq_dist(a->una, a->high))
		a->n.resent++;
	a->nxt = arq_add(a->nxt, n);
	if (arq_dist(a->una, a->nxt) > arq_dist(a->una, a->high)) {
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
	uint32_t rtt_us = a->rtt_us != 0 ? a->rtt_us + a->rtt_us / 4 : ARQ_SLACK_US;
	uint64_t wait_us;
	uint16_t n;

	if (!a->hole_due)
		seg_shrink(a); /* the resend was lost, too */
	wait_us = arq_line_us(a, a->seg + a->peer_len + 3u * ACK_WIRE);
	n = arq_least(a->seg, arq_dist(a->una, a->nxt));
	a->hole_due = false;
	a->hole_again = a->hole_sent || a->nxt != a->high;
	a->hole_sent = true;
	a->hole_before = a->nxt;
	a->hole_sent_us = now_us;
	a->nak_after_us = now_us + (wait_us > rtt_us ? wait_us : rtt_us);
	a->rtt_runs = false;
	a->n.resent++;
	timer_start(a, now_us);
	n = arq_least(n, a->tx_cap - (a->una & (a->tx_cap - 1u)));
	a->hole_end = a->spare_at = arq_add(a->una, n);
	frame_out(a, FRAME_DATA, a->una, n);
}

/* On a very bad line there are more holes, each of which would cost a round trip: time of the
 * line that nobody else wants goes into guesses. Their length; 0: none. */
static uint16_t spare_next(const struct arq *a)
{
	uint16_t left = arq_dist(a->spare_at, a->hole_before);

	if (!a->hole_sent || a->seg > SPARE_SEG || a->una == a->nxt || left > WINDOW_MAX)
		return 0;
	return arq_least(arq_least(a->seg, left), a->tx_cap - (a->spare_at & (a->tx_cap - 1u)));
}

static void spare_out(struct arq *a, uint16_t n)
{
	uint16_t seq = a->spare_at;

	a->spare_at = arq_add(seq, n);
	a->n.resent++;
	frame_out(a, FRAME_DATA, seq, n);
}

/* One byte beyond the window, to be told the window again. */
static void probe_out(struct arq *a)
{
	if (a->high == a->una)
		a->high = arq_add(a->una, 1);
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
		a->eager_until_us = now_us + arq_line_us(a, arq_wire_bytes(a->seg, a->seg));
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
	} else if (now_us >= a->line_free_us && (n = spare_next(a)) > 0) {
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
	if (!arq_is_pulling(a))
		return false;
	if (a->line_free_us < now_us)
		a->line_free_us = now_us;
	a->line_free_us += arq_line_us(a, (uint32_t)a->ftx.len + FRAME_COST);
	return true;
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
	if (a->synack_due || a->nak_due || a->hole_due || seg_next(a) > 0)
		return 0;
	if (a->resend_at_us != 0)
		at = a->resend_at_us;
	else if (a->una == a->nxt && a->end != a->una)
		return 0; /* blocked by the window: the probe's timer wants to be started */
	if (a->ack_due && a->ack_at_us < at)
		at = a->ack_at_us;
	if (a->hole_sent && a->una != a->nxt && a->nak_after_us < at)
		at = a->nak_after_us;
	if (spare_next(a) > 0 && a->line_free_us < at)
		at = a->line_free_us;
	return at;
}
