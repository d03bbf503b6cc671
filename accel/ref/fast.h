#ifndef CNN_FAST_H
#define CNN_FAST_H
#include "accel/net/net.h"

/* The reference once more, fast: the same bits as cnn_ref_run(), weights packed once for this
 * CPU, no allocation per run. One per thread. */
struct cnn_fast;

/* Packs all weights (they need not outlive the call). isa: NULL for the best one of this CPU,
 * or a name out of cnn_fast_isa(). net has passed cnn_net_check().
 * HV_E_NOENT: this CPU has no such isa. HV_E_NOMEM. *f is returned owned. */
HV_NODISCARD int cnn_fast_new(const struct cnn_net *net, const char *isa, struct cnn_fast **f);
void cnn_fast_free(struct cnn_fast *f);

/* Name of the i-th instruction set this CPU can run, best first; NULL after the last one, which
 * is "plain". */
const char *cnn_fast_isa(unsigned i);

/* Values of all output layers of one input, in layer order. */
size_t cnn_fast_outputs(const struct cnn_fast *f);

/* inputs: `batch` tensors (C, H, W); outputs: `batch` times the (C, H, W) tensors of all output
 * layers, in layer order, 8-bit values in int32_t. */
void cnn_fast_run(struct cnn_fast *f, const int8_t *inputs, unsigned batch, int32_t *outputs);

#endif
