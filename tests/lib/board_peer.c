#include "tests/lib/board_peer.h"
#include "accel/build/build.h"
#include "accel/slotimg/build.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <string.h>

enum { CHUNK = 960 };

void peer_init(struct peer *p, struct vboard *b)
{
	memset(p, 0, sizeof(*p));
	p->b = b;
	arq_init(&p->arq, ARQ_DAEMON, p->tx, PEER_BUF, p->rx, PEER_BUF, b->config.link_bps);
}

void peer_clear(struct peer *p)
{
	for (int i = 0; i < PEER_JOBS; i++)
		free(p->job[i].want);
	memset(p->job, 0, sizeof(p->job));
}

static void on_result(struct peer *p, const struct link_result *r)
{
	p->results++;
	p->result = *r;
	p->last_code = (int16_t)r->code;
	p->aborted += r->aborted;
	p->failed += r->code != 0;
	p->strays += r->job < PEER_FOREIGN;
	for (int i = 0; i < PEER_JOBS; i++) {
		struct peer_job *j = &p->job[i];

		if (!j->open || j->id != r->job)
			continue;
		p->strays -= r->job < PEER_FOREIGN;
		if (r->code == 0 && j->check) {
			bool same = r->records == j->records && r->tail.len == j->want_len &&
				    memcmp(r->tail.bytes, j->want, r->tail.len) == 0;

			p->good += same;
			p->wrong += !same;
		}
		free(j->want);
		*j = (struct peer_job){ 0 };
	}
}

static void on_buffer_result(struct peer *p, const struct link_buffer_result *r)
{
	p->results++;
	p->last_code = (int16_t)r->code;
	p->aborted += r->aborted;
	p->failed += r->code != 0;
	p->strays += r->job < PEER_FOREIGN;
	for (int i = 0; i < PEER_JOBS; i++) {
		struct peer_job *j = &p->job[i];

		if (!j->open || j->id != r->job || j->is_right == NULL)
			continue;
		p->strays -= r->job < PEER_FOREIGN;
		if (r->code == 0) {
			bool same = j->is_right(j, r);

			p->good += same;
			p->wrong += !same;
		}
		*j = (struct peer_job){ 0 };
	}
}

static void on_state(struct peer *p, const struct link_model_state *s)
{
	p->state = *s;
	p->states++;
	if (s->slot >= PEER_SLOTS)
		return;
	p->slot[s->slot] = *s;
	p->slot_states[s->slot]++;
}

static void on_box(struct peer *p, const struct link_box *m)
{
	p->others++;
	for (unsigned i = 0; i < m->n && p->box_n < sizeof(p->box_kind); i++)
		p->box_kind[p->box_n++] = m->tail.bytes[i * LINK_BOX_EVENT_BYTES + 6];
}

static void on_message(struct peer *p, const union link_msg *m)
{
	switch (m->any.id_) {
	case LINK_HELLO: p->hello = m->hello, p->hellos++; break;
	case LINK_CLOCK: p->clock = m->clock, p->clocks++; break;
	case LINK_MODEL_STATE: on_state(p, &m->model_state); break;
	case LINK_RESULT: on_result(p, &m->result); break;
	case LINK_PRIMARY: p->reports++, p->events += m->primary.n; break;
	case LINK_STATUS: p->status = m->status, p->statuses++; break;
	case LINK_BUFFER_RESULT:
		p->buffer_result = m->buffer_result;
		on_buffer_result(p, &m->buffer_result);
		break;
	case LINK_TIME:
		p->time = m->time;
		p->time_heard_ns = vboard_now_ns(p->b);
		p->times++;
		p->others++;
		break;
	case LINK_BAUD: p->baud = m->baud, p->others++; break;
	case LINK_STAND: p->stand = m->stand, p->others++; break;
	case LINK_BOX: on_box(p, &m->box); break;
	case LINK_LINE:
	case LINK_BUFFER: p->others++; break;
	default: abort(); /* a board never sends these */
	}
}

