#include "firmware-agent/core/guard.h"
#include <stddef.h>

enum { SEEN_MIN = 4 };

void guard_history_add(struct guard_history *h, uint64_t requested_us)
{
	uint64_t gap = requested_us - h->last_us;

	if (h->any && requested_us > h->last_us) {
		h->interval_us[h->next] = gap > UINT32_MAX ? UINT32_MAX : (uint32_t)gap;
		h->next = (uint8_t)((h->next + 1) % GUARD_HISTORY);
		if (h->n < GUARD_HISTORY)
			h->n++;
	}
	h->any = true;
	h->last_us = requested_us;
}

/* Regular: three of four intervals are within a quarter of the shortest one. A pause of the
 * primary is one long interval and changes nothing. */
static bool regular(const struct guard_history *h, uint32_t *shortest, uint32_t *longest)
{
	uint32_t min = UINT32_MAX, max = 0;
	unsigned near = 0;

	for (unsigned i = 0; i < h->n; i++)
		if (h->interval_us[i] < min)
			min = h->interval_us[i];
	for (unsigned i = 0; i < h->n; i++) {
		if (h->interval_us[i] > min + min / 4)
			continue;
		near++;
		if (h->interval_us[i] > max)
			max = h->interval_us[i];
	}
	*shortest = min;
	*longest = max;
	return h->n >= SEEN_MIN && 4 * near >= 3u * h->n;
}

struct guard_forecast guard_forecast(const struct guard_history *h, const struct guard_told *told,
				     uint64_t now_us)
{
	struct guard_forecast f = { 0 };
	uint32_t shortest, longest;
	bool has_rhythm = regular(h, &shortest, &longest);

	if (has_rhythm)
		f.period_us = shortest;
	if (told != NULL && told->latest_us != 0) {
		f.earliest_us = told->earliest_us;
		f.latest_us = told->latest_us;
	} else if (has_rhythm) {
		/* sixteen intervals have not shown the whole jitter */
		f.earliest_us = h->last_us + shortest - (longest - shortest) / 4;
		f.latest_us = h->last_us + longest + (longest - shortest) / 4;
	}
	f.known = f.latest_us != 0 && now_us <= f.latest_us + GUARD_MARGIN_US;
	return f;
}

static uint64_t run_us(const struct guard_question *q, uint64_t records)
{
	return (q->fixed_ns + q->record_ns * records + 999) / 1000;
}

/* The longest window there can be between two activations. */
static bool fits_no_window(const struct guard_forecast *f, const struct guard_question *q)
{
	uint64_t taken = (uint64_t)q->busy_us + 2 * GUARD_MARGIN_US;

	return f->period_us != 0 && taken + run_us(q, 1) > f->period_us;
}

uint16_t guard_records(const struct guard_forecast *f, const struct guard_question *q,
		       uint64_t *again_us)
{
	uint64_t free_ns, n;

	*again_us = UINT64_MAX;
	if (!f->known)
		return q->records;
	if (fits_no_window(f, q) && q->now_us <= q->idle_since_us + GUARD_FRESH_US)
		return 1;
	if (q->now_us + GUARD_MARGIN_US < f->earliest_us) {
		free_ns = (f->earliest_us - GUARD_MARGIN_US - q->now_us) * 1000;
		n = free_ns > q->fixed_ns
			    ? (free_ns - q->fixed_ns) / (q->record_ns > 0 ? q->record_ns : 1)
			    : 0;
		if (n > 0)
			return n < q->records ? (uint16_t)n : q->records;
	}
	*again_us = f->latest_us + GUARD_MARGIN_US + 1;
	return 0;
}
