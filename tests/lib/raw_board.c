#include "tests/lib/raw_board.h"
#include <stdlib.h>
#include <string.h>

uint64_t raw_now_us = 1000000;

static struct raw_link *dead;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static size_t rl_room(const struct link *l)
{
	const struct raw_link *rl = (const struct raw_link *)l;

	return sizeof(rl->out) - rl->out_len;
}

static void rl_write(struct link *l, const uint8_t *bytes, size_t n)
{
	struct raw_link *rl = (struct raw_link *)l;

	must(n <= rl_room(l));
	memcpy(rl->out + rl->out_len, bytes, n);
	rl->out_len += n;
}

static void rl_flush(struct link *l, uint64_t now_us)
{
	(void)l;
	(void)now_us;
}

static void rl_arm(struct link *l, uint64_t at_us)
{
	((struct raw_link *)l)->armed_us = at_us;
}

static void rl_close(struct link *l)
{
	struct raw_link *rl = (struct raw_link *)l;

	rl->next_dead = dead;
	dead = rl;
	if (rl->owner->wire == rl)
		rl->owner->wire = NULL;
}

static const struct link_kind raw_kind = { "raw",  rl_room,  rl_write, rl_flush,
					   rl_arm, rl_close, NULL };

static void bury(void)
{
	while (dead != NULL) {
		struct raw_link *rl = dead;

		dead = rl->next_dead;
		free(rl);
	}
}

static uint64_t now(void)
{
	return raw_now_us;
}

static void on_batch(void *ctx, struct board *b, struct board_batch *batch, int err)
{
	struct raw_set *s = ctx;
	bool *out = batch->cookie;

	(void)b;
	must(err <= 0);
	must(*out); /* once */
	*out = false;
	s->returned++;
	if (err > -32)
		s->codes[-err]++;
}

static void on_room(void *ctx, struct board *b)
{
	(void)ctx;
	(void)b;
}

static void on_lost(void *ctx, struct board *b)
{
	(void)b;
	((struct raw_set *)ctx)->losts++;
}

void raw_open(struct raw_set *s)
{
	struct board_events ev = { s, on_batch, on_room, on_lost };
	char why[100];

	memset(s, 0, sizeof(*s));
	must(boards_new(NULL, NULL, -1, &s->models, &ev, &s->bs, why, sizeof(why)) == HV_OK);
	s->bs->now_us = now;
}

void raw_close(struct raw_set *s)
{
	boards_close(s->bs, NULL, NULL);
	must(s->accepted == s->returned);
	boards_free(s->bs);
	while (s->models.count > 0)
		models_take_out(&s->models, s->models.list[0]);
	bury();
}

void raw_plug(struct raw_set *s, struct raw_board *r)
{
	struct raw_link *rl = calloc(1, sizeof(*rl));

	must(rl != NULL);
	memset(r, 0, sizeof(*r));
	r->answers = true;
	r->wire = rl;
	rl->owner = r;
	rl->armed_us = UINT64_MAX;
	arq_init(&r->arq, ARQ_BOARD, r->tx, sizeof(r->tx), r->rx, sizeof(r->rx), 10000000);
	link_init(&rl->link, &raw_kind, 10000000, raw_now_us);
	boards_plug(s->bs, &rl->link, raw_now_us);
}

void raw_pull(struct raw_board *r)
{
	if (r->wire != NULL)
		link_gone(&r->wire->link, "pulled", raw_now_us);
	bury();
}

static void answer(struct raw_board *r, const union link_msg *m)
{
	union link_msg a = { .any = { 0 } };

	if (m->any.id_ == LINK_CLOCK_REQ) {
		a.clock.id_ = LINK_CLOCK;
		a.clock.host_ns = m->clock_req.host_ns;
		a.clock.board_us = raw_now_us;
		raw_send(r, &a, NULL, 0);
	} else if (m->any.id_ == LINK_STATUS_REQ) {
		a.status.id_ = LINK_STATUS;
		a.status.now_us = raw_now_us;
		raw_send(r, &a, NULL, 0);
	}
}

