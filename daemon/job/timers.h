#ifndef DAEMON_JOB_TIMERS_H
#define DAEMON_JOB_TIMERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything that waits for a moment, in one heap, so that the loop needs one timer. Intrusive
 * nodes; time is an argument. The heap array grows while nodes are added, never on fire. */
struct timer_node {
	uint64_t when_ns;
	size_t pos; /* in the heap + 1; 0: not set */
	void (*fire)(struct timer_node *n, uint64_t now_ns);
};

struct timers {
	struct timer_node **heap;
	size_t n, cap;
};

void timers_free(struct timers *t);
/* Set, or set anew. False: out of memory, the node is not set. */
bool timers_set(struct timers *t, struct timer_node *n, uint64_t when_ns);
void timers_clear(struct timers *t, struct timer_node *n); /* fine when not set */
/* UINT64_MAX: nothing waits. */
uint64_t timers_next_ns(const struct timers *t);
/* Fire all that are due, earliest first; a node is off the heap when it fires and may set
 * itself again (for later than now). */
void timers_run(struct timers *t, uint64_t now_ns);

#endif
