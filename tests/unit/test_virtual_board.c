#include "accel/import/import.h"
#include "sim/board_socket.h"
#include "tests/lib/board_peer.h"
#include "util/own.h"
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What surrounds the agent in harvest-board: the serial line, workloads, faults. */

START_TEST(bytes_take_ten_bits_each_and_arrive_in_order)
{
	struct hv_rng rng;
	struct wire w;
	uint8_t out[8];

	hv_rng_seed(&rng, 1);
	wire_init(&w, 1000000, &rng);
	ck_assert_uint_eq(wire_put(&w, (const uint8_t *)"abc", 3, 500), 3);
	ck_assert_uint_eq(wire_take(&w, out, 8, 10499), 0);
	ck_assert_uint_eq(wire_take(&w, out, 8, 20500), 2);
	ck_assert_uint_eq(wire_next_ns(&w, 1, 20500), 30500);
	/* a line that was idle starts anew, a busy one goes on */
	ck_assert_uint_eq(wire_put(&w, (const uint8_t *)"d", 1, 21000), 1);
	ck_assert_uint_eq(wire_ready(&w, 40499), 1);
	ck_assert_uint_eq(wire_take(&w, out, 8, 40500), 2);
	ck_assert_int_eq(out[1], 'd');
	ck_assert_uint_eq(wire_put(&w, (const uint8_t *)"e", 1, 100000), 1);
	ck_assert_uint_eq(wire_next_ns(&w, 1, 100000), 110000);
}
END_TEST

START_TEST(a_line_is_bounded_and_faults_hit_their_share_of_bytes)
{
	static uint8_t in[WIRE_BYTES + 10];
	struct hv_rng rng;
	struct wire w;
	size_t n;

	hv_rng_seed(&rng, 1);
	wire_init(&w, 1000000, &rng);
	ck_assert_uint_eq(wire_put(&w, in, sizeof(in), 0), WIRE_BYTES);
	ck_assert_uint_eq(wire_room(&w), 0);
	wire_init(&w, 1000000, &rng);
	w.drop = 0.25;
	w.flip = 0.5;
	n = wire_put(&w, in, 4000, 0);
	ck_assert_uint_eq(n, 4000);
	ck_assert_uint_gt(w.dropped, 850);
	ck_assert_uint_lt(w.dropped, 1150);
	ck_assert_uint_gt(w.flipped, 1300);
	ck_assert_uint_lt(w.flipped, 1700);
}
END_TEST

START_TEST(a_board_that_is_turned_away_knocks_ever_more_slowly)
{
	static struct board_socket s;
	static struct vboard b; /* only its lines are used */
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/test-cable.XXXXXX";
	unsigned knocks = 0;
	int door;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", dir);
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(door, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(door, 4), 0);
	board_socket_init(&s, at.sun_path, 1);
	for (uint64_t ms = 0; ms < 60000; ms += 10) {
		int fd;

		ck_assert_int_eq(board_socket_run(&s, &b, 1 + ms * 1000000), HV_OK);
		fd = accept(door, NULL, NULL);
		if (fd >= 0) {
			knocks++;
			close(fd);
		}
	}
	ck_assert_uint_ge(knocks, 15);
	ck_assert_uint_le(knocks, 25);
	board_socket_close(&s);
	close(door);
	unlink(at.sun_path);
	rmdir(dir);
}
END_TEST

/* clang-format off */
static const struct {
	const char *spec, *says;
} bad_specs[] = {
	{ "",                                   "unknown" },
	{ "sometimes",                          "unknown" },
	{ "periodic",                           "period_us is missing" },
	{ "periodic:period_us=100",             "busy_us is missing" },
	{ "periodic:period_us=100,busy_us=101", "longer than" },
	{ "periodic:period_us=100,busy_us=50,jitter_us=100", "not shorter" },
	{ "periodic:period_us=-5,busy_us=5",    "outside" },
	{ "periodic:period_us=nan,busy_us=5",   "outside" },
	{ "periodic:period_us=1e3x,busy_us=5",  "not understood" },
	{ "periodic:rate_hz=5,busy_us=5",       "not understood" },
	{ "periodic:period_us",                 "no KEY=NUMBER" },
	{ "poisson:busy_us=5",                  "rate_hz is missing" },
	{ "poisson:rate_hz=0,busy_us=5",        "outside" },
	{ "none:period_us=5",                   "not understood" },
	{ "trace",                              "file name is missing" },
	{ "trace:",                             "file name is missing" },
	{ "model:",                             "file name is missing" },
};
static const struct {
	const char *trace, *says;
} bad_traces[] = {
	{ "",                              "no line" },
	{ "start_us,busy_us\n",            "no line" },
	{ "start_us,busy_us\n5\n",         "line 2" },
	{ "5,10\n4,10\n",                  "line 2" },
	{ "5,0\n",                         "line 1" },
	{ "5,-3\n",                        "line 1" },
	{ "5,10,1\n",                      "line 1" },
	{ "99999999999999999999,1\n",      "line 1" },
	{ "start_us,busy_us\n1,2\nx_y\n",  "line 3" },
};
/* clang-format on */

