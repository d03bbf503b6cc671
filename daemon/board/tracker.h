#ifndef DAEMON_TRACKER_H
#define DAEMON_TRACKER_H
#include <stdbool.h>
#include <stdint.h>

/* What a board's accelerator does with its time, learnt from reports of the board. PURE: time
 * is an argument, always microseconds on the board's clock.
 *
 * Glossary
 *   activation  one use of the accelerator by the primary: from `start` for `busy`
 *   gap         the idle time after an activation; where it is long enough, a window
 *   share       of the observed time, 0..1 */
enum { TRACKER_RING = 128, TRACKER_STATUS_RING = 16 };

struct tracker {
	struct {
		uint64_t start_us;
		uint32_t busy_us;
		bool joined; /* nothing was lost between this one and the one before */
	} ring[TRACKER_RING];
	unsigned count, head; /* head: where the next one goes */
	/* as told by the board */
	uint32_t period_us, jitter_us, wait_max_ns, inferences, dropped;
	uint64_t busy_sum_us; /* of the ring */
	uint32_t version; /* changes with every activation */
	bool lost; /* the next activation does not follow the last one */
	struct {
		uint64_t now_us, harvest_busy_us, primary_busy_us;
	} status[TRACKER_STATUS_RING];
	unsigned status_count, status_head;
};

void tracker_init(struct tracker *t);
/* The board restarted or the link had a new life: keep counters, forget times. */
void tracker_forget(struct tracker *t);

/* Header of a report, then each of its activations, oldest first. An activation that starts
 * before the previous one ended is not believed and dropped. */
void tracker_report(struct tracker *t, uint32_t inferences, uint32_t dropped, uint32_t period_us,
		    uint32_t jitter_us, uint32_t wait_max_ns);
void tracker_activation(struct tracker *t, uint64_t start_us, uint32_t busy_us);
void tracker_status(struct tracker *t, uint64_t now_us, uint64_t harvest_busy_us,
		    uint64_t primary_busy_us);

/* Shares over what is remembered. A primary that stopped fades as now_us moves on; one that was
 * never seen is 0. */
double tracker_primary_share(const struct tracker *t, uint64_t now_us);
double tracker_harvest_share(const struct tracker *t);
/* Harvested time over the time the primary left. */
double tracker_idle_used_share(const struct tracker *t);

/* Expected wait for a gap of run_us, seen from a random moment, when the last activations
 * repeat. UINT64_MAX: no remembered gap is that long. */
uint64_t tracker_wait_us(const struct tracker *t, uint64_t run_us);
/* A length that at least 9 of 10 gaps have. UINT64_MAX: no primary. */
uint64_t tracker_window_us(const struct tracker *t);

#endif
