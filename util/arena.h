#ifndef HV_ARENA_H
#define HV_ARENA_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bump allocator over memory of its owner: everything goes at once with hv_arena_reset(). */
struct hv_arena {
	uint8_t *base;
	size_t cap, used;
};

static inline void hv_arena_reset(struct hv_arena *a)
{
	a->used = 0;
}

/* Aligned to 16; NULL when it does not fit. */
static inline void *hv_arena_alloc(struct hv_arena *a, size_t bytes)
{
	size_t at = (a->used + 15) & ~(size_t)15;

	if (at > a->cap || bytes > a->cap - at)
		return NULL;
	a->used = at + bytes;
	return a->base + at;
}

/* n of size bytes each, zeroed. */
static inline void *hv_arena_zero(struct hv_arena *a, size_t n, size_t size)
{
	void *p = size == 0 || n <= SIZE_MAX / size ? hv_arena_alloc(a, n * size) : NULL;

	if (p != NULL)
		memset(p, 0, n * size);
	return p;
}

static inline char *hv_arena_str(struct hv_arena *a, const char *text)
{
	size_t n = strlen(text) + 1;
	char *p = (char *)hv_arena_alloc(a, n);

	if (p != NULL)
		memcpy(p, text, n);
	return p;
}
#endif
