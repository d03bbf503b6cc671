#include "firmware-agent/core/state.h"
#include "util/fs/wr.h"
#include <string.h>

/* What the board says about itself. */

enum { EVENTS_A_REPORT = 8 };

void ag_telemetry_add(struct agent *a, uint32_t wait_ns, uint32_t busy_us)
{
	struct ag_primary *p = &a->primary;
	struct ag_event e = { p->requested_us, wait_ns, busy_us };

	if (p->n == 0)
		p->report_us = ag_now(a) + AG_REPORT_EVERY_US;
	if (p->n == AG_EVENTS) {
		p->dropped++;
		return;
	}
	p->event[(p->first + p->n) % AG_EVENTS] = e;
	p->n++;
}

/* Mean and spread of the intervals seen lately. */
static void rhythm(const struct guard_history *h, uint32_t *period_us, uint32_t *jitter_us)
{
	uint32_t min = UINT32_MAX, max = 0;
	uint64_t sum = 0;

	*period_us = *jitter_us = 0;
	for (unsigned i = 0; i < h->n; i++) {
		uint32_t v = h->interval_us[i];

		sum += v;
		min = v < min ? v : min;
		max = v > max ? v : max;
	}
	if (h->n == 0)
		return;
	*period_us = (uint32_t)(sum / h->n);
	*jitter_us = max - min;
}

static bool report(struct agent *a, uint64_t now)
{
	struct ag_primary *p = &a->primary;
	union link_msg m = { .primary = { .id_ = LINK_PRIMARY } };
	uint8_t tail[EVENTS_A_REPORT * AG_EVENT_BYTES];
	struct hv_wr w = hv_wr_init(tail, sizeof(tail));
	unsigned n = p->n < EVENTS_A_REPORT ? p->n : (unsigned)EVENTS_A_REPORT;

	for (unsigned i = 0; i < n; i++) {
		const struct ag_event *e = &p->event[(p->first + i) % AG_EVENTS];

		hv_wr_u64(&w, e->requested_us);
		hv_wr_u32(&w, e->wait_ns);
		hv_wr_u32(&w, e->busy_us);
	}
	m.primary.total = p->total;
	m.primary.dropped = p->dropped;
	m.primary.wait_max_ns = p->wait_max_ns;
	m.primary.n = (uint8_t)n;
	rhythm(&p->seen, &m.primary.period_us, &m.primary.jitter_us);
	if (!ag_talk_send(a, &m, tail, hv_wr_len(&w)))
		return false;
	p->first = (uint16_t)((p->first + n) % AG_EVENTS);
	p->n = (uint16_t)(p->n - n);
	if (p->n == 0)
		p->report_us = now + AG_REPORT_EVERY_US;
	return true;
}

bool ag_telemetry_report(struct agent *a)
{
	uint64_t now;

	if (a->primary.n == 0)
		return false;
	now = ag_now(a);
	return now >= a->primary.report_us && ag_may_be_long(a) && report(a, now);
}

void ag_telemetry_status(struct agent *a)
{
	union link_msg m = { .status = { .id_ = LINK_STATUS } };
	struct link_status *s = &m.status;

	s->now_us = ag_now(a);
	s->jobs_done = a->n.jobs_done;
	s->jobs_failed = a->n.jobs_failed;
	s->records = a->n.records;
	s->aborted = a->n.aborted;
	s->refused = a->n.refused;
	s->bad_messages = a->n.bad_messages;
	s->harvest_busy_us = a->n.harvest_busy_us;
	s->primary_busy_us = a->primary.busy_us;
	s->up_us = s->now_us - a->boot_us;
	s->reset_cause = a->cfg.reset_cause;
	for (unsigned i = 0; i < a->cfg.job_slots; i++)
		if (a->job[i].state == AG_JOB_QUEUED || a->job[i].state == AG_JOB_RUNNING)
			s->queued++;
	(void)ag_talk_send(a, &m, NULL, 0);
}

static void text(struct link_s16 *to, const char *from)
{
	memset(to->b, 0, sizeof(to->b));
	for (size_t i = 0; i + 1 < sizeof(to->b) && from[i] != '\0'; i++)
		to->b[i] = from[i];
}

void ag_telemetry_hello(struct agent *a)
{
	const struct ag_config *c = &a->cfg;
	union link_msg m = { .hello = { .id_ = LINK_HELLO } };
	struct link_hello *h = &m.hello;

	h->proto = LINK_PROTO_MAX;
	h->fw_major = c->fw_major;
	h->fw_minor = c->fw_minor;
	h->boot = a->boot_id;
	h->caps = LINK_CAP_STAND | LINK_CAP_TIME;
	if (a->rings > 0)
		h->caps |= LINK_CAP_BUFFERS;
	if (a->baud.n_rates > 0)
		h->caps |= LINK_CAP_BAUD;
	if (c->box != NULL)
		h->caps |= LINK_CAP_BOX;
	text(&h->serial, c->serial);
	text(&h->device, c->device);
	text(&h->primary, c->primary_name);
	h->model_slots = c->model_slots;
	h->job_slots = c->job_slots;
	h->job_bytes = c->job_bytes;
	h->slot_bytes = c->slot_bytes;
	h->primary_quadrants = c->primary_quadrants;
	h->kernel_first = c->kernel_first;
	h->kernel_words = c->kernel_words;
	h->bias_first = c->bias_first;
	h->bias_count = c->bias_count;
	h->data_first = c->data_first;
	h->data_words = c->data_words;
	h->bus_write_ns = c->bus_write_ns;
	h->bus_read_ns = c->bus_read_ns;
	h->cnn_hz = c->cnn_hz;
	h->link_bps = a->baud.bps;
	h->wait_bound_us = ag_wait_bound_us(c);
	(void)ag_talk_send(a, &m, NULL, 0);
}
