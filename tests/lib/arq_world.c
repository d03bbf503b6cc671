#include "tests/lib/arq_world.h"
#include <stdio.h>
#include <string.h>

enum { MSG_MIN = 4 };

static void fail(struct arq_world *w, const char *what, unsigned side, unsigned n)
{
	if (w->error[0] == '\0')
		snprintf(w->error, sizeof(w->error),
			 "seed %llu at %llu us: side %u, message %u: %s",
			 (unsigned long long)w->seed, (unsigned long long)w->now_us, side, n, what);
}

void world_init(struct arq_world *w, uint64_t seed, uint32_t bps, uint16_t buf_bytes)
{
	memset(w, 0, sizeof(*w));
	hv_rng_seed(&w->rng, seed);
	w->seed = seed;
	w->bps = bps;
	w->byte_us = 10000000u / bps;
	w->latency_us = 500;
	w->msg_max = buf_bytes - 2u < ARQ_MSG_MAX ? buf_bytes - 2u : ARQ_MSG_MAX;
	for (int i = 0; i < 2; i++) {
		w->side[i].tx_cap = w->side[i].rx_cap = buf_bytes;
		w->side[i].want_send = UINT32_MAX;
		world_reboot(w, (enum arq_role)i);
	}
}

void world_connect(struct arq_world *w)
{
	uint16_t conn = w->conn;

	while (conn == 0 || conn == w->conn)
		conn = (uint16_t)hv_rng_u64(&w->rng);
	w->conn = conn;
	arq_connect(&w->side[ARQ_DAEMON].a, conn, w->now_us);
}

void world_reboot(struct arq_world *w, enum arq_role who)
{
	struct arq_side *s = &w->side[who];

	arq_init(&s->a, who, s->tx, s->tx_cap, s->rx, s->rx_cap, w->bps);
	s->life = 0;
	w->wire[who].used = w->wire[who].at = 0;
}

/* The stream of messages of one side in one life is a function of both. */
static void life_seed(struct arq_side *s, int who)
{
	if (s->life == s->a.conn)
		return;
	s->life = s->a.conn;
	hv_rng_seed(&s->sizes, (uint64_t)s->life * 2 + (unsigned)who);
	hv_rng_seed(&s->expect, (uint64_t)s->life * 2 + (unsigned)!who);
	s->sent = s->got = 0;
	s->next_bytes = 0;
	s->got_bytes = 0;
}

static size_t message_make(struct hv_rng *r, uint32_t max, uint32_t number, uint8_t *to)
{
	uint32_t cap = hv_rng_below(r, 3) == 0 ? max : max / 16 + MSG_MIN;
	size_t n = MSG_MIN + hv_rng_below(r, cap - MSG_MIN + 1);
	uint64_t x = hv_rng_u64(r);

	memcpy(to, &number, sizeof(number));
	for (size_t i = sizeof(number); i < n; i++) {
		to[i] = (uint8_t)(x >> 56);
		x = x * 6364136223846793005u + 1442695040888963407u;
	}
	return n;
}

static void side_send(struct arq_side *s, uint32_t max)
{
	while (s->a.state == ARQ_UP && s->sent < s->want_send) {
		size_t head;

		if (s->next_bytes == 0)
			s->next_bytes = message_make(&s->sizes, max, s->sent, s->next);
		head = s->next_bytes / 3;
		if (s->next_bytes > arq_room(&s->a) ||
		    arq_send(&s->a, s->next, head, s->next + head, s->next_bytes - head) != HV_OK)
			return;
		s->next_bytes = 0;
		s->sent++;
	}
}

static void side_receive(struct arq_world *w, int who)
{
	struct arq_side *s = &w->side[who];
	uint8_t want[ARQ_MSG_MAX];
	int n = 0;

	for (;;) {
		size_t len;

		n = s->deaf ? 0 : arq_recv(&s->a, s->msg, sizeof(s->msg));
		if (n <= 0)
			break;
		len = message_make(&s->expect, w->msg_max, s->got, want);
		if ((size_t)n != len || memcmp(want, s->msg, len) != 0)
			fail(w, "not the message that was sent next", (unsigned)who, s->got);
		s->got++;
		s->got_bytes += (unsigned)n;
	}
	if (n < 0)
		fail(w, "stream out of step", (unsigned)who, s->got);
}

/* After anything that may have changed a side. */
static void side_run(struct arq_world *w, int who, unsigned events)
{
	struct arq_side *s = &w->side[who];

	s->events |= events;
	if (who == ARQ_DAEMON && (events & 1u << ARQ_EV_RESET))
		world_connect(w);
	if (s->a.state == ARQ_UP)
		life_seed(s, who);
	side_receive(w, who);
	side_send(&w->side[who], w->msg_max);
}

