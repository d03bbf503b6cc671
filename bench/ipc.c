/* bench/ipc: what it costs to hand a job to harvestd and get the answer, as a ratio to the
 * floor of bench/floor.h. In every round floor and harvestd run one right after the other, in
 * random order, so that both meet the same machine; medians and quartiles of the rounds' ratios.
 * CPU time is of both sides: this process plus the server.
 *
 * Everything is measured in two placements, the same for both:
 *   one CPU  client and server, floor's or harvestd, share one CPU: a round trip is what the two
 *            sides do, one after the other. The targets hold here.
 *   free     as the system places them. A round trip also holds the wake-up of the CPU that the
 *            other side was put on, where it was: tens of microseconds in a guest, nothing when
 *            both happen to share one. It differs from pair to pair and from run to run with the
 *            same code, so it is shown and not judged. */
#include "bench/daemon.h"
#include "bench/floor.h"
#include "bench/place.h"
#include "bench/stats.h"
#include "client/include/harvest/harvest.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/clock.h"
#include "util/own.h"
#include "util/rng.h"
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_FLIGHT = 32, ROUNDS = 15, LATENCIES_MAX = 1 << 16 };
static const double answer_snr_min_db = 80; /* of rounded answers to the first record */
static const uint64_t slice_ns = 50000000, connect_ns = 10000000000u;

/* clang-format off */
static const struct ipc_case {
	const char *name, *task;
	size_t records;
	unsigned in_flight;
	double target_p50, target_cpu; /* 0: none */
} cases[] = {
	{ "256 B", "fft64",  1, 1,         2.0, 2.0 },
	{ "1 KiB", "fft256", 1, 1,         2.0, 2.0 },
	{ "4 KiB", "fft256", 4, 1,         2.0, 2.0 },
	{ "256 B", "fft64",  1, IN_FLIGHT, 0,   2.5 },
	{ "1 KiB", "fft256", 1, IN_FLIGHT, 0,   2.5 },
	{ "4 KiB", "fft256", 4, IN_FLIGHT, 0,   2.5 },
};
/* clang-format on */
enum { CASES = (int)HV_ARRAY_SIZE(cases) };

enum placement { ONE_CPU, FREE, PLACEMENTS };
enum subject { FLOOR, HARVESTD, SUBJECTS };

struct subject_series {
	struct bench_series p50_us, cpu_us;
};

struct lane { /* one case: its data, its floor, what was measured */
	const struct ipc_case *is;
	struct floor_peer floor;
	uint8_t *in, *out; /* IN_FLIGHT requests and answers */
	size_t in_bytes, out_bytes; /* of one */
	struct subject_series by[PLACEMENTS][SUBJECTS];
};

struct bench {
	struct bench_daemon daemon;
	harvest_client *client;
	harvest_options exact;
	struct lane lane[CASES];
	cpu_set_t set[PLACEMENTS];
	enum placement placement; /* now */
	int cpu; /* the one of ONE_CPU */
	double latency_us[LATENCIES_MAX];
	char why[300];
};

/* One request or one group of them, by either way. */
typedef int exchange_fn(struct bench *b, struct lane *l);

static int by_floor(struct bench *b, struct lane *l)
{
	if (floor_exchange(&l->floor, l->in, l->out, l->is->in_flight) == HV_OK)
		return HV_OK;
	snprintf(b->why, sizeof(b->why), "the floor's server of %s ended", l->is->name);
	return HV_E_IO;
}

static int by_daemon(struct bench *b, struct lane *l)
{
	int err = harvest_run(b->client, l->is->task, l->in, l->in_bytes, &b->exact, l->out,
			      l->out_bytes, NULL);

	if (err < 0)
		snprintf(b->why, sizeof(b->why), "harvestd refused a job of %s: %s", l->is->task,
			 harvest_client_reason(b->client));
	return err;
}

static double cpu_us(clockid_t server)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	clock_gettime(server, &b);
	return (double)(a.tv_sec + b.tv_sec) * 1e6 + (double)(a.tv_nsec + b.tv_nsec) / 1e3;
}

/* One after the other for a slice; latency of each, CPU of all. */
static int measure_serial(struct bench *b, struct lane *l, exchange_fn *exchange, clockid_t server,
			  struct subject_series *to)
{
	uint64_t start = hv_now_ns(), before = start, now = start;
	double cpu = cpu_us(server);
	size_t n = 0;

