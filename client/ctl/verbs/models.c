#include "client/ctl/ctl.h"
#include "client/ctl/table.h"
#include "client/ctl/verbs/actions.h"
#include "proto/ipc_frame.h"
#include "util/json_out.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

/* A package with a function of its own is looked at for longer than a plain answer takes. */
enum { MODEL_FILE_MAX_BYTES = 8 << 20, INSTALL_MS = 60000 };

/* clang-format off */
static const struct action actions[] = {
	{ "list",    NULL,   "all packages (the default)" },
	{ "show",    "NAME", "one package with its certificate" },
	{ "install", "FILE", "check a package file (*.hvm) and take it in" },
	{ "remove",  "NAME", "forget a package" },
	{ "verify",  "NAME", "run its known-answer vectors and hash again" },
	{ NULL, NULL, NULL },
};
/* clang-format on */

static void json_model(struct hv_json *j, const Hv__ModelInfo *m)
{
	hv_json_object(j, NULL);
	hv_json_str(j, "model", m->name);
	hv_json_str(j, "task", m->task);
	hv_json_u64(j, "level", m->level);
	hv_json_str(j, "hash", m->hash);
	hv_json_str(j, "metric", m->metric);
	hv_json_f64(j, "certified", m->certified);
	hv_json_u64(j, "samples", m->samples);
	hv_json_f64(j, "confidence", m->confidence);
	hv_json_f64(j, "max_abs", m->max_abs);
	hv_json_u64(j, "record_cycles", m->record_cycles);
	hv_json_u64(j, "weights_bytes", m->weights_bytes);
	hv_json_array(j, "resident_on");
	for (size_t i = 0; i < m->n_resident_on; i++)
		hv_json_str(j, NULL, m->resident_on[i]);
	hv_json_end_array(j);
	hv_json_str(j, "origin", m->origin);
	hv_json_object(j, "audit");
	hv_json_u64(j, "records", m->audited);
	if (m->audited > 0)
		hv_json_f64(j, "measured", m->measured);
	hv_json_bool(j, "suspended", m->suspended[0] != '\0');
	if (m->suspended[0] != '\0')
		hv_json_str(j, "why", m->suspended);
	hv_json_end_object(j);
	if (m->support[0] != '\0')
		hv_json_str(j, "support", m->support);
	if (m->verdict[0] != '\0')
		hv_json_str(j, "verdict", m->verdict);
	hv_json_end_object(j);
}

static void models_json(const Hv__ModelList *list)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_array(&j, "models");
	for (size_t i = 0; i < list->n_models; i++)
		json_model(&j, list->models[i]);
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void models_table(const Hv__ModelList *list)
{
	static const char *const heads[] = { "MODEL",   "TASK",     ">LEVEL",  ">CERTIFIED",
					     ">CYCLES", ">WEIGHTS", "RESIDENT" };
	struct table t = table_begin(heads, HV_ARRAY_SIZE(heads));
	char text[64];

	for (size_t i = 0; i < list->n_models; i++) {
		const Hv__ModelInfo *m = list->models[i];

		table_add(&t, "%s", m->name);
		table_add(&t, "%s", m->task);
		if (m->level > 0)
			table_add(&t, "%u", m->level);
		else
			table_add(&t, "-");
		table_add(&t, "%s", error_text(m->metric, 0, m->certified, text, sizeof(text)));
		table_add(&t, "%u", m->record_cycles);
		table_add(&t, "%llu", (unsigned long long)m->weights_bytes);
		if (m->suspended[0] != '\0')
			table_add(&t, "suspended");
		else
			table_add(&t, "%s%s", m->n_resident_on ? m->resident_on[0] : "-",
				  m->n_resident_on > 1 ? ", ..." : "");
	}
	table_end(&t);
}

static void audit_text(const Hv__ModelInfo *m)
{
	char text[64];

	if (m->suspended[0] != '\0')
		printf("  suspended   %s; an operator's 'harvestctl models verify %s' lifts it\n",
		       m->suspended, m->name);
	else if (m->audited > 0)
		printf("  measured    %s over %llu audited records\n",
		       error_text(m->metric, 0, m->measured, text, sizeof(text)),
		       (unsigned long long)m->audited);
	if (m->support[0] != '\0')
		printf("  support     %s\n", m->support);
}

