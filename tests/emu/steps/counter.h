#ifndef EMU_STEPS_COUNTER_H
#define EMU_STEPS_COUNTER_H
#include "accel/emu/emu.h"
#include "tests/emu/steps/target.h"
#include <stdbool.h>
#include <unicorn/unicorn.h>

/* Runs functions of the agent's Arm code in unicorn, one call at a time, and counts what each
 * call costs: processor cycles by the Cortex-M4's manual (no waits for memory: code comes from
 * the instruction cache, data from RAM; every branch counts as taken, every division as the
 * longest) and accesses to the accelerator, which is emulated. */
enum { COUNTER_RAM = 0x40000, COUNTER_FLASH = 0x40000 };

struct counter_cost {
	uint32_t cycles, writes, reads;
};

struct counter {
	uc_engine *uc;
	struct cnn_emu *emu;
	uint8_t flash[COUNTER_FLASH], ram[COUNTER_RAM]; /* ram is the machine's own memory */
	uint16_t block_cost[COUNTER_FLASH / 2];
	struct counter_cost cost; /* of the call in progress */
	bool dry; /* writes to the accelerator are counted, not done */
	uint32_t step, begin, end, expect, agent, port; /* addresses */
	uint8_t *saved;
	char error[200];
};

/* Load an ELF file and call target_begin(). False: error says why. */
bool counter_open(struct counter *c, const char *elf);
void counter_close(struct counter *c);

/* Call a function of up to three words of arguments; r0, or 0 and an error. */
uint32_t counter_call(struct counter *c, uint32_t addr, uint32_t a0, uint32_t a2, uint32_t a3);

/* The call and what it would cost now, everything as before afterwards. */
struct counter_cost counter_try(struct counter *c, uint32_t addr, uint32_t a0, uint32_t a2,
				uint32_t a3);

struct target_port *counter_port(struct counter *c);
uint32_t counter_u8(const struct counter *c, uint32_t offset); /* of struct agent */
uint32_t counter_u16(const struct counter *c, uint32_t offset);

uint64_t counter_ns(const struct counter_cost *k, uint32_t cpu_hz);

#endif
