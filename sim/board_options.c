#include "sim/board_options.h"
#include "config.h"
#include "proto/ipc_frame.h"
#include "util/own.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { EXIT_USAGE = 2, EXIT_FILE = 8, BPS_MIN = 1200, BPS_MAX = 100000000, MEET_BPS = 115200 };

enum opt {
	OPT_CONNECT = 256,
	OPT_SERIAL,
	OPT_DEVICE,
	OPT_PRIMARY,
	OPT_LINK_BPS,
	OPT_BAUD,
	OPT_BUFFER,
	OPT_TIME,
	OPT_SEED,
	OPT_FAULT,
	OPT_LOG,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
};

/* clang-format off */
static const struct {
	const char *name, *arg, *help;
	enum opt id;
} opts[] = {
	{ "connect",  "SOCKET", "plug in there [boards.sock beside the daemon's socket]", OPT_CONNECT },
	{ "serial",   "S",      "serial number, at most 15 characters [virtual]", OPT_SERIAL },
	{ "device",   "NAME",   "accelerator: max78000 [max78000]", OPT_DEVICE },
	{ "primary",  "SPEC",   "workload of the primary model [none]:\n"
	                        "none | periodic:period_us=N,busy_us=N[,jitter_us=N][,told=1] |\n"
	                        "bursty:period_us=N,busy_us=N,burst=N,pause_us=N |\n"
	                        "poisson:rate_hz=X,busy_us=N | trace:FILE |\n"
	                        "model:FILE[,period_us=N][,busy_us=N]", OPT_PRIMARY },
	{ "link-bps", "N",      "fastest rate of the serial line [1000000]", OPT_LINK_BPS },
	{ "baud",     "MODE",   "negotiated: begins with 115200 and changes when the daemon asks;\n"
	                        "fixed: always --link-bps [negotiated; with --time fast: fixed]", OPT_BAUD },
	{ "buffer",   "SPEC",   "repeatable: a ring of samples that jobs may name as input,\n"
	                        "NAME=FILE.wav|npy|raw[,rate_hz=X][,samples=N][,channels=N]", OPT_BUFFER },
	{ "time",     "MODE",   "real: as the clock on the wall; fast: jumps when there is work [real]", OPT_TIME },
	{ "seed",     "N",      "of the primary's network, its inputs and the faults [1]", OPT_SEED },
	{ "fault",    "SPEC",   "repeatable: drop:P flip:P stall@MS unplug@MS reset@MS\n"
	                        "wrong-answer:P slow:F garble-above:BPS", OPT_FAULT },
	{ "log",      "FILE",   "one line for every primary and harvested inference", OPT_LOG },
	{ "json",     NULL,     "summary at the end as JSON", OPT_JSON },
	{ "help",     NULL,     "this text", OPT_HELP },
	{ "version",  NULL,     "the version", OPT_VERSION },
};
/* clang-format on */

static void help_text(const char *text)
{
	const char *line = text;

	for (const char *end = strchr(line, '\n'); end != NULL; end = strchr(line, '\n')) {
		printf("%.*s\n%23s", (int)(end - line), line, "");
		line = end + 1;
	}
	printf("%s\n", line);
}

static void help(void)
{
	printf("Usage: harvest-board [OPTION]...\n"
	       "A virtual MAX78000 board: the agent firmware over an emulated accelerator.\n\n");
	for (size_t i = 0; i < HV_ARRAY_SIZE(opts); i++) {
		char left[32];

		snprintf(left, sizeof(left), "--%s%s%s", opts[i].name, opts[i].arg ? " " : "",
			 opts[i].arg ? opts[i].arg : "");
		printf("  %-20s ", left);
		help_text(opts[i].help);
	}
	printf("\nEnds on SIGTERM or SIGINT with a summary. Exit codes: 0 done, 2 usage,\n"
	       "3 no permission, 5 no daemon, 8 bad input file.\n");
}

static int refuse(int code, const char *why)
{
	fprintf(stderr, "harvest-board: %s\n", why);
	return code + 1;
}

static int number(const char *text, uint64_t min, uint64_t max, const char *name, uint64_t *to)
{
	char *end = NULL, why[160];
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max) {
		snprintf(why, sizeof(why), "--%s \"%s\" is no number from %llu to %llu", name, text,
			 (unsigned long long)min, (unsigned long long)max);
		return refuse(EXIT_USAGE, why);
	}
	*to = v;
	return 0;
}

static int set_primary(struct board_options *o, const char *text)
{
	char why[320];
	int err;

	primary_spec_clear(&o->primary);
	err = primary_spec_parse(text, &o->primary, why, sizeof(why));
	if (err == HV_OK)
		return 0;
	return refuse(err == HV_E_INVAL ? EXIT_USAGE : EXIT_FILE, why);
}

static int set_time(struct board_options *o, const char *text)
{
	o->fast = strcmp(text, "fast") == 0;
	if (o->fast || strcmp(text, "real") == 0)
		return 0;
	return refuse(EXIT_USAGE, "--time is real or fast");
}

