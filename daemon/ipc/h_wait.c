#include "daemon/ipc/conn.h"
#include "daemon/telemetry/telemetry.h"
#include "util/own.h"

/* The result of a job to somebody who waited. Samples are for the user who owns them. */
static void answer(struct conn *c, uint32_t tag, struct job *j)
{
	struct server *s = c->server;
	uint32_t uid = j->account != NULL ? j->account->uid : j->uid;
	struct telemetry_result r;

	if (j->at.delivered_ns == 0)
		j->at.delivered_ns = dispatch_now_ns(s->with.dispatch);
	telemetry_result(s->with.store, j, &r);
	conn_send(c, IPC_RESULT, tag, &r.msg.base,
		  j->state == JOB_COMPLETED && j->spec.detach && conn_owns(c, uid) ? j->out : NULL);
}

static void drop(struct server *s, struct wait *w)
{
	timers_clear(s->with.timers, &w->timeout);
	if (w->prev != NULL)
		w->prev->next = w->next;
	else
		s->waits = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->conn->waits--;
	s->n_waits--;
	free(w);
}

void waits_of_conn_drop(struct conn *c)
{
	struct wait *next;

	for (struct wait *w = c->server->waits; w != NULL; w = next) {
		next = w->next;
		if (w->conn == c)
			drop(c->server, w);
	}
}

void waits_of_job_answer(struct server *s, struct job *j)
{
	struct wait *next;

	for (struct wait *w = s->waits; w != NULL; w = next) {
		next = w->next;
		if (w->job_number != j->number)
			continue;
		answer(w->conn, w->tag, j);
		drop(s, w);
	}
}

static void on_timeout(struct timer_node *n, uint64_t now_ns)
{
	struct wait *w = (struct wait *)(void *)((char *)n - offsetof(struct wait, timeout));

	(void)now_ns;
	conn_error(w->conn, w->tag, HV_E_TIMEOUT,
		   "the job has not ended yet: wait again, or cancel it");
	drop(w->conn->server, w);
}

void h_wait(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const Hv__JobRef *m = msg;
	struct server *s = c->server;
	char why[WHY_CAP];
	struct job *j = job_find(s->with.store, m->job, why, sizeof(why));
	struct wait *w;

	if (j == NULL) {
		conn_error(c, f->tag, HV_E_NOENT, "%s", why);
		return;
	}
	if (job_state_is_final(j->state)) {
		answer(c, f->tag, j);
		return;
	}
	w = c->waits < s->with.limits.waits_per_client ? calloc(1, sizeof(*w)) : NULL;
	if (w == NULL) {
		conn_error(c, f->tag, HV_E_BUSY, "this client waits for %u jobs, the limit",
			   c->waits);
		return;
	}
	w->conn = c;
	w->job_number = j->number;
	w->tag = f->tag;
	w->timeout.fire = on_timeout;
	w->next = s->waits;
	if (s->waits != NULL)
		s->waits->prev = w;
	s->waits = w;
	s->n_waits++;
	c->waits++;
	if (m->has_timeout && m->timeout_us < UINT64_MAX / 2000)
		(void)timers_set(s->with.timers, &w->timeout,
				 dispatch_now_ns(s->with.dispatch) + m->timeout_us * 1000);
}

/* The job of this connection that was submitted with a tag. */
static struct job *by_tag(const struct conn *c, uint32_t tag)
{
	for (struct job *j = c->account->first; j != NULL; j = j->in_account.next)
		if (j->owner == c && j->tag == tag)
			return j;
	return NULL;
}

void h_cancel(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const Hv__JobRef *m = msg;
	struct server *s = c->server;
	bool named = m->job[0] != '\0';
	char why[WHY_CAP], id[JOB_ID_CAP] = "";
	Hv__CancelReply reply = HV__CANCEL_REPLY__INIT;
	struct job *j = named ? job_find(s->with.store, m->job, why, sizeof(why))
			      : by_tag(c, m->submit_tag);

	if (named && j == NULL) {
		conn_error(c, f->tag, HV_E_NOENT, "%s", why);
		return;
	}
	if (j != NULL && !conn_owns(c, j->account != NULL ? j->account->uid : j->uid)) {
		conn_error(c, f->tag, HV_E_DENIED,
			   "job %s belongs to another user: only that user or the operator may "
			   "cancel it",
			   m->job);
		return;
	}
	if (j != NULL)
		job_id_text(s->with.store, j, id);
	reply.job = id;
	reply.outcome = "too late";
	if (j != NULL && dispatch_cancel(s->with.dispatch, j, "cancelled by a client"))
		reply.outcome = "cancelled";
	conn_send(c, IPC_CANCEL_REPLY, f->tag, &reply.base, NULL);
	dispatch_pump(s->with.dispatch);
}
