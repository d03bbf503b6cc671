/* The host's share of an approximation: what makes int8 pixels of a record, and the result of
 * the network's output values. A small program without jumps: blocks of instructions, each
 * block run rows * cols times; instruction i of a block defines value i of it, and reads only
 * values before it.
 *
 *   IN e      element e of the record, as a double       CONST k
 *   BYTE e    byte e of the record, 0 to 255; elements are little-endian
 *   ADD SUB MUL DIV MIN MAX a, b     SQRT ABS FLOOR a    SELECT a, b, c: a > 0 ? b : c
 *   WORD w    output value w of the network; decode only
 *   EMIT a    channel b of pixel p <- clamp(floor(k * a + offset + 1/2), -128, 127), NaN: 0;
 *             encode only
 *   RESULT a  element e of the answer <- a, rounded half away from zero and saturated, NaN: 0;
 *             for floating-point answers a itself; decode only
 * MIN is a < b ? a : b, MAX is a > b ? a : b. e, w and p are index + row * step[0] +
 * col * step[1]. Every operation is one of IEEE double precision that has one right answer, so
 * every machine gives the same bits.
 *
 * Blob, little endian: u8 version = 1, u8 in dtype, u8 out dtype, u8 0, u32 in elements,
 * u32 out elements, u32 channels, u32 pixels, u32 words, u16 encode blocks, u16 decode blocks;
 * block: u32 rows, u32 cols, u16 instructions; instruction: u8 op, then
 *   IN, WORD, BYTE  u32 index, s32 step[2]       CONST        f64 k
 *   EMIT          u16 a, u16 b, u32 index, s32 step[2], f64 k, f64 offset
 *   RESULT        u16 a, u32 index, s32 step[2]  the others   u16 for each operand
 */
#ifndef HOSTPROG_H
#define HOSTPROG_H
#include "tasks/task.h"
#include "util/fs/err.h"

enum hostprog_op {
	HP_IN = 1,
	HP_CONST,
	HP_ADD,
	HP_SUB,
	HP_MUL,
	HP_DIV,
	HP_SQRT,
	HP_MIN,
	HP_MAX,
	HP_ABS,
	HP_FLOOR,
	HP_SELECT,
	HP_WORD,
	HP_EMIT,
	HP_RESULT,
	HP_BYTE,
};

enum hostprog_part { HOSTPROG_ENCODE = 0, HOSTPROG_DECODE = 1 };

enum {
	HOSTPROG_VERSION = 1,
	HOSTPROG_BLOCKS_MAX = 64,
	HOSTPROG_BLOCK_INS_MAX = 1024,
	HOSTPROG_INS_MAX = 8192,
	HOSTPROG_STEPS_MAX = 1 << 21, /* instructions run for one record, one part */
	HOSTPROG_ELEMENTS_MAX = 1 << 16, /* of a record or an answer */
	HOSTPROG_PIXEL_BYTES_MAX = 1 << 19,
	HOSTPROG_WORDS_MAX = 1 << 17,
};

struct hostprog_ins {
	enum hostprog_op op;
	uint16_t a, b, c; /* values; b of EMIT: channel */
	uint32_t index; /* element, byte, word or pixel of the first run */
	int32_t step[2];
	double k, offset;
};

struct hostprog_block {
	enum hostprog_part part;
	uint32_t rows, cols;
	uint32_t first, count; /* instructions */
};

struct hostprog {
	enum harvest_dtype in_dtype, out_dtype;
	uint32_t in_elements, out_elements;
	uint32_t channels, pixels; /* of the network input */
	uint32_t words; /* of the network output */
	unsigned n_blocks; /* encode first */
	struct hostprog_block block[HOSTPROG_BLOCKS_MAX];
	uint32_t n_ins;
	struct hostprog_ins *ins; /* owned */
};

/* An empty program to be filled: set the sizes, then blocks and instructions. NULL: no memory.
 */
struct hostprog *hostprog_new(void);
void hostprog_free(struct hostprog *h);
/* Opens a block; the blocks of a part follow each other, encode before decode. */
HV_NODISCARD int hostprog_block_add(struct hostprog *h, enum hostprog_part part, uint32_t rows,
				    uint32_t cols);
/* Adds to the last block. The index of its value there, or HV_E_NOMEM, HV_E_BUSY: full. */
HV_NODISCARD int hostprog_add(struct hostprog *h, struct hostprog_ins ins);

/* Everything: types, sizes, operands, indexes of every run; every pixel and channel, and every
 * element of the answer is written. HV_E_FORMAT with a sentence in why; HV_E_NOMEM. */
HV_NODISCARD int hostprog_check(const struct hostprog *h, char *why, size_t cap);
/* A checked program of a blob, *h returned owned. HV_E_FORMAT, HV_E_VERSION, HV_E_NOMEM. */
HV_NODISCARD int hostprog_parse(const void *blob, size_t len, struct hostprog **h, char *why,
				size_t cap);
/* The blob of a program that passes the check, returned owned. HV_E_NOMEM. */
HV_NODISCARD int hostprog_encode(const struct hostprog *h, uint8_t **blob, size_t *len);

/* Instructions run for one record; at most HOSTPROG_STEPS_MAX in a checked program. */
uint64_t hostprog_steps(const struct hostprog *h, enum hostprog_part part);

size_t hostprog_in_bytes(const struct hostprog *h);
size_t hostprog_out_bytes(const struct hostprog *h);

/* Run checked programs. pixels: (pixels, channels); words: as the network's outputs follow each
 * other, layer by layer, each (pixels, channels). Records may lie at any address. */
void hostprog_run_encode(const struct hostprog *h, const void *record, int8_t *pixels);
void hostprog_run_decode(const struct hostprog *h, const void *record, const int32_t *words,
			 void *answer);

/* Element of a record, as IN reads it. */
double hostprog_element(const struct hostprog *h, const void *record, uint32_t element);

/* One operation over n values; the same bits as in a program. Unused operands are NULL. */
void hostprog_column(enum hostprog_op op, size_t n, const double *a, const double *b,
		     const double *c, double *to);
/* clamp(floor(gain * a + offset + 1/2), -128, 127) over n values, as EMIT does it. */
void hostprog_emit_column(size_t n, const double *a, double gain, double offset, int8_t *to);

/* Modelled cycles of one record on a Cortex-M4F, operands in registers, in a loop over records:
 * see hostprog_cycles() in cycles.c for the table and its source. */
uint64_t hostprog_cycles(const struct hostprog *h, enum hostprog_part part);

#endif