static void serve(struct peer *p)
{
	uint64_t now_us = vboard_now_ns(p->b) / 1000;
	uint8_t bytes[1024];
	size_t n;
	int len;

	for (n = vboard_drain(p->b, bytes, sizeof(bytes)); n > 0;
	     n = vboard_drain(p->b, bytes, sizeof(bytes)))
		arq_input(&p->arq, bytes, n, now_us);
	for (len = arq_recv(&p->arq, p->msg, sizeof(p->msg)); len > 0;
	     len = arq_recv(&p->arq, p->msg, sizeof(p->msg))) {
		union link_msg m;

		if (link_msg_decode(p->msg, (size_t)len, &m) != HV_OK)
			abort(); /* the board's encoder is broken */
		on_message(p, &m);
	}
	for (;;) {
		if (p->wire_at == p->wire_n) {
			p->wire_at = 0;
			p->wire_n = arq_output(&p->arq, p->wire, now_us);
		}
		n = vboard_feed(p->b, p->wire + p->wire_at, p->wire_n - p->wire_at);
		p->wire_at += n;
		if (n == 0)
			return;
	}
}

static void step(struct peer *p, uint64_t until_ns)
{
	uint64_t next, now, mine;

	serve(p);
	now = vboard_now_ns(p->b);
	next = vboard_next_ns(p->b);
	mine = arq_next_us(&p->arq);
	if (mine < UINT64_MAX / 1000 && mine * 1000 < next)
		next = mine * 1000;
	if (next < now + 50000)
		next = now + 50000;
	vboard_run(p->b, next < until_ns ? next : until_ns);
}

void peer_run(struct peer *p, uint64_t ns)
{
	uint64_t until = vboard_now_ns(p->b) + ns;

	while (vboard_now_ns(p->b) < until && !p->b->unplugged)
		step(p, until);
	serve(p);
}

bool peer_until(struct peer *p, const unsigned *counter, uint64_t limit_ns)
{
	uint64_t until = vboard_now_ns(p->b) + limit_ns;
	unsigned before = *counter;

	while (*counter == before && vboard_now_ns(p->b) < until) {
		step(p, until);
		serve(p);
	}
	return *counter != before;
}

bool peer_connect(struct peer *p, uint16_t conn)
{
	arq_connect(&p->arq, conn, vboard_now_ns(p->b) / 1000);
	return peer_until(p, &p->hellos, UINT64_C(1000000000));
}

bool peer_send(struct peer *p, const union link_msg *m, const void *tail, size_t n)
{
	uint8_t head[256];
	size_t len = link_msg_encode(m, head, sizeof(head));

	return len > 0 && arq_send(&p->arq, head, len, tail, n) == HV_OK;
}

uint8_t *peer_image(const struct peer *p, const struct package *pkg, size_t *len)
{
	const struct link_hello *h = &p->hello;
	struct cnn_room room = { h->kernel_first, h->kernel_words, h->bias_first,
				 h->bias_count,   h->data_first,   h->data_words };
	uint8_t *image = NULL;
	char why[160];

	if (slotimg_build(&pkg->net, pkg->steps_blob, pkg->steps_len, &room, h->primary_quadrants,
			  &image, len, why, sizeof(why)) != HV_OK) {
		fprintf(stderr, "slotimg_build: %s\n", why);
		abort();
	}
	return image;
}

void peer_hash(const uint8_t *image, size_t len, uint8_t hash[HV_SHA256_BYTES])
{
	struct hv_sha256 s;

	hv_sha256_init(&s);
	hv_sha256_add(&s, image, len);
	hv_sha256_end(&s, hash);
}

int peer_load(struct peer *p, uint8_t slot, const uint8_t *image, size_t len)
{
	const uint64_t limit = UINT64_C(2000000000);
	union link_msg m = {
		.model_begin = { .id_ = LINK_MODEL_BEGIN, .slot = slot, .bytes = (uint32_t)len }
	};

	peer_hash(image, len, m.model_begin.hash.b);
	if (!peer_send(p, &m, NULL, 0) || !peer_until(p, &p->states, limit))
		return 1;
	if (p->state.state != LINK_SLOT_LOADING)
		return (int16_t)p->state.code;
	for (size_t at = 0; at < len;) {
		size_t n = len - at < CHUNK ? len - at : CHUNK;
		unsigned states = p->states;

		m.model_chunk = (struct link_model_chunk){ .id_ = LINK_MODEL_CHUNK,
							   .slot = slot,
							   .offset = (uint32_t)at };
		if (peer_send(p, &m, image + at, n))
			at += n;
		else
			peer_run(p, 1000000);
		if (p->states != states)
			return (int16_t)p->state.code;
	}
	m.model_commit = (struct link_model_commit){ .id_ = LINK_MODEL_COMMIT, .slot = slot };
	while (!peer_send(p, &m, NULL, 0))
		peer_run(p, 1000000);
	if (!peer_until(p, &p->states, limit))
		return 1;
	return (int16_t)p->state.code;
}

