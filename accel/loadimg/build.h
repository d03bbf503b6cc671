#ifndef LOADIMG_BUILD_H
#define LOADIMG_BUILD_H
#include "accel/loadimg/loadimg.h"

/* Compile a network into a load image: placed at the low end of every memory, in the smallest
 * of a few rooms, so that the rest is one room for guests. *bytes is returned owned; img gets
 * its header. HV_E_INVAL with why: no load image can carry this network (FIFO, streaming,
 * byte-sequential or element-wise input); HV_E_BUSY: it does not fit; HV_E_NOMEM. */
HV_NODISCARD int loadimg_build(const char *name, const struct cnn_net *net, uint8_t **bytes,
			       size_t *len, struct loadimg *img, char *why, size_t cap);

#endif