	while (now - start < slice_ns && n < LATENCIES_MAX) {
		if (exchange(b, l) < 0)
			return HV_E_IO;
		now = hv_now_ns();
		b->latency_us[n++] = (double)(now - before) / 1e3;
		before = now;
	}
	cpu = cpu_us(server) - cpu;
	bench_series_add(&to->p50_us, bench_quantile(b->latency_us, n, 0.5));
	bench_series_add(&to->cpu_us, cpu / (double)n / l->is->in_flight);
	return HV_OK;
}

struct pipeline {
	size_t pending, done;
	int err;
};

static void on_done(harvest_job *job, int code, void *arg)
{
	struct pipeline *p = arg;

	(void)job;
	p->pending--;
	p->done++;
	if (code < 0)
		p->err = code;
}

/* Fill up to in_flight, send, take what came; wait when nothing had. */
static int pipeline_step(struct bench *b, struct lane *l, struct pipeline *p, bool refill)
{
	struct pollfd fd = { .fd = harvest_fd(b->client), .events = POLLIN };
	int n;

	while (refill && p->pending < l->is->in_flight) {
		int err = harvest_submit(b->client, l->is->task, l->in, l->in_bytes, &b->exact,
					 on_done, p, NULL);

		if (err < 0)
			return err;
		p->pending++;
	}
	n = harvest_dispatch(b->client);
	if (n != 0)
		return n < 0 ? HARVEST_E_GONE : p->err;
	if (harvest_wants_write(b->client))
		fd.events |= POLLOUT;
	return poll(&fd, 1, 5000) > 0 ? p->err : HARVEST_E_TIMEOUT;
}

/* in_flight jobs at any time for a slice, on one connection; CPU of all. */
static int measure_pipelined(struct bench *b, struct lane *l, clockid_t server,
			     struct subject_series *to)
{
	struct pipeline p = { 0 };
	uint64_t start = hv_now_ns();
	double cpu = cpu_us(server);
	int err = HV_OK;

	while (err == HV_OK && hv_now_ns() - start < slice_ns)
		err = pipeline_step(b, l, &p, true);
	while (err == HV_OK && p.pending > 0)
		err = pipeline_step(b, l, &p, false);
	if (err < 0) {
		snprintf(b->why, sizeof(b->why), "pipelined jobs of %s: %s", l->is->task,
			 harvest_strerror(err));
		return err;
	}
	cpu = cpu_us(server) - cpu;
	bench_series_add(&to->cpu_us, cpu / (double)p.done);
	return HV_OK;
}

static int measure(struct bench *b, struct lane *l, enum subject who)
{
	pid_t pid = who == FLOOR ? l->floor.pid : b->daemon.pid;
	struct subject_series *to = &l->by[b->placement][who];
	clockid_t server;

	if (bench_daemon_is_gone(&b->daemon)) {
		snprintf(b->why, sizeof(b->why), "harvestd ended in the middle");
		return HV_E_GONE;
	}
	if (clock_getcpuclockid(pid, &server) != 0) {
		snprintf(b->why, sizeof(b->why), "no CPU clock of process %d", (int)pid);
		return HV_E_IO;
	}
	if (who == FLOOR)
		return measure_serial(b, l, by_floor, server, to);
	if (l->is->in_flight == 1)
		return measure_serial(b, l, by_daemon, server, to);
	return measure_pipelined(b, l, server, to);
}

/* This process, harvestd and every floor's server. */
static int place(struct bench *b, enum placement to)
{
	int err = place_process(getpid(), &b->set[to]);

	if (err == HV_OK)
		err = place_process(b->daemon.pid, &b->set[to]);
	for (int i = 0; i < CASES && err == HV_OK; i++)
		err = place_process(b->lane[i].floor.pid, &b->set[to]);
	if (err < 0)
		snprintf(b->why, sizeof(b->why), "cannot set the CPUs of a process");
	b->placement = to;
	return err;
}

/* The answer is right, else its speed means nothing. Not compared bit by bit: FFTW's planner
 * may choose otherwise in another process. */
