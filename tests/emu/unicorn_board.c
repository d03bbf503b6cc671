/* A MAX78000 that runs the image to be flashed, as a process with a serial line.
 *   unicorn_board --image BIN [--elf ELF] [--connect SOCKET] [--log FILE] [--time real|fast]
 *                 [--unit N] [--slow F] [--line-bps N] [--harmless ADDR,...] [--seconds N]
 * SOCKET is harvestd's boards.sock. With the ELF file of the image, activations of the primary
 * are seen by the addresses of its bracket and go to the log, in the form of harvest-board --log.
 * SIGUSR1 hangs the main loop, until the watchdog acts. Ends on SIGTERM or SIGINT with a summary,
 * `name value` a line.
 * Exit codes: 0; 1 the image did what the model has no answer to, or touched a register that is
 * not known and not listed as harmless; 2 usage; 5 no daemon; 8 no good image. */
#include "tests/emu/m78k/machine.h"
#include "tests/emu/m78k/symbols.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { EXIT_IMAGE_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 5, EXIT_FILE = 8 };
enum { FILE_MAX_BYTES = 16 << 20, PATIENCE_S = 5 };

#define SLICE_NS UINT64_C(2000000)
#define RETRY_NS UINT64_C(200000000)
#define NAP_NS   UINT64_C(500000)
#define LATE_NS  UINT64_C(100000000)

struct options {
	const char *image, *elf, *connect, *log, *harmless;
	bool fast;
	uint64_t seconds; /* of modelled time; 0: until a signal */
	struct machine_options machine;
};

struct cable {
	const char *path;
	int fd;
	bool was_up;
	uint64_t try_at_ns, since_ns;
	uint8_t out[4096];
	size_t out_at, out_n;
};

static volatile sig_atomic_t stop, hang;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		hang = 1;
	else
		stop = 1;
}

/* -- cable --------------------------------------------------------------------------------- */

static void cable_close(struct cable *c, struct machine *m, uint64_t wall_ns)
{
	close(c->fd);
	c->fd = -1;
	c->out_at = c->out_n = 0;
	c->try_at_ns = wall_ns + RETRY_NS;
	machine_unplug(m);
}

static void cable_open(struct cable *c, uint64_t wall_ns)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	c->try_at_ns = wall_ns + RETRY_NS;
	memcpy(to.sun_path, c->path, strlen(c->path) + 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
		c->fd = fd;
		c->was_up = true;
		return;
	}
	if (fd >= 0)
		close(fd);
}

static bool cable_in(struct cable *c, struct machine *m)
{
	uint8_t in[1024];

	while (machine_feed_room(m) >= sizeof(in)) {
		ssize_t n = read(c->fd, in, sizeof(in));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		machine_feed(m, in, (size_t)n);
	}
	return true;
}

static bool cable_out(struct cable *c, struct machine *m)
{
	for (;;) {
		ssize_t n;

		if (c->out_at == c->out_n) {
			c->out_at = 0;
			c->out_n = machine_drain(m, c->out, sizeof(c->out));
		}
		if (c->out_n == 0)
			return true;
		n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_at += (size_t)n;
	}
}

/* False: there was never a daemon. */
static bool cable_run(struct cable *c, struct machine *m, uint64_t wall_ns)
{
	uint8_t nowhere[256];

	if (c->path == NULL || c->fd < 0)
		while (machine_drain(m, nowhere, sizeof(nowhere)) > 0)
			;
	if (c->path == NULL)
		return true;
	if (c->fd < 0 && wall_ns >= c->try_at_ns)
		cable_open(c, wall_ns);
	if (c->fd >= 0 && (!cable_in(c, m) || !cable_out(c, m)))
		cable_close(c, m, wall_ns);
	return c->was_up || wall_ns - c->since_ns < PATIENCE_S * UINT64_C(1000000000);
}

static void cable_wait(const struct cable *c, const struct machine *m, uint64_t ns,
		       const sigset_t *open_mask)
{
	struct pollfd fd = { .fd = c->fd };
	struct timespec t;

	if (machine_feed_room(m) >= 1024)
		fd.events |= POLLIN;
	if (c->out_at < c->out_n)
		fd.events |= POLLOUT;
	if (ns > RETRY_NS)
		ns = RETRY_NS;
	t = (struct timespec){ 0, (long)ns };
	(void)ppoll(&fd, c->fd >= 0 ? 1 : 0, &t, open_mask);
}

