#ifndef DAEMON_BOARDCLOCK_H
#define DAEMON_BOARDCLOCK_H
#include <stdbool.h>
#include <stdint.h>

/* The clock of a board against ours, from exchanges of two messages. PURE.
 *
 *   host   sent ------------------------------------> heard
 *               \  at least out_us        at least   /
 *   board        +--> received ...... answered -----+  back_us
 *
 * offset = board minus host. The request was on its way at least out_us (its bytes at the rate
 * of the line), so offset at `received` is at most received - (sent + out_us); the answer at
 * least back_us, so offset at `answered` is at least answered - (heard - back_us). Delays in
 * queues only widen what one exchange allows; they never make it wrong.
 *
 * Over a window of exchanges the offset is a straight line (the board's crystal against ours)
 * that lies under every upper and over every lower bound. The estimate is the middle of all such
 * lines, the error half their distance: as long as drift is steady over the window, the truth is
 * within. A window no line fits (a clock that stepped, a crystal that warmed up) forgets its
 * oldest exchanges. */
enum { BOARDCLOCK_WINDOW = 32 };
/* Oscillators of a board are off by less: an internal one at any temperature. */
#define BOARDCLOCK_DRIFT_MAX 0.02

struct boardclock_exchange {
	uint64_t sent_us, heard_us; /* our clock */
	uint64_t received_us, answered_us; /* the board's */
	double out_us, back_us; /* least time on the way */
};

struct boardclock {
	unsigned n;
	uint64_t refused; /* exchanges that contradict themselves */
	/* upper bound of the offset at up_at, lower at low_at; our clock, from base_us */
	struct boardclock_bound {
		double up_at, up, low_at, low;
	} bound[BOARDCLOCK_WINDOW]; /* oldest first */
	uint64_t base_us; /* of our clock, and of the board's: keep numbers small */
	uint64_t base_board_us;
	double drift_low, drift_high; /* board seconds a second, minus one */
};

struct boardclock_estimate {
	double offset_us; /* board minus host, now */
	double drift_ppm; /* the board's clock is faster by this */
	double error_us; /* of offset_us, at most */
};

void boardclock_init(struct boardclock *c);
/* False: it contradicts itself (an answer before the question) and is not used. */
bool boardclock_add(struct boardclock *c, const struct boardclock_exchange *e);
/* False: no exchange yet. now_us is not before the latest exchange. */
bool boardclock_now(const struct boardclock *c, uint64_t now_us, struct boardclock_estimate *e);

#endif
