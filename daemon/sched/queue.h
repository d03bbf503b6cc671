#ifndef DAEMON_SCHED_QUEUE_H
#define DAEMON_SCHED_QUEUE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Order of what waits: priority class, then a fair share among clients, then the earliest
 * deadline, then arrival. Pure and intrusive: no clock, no allocation.
 *
 * Fair share: every client of a class has a flow with the service it got. A flow may be ahead
 * of the least served one by SQUEUE_QUANTUM_US; among those within the quantum the earliest
 * deadline goes first. Ageing: a class whose head waited SQUEUE_AGE_US gets every
 * SQUEUE_AGE_TURN-th turn, whatever is above it. */
enum { SQUEUE_CLASSES = 3, SQUEUE_QUANTUM_US = 5000, SQUEUE_AGE_US = 500000, SQUEUE_AGE_TURN = 8 };
enum squeue_class { SQUEUE_URGENT, SQUEUE_NORMAL, SQUEUE_BACKGROUND };

struct squeue_node {
	struct squeue_node *prev, *next; /* in its flow, by deadline, then arrival */
	struct squeue_flow *flow; /* NULL: not queued */
	uint64_t deadline_ns; /* UINT64_MAX: none */
	uint64_t since_ns; /* when it began to wait */
	uint64_t order; /* arrival */
	void *owner;
};

struct squeue_flow {
	struct squeue_flow *prev, *next; /* among the flows of the class that have work */
	struct squeue_node *head, *tail;
	struct squeue_node *choice; /* of the pick in progress */
	double served_us;
	enum squeue_class cls;
};

struct squeue {
	struct squeue_flow *flows[SQUEUE_CLASSES];
	double floor_us[SQUEUE_CLASSES]; /* service of the least served: where newcomers start */
	uint64_t arrivals;
	uint32_t turns_above; /* turns since a lower class last got one */
	size_t waiting;
};

void squeue_flow_init(struct squeue_flow *f, enum squeue_class cls);
/* n->owner is set by the caller. */
void squeue_push(struct squeue *q, struct squeue_flow *f, struct squeue_node *n,
		 uint64_t deadline_ns, uint64_t now_ns);
void squeue_remove(struct squeue *q, struct squeue_node *n); /* fine when not queued */
static inline bool squeue_has(const struct squeue_node *n)
{
	return n->flow != NULL;
}

/* May the server that asks take this one now? */
typedef bool (*squeue_suits_fn)(void *ctx, void *owner);

/* Whose turn it is among those that suit (NULL: all do); NULL when nobody does. Leaves it
 * queued. Looks at most at SQUEUE_LOOK nodes of every flow. */
enum { SQUEUE_LOOK = 64 };
struct squeue_node *squeue_pick(struct squeue *q, squeue_suits_fn suits, void *ctx,
				uint64_t now_ns);
/* Charge the flow of n for service it is about to get. */
void squeue_charge(struct squeue *q, struct squeue_node *n, double us);

#endif
