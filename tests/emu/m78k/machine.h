#ifndef EMU_MACHINE_H
#define EMU_MACHINE_H
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A MAX78000 that runs the image of its flash: an interpreter of the Cortex-M4, models of the
 * registers that firmware of ours touches, and the accelerator's emulator behind its bus window.
 *
 * Time is modelled. An instruction takes the cycles of the core's manual with no wait for memory
 * (a load or store 2, of n registers 1 + n, a taken branch 3, a division 7, else 1), entry into
 * an interrupt 12 and return 10; a word to or from the accelerator the vendor generator's budget;
 * an inference the cycles of accel/cost. Sleep jumps to the next event. The same image and the
 * same bytes at the same modelled times give the same run.
 *
 * Stands in for silicon where documents agree, and is strict where silicon is merely undefined:
 *   - the accelerator before power-up, or with its clock gated: bus fault (imprecise: the rest of
 *     the basic block still happens);
 *   - a serial line whose pins or clocks are not set up is deaf and dumb, a full receive FIFO
 *     loses bytes, its threshold flag is set only when the level passes the threshold;
 *   - the watchdog resets, and its flag survives that;
 *   - a register that has no model reads 0, ignores writes and is told by machine_report().
 * The MPU is looked at where an exception pushes its frame, and nowhere else.
 * Not there: timers, low-power modes, PSP and privilege, the FPU's stack frames (its
 * registers do survive an interrupt), flash writes, the RISC-V core, execution from SRAM that was
 * rewritten. Not thread-safe. */
struct machine;

struct machine_options {
	const uint8_t *image; /* what is flashed at 0x10000000; copied */
	size_t image_bytes;
	uint32_t unit; /* which of many chips: serial number and noise */
	uint32_t line_bps; /* of the far end; 0: always what the board's UART is set to */
	uint32_t slow; /* a harvested inference takes so many times its cycles; 0: once */
	/* Where agent_primary_begin() and agent_primary_end() are, 0: unknown. Seen from outside:
	 * the image is not changed. */
	uint32_t primary_begin, primary_end;
	FILE *log; /* evidence as of harvest-board --log, or NULL; borrowed */
};

struct machine_counters {
	uint64_t instructions, interrupts, resets, watchdog_resets, faults;
	uint64_t rx_bytes, rx_overruns, rx_garbled, tx_bytes, tx_lost;
	uint64_t primaries, wait_max_ns, runs, run_aborts;
	uint64_t unknown; /* accesses to registers without a model */
	uint64_t violations; /* what silicon would not have forgiven; the last in words */
	char violation[160];
};

/* HV_E_INVAL: no image that starts; HV_E_NOMEM. why gets one sentence. */
HV_NODISCARD int machine_new(const struct machine_options *o, struct machine **m, char *why,
			     size_t cap);
void machine_free(struct machine *m);

/* Let modelled time pass until then. Returns early, with HV_E_GONE, when the interpreter does
 * something this model has no answer to; machine_why() says what. */
HV_NODISCARD int machine_run(struct machine *m, uint64_t until_ns);
const char *machine_why(const struct machine *m);
uint64_t machine_now_ns(const struct machine *m);
/* When something happens without input, at least now; UINT64_MAX: nothing will. */
uint64_t machine_next_ns(const struct machine *m);
/* The core does not sleep, bytes are on the line or an inference runs. */
bool machine_is_busy(const struct machine *m);

/* The far end of the serial line. */
size_t machine_feed(struct machine *m, const uint8_t *bytes, size_t n); /* how many had room */
size_t machine_feed_room(const struct machine *m);
size_t machine_drain(struct machine *m, uint8_t *to, size_t cap);
void machine_unplug(struct machine *m); /* bytes under way are lost */

/* From now on the main loop spins in place, with interrupts as they are: what a bug in the
 * primary's firmware looks like. HV_E_NOENT: the image has no instruction that branches to
 * itself. */
HV_NODISCARD int machine_hang(struct machine *m);

/* A word of SRAM, for tests; 0 elsewhere. */
uint32_t machine_peek32(struct machine *m, uint32_t addr);
uint32_t machine_clock_hz(const struct machine *m);
uint64_t machine_misuse(const struct machine *m); /* of the accelerator, as its emulator counts */
const struct machine_counters *machine_counters(const struct machine *m);
/* One line for each register that was touched and has no model, then violations and misuse.
 * harmless: addresses in hexadecimal, separated by commas, that need not be told; or NULL. */
void machine_report(const struct machine *m, FILE *to, const char *harmless);
/* A register that is not listed was touched and has no model. */
bool machine_unknown_harmful(const struct machine *m, const char *harmless);
void machine_log_flush(struct machine *m);

#endif
