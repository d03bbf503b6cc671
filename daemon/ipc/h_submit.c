#include "daemon/ipc/conn.h"
#include "daemon/telemetry/telemetry.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/clock.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Longer deadlines are as good as none. */
static const int64_t deadline_max_us = INT64_C(1000000) * 86400 * 365;

static uint32_t task_number(const char *name)
{
	size_t i = task_index(name);

	return i < CPU_TASKS_MAX ? (uint32_t)i : UINT32_MAX;
}

static enum squeue_class class_of(Hv__Priority p)
{
	return p == HV__PRIORITY__PRIO_LATENCY ? SQUEUE_URGENT
	       : p == HV__PRIORITY__BACKGROUND ? SQUEUE_BACKGROUND
					       : SQUEUE_NORMAL;
}

static enum sched_policy policy_of(const struct server *s, Hv__Policy p)
{
	return p == HV__POLICY__LATENCY   ? SCHED_LATENCY
	       : p == HV__POLICY__ENERGY  ? SCHED_ENERGY
	       : p == HV__POLICY__OFFLOAD ? SCHED_OFFLOAD
					  : s->with.policy;
}

static enum sched_where where_of(Hv__Route r)
{
	return r == HV__ROUTE__CPU     ? SCHED_CPU_ONLY
	       : r == HV__ROUTE__BOARD ? SCHED_BOARD_ONLY
				       : SCHED_ANYWHERE;
}

/* Enums come as any number from the wire. */
static bool known_enums(const Hv__Submit *m)
{
	return (unsigned)m->route <= HV__ROUTE__BOARD &&
	       (unsigned)m->policy <= HV__POLICY__OFFLOAD &&
	       (unsigned)m->priority <= HV__PRIORITY__BACKGROUND;
}

/* The samples are of the right kind and number. */
static int check_shape(const Hv__Submit *m, const struct harvest_task *t, size_t samples, char *why,
		       size_t cap)
{
	uint64_t in = (uint64_t)m->records * tensor_bytes(&t->in);
	uint64_t out = (uint64_t)m->records * tensor_bytes(&t->out);
	char shape[64];

	if (m->dtype != 0 && m->dtype != (uint32_t)t->in.dtype) {
		const char *got = dtype_text((enum harvest_dtype)m->dtype);

		snprintf(why, cap, "%s takes %s, got samples of type %s: convert the input first",
			 t->name, tensor_text(&t->in, shape, sizeof(shape)),
			 dtype_bytes((enum harvest_dtype)m->dtype) > 0 ? got : "unknown");
		return HV_E_INVAL;
	}
	if (m->records == 0) {
		snprintf(why, cap, "the job has no records: %s takes one or more of %s", t->name,
			 tensor_text(&t->in, shape, sizeof(shape)));
		return HV_E_INVAL;
	}
	if (m->buffer[0] != '\0' && samples > 0) {
		snprintf(why, cap,
			 "the samples are to come from buffer \"%.16s\", but %zu bytes of samples "
			 "came with the job: give one of them",
			 m->buffer, samples);
		return HV_E_INVAL;
	}
	if (m->buffer[0] == '\0' && samples != in && !(m->dry_run && samples == 0)) {
		snprintf(why, cap,
			 "%" PRIu32 " records of %s are %" PRIu64 " bytes, got %zu: check task and "
			 "record count",
			 m->records, tensor_text(&t->in, shape, sizeof(shape)), in, samples);
		return HV_E_INVAL;
	}
	if (out > IPC_PAYLOAD_MAX) {
		snprintf(why, cap,
			 "the result would be %" PRIu64
			 " bytes, at most %d fit: send fewer records",
			 out, IPC_PAYLOAD_MAX);
		return HV_E_INVAL;
	}
	return HV_OK;
}

static int check_wishes(const Hv__Submit *m, const struct harvest_task *t, char *why, size_t cap)
{
	if (!known_enums(m)) {
		snprintf(why, cap, "route, policy or priority has an unknown value");
		return HV_E_INVAL;
	}
	if (m->has_budget &&
	    (!isfinite(m->max_error) || (m->max_error < 0 && t->metric != HARVEST_SNR_DB))) {
		snprintf(why, cap, "an error budget of %g makes no sense in %s", m->max_error,
			 hv_metric_text(t->metric));
		return HV_E_INVAL;
	}
	if (m->has_deadline && m->deadline_us <= 0) {
		snprintf(why, cap, "the deadline is %" PRId64 " us in the past", -m->deadline_us);
		return HV_E_TIMEOUT;
	}
	if (strlen(m->board) >= NAME_CAP) {
		snprintf(why, cap, "the board's name is longer than any: see harvestctl boards");
		return HV_E_NOENT;
	}
	return HV_OK;
}

