#ifndef EMU_STEPS_TARGET_H
#define EMU_STEPS_TARGET_H
#include <stdint.h>

/* What the host and the Arm code of the step counter share: one structure, the same layout on
 * both sides. */
enum { TARGET_LINE = 4096 };

struct target_port {
	uint64_t now_us; /* of the host */
	uint32_t rx_n, rx_at, tx_n; /* bytes in rx and taken of them; bytes in tx */
	uint8_t rx[TARGET_LINE], tx[TARGET_LINE];
	/* offsets in struct agent, and its size */
	uint32_t agent_bytes, dirty_regs, dirty_ctrl, hold, phase, turn, in_what, load_part;
	uint32_t restore_regs_max, step_cycles, long_cycles, begin_cycles, restore_cycles,
		slice_ops, long_ops;
	uint32_t bound_us;
	uint32_t idle_steps; /* of the ring's writer */
};

#endif
