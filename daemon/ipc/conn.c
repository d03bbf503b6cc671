#include "daemon/ipc/conn.h"
#include "daemon/log.h"
#include "proto/pb.h"
#include "util/clock.h"
#include "util/own.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>

static void on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	struct server *s = c->server;

	conn_drop_output(c);
	upload_clear(c);
	account_unref(c->account);
	free(c->in);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->n_conns--;
	free(c);
	if (--s->open_handles == 0 && s->closing)
		s->done(s->done_ctx);
}

static void undirty(struct conn *c)
{
	struct conn **at = &c->server->dirty;

	while (c->dirty && *at != NULL) {
		if (*at == c) {
			*at = c->next_dirty;
			c->dirty = false;
			return;
		}
		at = &(*at)->next_dirty;
	}
}

/* Idempotent, from any callback. Memory goes when libuv has let go of the handle. */
void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	undirty(c);
	timers_clear(c->server->with.timers, &c->guard);
	waits_of_conn_drop(c);
	model_requests_of_conn_drop(c);
	uv_close((uv_handle_t *)&c->pipe, on_closed);
	if (c->account != NULL)
		dispatch_client_gone(c->server->with.dispatch, c->account);
}

void conn_end(struct conn *c)
{
	if (c->closing || c->ending)
		return;
	c->ending = true;
	c->reading = false;
	uv_read_stop((uv_stream_t *)&c->pipe);
	conn_guard(c, c->server->with.limits.stall_ns);
}

static void on_guard(struct timer_node *n, uint64_t now_ns)
{
	struct conn *c = (struct conn *)(void *)((char *)n - offsetof(struct conn, guard));
	size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe);

	(void)now_ns;
	if (c->greeted && !c->ending &&
	    ((c->writing && left < c->unwritten_bytes) ||
	     (!c->writing && c->upload.got > c->uploaded_bytes))) {
		conn_guard(c, c->server->with.limits.stall_ns); /* slow, but it moves */
		return;
	}
	log_event(LOG_LVL_NOTICE, "CLIENT_DROPPED", "client %s %s: dropped", c->account->label,
		  !c->greeted                       ? "does not greet"
		  : c->upload.active && !c->writing ? "does not send the samples it announced"
						    : "does not read its replies");
	conn_close(c);
}

void conn_guard(struct conn *c, uint64_t after_ns)
{
	c->guard.fire = on_guard;
	c->uploaded_bytes = c->upload.got;
	c->unwritten_bytes = uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe);
	(void)timers_set(c->server->with.timers, &c->guard,
			 dispatch_now_ns(c->server->with.dispatch) + after_ns);
}

/* The connection cannot be understood any more: say why and end it. */
static void broken(struct conn *c, uint32_t tag, int code, const char *why)
{
	log_event(LOG_LVL_NOTICE, "CLIENT_BROKEN", "client %s: %s", c->account->label, why);
	conn_error(c, tag, code, "%s", why);
	conn_end(c);
}

void upload_clear(struct conn *c)
{
	buf_unref(c->upload.in);
	buf_unref(c->upload.out);
	c->upload.in = c->upload.out = NULL;
}

static bool upload_ready(const struct conn *c)
{
	return c->upload.active && c->upload.got == c->upload.frame.payload_len;
}

static void upload_complete(struct conn *c)
{
	const struct handler *h = handler_find(c->upload.frame.kind);

	c->upload.active = false;
	if (c->upload.in != NULL || c->upload.out != NULL)
		h->complete(c);
	upload_clear(c);
}

/* Samples from the read buffer to where they go. Returns how many bytes were used. */
static size_t upload_feed(struct conn *c, const uint8_t *from, size_t n)
{
	size_t need = c->upload.frame.payload_len - c->upload.got;
	size_t take = n < need ? n : need;

	if (c->upload.in != NULL && take > 0)
		memcpy(c->upload.in->data + c->upload.got, from, take);
	c->upload.got += take;
	return take;
}

static void upload_begin(struct conn *c, const struct ipc_frame *f)
{
	c->upload = (struct upload){ .active = f->payload_len > 0, .frame = *f };
	c->uploaded_bytes = 0;
	/* The guard of the upload before knows nothing of this one. */
	if (c->upload.active && c->greeted && !c->writing && c->guard.pos != 0)
		conn_guard(c, c->server->with.limits.stall_ns);
}

