#include "client/lib/conn.h"
#include "client/lib/dial.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A blocking read saves the poll() of every round trip; it wakes up this often to look at
 * the deadline, and a nearer deadline is left to poll(). Set by dial(). */
#define SLICE_NS (DIAL_RECEIVE_SLICE_MS * UINT64_C(1000000))

int conn_open(struct conn *c, const char *path, uint64_t deadline_ns, struct reason *why)
{
	int err;

	*c = (struct conn){ .fd = -1 };
	c->in = malloc(CONN_IN_BYTES);
	if (c->in == NULL) {
		reason_set(why, "out of memory for a connection to harvestd");
		return HV_E_NOMEM;
	}
	err = dial(path, deadline_ns, &c->fd, why);
	if (err != HV_OK)
		conn_close(c);
	return err;
}

void conn_close(struct conn *c)
{
	hv_closep(&c->fd);
	free(c->in);
	free(c->out);
	*c = (struct conn){ .fd = -1 };
}

static void out_to_front(struct conn *c)
{
	memmove(c->out, c->out + c->out_start, c->out_end - c->out_start);
	c->out_end -= c->out_start;
	c->out_start = 0;
}

uint8_t *conn_room(struct conn *c, size_t n, int *err)
{
	size_t queued = c->out_end - c->out_start, cap;
	uint8_t *bigger;

	if (n > CONN_OUT_MAX || queued > CONN_OUT_MAX - n) {
		*err = HV_E_BUSY;
		return NULL;
	}
	if (c->out_cap - c->out_end >= n)
		return c->out + c->out_end;
	if (c->out_start > 0)
		out_to_front(c);
	if (c->out_cap - c->out_end >= n)
		return c->out + c->out_end;
	for (cap = c->out_cap ? c->out_cap : 16384; cap < queued + n;)
		cap *= 2;
	bigger = realloc(c->out, cap);
	if (bigger == NULL) {
		*err = HV_E_NOMEM;
		return NULL;
	}
	c->out = bigger;
	c->out_cap = cap;
	return c->out + c->out_end;
}

int conn_flush(struct conn *c)
{
	while (conn_wants_write(c)) {
		ssize_t n = send(c->fd, c->out + c->out_start, c->out_end - c->out_start,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return HV_OK;
		if (n < 0)
			return errno == EPIPE || errno == ECONNRESET ? HV_E_GONE : HV_E_IO;
		c->out_start += (size_t)n;
	}
	c->out_start = c->out_end = 0;
	if (c->out_cap > CONN_OUT_KEEP) {
		free(c->out);
		c->out = NULL;
		c->out_cap = 0;
	}
	return HV_OK;
}

static int payload_end(struct conn *c, const struct conn_events *ev, void *arg)
{
	c->in_payload = false;
	return ev->frame_done(arg, &c->frame);
}

/* Take payload bytes out of the read buffer. Returns how many. */
static size_t payload_take(struct conn *c, const uint8_t *from, size_t n)
{
	if (n > c->body_left)
		n = c->body_left;
	if (c->body != NULL && n > 0) {
		memcpy(c->body, from, n);
		c->body += n;
	}
	c->body_left -= n;
	return n;
}

/* Parse one step at in[*at]. 1: did something; 0: needs more bytes; < 0: end. */
static int parse_step(struct conn *c, size_t *at, const struct conn_events *ev, void *arg)
{
	size_t left = c->in_len - *at;
	int err;

	if (c->in_payload) {
		*at += payload_take(c, c->in + *at, left);
		if (c->body_left > 0)
			return 0;
		err = payload_end(c, ev, arg);
		return err < 0 ? err : 1;
	}
	if (left < IPC_HDR)
		return 0;
	err = ipc_frame_decode(c->in + *at, &c->frame);
	if (err != HV_OK)
		return err;
	if (left - IPC_HDR < c->frame.msg_len)
		return 0;
	c->body = NULL;
	err = ev->frame_head(arg, &c->frame, c->in + *at + IPC_HDR, &c->body);
	if (err < 0)
		return err;
	*at += IPC_HDR + c->frame.msg_len;
	c->body_left = c->frame.payload_len;
	c->in_payload = true;
	return 1;
}

static int parse(struct conn *c, const struct conn_events *ev, void *arg)
{
	size_t at = 0;
	int more;

	do {
		more = parse_step(c, &at, ev, arg);
	} while (more > 0);
	if (at > 0 && at < c->in_len)
		memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	return more;
}

static int receive(struct conn *c, int flags, const struct conn_events *ev, void *arg)
{
	bool into_body = c->in_payload && c->body != NULL && c->in_len == 0;
	struct iovec v[2] = { { c->body, into_body ? c->body_left : 0 },
			      { c->in + c->in_len, CONN_IN_BYTES - c->in_len } };
	struct msghdr m = { .msg_iov = into_body ? v : v + 1, .msg_iovlen = into_body ? 2 : 1 };
	size_t room = v[0].iov_len + v[1].iov_len, direct;
	ssize_t n = recvmsg(c->fd, &m, flags);
	int err;

	if (n == 0)
		return HV_E_GONE;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	if (n < 0)
		return errno == ECONNRESET ? HV_E_GONE : HV_E_IO;
	direct = (size_t)n < v[0].iov_len ? (size_t)n : v[0].iov_len;
	c->body_left -= direct;
	if (direct > 0)
		c->body += direct;
	c->in_len += (size_t)n - direct;
	err = parse(c, ev, arg);
	if (err < 0)
		return err;
	return (size_t)n == room;
}

int conn_receive(struct conn *c, const struct conn_events *ev, void *arg)
{
	return receive(c, MSG_DONTWAIT, ev, arg);
}

int conn_wait(struct conn *c, uint64_t deadline_ns, const struct conn_events *ev, void *arg)
{
	uint64_t now_ns = hv_now_ns(), left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct timespec t = { .tv_sec = (time_t)(left_ns / 1000000000),
			      .tv_nsec = (long)(left_ns % 1000000000) };

	if (!conn_wants_write(c) && left_ns > SLICE_NS)
		return receive(c, 0, ev, arg);
	if (conn_wants_write(c))
		p.events |= POLLOUT;
	if (ppoll(&p, 1, &t, NULL) <= 0)
		return 0;
	if ((p.revents & ~POLLOUT) == 0)
		return 0;
	return conn_receive(c, ev, arg);
}
