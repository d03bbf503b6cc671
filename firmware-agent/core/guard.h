#ifndef AG_GUARD_H
#define AG_GUARD_H
#include <stdbool.h>
#include <stdint.h>

/* The guard's decisions, pure: when may a harvested run of how many records start, given what
 * is known of the primary. Times in microseconds on the board's clock. */
enum { GUARD_HISTORY = 16, GUARD_MARGIN_US = 100, GUARD_FRESH_US = 200 };

/* The last intervals between requests of the primary. */
struct guard_history {
	uint64_t last_us;
	uint32_t interval_us[GUARD_HISTORY];
	uint8_t n, next;
	bool any;
};

void guard_history_add(struct guard_history *h, uint64_t requested_us);

/* When the next activation is expected: not before earliest_us, not after latest_us.
 * known is false when the arrivals are not regular, or are too few. */
struct guard_forecast {
	bool known;
	uint64_t earliest_us, latest_us;
	uint32_t period_us; /* shortest regular interval; 0: none seen */
};

/* What the primary said about its next request; latest_us 0: nothing. */
struct guard_told {
	uint64_t earliest_us, latest_us;
};

/* told may be NULL; what it says goes before what was seen. */
struct guard_forecast guard_forecast(const struct guard_history *h, const struct guard_told *told,
				     uint64_t now_us);

struct guard_question {
	uint64_t now_us;
	uint64_t idle_since_us; /* the last activation ended */
	uint32_t busy_us; /* longest an activation takes */
	uint32_t fixed_ns, record_ns; /* worst case of a run */
	uint16_t records; /* wanted, at least 1 */
};

/* Records that may start now; 0: not now, ask again at *again_us or when the primary ends.
 *
 *   arrivals irregular, or the expected one did not come: all of them; an abort repairs
 *   the run ends before the earliest arrival: as many as do
 *   not even one fits any window: one, but only right after an activation ended */
uint16_t guard_records(const struct guard_forecast *f, const struct guard_question *q,
		       uint64_t *again_us);

#endif
