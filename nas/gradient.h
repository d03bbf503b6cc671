#ifndef NAS_GRADIENT_H
#define NAS_GRADIENT_H
#include "nas/encoding.h"
#include "nas/search.h"

/* Trains networks behind an encoding that is already chosen, architectures by the supernet
 * (nas/super), until the aim is reached or time is up, and adds them to the front. Adds nothing
 * for encodings beyond the supernet's limits. HV_E_NOMEM, HV_E_INVAL: why has a sentence. */
HV_NODISCARD int nas_gradient_run(struct nas_request *q, struct nas_front *f,
				  const struct nas_encoding *e, const struct nas_data *train,
				  const struct nas_data *valid, char *why, size_t cap);

#endif
