#include "client/ctl/table.h"
#include "client/ctl/verbs/actions.h"
#include "client/ctl/verbs/board_out.h"
#include "proto/ipc_frame.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct action actions[] = {
	{ "list",   NULL, "all boards (the default)" },
	{ "show",   "ID", "one board in full" },
	{ "drain",  "ID", "let it finish and give it no more work" },
	{ "resume", "ID", "give it work again" },
	{ "reset",  "ID", "reset its agent and prove it anew" },
	{ "test",   "ID", "run its known-answer tests now" },
	{ NULL, NULL, NULL },
};
/* clang-format on */

static void line_json(struct hv_json *j, const Hv__BoardInfo *b)
{
	hv_json_object(j, "line");
	hv_json_u64(j, "bps", b->link_bps);
	hv_json_u64(j, "meet_bps", b->link_meet_bps);
	hv_json_u64(j, "fallbacks", b->link_fallbacks);
	hv_json_array(j, "rates");
	for (size_t i = 0; i < b->n_link_rates; i++)
		hv_json_u64(j, NULL, b->link_rates[i]);
	hv_json_end_array(j);
	hv_json_end_object(j);
	if (!b->has_clock) {
		hv_json_null(j, "clock");
		return;
	}
	hv_json_object(j, "clock");
	hv_json_f64(j, "offset_us", b->clock_offset_us);
	hv_json_f64(j, "drift_ppm", b->clock_drift_ppm);
	hv_json_f64(j, "error_us", b->clock_error_us);
	hv_json_end_object(j);
}

static void details_json(struct hv_json *j, const Hv__BoardInfo *b)
{
	line_json(j, b);
	hv_json_bool(j, "stood_down", b->stood_down);
	hv_json_array(j, "buffers");
	for (size_t i = 0; i < b->n_rings; i++) {
		const Hv__Ring *r = b->rings[i];

		hv_json_object(j, NULL);
		hv_json_str(j, "name", r->name);
		hv_json_str(j, "dtype", r->dtype);
		hv_json_u64(j, "channels", r->channels);
		hv_json_u64(j, "samples", r->samples);
		hv_json_f64(j, "rate_hz", r->rate_hz);
		hv_json_end_object(j);
	}
	hv_json_end_array(j);
	if (b->n_box == 0)
		return;
	hv_json_array(j, "black_box");
	for (size_t i = 0; i < b->n_box; i++) {
		const Hv__BoxEvent *e = b->box[i];

		hv_json_object(j, NULL);
		hv_json_u64(j, "seq", e->seq);
		hv_json_u64(j, "boot", e->boot);
		hv_json_u64(j, "at_us", e->at_us);
		hv_json_str(j, "kind", e->kind);
		hv_json_u64(j, "arg", e->arg);
		hv_json_u64(j, "value", e->value);
		hv_json_str(j, "text", e->text);
		hv_json_end_object(j);
	}
	hv_json_end_array(j);
}

void board_json(struct hv_json *j, const Hv__BoardInfo *b)
{
	hv_json_object(j, NULL);
	hv_json_str(j, "id", b->id);
	hv_json_str(j, "serial", b->serial);
	hv_json_str(j, "link", b->link);
	hv_json_str(j, "state", b->state);
	hv_json_str(j, "firmware", b->firmware);
	hv_json_str(j, "reason", b->reason);
	hv_json_object(j, "primary");
	hv_json_str(j, "model", b->primary_model);
	hv_json_f64(j, "busy_share", b->primary_busy_share);
	hv_json_u64(j, "period_us", b->primary_period_us);
	hv_json_u64(j, "jitter_us", b->primary_jitter_us);
	hv_json_u64(j, "inferences", b->primary_inferences);
	hv_json_f64(j, "wait_max_us", b->primary_wait_max_us);
	hv_json_f64(j, "wait_bound_us", b->wait_bound_us);
	hv_json_end_object(j);
	hv_json_object(j, "harvest");
	hv_json_u64(j, "records", b->harvest_records);
	hv_json_f64(j, "busy_share", b->harvest_busy_share);
	hv_json_f64(j, "idle_used_share", b->idle_used_share);
	hv_json_u64(j, "aborted", b->aborted);
	hv_json_u64(j, "refused", b->refused);
	hv_json_end_object(j);
	hv_json_array(j, "resident");
	for (size_t i = 0; i < b->n_resident; i++)
		hv_json_str(j, NULL, b->resident[i]->model);
	hv_json_end_array(j);
	hv_json_object(j, "audit");
	hv_json_u64(j, "checked", b->audit_checked);
	hv_json_f64(j, "worst", b->audit_worst);
	hv_json_end_object(j);
	hv_json_object(j, "link_health");
	hv_json_u64(j, "bps", b->link_bps);
	hv_json_u64(j, "frames_bad", b->frames_bad);
	hv_json_u64(j, "frames_resent", b->frames_resent);
	hv_json_u64(j, "faults", b->faults);
	hv_json_end_object(j);
	details_json(j, b);
	hv_json_end_object(j);
}

static const char *primary_name(const Hv__BoardInfo *b)
{
	return b->primary_model[0] ? b->primary_model : "-";
}

