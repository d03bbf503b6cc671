#include "daemon/board/board_priv.h"
#include "tasks/catalog.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a board told beyond its hello, as messages. Every string and array is allocated. */

static bool put_rings(const struct board *b, Hv__BoardInfo *info)
{
	const struct board_details *d = &b->details;

	info->rings = calloc(BOARD_RINGS_MAX, sizeof(*info->rings));
	if (info->rings == NULL)
		return false;
	for (unsigned i = 0; i < d->n_rings; i++) {
		const struct board_ring *from = &d->ring[i];
		Hv__Ring *r = malloc(sizeof(*r));

		if (r == NULL)
			return false;
		hv__ring__init(r);
		info->rings[info->n_rings++] = r;
		r->name = strdup(from->name);
		r->dtype = strdup(dtype_bytes((enum harvest_dtype)from->dtype) > 0
					  ? dtype_text((enum harvest_dtype)from->dtype)
					  : "unknown");
		r->channels = from->channels;
		r->samples = from->samples;
		r->rate_hz = from->rate_hz;
		r->written = from->written;
		if (r->name == NULL || r->dtype == NULL)
			return false;
	}
	return true;
}

static bool put_rates(const struct rate *r, Hv__BoardInfo *info)
{
	info->link_rates = calloc(RATE_LIST_MAX, sizeof(*info->link_rates));
	if (info->link_rates == NULL)
		return false;
	for (unsigned i = 0; i < r->n; i++)
		info->link_rates[info->n_link_rates++] = r->list[i];
	info->link_meet_bps = r->meet_bps;
	info->link_fallbacks = r->fallbacks;
	return true;
}

bool board_info_details(const struct board *b, uint64_t now_us, Hv__BoardInfo *info)
{
	struct boardclock_estimate e;

	info->has_clock = b->link != NULL && boardclock_now(&b->details.clock, now_us, &e);
	if (info->has_clock) {
		info->clock_offset_us = e.offset_us;
		info->clock_drift_ppm = e.drift_ppm;
		info->clock_error_us = e.error_us;
	}
	info->stood_down = b->details.stood_down;
	info->boots = b->details.boot;
	return put_rings(b, info) && put_rates(&b->details.rate, info);
}

static const char *reset_text(unsigned cause)
{
	static const char *const text[] = { "power came, or the cause is unknown", "reset pin",
					    "watchdog", "asked by the firmware",
					    "asked by the fault handler" };

	return cause < sizeof(text) / sizeof(text[0]) ? text[cause] : "another cause";
}

static const char *kind_text(uint8_t kind)
{
	switch (kind) {
#define XX(num, id, text, says) \
	case num: return text;
		LINK_BOX_MAP(XX)
#undef XX
	default: return "note of the firmware";
	}
}

static void event_text(const struct board_box_event *e, char *to, size_t cap)
{
	const char *kind = kind_text(e->kind);

	switch (e->kind) {
	case LINK_BOX_BOOT: snprintf(to, cap, "%s: %s", kind, reset_text(e->arg)); break;
	case LINK_BOX_RATE:
	case LINK_BOX_FALL_BACK: snprintf(to, cap, "%s: %u bit/s", kind, e->value); break;
	case LINK_BOX_LOAD_REFUSED:
	case LINK_BOX_JOB_REFUSED:
	case LINK_BOX_JOB_FAILED:
		snprintf(to, cap, "%s: slot %u, %s", kind, e->arg, hv_err_text((int)e->value));
		break;
	case LINK_BOX_ABORT: snprintf(to, cap, "%s: %u", kind, e->value); break;
	case LINK_BOX_LIFE:
	case LINK_BOX_LIFE_END:
	case LINK_BOX_STAND_DOWN:
	case LINK_BOX_RESUME: snprintf(to, cap, "%s", kind); break;
	default: snprintf(to, cap, "%s: %u, %u, %u", kind, e->kind, e->arg, e->value); break;
	}
}

int board_info_box(const struct board *b, Hv__BoardInfo *info)
{
	const struct board_details *d = &b->details;
	char text[128];

	info->box = calloc(BOARD_BOX_MAX, sizeof(*info->box));
	if (info->box == NULL)
		return HV_E_NOMEM;
	for (unsigned i = 0; i < d->n_box; i++) {
		const struct board_box_event *from = &d->box[i];
		Hv__BoxEvent *e = malloc(sizeof(*e));

		if (e == NULL)
			return HV_E_NOMEM;
		hv__box_event__init(e);
		info->box[info->n_box++] = e;
		event_text(from, text, sizeof(text));
		e->seq = from->seq;
		e->boot = from->boot;
		e->at_us = from->at_us;
		e->arg = from->arg;
		e->value = from->value;
		e->kind = strdup(kind_text(from->kind));
		e->text = strdup(text);
		if (e->kind == NULL || e->text == NULL)
			return HV_E_NOMEM;
	}
	return HV_OK;
}

static void drop(char *text)
{
	if (text != protobuf_c_empty_string)
		free(text);
}

void board_info_details_clear(Hv__BoardInfo *info)
{
	for (size_t i = 0; i < info->n_rings; i++) {
		drop(info->rings[i]->name);
		drop(info->rings[i]->dtype);
		free(info->rings[i]);
	}
	for (size_t i = 0; i < info->n_box; i++) {
		drop(info->box[i]->kind);
		drop(info->box[i]->text);
		free(info->box[i]);
	}
	free(info->rings);
	free(info->box);
	free(info->link_rates);
}
