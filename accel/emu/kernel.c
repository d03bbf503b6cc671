/* Kernel memories: the packed and the four-word way in, and the way out. */
#include "accel/emu/state.h"

enum { VIEW_BYTES = 16 }; /* a kernel word as the bus sees it, unpacked */

static void commit(struct cnn_emu *e, unsigned processor, unsigned word)
{
	const uint8_t *stage = e->loader[processor].stage;
	uint8_t *to = &e->kernel[processor][word * CNN_KERNEL_WORD_BYTES];

	for (unsigned k = 0; k < CNN_KERNEL_WORD_BYTES; k++)
		to[CNN_KERNEL_WORD_BYTES - 1 - k] = stage[k];
	emu_set(e->kernel_set[processor], word);
}

/* Bytes of a packed stream, most significant first. A word takes effect when its nine bytes
 * are there; what is left over at the end is padding and never reaches the memory. */
static void write_packed(struct cnn_emu *e, unsigned processor, uint32_t value)
{
	struct emu_loader *l = &e->loader[processor];

	if (!l->set) {
		emu_misuse(e, "packed kernel write to processor %u before its address was set",
			   processor);
		return;
	}
	for (int shift = 24; shift >= 0; shift -= 8) {
		l->stage[l->bytes++] = (uint8_t)(value >> shift);
		if (l->bytes < CNN_KERNEL_WORD_BYTES)
			continue;
		l->bytes = 0;
		if (l->word >= CNN_KERNEL_WORDS) {
			emu_misuse(e, "kernel word %u of processor %u: there are only %d", l->word,
				   processor, CNN_KERNEL_WORDS);
			return;
		}
		commit(e, processor, l->word++);
	}
}

/* Four writes make a word: K0 in the low byte; K1..K4; K5..K8; the last one commits. */
static void write_unpacked(struct cnn_emu *e, unsigned processor, uint32_t off, uint32_t value)
{
	struct emu_loader *l = &e->loader[processor];
	unsigned word = off / VIEW_BYTES, part = off % VIEW_BYTES / 4;

	if (word >= CNN_KERNEL_WORDS) {
		emu_misuse(e, "kernel word %u of processor %u: there are only %d", word, processor,
			   CNN_KERNEL_WORDS);
		return;
	}
	if (part == 0)
		l->stage[0] = (uint8_t)value;
	else if (part < 3)
		for (unsigned i = 0; i < 4; i++)
			l->stage[4 * part - 3 + i] = (uint8_t)(value >> (24 - 8 * i));
	else
		commit(e, processor, word);
}

void emu_kernel_write32(struct cnn_emu *e, unsigned processor, uint32_t off, uint32_t value)
{
	if ((e->ctrl[processor / CNN_PER_QUADRANT] & CNN_CTRL_MEXPRESS) != 0)
		write_packed(e, processor, value);
	else
		write_unpacked(e, processor, off, value);
}

void emu_kernel_write8(struct cnn_emu *e, unsigned processor, uint32_t off, uint8_t value)
{
	struct emu_loader *l = &e->loader[processor];

	if (off % 4 != 1 || value != 1) {
		emu_misuse(e,
			   "8-bit write of %02x at offset %x of the kernels of processor %u: "
			   "only 01 at 4 * word + 1 means something",
			   value, (unsigned)off, processor);
		return;
	}
	l->word = (uint16_t)(off / 4);
	l->bytes = 0;
	l->set = true;
}

uint32_t emu_kernel_read32(const struct cnn_emu *e, unsigned processor, uint32_t off)
{
	unsigned word = off / VIEW_BYTES, part = off % VIEW_BYTES / 4;
	const uint8_t *from;
	uint32_t value = 0;

	if (word >= CNN_KERNEL_WORDS)
		return 0;
	from = &e->kernel[processor][word * CNN_KERNEL_WORD_BYTES];
	if (part == 0)
		return from[8];
	if (part == 3)
		return 0;
	for (unsigned i = 0; i < 4; i++)
		value = value << 8 | from[8 - (4 * part - 3 + i)];
	return value;
}
