#ifndef DAEMON_IPC_CONN_H
#define DAEMON_IPC_CONN_H
#include "daemon/ipc/server.h"
#include "proto/harvest.pb-c.h"
#include "proto/ipc_frame.h"
#include "util/arena.h"
#include <uv.h>

/* Inside of daemon/ipc. */

enum {
	CONN_READ_BYTES = IPC_HDR + IPC_MSG_MAX,
	CONN_COPY_MAX = 16 * 1024, /* larger samples are sent from where they are */
	CONN_DIRECT_MIN = 16 * 1024, /* larger ones are read to where they go */
	CHUNK_BYTES = 32 * 1024,
	CHUNKS_SPARE = 32,
	ARENA_BYTES = 512 * 1024,
	WHY_CAP = 256,
	LISTEN_BACKLOG = 64,
	MODEL_REQUESTS_MAX = 32, /* changes of models that wait, all clients */
	USER_CLIENTS_MIN = 16, /* a user may have these, or a quarter of limits.clients */
	ROOT_CLIENTS = 4, /* kept for root; fewer when limits.clients is small */
};

/* A piece of what is to be written: own bytes, or samples that are referenced. */
struct chunk {
	struct chunk *next;
	struct buf *samples; /* NULL: own */
	size_t off, len, cap;
	uint8_t own[];
};

struct conn;

/* A client that waits for a job. */
struct wait {
	struct timer_node timeout;
	struct conn *conn;
	uint64_t job_number;
	uint32_t tag;
	struct wait *prev, *next; /* of the server */
};

/* A change of the models, or a proof, on its way over a thread of its own; see h_models.c. */
struct model_request {
	uv_work_t work;
	struct server *server;
	struct conn *conn; /* NULL: it went away */
	uint32_t tag;
	char name[48]; /* cut; longer ones are nobody's */
	struct buf *package; /* of an installation */
	struct models_change change;
	struct model_request *next;
};

/* Samples of a request that are still arriving. in NULL: they are thrown away. */
struct upload {
	bool active;
	struct ipc_frame frame;
	struct buf *in, *out;
	size_t got;
	struct dispatch_request submit; /* of SUBMIT, without in and out */
	bool dry_run; /* decide on the samples, then forget them */
};

/* The last SUBMIT that was found good, as it came. Streams repeat it job after job: what follows
 * from the message alone need not be found out again. */
struct submit_memo {
	bool good;
	uint32_t msg_len, payload_len;
	uint8_t msg[64]; /* longer ones are not remembered */
	struct dispatch_request request; /* without tag, time, in and out */
};

struct conn {
	uv_pipe_t pipe;
	struct server *server;
	struct account *account;
	bool has_place; /* counts; else it is only told why not */
	bool greeted, closing, ending, reading, writing, dirty;
	uint8_t *in; /* CONN_READ_BYTES */
	size_t in_len;
	struct upload upload;
	struct submit_memo memo;
	struct chunk *out_first, *out_last;
	size_t out_bytes;
	size_t written_bytes; /* of the write in progress */
	size_t unwritten_bytes; /* of it, when the guard last looked */
	size_t uploaded_bytes; /* of the upload in progress, then */
	uv_write_t write;
	struct timer_node guard; /* greeting, then stall */
	uint32_t waits;
	struct conn *prev, *next, *next_dirty;
};

struct server {
	struct server_parts with;
	uv_pipe_t listener;
	uv_prepare_t flush;
	bool listening, closing;
	unsigned open_handles;
	uint32_t uid, n_conns, n_waits;
	struct conn *conns, *dirty;
	struct wait *waits;
	struct model_request *model_first, *model_last; /* the first is being worked on */
	uint32_t n_model_requests;
	struct chunk *spare;
	uint32_t n_spare;
	struct hv_arena arena;
	ProtobufCAllocator allocator;
	void (*done)(void *ctx);
	void *done_ctx;
};

/* Connections that are open, without those that are being refused. */
struct places {
	uint32_t all, of_uid;
};

/* conn.c */
/* May uid have one more connection? No user can take all of them. Else why gets a sentence. */
bool conn_has_place(const struct limits *l, uint32_t uid, const struct places *taken, char *why,
		    size_t cap);
void conn_close(struct conn *c);
/* Send what is queued, then close. */
void conn_end(struct conn *c);
void conn_guard(struct conn *c, uint64_t after_ns);
/* Parse what has been read. */
void conn_process(struct conn *c);

/* out.c: queue a reply. samples: n bytes of b, referenced or copied; b NULL: none. */
void conn_send(struct conn *c, uint16_t kind, uint32_t tag, const ProtobufCMessage *msg,
	       struct buf *b);
void conn_error(struct conn *c, uint32_t tag, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void conn_flush(struct conn *c);
void conn_drop_output(struct conn *c);
void server_free_spare(struct server *s);

/* handlers.c */
struct handler {
	uint16_t kind;
	bool takes_samples;
	const ProtobufCMessageDescriptor *message;
	/* For a request with samples it runs before they arrive, and sets upload.in for those it
	 * wants. */
	void (*run)(struct conn *c, const struct ipc_frame *f, const void *msg);
	/* All samples are there. upload is still set. */
	void (*complete)(struct conn *c);
	/* Before run, with the message as it came. True: it was handled, as run would have done.
	 * NULL: run handles all. */
	bool (*again)(struct conn *c, const struct ipc_frame *f, const uint8_t *bytes);
};
const struct handler *handler_find(uint16_t kind);
/* May this client do what only the operator may? Else an error is sent. */
bool conn_is_operator(struct conn *c, uint32_t tag, const char *what);
/* May it touch a job of that user? */
bool conn_owns(const struct conn *c, uint32_t uid);

void h_hello(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_submit(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_submit_complete(struct conn *c);
bool h_submit_again(struct conn *c, const struct ipc_frame *f, const uint8_t *bytes);
void h_wait(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_cancel(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_jobs(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_explain(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_tasks(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_models(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_models_complete(struct conn *c);
void h_boards(struct conn *c, const struct ipc_frame *f, const void *msg);
void h_status(struct conn *c, const struct ipc_frame *f, const void *msg);

/* h_models.c */
void model_requests_of_conn_drop(struct conn *c);
/* What waits is dropped; what is being worked on is awaited as a handle is. */
void model_requests_close(struct server *s);

/* h_wait.c */
void waits_of_conn_drop(struct conn *c);
void waits_of_job_answer(struct server *s, struct job *j);
void upload_clear(struct conn *c);

#endif