/* Samples of a board instead of samples beside the message. */
static int check_buffer(const Hv__Submit *m, char *why, size_t cap)
{
	size_t n = strlen(m->buffer);

	if (n == 0 && m->hop == 0 && !m->has_position)
		return HV_OK;
	if (n == 0 || n > 15) {
		snprintf(why, cap,
			 "a hop or a position needs the name of a board's buffer, of at most 15 "
			 "characters: see harvestctl boards show");
		return HV_E_INVAL;
	}
	for (size_t i = 0; i < n; i++) {
		if (m->buffer[i] > ' ' && m->buffer[i] <= '~' && m->buffer[i] != '"')
			continue;
		snprintf(why, cap, "the name of a buffer has printable characters only");
		return HV_E_INVAL;
	}
	if (m->route == HV__ROUTE__CPU) {
		snprintf(why, cap, "samples of a board's buffer cannot run on the CPU");
		return HV_E_INVAL;
	}
	if (m->has_position && m->board[0] == '\0') {
		snprintf(why, cap,
			 "a position counts the samples of one board: name it with route board:ID");
		return HV_E_INVAL;
	}
	return HV_OK;
}

static void fill_request(struct conn *c, const Hv__Submit *m, uint32_t task, uint32_t tag,
			 struct dispatch_request *r)
{
	uint64_t now_ns = dispatch_now_ns(c->server->with.dispatch);

	*r = (struct dispatch_request){
		.account = c->account,
		.owner = m->detach ? NULL : c,
		.tag = tag,
		.task_index = task,
		.arrived_ns = now_ns,
		.spec = {
			.records = m->records,
			.has_budget = m->has_budget,
			.budget = m->max_error,
			.detach = m->detach,
			.progress = m->progress,
			.deadline_ns = UINT64_MAX,
			.cls = class_of(m->priority),
			.where = where_of(m->route),
			.policy = policy_of(c->server, m->policy),
		},
	};
	memcpy(r->spec.board, m->board, strlen(m->board) + 1);
	memcpy(r->spec.buffer, m->buffer, strlen(m->buffer) + 1);
	r->spec.hop = m->hop;
	r->spec.newest = !m->has_position;
	r->spec.first = m->position;
	if (m->has_deadline && m->deadline_us < deadline_max_us)
		r->spec.deadline_ns = now_ns + (uint64_t)m->deadline_us * 1000;
}

static int check_board(const struct server *s, const Hv__Submit *m, char *why, size_t cap)
{
	if (m->board[0] == '\0')
		return HV_OK;
	if (m->route != HV__ROUTE__BOARD) {
		snprintf(why, cap, "a board is named, but the route does not ask for one");
		return HV_E_INVAL;
	}
	if (s->with.boards != NULL && boards_find(s->with.boards, m->board) != NULL)
		return HV_OK;
	snprintf(why, cap, "there is no board '%s': see harvestctl boards", m->board);
	return HV_E_NOENT;
}

static void dry_run(struct conn *c, const struct dispatch_request *r)
{
	const struct server *s = c->server;
	const struct harvest_task *t = task_at(r->task_index);
	struct dispatch_decision dec;
	struct telemetry_result out;
	char why[WHY_CAP], place[2 * NAME_CAP + 16] = "";

	dispatch_decide(s->with.dispatch, r, &dec);
	if (dec.verdict.ok) {
		if (telemetry_dry_run(s->with.store, &dec, t, &out, &c->server->arena))
			conn_send(c, IPC_RESULT, r->tag, &out.msg.base, NULL);
		return;
	}
	if (dec.verdict.first < dec.n)
		dispatch_place_text(s->with.dispatch, &dec.c[dec.verdict.first], place,
				    sizeof(place));
	sched_refusal_text(&dec.job, dec.c, dec.n, &dec.verdict, place, why, sizeof(why));
	conn_error(c, r->tag, HV_E_BUDGET, "%s", why);
}

static int make_room(struct conn *c, const struct harvest_task *t, uint32_t records, size_t in,
		     char *why, size_t cap)
{
	int err = job_admissible(c->account, why, cap);

	if (err == HV_OK && in > 0)
		err = buf_new(c->account, in, &c->upload.in, why, cap);
	if (err == HV_OK)
		err = buf_new(c->account, records * tensor_bytes(&t->out), &c->upload.out, why,
			      cap);
	return err;
}

static void refuse(struct conn *c, uint32_t tag, int err, const char *why)
{
	upload_clear(c);
	c->server->with.store->counts.refused++;
	conn_error(c, tag, err, "%s", why);
}

static bool memo_is(const struct submit_memo *m, const struct ipc_frame *f, const uint8_t *msg)
{
	return m->good && task_is_served(m->request.task_index) && m->msg_len == f->msg_len &&
	       m->payload_len == f->payload_len && memcmp(m->msg, msg, f->msg_len) == 0;
}

/* Keep the message in case it turns out to be good. */
static void memo_begin(struct submit_memo *m, const struct ipc_frame *f, const uint8_t *msg)
{
	m->good = false;
	m->payload_len = f->payload_len;
	m->msg_len = f->msg_len;
	if (f->msg_len <= sizeof(m->msg))
		memcpy(m->msg, msg, f->msg_len);
}

/* The request follows from the message alone: no clock and no list of boards is in it. */
static void memo_end(struct submit_memo *memo, const Hv__Submit *m,
		     const struct dispatch_request *r)
{
	memo->good = memo->msg_len <= sizeof(memo->msg) && !m->dry_run && !m->has_deadline &&
		     m->board[0] == '\0' && m->buffer[0] == '\0';
	if (memo->good)
		memo->request = *r;
}

