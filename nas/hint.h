#ifndef NAS_HINT_H
#define NAS_HINT_H
#include "nas/plan.h"

/* Encodings that a task names (harvest_task.encodings), as host programs: by name. Fills plan
 * with the values that the host makes of a record, what the network has to answer and what
 * becomes of it; base: the values to be cut, their number in *bases. False: the task names none
 * that is known here. */
bool nas_hint_apply(const struct harvest_task *task, struct nas_plan *plan, uint16_t *base,
		    unsigned *bases);

#endif
