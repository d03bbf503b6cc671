#include "daemon/board/board_priv.h"
#include <stdlib.h>
#include <string.h>

static bool put(char **to, const char *text)
{
	*to = strdup(text);
	return *to != NULL;
}

static bool put_texts(const struct board *b, Hv__BoardInfo *info)
{
	return put(&info->id, b->id) && put(&info->serial, b->serial) &&
	       put(&info->link, b->link != NULL ? link_kind_text(b->link) : "none") &&
	       put(&info->state, board_state_text(b->fsm.state)) &&
	       put(&info->firmware, b->firmware) &&
	       put(&info->reason, b->details.stood_down && b->reason[0] == '\0'
					  ? "its firmware keeps the accelerator for itself"
					  : b->reason) &&
	       put(&info->primary_model, b->primary);
}

static bool put_residents(const struct board *b, Hv__BoardInfo *info)
{
	info->resident = calloc(BOARD_SLOTS_MAX, sizeof(*info->resident));
	if (info->resident == NULL)
		return false;
	for (unsigned i = 0; i < board_slots(b); i++) {
		Hv__Resident *r;

		if (b->slot[i].state != SLOT_SERVING)
			continue;
		r = malloc(sizeof(*r));
		if (r == NULL)
			return false;
		hv__resident__init(r);
		info->resident[info->n_resident++] = r;
		r->slot = i;
		if (!put(&r->model, b->slot[i].model->pkg->name)) {
			r->model = (char *)protobuf_c_empty_string;
			return false;
		}
	}
	return true;
}

static void put_numbers(const struct board *b, uint64_t now_us, Hv__BoardInfo *info)
{
	const struct tracker *t = &b->tracker;

	info->primary_busy_share = tracker_primary_share(t, board_clock_us(b, now_us));
	info->primary_period_us = t->period_us;
	info->primary_jitter_us = t->jitter_us;
	info->primary_inferences = t->inferences;
	info->primary_wait_max_us = t->wait_max_ns / 1000.0;
	info->harvest_records = b->records;
	info->harvest_busy_share = tracker_harvest_share(t);
	info->idle_used_share = tracker_idle_used_share(t);
	info->aborted = b->aborted;
	info->refused = b->refused;
	info->audit_checked = b->audit.checked;
	info->audit_worst = b->audit.worst;
	info->faults = b->faults;
	info->wait_bound_us = b->hello.wait_bound_us;
	info->link_bps = b->hello.link_bps;
	if (b->link != NULL) {
		info->frames_bad = link_counters(b->link)->frames_bad;
		info->frames_resent = link_counters(b->link)->resent;
	}
}

int board_info(const struct board *b, uint64_t now_ns, Hv__BoardInfo *info)
{
	hv__board_info__init(info);
	put_numbers(b, now_ns / 1000, info);
	if (put_texts(b, info) && put_residents(b, info) &&
	    board_info_details(b, now_ns / 1000, info))
		return HV_OK;
	board_info_clear(info);
	return HV_E_NOMEM;
}

static void drop(char *text)
{
	if (text != protobuf_c_empty_string)
		free(text);
}

void board_info_clear(Hv__BoardInfo *info)
{
	drop(info->id);
	drop(info->serial);
	drop(info->link);
	drop(info->state);
	drop(info->firmware);
	drop(info->reason);
	drop(info->primary_model);
	for (size_t i = 0; i < info->n_resident; i++) {
		drop(info->resident[i]->model);
		free(info->resident[i]);
	}
	free(info->resident);
	board_info_details_clear(info);
	hv__board_info__init(info);
}
