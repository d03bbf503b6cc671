#include "client/lib/client.h"
#include "client/lib/request.h"
#include "config.h"
#include "proto/harvest.pb-c.h"
#include "util/clock.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISPATCH_READS_MAX = 16 }; /* so that one harvest_dispatch() ends under any load */

void reason_set(struct reason *r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->text, sizeof(r->text), format, ap);
	va_end(ap);
}

uint64_t client_deadline_ns(const harvest_client *c)
{
	return hv_now_ns() + c->timeout_ns;
}

bool client_in_callback(const harvest_client *c)
{
	return c->depth > 0;
}

/* A message about the connection itself, not about a request. */
static int connection_error(harvest_client *c, const struct ipc_frame *f, const uint8_t *msg)
{
	struct bounded_unpack u;
	Hv__Error *e = bounded_unpack(&u, &hv__error__descriptor, msg, f->msg_len);
	int code = e != NULL && e->code < 0 ? e->code : HV_E_FRAME;

	reason_set(&c->why, "harvestd ends the connection: %s",
		   e != NULL && e->reason[0] ? e->reason : hv_err_text(code));
	c->explained = true;
	bounded_unpack_free(&u);
	return code;
}

static int on_frame_head(void *arg, const struct ipc_frame *f, uint8_t *msg, uint8_t **body)
{
	harvest_client *c = arg;
	int known = 0;
	struct call *k = calls_find(&c->calls, f->tag, &known);

	if (!known && f->kind == IPC_ERROR)
		return connection_error(c, f, msg);
	if (!known) {
		reason_set(&c->why, "harvestd answered (%s) a request that was never made",
			   ipc_kind_text(f->kind));
		c->explained = true;
		return HV_E_FRAME;
	}
	return k != NULL ? k->ops->head(k, f, msg, body) : HV_OK;
}

static int on_frame_done(void *arg, const struct ipc_frame *f)
{
	harvest_client *c = arg;
	int known = 0;
	struct call *k = calls_find(&c->calls, f->tag, &known);

	if (f->kind == IPC_PROGRESS)
		return HV_OK;
	calls_end(&c->calls, f->tag);
	if (k != NULL)
		k->ops->done(k, f);
	return HV_OK;
}

static const struct conn_events events = { on_frame_head, on_frame_done };

/* The connection is over: everything unfinished ends with the code. */
static int lose(harvest_client *c, int code)
{
	struct reason why;

	if (c->lost != HV_OK)
		return c->lost;
	c->lost = code;
	if (!c->explained && code == HV_E_GONE)
		reason_set(&c->why, "harvestd went away: see 'systemctl status harvestd'");
	else if (!c->explained)
		reason_set(&c->why, "the connection to harvestd failed: %s", hv_err_text(code));
	why = c->why;
	c->depth++;
	calls_lose(&c->calls, code, why.text);
	c->depth--;
	c->why = why;
	return code;
}

static int parsed(harvest_client *c, int err)
{
	c->depth--;
	if (err < 0)
		return lose(c, err);
	return err;
}

/* Room for a frame behind what is queued, header written, call entered. Returns where the
 * message goes; NULL with *err. frame_close() queues it. */
static uint8_t *frame_open(harvest_client *c, struct call *k, uint16_t kind, size_t msg_len,
			   size_t len, int *err)
{
	struct ipc_frame f = { .kind = kind };
	uint8_t *to;

	*err = c->lost;
	if (c->lost != HV_OK)
		return NULL;
	if (msg_len > IPC_MSG_MAX || len > IPC_PAYLOAD_MAX) {
		reason_set(&c->why,
			   "a request takes at most %d MiB of samples and %d KiB of constraints: "
			   "cut it into several",
			   IPC_PAYLOAD_MAX >> 20, IPC_MSG_MAX >> 10);
		*err = HV_E_INVAL;
		return NULL;
	}
	to = conn_room(&c->conn, IPC_HDR + msg_len + len, err);
	if (to != NULL)
		*err = calls_add(&c->calls, k);
	if (*err != HV_OK) {
		reason_set(&c->why, "%s",
			   *err == HV_E_BUSY
				   ? "too much is waiting to be sent or answered: dispatch first"
				   : "out of memory for a request");
		return NULL;
	}
	f.msg_len = (uint32_t)msg_len;
	f.payload_len = (uint32_t)len;
	f.tag = k->tag;
	ipc_frame_encode(&f, to);
	return to + IPC_HDR;
}

static void frame_close(harvest_client *c, uint8_t *msg, size_t msg_len, const void *payload,
			size_t len)
{
	if (len > 0)
		memcpy(msg + msg_len, payload, len);
	conn_queued(&c->conn, IPC_HDR + msg_len + len);
}

int client_queue(harvest_client *c, struct call *k, uint16_t kind, const ProtobufCMessage *msg,
		 const void *payload, size_t len)
{
	size_t msg_len = protobuf_c_message_get_packed_size(msg);
	int err;
	uint8_t *to = frame_open(c, k, kind, msg_len, len, &err);

	if (to == NULL)
		return err;
	protobuf_c_message_pack(msg, to);
	frame_close(c, to, msg_len, payload, len);
	return HV_OK;
}

