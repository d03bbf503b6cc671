#ifndef SIM_FAULT_H
#define SIM_FAULT_H
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

/* What goes wrong with a virtual board, and when (modelled time; UINT64_MAX: never).
 *
 *   drop:P flip:P      probability that a byte of the line is lost, or one bit of it flips
 *   stall@MS           the agent stops working
 *   unplug@MS          the cable is pulled
 *   reset@MS           the board restarts
 *   wrong-answer:P     probability that a harvested run gives garbage
 *   slow:F             a harvested inference takes F times its cycles
 *   garble-above:BPS   at a higher rate of the line every byte is another */
struct fault_plan {
	double drop, flip, wrong_answer;
	uint64_t stall_ns, unplug_ns, reset_ns;
	uint32_t slow, garble_above_bps;
};

void fault_plan_init(struct fault_plan *f);
/* Add one --fault. HV_E_INVAL: why gets one sentence. */
HV_NODISCARD int fault_plan_add(struct fault_plan *f, const char *text, char *why, size_t cap);
#endif
