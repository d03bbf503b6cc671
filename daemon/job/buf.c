#include "daemon/job/store.h"
#include "util/own.h"
#include <stdio.h>

/* Small samples are reused instead of given back to the allocator: a class a shelf. */
static const size_t shelf_bytes[] = { 1024, 4096, 16384 };
enum { SHELF_MAX = 64 };
_Static_assert(HV_ARRAY_SIZE(shelf_bytes) == HV_ARRAY_SIZE(((struct store *)0)->shelf),
	       "a shelf per class");

static int32_t shelf_of(size_t bytes)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(shelf_bytes); i++)
		if (bytes <= shelf_bytes[i])
			return (int32_t)i;
	return -1;
}

/* Free bufs of a shelf are chained through account. */
static struct buf *shelf_take(struct store *s, int32_t shelf)
{
	struct buf *b = s->shelf[shelf];

	if (b != NULL) {
		s->shelf[shelf] = (struct buf *)(void *)b->account;
		s->shelved[shelf]--;
	}
	return b;
}

static bool shelf_put(struct store *s, struct buf *b)
{
	if (b->shelf < 0 || s->shelved[b->shelf] >= SHELF_MAX)
		return false;
	b->account = (struct account *)(void *)s->shelf[b->shelf];
	s->shelf[b->shelf] = b;
	s->shelved[b->shelf]++;
	return true;
}

void store_shelves_free(struct store *s)
{
	for (int32_t i = 0; i < (int32_t)HV_ARRAY_SIZE(shelf_bytes); i++)
		for (struct buf *b = shelf_take(s, i); b != NULL; b = shelf_take(s, i))
			free(b);
}

static int admit(const struct account *a, size_t bytes, char *why, size_t cap)
{
	const struct store *s = a->store;

	if (bytes > s->limits.payload_bytes_per_client - a->payload_bytes) {
		snprintf(why, cap,
			 "this client has %zu of at most %zu bytes of samples in the daemon and "
			 "asks "
			 "for %zu more: wait for results, or send smaller jobs",
			 a->payload_bytes, s->limits.payload_bytes_per_client, bytes);
		return HV_E_BUSY;
	}
	if (bytes > s->limits.payload_bytes - s->payload_bytes) {
		snprintf(why, cap,
			 "all clients together have %zu of at most %zu bytes of samples in the "
			 "daemon: try again later",
			 s->payload_bytes, s->limits.payload_bytes);
		return HV_E_BUSY;
	}
	return HV_OK;
}

int buf_new(struct account *a, size_t bytes, struct buf **out, char *why, size_t cap)
{
	struct store *s = a->store;
	int32_t shelf = shelf_of(bytes);
	int err = admit(a, bytes, why, cap);
	struct buf *b = NULL;

	if (err != HV_OK)
		return err;
	if (shelf >= 0)
		b = shelf_take(s, shelf);
	if (b == NULL) {
		size_t room = shelf >= 0 ? shelf_bytes[shelf] : bytes;

		room = (sizeof(struct buf) + room + 63) / 64 * 64;
		b = aligned_alloc(64, room);
	}
	if (b == NULL) {
		snprintf(why, cap, "no memory for %zu bytes of samples", bytes);
		return HV_E_NOMEM;
	}
	b->refs = 1;
	b->shelf = shelf;
	b->bytes = bytes;
	b->account = a;
	a->refs++;
	a->payload_bytes += bytes;
	s->payload_bytes += bytes;
	*out = b;
	return HV_OK;
}

struct buf *buf_ref(struct buf *b)
{
	b->refs++;
	return b;
}

void buf_unref(struct buf *b)
{
	struct account *a;

	if (b == NULL || --b->refs > 0)
		return;
	a = b->account;
	a->payload_bytes -= b->bytes;
	a->store->payload_bytes -= b->bytes;
	if (!shelf_put(a->store, b))
		free(b);
	account_unref(a);
}
