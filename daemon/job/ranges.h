#ifndef DAEMON_JOB_RANGES_H
#define DAEMON_JOB_RANGES_H
#include <stdbool.h>
#include <stdint.h>

/* The records of a job that nobody works on yet, as sorted, disjoint ranges. Units take from
 * the front and give back what failed. Pure.
 *
 * Bound: a unit that comes back adds at most one range. ranges_take() hands out a part of a
 * range only while ranges + units < RANGES_MAX (or nothing is out), so a return always fits. */
enum { RANGES_MAX = 16 };

struct ranges {
	uint32_t n;
	struct {
		uint32_t start, count;
	} r[RANGES_MAX];
};

void ranges_init(struct ranges *s, uint32_t records);
uint32_t ranges_total(const struct ranges *s);
/* At most want records in one piece. units: how many pieces are out now. False: nothing to
 * take at the moment. */
bool ranges_take(struct ranges *s, uint32_t want, uint32_t units, uint32_t *start, uint32_t *count);
/* Would ranges_take() give anything, whatever is wanted? */
bool ranges_can_take(const struct ranges *s, uint32_t units);
void ranges_return(struct ranges *s, uint32_t start, uint32_t count);

#endif