static int check_answer(struct bench *b, struct lane *l, const char *who)
{
	const struct harvest_task *t = task_find(l->is->task);
	size_t n = tensor_elements(&t->out), out_bytes = tensor_bytes(&t->out);
	hv_autofree double *ref = calloc(2 * n, sizeof(*ref));
	struct hv_metric m = hv_metric_begin(HARVEST_SNR_DB);

	if (ref == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < l->is->records; i++) {
		t->reference(l->in + i * tensor_bytes(&t->in), ref);
		tensor_to_double(&t->out, l->out + i * out_bytes, ref + n);
		hv_metric_add(&m, ref, ref + n, n);
	}
	if (hv_metric_value(&m) >= answer_snr_min_db)
		return HV_OK;
	snprintf(b->why, sizeof(b->why), "%s answers %s with %.1f dB", who, l->is->task,
		 hv_metric_value(&m));
	return HV_E_WRONG;
}

static int check_answers(struct bench *b, struct lane *l)
{
	int err = floor_exchange(&l->floor, l->in, l->out, 1);

	if (err == HV_OK)
		err = check_answer(b, l, "the floor");
	memset(l->out, 0, l->out_bytes);
	if (err == HV_OK)
		err = by_daemon(b, l);
	return err == HV_OK ? check_answer(b, l, "harvestd") : err;
}

static int lane_new(struct lane *l, const struct ipc_case *is)
{
	const struct harvest_task *t = task_find(is->task);
	size_t record = tensor_bytes(&t->in);

	l->is = is;
	l->in_bytes = is->records * record;
	l->out_bytes = is->records * tensor_bytes(&t->out);
	l->in = malloc(IN_FLIGHT * l->in_bytes);
	l->out = malloc(IN_FLIGHT * l->out_bytes);
	if (l->in == NULL || l->out == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < IN_FLIGHT * is->records; i++)
		t->sample(3, i, l->in + i * record);
	return floor_start(t, is->records, IN_FLIGHT, &l->floor);
}

static int connect_client(struct bench *b)
{
	uint64_t give_up_ns = hv_now_ns() + connect_ns;
	int err;

	do {
		err = harvest_client_open(b->daemon.socket, 5000, &b->client);
		if (err == HARVEST_OK)
			return HV_OK;
		snprintf(b->why, sizeof(b->why), "harvestd does not answer: %s",
			 b->client ? harvest_client_reason(b->client) : harvest_strerror(err));
		harvest_client_close(b->client);
		b->client = NULL;
		poll(NULL, 0, 20);
	} while (hv_now_ns() < give_up_ns && !bench_daemon_is_gone(&b->daemon));
	return err;
}

static int prepare(struct bench *b, const char *program)
{
	if (place_allowed(&b->set[FREE]) < 0) {
		snprintf(b->why, sizeof(b->why), "the CPUs of this process are not known");
		return HV_E_IO;
	}
	b->cpu = place_first(&b->set[FREE], &b->set[ONE_CPU]);
	harvest_options_init(&b->exact);
	b->exact.has_budget = 1; /* and max_error 0: the exact answer */
	for (int i = 0; i < CASES; i++) {
		if (lane_new(&b->lane[i], &cases[i]) < 0) {
			snprintf(b->why, sizeof(b->why), "cannot prepare the floor of %s",
				 cases[i].name);
			return HV_E_NOMEM;
		}
	}
	if (bench_daemon_start(program, &b->daemon) < 0) {
		snprintf(b->why, sizeof(b->why), "cannot start %s", program);
		return HV_E_NOENT;
	}
	if (connect_client(b) < 0)
		return HV_E_GONE;
	for (int i = 0; i < CASES; i++)
		if (check_answers(b, &b->lane[i]) < 0)
			return HV_E_WRONG;
	return HV_OK;
}

