/* harvest-board: a virtual board as a process. */
#include "sim/board_options.h"
#include "sim/board_socket.h"
#include "util/clock.h"
#include "util/json_out.h"
#include "util/own.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

enum { EXIT_WORK = 1, EXIT_REFUSED = 3, EXIT_NO_DAEMON = 5, EXIT_FILE = 8 };

#define SLICE_NS     UINT64_C(2000000) /* modelled time between two looks at the socket */
#define NAP_NS       UINT64_C(500000) /* shortest sleep: events of it are caught up */
#define CATCH_UP_NS  UINT64_C(20000000) /* of the clock on the wall, before the socket's turn */
#define LOG_FLUSH_NS UINT64_C(200000000)
/* In fast mode time does not run away from a daemon that owes an acknowledgement. */
#define AHEAD_NS     UINT64_C(20000000)
#define AHEAD_FACTOR 20

static volatile sig_atomic_t stop, hang;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		hang = 1;
	else
		stop = 1;
}

struct pace {
	bool fast;
	uint64_t base_wall_ns, base_model_ns; /* modelled = base_model + wall - base_wall */
	uint64_t flushed_ns;
};

/* Modelled time that the clock on the wall allows now. */
static uint64_t due_ns(const struct pace *p, uint64_t wall_ns)
{
	return p->base_model_ns + (wall_ns - p->base_wall_ns);
}

static bool runs_away(const struct board_socket *s, const struct vboard *b, uint64_t wall_ns)
{
	const struct arq *a = &b->agent.arq;

	if (a->state != ARQ_UP || a->una == a->nxt || s->fd < 0)
		return false;
	return vboard_now_ns(b) - s->heard_model_ns >
	       AHEAD_NS + AHEAD_FACTOR * (wall_ns - s->heard_wall_ns);
}

/* How long to sleep, in nanoseconds; 0: there is something to catch up. */
static uint64_t advance(struct pace *p, struct vboard *b, const struct board_socket *s,
			uint64_t wall_ns)
{
	uint64_t due = due_ns(p, wall_ns), now = vboard_now_ns(b), next;

	if (p->fast && vboard_is_busy(b)) {
		if (runs_away(s, b, wall_ns))
			return NAP_NS;
		next = vboard_next_ns(b);
		vboard_run(b, (next > now ? next : now) + SLICE_NS / 4);
	} else if (due > now) {
		vboard_run(b, due < now + SLICE_NS ? due : now + SLICE_NS);
	}
	now = vboard_now_ns(b);
	if (p->fast && now > due) {
		p->base_model_ns = now;
		p->base_wall_ns = wall_ns;
	}
	if ((p->fast && vboard_is_busy(b)) || now < due)
		return 0;
	next = vboard_next_ns(b);
	if (next == UINT64_MAX)
		return UINT64_C(1000000000);
	return next > due + NAP_NS ? next - due : NAP_NS;
}

/* Bytes that come now must not arrive in the board's past: after a long sleep a slice is not
 * enough, and a job would be answered in time that the wall has had already. */
static void catch_up(struct pace *p, struct vboard *b, const struct board_socket *s,
		     uint64_t wall_ns)
{
	while (!stop && advance(p, b, s, wall_ns) == 0)
		if (b->unplugged || hv_now_ns() - wall_ns > CATCH_UP_NS)
			return;
}

