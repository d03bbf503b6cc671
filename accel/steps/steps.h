/* Pre- and post-steps of a package: how the samples of a record become the int8 pixels of the
 * network's input, and how the 32-bit words of its outputs become the task's result. The same
 * code runs in the reference, in the agent and in tests. Freestanding, integers only.
 *
 * One record has `positions` = components * parts pixels; pixel = component * parts + part.
 *
 *   input   int16 elements, element [channel * components + component] of the record
 *           CNN_IN_SPLIT  parts = 2: part 0 is x >> 8 (-128..127), part 1 is
 *                         (x & 255) - 128;  x = 256 * part0 + part1 + 128
 *           CNN_IN_ROUND  parts = 1: clamp((x + 128) >> 8, -128, 127)
 *   sets    network outputs with 32-bit words: set s, pixel, row r
 *   sum     v[component][r] =
 *           SPLIT: sum_s scale[s] * (256 * word(s, part 0, r) + word(s, part 1, r))
 *                  + 128 * base[r]            base[r] = sum_s scale[s] * rowsum_s[r]
 *           ROUND: sum_s scale[s] * 256 * word(s, r)
 *   finish  CNN_OUT_ROWS  (components = 1) out[r] = fit(v[r] * mul[r])
 *           CNN_OUT_DFT   (components = 2, rows = n): with c = row k, s = row n/2 + k (0 for
 *                         k = 0 and n/2), a = component 0, b = component 1:
 *                         X[k]   = (a.c + b.s, b.c - a.s)
 *                         X[n-k] = (a.c - b.s, b.c + a.s)      0 < k < n/2
 *                         each fit(. * mul[0])
 *   fit     (value + (1 << (shift-1))) >> shift, saturated to the output type
 *   word(s, p, r) is first limited to +-CNN_STEPS_WORD_MAX(channels), which a network of one
 *   linear layer from the input cannot reach; so no content of a memory can overflow a sum
 *
 * Blob, little endian: u8 version = 1, u8 input, u8 components, u8 sets, u16 channels,
 * u16 rows, u8 finish, u8 out_bits (16 or 32), u8 shift (1..62), u8 n_mul_is_rows (0 or 1),
 * s32 scale[sets], s32 mul[1 or rows], s32 base[rows] (SPLIT only).
 *
 * Networks whose records are made and read by a host program (accel/hostprog) have steps of
 * version 2, which move bytes and do nothing else:
 *   input   CNN_IN_BYTES  a record is the pixels as they are: int8, pixel after pixel (rows of
 *                         the network's input from the top), all channels of a pixel together
 *   finish  CNN_OUT_RAW   the answer is the values of the network's outputs as they are: set
 *                         after set, pixel after pixel, all rows (channels) of a pixel together;
 *                         s32 little-endian of 32-bit sets, s8 of 8-bit sets
 *   items   up to 4 values each, in that order
 * Blob: u8 version = 2, u8 input = 3, u8 finish = 3, u8 sets, u16 channels, u16 height,
 * u16 width, then for each set: u16 rows, u8 bits (8 or 32), u8 0, u32 pixels. */
#ifndef CNN_STEPS_H
#define CNN_STEPS_H
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

enum cnn_steps_in { CNN_IN_SPLIT = 1, CNN_IN_ROUND = 2, CNN_IN_BYTES = 3 };
enum cnn_steps_out { CNN_OUT_ROWS = 1, CNN_OUT_DFT = 2, CNN_OUT_RAW = 3 };
enum {
	CNN_STEPS_SETS_MAX = 2,
	CNN_STEPS_VERSION = 1,
	CNN_STEPS_RAW_VERSION = 2,
	CNN_STEPS_RAW_WORDS = 4, /* of one item */
	CNN_STEPS_RAW_BYTES_MAX = 1 << 19, /* of one record, in or out */
	CNN_STEPS_SCALE_MAX = 256, /* |scale[s]| */
	CNN_STEPS_SHIFT_MAX = 62,
	CNN_STEPS_SUMS_MAX = 4, /* of one item */
};
/* Largest magnitude of a network's output word: 128 * 128 per channel and a bias. */
#define CNN_STEPS_WORD_MAX(channels) (((int32_t)(channels) + 1) * 16384)

