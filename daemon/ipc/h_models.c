#include "daemon/ipc/conn.h"
#include "daemon/telemetry/telemetry.h"
#include "util/clock.h"
#include "util/own.h"
#include <stdio.h>

static void reply_models(struct conn *c, uint32_t tag, const struct model *only,
			 const char *verdict)
{
	Hv__ModelList reply = HV__MODEL_LIST__INIT;

	if (!telemetry_models(c->server->with.models, c->server->with.boards, only, &reply,
			      &c->server->arena)) {
		conn_error(c, tag, HV_E_NOMEM, "the list of models does not fit one reply");
		return;
	}
	for (size_t i = 0; verdict != NULL && i < reply.n_models; i++)
		reply.models[i]->verdict = (char *)verdict;
	conn_send(c, IPC_MODELS_REPLY, tag, &reply.base, NULL);
}

static const struct model *find(struct conn *c, uint32_t tag, const char *name)
{
	const struct model *m = models_find(c->server->with.models, name);

	if (m == NULL)
		conn_error(c, tag, HV_E_NOENT, "there is no model '%.40s': see harvestctl models",
			   name);
	return m;
}

static void verb_list(struct conn *c, const struct ipc_frame *f, const char *name)
{
	(void)name;
	reply_models(c, f->tag, NULL, NULL);
}

static void verb_show(struct conn *c, const struct ipc_frame *f, const char *name)
{
	const struct model *m = find(c, f->tag, name);

	if (m != NULL)
		reply_models(c, f->tag, m, NULL);
}

/* ---- what takes long: one after the other, on a thread of libuv's pool ---- */

static void answer(struct model_request *q, int err)
{
	struct conn *c = q->conn;
	bool verify = q->change.verb == MODELS_VERIFY;

	if (c == NULL || c->closing)
		return;
	hv_arena_reset(&q->server->arena);
	if (q->change.verb == MODELS_REMOVE && err == HV_OK)
		reply_models(c, q->tag, NULL, NULL);
	else if (err == HV_OK || (verify && err != HV_E_CANCEL))
		reply_models(c, q->tag, q->change.model, err == HV_OK ? "ok" : q->change.why);
	else
		conn_error(c, q->tag, err, "%s", q->change.why);
}

/* Take the first off the list. */
static void drop_first(struct server *s)
{
	struct model_request *q = s->model_first;

	s->model_first = q->next;
	s->n_model_requests--;
	buf_unref(q->package);
	free(q);
}

static void on_work(uv_work_t *work)
{
	struct model_request *q = work->data;

	models_run(q->server->with.models, &q->change);
}

static void begin_first(struct server *s);

static void on_worked(uv_work_t *work, int status)
{
	struct model_request *q = work->data;
	struct server *s = q->server;

	(void)status; /* of one that was cancelled the change says so itself */
	dispatch_clock(s->with.dispatch, hv_now_ns());
	answer(q, models_finish(s->with.models, &q->change));
	drop_first(s);
	if (!s->closing && s->with.boards != NULL)
		boards_place_models(s->with.boards); /* what came in, if anything did */
	if (!s->closing)
		begin_first(s);
	if (--s->open_handles == 0 && s->closing)
		s->done(s->done_ctx);
}

/* False: it was answered. Names are looked up now, after the changes before it. */
static bool begin(struct server *s, struct model_request *q)
{
	if (q->change.verb != MODELS_INSTALL) {
		q->change.model = models_find(s->with.models, q->name);
		if (q->change.model == NULL) {
			if (q->conn != NULL)
				find(q->conn, q->tag, q->name);
			return false;
		}
	}
	models_begin(s->with.models, &q->change);
	q->work.data = q;
	if (uv_queue_work(s->with.loop, &q->work, on_work, on_worked) == 0)
		return true;
	answer(q, models_finish(s->with.models, &q->change));
	return false;
}

static void begin_first(struct server *s)
{
	while (s->model_first != NULL) {
		if (begin(s, s->model_first)) {
			s->open_handles++;
			return;
		}
		drop_first(s);
	}
}