bool h_submit_again(struct conn *c, const struct ipc_frame *f, const uint8_t *bytes)
{
	struct dispatch_request *r = &c->upload.submit;
	char why[WHY_CAP];
	int err;

	if (!memo_is(&c->memo, f, bytes)) {
		memo_begin(&c->memo, f, bytes);
		return false;
	}
	*r = c->memo.request;
	r->tag = f->tag;
	r->arrived_ns = dispatch_now_ns(c->server->with.dispatch);
	err = make_room(c, task_at(r->task_index), r->spec.records, f->payload_len, why,
			sizeof(why));
	if (err != HV_OK)
		refuse(c, f->tag, err, why);
	return true;
}

static int check(struct conn *c, Hv__Submit *m, const struct harvest_task *t, uint32_t payload_len,
		 char *why, size_t cap)
{
	int err;

	if (t == NULL) {
		snprintf(why, cap, "there is no task '%.40s': see harvestctl tasks", m->task);
		return HV_E_NOENT;
	}
	if (m->records == 0) /* left to us */
		m->records = payload_len / (uint32_t)tensor_bytes(&t->in);
	err = check_shape(m, t, payload_len, why, cap);
	if (err == HV_OK)
		err = check_wishes(m, t, why, cap);
	if (err == HV_OK)
		err = check_buffer(m, why, cap);
	if (err == HV_OK)
		err = check_board(c->server, m, why, cap);
	return err;
}

void h_submit(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	Hv__Submit own = *(const Hv__Submit *)msg, *m = &own;
	uint32_t task = task_number(m->task);
	const struct harvest_task *t = task != UINT32_MAX ? task_at(task) : NULL;
	char why[WHY_CAP];
	int err = check(c, m, t, f->payload_len, why, sizeof(why));

	if (err == HV_OK && (!m->dry_run || f->payload_len > 0))
		err = make_room(c, t, m->records, f->payload_len, why, sizeof(why));
	if (err != HV_OK) {
		refuse(c, f->tag, err, why);
		return;
	}
	fill_request(c, m, task, f->tag, &c->upload.submit);
	memo_end(&c->memo, m, &c->upload.submit);
	c->upload.dry_run = m->dry_run;
	/* Without samples their domain cannot be looked at, all else can. */
	if (m->dry_run && f->payload_len == 0)
		dry_run(c, &c->upload.submit);
}

/* Whatever a task makes of a NaN, no certificate and no budget can speak of it. */
static bool is_finite(const struct harvest_task *t, const struct buf *in, uint32_t records,
		      char *why, size_t cap)
{
	size_t record;

	if (in == NULL || in->bytes < records * tensor_bytes(&t->in) ||
	    !tensor_first_unfinite(&t->in, in->data, records, &record))
		return true;
	snprintf(why, cap, "record %zu holds a NaN or an infinity: %s takes finite numbers", record,
		 t->name);
	return false;
}

void h_submit_complete(struct conn *c)
{
	struct dispatch *d = c->server->with.dispatch;
	struct dispatch_request *r = &c->upload.submit;
	struct job *j;
	char why[WHY_CAP], id[JOB_ID_CAP];
	bool detach = r->spec.detach;
	uint32_t tag = r->tag;
	int err;

	r->in = c->upload.in;
	r->out = c->upload.out;
	if (!is_finite(task_at(r->task_index), c->upload.in, r->spec.records, why, sizeof(why))) {
		refuse(c, tag, HV_E_INVAL, why);
		return;
	}
	if (c->upload.dry_run) {
		dry_run(c, r);
		return;
	}
	err = dispatch_submit(d, r, &j, why, sizeof(why));
	if (err != HV_OK) {
		conn_error(c, tag, err, "%s", why);
		return;
	}
	c->upload.in = c->upload.out = NULL;
	if (detach) {
		Hv__Accepted reply = HV__ACCEPTED__INIT;

		reply.job = job_id_text(c->server->with.store, j, id);
		conn_send(c, IPC_ACCEPTED, tag, &reply.base, NULL);
	}
}

void server_on_job_ended(void *server, struct job *j)
{
	struct server *s = server;
	struct conn *c = j->owner;

	if (c != NULL) {
		struct telemetry_result r;

		j->at.delivered_ns = dispatch_now_ns(s->with.dispatch);
		telemetry_result(s->with.store, j, &r);
		conn_send(c, IPC_RESULT, j->tag, &r.msg.base,
			  j->state == JOB_COMPLETED ? j->out : NULL);
	}
	if (s->n_waits > 0)
		waits_of_job_answer(s, j);
}

void server_on_job_progress(void *server, struct job *j)
{
	struct server *s = server;
	Hv__Progress msg = HV__PROGRESS__INIT;
	char id[JOB_ID_CAP];

	msg.job = job_id_text(s->with.store, j, id);
	msg.records_done = j->records_done;
	msg.records = j->spec.records;
	conn_send(j->owner, IPC_PROGRESS, j->tag, &msg.base, NULL);
}
