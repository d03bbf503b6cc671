#include "daemon/link/link.h"
#include <string.h>

#define NEVER UINT64_MAX

void link_init(struct link *l, const struct link_kind *kind, uint32_t line_bps, uint64_t seed)
{
	l->kind = kind;
	l->ev = NULL;
	l->ctx = NULL;
	l->closed = l->want_room = l->busy = false;
	l->wake_at_us = l->armed_us = NEVER;
	l->conn = 0;
	hv_rng_seed(&l->rng, seed);
	arq_init(&l->arq, ARQ_DAEMON, l->tx, LINK_BUF_BYTES, l->rx, LINK_BUF_BYTES, line_bps);
}

void link_bind(struct link *l, const struct link_events *ev, void *ctx)
{
	l->ev = ev;
	l->ctx = ctx;
}

/* Put out what may go out now, and set the alarm for the rest. */
static void pump(struct link *l, uint64_t now_us)
{
	uint8_t wire[FRAME_MAX_WIRE];
	uint64_t at;
	size_t n;

	if (l->closed || l->busy)
		return;
	while (l->kind->room(l) >= FRAME_MAX_WIRE) {
		n = arq_output(&l->arq, wire, now_us);
		if (n == 0)
			break;
		l->kind->write(l, wire, n);
	}
	l->kind->flush(l, now_us);
	/* With a full wire the kind calls link_writable(): no alarm for that. */
	at = l->kind->room(l) >= FRAME_MAX_WIRE ? arq_next_us(&l->arq) : NEVER;
	if (l->wake_at_us < at)
		at = l->wake_at_us;
	if (at != l->armed_us) {
		l->armed_us = at;
		l->kind->arm(l, at);
	}
}

void link_connect(struct link *l, uint64_t now_us)
{
	uint16_t conn;

	do
		conn = (uint16_t)hv_rng_u64(&l->rng);
	while (conn == 0 || conn == l->conn);
	l->conn = conn;
	l->want_room = false;
	arq_connect(&l->arq, conn, now_us);
	pump(l, now_us);
}

int link_send(struct link *l, const void *head, size_t n, const void *tail, size_t m,
	      uint64_t now_us)
{
	int r;

	if (l->closed)
		return HV_E_GONE;
	r = arq_send(&l->arq, head, n, tail, m);
	if (r == HV_E_BUSY)
		l->want_room = true;
	if (r == HV_OK)
		pump(l, now_us);
	return r;
}

void link_want_room(struct link *l)
{
	l->want_room = true;
}

size_t link_room(const struct link *l)
{
	return l->closed ? 0 : arq_room(&l->arq);
}

size_t link_backlog(const struct link *l)
{
	return (uint16_t)(l->arq.end - l->arq.una);
}

uint64_t link_moved(const struct link *l)
{
	return l->arq.n.bytes_acked + l->arq.n.bytes_taken;
}

void link_wake_at(struct link *l, uint64_t at_us)
{
	l->wake_at_us = at_us;
	if (l->closed || l->busy || at_us >= l->armed_us)
		return;
	l->armed_us = at_us;
	l->kind->arm(l, at_us);
}

void link_set_bps(struct link *l, uint32_t line_bps)
{
	if (line_bps > 0)
		arq_set_line_bps(&l->arq, line_bps);
}

bool link_can_baud(const struct link *l)
{
	return l->kind->set_baud != NULL;
}

void link_set_baud(struct link *l, uint32_t bps)
{
	if (l->closed || bps == 0)
		return;
	if (l->kind->set_baud != NULL)
		l->kind->set_baud(l, bps);
	link_set_bps(l, bps);
}

const struct arq_counters *link_counters(const struct link *l)
{
	return &l->arq.n;
}

const char *link_kind_text(const struct link *l)
{
	return l->kind->name;
}

void link_close(struct link *l)
{
	if (l->closed)
		return;
	l->closed = true;
	l->kind->close(l);
}

static void down(struct link *l, const char *why, uint64_t now_us)
{
	if (!l->closed && l->ev != NULL)
		l->ev->on_down(l->ctx, why, now_us);
}

static void deliver(struct link *l, uint64_t now_us)
{
	while (!l->closed) {
		uint16_t conn = l->conn;
		int n = arq_recv(&l->arq, l->msg, sizeof(l->msg));

		if (n == 0)
			return;
		if (n < 0) {
			down(l, "the board announced a message longer than the protocol allows",
			     now_us);
			return;
		}
		if (l->ev != NULL)
			l->ev->on_message(l->ctx, l->msg, (size_t)n, now_us);
		if (l->conn != conn)
			return; /* the owner began another life */
	}
}

/* One frame at most, so that events and messages come in the order of the wire. */
static void take_frame(struct link *l, const uint8_t *bytes, size_t n, uint64_t now_us)
{
	size_t backlog = link_backlog(l);
	unsigned events = arq_input(&l->arq, bytes, n, now_us);

	if ((events & 1u << ARQ_EV_RESET) != 0)
		down(l, "the board restarted", now_us);
	if ((events & 1u << ARQ_EV_VERSION) != 0)
		down(l,
		     "the board speaks another version of the link frames: update its firmware "
		     "or this daemon",
		     now_us);
	if ((events & 1u << ARQ_EV_UP) != 0 && !l->closed && l->ev != NULL)
		l->ev->on_up(l->ctx, now_us);
	deliver(l, now_us);
	if (l->want_room && !l->closed && link_backlog(l) < backlog) {
		l->want_room = false;
		l->ev->on_room(l->ctx, now_us);
	}
}

void link_bytes_in(struct link *l, const uint8_t *bytes, size_t n, uint64_t now_us)
{
	l->busy = true;
	while (n > 0 && !l->closed) {
		const uint8_t *end = memchr(bytes, 0, n);
		size_t take = end != NULL ? (size_t)(end - bytes) + 1 : n;

		take_frame(l, bytes, take, now_us);
		bytes += take;
		n -= take;
	}
	l->busy = false;
	pump(l, now_us);
}

void link_writable(struct link *l, uint64_t now_us)
{
	pump(l, now_us);
}

void link_on_time(struct link *l, uint64_t now_us)
{
	if (l->closed)
		return;
	l->armed_us = NEVER;
	l->busy = true;
	if (l->arq.state == ARQ_UP && arq_is_stuck(&l->arq, LINK_STUCK_TRIES))
		down(l, "the board does not acknowledge what it is sent", now_us);
	if (!l->closed && now_us >= l->wake_at_us && l->ev != NULL) {
		l->wake_at_us = NEVER;
		l->ev->on_wake(l->ctx, now_us);
	}
	l->busy = false;
	pump(l, now_us);
}

void link_gone(struct link *l, const char *why, uint64_t now_us)
{
	if (l->closed)
		return;
	if (l->ev != NULL)
		l->ev->on_gone(l->ctx, why, now_us);
	link_close(l);
}
