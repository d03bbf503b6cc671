#include "daemon/sched/queue.h"

void squeue_flow_init(struct squeue_flow *f, enum squeue_class cls)
{
	*f = (struct squeue_flow){ .cls = cls };
}

static bool before(const struct squeue_node *a, const struct squeue_node *b)
{
	if (a->deadline_ns != b->deadline_ns)
		return a->deadline_ns < b->deadline_ns;
	return a->order < b->order;
}

static void flow_link(struct squeue *q, struct squeue_flow *f)
{
	struct squeue_flow **at = &q->flows[f->cls];

	/* A client that was away has no claim on the time it did not use. */
	if (f->served_us < q->floor_us[f->cls])
		f->served_us = q->floor_us[f->cls];
	f->prev = NULL;
	f->next = *at;
	if (*at != NULL)
		(*at)->prev = f;
	*at = f;
}

static void flow_unlink(struct squeue *q, struct squeue_flow *f)
{
	if (f->prev != NULL)
		f->prev->next = f->next;
	else
		q->flows[f->cls] = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	f->prev = f->next = NULL;
}

void squeue_push(struct squeue *q, struct squeue_flow *f, struct squeue_node *n,
		 uint64_t deadline_ns, uint64_t now_ns)
{
	struct squeue_node *at = f->tail;

	n->flow = f;
	n->deadline_ns = deadline_ns;
	n->since_ns = now_ns;
	n->order = q->arrivals++;
	if (f->head == NULL)
		flow_link(q, f);
	while (at != NULL && before(n, at))
		at = at->prev;
	n->prev = at;
	n->next = at != NULL ? at->next : f->head;
	if (n->next != NULL)
		n->next->prev = n;
	else
		f->tail = n;
	if (at != NULL)
		at->next = n;
	else
		f->head = n;
	q->waiting++;
}

void squeue_remove(struct squeue *q, struct squeue_node *n)
{
	struct squeue_flow *f = n->flow;

	if (f == NULL)
		return;
	if (n->prev != NULL)
		n->prev->next = n->next;
	else
		f->head = n->next;
	if (n->next != NULL)
		n->next->prev = n->prev;
	else
		f->tail = n->prev;
	n->flow = NULL;
	n->prev = n->next = NULL;
	q->waiting--;
	if (f->head == NULL)
		flow_unlink(q, f);
}

static struct squeue_node *choose(const struct squeue_flow *f, squeue_suits_fn suits, void *ctx)
{
	struct squeue_node *n = f->head;

	for (int i = 0; suits != NULL && n != NULL && !suits(ctx, n->owner); i++)
		n = i < SQUEUE_LOOK ? n->next : NULL;
	return n;
}

/* The fair choice within one class. */
static struct squeue_node *pick_class(struct squeue *q, int cls, squeue_suits_fn suits, void *ctx)
{
	const struct squeue_flow *least = NULL;
	struct squeue_node *best = NULL;

	for (struct squeue_flow *f = q->flows[cls]; f != NULL; f = f->next) {
		f->choice = choose(f, suits, ctx);
		if (f->choice != NULL && (least == NULL || f->served_us < least->served_us))
			least = f;
	}
	if (least == NULL)
		return NULL;
	if (least->served_us > q->floor_us[cls])
		q->floor_us[cls] = least->served_us;
	for (const struct squeue_flow *f = q->flows[cls]; f != NULL; f = f->next)
		if (f->choice != NULL && f->served_us <= least->served_us + SQUEUE_QUANTUM_US &&
		    (best == NULL || before(f->choice, best)))
			best = f->choice;
	return best;
}

static bool aged(const struct squeue_node *n, uint64_t now_ns)
{
	return now_ns > n->since_ns && now_ns - n->since_ns > SQUEUE_AGE_US * UINT64_C(1000);
}

struct squeue_node *squeue_pick(struct squeue *q, squeue_suits_fn suits, void *ctx, uint64_t now_ns)
{
	struct squeue_node *first = NULL;

	for (int cls = 0; cls < SQUEUE_CLASSES; cls++) {
		struct squeue_node *n = pick_class(q, cls, suits, ctx);

		if (n == NULL)
			continue;
		if (first == NULL)
			first = n;
		else if (q->turns_above >= SQUEUE_AGE_TURN && aged(n, now_ns))
			return n;
	}
	return first;
}

void squeue_charge(struct squeue *q, struct squeue_node *n, double us)
{
	bool lower_waits = false;

	if (n->flow == NULL)
		return;
	n->flow->served_us += us;
	for (int cls = (int)n->flow->cls + 1; cls < SQUEUE_CLASSES; cls++)
		lower_waits |= q->flows[cls] != NULL;
	/* Turns of a class count against those below it; a turn of the lowest waiting one clears
	 * the count. */
	q->turns_above = lower_waits ? q->turns_above + 1 : 0;
}
