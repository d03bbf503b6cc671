#include "bench/floor.h"
#include "tasks/catalog.h"
#include "tasks/kernel.h"
#include "util/own.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int write_all(int fd, const uint8_t *from, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, from, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return HV_E_IO;
		from += w;
		n -= (size_t)w;
	}
	return HV_OK;
}

/* At least one byte, at most cap; 0 at the end. */
static ssize_t read_some(int fd, uint8_t *to, size_t cap)
{
	ssize_t r;

	do
		r = read(fd, to, cap);
	while (r < 0 && errno == EINTR);
	return r;
}

/* Answer until the other side closes. */
static int serve(int fd, const struct harvest_task *t, size_t records, size_t in_flight_max)
{
	size_t in_bytes = records * tensor_bytes(&t->in), have = 0;
	size_t out_bytes = records * tensor_bytes(&t->out);
	hv_autofree uint8_t *in = malloc(in_bytes * in_flight_max);
	hv_autofree uint8_t *out = malloc(out_bytes * in_flight_max);
	struct hv_kernel *kernel = NULL;
	int err = HV_OK;

	if (in == NULL || out == NULL || hv_kernel_new(t, &kernel) < 0)
		return HV_E_NOMEM;
	while (err == HV_OK) {
		ssize_t r = read_some(fd, in + have, in_bytes * in_flight_max - have);
		size_t whole;

		if (r <= 0)
			break;
		have += (size_t)r;
		whole = have / in_bytes;
		if (whole == 0)
			continue;
		hv_kernel_run(kernel, in, out, whole * records);
		err = write_all(fd, out, whole * out_bytes);
		have -= whole * in_bytes;
		for (size_t i = 0; i < have; i++) /* a part of the next request */
			in[i] = in[whole * in_bytes + i];
	}
	hv_kernel_free(kernel);
	return err;
}

int floor_start(const struct harvest_task *t, size_t records, size_t in_flight_max,
		struct floor_peer *p)
{
	int pair[2];

	*p = (struct floor_peer){ .pid = -1, .fd = -1 };
	p->in_bytes = records * tensor_bytes(&t->in);
	p->out_bytes = records * tensor_bytes(&t->out);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hv_err_errno(errno);
	p->pid = fork();
	if (p->pid == 0) {
		/* Nothing else may stay open: the end of another server is seen as the end of
		 * its socket, of which this child has a copy. */
		dup2(pair[1], 3);
		close_range(4, ~0u, 0);
		_exit(serve(3, t, records, in_flight_max) == HV_OK ? 0 : 1);
	}
	close(pair[1]);
	p->fd = pair[0];
	if (p->pid < 0) {
		floor_stop(p);
		return HV_E_IO;
	}
	return HV_OK;
}

int floor_exchange(struct floor_peer *p, const void *in, void *out, size_t n)
{
	size_t want = n * p->out_bytes;
	uint8_t *to = out;

	if (write_all(p->fd, in, n * p->in_bytes) < 0)
		return HV_E_IO;
	while (want > 0) {
		ssize_t r = read_some(p->fd, to, want);

		if (r <= 0)
			return HV_E_IO;
		to += r;
		want -= (size_t)r;
	}
	return HV_OK;
}

void floor_stop(struct floor_peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (p->pid > 0)
		waitpid(p->pid, NULL, 0);
	p->pid = -1;
}
