#include "daemon/ipc/conn.h"
#include "proto/pb.h"
#include "util/clock.h"
#include "util/own.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WRITE_CHUNKS = 16 };

static struct chunk *chunk_new(struct server *s, size_t need)
{
	size_t cap = need > CHUNK_BYTES ? need : CHUNK_BYTES;
	struct chunk *k = s->spare;

	if (cap == CHUNK_BYTES && k != NULL) {
		s->spare = k->next;
		s->n_spare--;
	} else {
		k = malloc(sizeof(*k) + cap);
	}
	if (k != NULL) {
		k->next = NULL;
		k->samples = NULL;
		k->off = k->len = 0;
		k->cap = cap;
	}
	return k;
}

static void chunk_free(struct server *s, struct chunk *k)
{
	buf_unref(k->samples);
	if (k->cap == CHUNK_BYTES && s->n_spare < CHUNKS_SPARE) {
		k->next = s->spare;
		s->spare = k;
		s->n_spare++;
		return;
	}
	free(k);
}

void server_free_spare(struct server *s)
{
	while (s->spare != NULL) {
		struct chunk *k = s->spare;

		s->spare = k->next;
		free(k);
	}
	s->n_spare = 0;
}

static void append(struct conn *c, struct chunk *k)
{
	if (c->out_last != NULL)
		c->out_last->next = k;
	else
		c->out_first = k;
	c->out_last = k;
}

/* n bytes in one piece at the end of the queue; NULL: no memory. */
static uint8_t *room(struct conn *c, size_t n)
{
	struct chunk *k = c->out_last;

	if (k == NULL || k->samples != NULL || k->cap - k->len < n) {
		k = chunk_new(c->server, n);
		if (k == NULL)
			return NULL;
		append(c, k);
	}
	k->len += n;
	c->out_bytes += n;
	return k->own + k->len - n;
}

static bool append_samples(struct conn *c, struct buf *b)
{
	struct chunk *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return false;
	k->samples = buf_ref(b);
	k->len = b->bytes;
	append(c, k);
	c->out_bytes += b->bytes;
	return true;
}

static void mark_dirty(struct conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = c->server->dirty;
	c->server->dirty = c;
}

/* A reply that is lost silently would be waited for, so the connection ends; not here, where
 * the caller may be in the middle of its jobs. */
static void give_up(struct conn *c)
{
	conn_end(c);
	mark_dirty(c);
}

void conn_send(struct conn *c, uint16_t kind, uint32_t tag, const ProtobufCMessage *msg,
	       struct buf *b)
{
	uint8_t small[PB_PACK_BYTES], *packed = pb_pack(msg, small, small + sizeof(small));
	size_t msg_len = packed != NULL ? (size_t)(small + sizeof(small) - packed)
					: protobuf_c_message_get_packed_size(msg);
	size_t samples = b != NULL ? b->bytes : 0;
	size_t copied = samples <= CONN_COPY_MAX ? samples : 0;
	struct ipc_frame f = { .msg_len = (uint32_t)msg_len,
			       .payload_len = (uint32_t)samples,
			       .kind = kind,
			       .tag = tag };
	uint8_t *at;

	if (c->closing || c->ending)
		return;
	at = msg_len <= IPC_MSG_MAX ? room(c, IPC_HDR + msg_len + copied) : NULL;
	if (at == NULL) {
		give_up(c);
		return;
	}
	ipc_frame_encode(&f, at);
	if (packed != NULL)
		memcpy(at + IPC_HDR, packed, msg_len);
	else
		protobuf_c_message_pack(msg, at + IPC_HDR);
	if (copied > 0)
		memcpy(at + IPC_HDR + msg_len, b->data, copied);
	else if (samples > 0 && !append_samples(c, b)) {
		give_up(c);
		return;
	}
	mark_dirty(c);
}

/* A reason may echo names as a client sent them, and cut them anywhere; a protobuf string must
 * be UTF-8, and a terminal shows it. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

void conn_error(struct conn *c, uint32_t tag, int code, const char *fmt, ...)
{
	char reason[2 * WHY_CAP];
	Hv__Error msg = HV__ERROR__INIT;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	make_printable(reason);
	msg.code = code;
	msg.reason = reason;
	conn_send(c, IPC_ERROR, tag, &msg.base, NULL);
}

static void wrote(struct conn *c, size_t n)
{
	c->out_bytes -= n;
	while (n > 0) {
		struct chunk *k = c->out_first;
		size_t left = k->len - k->off;

		if (n < left) {
			k->off += n;
			return;
		}
		n -= left;
		c->out_first = k->next;
		if (c->out_first == NULL)
			c->out_last = NULL;
		chunk_free(c->server, k);
	}
}

void conn_drop_output(struct conn *c)
{
	wrote(c, c->out_bytes);
}

static unsigned gather(const struct conn *c, uv_buf_t *bufs, size_t *bytes)
{
	unsigned n = 0;

	*bytes = 0;
	for (struct chunk *k = c->out_first; k != NULL && n < WRITE_CHUNKS; k = k->next) {
		uint8_t *data = k->samples != NULL ? k->samples->data : k->own;

		bufs[n++] = uv_buf_init((char *)data + k->off, (unsigned)(k->len - k->off));
		*bytes += k->len - k->off;
	}
	return n;
}

static void resume(struct conn *c)
{
	if (c->out_bytes == 0) {
		timers_clear(c->server->with.timers, &c->guard);
		if (!c->greeted)
			conn_guard(c, c->server->with.limits.hello_ns);
		else if (c->upload.active) /* it began while the write went on */
			conn_guard(c, c->server->with.limits.stall_ns);
	}
	if (c->ending && c->out_bytes == 0)
		conn_close(c);
	else if (!c->reading && c->out_bytes <= c->server->with.limits.out_high_bytes / 2)
		conn_process(c);
}

static void on_written(uv_write_t *w, int status)
{
	struct conn *c = w->data;

	c->writing = false;
	if (status < 0 || c->closing) {
		conn_close(c);
		return;
	}
	/* What was handed over then still leads the queue: it only grows at its end. */
	wrote(c, c->written_bytes);
	dispatch_clock(c->server->with.dispatch, hv_now_ns());
	conn_flush(c);
	resume(c);
}

void conn_flush(struct conn *c)
{
	uv_buf_t bufs[WRITE_CHUNKS];
	size_t bytes;
	unsigned n;
	int r;

	while (!c->writing && !c->closing && c->out_first != NULL) {
		n = gather(c, bufs, &bytes);
		r = uv_try_write((uv_stream_t *)&c->pipe, bufs, n);
		if (r >= 0) {
			wrote(c, (size_t)r);
			continue;
		}
		if (r != UV_EAGAIN) {
			conn_close(c);
			return;
		}
		c->write.data = c;
		c->written_bytes = bytes;
		if (uv_write(&c->write, (uv_stream_t *)&c->pipe, bufs, n, on_written) < 0) {
			conn_close(c);
			return;
		}
		c->writing = true;
		conn_guard(c, c->server->with.limits.stall_ns);
	}
	if (c->ending && !c->closing && c->out_first == NULL)
		conn_close(c);
}