/* A request that is known and may come now. Else it was answered. */
static bool acceptable(struct conn *c, const struct handler *h, const struct ipc_frame *f)
{
	char why[WHY_CAP];

	if (h == NULL || f->flags != 0) {
		conn_error(c, f->tag, HV_E_FRAME,
			   "request of kind %u with flags %u is unknown to %s", f->kind, f->flags,
			   c->server->with.program);
		return false;
	}
	if (!c->greeted && h->run != h_hello) {
		snprintf(why, sizeof(why), "'%s' came before 'hello'", ipc_kind_text(f->kind));
		broken(c, f->tag, HV_E_FRAME, why);
		return false;
	}
	return true;
}

static void handle(struct conn *c, const struct ipc_frame *f, const uint8_t *bytes)
{
	const struct handler *h = handler_find(f->kind);
	struct server *s = c->server;
	ProtobufCMessage *msg;

	upload_begin(c, f);
	if (!acceptable(c, h, f) || (h->again != NULL && h->again(c, f, bytes)))
		return;
	hv_arena_reset(&s->arena);
	msg = pb_unpack(h->message, &s->allocator, bytes, f->msg_len);
	if (msg == NULL) {
		conn_error(c, f->tag, HV_E_FRAME, "the message of '%s' is malformed or too rich",
			   ipc_kind_text(f->kind));
		return;
	}
	if (f->payload_len > 0 && !h->takes_samples) {
		conn_error(c, f->tag, HV_E_FRAME, "'%s' takes no samples, got %u bytes",
			   ipc_kind_text(f->kind), f->payload_len);
		return;
	}
	h->run(c, f, msg);
	if (f->payload_len == 0 && (c->upload.in != NULL || c->upload.out != NULL))
		upload_complete(c);
}

/* One step of parsing at `at`. Returns bytes used; 0: more has to be read first. */
static size_t step(struct conn *c, const uint8_t *at, size_t n)
{
	struct ipc_frame f;
	char why[WHY_CAP];

	if (c->upload.active) {
		size_t used = upload_feed(c, at, n);

		if (upload_ready(c))
			upload_complete(c);
		return used;
	}
	if (n < IPC_HDR)
		return 0;
	if (ipc_frame_decode(at, &f) != HV_OK) {
		snprintf(why, sizeof(why),
			 "frame is over the cap: at most %d bytes of message and %d of samples",
			 IPC_MSG_MAX, IPC_PAYLOAD_MAX);
		broken(c, f.tag, HV_E_FRAME, why);
		return 0;
	}
	if (n - IPC_HDR < f.msg_len)
		return 0;
	handle(c, &f, at + IPC_HDR);
	return IPC_HDR + f.msg_len;
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;
	size_t need = c->upload.active ? c->upload.frame.payload_len - c->upload.got : 0;

	(void)suggested;
	/* Large samples skip the read buffer, which is empty while an upload goes on. */
	if (c->upload.in != NULL && need >= CONN_DIRECT_MIN)
		*buf = uv_buf_init((char *)c->upload.in->data + c->upload.got, (unsigned)need);
	else
		*buf = uv_buf_init((char *)c->in + c->in_len,
				   (unsigned)(CONN_READ_BYTES - c->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;

	if (n == 0)
		return;
	dispatch_clock(c->server->with.dispatch, hv_now_ns());
	if (n < 0) {
		conn_close(c); /* end of stream: nobody is left to read replies */
		return;
	}
	if (buf->base == (char *)c->in + c->in_len) {
		c->in_len += (size_t)n;
	} else {
		c->upload.got += (size_t)n;
		if (upload_ready(c))
			upload_complete(c);
	}
	conn_process(c);
	if (!c->closing)
		conn_flush(c);
}

static void reading(struct conn *c, bool want)
{
	if (want == c->reading || c->closing || c->ending)
		return;
	if (!want)
		uv_read_stop((uv_stream_t *)&c->pipe);
	else if (uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read) < 0) {
		conn_close(c);
		return;
	}
	c->reading = want;
}

void conn_process(struct conn *c)
{
	size_t at = 0, used = 1;

	while (used > 0 && at < c->in_len && !c->closing && !c->ending) {
		if (c->out_bytes > c->server->with.limits.out_high_bytes)
			conn_flush(c);
		if (c->closing || c->out_bytes > c->server->with.limits.out_high_bytes)
			break;
		used = step(c, c->in + at, c->in_len - at);
		at += used;
	}
	if (c->closing)
		return;
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	reading(c, c->out_bytes <= c->server->with.limits.out_high_bytes);
	/* Announced samples are room that others cannot have. */
	if (c->upload.active && c->guard.pos == 0)
		conn_guard(c, c->server->with.limits.stall_ns);
	else if (!c->upload.active && !c->writing && c->greeted && !c->ending)
		timers_clear(c->server->with.timers, &c->guard);
}

static int peer(int fd, struct ucred *cred)
{
	socklen_t len = sizeof(*cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len);
}

static int conn_new(struct server *s, struct conn **to)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return HV_E_NOMEM;
	c->in = malloc(CONN_READ_BYTES);
	if (c->in == NULL || uv_pipe_init(s->with.loop, &c->pipe, 0) < 0) {
		free(c->in);
		free(c);
		return HV_E_NOMEM;
	}
	c->server = s;
	c->pipe.data = c;
	c->next = s->conns;
	if (s->conns != NULL)
		s->conns->prev = c;
	s->conns = c;
	s->n_conns++;
	s->open_handles++;
	*to = c;
	return HV_OK;
}