static void model_text(const Hv__ModelInfo *m)
{
	char text[64];

	printf("%s\n  task        %s, ", m->name, m->task);
	if (m->level > 0)
		printf("level L%u\n", m->level);
	else
		printf("searched, with host programs before and after the network\n");
	printf("  certified   %s (%s, %llu samples, confidence %g)\n",
	       error_text(m->metric, 0, m->certified, text, sizeof(text)), m->metric,
	       (unsigned long long)m->samples, m->confidence);
	printf("  worst case  %g output units, %s\n", m->max_abs,
	       m->level > 0 ? "closed form" : "seen");
	printf("  cost        %u cycles a record, %llu bytes of weights\n", m->record_cycles,
	       (unsigned long long)m->weights_bytes);
	printf("  hash        %s\n  file        %s\n  resident   ", m->hash, m->origin);
	for (size_t i = 0; i < m->n_resident_on; i++)
		printf(" %s", m->resident_on[i]);
	printf("%s\n", m->n_resident_on ? "" : " nowhere");
	audit_text(m);
	if (m->verdict[0] != '\0')
		printf("  verified    %s\n", m->verdict);
}

static int show(struct ctl *c, const Hv__ModelList *list, const char *action)
{
	if (c->args.json)
		models_json(list);
	else if (strcmp(action, "list") == 0)
		models_table(list);
	else if (strcmp(action, "remove") == 0)
		printf("removed %s\n", c->args.word[1]);
	else
		for (size_t i = 0; i < list->n_models; i++)
			model_text(list->models[i]);
	for (size_t i = 0; i < list->n_models; i++)
		if (list->models[i]->verdict[0] != '\0' &&
		    strcmp(list->models[i]->verdict, "ok") != 0)
			return ctl_fail(c, HV_E_WRONG,
					"model %s does not verify: %s; remove it with "
					"'harvestctl models remove %s'",
					list->models[i]->name, list->models[i]->verdict,
					list->models[i]->name);
	return HV_OK;
}

static int ask(struct ctl *c, Hv__ModelsRequest *q, const uint8_t *file, size_t len)
{
	struct hv_reply reply;
	int err = ctl_ask_with(c, IPC_MODELS, &q->base, file, len, IPC_MODELS_REPLY, &reply);

	if (err == HV_E_FORMAT && file != NULL) {
		struct reason said = c->why;

		return ctl_fail(c, err, "%s: %s", c->args.word[1], said.text);
	}
	if (err != HV_OK)
		return err;
	err = show(c, (const Hv__ModelList *)reply.msg, q->verb);
	hv_reply_free(&reply);
	return err;
}

static int run(struct ctl *c)
{
	Hv__ModelsRequest q = HV__MODELS_REQUEST__INIT;
	hv_autofree uint8_t *file = NULL;
	const char *action;
	size_t len = 0;
	int err = action_take(c, actions, "models", &action);

	if (err != HV_OK)
		return err;
	q.verb = ctl_text(action);
	q.name = ctl_text(c->args.word[1]);
	if (strcmp(action, "install") == 0) {
		err = hv_file_read(c->args.word[1], MODEL_FILE_MAX_BYTES, &file, &len);
		if (err != HV_OK)
			return ctl_fail(c, err == HV_E_NOMEM ? err : HV_E_FORMAT,
					"%s: cannot be read as a package: %s", c->args.word[1],
					hv_err_text(err));
		if (len == 0)
			return ctl_fail(c, HV_E_FORMAT, "%s: it is empty", c->args.word[1]);
		err = ctl_connect(c);
		if (err != HV_OK)
			return err;
		if (!c->args.has_timeout)
			harvest_client_timeout(c->client, INSTALL_MS);
	}
	return ask(c, &q, file, len);
}

const struct verb verb_models = {
	.name = "models",
	.words = "[list|show|install|remove|verify]",
	.about = "approximations: what is installed, certified for what",
	.actions = actions,
	.min_words = 0,
	.max_words = 2,
	.run = run,
};
