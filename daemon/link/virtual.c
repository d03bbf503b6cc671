#include "daemon/link/virtual.h"
#include "daemon/log.h"
#include "util/own.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

enum { READ_BYTES = 4096, WRITE_BYTES = 16 * FRAME_MAX_WIRE, BACKLOG = 16 };

/* A plugged-in board. Two handles; the last one to close frees. */
struct vlink {
	struct link link; /* first: a struct link * is a struct vlink * */
	struct link_hub *hub;
	struct vlink *prev, *next;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t req;
	unsigned open_handles;
	bool writing;
	size_t used; /* bytes of out */
	uint8_t in[READ_BYTES], out[WRITE_BYTES];
};

struct link_hub {
	uv_loop_t *loop;
	uv_pipe_t pipe;
	struct link_hub_events ev;
	struct vlink *links;
	unsigned count; /* links whose memory lives */
	uint64_t seed;
	bool closing, pipe_closed;
	void (*done)(void *ctx);
	void *done_ctx;
};

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static void hub_maybe_done(struct link_hub *hub)
{
	void (*done)(void *ctx) = hub->done;
	void *ctx = hub->done_ctx;

	if (!hub->pipe_closed || hub->count > 0)
		return;
	free(hub);
	if (done != NULL)
		done(ctx);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct vlink *v = h->data;
	struct link_hub *hub = v->hub;

	assert(v->open_handles > 0);
	if (--v->open_handles > 0)
		return;
	if (v->prev != NULL)
		v->prev->next = v->next;
	else
		hub->links = v->next;
	if (v->next != NULL)
		v->next->prev = v->prev;
	hub->count--;
	free(v);
	hub_maybe_done(hub);
}

static void v_close(struct link *l)
{
	struct vlink *v = (struct vlink *)l;

	uv_close((uv_handle_t *)&v->pipe, on_handle_closed);
	uv_close((uv_handle_t *)&v->timer, on_handle_closed);
}

static size_t v_room(const struct link *l)
{
	const struct vlink *v = (const struct vlink *)l;

	return v->writing ? 0 : sizeof(v->out) - v->used;
}

static void v_write(struct link *l, const uint8_t *bytes, size_t n)
{
	struct vlink *v = (struct vlink *)l;

	assert(n <= v_room(l));
	memcpy(v->out + v->used, bytes, n);
	v->used += n;
}

static void on_written(uv_write_t *req, int status)
{
	struct vlink *v = req->data;

	v->writing = false;
	v->used = 0;
	if (status == UV_ECANCELED)
		return; /* closing */
	if (status < 0)
		link_gone(&v->link, uv_strerror(status), now_us());
	else
		link_writable(&v->link, now_us());
}

static void v_flush(struct link *l, uint64_t now)
{
	struct vlink *v = (struct vlink *)l;
	uv_buf_t buf = uv_buf_init((char *)v->out, (unsigned)v->used);
	int n;

	(void)now;
	if (v->writing || v->used == 0)
		return;
	n = uv_try_write((uv_stream_t *)&v->pipe, &buf, 1);
	if (n == (int)v->used) {
		v->used = 0;
		return;
	}
	/* What did not fit, or the error, comes back through on_written(), so that the owner
	 * never hears of it from inside its own call. */
	if (n > 0) {
		v->used -= (size_t)n;
		memmove(v->out, v->out + n, v->used);
	}
	buf.len = v->used;
	v->req.data = v;
	v->writing = true;
	if (uv_write(&v->req, (uv_stream_t *)&v->pipe, &buf, 1, on_written) < 0)
		v->used = 0; /* cannot go out any more: reading will report the end */
}

static void on_timer(uv_timer_t *t)
{
	struct vlink *v = t->data;

	link_on_time(&v->link, now_us());
}

static void v_arm(struct link *l, uint64_t at_us)
{
	struct vlink *v = (struct vlink *)l;
	uint64_t now = now_us();
	uint64_t ms = at_us <= now ? 0 : (at_us - now + 999) / 1000;

	if (at_us == UINT64_MAX) {
		uv_timer_stop(&v->timer);
		return;
	}
	uv_update_time(v->hub->loop);
	uv_timer_start(&v->timer, on_timer, ms, 0);
}

/* The board's process models the line, at the rate its agent has. */
static void v_set_baud(struct link *l, uint32_t bps)
{
	(void)l;
	(void)bps;
}

static const struct link_kind virtual_kind = {
	.name = "virtual",
	.room = v_room,
	.write = v_write,
	.flush = v_flush,
	.arm = v_arm,
	.close = v_close,
	.set_baud = v_set_baud,
};

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct vlink *v = h->data;

	(void)hint;
	*buf = uv_buf_init((char *)v->in, sizeof(v->in));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct vlink *v = s->data;

	if (n > 0)
		link_bytes_in(&v->link, (const uint8_t *)buf->base, (size_t)n, now_us());
	else if (n == UV_EOF)
		link_gone(&v->link, "the board closed its end", now_us());
	else if (n < 0)
		link_gone(&v->link, uv_strerror((int)n), now_us());
}

static struct vlink *vlink_new(struct link_hub *hub)
{
	struct vlink *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	if (uv_pipe_init(hub->loop, &v->pipe, 0) < 0) {
		free(v);
		return NULL;
	}
	uv_timer_init(hub->loop, &v->timer); /* cannot fail: documented by libuv */
	v->pipe.data = v->timer.data = v;
	v->open_handles = 2;
	v->hub = hub;
	v->next = hub->links;
	if (v->next != NULL)
		v->next->prev = v;
	hub->links = v;
	hub->count++;
	link_init(&v->link, &virtual_kind, LINK_VIRTUAL_BPS, hub->seed++);
	return v;
}