/* -- time ---------------------------------------------------------------------------------- */

struct pace {
	bool fast;
	uint64_t wall_ns, model_ns; /* they were together then */
};

/* Let modelled time come to due_ns, for no more than 20 ms of the wall's. */
static bool catch_up(struct machine *m, uint64_t due_ns)
{
	uint64_t end = hv_now_ns() + 10 * SLICE_NS;

	while (machine_now_ns(m) < due_ns && hv_now_ns() < end)
		if (machine_run(m, machine_next_ns(m) > due_ns
					   ? due_ns
					   : machine_now_ns(m) + SLICE_NS) != HV_OK)
			return false;
	return true;
}

/* How long to sleep. Real: modelled time follows the clock on the wall. Fast: it runs freely
 * while the board is busy. A machine that cannot keep up is late, not hurried. */
static uint64_t advance(struct pace *p, struct machine *m, uint64_t wall_ns, bool *broken)
{
	uint64_t due = p->model_ns + (wall_ns - p->wall_ns), now = machine_now_ns(m), next;

	if (p->fast && machine_is_busy(m))
		*broken = machine_run(m, now + SLICE_NS) != HV_OK;
	else
		*broken = !catch_up(m, due);
	now = machine_now_ns(m);
	if (now > due ? p->fast : due - now > LATE_NS) {
		p->wall_ns = wall_ns;
		p->model_ns = due = now;
	}
	if (now < due || (p->fast && machine_is_busy(m)))
		return 0;
	next = machine_next_ns(m);
	if (next == UINT64_MAX)
		return RETRY_NS;
	return next > due + NAP_NS ? next - due : NAP_NS;
}

static int serve(const struct options *o, struct machine *m, const sigset_t *open_mask)
{
	uint64_t wall = hv_now_ns();
	struct pace p = { .fast = o->fast, .wall_ns = wall };
	struct cable c = { .path = o->connect, .fd = -1, .since_ns = wall };
	bool broken = false;
	int code = 0;

	while (!stop && !broken && code == 0) {
		uint64_t nap;

		wall = hv_now_ns();
		if (!cable_run(&c, m, wall)) {
			fprintf(stderr, "unicorn_board: no daemon at %s\n", o->connect);
			code = EXIT_NO_DAEMON;
			break;
		}
		if (hang && machine_hang(m) != HV_OK)
			fprintf(stderr, "unicorn_board: the image has no place to hang\n");
		hang = 0;
		nap = advance(&p, m, wall, &broken);
		stop = stop || (o->seconds > 0 && machine_now_ns(m) >= o->seconds * 1000000000u);
		cable_wait(&c, m, stop ? 0 : nap, open_mask);
	}
	if (broken) {
		fprintf(stderr, "unicorn_board: %s\n", machine_why(m));
		code = EXIT_IMAGE_FAILED;
	}
	if (c.fd >= 0)
		close(c.fd);
	return code;
}

static void summary(const struct machine *m)
{
	const struct machine_counters *n = machine_counters(m);
	const struct {
		const char *name;
		uint64_t value;
	} lines[] = {
		{ "modelled_ms", machine_now_ns(m) / 1000000 },
		{ "instructions", n->instructions },
		{ "interrupts", n->interrupts },
		{ "resets", n->resets },
		{ "watchdog_resets", n->watchdog_resets },
		{ "faults", n->faults },
		{ "rx_bytes", n->rx_bytes },
		{ "rx_overruns", n->rx_overruns },
		{ "rx_garbled", n->rx_garbled },
		{ "tx_bytes", n->tx_bytes },
		{ "tx_lost", n->tx_lost },
		{ "primaries", n->primaries },
		{ "wait_max_ns", n->wait_max_ns },
		{ "runs", n->runs },
		{ "run_aborts", n->run_aborts },
		{ "unknown", n->unknown },
		{ "violations", n->violations },
		{ "misuse", machine_misuse(m) },
	};

	for (size_t i = 0; i < HV_ARRAY_SIZE(lines); i++)
		printf("%s %" PRIu64 "\n", lines[i].name, lines[i].value);
	printf("clock_hz %" PRIu32 "\n", machine_clock_hz(m));
}

