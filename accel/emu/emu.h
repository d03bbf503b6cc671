#ifndef CNN_EMU_H
#define CNN_EMU_H
#include "accel/arch.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>

/* Register-level emulator: executes bus writes as the accelerator would. Knows addresses and
 * nothing of networks. State is below 2 MiB, beside frames in the FIFOs. Never fails on any
 * sequence of writes: misuse is counted and the last case is described. Not thread-safe; one per
 * thread.
 *
 * What no document settles is a prediction, always the choice that a user can least rely on:
 * - A stop takes back a start as a whole; a stopped machine starts at layer 0 again, in one-shot
 *   mode too once LCNT_MAX was written.
 * - Memories are out of bounds while a run is pending, reads as well.
 * - Power off (system register 0) loses registers, data, biases and line buffers at once; kernels
 *   are lost when their own supply (register 1) is off as well, and kept otherwise. A reset pulse
 *   loses registers and a pending run, no memory.
 * - AON bits 11:8 shut kernel memories, bits 15:12 and SRAM bit 16 lose contents, SRAM bit 15
 *   shuts the quadrant's memories. Lost contents read as 0.
 * - Self test and zeroise are done at once and never fail.
 * - With the clock gated an access does nothing; silicon may hang.
 * - A FIFO has room for the largest frame: status "full" is seen only behind that. A run whose
 *   frame is incomplete takes zeros; silicon would wait.
 * - Unused byte lanes of a written word become 0; sums have 32 bits. */
struct cnn_emu;

HV_NODISCARD int cnn_emu_new(struct cnn_emu **e); /* powered, clocked, just reset */
void cnn_emu_free(struct cnn_emu *e);
void cnn_emu_reset(struct cnn_emu *e); /* everything lost */

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

/* Longest run, in steps of the host's loops (about one per product); later layers of a longer
 * one are misuse and do nothing. Hostile registers can ask for hours. Initially 1 << 36, which
 * every network that fits the device stays below. */
void cnn_emu_work_max(struct cnn_emu *e, uint64_t steps);

/* Reads of words that nothing has written since they lost their contents, by the bus or by a
 * run (at most one of each memory a layer), and a sentence about the last. No misuse: the device
 * gives something, and generated networks may read channels that do not exist. */
uint64_t cnn_emu_unset(const struct cnn_emu *e);
const char *cnn_emu_unset_text(const struct cnn_emu *e);

/* Misuse so far, and a sentence about the last one ("" when none). */
uint64_t cnn_emu_misuse(const struct cnn_emu *e);
const char *cnn_emu_misuse_text(const struct cnn_emu *e);

#endif
