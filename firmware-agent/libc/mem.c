#include <stdint.h>
#include <string.h>

/* Words at any address: the core reads and writes unaligned ones of ordinary memory, and nobody
 * copies registers of a device. The build keeps the compiler from turning these loops into calls
 * of themselves. */

/* May alias whatever the caller keeps there. */
typedef uint32_t __attribute__((may_alias, aligned(1))) any_word;
typedef uint32_t __attribute__((may_alias)) word;

/* Also right when `to` is below `from`, however near. */
static void forward(uint8_t *d, const uint8_t *s, size_t n)
{
	for (; n >= 16; n -= 16, d += 16, s += 16) {
		const any_word *x = (const any_word *)(const void *)s;
		any_word *y = (any_word *)(void *)d;
		uint32_t a = x[0], b = x[1], c = x[2], e = x[3];

		y[0] = a;
		y[1] = b;
		y[2] = c;
		y[3] = e;
	}
	for (; n > 0; n--)
		*d++ = *s++;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	forward(to, from, n);
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if ((uintptr_t)d - (uintptr_t)s >= n) {
		forward(d, s, n);
		return to;
	}
	/* a word is read before it is written, and what it overwrites was read before */
	for (; n >= 4; n -= 4)
		*(any_word *)(void *)(d + n - 4) = *(const any_word *)(const void *)(s + n - 4);
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