/* -- begin --------------------------------------------------------------------------------- */

static int usage(const char *why)
{
	fprintf(stderr, "unicorn_board: %s\n", why);
	return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "image", 1, NULL, 'i' },    { "elf", 1, NULL, 'e' },
		{ "connect", 1, NULL, 'c' },  { "log", 1, NULL, 'l' },
		{ "time", 1, NULL, 't' },     { "unit", 1, NULL, 'u' },
		{ "slow", 1, NULL, 'f' },     { "line-bps", 1, NULL, 'b' },
		{ "harmless", 1, NULL, 'h' }, { "seconds", 1, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	int c = getopt_long(argc, argv, "", longs, NULL);

	for (; c != -1; c = getopt_long(argc, argv, "", longs, NULL))
		switch (c) {
		case 'i': o->image = optarg; break;
		case 'e': o->elf = optarg; break;
		case 'c': o->connect = optarg; break;
		case 'l': o->log = optarg; break;
		case 't': o->fast = strcmp(optarg, "fast") == 0; break;
		case 'u': o->machine.unit = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'b': o->machine.line_bps = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'f': o->machine.slow = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'h': o->harmless = optarg; break;
		case 's': o->seconds = strtoul(optarg, NULL, 10); break;
		default: return EXIT_USAGE;
		}
	if (o->image == NULL || optind != argc)
		return usage("--image FILE is needed, and nothing but options");
	if (o->connect != NULL && strlen(o->connect) > 107)
		return usage("--connect takes a socket path of at most 107 characters");
	return 0;
}

static int symbols(struct options *o)
{
	hv_autofree uint8_t *elf = NULL;
	size_t n = 0;

	if (o->elf == NULL)
		return 0;
	if (hv_file_read(o->elf, FILE_MAX_BYTES, &elf, &n) != HV_OK ||
	    elf_symbol(elf, n, "agent_primary_begin", &o->machine.primary_begin) != HV_OK ||
	    elf_symbol(elf, n, "agent_primary_end", &o->machine.primary_end) != HV_OK) {
		fprintf(stderr,
			"unicorn_board: %s: no ELF file with agent_primary_begin() and "
			"agent_primary_end()\n",
			o->elf);
		return EXIT_FILE;
	}
	return 0;
}

static int run(struct options *o, const sigset_t *open_mask)
{
	hv_autofree uint8_t *image = NULL;
	struct machine *m = NULL;
	char why[200];
	int code;

	if (hv_file_read(o->image, FILE_MAX_BYTES, &image, &o->machine.image_bytes) != HV_OK) {
		fprintf(stderr, "unicorn_board: cannot read %s\n", o->image);
		return EXIT_FILE;
	}
	o->machine.image = image;
	if (machine_new(&o->machine, &m, why, sizeof(why)) != HV_OK) {
		fprintf(stderr, "unicorn_board: %s: %s\n", o->image, why);
		return EXIT_FILE;
	}
	if (o->machine.log != NULL)
		fprintf(o->machine.log, "kind,start_ns,end_ns,requested_ns,output_hash\n");
	code = serve(o, m, open_mask);
	machine_log_flush(m);
	summary(m);
	machine_report(m, stderr, o->harmless);
	if (code == 0 && machine_unknown_harmful(m, o->harmless))
		code = EXIT_IMAGE_FAILED;
	machine_free(m);
	return code;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t block, open_mask;
	int code = parse(argc, argv, &o);

	if (code == 0)
		code = symbols(&o);
	if (code != 0)
		return code;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &open_mask);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	if (o.log != NULL) {
		o.machine.log = fopen(o.log, "we");
		if (o.machine.log == NULL) {
			fprintf(stderr, "unicorn_board: cannot write %s\n", o.log);
			return EXIT_FILE;
		}
		setvbuf(o.machine.log, NULL, _IOLBF, 0); /* it is read while it grows */
	}
	code = run(&o, &open_mask);
	if (o.machine.log != NULL)
		fclose(o.machine.log);
	return code;
}
