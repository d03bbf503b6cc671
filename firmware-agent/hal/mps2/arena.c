/* Memory for the accelerator's emulator: a stack of blocks in the PSRAM. A block that is given
 * back is reused once all blocks above it were, which is how the emulator works: its state
 * stays, everything else lives for one inference. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (UINT32_C(12) << 20)
#define NO_BLOCK    UINT32_MAX

enum { ALIGN = 64 }; /* the most that anybody asks for */

struct __attribute__((aligned(ALIGN))) block {
	uint32_t below; /* offset of the block below, or NO_BLOCK */
	uint32_t bytes; /* with this head, a multiple of ALIGN */
	bool used;
};

__attribute__((section(".psram"), aligned(ALIGN))) static uint8_t arena[ARENA_BYTES];
static uint32_t top; /* first free byte */
static uint32_t last = NO_BLOCK; /* the topmost block */

static struct block *block_at(uint32_t offset)
{
	return (struct block *)(void *)(arena + offset);
}

void *malloc(size_t n)
{
	struct block *b = block_at(top);
	uint32_t bytes;

	if (n > ARENA_BYTES)
		return NULL;
	bytes = (uint32_t)((n + sizeof(*b) + ALIGN - 1) / ALIGN * ALIGN);
	if (bytes > ARENA_BYTES - top)
		return NULL;
	*b = (struct block){ .below = last, .bytes = bytes, .used = true };
	last = top;
	top += bytes;
	return b + 1;
}

void *aligned_alloc(size_t align, size_t n)
{
	return align <= ALIGN ? malloc(n) : NULL;
}

void *calloc(size_t n, size_t size)
{
	void *p;

	if (size != 0 && n > ARENA_BYTES / size)
		return NULL;
	p = malloc(n * size);
	if (p != NULL)
		memset(p, 0, n * size);
	return p;
}

void free(void *p)
{
	if (p == NULL)
		return;
	((struct block *)p - 1)->used = false;
	while (last != NO_BLOCK && !block_at(last)->used) {
		top = last;
		last = block_at(last)->below;
	}
}

void *realloc(void *p, size_t n)
{
	void *to = malloc(n);
	size_t had;

	if (to == NULL || p == NULL)
		return to;
	had = ((struct block *)p - 1)->bytes - sizeof(struct block);
	memcpy(to, p, had < n ? had : n);
	free(p);
	return to;
}

int vsnprintf(char *to, size_t cap, const char *format, va_list args)
{
	size_t n = 0;

	(void)args;
	for (; format[n] != 0; n++)
		if (n + 1 < cap)
			to[n] = format[n];
	if (cap > 0)
		to[n < cap ? n : cap - 1] = 0;
	return (int)n;
}