static int set_serial(struct board_options *o, const char *text)
{
	size_t n = strlen(text);

	if (n < 1 || n > VBOARD_SERIAL_MAX)
		return refuse(EXIT_USAGE, "--serial takes 1 to 15 characters");
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return refuse(EXIT_USAGE, "--serial takes printable characters, no spaces");
	o->board.serial = text;
	return 0;
}

static int set_fault(struct board_options *o, const char *text)
{
	char why[320];

	if (fault_plan_add(&o->board.fault, text, why, sizeof(why)) == HV_OK)
		return 0;
	return refuse(EXIT_USAGE, why);
}

static int set_connect(struct board_options *o, const char *text)
{
	if (text[0] == '\0' || strlen(text) >= sizeof(o->connect))
		return refuse(EXIT_USAGE,
			      "--connect takes a socket path of at most 107 characters");
	memcpy(o->connect, text, strlen(text) + 1);
	return 0;
}

static int set_baud(struct board_options *o, const char *text)
{
	o->baud_given = true;
	o->board.meet_bps = strcmp(text, "negotiated") == 0 ? MEET_BPS : 0;
	if (o->board.meet_bps != 0 || strcmp(text, "fixed") == 0)
		return 0;
	return refuse(EXIT_USAGE, "--baud is negotiated or fixed");
}

static int set_buffer(struct board_options *o, const char *text)
{
	struct sim_ring *r = &o->rings[o->board.n_rings];
	char why[320];
	int err;

	if (o->board.n_rings == AG_BUFFERS_MAX)
		return refuse(EXIT_USAGE, "--buffer: at most 4 of them");
	err = sim_ring_parse(text, r, why, sizeof(why));
	if (err != HV_OK)
		return refuse(err == HV_E_INVAL ? EXIT_USAGE : EXIT_FILE, why);
	o->board.n_rings++;
	return 0;
}

void board_options_clear(struct board_options *o)
{
	primary_spec_clear(&o->primary);
	for (unsigned i = 0; i < o->board.n_rings; i++)
		sim_ring_clear(&o->rings[i]);
}

static int set(struct board_options *o, enum opt id, const char *arg)
{
	uint64_t v = 0;
	int r;

	switch (id) {
	case OPT_CONNECT: return set_connect(o, arg);
	case OPT_SERIAL: return set_serial(o, arg);
	case OPT_DEVICE:
		return strcmp(arg, "max78000") == 0
			       ? 0
			       : refuse(EXIT_USAGE, "--device: only max78000 is known");
	case OPT_PRIMARY: return set_primary(o, arg);
	case OPT_LINK_BPS:
		r = number(arg, BPS_MIN, BPS_MAX, "link-bps", &v);
		o->board.link_bps = (uint32_t)v;
		return r;
	case OPT_BAUD: return set_baud(o, arg);
	case OPT_BUFFER: return set_buffer(o, arg);
	case OPT_TIME: return set_time(o, arg);
	case OPT_SEED: return number(arg, 0, UINT64_MAX - 16, "seed", &o->board.seed);
	case OPT_FAULT: return set_fault(o, arg);
	case OPT_LOG: o->log = arg; return 0;
	case OPT_JSON: o->json = true; return 0;
	case OPT_HELP: help(); return 1;
	case OPT_VERSION: printf("harvest-board %s\n", PACKAGE_VERSION); return 1;
	}
	return refuse(EXIT_USAGE, "unknown option");
}

static int default_connect(struct board_options *o)
{
	char *slash;

	if (o->connect[0] != '\0')
		return 0;
	if (ipc_socket_path(o->connect, sizeof(o->connect) - sizeof("boards.sock")) != HV_OK)
		return refuse(EXIT_USAGE, "the daemon's socket path is too long: use --connect");
	slash = strrchr(o->connect, '/');
	strcpy(slash != NULL ? slash + 1 : o->connect, "boards.sock");
	return 0;
}

int board_options_parse(int argc, char **argv, struct board_options *o)
{
	struct option longs[HV_ARRAY_SIZE(opts) + 1] = { 0 };

	*o = (struct board_options){ 0 };
	o->board = (struct vboard_options){ .serial = "virtual",
					    .device = "max78000",
					    .primary = &o->primary,
					    .link_bps = 1000000,
					    .meet_bps = MEET_BPS,
					    .rings = o->rings,
					    .seed = 1 };
	fault_plan_init(&o->board.fault);
	for (size_t i = 0; i < HV_ARRAY_SIZE(opts); i++)
		longs[i] = (struct option){ opts[i].name,
					    opts[i].arg ? required_argument : no_argument, NULL,
					    (int)opts[i].id };
	for (;;) {
		int c = getopt_long(argc, argv, "", longs, NULL), r;

		if (c == -1)
			break;
		if (c == '?')
			return EXIT_USAGE + 1; /* getopt has said why */
		r = set(o, (enum opt)c, optarg);
		if (r != 0)
			return r;
	}
	if (optind < argc)
		return refuse(EXIT_USAGE, "there is an argument too many: see --help");
	/* A board whose time jumps sees a host that is silent for seconds, and would go back. */
	if (o->fast && !o->baud_given)
		o->board.meet_bps = 0;
	return default_connect(o);
}
