/* A bad cable between a board and harvestd's boards.sock.
 *   line_noise --listen SOCKET --connect SOCKET [--flip P] [--drop P] [--seed N] [--cut BYTES]
 * Whatever connects to the first socket is connected to the second. Each byte is lost with
 * probability drop, and has one bit flipped with probability flip, both ways. --cut ends the
 * first connection when so many bytes have gone to the board. SIGUSR1: both ends get random
 * bytes for two seconds, between the others. SIGUSR2: silence for one second, nothing is
 * read. Ends on SIGTERM with what it did, `name value` a line. */
#include "util/clock.h"
#include "util/own.h"
#include "util/rng.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CHUNK = 2048, BABBLE = 12, TICK_MS = 2 }; /* 6 KB/s: half of what 115200 carries */

#define BABBLE_NS  UINT64_C(2000000000)
#define SILENCE_NS UINT64_C(1000000000)

struct cable {
	const char *listen, *connect;
	double flip, drop;
	uint64_t seed, cut;
	struct hv_rng rng;
	uint64_t flipped, dropped, babbled, to_board, connections;
	uint64_t babble_until_ns, silent_until_ns;
};

struct pipe {
	int from, to;
	uint8_t byte[2 * CHUNK];
	size_t n;
	bool downwards; /* to the board */
};

static volatile sig_atomic_t stop, babble, silence;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		babble = 1;
	else if (sig == SIGUSR2)
		silence = 1;
	else
		stop = 1;
}

static bool set_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a->sun_path))
		return false;
	memcpy(a->sun_path, path, strlen(path) + 1);
	return true;
}

static int dial(const char *path)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || !set_address(&a, path) || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return fd;
}

static int serve(const char *path)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || !set_address(&a, path) || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 4) < 0)
		return -1;
	return fd;
}

static void spoil(struct cable *c, struct pipe *p, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t b = in[i];

		if (c->drop > 0 && hv_rng_uniform(&c->rng, 0, 1) < c->drop) {
			c->dropped++;
			continue;
		}
		if (c->flip > 0 && hv_rng_uniform(&c->rng, 0, 1) < c->flip) {
			b ^= (uint8_t)(1u << (hv_rng_u64(&c->rng) & 7));
			c->flipped++;
		}
		p->byte[p->n++] = b;
	}
}

/* False: one end is gone. */
static bool take(struct cable *c, struct pipe *p)
{
	uint8_t in[CHUNK];
	ssize_t n;

	if (p->n > CHUNK)
		return true;
	n = recv(p->from, in, sizeof(in), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (p->downwards)
		c->to_board += (uint64_t)n;
	spoil(c, p, in, (size_t)n);
	return n > 0;
}

static bool give(struct pipe *p)
{
	ssize_t n;

	if (p->n == 0)
		return true;
	n = send(p->to, p->byte, p->n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	p->n -= (size_t)n;
	memmove(p->byte, p->byte + n, p->n);
	return true;
}

static void add_babble(struct cable *c, struct pipe *p)
{
	for (unsigned i = 0; i < BABBLE && p->n < CHUNK; i++, c->babbled++)
		p->byte[p->n++] = (uint8_t)hv_rng_u64(&c->rng);
}

static void signals(struct cable *c, uint64_t now)
{
	if (babble)
		c->babble_until_ns = now + BABBLE_NS;
	if (silence)
		c->silent_until_ns = now + SILENCE_NS;
	babble = silence = 0;
}

static void carry(struct cable *c, int board, int daemon)
{
	struct pipe down = { .from = daemon, .to = board, .downwards = true };
	struct pipe up = { .from = board, .to = daemon };
	bool alive = true;

	while (alive && !stop) {
		uint64_t now = hv_now_ns();
		struct pollfd fd[2] = { { .fd = board }, { .fd = daemon } };

		signals(c, now);
		if (now >= c->silent_until_ns) {
			alive = take(c, &down) && take(c, &up);
			if (now < c->babble_until_ns) {
				add_babble(c, &down);
				add_babble(c, &up);
			}
			alive = alive && give(&down) && give(&up);
			fd[0].events = fd[1].events = POLLIN;
		}
		if (c->cut > 0 && c->to_board >= c->cut) {
			c->cut = 0;
			return;
		}
		if (down.n > 0 || up.n > 0 || now < c->babble_until_ns || fd[0].events == 0)
			(void)poll(NULL, 0, TICK_MS);
		else
			(void)poll(fd, 2, 100);
	}
}

static int parse(int argc, char **argv, struct cable *c)
{
	static const struct option longs[] = {
		{ "listen", 1, NULL, 'l' }, { "connect", 1, NULL, 'c' }, { "flip", 1, NULL, 'f' },
		{ "drop", 1, NULL, 'd' },   { "seed", 1, NULL, 's' },    { "cut", 1, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	int o = getopt_long(argc, argv, "", longs, NULL);

	for (; o != -1; o = getopt_long(argc, argv, "", longs, NULL))
		switch (o) {
		case 'l': c->listen = optarg; break;
		case 'c': c->connect = optarg; break;
		case 'f': c->flip = strtod(optarg, NULL); break;
		case 'd': c->drop = strtod(optarg, NULL); break;
		case 's': c->seed = strtoull(optarg, NULL, 10); break;
		case 'x': c->cut = strtoull(optarg, NULL, 10); break;
		default: return 2;
		}
	if (c->listen != NULL && c->connect != NULL && optind == argc)
		return 0;
	fprintf(stderr, "line_noise: --listen and --connect are needed\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct cable c = { .seed = 1 };
	int fd;

	if (parse(argc, argv, &c) != 0)
		return 2;
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	hv_rng_seed(&c.rng, c.seed);
	fd = serve(c.listen);
	if (fd < 0) {
		fprintf(stderr, "line_noise: cannot listen at %s\n", c.listen);
		return 1;
	}
	while (!stop) {
		hv_autoclose int board = accept(fd, NULL, NULL);
		hv_autoclose int daemon = board >= 0 ? dial(c.connect) : -1;

		if (board < 0 || daemon < 0)
			continue;
		c.connections++;
		carry(&c, board, daemon);
	}
	close(fd);
	printf("connections %" PRIu64 "\nflipped %" PRIu64 "\ndropped %" PRIu64 "\nbabbled %" PRIu64
	       "\nto_board %" PRIu64 "\n",
	       c.connections, c.flipped, c.dropped, c.babbled, c.to_board);
	return 0;
}