/* Every case once, in random order; floor and harvestd back to back. */
static int run_cases(struct bench *b, struct hv_rng *rng)
{
	int order[CASES], err = HV_OK;

	for (int i = 0; i < CASES; i++) {
		int j = (int)hv_rng_below(rng, (uint32_t)i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (int i = 0; i < CASES && err == HV_OK; i++) {
		struct lane *l = &b->lane[order[i]];
		enum subject first = (enum subject)hv_rng_below(rng, SUBJECTS);

		err = measure(b, l, first);
		if (err == HV_OK)
			err = measure(b, l, first == FLOOR ? HARVESTD : FLOOR);
	}
	return err;
}

static bool has_choice(const struct bench *b)
{
	return CPU_COUNT(&b->set[FREE]) > 1;
}

static int run_round(struct bench *b, struct hv_rng *rng)
{
	int err = HV_OK;

	for (int p = ONE_CPU; p < PLACEMENTS && err == HV_OK; p++) {
		if (p == FREE && !has_choice(b))
			break;
		err = place(b, (enum placement)p);
		if (err == HV_OK)
			err = run_cases(b, rng);
	}
	return err;
}

/* target 0: shown, not judged. */
static void report_line(const char *what, const struct bench_series *floor,
			const struct bench_series *daemon, double target)
{
	struct bench_quartiles f = bench_series_quartiles(floor);
	struct bench_quartiles d = bench_series_quartiles(daemon);
	struct bench_quartiles r = bench_series_ratio(daemon, floor);

	printf("  %-4s floor %7.2f us, harvestd %7.2f us (%.2f .. %.2f), ratio %.2f (%.2f .. %.2f)",
	       what, f.median, d.median, d.q1, d.q3, r.median, r.q1, r.q3);
	if (target > 0)
		printf(", target %.1f: %s", target, bench_verdict(r.median, target));
	printf("\n");
}

static void report_lane(const struct lane *l, enum placement p)
{
	const struct subject_series *floor = &l->by[p][FLOOR], *daemon = &l->by[p][HARVESTD];
	bool judged = p == ONE_CPU;

	printf("%s in (%s, %zu record%s), %zu B back, %u in flight\n", l->is->name, l->is->task,
	       l->is->records, l->is->records == 1 ? "" : "s", l->out_bytes, l->is->in_flight);
	if (l->is->target_p50 > 0)
		report_line("p50", &floor->p50_us, &daemon->p50_us, judged ? l->is->target_p50 : 0);
	report_line("CPU", &floor->cpu_us, &daemon->cpu_us, judged ? l->is->target_cpu : 0);
}

static void report(const struct bench *b)
{
	printf("-- one CPU: client and server, floor's or harvestd, on CPU %d; %d rounds\n", b->cpu,
	       ROUNDS);
	for (int i = 0; i < CASES; i++)
		report_lane(&b->lane[i], ONE_CPU);
	if (!has_choice(b)) {
		printf("-- free: not measured, this process may use one CPU only\n");
		return;
	}
	printf("-- free: as the system places them on %d CPUs; wake-ups of other CPUs are in it, "
	       "so "
	       "it is not judged\n",
	       CPU_COUNT(&b->set[FREE]));
	for (int i = 0; i < CASES; i++)
		report_lane(&b->lane[i], FREE);
}

static void finish(struct bench *b)
{
	harvest_client_close(b->client);
	bench_daemon_stop(&b->daemon);
	for (int i = 0; i < CASES; i++) {
		floor_stop(&b->lane[i].floor);
		free(b->lane[i].in);
		free(b->lane[i].out);
	}
}

static const char usage[] =
	"usage: ipc HARVESTD\n"
	"Cost of a job through the program HARVESTD, as a ratio to two processes that exchange "
	"the\n"
	"same bytes and do the same work over a blocking Unix socket, measured back to back.\n"
	"  -- one CPU  both sides of either share one CPU; the targets hold here\n"
	"  -- free     as the system places them; holds wake-ups of other CPUs, not judged\n";

int main(int argc, char **argv)
{
	hv_autofree struct bench *b = calloc(1, sizeof(*b));
	struct hv_rng rng;
	int err;

	if (argc != 2 || b == NULL || strcmp(argv[1], "--help") == 0) {
		printf("%s", usage);
		return argc == 2 && b != NULL ? 0 : 2;
	}
	for (int i = 0; i < CASES; i++)
		b->lane[i].floor = (struct floor_peer){ .pid = -1, .fd = -1 };
	b->daemon.pid = -1;
	hv_rng_seed(&rng, 1);
	err = prepare(b, argv[1]);
	for (int round = 0; err == HV_OK && round < ROUNDS; round++)
		err = run_round(b, &rng);
	if (err == HV_OK)
		report(b);
	else
		fprintf(stderr, "ipc: could not measure: %s\n", b->why);
	finish(b);
	return err == HV_OK ? 0 : 1;
}
