#include "client/lib/client.h"
#include "client/lib/request.h"
#include "util/clock.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	JOB_MSG_INLINE = 384, /* the result of a job in one or two parts fits */
	JOBS_SPARE = 32, /* kept by a client instead of given back to the allocator */
	JOB_ROOM_KEEP = 4096, /* with room for its output of at most this */
};

struct harvest_job {
	struct call call; /* first */
	harvest_client *client; /* NULL once it has ended */
	harvest_done_fn done;
	void *arg;
	hv_progress_fn progress;
	void *progress_arg;
	bool held; /* the application has the handle */
	unsigned waiters;
	int code;
	uint8_t *out; /* NULL, or room */
	size_t out_bytes;
	uint8_t *msg; /* the strings of result: msg_inline, or owned */
	struct result result;
	uint8_t msg_inline[JOB_MSG_INLINE];
	/* What follows outlasts one use of the memory. */
	uint8_t *room;
	size_t room_bytes;
	struct harvest_job *next_spare;
};

static void job_clear(harvest_job *job)
{
	if (job->msg != job->msg_inline)
		free(job->msg);
	result_free(&job->result);
}

static void job_destroy(harvest_job *job)
{
	job_clear(job);
	free(job->room);
	free(job);
}

static bool is_unused(const harvest_job *job)
{
	return !job->held && job->client == NULL && job->waiters == 0;
}

static void job_destroy_if_unused(harvest_job *job)
{
	if (is_unused(job))
		job_destroy(job);
}

/* A stream of jobs reuses the memory of a few. */
static void job_spare(harvest_client *c, harvest_job *job)
{
	if (c->n_spare == JOBS_SPARE || job->room_bytes > JOB_ROOM_KEEP) {
		job_destroy(job);
		return;
	}
	job_clear(job);
	job->next_spare = c->spare;
	c->spare = job;
	c->n_spare++;
}

static harvest_job *job_take(harvest_client *c)
{
	harvest_job *job = c->spare;

	if (job == NULL) {
		job = malloc(sizeof(*job));
		if (job == NULL)
			return NULL;
		job->room = NULL;
		job->room_bytes = 0;
		return job;
	}
	c->spare = job->next_spare;
	c->n_spare--;
	return job;
}

void jobs_free_spare(harvest_client *c)
{
	while (c->spare != NULL) {
		harvest_job *job = job_take(c);

		free(job->room);
		free(job);
	}
}

/* Own copy of text or message; n bytes and a terminator. */
static uint8_t *job_keep(harvest_job *job, const void *bytes, size_t n)
{
	if (job->msg != job->msg_inline)
		free(job->msg);
	job->msg = n < sizeof(job->msg_inline) ? job->msg_inline : malloc(n + 1);
	if (job->msg == NULL) {
		job->msg = job->msg_inline;
		return NULL;
	}
	memcpy(job->msg, bytes, n);
	job->msg[n] = '\0';
	return job->msg;
}

static void job_end(harvest_job *job)
{
	harvest_client *c = job->client; /* it stays, even if the callback closes it */

	c->finished++;
	job->client = NULL;
	job->waiters++; /* the callback may free the handle */
	if (job->done != NULL)
		job->done(job, job->code, job->arg);
	job->waiters--;
	if (is_unused(job))
		job_spare(c, job);
}

/* End without a result of the daemon's: state and why are ours. */
static void job_state(harvest_job *job, int code, const char *state, const char *why)
{
	job->code = code;
	job->result.state = state;
	job->result.why = (const char *)job_keep(job, why, strlen(why));
	if (job->result.why == NULL)
		job->result.why = hv_err_text(code);
}

static bool room_for(harvest_job *job, size_t n)
{
	if (n <= job->room_bytes)
		return true;
	free(job->room);
	job->room = malloc(n);
	job->room_bytes = job->room != NULL ? n : 0;
	return job->room != NULL;
}

