#include "daemon/ipc/conn.h"
#include "util/own.h"

/* clang-format off */
/* The table of requests, by kind. Nothing else decides what a kind means. */
static const struct handler handlers[] = {
	{ IPC_HELLO,   false, &hv__hello__descriptor,          h_hello,   NULL, NULL },
	{ IPC_SUBMIT,  true,  &hv__submit__descriptor,         h_submit,  h_submit_complete,
	  h_submit_again },
	{ IPC_WAIT,    false, &hv__job_ref__descriptor,        h_wait,    NULL, NULL },
	{ IPC_CANCEL,  false, &hv__job_ref__descriptor,        h_cancel,  NULL, NULL },
	{ IPC_JOBS,    false, &hv__jobs_query__descriptor,     h_jobs,    NULL, NULL },
	{ IPC_EXPLAIN, false, &hv__job_ref__descriptor,        h_explain, NULL, NULL },
	{ IPC_TASKS,   false, &hv__empty__descriptor,          h_tasks,   NULL, NULL },
	{ IPC_MODELS,  true,  &hv__models_request__descriptor, h_models,  h_models_complete, NULL },
	{ IPC_BOARDS,  false, &hv__boards_request__descriptor, h_boards,  NULL, NULL },
	{ IPC_STATUS,  false, &hv__empty__descriptor,          h_status,  NULL, NULL },
};
/* clang-format on */

const struct handler *handler_find(uint16_t kind)
{
	if (kind < 1 || kind > HV_ARRAY_SIZE(handlers))
		return NULL;
	return &handlers[kind - 1]; /* kinds of requests count from 1; a test walks the table */
}

bool conn_owns(const struct conn *c, uint32_t uid)
{
	return c->account->uid == uid || c->account->uid == 0 || c->account->uid == c->server->uid;
}

bool conn_is_operator(struct conn *c, uint32_t tag, const char *what)
{
	if (conn_owns(c, 0))
		return true;
	conn_error(
		c, tag, HV_E_DENIED,
		"%s is for root or the daemon's own user (uid %u), this client is uid %u: use sudo",
		what, c->server->uid, c->account->uid);
	return false;
}

void h_hello(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const Hv__Hello *in = msg;
	Hv__Hello out = HV__HELLO__INIT;

	if (in->version_min > IPC_VERSION_MAX || in->version_max < IPC_VERSION_MIN ||
	    in->version_min > in->version_max) {
		conn_error(c, f->tag, HV_E_VERSION,
			   "%s speaks versions %d to %d, the client %u to %u: upgrade the older",
			   c->server->with.program, IPC_VERSION_MIN, IPC_VERSION_MAX,
			   in->version_min, in->version_max);
		conn_end(c);
		return;
	}
	c->greeted = true;
	timers_clear(c->server->with.timers, &c->guard);
	out.version_min = IPC_VERSION_MIN;
	out.version_max = IPC_VERSION_MAX;
	out.program = (char *)c->server->with.program;
	conn_send(c, IPC_HELLO_OK, f->tag, &out.base, NULL);
}
