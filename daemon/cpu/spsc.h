#ifndef DAEMON_CPU_SPSC_H
#define DAEMON_CPU_SPSC_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Ring of pointers, one thread pushes, one pops. The pusher counts what is in: it never pushes
 * into a full ring. */
enum { SPSC_SIZE = 16 };

struct spsc {
	_Alignas(64) _Atomic uint32_t head; /* next to pop */
	_Alignas(64) _Atomic uint32_t tail; /* next to push */
	void *at[SPSC_SIZE];
};

static inline void spsc_push(struct spsc *r, void *p)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	r->at[tail % SPSC_SIZE] = p;
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}

static inline void *spsc_pop(struct spsc *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	void *p;

	if (head == atomic_load_explicit(&r->tail, memory_order_acquire))
		return NULL;
	p = r->at[head % SPSC_SIZE];
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return p;
}
#endif
