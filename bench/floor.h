#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The floor under every hand-off: two processes on a blocking Unix stream socket, one write
 * and one read a side, the same kernel behind it, nothing else. With several requests in
 * flight the client writes all of them at once and the server answers whatever one read
 * returned with one write. */
struct floor_peer {
	pid_t pid; /* the server, a child */
	int fd;
	size_t in_bytes, out_bytes; /* of one request and one answer */
};

/* Fork the server. records: of one request. HV_E_NOMEM, HV_E_IO. */
HV_NODISCARD int floor_start(const struct harvest_task *t, size_t records, size_t in_flight_max,
			     struct floor_peer *p);
/* Send n requests, wait for n answers. in, out: n of them, packed. HV_E_IO when the server is
 * gone. */
HV_NODISCARD int floor_exchange(struct floor_peer *p, const void *in, void *out, size_t n);
/* Close and wait for the server. Idempotent. */
void floor_stop(struct floor_peer *p);

#endif