static uint32_t at_most(uint32_t n, uint32_t most)
{
	return n < most ? n : most;
}

bool conn_has_place(const struct limits *l, uint32_t uid, const struct places *taken, char *why,
		    size_t cap)
{
	uint32_t each = l->clients / 4 > USER_CLIENTS_MIN ? l->clients / 4 : USER_CLIENTS_MIN;
	uint32_t all = l->clients - (uid == 0 ? 0 : at_most(l->clients / 16, ROOT_CLIENTS));

	if (taken->all >= all) {
		snprintf(why, cap, "the daemon has %" PRIu32 " clients, the limit: try again later",
			 taken->all);
		return false;
	}
	if (taken->of_uid >= each) {
		snprintf(why, cap,
			 "uid %" PRIu32 " has %" PRIu32
			 " connections, the limit of one user: close some first",
			 uid, taken->of_uid);
		return false;
	}
	return true;
}

static struct places places_taken(const struct server *s, uint32_t uid)
{
	struct places taken = { 0 };

	for (const struct conn *c = s->conns; c != NULL; c = c->next) {
		if (!c->has_place || c->closing)
			continue;
		taken.all++;
		taken.of_uid += c->account->uid == uid;
	}
	return taken;
}

/* The pipe is open: find out who it is and begin to read. */
static int conn_begin(struct conn *c)
{
	struct server *s = c->server;
	struct ucred cred = { .uid = UINT32_MAX };
	struct places taken;
	char why[WHY_CAP];
	uv_os_fd_t fd;
	int err;

	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 || peer(fd, &cred) != 0)
		return HV_E_IO;
	err = account_new(s->with.store, cred.pid, cred.uid, &c->account);
	if (err != HV_OK)
		return err;
	dispatch_clock(s->with.dispatch, hv_now_ns());
	conn_guard(c, s->with.limits.hello_ns);
	taken = places_taken(s, cred.uid);
	c->has_place = conn_has_place(&s->with.limits, cred.uid, &taken, why, sizeof(why));
	if (!c->has_place) {
		conn_error(c, 0, HV_E_BUSY, "%s", why);
		conn_end(c);
		conn_flush(c);
		return HV_OK;
	}
	reading(c, true);
	return HV_OK;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;
	struct conn *c;

	/* Far over the limit nobody is told any more; the backlog makes the rest wait. */
	if (status < 0 || conn_new(s, &c) != HV_OK)
		return;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0 || conn_begin(c) != HV_OK)
		conn_close(c);
}

int server_adopt(struct server *s, int fd)
{
	struct conn *c;
	int err = conn_new(s, &c);

	if (err != HV_OK)
		return err;
	if (uv_pipe_open(&c->pipe, fd) < 0) {
		conn_close(c);
		return HV_E_IO;
	}
	err = conn_begin(c);
	if (err != HV_OK)
		conn_close(c);
	return err;
}

int server_listen(struct server *s, int fd)
{
	if (uv_pipe_open(&s->listener, fd) < 0 ||
	    uv_listen((uv_stream_t *)&s->listener, LISTEN_BACKLOG, on_connection) < 0)
		return HV_E_IO;
	s->listening = true;
	return HV_OK;
}
