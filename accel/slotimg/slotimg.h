/* Slot image: a network compiled for a place on one board, as it is streamed to the agent.
 * Freestanding: the agent parses it, the daemon writes it.
 *
 * Little endian, in this order:
 *   header   SLOTIMG_HEADER_BYTES, fields of struct slotimg in declaration order
 *   regs     n_regs times  u16 id = quadrant << 10 | reg << 5 | layer,  u32 value; every
 *            register of every layer in every quadrant of the header, ordered by layer,
 *            quadrant, register; slotimg_reg_id() says which comes when
 *   steps    steps_bytes   blob of accel/steps
 *   biases   n_biases times  u8 quadrant, u8 0, u16 first, u16 count, count bytes
 *   kernels  n_kernels times u8 processor, u8 0, u16 first_word, u16 words, 9*words bytes
 * Its identity is the SHA-256 of all these bytes.
 *
 * header, regs and steps stay in the agent's slot memory; biases and kernels pass through it
 * into the accelerator.
 *
 * Version 1: linear layers on records of `positions` pixels, outputs of 32 bits, registers for
 * all quadrants that the primary uses. Version 2: any layers but streaming ones; in place of
 * positions the header has flags, the shapes are those of the steps (which are of version 2,
 * too), and quadrants that are not the guest's own are not in it: they are not started.
 *
 * Pixels: record i, position p (rows of the input from the top) is pixel i * positions + p of
 * an image. Records lie on top of each other when records_max > 1, then the image has one
 * column. RCNT of every layer is the one for records_max records; for fewer the agent takes
 * `height` rows off for each. All other registers do not depend on the number of records. Input
 * channel c of pixel n: pass e = c / per_pass, j = c % per_pass, data instance j / 4, byte lane
 * j % 4, word in_word + n * in_passes + e; with SLOTIMG_CHW there is one channel, four pixels a
 * word. Output row r of set s and pixel n: pass e = r / slots, pos = r % slots, instance
 * first_group + pos / 4; 32 bits: word out_word + 4 * e + 4 * n * out_passes + pos % 4; 8 bits:
 * word out_word + e + n * out_passes, lane pos % 4. */
#ifndef SLOTIMG_H
#define SLOTIMG_H
#include "accel/arch.h"
#include "accel/steps/steps.h"
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

#define SLOTIMG_MAGIC UINT32_C(0x49535648) /* "HVSI" */
enum {
	SLOTIMG_VERSION = 1,
	SLOTIMG_GENERAL_VERSION = 2,
	SLOTIMG_REG_BYTES = 6,
	SLOTIMG_RUN_HEAD_BYTES = 6,
	SLOTIMG_REGS_MAX = 640,
	SLOTIMG_RESTORE_MAX = 144, /* registers that a board puts back before its primary starts */
	SLOTIMG_STREAM_REGS = 20, /* entries of a layer and quadrant: the first 8 layers ... */
	SLOTIMG_LAYER_PARTS = CNN_QUADRANTS + 1,
	SLOTIMG_LATE_REGS = 18, /* ... and those that cannot stream */
};

/* Flags of version 2. */
enum {
	SLOTIMG_CHW = 1, /* one channel, four pixels a word */
	SLOTIMG_ROUND = 2, /* averages are rounded */
	SLOTIMG_BYTES = 4, /* set 0 has 8 bits; << s: set s */
};

struct slotimg_set {
	uint16_t out_word, out_passes, slots, first_group;
};

struct slotimg {
	uint32_t magic;
	uint16_t version;
	uint8_t layers, quadrants; /* quadrants the registers cover */
	uint32_t positions; /* one byte in the header; in version 2 that is flags */
	uint8_t sets;
	uint16_t records_max; /* limited by rows and data memory */
	uint16_t in_record_bytes, out_record_bytes;
	uint16_t in_word, in_passes, per_pass;
	uint16_t kernel_first, kernel_words; /* claimed on every processor */
	uint16_t bias_first, bias_count; /* claimed in every quadrant */
	uint16_t data_first, data_words; /* claimed in every instance */
	struct slotimg_set set[CNN_STEPS_SETS_MAX];
	uint32_t fixed_cycles, record_cycles; /* run <= fixed + record * records */
	uint16_t n_regs, steps_bytes, n_biases, n_kernels;
	uint32_t total_bytes; /* of the whole image */
	/* Not in the header; sizes of version 2 are known once the steps are. */
	uint16_t height, width; /* of one record's image */
	uint8_t flags;
};

enum { SLOTIMG_HEADER_BYTES = 4 + 2 + 2 + 2 + 2 + 4 + 6 + 4 + 4 + 4 + 2 * 8 + 8 + 8 + 4 };

/* Header only; checks magic, version and that the counts are within the device's limits and
 * agree with each other. HV_E_FORMAT, HV_E_VERSION. */
HV_NODISCARD int slotimg_header_parse(const void *bytes, size_t len, struct slotimg *img);
void slotimg_header_encode(const struct slotimg *img, uint8_t to[SLOTIMG_HEADER_BYTES]);

/* Entries before those of a layer. */
unsigned slotimg_layer_entry(const struct slotimg *img, unsigned layer);
/* The id of register entry i < n_regs; an image with other ids is refused. */
uint16_t slotimg_reg_id(const struct slotimg *img, unsigned i);

/* Steps that belong to the header: the shapes of the records agree, and what is written of
 * records and read of results is inside the claimed data words. Sets height, width, positions.
 * HV_E_FORMAT. */
HV_NODISCARD int slotimg_steps_bind(struct slotimg *img, const struct cnn_steps *s);

/* One layer after slotimg_steps_bind(), for any number of records: 0 when nothing that it reads
 * or writes lies outside the claimed kernel words, bias bytes and data words, else HV_E_FORMAT.
 * Streaming and FIFOs are refused. regs: the entries, whose ids have been checked. */
HV_NODISCARD int slotimg_layer_check(const struct slotimg *img, const uint8_t *regs,
				     unsigned layer);
/* The same in bounded pieces, part < SLOTIMG_LAYER_PARTS: each quadrant, then the sizes. */
HV_NODISCARD int slotimg_part_check(const struct slotimg *img, const uint8_t *regs, unsigned layer,
				    unsigned part);

/* Bus addresses. */
uint32_t slotimg_in_addr(const struct slotimg *img, uint32_t pixel, unsigned pass, unsigned group);
uint32_t slotimg_out_addr(const struct slotimg *img, unsigned set, uint32_t pixel, unsigned row);

/* What the word at slotimg_out_addr() holds of the row. */
static inline int32_t slotimg_out_value(const struct slotimg *img, unsigned set, unsigned row,
					uint32_t word)
{
	if ((img->flags >> set & SLOTIMG_BYTES) == 0)
		return (int32_t)word;
	return (int8_t)(word >> 8 * (row % img->set[set].slots % 4));
}

/* Words of an input record that are written, each four channels of a pixel or four pixels. */
static inline uint32_t slotimg_in_words(const struct slotimg *img)
{
	if ((img->flags & SLOTIMG_CHW) != 0)
		return (img->positions + 3) / 4;
	return img->positions * img->in_passes * ((img->per_pass + 3u) / 4u);
}

#endif
