/* Load image: a network that has the accelerator first, as a board's firmware carries it in
 * flash: everything a boot writes, where input and output are, and what guests may use.
 * Freestanding: a firmware reads it, harvest-model writes it.
 *
 * Little endian, in this order:
 *   header   LOADIMG_HEADER_BYTES, fields of struct loadimg in declaration order
 *   regs     n_regs times     u16 id = quadrant << 10 | reg << 5 | layer,  u32 value
 *   biases   n_biases times   u8 quadrant, u8 0, u16 first, u16 count, count bytes
 *   kernels  n_kernels times  u8 processor, u8 0, u16 first_word, u16 words, 9*words bytes
 *   outputs  n_outputs times  u32 address, u16 words, u16 0
 *   check    u32 CRC-32 of all bytes before */
#ifndef LOADIMG_H
#define LOADIMG_H
#include "accel/image/image.h"
#include <stddef.h>
#include <stdint.h>

#define LOADIMG_MAGIC UINT32_C(0x494c5648) /* "HVLI" */
enum {
	LOADIMG_VERSION = 1,
	LOADIMG_NAME_BYTES = 16,
	LOADIMG_HEADER_BYTES = 68,
};

struct loadimg {
	uint32_t magic;
	uint16_t version;
	uint8_t layers, quadrants;
	char name[LOADIMG_NAME_BYTES]; /* ends with 0 */
	uint32_t ctrl_extra; /* bits of CTRL at the start, beside those of every network */
	struct cnn_room left; /* for guests */
	uint16_t in_word, in_pixels;
	uint8_t in_passes, in_first_group, in_groups; /* data instances, one a group */
	uint8_t reserved;
	uint32_t cycles; /* of an inference, by the cost model */
	uint16_t out_words;
	uint16_t n_regs, n_biases, n_kernels, n_outputs;
	uint16_t reserved_2;
	uint32_t total_bytes;
	/* not in the file: views of it */
	const uint8_t *regs, *biases, *kernels, *outputs;
};

/* Look through the whole image. img borrows bytes. HV_E_FORMAT: damaged, or no such image, or
 * an address outside the device; HV_E_VERSION. */
HV_NODISCARD int loadimg_open(const void *bytes, size_t len, struct loadimg *img);

/* Init, kernels, biases, registers: once after the accelerator got power. */
void loadimg_load(const struct loadimg *img, const struct cnn_bus *bus);

/* A pixel of the input is loadimg_pixel_words() words, the four bytes of a word being channels:
 * pass by pass, group by group, so that a pixel whose channels fill its passes is all channels
 * in order. Writes `pixels` pixels from pixel `first` on; at most up to in_pixels. */
size_t loadimg_pixel_words(const struct loadimg *img);
void loadimg_input(const struct loadimg *img, uint32_t first, uint32_t pixels,
		   const uint32_t *words, const struct cnn_bus *bus);
void loadimg_start(const struct loadimg *img, const struct cnn_bus *bus);
/* The inference has ended. Reads one register. */
bool loadimg_is_done(const struct cnn_bus *bus);
/* Acknowledge the end, and read the out_words words of the answer. */
void loadimg_finish(const struct loadimg *img, uint32_t *words, const struct cnn_bus *bus);

#endif
