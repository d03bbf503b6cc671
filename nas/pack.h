#ifndef NAS_PACK_H
#define NAS_PACK_H
#include "accel/package/package.h"

/* From a network to the rest of a package, for engines that lay their layers themselves. */

/* Steps that move the network's input and outputs as they are. HV_E_NOMEM; HV_E_INVAL: more than
 * two output layers. */
HV_NODISCARD int nas_pack_steps(struct package *p);
/* An empty host program with the sizes of task, network and steps; owned by p. NULL: no memory.
 */
struct hostprog *nas_pack_host(struct package *p, const struct harvest_task *t);
/* Task, recipe and cost. */
void nas_pack_finish(struct package *p, const struct harvest_task *t, const char *engine,
		     const char *text, uint64_t seed);
uint64_t nas_pack_host_cycles(const struct package *p);
size_t nas_pack_weight_bytes(const struct package *p); /* biases included */

#endif
