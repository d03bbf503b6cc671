#include "client/lib/calls.h"
#include <stdlib.h>

enum { NO_SLOT = 0xffff };

static uint32_t tag_of(uint32_t slot, uint16_t generation)
{
	return slot | (uint32_t)generation << 16;
}

void calls_free(struct calls *t)
{
	free(t->slot);
	*t = (struct calls){ .slot = NULL };
}

static int grow(struct calls *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 64;
	struct call_slot *slot;

	if (cap > CALLS_MAX)
		return HV_E_BUSY;
	slot = realloc(t->slot, cap * sizeof(*slot));
	if (slot == NULL)
		return HV_E_NOMEM;
	for (uint32_t i = t->cap; i < cap; i++)
		slot[i] = (struct call_slot){
			.generation = 1,
			.next_free = (uint16_t)(i + 1 < cap ? i + 1 : NO_SLOT),
		};
	t->first_free = (uint16_t)t->cap;
	t->slot = slot;
	t->cap = cap;
	return HV_OK;
}

int calls_add(struct calls *t, struct call *k)
{
	struct call_slot *s;
	int err;

	if (t->waiting == t->cap) {
		err = grow(t);
		if (err != HV_OK)
			return err;
	}
	s = &t->slot[t->first_free];
	s->call = k;
	k->tag = tag_of(t->first_free, s->generation);
	t->first_free = s->next_free;
	s->next_free = NO_SLOT;
	t->waiting++;
	return HV_OK;
}

static struct call_slot *slot_of(const struct calls *t, uint32_t tag)
{
	uint32_t i = tag & 0xffff;

	if (i >= t->cap || t->slot[i].generation != tag >> 16)
		return NULL;
	return &t->slot[i];
}

struct call *calls_find(const struct calls *t, uint32_t tag, int *known)
{
	struct call_slot *s = slot_of(t, tag);

	*known = s != NULL;
	return s != NULL ? s->call : NULL;
}

void calls_end(struct calls *t, uint32_t tag)
{
	struct call_slot *s = slot_of(t, tag);

	if (s == NULL)
		return;
	if (s->call != NULL)
		s->call->tag = 0;
	s->call = NULL;
	if (++s->generation == 0)
		s->generation = 1; /* tag 0 is nobody's */
	s->next_free = t->first_free;
	t->first_free = (uint16_t)(tag & 0xffff);
	t->waiting--;
}

void calls_forget(struct calls *t, struct call *k)
{
	struct call_slot *s = slot_of(t, k->tag);

	if (s != NULL && s->call == k)
		s->call = NULL;
	k->tag = 0;
}

void calls_lose(struct calls *t, int code, const char *why)
{
	for (uint32_t i = 0; i < t->cap; i++) {
		struct call *k = t->slot[i].call;

		if (k == NULL)
			continue;
		calls_end(t, k->tag);
		k->ops->lost(k, code, why);
	}
}
