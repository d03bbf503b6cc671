#ifndef CLIENT_LIB_CALLS_H
#define CLIENT_LIB_CALLS_H
#include "proto/ipc_frame.h"
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

/* Which request a reply belongs to. Owns the tags: a slot number and a generation, so that a
 * late reply to a forgotten request meets nobody. Bounded. */
enum { CALLS_MAX = 16384 };

struct call;
struct call_ops {
	/* As conn_events.frame_head. */
	int (*head)(struct call *k, const struct ipc_frame *f, uint8_t *msg, uint8_t **body);
	/* The last reply (any kind but PROGRESS) is complete; the tag is already free. */
	void (*done)(struct call *k, const struct ipc_frame *f);
	/* The connection ended first, with this code. */
	void (*lost)(struct call *k, int code, const char *why);
};

struct call {
	const struct call_ops *ops;
	uint32_t tag; /* 0: not waiting for a reply */
};

struct call_slot {
	struct call *call; /* NULL: free, or forgotten and still in use */
	uint16_t generation, next_free;
};

struct calls {
	struct call_slot *slot;
	uint32_t cap, waiting; /* waiting: slots in use, also forgotten ones */
	uint16_t first_free;
};

void calls_free(struct calls *t);
/* Gives k a tag. HV_E_BUSY: CALLS_MAX replies are outstanding; HV_E_NOMEM. k is borrowed
 * until its last reply, calls_forget() or calls_lose(). */
HV_NODISCARD int calls_add(struct calls *t, struct call *k);
/* NULL: tag was never given, or its call was forgotten (then *known is 1). */
struct call *calls_find(const struct calls *t, uint32_t tag, int *known);
void calls_end(struct calls *t, uint32_t tag); /* last reply seen: the slot is free */
void calls_forget(struct calls *t, struct call *k); /* its replies will be dropped */
/* End every call with its lost(). */
void calls_lose(struct calls *t, int code, const char *why);

#endif