START_TEST(a_bad_workload_is_refused_with_a_sentence)
{
	struct primary_spec s;
	char why[320];

	ck_assert_int_eq(primary_spec_parse(bad_specs[_i].spec, &s, why, sizeof(why)), HV_E_INVAL);
	ck_assert_msg(strstr(why, bad_specs[_i].says) != NULL, "\"%s\" said: %s",
		      bad_specs[_i].spec, why);
}
END_TEST

static void write_text(const char *path, const char *text)
{
	ck_assert_int_eq(hv_file_write(path, text, strlen(text)), HV_OK);
}

START_TEST(a_bad_trace_is_refused_with_its_line)
{
	struct primary_spec s;
	char why[320], dir[] = "/tmp/test-trace.XXXXXX", path[64], spec[80];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.csv", dir);
	snprintf(spec, sizeof(spec), "trace:%s", path);
	write_text(path, bad_traces[_i].trace);
	ck_assert_int_eq(primary_spec_parse(spec, &s, why, sizeof(why)), HV_E_FORMAT);
	ck_assert_msg(strstr(why, bad_traces[_i].says) != NULL, "said: %s", why);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(a_trace_is_followed_to_the_microsecond)
{
	struct primary_spec s;
	struct primary_arrivals a;
	char why[320], dir[] = "/tmp/test-trace.XXXXXX", path[64], spec[80];
	uint64_t at;
	uint32_t busy;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.csv", dir);
	snprintf(spec, sizeof(spec), "trace:%s", path);
	write_text(path, "start_us,busy_us\r\n100,20\r\n# pause\r\n5000,30\r\n");
	ck_assert_int_eq(primary_spec_parse(spec, &s, why, sizeof(why)), HV_OK);
	primary_arrivals_init(&a, &s, 1);
	ck_assert(primary_arrivals_next(&a, &at, &busy));
	ck_assert_uint_eq(at, 100000);
	ck_assert_uint_eq(busy, 20);
	ck_assert(primary_arrivals_next(&a, &at, &busy));
	ck_assert_uint_eq(at, 5000000);
	ck_assert(!primary_arrivals_next(&a, &at, &busy));
	primary_spec_clear(&s);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(poisson_arrivals_have_their_rate_and_follow_the_seed)
{
	struct primary_spec s;
	struct primary_arrivals a, again;
	char why[320];
	uint64_t at = 0, same = 0;
	uint32_t busy;

	ck_assert_int_eq(
		primary_spec_parse("poisson:rate_hz=50,busy_us=8000", &s, why, sizeof(why)), HV_OK);
	primary_arrivals_init(&a, &s, 4);
	primary_arrivals_init(&again, &s, 4);
	for (int i = 0; i < 10000; i++) {
		ck_assert(primary_arrivals_next(&a, &at, &busy));
		ck_assert(primary_arrivals_next(&again, &same, &busy));
		ck_assert_uint_eq(at, same);
	}
	ck_assert_uint_gt(at, UINT64_C(190000000000)); /* 200 s, 5 standard deviations */
	ck_assert_uint_lt(at, UINT64_C(210000000000));
}
END_TEST

/* clang-format off */
static const char *const bad_faults[] = {
	"", "drop", "drop:", "drop:2", "drop:-1", "drop@5", "stall:5", "stall@x", "slow:0",
	"slow:0.5", "flip:nan", "reset@1e30", "drop:0.1x", "drops:0.1",
};
/* clang-format on */

START_TEST(a_bad_fault_is_refused_with_a_sentence)
{
	struct fault_plan f;
	char why[320] = "";

	fault_plan_init(&f);
	ck_assert_int_eq(fault_plan_add(&f, bad_faults[_i], why, sizeof(why)), HV_E_INVAL);
	ck_assert_ptr_nonnull(strstr(why, "fault"));
}
END_TEST

/* -- boards with faults ------------------------------------------------------------------- */

static struct primary_spec spec;
static struct vboard *b;
static struct peer p;
static struct hv_rng rng;

static void world(const char *primary)
{
	hv_rng_seed(&rng, 2);
	b = peer_board(primary, &spec, 20000000, NULL);
	peer_init(&p, b);
}

static void world_free(void)
{
	peer_clear(&p);
	vboard_free(b);
	primary_spec_clear(&spec);
	peer_packages_free();
}

static int load_fir(void)
{
	size_t len;
	hv_autofree uint8_t *image = peer_image(&p, peer_package("fir32", 2), &len);

	return peer_load(&p, 0, image, len);
}

START_TEST(jobs_cross_a_bad_line_unharmed)
{
	unsigned sent = 0;

	world("periodic:period_us=10000,busy_us=4000");
	b->to_board.drop = b->from_board.drop = 0.0005;
	b->to_board.flip = b->from_board.flip = 0.0005;
	ck_assert(peer_connect(&p, 1));
	ck_assert_int_eq(load_fir(), HV_OK);
	for (int i = 0; i < 4000 && p.results < 40; i++) {
		if (sent < 40 && peer_job(&p, sent, 0, peer_package("fir32", 2), 16, &rng))
			sent++;
		peer_run(&p, 1000000);
	}
	ck_assert_uint_eq(p.good, 40);
	ck_assert_uint_eq(p.wrong, 0);
	ck_assert_uint_gt(p.arq.n.frames_bad + b->agent.arq.n.frames_bad, 0);
	world_free();
}
END_TEST

START_TEST(a_lying_board_gives_wrong_answers_but_good_ones_otherwise)
{
	world("none");
	b->fault.wrong_answer = 0.5;
	ck_assert(peer_connect(&p, 1));
	ck_assert_int_eq(load_fir(), HV_OK);
	for (uint32_t i = 0; i < 40; i++) {
		ck_assert(peer_job(&p, i, 0, peer_package("fir32", 2), 16, &rng));
		ck_assert(peer_until(&p, &p.results, UINT64_C(100000000)));
	}
	ck_assert_uint_gt(p.wrong, 8);
	ck_assert_uint_gt(p.good, 8);
	world_free();
}
END_TEST

START_TEST(a_slow_accelerator_never_delays_the_primary)
{
	world("periodic:period_us=3000,busy_us=1500");
	b->hal.slow = 300;
	ck_assert(peer_connect(&p, 1));
	ck_assert_int_eq(load_fir(), HV_OK);
	for (uint32_t i = 0; i < 200; i++) {
		(void)peer_job(&p, i, 0, peer_package("fir32", 2), 16, &rng);
		peer_run(&p, 5000000);
	}
	ck_assert_uint_gt(b->agent.n.aborted, 10);
	ck_assert_uint_eq(p.wrong, 0);
	ck_assert_uint_le(b->n.wait_max_ns, AG_WAIT_BOUND_US * 1000u);
	world_free();
}
END_TEST

START_TEST(a_board_that_restarts_ends_the_life_and_has_forgotten_its_slots)
{
	uint32_t boot;

	world("periodic:period_us=10000,busy_us=4000");
	ck_assert(peer_connect(&p, 1));
	ck_assert_int_eq(load_fir(), HV_OK);
	boot = p.hello.boot;
	b->fault.reset_ns = vboard_now_ns(b) + 5000000;
	peer_run(&p, 50000000);
	ck_assert_int_eq(p.arq.state, ARQ_DOWN);
	ck_assert(peer_connect(&p, 2));
	ck_assert_uint_ne(p.hello.boot, boot);
	ck_assert_uint_eq(b->agent.slot[0].state, LINK_SLOT_EMPTY);
	ck_assert_int_eq(load_fir(), HV_OK);
	ck_assert(peer_job(&p, 1, 0, peer_package("fir32", 2), 16, &rng));
	ck_assert(peer_until(&p, &p.results, UINT64_C(100000000)));
	ck_assert_uint_eq(p.good, 1);
	world_free();
}
END_TEST

START_TEST(a_stalled_board_is_silent_while_its_primary_goes_on)
{
	uint64_t before;

	world("periodic:period_us=10000,busy_us=4000");
	ck_assert(peer_connect(&p, 1));
	ck_assert_int_eq(load_fir(), HV_OK);
	b->fault.stall_ns = vboard_now_ns(b);
	peer_run(&p, 1000000);
	before = b->n.primaries;
	ck_assert(peer_job(&p, 1, 0, peer_package("fir32", 2), 16, &rng));
	ck_assert(!peer_until(&p, &p.results, UINT64_C(500000000)));
	ck_assert_uint_ge(b->n.primaries, before + 49);
	world_free();
}
END_TEST

START_TEST(an_unplugged_board_takes_no_more_bytes)
{
	world("none");
	ck_assert(peer_connect(&p, 1));
	b->fault.unplug_ns = vboard_now_ns(b) + 1000;
	vboard_run(b, vboard_now_ns(b) + 1000000);
	ck_assert(b->unplugged);
	ck_assert_uint_eq(vboard_feed(b, (const uint8_t *)"x", 1), 0);
	world_free();
}
END_TEST

/* A convolution over an image, a pool and a classifier: what only primaries are. */
static struct package *small_network(void)
{
	const struct import_options o = { 0 };
	struct package *pkg = NULL;
	struct import *im = NULL;
	char why[300] = "";

	ck_assert_msg(import_yaml_files(DATA "/net.yaml", DATA, &o, &im, why, sizeof(why)) == HV_OK,
		      "%s", why);
	ck_assert_int_eq(import_package("small", "", &im->net, im->sample, &pkg, why, sizeof(why)),
			 HV_OK);
	import_free(im);
	return pkg;
}

/* Twice: a package of a task, and a network alone. */
START_TEST(a_package_can_be_the_primary_and_is_not_disturbed)
{
	struct package *network = _i == 0 ? NULL : small_network();
	const struct package *pkg = _i == 0 ? peer_package("fft64", 2) : network;
	char dir[] = "/tmp/test-primary.XXXXXX", path[64], text[96];
	struct package *copy = NULL;
	hv_autofree uint8_t *bytes = NULL;
	size_t len;
	char why[160];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/p.hvm", dir);
	snprintf(text, sizeof(text), "model:%s,period_us=5000", path);
	ck_assert_int_eq(package_encode((struct package *)pkg, &bytes, &len), HV_OK);
	ck_assert_int_eq(hv_file_write(path, bytes, len), HV_OK);
	ck_assert_int_eq(package_read(path, &copy, why, sizeof(why)), HV_OK);
	package_free(copy);
	world(text);
	ck_assert(peer_connect(&p, 1));
	ck_assert_str_eq(p.hello.primary.b, pkg->name);
	package_free(network);
	ck_assert_int_eq(load_fir(), HV_OK);
	for (uint32_t i = 0; i < 60; i++) {
		(void)peer_job(&p, i, 0, peer_package("fir32", 2), 16, &rng);
		peer_run(&p, 5000000);
	}
	ck_assert_uint_gt(p.good, 20);
	ck_assert_uint_eq(p.wrong, 0);
	ck_assert_uint_gt(b->n.primaries, 50);
	ck_assert_uint_le(b->n.wait_max_ns, AG_WAIT_BOUND_US * 1000u);
	world_free();
	unlink(path);
	rmdir(dir);
}
END_TEST

static TCase *parts(void)
{
	TCase *tc = tcase_create("parts");

	tcase_add_test(tc, bytes_take_ten_bits_each_and_arrive_in_order);
	tcase_add_test(tc, a_line_is_bounded_and_faults_hit_their_share_of_bytes);
	tcase_add_loop_test(tc, a_bad_workload_is_refused_with_a_sentence, 0,
			    HV_ARRAY_SIZE(bad_specs));
	tcase_add_loop_test(tc, a_bad_trace_is_refused_with_its_line, 0, HV_ARRAY_SIZE(bad_traces));
	tcase_add_test(tc, a_board_that_is_turned_away_knocks_ever_more_slowly);
	tcase_add_test(tc, a_trace_is_followed_to_the_microsecond);
	tcase_add_test(tc, poisson_arrivals_have_their_rate_and_follow_the_seed);
	tcase_add_loop_test(tc, a_bad_fault_is_refused_with_a_sentence, 0,
			    HV_ARRAY_SIZE(bad_faults));
	return tc;
}

int main(void)
{
	Suite *s = suite_create("virtual board");
	TCase *tc = tcase_create("faults");
	SRunner *sr;
	int failed;

	suite_add_tcase(s, parts());
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, jobs_cross_a_bad_line_unharmed);
	tcase_add_test(tc, a_lying_board_gives_wrong_answers_but_good_ones_otherwise);
	tcase_add_test(tc, a_slow_accelerator_never_delays_the_primary);
	tcase_add_test(tc, a_board_that_restarts_ends_the_life_and_has_forgotten_its_slots);
	tcase_add_test(tc, a_stalled_board_is_silent_while_its_primary_goes_on);
	tcase_add_test(tc, an_unplugged_board_takes_no_more_bytes);
	tcase_add_loop_test(tc, a_package_can_be_the_primary_and_is_not_disturbed, 0, 2);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
