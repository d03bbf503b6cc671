#ifndef SLOTIMG_BUILD_H
#define SLOTIMG_BUILD_H
#include "accel/image/image.h"
#include "accel/slotimg/slotimg.h"
#include <stdint.h>

/* Compile a package's network and steps into a slot image placed in `room`, beside a resident
 * network that uses `also_quadrants`. net is for one record. Plain linear networks give images
 * of version 1, others of version 2, whose quadrants are their own alone. *bytes is returned
 * owned. HV_E_BUSY: does not fit (why says what is missing); HV_E_INVAL; HV_E_NOMEM. */
HV_NODISCARD int slotimg_build(const struct cnn_net *net, const void *steps, size_t steps_len,
			       const struct cnn_room *room, uint8_t also_quadrants, uint8_t **bytes,
			       size_t *len, char *why, size_t cap);

#endif
