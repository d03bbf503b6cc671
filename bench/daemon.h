#ifndef BENCH_DAEMON_H
#define BENCH_DAEMON_H
#include "util/fs/err.h"
#include <sys/types.h>

/* A harvestd of our own: private socket and state in a fresh directory. */
struct bench_daemon {
	pid_t pid;
	char dir[64];
	char socket[96];
};

/* Start `program` and return at once; whoever connects waits until it listens. Its log goes
 * to `log` in the directory. HV_E_IO, HV_E_NOENT. */
HV_NODISCARD int bench_daemon_start(const char *program, struct bench_daemon *d);
/* Has it ended by itself? */
int bench_daemon_is_gone(struct bench_daemon *d);
/* Ask it to end, wait at most five seconds, then insist; remove the directory. */
void bench_daemon_stop(struct bench_daemon *d);

#endif
