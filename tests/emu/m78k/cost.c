/* Cycles of Thumb code by the Cortex-M4's manual, without waits for memory: at most, because
 * every branch counts as taken and every division as the longest. */
#include "tests/emu/m78k/state.h"

enum { LOAD = 2, BRANCH = 3, DIVIDE = 12, TABLE_BRANCH = 5 };

static unsigned bits(uint32_t v)
{
	return (unsigned)__builtin_popcount(v);
}

static unsigned narrow(uint32_t h)
{
	if ((h & 0xf000) == 0xc000) /* LDM, STM */
		return 1 + bits(h & 0xff);
	if ((h & 0xf600) == 0xb400) /* PUSH, POP */
		return 1 + bits(h & 0x1ff) + ((h & 0xff00) == 0xbd00 ? BRANCH - 1 : 0);
	if ((h & 0xf800) == 0x4800 || (h & 0xf000) == 0x5000 || (h & 0xe000) == 0x6000 ||
	    (h & 0xe000) == 0x8000)
		return LOAD;
	if ((h & 0xf000) == 0xd000 || (h & 0xf800) == 0xe000 || (h & 0xff00) == 0x4700 ||
	    (h & 0xf500) == 0xb100)
		return BRANCH;
	return 1;
}

static unsigned wide(uint32_t h, uint32_t low)
{
	if ((h & 0xfe40) == 0xe800) /* LDM, STM */
		return 1 + bits(low) + ((h & 0x10) != 0 && (low & 0x8000) != 0 ? BRANCH - 1 : 0);
	if ((h & 0xfff0) == 0xe8d0 && (low & 0xffe0) == 0xf000) /* TBB, TBH */
		return TABLE_BRANCH;
	if ((h & 0xfe40) == 0xe840) /* LDRD, STRD */
		return 1 + LOAD;
	if ((h & 0xfe00) == 0xf800)
		return LOAD;
	if ((h & 0xf800) == 0xf000 && (low & 0x8000) != 0) /* branches, but also barriers */
		return BRANCH;
	if ((h & 0xffd0) == 0xfb90) /* SDIV, UDIV */
		return DIVIDE;
	if ((h & 0xef00) == 0xed00) /* VLDR, VSTR */
		return LOAD;
	return 1;
}

void cost_block(const uint8_t *code, uint32_t n, uint16_t *cycles, uint16_t *instructions)
{
	unsigned c = 0, i = 0;

	for (uint32_t at = 0; at + 2 <= n; i++) {
		uint32_t h = (uint32_t)(code[at] | code[at + 1] << 8);

		if (h >= 0xe800 && at + 4 <= n) {
			c += wide(h, (uint32_t)(code[at + 2] | code[at + 3] << 8));
			at += 4;
		} else {
			c += narrow(h);
			at += 2;
		}
	}
	*cycles = (uint16_t)(c < UINT16_MAX ? c : UINT16_MAX);
	*instructions = (uint16_t)(i < UINT16_MAX ? i : UINT16_MAX);
}
