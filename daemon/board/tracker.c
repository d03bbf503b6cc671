#include "daemon/board/tracker.h"
#include <string.h>

/* A report that lies about times must not be able to make sums wrap: longer is cut. */
#define GAP_MAX_US  UINT64_C(3600000000)
#define BACK_MAX_US UINT64_C(1000000)
#define STALE_US    1e6

void tracker_init(struct tracker *t)
{
	memset(t, 0, sizeof(*t));
}

void tracker_forget(struct tracker *t)
{
	t->count = t->head = 0;
	t->busy_sum_us = 0;
	t->version++;
	t->status_count = t->status_head = 0;
	t->lost = false;
}

void tracker_report(struct tracker *t, uint32_t inferences, uint32_t dropped, uint32_t period_us,
		    uint32_t jitter_us, uint32_t wait_max_ns)
{
	if (dropped != t->dropped)
		t->lost = true;
	t->inferences = inferences;
	t->dropped = dropped;
	t->period_us = period_us;
	t->jitter_us = jitter_us;
	t->wait_max_ns = wait_max_ns;
}

/* i = 0 is the oldest remembered. */
static unsigned at(const struct tracker *t, unsigned i)
{
	return (t->head + TRACKER_RING - t->count + i) % TRACKER_RING;
}

void tracker_activation(struct tracker *t, uint64_t start_us, uint32_t busy_us)
{
	if (t->count > 0) {
		unsigned last = at(t, t->count - 1);
		uint64_t since = start_us - t->ring[last].start_us;

		/* Back in time: one of the two was a lie. The newer is no worse. */
		if (start_us < t->ring[last].start_us &&
		    t->ring[last].start_us - start_us > BACK_MAX_US) {
			t->count = 0;
			t->busy_sum_us = 0;
		} else if (start_us < t->ring[last].start_us || since < t->ring[last].busy_us) {
			return;
		}
	}
	if (t->count == TRACKER_RING)
		t->busy_sum_us -= t->ring[t->head].busy_us;
	t->busy_sum_us += busy_us;
	t->version++;
	t->ring[t->head].start_us = start_us;
	t->ring[t->head].busy_us = busy_us;
	t->ring[t->head].joined = !t->lost;
	t->lost = false;
	t->head = (t->head + 1) % TRACKER_RING;
	if (t->count < TRACKER_RING)
		t->count++;
}

void tracker_status(struct tracker *t, uint64_t now_us, uint64_t harvest_busy_us,
		    uint64_t primary_busy_us)
{
	if (t->status_count > 0) {
		unsigned last = (t->status_head + TRACKER_STATUS_RING - 1) % TRACKER_STATUS_RING;

		/* Counters that went back are another boot. */
		if (now_us <= t->status[last].now_us ||
		    harvest_busy_us < t->status[last].harvest_busy_us ||
		    primary_busy_us < t->status[last].primary_busy_us)
			t->status_count = 0;
	}
	t->status[t->status_head].now_us = now_us;
	t->status[t->status_head].harvest_busy_us = harvest_busy_us;
	t->status[t->status_head].primary_busy_us = primary_busy_us;
	t->status_head = (t->status_head + 1) % TRACKER_STATUS_RING;
	if (t->status_count < TRACKER_STATUS_RING)
		t->status_count++;
}

static double clamp01(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

double tracker_primary_share(const struct tracker *t, uint64_t now_us)
{
	double busy, span;
	unsigned last;

	if (t->count == 0)
		return 0;
	last = at(t, t->count - 1);
	busy = (double)(t->busy_sum_us - t->ring[last].busy_us);
	span = (double)(t->ring[last].start_us - t->ring[at(t, 0)].start_us);
	/* Reports come a few a second; silence beyond that and some periods is idle time. */
	if (now_us > t->ring[last].start_us) {
		double open = (double)(now_us - t->ring[last].start_us);

		if (t->count == 1 || open > STALE_US + 4 * span / (t->count - 1)) {
			busy += t->ring[last].busy_us;
			span += open;
		}
	}
	return span > 0 ? clamp01(busy / span) : 0;
}

/* Newest minus oldest status; false when there are not two. */
static bool status_span(const struct tracker *t, double *all, double *harvest, double *primary)
{
	unsigned a, b;

	if (t->status_count < 2)
		return false;
	b = (t->status_head + TRACKER_STATUS_RING - 1) % TRACKER_STATUS_RING;
	a = (t->status_head + TRACKER_STATUS_RING - t->status_count) % TRACKER_STATUS_RING;
	*all = (double)(t->status[b].now_us - t->status[a].now_us);
	*harvest = (double)(t->status[b].harvest_busy_us - t->status[a].harvest_busy_us);
	*primary = (double)(t->status[b].primary_busy_us - t->status[a].primary_busy_us);
	return *all > 0;
}

double tracker_harvest_share(const struct tracker *t)
{
	double all, harvest, primary;

	return status_span(t, &all, &harvest, &primary) ? clamp01(harvest / all) : 0;
}

double tracker_idle_used_share(const struct tracker *t)
{
	double all, harvest, primary;

	if (!status_span(t, &all, &harvest, &primary) || primary >= all)
		return 0;
	return clamp01(harvest / (all - primary));
}

/* Gap after activation i < count - 1; false when something was lost between. */
static bool gap_us(const struct tracker *t, unsigned i, uint64_t *gap)
{
	unsigned a = at(t, i), b = at(t, i + 1);

	if (!t->ring[b].joined)
		return false;
	*gap = t->ring[b].start_us - t->ring[a].start_us - t->ring[a].busy_us;
	if (*gap > GAP_MAX_US)
		*gap = GAP_MAX_US;
	return true;
}

/* A moment is bad when less than run_us remains of its gap, or inside an activation. From a
 * bad moment one waits for the next gap of at least run_us; over a bad stretch of length D that
 * is D*D/2 in the integral. A stretch is the tail of a long gap, then everything up to the
 * start of the next long one. */
uint64_t tracker_wait_us(const struct tracker *t, uint64_t run_us)
{
	double bad = 0, all = 0, sum = 0;
	bool any = false;

	if (t->count == 0)
		return 0;
	for (unsigned i = 0; i + 1 < t->count; i++) {
		uint64_t gap;

		if (!gap_us(t, i, &gap)) {
			bad = 0;
			continue;
		}
		bad += t->ring[at(t, i)].busy_us;
		all += (double)(t->ring[at(t, i)].busy_us + gap);
		if (gap < run_us) {
			bad += (double)gap;
			continue;
		}
		sum += bad * bad / 2;
		bad = (double)run_us;
		any = true;
	}
	if (!any)
		return t->count < 3 ? t->ring[at(t, t->count - 1)].busy_us : UINT64_MAX;
	return (uint64_t)(sum / all);
}

uint64_t tracker_window_us(const struct tracker *t)
{
	uint64_t sorted[TRACKER_RING];
	unsigned n = 0;

	for (unsigned i = 0; i + 1 < t->count; i++) {
		uint64_t gap;
		unsigned k;

		if (!gap_us(t, i, &gap))
			continue;
		for (k = n++; k > 0 && sorted[k - 1] > gap; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = gap;
	}
	return n == 0 ? UINT64_MAX : sorted[n / 10];
}