static void wire_put(struct arq_world *w, struct arq_wire *x, uint8_t byte)
{
	uint32_t at = (x->first + x->count) % WORLD_DELAY;

	if (x->count == WORLD_DELAY)
		return;
	x->held[at] = byte;
	x->due_us[at] = w->now_us + w->latency_us;
	x->count++;
}

static bool chance(struct arq_world *w, double p)
{
	return p > 0 && hv_rng_uniform(&w->rng, 0, 1) < p;
}

static void wire_byte(struct arq_world *w, struct arq_wire *x, uint8_t byte)
{
	const struct arq_faults *f = &w->faults;

	x->bytes++;
	if (chance(w, f->hold))
		x->burst = hv_rng_below(&w->rng, 2000);
	if (chance(w, f->add))
		wire_put(w, x, (uint8_t)hv_rng_u64(&w->rng));
	if (x->burst > 0) {
		x->burst--;
		return;
	}
	if (chance(w, f->drop))
		return;
	if (chance(w, f->flip))
		byte ^= (uint8_t)(1u << hv_rng_below(&w->rng, 8));
	wire_put(w, x, byte);
	if (chance(w, f->dup))
		wire_put(w, x, byte);
}

/* What carries the bytes takes the side's frames: one when the last has left, or more. */
static void wire_fill(struct arq_world *w, int who)
{
	struct arq_wire *x = &w->wire[who];
	size_t n = 1;

	if (x->at == x->used || (x->ahead > 0 && x->at >= FRAME_MAX_WIRE)) {
		memmove(x->out, x->out + x->at, x->used - x->at);
		x->used -= x->at;
		x->at = 0;
	}
	while (n > 0 && (x->used == 0 || x->used < x->ahead)) {
		n = arq_output(&w->side[who].a, x->out + x->used, w->now_us);
		x->used += n;
	}
}

/* One byte leaves side `who`. */
static bool wire_send(struct arq_world *w, int who)
{
	struct arq_wire *x = &w->wire[who];

	wire_fill(w, who);
	if (x->at == x->used)
		return false;
	wire_byte(w, x, x->out[x->at++]);
	return true;
}

static void wire_deliver(struct arq_world *w, int from)
{
	struct arq_wire *x = &w->wire[from];

	while (x->count > 0 && x->due_us[x->first] <= w->now_us) {
		uint8_t byte = x->held[x->first];
		struct arq *a = &w->side[!from].a;
		unsigned events = arq_input(a, &byte, 1, w->now_us);

		x->first = (x->first + 1) % WORLD_DELAY;
		x->count--;
		if (byte == 0)
			side_run(w, !from, events);
	}
}

bool world_step(struct arq_world *w)
{
	uint64_t next = UINT64_MAX;
	bool busy = false;

	w->steps++;
	if (w->moody > 0 && hv_rng_below(&w->rng, w->moody) == 0) {
		int who = (int)hv_rng_below(&w->rng, 2);

		w->side[who].deaf = !w->side[who].deaf;
		side_run(w, who, 0);
	}
	for (int i = 0; i < 2; i++) {
		wire_deliver(w, i);
	}
	for (int i = 0; i < 2; i++)
		busy |= wire_send(w, i);
	if (busy) {
		w->now_us += w->byte_us;
		return true;
	}
	for (int i = 0; i < 2; i++) {
		struct arq_wire *x = &w->wire[i];
		uint64_t at = arq_next_us(&w->side[i].a);

		if (at <= w->now_us)
			fail(w, "arq_next_us() promised output and there was none", (unsigned)i, 0);
		next = at < next ? at : next;
		if (x->count > 0 && x->due_us[x->first] < next)
			next = x->due_us[x->first];
	}
	if (next == UINT64_MAX)
		return false;
	w->now_us = next > w->now_us ? next : w->now_us + 1;
	return true;
}

bool world_run(struct arq_world *w, uint32_t messages, uint64_t limit_us)
{
	uint64_t until = w->now_us + limit_us;

	while (w->error[0] == '\0' && w->now_us < until) {
		struct arq_side *d = &w->side[ARQ_DAEMON], *b = &w->side[ARQ_BOARD];

		if (d->a.state == ARQ_UP && b->a.state == ARQ_UP && d->a.conn == b->a.conn &&
		    d->life == b->life && d->life == d->a.conn && d->got >= messages &&
		    b->got >= messages)
			return true;
		if (!world_step(w))
			return false;
	}
	return false;
}