static int head_result(harvest_job *job, const struct ipc_frame *f, const uint8_t *msg,
		       uint8_t **body)
{
	uint8_t *own = job_keep(job, msg, f->msg_len);
	int err = own != NULL ? result_decode(&job->result, own, f->msg_len) : HV_E_NOMEM;

	if (err != HV_OK) {
		result_free(&job->result);
		result_init(&job->result); /* it points into bytes that are no message */
		return err;
	}
	job->code = job->result.ok ? HV_OK : job->result.code < 0 ? job->result.code : HV_E_FRAME;
	if (f->payload_len == 0)
		return HV_OK;
	if (!room_for(job, f->payload_len))
		return HV_E_NOMEM;
	job->out = job->room;
	job->out_bytes = f->payload_len;
	*body = job->out;
	return HV_OK;
}

static int head_error(harvest_job *job, const struct ipc_frame *f, const uint8_t *msg)
{
	struct bounded_unpack u;
	const Hv__Error *e = bounded_unpack(&u, &hv__error__descriptor, msg, f->msg_len);

	if (e != NULL)
		job_state(job, e->code < 0 ? e->code : HV_E_FRAME, "refused",
			  e->reason[0] ? e->reason : hv_err_text(e->code));
	bounded_unpack_free(&u);
	return e != NULL ? HV_OK : HV_E_FRAME;
}

static int head_accepted(harvest_job *job, const struct ipc_frame *f, const uint8_t *msg)
{
	struct bounded_unpack u;
	const Hv__Accepted *a = bounded_unpack(&u, &hv__accepted__descriptor, msg, f->msg_len);
	const char *id = a != NULL ? (const char *)job_keep(job, a->job, strlen(a->job)) : NULL;

	bounded_unpack_free(&u);
	if (id == NULL)
		return HV_E_FRAME;
	job->result.job = id;
	job->result.state = "accepted";
	job->result.why = "goes on without this client";
	return HV_OK;
}

static int head_progress(harvest_job *job, const struct ipc_frame *f, const uint8_t *msg)
{
	struct bounded_unpack u;
	const Hv__Progress *p = bounded_unpack(&u, &hv__progress__descriptor, msg, f->msg_len);

	if (p != NULL && job->progress != NULL)
		job->progress(job->progress_arg, p->job, p->records_done, p->records);
	bounded_unpack_free(&u);
	return p != NULL ? HV_OK : HV_E_FRAME;
}

static int job_head(struct call *k, const struct ipc_frame *f, uint8_t *msg, uint8_t **body)
{
	harvest_job *job = (harvest_job *)k;

	switch (f->kind) {
	case IPC_RESULT: return head_result(job, f, msg, body);
	case IPC_ERROR: return head_error(job, f, msg);
	case IPC_ACCEPTED: return head_accepted(job, f, msg);
	case IPC_PROGRESS: return head_progress(job, f, msg);
	default: return HV_E_FRAME;
	}
}

static void job_done(struct call *k, const struct ipc_frame *f)
{
	(void)f;
	job_end((harvest_job *)k);
}

static void job_lost(struct call *k, int code, const char *why)
{
	harvest_job *job = (harvest_job *)k;

	result_free(&job->result);
	result_init(&job->result);
	job->out = NULL; /* perhaps half of it has come */
	job->out_bytes = 0;
	job_state(job, code, code == HV_E_CANCEL ? "cancelled" : "lost", why);
	job_end(job);
}

static const struct call_ops job_ops = { job_head, job_done, job_lost };

static harvest_job *job_new(harvest_client *c, harvest_done_fn done, void *arg, bool held)
{
	harvest_job *job = job_take(c);

	if (job == NULL)
		return NULL;
	memset(job, 0, offsetof(struct harvest_job, result));
	result_init(&job->result);
	job->msg = job->msg_inline;
	job->call.ops = &job_ops;
	job->done = done;
	job->arg = arg;
	job->held = held;
	return job;
}