static void on_connection(uv_stream_t *s, int status)
{
	struct link_hub *hub = s->data;
	struct vlink *v;

	if (status < 0 || hub->closing)
		return;
	v = vlink_new(hub);
	if (v == NULL) {
		log_event(LOG_LVL_ERROR, "LINK_NOMEM", "no memory for another virtual board");
		return;
	}
	if (uv_accept(s, (uv_stream_t *)&v->pipe) < 0 ||
	    uv_read_start((uv_stream_t *)&v->pipe, on_alloc, on_read) < 0) {
		link_close(&v->link);
		return;
	}
	if (hub->count > LINK_VIRTUAL_MAX) {
		log_event(LOG_LVL_WARNING, "LINK_LIMIT",
			  "a virtual board is turned away: %d are plugged in already, which is "
			  "the limit",
			  LINK_VIRTUAL_MAX);
		link_close(&v->link);
		return;
	}
	hub->ev.on_link(hub->ev.ctx, &v->link, now_us());
	if (v->link.ev == NULL)
		link_close(&v->link);
}

static void on_pipe_closed(uv_handle_t *h)
{
	struct link_hub *hub = h->data;

	hub->pipe_closed = true;
	hub_maybe_done(hub);
}

void link_hub_close(struct link_hub *hub, void (*done)(void *ctx), void *ctx)
{
	struct vlink *v, *next;

	if (hub->closing)
		return;
	hub->closing = true;
	hub->done = done;
	hub->done_ctx = ctx;
	uv_close((uv_handle_t *)&hub->pipe, on_pipe_closed);
	for (v = hub->links; v != NULL; v = next) {
		next = v->next;
		link_close(&v->link);
	}
}

/* Does anybody accept connections at path? */
static bool is_alive(const struct sockaddr_un *sa)
{
	hv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return true; /* not known: keep away */
	/* EAGAIN: somebody listens and his backlog is full. */
	return connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN;
}

static int remove_stale(const char *path, char *why, size_t cap)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		snprintf(why, cap, "socket path is too long, at most %zu characters: %s",
			 sizeof(sa.sun_path) - 1, path);
		return HV_E_INVAL;
	}
	strcpy(sa.sun_path, path);
	if (lstat(path, &st) < 0)
		return HV_OK; /* absent; other causes come up at bind */
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, cap, "%s exists and is no socket: remove it or choose another path",
			 path);
		return HV_E_INVAL;
	}
	if (is_alive(&sa)) {
		snprintf(why, cap, "another process already listens at %s: stop it first", path);
		return HV_E_BUSY;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		snprintf(why, cap, "stale socket %s cannot be removed: %s", path, strerror(errno));
		return hv_err_errno(errno);
	}
	return HV_OK;
}

/* libuv calls a missing directory "permission denied"; people should hear what it is. */
static int check_dir(const char *path, char *why, size_t cap)
{
	const char *slash = strrchr(path, '/');
	hv_autofree char *dir = slash != NULL ? strndup(path, (size_t)(slash - path)) : NULL;
	struct stat st;

	if (dir == NULL || dir[0] == '\0' || stat(dir, &st) == 0)
		return HV_OK;
	snprintf(why, cap, "cannot listen for virtual boards at %s: %s: %s", path, dir,
		 strerror(errno));
	return hv_err_errno(errno);
}

static int hub_listen(struct link_hub *hub, const char *path, int fd, char *why, size_t cap)
{
	int r = fd >= 0 ? uv_pipe_open(&hub->pipe, fd) : uv_pipe_bind(&hub->pipe, path);

	if (r < 0 && fd >= 0)
		close(fd);
	/* Nobody can connect before listen, so the mode is right from the first moment. */
	if (r == 0 && fd < 0 && chmod(path, 0660) < 0)
		r = -errno;
	if (r == 0)
		r = uv_listen((uv_stream_t *)&hub->pipe, BACKLOG, on_connection);
	if (r == 0)
		return HV_OK;
	snprintf(why, cap, "cannot listen for virtual boards at %s: %s",
		 fd >= 0 ? "the inherited socket" : path, uv_strerror(r));
	return hv_err_errno(-r); /* libuv codes are negative errno values on Unix */
}

int link_hub_new(struct uv_loop_s *loop, const char *path, int fd, const struct link_hub_events *ev,
		 struct link_hub **out, char *why, size_t cap)
{
	struct link_hub *hub;
	int r = fd >= 0 ? HV_OK : remove_stale(path, why, cap);

	if (r == HV_OK && fd < 0)
		r = check_dir(path, why, cap);
	if (r != HV_OK)
		return r;
	hub = calloc(1, sizeof(*hub));
	if (hub == NULL || uv_pipe_init(loop, &hub->pipe, 0) < 0) {
		snprintf(why, cap, "out of memory");
		free(hub);
		if (fd >= 0)
			close(fd);
		return HV_E_NOMEM;
	}
	hub->loop = loop;
	hub->ev = *ev;
	hub->seed = uv_hrtime();
	hub->pipe.data = hub;
	r = hub_listen(hub, path, fd, why, cap);
	if (r != HV_OK) {
		link_hub_close(hub, NULL, NULL);
		return r;
	}
	*out = hub;
	return HV_OK;
}