static void take(struct raw_board *r)
{
	union link_msg m;
	int n;

	for (n = arq_recv(&r->arq, r->msg, sizeof(r->msg)); n > 0;
	     n = arq_recv(&r->arq, r->msg, sizeof(r->msg))) {
		must(link_msg_decode(r->msg, (size_t)n, &m) == HV_OK);
		r->seen[m.any.id_]++;
		r->last = m;
		if (m.any.id_ == LINK_JOB) {
			r->jobs[r->job_count % 64] = m.job.job;
			r->job_slot[r->job_count % 64] = m.job.slot;
			r->job_records[r->job_count++ % 64] = m.job.records;
		}
		if (r->answers)
			answer(r, &m);
	}
	must(n == 0);
}

void raw_pump(struct raw_board *r)
{
	uint8_t wire[FRAME_MAX_WIRE];
	bool did = true;

	while (did && r->wire != NULL) {
		struct raw_link *rl = r->wire;
		size_t n = rl->out_len;

		did = n > 0;
		if (n > 0) {
			(void)arq_input(&r->arq, rl->out, n, raw_now_us);
			memmove(rl->out, rl->out + n, rl->out_len - n);
			rl->out_len -= n;
			take(r);
		}
		for (n = arq_output(&r->arq, wire, raw_now_us); n > 0 && r->wire != NULL;
		     n = arq_output(&r->arq, wire, raw_now_us)) {
			did = true;
			link_bytes_in(&r->wire->link, wire, n, raw_now_us);
		}
	}
	bury();
}

void raw_pass(struct raw_board *r, uint64_t us)
{
	uint64_t end = raw_now_us + us;

	while (raw_now_us < end) {
		uint64_t at = end;

		raw_pump(r);
		if (r->wire != NULL && r->wire->armed_us < at)
			at = r->wire->armed_us;
		if (r->wire != NULL && arq_next_us(&r->arq) < at)
			at = arq_next_us(&r->arq);
		raw_now_us = at > raw_now_us ? at : raw_now_us + 100;
		if (r->wire != NULL && r->wire->armed_us <= raw_now_us)
			link_on_time(&r->wire->link, raw_now_us);
	}
	raw_pump(r);
}

void raw_bytes(struct raw_board *r, const void *bytes, size_t n)
{
	if (r->wire != NULL)
		link_bytes_in(&r->wire->link, bytes, n, raw_now_us);
	raw_pump(r);
}

void raw_message(struct raw_board *r, const void *bytes, size_t n)
{
	if (arq_send(&r->arq, bytes, n, NULL, 0) == HV_OK)
		raw_pump(r);
}

void raw_send(struct raw_board *r, const union link_msg *m, const void *tail, size_t n)
{
	uint8_t head[200];
	size_t len = link_msg_encode(m, head, sizeof(head));

	must(len > 0);
	if (arq_send(&r->arq, head, len, tail, n) == HV_E_INVAL)
		abort(); /* a test that asks for too much; no life or no room is fine */
}

union link_msg raw_hello(const char *serial)
{
	union link_msg m = { .hello = { .id_ = LINK_HELLO,
					.proto = LINK_PROTO_MAX,
					.boot = 7,
					.device.b = "max78000",
					.model_slots = 2,
					.job_slots = 2,
					.job_bytes = 16384,
					.slot_bytes = 16384,
					.kernel_words = CNN_KERNEL_WORDS,
					.bias_count = CNN_BIAS_BYTES,
					.data_words = CNN_DATA_WORDS,
					.bus_write_ns = CNN_BUS_WRITE_NS,
					.bus_read_ns = CNN_BUS_READ_NS,
					.cnn_hz = CNN_CLOCK_HZ,
					.link_bps = 10000000,
					.wait_bound_us = 100 } };

	strncpy(m.hello.serial.b, serial, sizeof(m.hello.serial.b) - 1);
	return m;
}

void raw_attach(struct raw_set *s, struct raw_board *r, const char *serial)
{
	union link_msg hello = raw_hello(serial);

	raw_plug(s, r);
	raw_pump(r);
	raw_send(r, &hello, NULL, 0);
	raw_pump(r);
}
