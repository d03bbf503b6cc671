#include "client/lib/client.h"
#include "client/lib/request.h"
#include "proto/ipc_frame.h"
#include "config.h"
#include <string.h>

/* proto3 strings are never NULL, and the generated struct wants them without const. */
static char *text(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = { .in = s != NULL ? s : "" };

	return u.out;
}

void harvest_options_init(harvest_options *o)
{
	*o = (harvest_options){ .size = sizeof(*o) };
}

/* Constraints as the caller's version of the library knew them. */
static int options_read(harvest_options *o, const harvest_options *from)
{
	memset(o, 0, sizeof(*o)); /* also between the members: two of them are compared whole */
	o->size = sizeof(*o);
	if (from == NULL)
		return HARVEST_OK;
	if (from->size < offsetof(harvest_options, policy) + sizeof(from->policy))
		return HARVEST_E_INVAL;
	o->has_budget = from->has_budget;
	o->max_error = from->max_error;
	o->deadline_us = from->deadline_us;
	o->priority = from->priority;
	o->route = from->route;
	o->board = from->board;
	o->policy = from->policy;
	return HARVEST_OK;
}

static void fill(Hv__Submit *m, const char *task, const harvest_options *o)
{
	m->task = text(task);
	m->has_budget = o->has_budget != 0;
	m->max_error = o->max_error;
	m->has_deadline = o->deadline_us != 0;
	m->deadline_us = o->deadline_us;
	m->priority = (Hv__Priority)o->priority;
	m->route = (Hv__Route)o->route;
	m->board = text(o->board);
	m->policy = (Hv__Policy)o->policy;
}

/* o without the pointer, whose text is compared instead. */
static harvest_options plain(const harvest_options *o)
{
	harvest_options p = *o;

	p.board = NULL;
	return p;
}

static bool memo_is(const struct submit_memo *memo, const char *task, const harvest_options *o)
{
	harvest_options p = plain(o);

	return memo->len > 0 && strcmp(memo->task, task) == 0 &&
	       memcmp(&memo->o, &p, sizeof(p)) == 0 &&
	       strcmp(memo->board, o->board != NULL ? o->board : "") == 0;
}

/* Remembers the message when it is of the usual size; len stays 0 otherwise. */
static void memo_set(struct submit_memo *memo, const char *task, const harvest_options *o,
		     const Hv__Submit *m)
{
	size_t n = hv__submit__get_packed_size(m);

	memo->len = 0;
	if (n > sizeof(memo->msg) || strlen(task) >= sizeof(memo->task) ||
	    strlen(m->board) >= sizeof(memo->board))
		return;
	strcpy(memo->task, task);
	strcpy(memo->board, m->board);
	memo->o = plain(o);
	memo->len = hv__submit__pack(m, memo->msg);
}

int harvest_submit(harvest_client *c, const char *task, const void *in, size_t in_bytes,
		   const harvest_options *o, harvest_done_fn done, void *arg, harvest_job **job)
{
	Hv__Submit m = HV__SUBMIT__INIT;
	harvest_options own;

	if (task == NULL || in == NULL || in_bytes == 0 || (job == NULL && done == NULL)) {
		reason_set(&c->why, "a job needs a task, at least one record, and a handle or a "
				    "callback to tell how it ended");
		return HARVEST_E_INVAL;
	}
	if (options_read(&own, o) != HARVEST_OK) {
		reason_set(&c->why, "harvest_options were not filled by harvest_options_init()");
		return HARVEST_E_INVAL;
	}
	if (!memo_is(&c->memo, task, &own)) {
		fill(&m, task, &own);
		memo_set(&c->memo, task, &own, &m);
	}
	if (c->memo.len == 0)
		return hv_job_start(c, IPC_SUBMIT, &m.base, in, in_bytes, done, arg, job);
	return job_start_packed(c, c->memo.msg, c->memo.len, in, in_bytes, done, arg, job);
}

int harvest_submit_buffer(harvest_client *c, const char *task, const harvest_buffer *from,
			  uint32_t records, const harvest_options *o, harvest_done_fn done,
			  void *arg, harvest_job **job)
{
	Hv__Submit m = HV__SUBMIT__INIT;
	harvest_options own;

	if (task == NULL || from == NULL || from->size < sizeof(*from) || from->name == NULL ||
	    from->name[0] == '\0' || records == 0 || (job == NULL && done == NULL)) {
		reason_set(
			&c->why,
			"a job of a board's buffer needs a task, the buffer's name, at least one "
			"record, and a handle or a callback to tell how it ended");
		return HARVEST_E_INVAL;
	}
	if (options_read(&own, o) != HARVEST_OK) {
		reason_set(&c->why, "harvest_options were not filled by harvest_options_init()");
		return HARVEST_E_INVAL;
	}
	fill(&m, task, &own);
	m.records = records;
	m.buffer = text(from->name);
	m.hop = from->hop;
	m.has_position = from->has_position != 0;
	m.position = from->position;
	return hv_job_start(c, IPC_SUBMIT, &m.base, NULL, 0, done, arg, job);
}

static int run_end(harvest_client *c, harvest_job *job, void *out, size_t cap_bytes,
		   size_t *out_bytes)
{
	size_t n;
	const void *data = hv_job_output(job, &n);

	if (n > cap_bytes) {
		reason_set(&c->why, "the answer has %zu bytes, the caller's buffer %zu", n,
			   cap_bytes);
		return HARVEST_E_INVAL;
	}
	if (n > 0)
		memcpy(out, data, n);
	if (out_bytes != NULL)
		*out_bytes = n;
	return HARVEST_OK;
}

int harvest_run(harvest_client *c, const char *task, const void *in, size_t in_bytes,
		const harvest_options *o, void *out, size_t cap_bytes, size_t *out_bytes)
{
	uint32_t timeout_ms = (uint32_t)(c->timeout_ns / 1000000);
	harvest_job *job;
	int code;

	if (client_in_callback(c))
		return HARVEST_E_INVAL;
	code = harvest_submit(c, task, in, in_bytes, o, NULL, NULL, &job);
	if (code != HARVEST_OK)
		return code;
	c->users++; /* a callback may close: not before the answer is copied */
	code = harvest_job_wait(job, timeout_ms);
	c->users--;
	if (code == HARVEST_E_TIMEOUT) {
		int ignored = harvest_job_cancel(job);

		(void)ignored;
	}
	if (code == HARVEST_OK)
		code = run_end(c, job, out, cap_bytes, out_bytes);
	harvest_job_free(job);
	client_leave(c);
	return code;
}

const char *harvest_strerror(int code)
{
	return hv_err_text(code);
}

const char *harvest_version(void)
{
	return PACKAGE_VERSION;
}
