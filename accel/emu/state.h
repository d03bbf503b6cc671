#ifndef CNN_EMU_STATE_H
#define CNN_EMU_STATE_H
#include "accel/emu/emu.h"

enum {
	EMU_KERNEL_STREAM = CNN_KERNEL_WORDS * CNN_KERNEL_WORD_BYTES,
	EMU_FIFOS = 4,
	EMU_FIFO_WORDS_MAX = 1 << 21,
	EMU_TEXT_CAP = 192,
};

/* The kernel word of a processor that is being collected, K0..K8. */
struct emu_loader {
	uint8_t stage[CNN_KERNEL_WORD_BYTES];
	uint8_t bytes; /* packed: collected so far */
	uint16_t word; /* packed: where they go */
	bool set; /* packed: an address was given */
};

/* Words that arrived for one quadrant's input; grows, because a frame may be larger than any
 * memory of the device. */
struct emu_fifo {
	uint32_t *words; /* owned */
	size_t n, cap;
};

struct cnn_emu {
	uint32_t data[CNN_INSTANCES][CNN_DATA_WORDS];
	/* As the kernel counters see it: word k, byte K0..K8 is at 9 * k + 8 .. 9 * k. */
	uint8_t kernel[CNN_PROCESSORS][EMU_KERNEL_STREAM];
	int8_t bias[CNN_QUADRANTS][CNN_BIAS_BYTES];
	/* a bit a word: holds something */
	uint32_t data_set[CNN_INSTANCES][CNN_DATA_WORDS / 32];
	uint32_t kernel_set[CNN_PROCESSORS][CNN_KERNEL_WORDS / 32];
	uint32_t bias_set[CNN_QUADRANTS][CNN_BIAS_BYTES / 32];
	uint16_t tram[CNN_PROCESSORS][CNN_TRAM_WORDS];
	uint32_t reg[CNN_QUADRANTS][CNN_LAYER_REGS][CNN_LAYERS_MAX];
	uint32_t ctrl[CNN_QUADRANTS], sram[CNN_QUADRANTS], lcnt_max[CNN_QUADRANTS];
	uint32_t test[CNN_QUADRANTS], ifrm[CNN_QUADRANTS];
	uint32_t aon, fifo_ctrl;
	uint32_t power, kernel_power, isolation, reset; /* system registers, a bit a quadrant */
	uint32_t clock_divider, clock_gate;
	struct emu_loader loader[CNN_PROCESSORS];
	struct emu_fifo fifo[EMU_FIFOS];
	uint32_t mlat_left; /* position of the byte transposer */
	bool running;
	unsigned next_layer; /* one-shot mode: which layer a start runs */
	uint64_t misuse, unset, work_max;
	char misuse_text[EMU_TEXT_CAP], unset_text[EMU_TEXT_CAP];
	void (*on_layer)(void *ctx, unsigned layer);
	void *on_layer_ctx;
};

void emu_misuse(struct cnn_emu *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Contents of one quadrant's memories go. */
void emu_lose_data(struct cnn_emu *e, unsigned q);
void emu_lose_bias(struct cnn_emu *e, unsigned q);
void emu_lose_lines(struct cnn_emu *e, unsigned q);
void emu_lose_kernels(struct cnn_emu *e, unsigned q);
void emu_test_write(struct cnn_emu *e, unsigned q, uint32_t value);
/* Word i of a memory whose words in use are `bits` is read over the bus. */
void emu_unset_bus_read(struct cnn_emu *e, uint32_t addr, const uint32_t *bits, uint32_t i);

static inline void emu_set(uint32_t *bits, uint32_t i)
{
	bits[i / 32] |= UINT32_C(1) << i % 32;
}

/* One region of a quadrant's address space, `off` from its start. */
void emu_kernel_write32(struct cnn_emu *e, unsigned processor, uint32_t off, uint32_t value);
void emu_kernel_write8(struct cnn_emu *e, unsigned processor, uint32_t off, uint8_t value);
uint32_t emu_kernel_read32(const struct cnn_emu *e, unsigned processor, uint32_t off);

/* Run layers of a pending start; emu_run_cycles() needs no memories, only registers. */
void emu_run(struct cnn_emu *e, unsigned first, unsigned last);
uint64_t emu_run_cycles(const struct cnn_emu *e, unsigned first, unsigned last);

/* What the header promises; frames that wait in the FIFOs come on top. */
_Static_assert(sizeof(struct cnn_emu) <= 2 << 20, "the emulator's state outgrows 2 MiB");

#endif
