#include <stdint.h>
#include <string.h>

/* Words where both sides are aligned, else bytes. The build keeps the compiler from turning
 * these loops into calls of themselves. */

/* The word type may alias whatever the caller keeps there. */
typedef uint32_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if ((((uintptr_t)d | (uintptr_t)s) & 3) == 0)
		for (; n >= 4; n -= 4, d += 4, s += 4)
			*(word *)(void *)d = *(const word *)(const void *)s;
	for (; n > 0; n--)
		*d++ = *s++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if ((uintptr_t)d - (uintptr_t)s >= n)
		return memcpy(to, from, n);
	for (; n >= 4 && ((((uintptr_t)d + n) | ((uintptr_t)s + n)) & 3) == 0; n -= 4)
		*(word *)(void *)(d + n - 4) = *(const word *)(const void *)(s + n - 4);
	while (n-- > 0)
		d[n] = s[n];
	return to;
}

void *memset(void *to, int c, size_t n)
{
	uint8_t *d = to;
	uint32_t all = (uint8_t)c * UINT32_C(0x01010101);

	for (; n > 0 && ((uintptr_t)d & 3) != 0; n--)
		*d++ = (uint8_t)c;
	for (; n >= 4; n -= 4, d += 4)
		*(word *)(void *)d = all;
	for (; n > 0; n--)
		*d++ = (uint8_t)c;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}
