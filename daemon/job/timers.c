#include "daemon/job/timers.h"
#include <stdlib.h>

void timers_free(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){ 0 };
}

static void put(struct timers *t, size_t i, struct timer_node *n)
{
	t->heap[i] = n;
	n->pos = i + 1;
}

static void up(struct timers *t, size_t i)
{
	struct timer_node *n = t->heap[i];

	while (i > 0 && t->heap[(i - 1) / 2]->when_ns > n->when_ns) {
		put(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(t, i, n);
}

static void down(struct timers *t, size_t i)
{
	struct timer_node *n = t->heap[i];

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid + 1 < t->n && t->heap[kid + 1]->when_ns < t->heap[kid]->when_ns)
			kid++;
		if (kid >= t->n || t->heap[kid]->when_ns >= n->when_ns)
			break;
		put(t, i, t->heap[kid]);
		i = kid;
	}
	put(t, i, n);
}

bool timers_set(struct timers *t, struct timer_node *n, uint64_t when_ns)
{
	timers_clear(t, n);
	if (t->n == t->cap) {
		size_t cap = t->cap > 0 ? 2 * t->cap : 64;
		struct timer_node **heap = realloc(t->heap, cap * sizeof(struct timer_node *));

		if (heap == NULL)
			return false;
		t->heap = heap;
		t->cap = cap;
	}
	n->when_ns = when_ns;
	put(t, t->n++, n);
	up(t, t->n - 1);
	return true;
}

void timers_clear(struct timers *t, struct timer_node *n)
{
	size_t i = n->pos - 1;

	if (n->pos == 0)
		return;
	n->pos = 0;
	if (i == --t->n)
		return;
	put(t, i, t->heap[t->n]);
	down(t, i);
	up(t, t->heap[i]->pos - 1);
}

uint64_t timers_next_ns(const struct timers *t)
{
	return t->n > 0 ? t->heap[0]->when_ns : UINT64_MAX;
}

void timers_run(struct timers *t, uint64_t now_ns)
{
	while (t->n > 0 && t->heap[0]->when_ns <= now_ns) {
		struct timer_node *n = t->heap[0];

		timers_clear(t, n);
		n->fire(n, now_ns);
	}
}
