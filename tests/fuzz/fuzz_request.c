/* A whole daemon and one client that says whatever the fuzzer likes: first raw, then, after a
 * proper greeting, again. Nothing a client sends may crash the daemon, unbalance its books or
 * leave anything behind. */
#include "tests/lib/daemon_world.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;
static bool started;

static void start(void)
{
	world_limits.jobs = 64;
	world_limits.jobs_per_client = 16;
	world_limits.jobs_remembered = 16;
	world_limits.payload_bytes = 8 << 20;
	world_limits.payload_bytes_per_client = 4 << 20;
	fake_model_add("fft64-t", "fft64", 60);
	fake_boards_n = 1;
	fake_plan[0] = (struct fake_board_plan){ .ready = true, .batch_records = 16, .room = 2 };
	world_start(&w, 1);
	started = true;
}

static void say(struct peer *p, const uint8_t *data, size_t size)
{
	uint8_t drop[4096];

	while (size > 0) {
		ssize_t n = send(p->fd, data, size < 3000 ? size : 3000, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		data += n;
		size -= (size_t)n;
		world_step(&w);
		while (recv(p->fd, drop, sizeof(drop), 0) > 0)
			;
	}
	for (int i = 0; i < 4; i++)
		world_step(&w);
}

/* No client, no job, and no samples but those that are kept. Changes of models end on a thread of
 * their own, so this may take a while. */
static bool settled(void)
{
	return w.store.live == 0 && server_clients(w.server) == 0 &&
	       w.store.payload_bytes == w.store.detached_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer p;

	if (!started)
		start();
	p = peer_raw(&w);
	say(&p, data, size);
	peer_close(&p);
	p = peer_connect(&w);
	say(&p, data, size);
	peer_close(&p);
	for (int i = 0; i < 200000 && !settled(); i++)
		world_step(&w);
	if (!settled())
		abort();
	return 0;
}
