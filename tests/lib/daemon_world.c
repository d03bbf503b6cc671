#include "tests/lib/daemon_world.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Also used outside of Check's runner, so it has its own way to fail. */
#define MUST(cond)                                                                           \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                             \
		}                                                                            \
	} while (0)

enum { STEPS_MAX = 200000 };

struct limits world_limits = LIMITS_DEFAULT;

void world_start(struct world *w, uint64_t seed)
{
	struct dispatch_parts parts = { .store = &w->store, .timers = &w->timers };
	struct dispatch_events ev = { .on_ended = server_on_job_ended,
				      .on_progress = server_on_job_progress };
	struct server_parts sp = { .loop = &w->loop,
				   .store = &w->store,
				   .timers = &w->timers,
				   .limits = world_limits,
				   .program = "harvestd test",
				   .cpu_workers = 2,
				   .loop_lag_max_ns = &w->lag_ns };
	struct board_events bev;
	char why[128];

	memset(w, 0, sizeof(*w));
	signal(SIGPIPE, SIG_IGN); /* as main() does */
	log_set_level(LOG_LVL_ERROR);
	hv_rng_seed(&w->rng, seed);
	MUST(uv_loop_init(&w->loop) == 0);
	MUST(store_init(&w->store, &world_limits, 0x3f9a) == HV_OK);
	MUST(models_new("", NULL, NULL, &w->models) == HV_OK);
	parts.models = w->models;
	MUST(dispatch_new(&parts, &ev, &w->dispatch) == HV_OK);
	dispatch_clock(w->dispatch, hv_now_ns());
	MUST(cpu_new(&w->loop, 2, dispatch_on_cpu_done, w->dispatch, &w->cpu) == HV_OK);
	bev = dispatch_board_events(w->dispatch);
	MUST(boards_new(&w->loop, NULL, -1, w->models, &bev, &w->boards, why, sizeof(why)) ==
	     HV_OK);
	dispatch_join(w->dispatch, w->cpu, w->boards);
	sp.dispatch = w->dispatch;
	sp.models = w->models;
	sp.boards = w->boards;
	sp.started_ns = hv_now_ns();
	MUST(server_new(&sp, &w->server) == HV_OK);
	dispatch_deliver_to(w->dispatch, w->server);
}

static void check_books(const struct world *w)
{
	size_t live = 0;

	MUST(job_counts_add_up(&w->store.counts));
	for (const struct job *j = w->store.live_first; j != NULL; j = j->in_list.next) {
		uint32_t quota = 0;

		live++;
		for (uint32_t i = 0; i < j->n_parts; i++)
			quota += j->part[i].quota;
		if (!job_state_is_final(j->state) && quota != 0)
			MUST(quota == ranges_total(&j->todo));
	}
	MUST(live == w->store.live);
}

void world_step(struct world *w)
{
	uint64_t now_ns = hv_now_ns() + w->ahead_ns;

	dispatch_clock(w->dispatch, now_ns);
	timers_run(&w->timers, now_ns);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	if (!w->hold_boards)
		fake_boards_step(w->boards, &w->rng);
	check_books(w);
}

void world_advance(struct world *w, uint64_t ns)
{
	w->ahead_ns += ns;
	world_step(w);
}

static void closed(void *ctx)
{
	*(bool *)ctx = true;
}