/* What client_queue() said. */
static int job_started(harvest_client *c, harvest_job *job, int err, harvest_job **out)
{
	if (err != HV_OK) {
		job_spare(c, job);
		return err;
	}
	job->client = c;
	if (out != NULL)
		*out = job;
	return HV_OK;
}

int hv_job_start(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg, const void *payload,
		 size_t len, harvest_done_fn done, void *arg, harvest_job **out)
{
	harvest_job *job = job_new(c, done, arg, out != NULL);

	if (job == NULL)
		return HV_E_NOMEM;
	return job_started(c, job, client_queue(c, &job->call, kind, msg, payload, len), out);
}

int job_start_packed(harvest_client *c, const uint8_t *msg, size_t msg_len, const void *payload,
		     size_t len, harvest_done_fn done, void *arg, harvest_job **out)
{
	harvest_job *job = job_new(c, done, arg, out != NULL);

	if (job == NULL)
		return HV_E_NOMEM;
	return job_started(
		c, job, client_queue_packed(c, &job->call, IPC_SUBMIT, msg, msg_len, payload, len),
		out);
}

void hv_job_on_progress(harvest_job *job, hv_progress_fn fn, void *arg)
{
	job->progress = fn;
	job->progress_arg = arg;
}

const struct result *hv_job_detail(const harvest_job *job)
{
	return &job->result;
}

const void *hv_job_output(const harvest_job *job, size_t *bytes)
{
	*bytes = job->out_bytes;
	return job->out;
}

int harvest_job_wait(harvest_job *job, uint32_t timeout_ms)
{
	uint64_t deadline_ns = hv_now_ns() + (uint64_t)timeout_ms * 1000000;
	harvest_client *c = job->client;
	int code = HV_OK;

	if (c == NULL)
		return job->code;
	job->waiters++;
	while (code == HV_OK && job->client != NULL)
		code = client_pump(c, deadline_ns);
	if (job->client == NULL) {
		code = job->code;
		if (code != HV_OK)
			reason_set(&c->why, "%s", job->result.why);
	} else if (code == HV_E_TIMEOUT) {
		reason_set(&c->why, "the job has not ended in the %u ms given; it goes on",
			   timeout_ms);
	}
	job->waiters--;
	job_destroy_if_unused(job);
	client_leave(c);
	return code;
}

int harvest_job_result(const harvest_job *job, harvest_result *r)
{
	const struct result *d = &job->result;
	harvest_result full = {
		.id = d->job,
		.state = d->state,
		.why = d->why,
		.metric = d->metric,
		.out = job->out,
		.out_bytes = job->out_bytes,
		.parts = d->parts,
		.n_parts = d->n_parts,
		.admit_us = d->admit_us,
		.queue_us = d->queue_us,
		.transfer_us = d->transfer_us,
		.compute_us = d->compute_us,
		.deliver_us = d->deliver_us,
		.total_us = d->total_us,
		.board_energy_uj = d->board_energy_uj,
		.cpu_energy_uj = d->cpu_energy_uj,
		.has_first_sample = d->has_first_sample,
		.first_sample = d->first_sample,
	};

	if (job->client != NULL)
		return HARVEST_E_BUSY;
	if (r->size < offsetof(harvest_result, cpu_energy_uj) + sizeof(r->cpu_energy_uj))
		return HARVEST_E_INVAL;
	full.size = r->size;
	full.certified = d->has_certified                   ? d->certified
			 : strcmp(d->metric, "snr_db") == 0 ? (double)INFINITY
							    : 0;
	memcpy(r, &full, r->size < sizeof(full) ? r->size : sizeof(full));
	return HARVEST_OK;
}

int harvest_job_cancel(harvest_job *job)
{
	harvest_client *c = job->client;
	Hv__JobRef ref = HV__JOB_REF__INIT;

	if (c == NULL)
		return HARVEST_OK;
	ref.submit_tag = job->call.tag;
	return client_tell(c, IPC_CANCEL, &ref.base);
}

void harvest_job_free(harvest_job *job)
{
	if (job == NULL)
		return;
	job->held = false;
	job_destroy_if_unused(job);
}
