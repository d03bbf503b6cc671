#include "client/lib/request.h"
#include "client/lib/client.h"
#include "util/own.h"
#include <stdlib.h>
#include <string.h>

/* Bump allocation for one message; freed as a whole. Never sees size 0 from protobuf-c, and
 * may. */
static void *take(void *arg, size_t n)
{
	struct bounded_unpack *u = arg;
	size_t align = _Alignof(max_align_t);
	void **block;

	if (n > UNPACK_MAX_BYTES || u->used > UNPACK_MAX_BYTES - n - 2 * align)
		return NULL;
	n = (n + align - 1) / align * align;
	u->used += n;
	if (sizeof(u->first) - u->inline_used >= n) {
		u->inline_used += n;
		return u->first + u->inline_used - n;
	}
	block = malloc(n + align);
	if (block == NULL)
		return NULL;
	*block = u->blocks;
	u->blocks = block;
	return (uint8_t *)block + align;
}

static void keep(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

void *bounded_unpack(struct bounded_unpack *u, const ProtobufCMessageDescriptor *d,
		     const uint8_t *data, size_t len)
{
	ProtobufCAllocator a = { .alloc = take, .free = keep, .allocator_data = u };

	u->used = u->inline_used = 0;
	u->blocks = NULL;
	return protobuf_c_message_unpack(d, &a, len, data);
}

void bounded_unpack_free(struct bounded_unpack *u)
{
	while (u->blocks != NULL) {
		void *next = *(void **)u->blocks;

		free(u->blocks);
		u->blocks = next;
	}
}

void hv_reply_free(struct hv_reply *r)
{
	if (r->memory != NULL)
		bounded_unpack_free(r->memory);
	free(r->memory);
	*r = (struct hv_reply){ NULL, NULL };
}

struct request {
	struct call call; /* first */
	uint16_t want;
	int code;
	bool ended;
	struct hv_reply reply;
	struct reason why;
};

/* clang-format off */
static const struct {
	uint16_t kind;
	const ProtobufCMessageDescriptor *message;
} replies[] = {
	{ IPC_HELLO_OK,      &hv__hello__descriptor },
	{ IPC_ERROR,         &hv__error__descriptor },
	{ IPC_JOBS_REPLY,    &hv__job_list__descriptor },
	{ IPC_EXPLAIN_REPLY, &hv__explanation__descriptor },
	{ IPC_TASKS_REPLY,   &hv__task_list__descriptor },
	{ IPC_MODELS_REPLY,  &hv__model_list__descriptor },
	{ IPC_BOARDS_REPLY,  &hv__board_list__descriptor },
	{ IPC_STATUS_REPLY,  &hv__status__descriptor },
	{ IPC_CANCEL_REPLY,  &hv__cancel_reply__descriptor },
};
/* clang-format on */

static const ProtobufCMessageDescriptor *descriptor_of(uint16_t kind)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(replies); i++)
		if (replies[i].kind == kind)
			return replies[i].message;
	return NULL;
}

static int refused(struct request *q)
{
	const Hv__Error *e = (const Hv__Error *)q->reply.msg;

	q->code = e->code < 0 ? e->code : HV_E_FRAME;
	reason_set(&q->why, "%s", e->reason[0] ? e->reason : hv_err_text(q->code));
	hv_reply_free(&q->reply);
	return HV_OK;
}

static int request_head(struct call *k, const struct ipc_frame *f, uint8_t *msg, uint8_t **body)
{
	const ProtobufCMessageDescriptor *d = descriptor_of(f->kind);
	struct request *q = (struct request *)k;

	*body = NULL; /* these replies carry no samples */
	if (d == NULL || (f->kind != q->want && f->kind != IPC_ERROR) || q->reply.msg != NULL)
		return HV_E_FRAME;
	q->reply.memory = malloc(sizeof(*q->reply.memory));
	if (q->reply.memory == NULL)
		return HV_E_NOMEM;
	q->reply.msg = bounded_unpack(q->reply.memory, d, msg, f->msg_len);
	if (q->reply.msg == NULL) {
		hv_reply_free(&q->reply);
		return HV_E_FRAME;
	}
	return f->kind == IPC_ERROR ? refused(q) : HV_OK;
}

static void request_done(struct call *k, const struct ipc_frame *f)
{
	struct request *q = (struct request *)k;

	(void)f;
	q->ended = true;
}

static void request_lost(struct call *k, int code, const char *why)
{
	struct request *q = (struct request *)k;

	hv_reply_free(&q->reply);
	q->ended = true;
	q->code = code;
	reason_set(&q->why, "%s", why);
}

static const struct call_ops request_ops = { request_head, request_done, request_lost };

int hv_client_request_until(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg,
			    const void *payload, size_t len, uint16_t want, uint64_t deadline_ns,
			    struct hv_reply *reply)
{
	struct request q = { .call = { .ops = &request_ops }, .want = want };
	int err = client_queue(c, &q.call, kind, msg, payload, len);

	if (err != HV_OK)
		return err;
	while (err == HV_OK && !q.ended)
		err = client_pump(c, deadline_ns);
	if (!q.ended) {
		calls_forget(&c->calls, &q.call);
		hv_reply_free(&q.reply);
		if (err == HV_E_TIMEOUT)
			reason_set(&c->why,
				   "no answer from harvestd to '%s' in time: it is busy or "
				   "stuck; allow more time or see 'systemctl status harvestd'",
				   ipc_kind_text(kind));
		return err;
	}
	if (q.code != HV_OK) {
		c->why = q.why;
		return q.code;
	}
	*reply = q.reply;
	return HV_OK;
}

int hv_client_request(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg,
		      const void *payload, size_t len, uint16_t want, struct hv_reply *reply)
{
	return hv_client_request_until(c, kind, msg, payload, len, want, client_deadline_ns(c),
				       reply);
}
