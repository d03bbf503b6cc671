#ifndef DAEMON_IPC_LISTEN_H
#define DAEMON_IPC_LISTEN_H
#include "util/fs/err.h"
#include <stddef.h>

/* The socket of the daemon, and the lock beside it that makes it the only one: a stale socket
 * file is removed, a live daemon's never. */
struct listen {
	int fd; /* bound, not yet listening; -1: none */
	int lock_fd; /* -1: none (socket activation) */
	char path[108];
};

/* Makes the directory if it is missing (0755 for root, else 0750). Socket mode 0660.
 * HV_E_BUSY: another daemon has it; HV_E_INVAL: path too long; HV_E_DENIED, HV_E_IO: why gets
 * a sentence. */
HV_NODISCARD int listen_open(const char *path, struct listen *l, char *why, size_t cap);
/* Remove the socket file and let the lock go. The fd belongs to whoever took it. */
void listen_close(struct listen *l);

#endif