static void sleep_ns(const struct board_socket *s, const struct vboard *b, uint64_t ns,
		     uint64_t wall_ns, const sigset_t *open_mask)
{
	struct pollfd fd = { .fd = s->fd, .events = board_socket_events(s, b) };
	struct timespec t;

	if (s->fd < 0 && s->try_at_ns > wall_ns && s->try_at_ns - wall_ns < ns)
		ns = s->try_at_ns - wall_ns;
	if (ns > LOG_FLUSH_NS && b->log != NULL)
		ns = LOG_FLUSH_NS;
	t = (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	(void)ppoll(&fd, s->fd >= 0 ? 1 : 0, &t, open_mask); /* also lets signals in */
}

static int serve(struct board_options *o, struct vboard *b, const sigset_t *open_mask)
{
	struct board_socket s;
	uint64_t wall = hv_now_ns();
	struct pace p = { .fast = o->fast, .base_wall_ns = wall, .flushed_ns = wall };
	int err = HV_OK;

	board_socket_init(&s, o->connect, wall);
	while (!stop && !b->unplugged) {
		uint64_t nap;

		wall = hv_now_ns();
		if (!o->fast && s.fd >= 0)
			catch_up(&p, b, &s, wall);
		if (hang)
			b->fault.reset_ns = vboard_now_ns(b);
		hang = 0;
		err = board_socket_run(&s, b, wall);
		if (err != HV_OK)
			break;
		nap = advance(&p, b, &s, wall);
		if (wall - p.flushed_ns > LOG_FLUSH_NS && b->log != NULL) {
			fflush(b->log);
			p.flushed_ns = wall;
		}
		sleep_ns(&s, b, nap, wall, open_mask);
	}
	if (b->unplugged)
		fprintf(stderr, "harvest-board: unplugged, as asked by --fault\n");
	board_socket_close(&s);
	return err;
}

struct summary {
	double up_s, wait_max_us, primary_share, harvest_share, idle_used;
	unsigned bound_us;
};

static struct summary summarise(const struct vboard *b)
{
	const struct ag_config *c = &b->config;
	double up_ns = (double)vboard_now_ns(b);
	double harvest_ns = (double)b->agent.n.harvest_busy_us * 1000;
	double idle_ns = up_ns - (double)b->n.primary_busy_ns;
	struct summary s = { .up_s = up_ns / 1e9, .wait_max_us = (double)b->n.wait_max_ns / 1e3 };

	s.bound_us = ag_wait_bound_us(c);
	if (up_ns > 0) {
		s.primary_share = (double)b->n.primary_busy_ns / up_ns;
		s.harvest_share = harvest_ns / up_ns;
	}
	if (idle_ns > 0)
		s.idle_used = harvest_ns / idle_ns;
	return s;
}

static void print_json(const struct vboard *b, const struct summary *s)
{
	const struct arq_counters *l = &b->agent.arq.n;
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "serial", b->serial);
	hv_json_f64(&j, "modelled_s", s->up_s);
	hv_json_object(&j, "primary");
	hv_json_u64(&j, "inferences", b->n.primaries);
	hv_json_f64(&j, "busy_share", s->primary_share);
	hv_json_f64(&j, "wait_max_us", s->wait_max_us);
	hv_json_u64(&j, "wait_bound_us", s->bound_us);
	hv_json_end_object(&j);
	hv_json_object(&j, "harvest");
	hv_json_u64(&j, "runs", b->n.runs);
	hv_json_u64(&j, "jobs", b->agent.n.jobs_done);
	hv_json_u64(&j, "records", b->agent.n.records);
	hv_json_u64(&j, "aborted", b->agent.n.aborted);
	hv_json_u64(&j, "refused", b->agent.n.refused);
	hv_json_f64(&j, "busy_share", s->harvest_share);
	hv_json_f64(&j, "idle_used_share", s->idle_used);
	hv_json_end_object(&j);
	hv_json_object(&j, "link");
	hv_json_u64(&j, "bytes_in", l->bytes_in);
	hv_json_u64(&j, "bytes_out", l->bytes_out);
	hv_json_u64(&j, "frames_bad", l->frames_bad);
	hv_json_u64(&j, "resent", l->resent);
	hv_json_u64(&j, "bad_messages", b->agent.n.bad_messages);
	hv_json_end_object(&j);
	hv_json_u64(&j, "misuse", cnn_emu_misuse(b->emu));
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void print_text(const struct vboard *b, const struct summary *s)
{
	printf("%s: %.3f modelled seconds\n", b->serial, s->up_s);
	printf("primary:   %" PRIu64
	       " inferences, busy %.1f %%, worst wait %.1f us (bound %u us)\n",
	       b->n.primaries, 100 * s->primary_share, s->wait_max_us, s->bound_us);
	printf("harvested: %" PRIu64 " runs, %" PRIu32 " records, %" PRIu32
	       " aborted, used %.1f %% of the idle time\n",
	       b->n.runs, b->agent.n.records, b->agent.n.aborted, 100 * s->idle_used);
	if (cnn_emu_misuse(b->emu) > 0)
		printf("misuse of the accelerator: %" PRIu64 " times, last: %s\n",
		       cnn_emu_misuse(b->emu), cnn_emu_misuse_text(b->emu));
}

static int run(struct board_options *o, FILE *log, const sigset_t *open_mask)
{
	struct vboard *b = NULL;
	struct summary s;
	char why[320];
	int err;

	o->board.log = log;
	err = vboard_new(&o->board, &b, why, sizeof(why));
	if (err != HV_OK) {
		fprintf(stderr, "harvest-board: %s\n", why);
		return err == HV_E_NOMEM ? EXIT_WORK : EXIT_FILE;
	}
	if (log != NULL)
		vboard_log_header(log);
	err = serve(o, b, open_mask);
	vboard_log_flush(b);
	if (err == HV_E_DENIED) {
		fprintf(stderr,
			"harvest-board: no permission for the socket %s: join its group, or use "
			"sudo\n",
			o->connect);
		vboard_free(b);
		return EXIT_REFUSED;
	}
	if (err != HV_OK) {
		fprintf(stderr,
			"harvest-board: no daemon at %s: start harvestd, or name its "
			"boards.sock with --connect\n",
			o->connect);
		vboard_free(b);
		return EXIT_NO_DAEMON;
	}
	s = summarise(b);
	if (o->json)
		print_json(b, &s);
	else
		print_text(b, &s);
	vboard_free(b);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct board_options o;
	sigset_t block, open_mask;
	FILE *log = NULL;
	int code;

	hv_std_streams_hold();
	code = board_options_parse(argc, argv, &o);
	if (code != 0) {
		board_options_clear(&o);
		return code - 1;
	}
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &open_mask);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	if (o.log != NULL)
		log = fopen(o.log, "we");
	if (o.log != NULL && log == NULL) {
		fprintf(stderr, "harvest-board: cannot write --log %s: %s\n", o.log,
			strerror(errno));
		code = EXIT_WORK;
	} else {
		code = run(&o, log, &open_mask);
	}
	if (log != NULL && fclose(log) != 0 && code == 0) {
		fprintf(stderr, "harvest-board: writing %s failed: %s\n", o.log, strerror(errno));
		code = EXIT_WORK;
	}
	board_options_clear(&o);
	return code;
}
