#ifndef CLIENT_CTL_OUT_H
#define CLIENT_CTL_OUT_H
#include "client/lib/reason.h"
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>

/* Is the name one that results can be written to? By its extension: .npy, .bin, .csv; "-". */
bool out_name_ok(const char *path);
/* Write records of t. HV_E_IO, HV_E_NOMEM with a sentence that names path. */
HV_NODISCARD int out_write(const char *path, const struct harvest_tensor *t, uint32_t records,
			   const void *data, struct reason *why);

#endif
