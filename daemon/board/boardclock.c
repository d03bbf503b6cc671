#include "daemon/board/boardclock.h"
#include <math.h>
#include <string.h>

/* Both clocks are read in whole microseconds. */
static const double tick_us = 1;

void boardclock_init(struct boardclock *c)
{
	memset(c, 0, sizeof(*c));
	c->drift_low = -BOARDCLOCK_DRIFT_MAX;
	c->drift_high = BOARDCLOCK_DRIFT_MAX;
}

/* Slopes of lines that lie under `up` of one exchange and over `low` of another. */
static void limit(const struct boardclock_bound *up, const struct boardclock_bound *low,
		  double *drift_low, double *drift_high)
{
	double dt = up->up_at - low->low_at, dv = up->up - low->low;

	if (dt > 0)
		*drift_high = fmin(*drift_high, dv / dt);
	else if (dt < 0)
		*drift_low = fmax(*drift_low, dv / dt);
	else if (dv < 0)
		*drift_high = -INFINITY;
}

/* Slopes that the whole window allows; false: none. */
static bool slopes(struct boardclock *c)
{
	double low = -BOARDCLOCK_DRIFT_MAX, high = BOARDCLOCK_DRIFT_MAX;

	for (unsigned i = 0; i < c->n; i++)
		for (unsigned k = 0; k < c->n; k++)
			limit(&c->bound[i], &c->bound[k], &low, &high);
	c->drift_low = low;
	c->drift_high = high;
	return low <= high;
}

static void forget_oldest(struct boardclock *c)
{
	c->n--;
	memmove(&c->bound[0], &c->bound[1], c->n * sizeof(c->bound[0]));
}

bool boardclock_add(struct boardclock *c, const struct boardclock_exchange *e)
{
	struct boardclock_bound b;
	double sent, heard, received, answered;

	if (e->heard_us < e->sent_us || e->answered_us < e->received_us) {
		c->refused++;
		return false;
	}
	if (c->n == 0) {
		c->base_us = e->sent_us;
		c->base_board_us = e->received_us;
	}
	sent = (double)(int64_t)(e->sent_us - c->base_us);
	heard = (double)(int64_t)(e->heard_us - c->base_us);
	received = (double)(int64_t)(e->received_us - c->base_board_us);
	answered = (double)(int64_t)(e->answered_us - c->base_board_us);
	b.up_at = sent + e->out_us;
	b.up = received - b.up_at + tick_us;
	b.low_at = heard - e->back_us;
	b.low = answered - b.low_at - tick_us;
	/* more than the drift allows: the line is not what its rate says */
	if (b.low - b.up > BOARDCLOCK_DRIFT_MAX * fabs(b.up_at - b.low_at)) {
		c->refused++;
		return false;
	}
	if (c->n == BOARDCLOCK_WINDOW)
		forget_oldest(c);
	c->bound[c->n++] = b;
	while (!slopes(c) && c->n > 1)
		forget_oldest(c);
	return true;
}

bool boardclock_now(const struct boardclock *c, uint64_t now_us, struct boardclock_estimate *e)
{
	double now = (double)(int64_t)(now_us - c->base_us), high = INFINITY, low = -INFINITY;

	if (c->n == 0)
		return false;
	/* The highest line now is the steepest one, and it touches an upper bound. */
	for (unsigned i = 0; i < c->n; i++) {
		const struct boardclock_bound *b = &c->bound[i];

		high = fmin(high, b->up + (now - b->up_at) * c->drift_high);
		low = fmax(low, b->low + (now - b->low_at) * c->drift_low);
	}
	e->offset_us = (high + low) / 2 + (double)(int64_t)(c->base_board_us - c->base_us);
	e->error_us = fabs(high - low) / 2;
	e->drift_ppm = (c->drift_low + c->drift_high) / 2 * 1e6;
	return true;
}
