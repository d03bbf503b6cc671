#ifndef FW_STDLIB_H
#define FW_STDLIB_H
#include <stddef.h>

/* For the accelerator's emulator alone: memory of a fixed arena, see hal/mps2/arena.c. The
 * agent itself has no heap and includes none of this. */
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *aligned_alloc(size_t align, size_t n); /* align at most 64 */
void *realloc(void *p, size_t n);
void free(void *p);

#endif