int client_queue_packed(harvest_client *c, struct call *k, uint16_t kind, const uint8_t *msg,
			size_t msg_len, const void *payload, size_t len)
{
	int err;
	uint8_t *to = frame_open(c, k, kind, msg_len, len, &err);

	if (to == NULL)
		return err;
	memcpy(to, msg, msg_len);
	frame_close(c, to, msg_len, payload, len);
	return HV_OK;
}

int client_tell(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg)
{
	struct call k = { 0 };
	int err = client_queue(c, &k, kind, msg, NULL, 0);

	if (err == HV_OK)
		calls_forget(&c->calls, &k);
	return err;
}

int client_pump(harvest_client *c, uint64_t deadline_ns)
{
	int err;

	if (client_in_callback(c)) {
		reason_set(&c->why, "a callback may not wait: return from it first");
		return HV_E_INVAL;
	}
	if (c->lost != HV_OK)
		return c->lost;
	err = conn_flush(&c->conn);
	if (err != HV_OK)
		return lose(c, err);
	c->depth++;
	err = parsed(c, conn_wait(&c->conn, deadline_ns, &events, c));
	if (err == 0 && hv_now_ns() >= deadline_ns)
		return HV_E_TIMEOUT;
	return err < 0 ? err : HV_OK;
}

static int greet(harvest_client *c, uint64_t deadline_ns)
{
	Hv__Hello hello = HV__HELLO__INIT;
	struct hv_reply reply;
	const Hv__Hello *theirs;
	char name[64];
	int err;

	snprintf(name, sizeof(name), "%.40s %s", program_invocation_short_name, PACKAGE_VERSION);
	hello.version_min = IPC_VERSION_MIN;
	hello.version_max = IPC_VERSION_MAX;
	hello.program = name;
	err = hv_client_request_until(c, IPC_HELLO, &hello.base, NULL, 0, IPC_HELLO_OK, deadline_ns,
				      &reply);
	if (err != HV_OK)
		return err;
	theirs = (const Hv__Hello *)reply.msg;
	if (theirs->version_max < IPC_VERSION_MIN || theirs->version_min > IPC_VERSION_MAX) {
		reason_set(&c->why,
			   "%s speaks protocol %u to %u, this program %d to %d: update the "
			   "older of the two",
			   theirs->program, theirs->version_min, theirs->version_max,
			   IPC_VERSION_MIN, IPC_VERSION_MAX);
		err = HV_E_VERSION;
	}
	hv_reply_free(&reply);
	return err;
}

int harvest_client_open(const char *socket, uint32_t timeout_ms, harvest_client **out)
{
	char path[PATH_MAX];
	harvest_client *c = calloc(1, sizeof(*c));
	uint64_t deadline_ns;
	int err = HV_OK;

	*out = NULL;
	if (c == NULL)
		return HV_E_NOMEM;
	c->conn.fd = -1;
	harvest_client_timeout(c, timeout_ms);
	deadline_ns = client_deadline_ns(c);
	if (socket == NULL) {
		err = ipc_socket_path(path, sizeof(path));
		socket = path;
	}
	if (err != HV_OK)
		reason_set(&c->why, "the socket path of $HARVEST_SOCKET is too long");
	else
		err = conn_open(&c->conn, socket, deadline_ns, &c->why);
	if (err == HV_OK)
		err = greet(c, deadline_ns);
	if (err == HV_E_NOMEM) {
		harvest_client_close(c);
		return err;
	}
	if (err != HV_OK)
		c->lost = err;
	*out = c;
	return err;
}

static void destroy(harvest_client *c)
{
	c->lost = c->lost ? c->lost : HV_E_CANCEL;
	c->depth++;
	calls_lose(&c->calls, HV_E_CANCEL, "cancelled: the connection was closed first");
	conn_close(&c->conn);
	calls_free(&c->calls);
	jobs_free_spare(c);
	free(c);
}

void client_leave(harvest_client *c)
{
	if (c->depth == 0 && c->users == 0 && c->close_wanted)
		destroy(c);
}

void harvest_client_close(harvest_client *c)
{
	if (c == NULL)
		return;
	c->close_wanted = true;
	client_leave(c);
}

const char *harvest_client_reason(const harvest_client *c)
{
	return c != NULL && c->why.text[0] ? c->why.text : "no failure";
}

void harvest_client_timeout(harvest_client *c, uint32_t timeout_ms)
{
	c->timeout_ns = (uint64_t)timeout_ms * 1000000;
}

int harvest_fd(const harvest_client *c)
{
	return c->conn.fd;
}

int harvest_wants_write(const harvest_client *c)
{
	return c->lost == HV_OK && conn_wants_write(&c->conn);
}

int harvest_dispatch(harvest_client *c)
{
	int err, finished;

	if (client_in_callback(c))
		return HV_E_INVAL;
	c->finished = 0;
	err = c->lost != HV_OK ? c->lost : conn_flush(&c->conn);
	if (err < 0)
		err = lose(c, err);
	for (int i = 0; err >= 0 && i < DISPATCH_READS_MAX && !c->close_wanted; i++) {
		c->depth++;
		err = parsed(c, conn_receive(&c->conn, &events, c));
		if (err == 0)
			break;
	}
	if (err >= 0 && conn_wants_write(&c->conn))
		err = conn_flush(&c->conn) < 0 ? lose(c, HV_E_GONE) : HV_OK;
	finished = c->finished;
	client_leave(c);
	return err < 0 ? err : finished;
}