bool peer_job(struct peer *p, uint32_t id, uint8_t slot, const struct package *pkg,
	      uint16_t records, struct hv_rng *rng)
{
	uint32_t in_bytes = cnn_steps_in_bytes(&pkg->steps);
	uint32_t out_bytes = cnn_steps_out_bytes(&pkg->steps);
	union link_msg m = {
		.job = { .id_ = LINK_JOB, .job = id, .slot = slot, .records = records }
	};
	hv_autofree uint8_t *in = malloc((size_t)records * in_bytes);
	uint8_t *want;
	int free_at = 0;

	while (free_at < PEER_JOBS && p->job[free_at].open)
		free_at++;
	if (free_at == PEER_JOBS || arq_room(&p->arq) < (size_t)records * in_bytes + 32)
		return false;
	want = malloc((size_t)records * out_bytes);
	if (in == NULL || want == NULL)
		abort();
	for (size_t i = 0; i < (size_t)records * in_bytes; i++)
		in[i] = (uint8_t)hv_rng_u64(rng);
	if (package_run(pkg, in, want, records) != HV_OK ||
	    !peer_send(p, &m, in, (size_t)records * in_bytes))
		abort();
	p->job[free_at] = (struct peer_job){ .open = true,
					     .check = true,
					     .id = id,
					     .records = records,
					     .want = want,
					     .want_len = (size_t)records * out_bytes };
	return true;
}

bool peer_job_of_samples(struct peer *p, const struct link_job_buffer *m, const struct package *pkg,
			 peer_check *is_right)
{
	union link_msg all = { .job_buffer = *m };
	int free_at = 0;

	while (free_at < PEER_JOBS && p->job[free_at].open)
		free_at++;
	if (free_at == PEER_JOBS || arq_room(&p->arq) < 64 || !peer_send(p, &all, NULL, 0))
		return false;
	p->job[free_at] = (struct peer_job){ .open = true,
					     .id = m->job,
					     .records = m->records,
					     .pkg = pkg,
					     .hop = m->hop,
					     .is_right = is_right };
	return true;
}

enum { PACKAGES = 8 };
static struct {
	const struct harvest_task *task;
	unsigned level;
	struct package *pkg;
} built[PACKAGES];

const struct package *peer_package(const char *task, unsigned level)
{
	const struct harvest_task *t = task_find(task);
	char why[160];

	for (int i = 0; i < PACKAGES; i++) {
		if (built[i].pkg != NULL && (built[i].task != t || built[i].level != level))
			continue;
		if (built[i].pkg == NULL &&
		    cnn_build_linear(t, level, 128, &built[i].pkg, why, sizeof(why)) != HV_OK) {
			fprintf(stderr, "cnn_build_linear: %s\n", why);
			abort();
		}
		built[i].task = t;
		built[i].level = level;
		return built[i].pkg;
	}
	abort();
}

void peer_packages_free(void)
{
	for (int i = 0; i < PACKAGES; i++)
		package_free(built[i].pkg);
	memset(built, 0, sizeof(built));
}

struct vboard *peer_board(const char *primary, struct primary_spec *spec, uint32_t link_bps,
			  FILE *log)
{
	struct vboard_options o = { .serial = "test",
				    .device = "max78000",
				    .primary = spec,
				    .link_bps = link_bps,
				    .seed = 5,
				    .log = log };
	struct vboard *b = NULL;
	char why[320];

	fault_plan_init(&o.fault);
	if (primary_spec_parse(primary, spec, why, sizeof(why)) != HV_OK ||
	    vboard_new(&o, &b, why, sizeof(why)) != HV_OK) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	return b;
}