/* A checked view of a blob; borrows it. */
struct cnn_steps {
	uint8_t input, components, parts, sets, finish, out_bits, shift, mul_per_row;
	uint16_t channels, rows;
	int32_t scale[CNN_STEPS_SETS_MAX];
	const uint8_t *mul, *base; /* little-endian s32 each */
	/* version 2 alone; there rows, out_bits, scale, mul and base are 0 */
	uint16_t height, width;
	struct cnn_steps_raw {
		uint16_t rows;
		uint8_t bits;
		uint32_t pixels;
	} raw[CNN_STEPS_SETS_MAX];
};

/* Check everything, including that no sum can leave 63 bits. HV_E_FORMAT. */
HV_NODISCARD int cnn_steps_parse(const void *blob, size_t len, struct cnn_steps *s);
/* The same in bounded pieces: the view, checked but for the sums; then the sums of n rows from
 * row on, until all rows had their turn. */
HV_NODISCARD int cnn_steps_view(const void *blob, size_t len, struct cnn_steps *s);
HV_NODISCARD int cnn_steps_check(const struct cnn_steps *s, unsigned row, unsigned n);
/* Encode; mul has 1 or rows entries, base rows entries or NULL. Returns the length, 0 when
 * cap is too small. */
size_t cnn_steps_encode(const struct cnn_steps *s, const int32_t *mul, const int32_t *base,
			uint8_t *to, size_t cap);

static inline unsigned cnn_steps_positions(const struct cnn_steps *s)
{
	if (s->input == CNN_IN_BYTES)
		return (unsigned)s->height * s->width;
	return (unsigned)s->components * s->parts;
}
uint32_t cnn_steps_words(const struct cnn_steps *s); /* output values read for one record */
int32_t cnn_steps_mul(const struct cnn_steps *s, unsigned row); /* multiplier of a row */
uint32_t cnn_steps_in_bytes(const struct cnn_steps *s); /* one input record */
uint32_t cnn_steps_out_bytes(const struct cnn_steps *s); /* one output record */

/* Value of one pixel and channel of a record. */
int8_t cnn_steps_in(const struct cnn_steps *s, const uint8_t *record, unsigned position,
		    unsigned channel);

/* Four values at most of neighbouring channels, the first in the lowest byte. */
uint32_t cnn_steps_in_word(const struct cnn_steps *s, const uint8_t *record, unsigned position,
			   unsigned channel, unsigned lanes);

/* Where the words come from: set, position inside the record, row. */
typedef int32_t (*cnn_steps_word)(void *ctx, unsigned set, unsigned position, unsigned row);

/* The result is made item by item so that a board can do it in short slices: ROWS: one item
 * per row; DFT: items k = 0..n/2; RAW: 4 values. An item calls word() at most 16 times. */
unsigned cnn_steps_items(const struct cnn_steps *s);
void cnn_steps_out(const struct cnn_steps *s, unsigned item, cnn_steps_word word, void *ctx,
		   uint8_t *record);

/* An item in shorter slices: its sums, at most CNN_STEPS_SUMS_MAX, each of at most four words;
 * then what they make. RAW has no sums and reads its words at the end. */
unsigned cnn_steps_sums(const struct cnn_steps *s, unsigned item);
int64_t cnn_steps_sum(const struct cnn_steps *s, unsigned item, unsigned i, cnn_steps_word word,
		      void *ctx);
void cnn_steps_finish(const struct cnn_steps *s, unsigned item, const int64_t *sum,
		      cnn_steps_word word, void *ctx, uint8_t *record);

#endif
