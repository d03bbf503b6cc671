#ifndef CLIENT_LIB_DIAL_H
#define CLIENT_LIB_DIAL_H
#include "client/lib/reason.h"
#include "util/fs/err.h"
#include <stdint.h>

enum { DIAL_RECEIVE_SLICE_MS = 100 }; /* SO_RCVTIMEO of the connection */

/* Connect to the daemon's socket; *fd is returned owned, close-on-exec, in blocking mode with
 * a receive timeout. Errors as conn_open(); why names the socket and what to do. */
HV_NODISCARD int dial(const char *path, uint64_t deadline_ns, int *fd, struct reason *why);

#endif