void world_stop(struct world *w)
{
	bool gone = false;

	dispatch_stop(w->dispatch);
	dispatch_cancel_all(w->dispatch, "the test is over");
	gone = false;
	boards_close(w->boards, closed, &gone);
	server_close(w->server, closed, &gone);
	gone = false;
	cpu_close(w->cpu, closed, &gone);
	for (int i = 0; i < STEPS_MAX && uv_loop_alive(&w->loop); i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	MUST(w->store.live == 0);
	MUST(dispatch_units_out(w->dispatch) == 0);
	MUST(job_counts_add_up(&w->store.counts));
	server_free(w->server);
	boards_free(w->boards);
	cpu_free(w->cpu);
	dispatch_free(w->dispatch);
	models_free(w->models);
	MUST(w->store.payload_bytes == w->store.detached_bytes);
	store_free(&w->store);
	timers_free(&w->timers);
	MUST(uv_loop_close(&w->loop) == 0); /* else a handle was left open */
}

struct peer peer_raw(struct world *w)
{
	struct peer p = { .in_cap = 1 << 16 };
	int fds[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	p.fd = fds[0];
	p.in = malloc(p.in_cap);
	MUST(server_adopt(w->server, fds[1]) == HV_OK);
	return p;
}

struct peer peer_connect(struct world *w)
{
	struct peer p = peer_raw(w);
	Hv__Hello hello = HV__HELLO__INIT;
	struct reply r;

	hello.version_min = IPC_VERSION_MIN;
	hello.version_max = IPC_VERSION_MAX;
	hello.program = "test";
	MUST(peer_send(w, &p, IPC_HELLO, 1, &hello.base, NULL, 0));
	MUST(peer_read(w, &p, &r));
	MUST(r.f.kind == IPC_HELLO_OK);
	free(r.msg);
	return p;
}

void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	free(p->in);
	p->in = NULL;
}

bool peer_write(struct world *w, struct peer *p, const void *data, size_t n)
{
	const uint8_t *at = data;

	for (int i = 0; n > 0 && i < STEPS_MAX; i++) {
		ssize_t r = send(p->fd, at, n, MSG_NOSIGNAL);

		if (r < 0 && errno != EAGAIN)
			return false;
		if (r < 0) {
			world_step(w);
			continue;
		}
		at += r;
		n -= (size_t)r;
	}
	return n == 0;
}

bool peer_send(struct world *w, struct peer *p, uint16_t kind, uint32_t tag,
	       const ProtobufCMessage *m, const void *samples, size_t n)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	hv_autofree uint8_t *all = malloc(IPC_HDR + len + n);
	struct ipc_frame f = {
		.msg_len = (uint32_t)len, .payload_len = (uint32_t)n, .kind = kind, .tag = tag
	};

	ipc_frame_encode(&f, all);
	protobuf_c_message_pack(m, all + IPC_HDR);
	if (n > 0)
		memcpy(all + IPC_HDR + len, samples, n);
	return peer_write(w, p, all, IPC_HDR + len + n);
}

static void receive(struct peer *p)
{
	ssize_t r;

	if (p->in_len == p->in_cap) {
		p->in_cap *= 2;
		p->in = realloc(p->in, p->in_cap);
	}
	r = recv(p->fd, p->in + p->in_len, p->in_cap - p->in_len, 0);
	if (r > 0)
		p->in_len += (size_t)r;
	else if (r == 0 || errno != EAGAIN)
		p->ended = true;
}

bool peer_poll(struct peer *p, struct reply *r)
{
	size_t all;

	receive(p);
	if (p->in_len < IPC_HDR)
		return false;
	MUST(ipc_frame_decode(p->in, &r->f) == HV_OK);
	all = (size_t)r->f.msg_len + r->f.payload_len;
	if (p->in_len < IPC_HDR + all)
		return false;
	r->msg = malloc(all + 1);
	memcpy(r->msg, p->in + IPC_HDR, all);
	r->samples = r->msg + r->f.msg_len;
	p->in_len -= IPC_HDR + all;
	memmove(p->in, p->in + IPC_HDR + all, p->in_len);
	return true;
}

bool peer_read(struct world *w, struct peer *p, struct reply *r)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		if (peer_poll(p, r))
			return true;
		if (p->ended)
			return false;
		world_step(w);
	}
	return false;
}

Hv__Submit submit_of(const char *task, uint32_t records)
{
	Hv__Submit m = HV__SUBMIT__INIT;

	m.task = (char *)task;
	m.records = records;
	return m;
}

uint8_t *samples_of(const char *task, uint32_t records, uint64_t seed)
{
	const struct harvest_task *t = task_find(task);
	size_t bytes = tensor_bytes(&t->in);
	uint8_t *in = malloc(records * bytes);

	for (uint32_t i = 0; i < records; i++)
		t->sample(seed, i % 64, in + i * bytes);
	return in;
}

bool peer_submit(struct world *w, struct peer *p, uint32_t tag, const Hv__Submit *m, uint64_t seed)
{
	hv_autofree uint8_t *in = samples_of(m->task, m->records, seed);

	return peer_send(w, p, IPC_SUBMIT, tag, &m->base, in,
			 m->records * tensor_bytes(&task_find(m->task)->in));
}

bool answers_right(const char *task, uint32_t records, uint64_t seed, const uint8_t *got, size_t n)
{
	const struct harvest_task *t = task_find(task);
	size_t ib = tensor_bytes(&t->in), ob = tensor_bytes(&t->out);
	size_t elements = tensor_elements(&t->out);
	hv_autofree uint8_t *in = samples_of(task, records, seed);
	hv_autofree double *ref = calloc(elements, sizeof(double));
	hv_autofree double *have = calloc(elements, sizeof(double));

	if (n != records * ob)
		return false;
	for (uint32_t i = 0; i < records; i++) {
		double most = 0;

		t->reference(in + i * ib, ref);
		tensor_to_double(&t->out, got + i * ob, have);
		for (size_t k = 0; k < elements; k++)
			most = fmax(most, fabs(ref[k]));
		for (size_t k = 0; k < elements; k++)
			if (fabs(ref[k] - have[k]) > 0.51 + 1e-5 * most)
				return false;
	}
	return true;
}
