/* Slot image: a network compiled for a place on one board, as it is streamed to the agent.
 * Freestanding: the agent parses it, the daemon writes it.
 *
 * Little endian, in this order:
 *   header   SLOTIMG_HEADER_BYTES, fields of struct slotimg in declaration order
 *   regs     n_regs times  u16 id = quadrant << 10 | reg << 5 | layer,  u32 value
 *   steps    steps_bytes   blob of accel/steps
 *   biases   n_biases times  u8 quadrant, u8 0, u16 first, u16 count, count bytes
 *   kernels  n_kernels times u8 processor, u8 0, u16 first_word, u16 words, 9*words bytes
 * Its identity is the SHA-256 of all these bytes.
 *
 * header, regs and steps stay in the agent's slot memory; biases and kernels pass through it
 * into the accelerator.
 *
 * Pixels: record i, position p is pixel i * positions + p of a one-column image; the agent
 * sets RCNT of every layer to positions * records - 1, all other registers do not depend on
 * the number of records. Input channel c of pixel n: pass e = c / per_pass, j = c % per_pass,
 * data instance j / 4, byte lane j % 4, word in_word + n * in_passes + e. Output row r of set
 * s: pass e = r / slots, pos = r % slots, instance first_group + pos / 4, word
 * out_word + 4 * e + 4 * n * out_passes + pos % 4. */
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
	SLOTIMG_REG_BYTES = 6,
	SLOTIMG_RUN_HEAD_BYTES = 6,
	SLOTIMG_REGS_MAX = 640,
};

struct slotimg_set {
	uint16_t out_word, out_passes, slots, first_group;
};

struct slotimg {
	uint32_t magic;
	uint16_t version;
	uint8_t layers, quadrants;   /* quadrants the registers cover */
	uint8_t positions, sets;
	uint16_t records_max;        /* limited by rows and data memory */
	uint16_t in_record_bytes, out_record_bytes;
	uint16_t in_word, in_passes, per_pass;
	uint16_t kernel_first, kernel_words; /* claimed on every processor */
	uint16_t bias_first, bias_count;     /* claimed in every quadrant */
	uint16_t data_first, data_words;     /* claimed in every instance */
	struct slotimg_set set[CNN_STEPS_SETS_MAX];
	uint32_t fixed_cycles, record_cycles; /* run = fixed + record * records */
	uint16_t n_regs, steps_bytes, n_biases, n_kernels;
	uint32_t total_bytes;        /* of the whole image */
};

enum { SLOTIMG_HEADER_BYTES = 4 + 2 + 2 + 2 + 2 + 4 + 6 + 4 + 4 + 4 + 2 * 8 + 8 + 8 + 4 };

/* Header only; checks magic, version and that the counts are within the device's limits and
 * agree with each other. HV_E_FORMAT, HV_E_VERSION. */
HV_NODISCARD int slotimg_header_parse(const void *bytes, size_t len, struct slotimg *img);
void slotimg_header_encode(const struct slotimg *img, uint8_t to[SLOTIMG_HEADER_BYTES]);

/* One register entry. Returns 0, or HV_E_FORMAT when quadrant, register or layer is outside
 * what the header claims, or the value points outside the claimed kernel words, bias bytes or
 * data words, or enables streaming, FIFO or element-wise modes. */
HV_NODISCARD int slotimg_reg_check(const struct slotimg *img, uint16_t id, uint32_t value);

/* Bus addresses. */
uint32_t slotimg_in_addr(const struct slotimg *img, uint32_t pixel, unsigned pass,
			 unsigned group);
uint32_t slotimg_out_addr(const struct slotimg *img, unsigned set, uint32_t pixel,
			  unsigned row);

#endif