/* package: one more reference is taken; NULL: none. */
static void enqueue(struct conn *c, uint32_t tag, enum models_verb verb, const char *name,
		    struct buf *package)
{
	struct server *s = c->server;
	struct model_request *q = NULL;

	if (s->n_model_requests < MODEL_REQUESTS_MAX)
		q = calloc(1, sizeof(*q));
	if (q == NULL) {
		conn_error(c, tag, HV_E_BUSY, "%u changes of models wait already: try again later",
			   s->n_model_requests);
		return;
	}
	q->server = s;
	q->conn = c;
	q->tag = tag;
	q->change.verb = verb;
	q->change.lift = verb == MODELS_VERIFY && conn_owns(c, 0); /* an operator's word */
	snprintf(q->name, sizeof(q->name), "%s", name);
	if (package != NULL) {
		q->package = buf_ref(package);
		q->change.bytes = package->data;
		q->change.len = package->bytes;
	}
	if (s->model_first != NULL)
		s->model_last->next = q;
	else
		s->model_first = q;
	s->model_last = q;
	if (s->n_model_requests++ == 0)
		begin_first(s);
}

/* Forget what waits, of one connection or of all (NULL). What is being worked on goes on, and
 * nobody is told. */
static void drop_waiting(struct server *s, const struct conn *c)
{
	struct model_request *last = s->model_first;

	if (last == NULL)
		return;
	if (c == NULL || last->conn == c)
		last->conn = NULL;
	for (struct model_request *q = last->next; q != NULL; q = last->next) {
		if (c != NULL && q->conn != c) {
			last = q;
			continue;
		}
		last->next = q->next;
		s->n_model_requests--;
		buf_unref(q->package);
		free(q);
	}
	s->model_last = last;
}

void model_requests_of_conn_drop(struct conn *c)
{
	drop_waiting(c->server, c);
}

void model_requests_close(struct server *s)
{
	drop_waiting(s, NULL);
	if (s->model_first != NULL)
		uv_cancel((uv_req_t *)&s->model_first->work); /* unless a thread has it */
}

/* ---- verbs ---- */

static void verb_verify(struct conn *c, const struct ipc_frame *f, const char *name)
{
	enqueue(c, f->tag, MODELS_VERIFY, name, NULL);
}

static void verb_remove(struct conn *c, const struct ipc_frame *f, const char *name)
{
	if (conn_is_operator(c, f->tag, "removing a model"))
		enqueue(c, f->tag, MODELS_REMOVE, name, NULL);
}

/* The package itself comes as samples. */
static void verb_install(struct conn *c, const struct ipc_frame *f, const char *name)
{
	char why[WHY_CAP];
	int err;

	(void)name;
	if (!conn_is_operator(c, f->tag, "installing a model"))
		return;
	if (f->payload_len == 0 || f->payload_len > PACKAGE_MAX_BYTES + PACKAGE_PLUGIN_MAX_BYTES) {
		conn_error(c, f->tag, HV_E_FORMAT, "a package has 1 to %d bytes, got %u",
			   PACKAGE_MAX_BYTES + PACKAGE_PLUGIN_MAX_BYTES, f->payload_len);
		return;
	}
	err = buf_new(c->account, f->payload_len, &c->upload.in, why, sizeof(why));
	if (err != HV_OK)
		conn_error(c, f->tag, err, "%s", why);
}

void h_models_complete(struct conn *c)
{
	enqueue(c, c->upload.frame.tag, MODELS_INSTALL, "", c->upload.in);
}

static const struct {
	const char *verb;
	void (*run)(struct conn *c, const struct ipc_frame *f, const char *name);
} verbs[] = {
	{ "list", verb_list },     { "show", verb_show },     { "install", verb_install },
	{ "remove", verb_remove }, { "verify", verb_verify },
};

void h_models(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const Hv__ModelsRequest *m = msg;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, m->verb) == 0) {
			verbs[i].run(c, f, m->name);
			return;
		}
	}
	conn_error(c, f->tag, HV_E_INVAL,
		   "models cannot '%.20s': list, show, install, remove and verify can be asked for",
		   m->verb);
}