void boards_table(Hv__BoardInfo *const *boards, size_t n)
{
	static const char *const heads[] = { "BOARD",    "LINK",      "STATE",      "PRIMARY",
					     ">BUSY",    ">WAIT MAX", ">HARVESTED", ">IDLE USED",
					     ">ABORTED", "REASON" };
	struct table t = table_begin(heads, HV_ARRAY_SIZE(heads));

	for (size_t i = 0; i < n; i++) {
		const Hv__BoardInfo *b = boards[i];

		table_add(&t, "%s", b->id);
		table_add(&t, "%s", b->link);
		table_add(&t, "%s", b->state);
		table_add(&t, "%s", primary_name(b));
		table_add(&t, "%.1f %%", b->primary_busy_share * 100);
		table_add(&t, "%.3g us", b->primary_wait_max_us);
		table_add(&t, "%llu", (unsigned long long)b->harvest_records);
		table_add(&t, "%.1f %%", b->idle_used_share * 100);
		table_add(&t, "%llu", (unsigned long long)b->aborted);
		table_add(&t, "%s", b->reason);
	}
	table_end(&t);
}

static void details_text(const Hv__BoardInfo *b)
{
	printf("  rates      ");
	for (size_t i = 0; i < b->n_link_rates; i++)
		printf("%s%u", i ? ", " : "", (unsigned)b->link_rates[i]);
	printf("%s, meets at %u bit/s, fell back %u times\n", b->n_link_rates ? "" : "one",
	       (unsigned)(b->link_meet_bps ? b->link_meet_bps : b->link_bps),
	       (unsigned)b->link_fallbacks);
	if (b->has_clock)
		printf("  clock      %+.3f s off ours, drift %+.1f ppm, known to %.0f us\n",
		       b->clock_offset_us / 1e6, b->clock_drift_ppm, b->clock_error_us);
	for (size_t i = 0; i < b->n_rings; i++)
		printf("  buffer     %s: %s, %u channels, %u samples at %.0f Hz\n",
		       b->rings[i]->name, b->rings[i]->dtype, (unsigned)b->rings[i]->channels,
		       (unsigned)b->rings[i]->samples, b->rings[i]->rate_hz);
	for (size_t i = 0; i < b->n_box; i++)
		printf("  %s boot %u, %12.6f s  %s\n", i ? "         " : "black box",
		       b->box[i]->boot, (double)b->box[i]->at_us / 1e6, b->box[i]->text);
}

static void board_text(const Hv__BoardInfo *b)
{
	char period[32], jitter[32];

	printf("%s  %s%s%s\n", b->id, b->state, b->reason[0] ? ": " : "", b->reason);
	printf("  serial     %s, firmware %s\n", b->serial, b->firmware[0] ? b->firmware : "-");
	printf("  link       %s, %llu bit/s; %llu frames bad, %llu resent, %llu faults\n", b->link,
	       (unsigned long long)b->link_bps, (unsigned long long)b->frames_bad,
	       (unsigned long long)b->frames_resent, (unsigned long long)b->faults);
	printf("  primary    %s: %llu inferences, busy %.1f %%, every %s (jitter %s)\n",
	       primary_name(b), (unsigned long long)b->primary_inferences,
	       b->primary_busy_share * 100, us_text(b->primary_period_us, period, sizeof(period)),
	       us_text(b->primary_jitter_us, jitter, sizeof(jitter)));
	printf("  its wait   at most %.3g us so far, bound %.3g us\n", b->primary_wait_max_us,
	       b->wait_bound_us);
	printf("  harvest    %llu records, busy %.1f %%, %.1f %% of the idle time used, "
	       "%llu aborted, %llu refused\n",
	       (unsigned long long)b->harvest_records, b->harvest_busy_share * 100,
	       b->idle_used_share * 100, (unsigned long long)b->aborted,
	       (unsigned long long)b->refused);
	printf("  audit      %llu checked, worst %.3f of the certified bound\n",
	       (unsigned long long)b->audit_checked, b->audit_worst);
	printf("  resident  ");
	for (size_t i = 0; i < b->n_resident; i++)
		printf(" %s", b->resident[i]->model);
	printf("%s\n", b->n_resident ? "" : " nothing");
	details_text(b);
}

static void boards_json(const Hv__BoardList *list)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_array(&j, "boards");
	for (size_t i = 0; i < list->n_boards; i++)
		board_json(&j, list->boards[i]);
	hv_json_end_array(&j);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static int run(struct ctl *c)
{
	Hv__BoardsRequest q = HV__BOARDS_REQUEST__INIT;
	const Hv__BoardList *list;
	struct hv_reply reply;
	const char *action;
	int err = action_take(c, actions, "boards", &action);

	if (err != HV_OK)
		return err;
	q.verb = ctl_text(action);
	q.id = ctl_text(c->args.word[1]);
	err = ctl_ask(c, IPC_BOARDS, &q.base, IPC_BOARDS_REPLY, &reply);
	if (err != HV_OK)
		return err;
	list = (const Hv__BoardList *)reply.msg;
	if (c->args.json)
		boards_json(list);
	else if (strcmp(action, "list") == 0)
		boards_table(list->boards, list->n_boards);
	else
		for (size_t i = 0; i < list->n_boards; i++)
			board_text(list->boards[i]);
	hv_reply_free(&reply);
	return HV_OK;
}

const struct verb verb_boards = {
	.name = "boards",
	.words = "[list|show|drain|resume|reset|test]",
	.about = "boards: their primary model, what was harvested, what is wrong",
	.actions = actions,
	.min_words = 0,
	.max_words = 2,
	.run = run,
};
