#include "daemon/ipc/conn.h"
#include "daemon/telemetry/telemetry.h"
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

static void verb_verify(struct conn *c, const struct ipc_frame *f, const char *name)
{
	const struct model *m = find(c, f->tag, name);
	char why[WHY_CAP];

	if (m == NULL)
		return;
	if (models_verify(c->server->with.models, name, why, sizeof(why)) == HV_OK)
		reply_models(c, f->tag, m, "ok");
	else
		reply_models(c, f->tag, m, why);
}

static void verb_remove(struct conn *c, const struct ipc_frame *f, const char *name)
{
	const struct model *m;
	char why[WHY_CAP];
	int err;

	if (!conn_is_operator(c, f->tag, "removing a model"))
		return;
	m = find(c, f->tag, name);
	if (m == NULL)
		return;
	err = models_remove(c->server->with.models, name, why, sizeof(why));
	if (err != HV_OK)
		conn_error(c, f->tag, err, "%s", why);
	else
		reply_models(c, f->tag, NULL, NULL);
}

/* The package itself comes as samples. */
static void verb_install(struct conn *c, const struct ipc_frame *f, const char *name)
{
	char why[WHY_CAP];
	int err;

	(void)name;
	if (!conn_is_operator(c, f->tag, "installing a model"))
		return;
	if (f->payload_len == 0 || f->payload_len > PACKAGE_MAX_BYTES) {
		conn_error(c, f->tag, HV_E_FORMAT, "a package has 1 to %d bytes, got %u",
			   PACKAGE_MAX_BYTES, f->payload_len);
		return;
	}
	err = buf_new(c->account, f->payload_len, &c->upload.in, why, sizeof(why));
	if (err != HV_OK)
		conn_error(c, f->tag, err, "%s", why);
}

void h_models_complete(struct conn *c)
{
	struct server *s = c->server;
	uint32_t tag = c->upload.frame.tag;
	struct model *m;
	char why[WHY_CAP];
	int err;

	hv_arena_reset(&s->arena);
	err = models_install(s->with.models, c->upload.in->data, c->upload.in->bytes, &m, why,
			     sizeof(why));
	if (err != HV_OK)
		conn_error(c, tag, err, "%s", why);
	else
		reply_models(c, tag, m, "ok");
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
