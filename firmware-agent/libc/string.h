#ifndef FW_STRING_H
#define FW_STRING_H
#include <stddef.h>

/* The part of the C library that compilers expect of a freestanding program; libc/mem.c. */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
