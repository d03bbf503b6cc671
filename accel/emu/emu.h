#ifndef CNN_EMU_H
#define CNN_EMU_H
#include "accel/arch.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>

/* Register-level emulator: executes bus writes as the accelerator would. Knows addresses and
 * nothing of networks. State is about 1 MiB. Never fails on any sequence of writes: misuse is
 * counted and the last case is described. Not thread-safe; one per thread. */
struct cnn_emu;

HV_NODISCARD int cnn_emu_new(struct cnn_emu **e); /* powered, clocked, just reset */
void cnn_emu_free(struct cnn_emu *e);
void cnn_emu_reset(struct cnn_emu *e);            /* everything lost */

void cnn_emu_write32(struct cnn_emu *e, uint32_t addr, uint32_t value);
void cnn_emu_write8(struct cnn_emu *e, uint32_t addr, uint8_t value);
uint32_t cnn_emu_read32(struct cnn_emu *e, uint32_t addr);

/* A look at a register or memory word without the bus: no side effect, no misuse, also while
 * running. 0 where nothing is. For testers. */
uint32_t cnn_emu_peek32(const struct cnn_emu *e, uint32_t addr);

/* A start was written and has neither been run nor stopped. While it is pending the machine
 * counts as running: memory writes are misuse. */
bool cnn_emu_running(const struct cnn_emu *e);
/* Cycles the pending run takes by the cost model, from the registers alone. */
uint32_t cnn_emu_cycles(const struct cnn_emu *e);
/* Let the pending run happen and set the done bits. The owner of modelled time calls it when
 * cnn_emu_cycles() have passed; a tester at once. A stop written before cancels it: then the
 * data memories stay as they were. */
void cnn_emu_finish(struct cnn_emu *e);

/* Called after every layer of a run (KAT traces); NULL for none. */
void cnn_emu_on_layer(struct cnn_emu *e, void (*fn)(void *ctx, unsigned layer), void *ctx);

/* Misuse so far, and a sentence about the last one ("" when none). */
uint64_t cnn_emu_misuse(const struct cnn_emu *e);
const char *cnn_emu_misuse_text(const struct cnn_emu *e);

#endif
