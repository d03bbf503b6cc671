#ifndef CNN_REF_H
#define CNN_REF_H
#include "accel/net/net.h"

/* Bit-exact inference by definition. Tensors are (C, H, W), row-major; 8-bit values are held
 * in int32_t like 32-bit ones. */
struct cnn_tensors {
	int32_t *out[CNN_LAYERS_MAX]; /* of every layer, returned owned */
};

/* net has passed cnn_net_check(); input: channels*height*width values.
 * HV_E_NOMEM. Free with cnn_tensors_free(). */
HV_NODISCARD int cnn_ref_run(const struct cnn_net *net, const int8_t *input, struct cnn_tensors *t);
void cnn_tensors_free(struct cnn_tensors *t);

#endif
