#ifndef NAS_LINEAR_FINISH_H
#define NAS_LINEAR_FINISH_H
#include "accel/package/package.h"
#include "nas/certify.h"

/* Certificate, domain and vectors of a package without a host program whose matrix was estimated
 * (cnn_build_affine()): from fresh records of the task itself, nothing is taken from the matrix.
 * HV_E_NOMEM; HV_E_INVAL with a sentence in why. */
HV_NODISCARD int nas_linear_finish(struct package *p, const struct harvest_task *task,
				   uint64_t samples, struct nas_verdict *v, char *why, size_t cap);

#endif
