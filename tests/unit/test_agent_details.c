/* What an agent does beyond jobs of carried samples: rings, stand-down, black box, the rate of
 * the line, the exact time. In modelled time, with the link of a virtual board. */
#include "daemon/board/boardclock.h"
#include "tests/lib/board_peer.h"
#include "util/own.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 4096, RECORDED = 10007, RECORD = 128, MS = 1000000 };

static struct vboard *b;
static struct peer p;
static struct primary_spec spec;
static struct sim_ring ring;
static struct hv_rng rng;
static const struct package *pkg;

static void open_board(uint32_t link_bps, uint32_t meet_bps, uint32_t garble_above)
{
	struct vboard_options o = { .serial = "t",
				    .device = "max78000",
				    .primary = &spec,
				    .link_bps = link_bps,
				    .meet_bps = meet_bps,
				    .seed = 3,
				    .rings = &ring,
				    .n_rings = 1 };
	char why[200];

	ck_assert_int_eq(primary_spec_parse("none", &spec, why, sizeof(why)), HV_OK);
	ring = (struct sim_ring){ .name = "mic",
				  .channels = 1,
				  .samples = RING,
				  .write_ahead = 64,
				  .rate_hz = 16000,
				  .recorded = RECORDED,
				  .number = -1 };
	ring.recording = malloc(RECORDED * sizeof(*ring.recording));
	ring.memory = calloc(RING, sizeof(*ring.memory));
	for (unsigned i = 0; i < RECORDED; i++)
		ring.recording[i] = (int16_t)hv_rng_u64(&rng);
	fault_plan_init(&o.fault);
	o.fault.garble_above_bps = garble_above;
	ck_assert_int_eq(vboard_new(&o, &b, why, sizeof(why)), HV_OK);
	peer_init(&p, b);
	ck_assert(peer_connect(&p, 1));
}

static void setup(void)
{
	hv_rng_seed(&rng, 11);
	pkg = peer_package("fft64", 2);
	open_board(1000000, 0, UINT32_MAX);
}

static void teardown(void)
{
	ck_assert_uint_eq(p.wrong, 0);
	ck_assert_uint_eq(cnn_emu_misuse(b->emu), 0);
	peer_clear(&p);
	vboard_free(b);
	sim_ring_clear(&ring);
	primary_spec_clear(&spec);
	peer_packages_free();
}

static void load(void)
{
	size_t len;
	uint8_t *image = peer_image(&p, pkg, &len);

	ck_assert_int_eq(peer_load(&p, 0, image, len), HV_OK);
	free(image);
}

static int ask_job(struct link_job_buffer m)
{
	union link_msg u;
	unsigned results = p.results;

	m.id_ = LINK_JOB_BUFFER;
	u.job_buffer = m;
	p.buffer_result.id_ = 0;
	ck_assert(peer_send(&p, &u, NULL, 0));
	ck_assert(peer_until(&p, &p.results, UINT64_C(1000) * MS));
	ck_assert_uint_eq(p.results, results + 1);
	return p.last_code;
}

START_TEST(bad_jobs_on_rings_are_refused_with_a_code)
{
	struct link_job_buffer good = {
		.job = 1, .records = 2, .from = LINK_FROM_NEWEST, .hop = 50
	};
	struct link_job_buffer m;

	ck_assert_int_eq(ask_job(good), HV_E_NOENT); /* no model there yet */
	load();
	ck_assert_int_eq(ask_job((m = good, m.buffer = 1, m)), HV_E_INVAL);
	ck_assert_int_eq(ask_job((m = good, m.hop = 0, m)), HV_E_INVAL);
	ck_assert_int_eq(ask_job((m = good, m.hop = UINT32_MAX, m)), HV_E_INVAL);
	ck_assert_int_eq(ask_job((m = good, m.records = 0, m)), HV_E_INVAL);
	ck_assert_int_eq(ask_job((m = good, m.records = 65535, m)), HV_E_INVAL);
	ck_assert_int_eq(ask_job((m = good, m.span = UINT32_MAX, m)), HV_E_INVAL);
	ck_assert_int_eq(ask_job((m = good, m.from = 2, m)), HV_E_INVAL);
	ck_assert_int_eq(ask_job((m = good, m.slot = 200, m)), HV_E_INVAL);
	m = good;
	m.from = LINK_FROM_ABSOLUTE;
	m.first = UINT64_MAX;
	ck_assert_int_eq(ask_job(m), HV_E_STALE);
	m.first = b->agent.ring[0].written;
	ck_assert_int_eq(ask_job(m), HV_E_STALE); /* not there yet */
	peer_run(&p, UINT64_C(1000) * MS); /* 16000 samples later */
	m.first = b->agent.ring[0].written - RING;
	ck_assert_int_eq(ask_job(m), HV_E_STALE); /* being overwritten */
	m.first = b->agent.ring[0].written - RING + 400;
	ck_assert_int_eq(ask_job(m), HV_OK);
	ck_assert_int_eq(ask_job(good), HV_OK);
}
END_TEST

START_TEST(registrations_are_checked)
{
	static int16_t memory[256];
	struct agent_buffer good = { .name = "imu",
				     .dtype = AGENT_S16,
				     .channels = 2,
				     .samples = 128,
				     .write_ahead = 1,
				     .memory = memory };
	struct agent_buffer m;
	struct agent *a = &b->agent;

#define REFUSED(change, code)                                         \
	do {                                                          \
		m = good;                                             \
		m.change;                                             \
		ck_assert_int_eq(agent_buffer_register(a, &m), code); \
	} while (0)
	REFUSED(name = "", HV_E_INVAL);
	REFUSED(name = NULL, HV_E_INVAL);
	REFUSED(name = "sixteen-letters-", HV_E_INVAL);
	REFUSED(name = "Mic", HV_E_INVAL);
	REFUSED(name = "mic", HV_E_BUSY);
	REFUSED(dtype = 0, HV_E_INVAL);
	REFUSED(dtype = 6, HV_E_INVAL);
	REFUSED(channels = 0, HV_E_INVAL);
	REFUSED(channels = 17, HV_E_INVAL);
	REFUSED(samples = 1, HV_E_INVAL);
	REFUSED(samples = (1 << 24) + 1, HV_E_INVAL);
	REFUSED(write_ahead = 0, HV_E_INVAL);
	REFUSED(write_ahead = 128, HV_E_INVAL);
	REFUSED(memory = NULL, HV_E_INVAL);
	ck_assert_int_eq(agent_buffer_register(a, &good), 1);
	ck_assert_int_eq(agent_buffer_register(a, (good.name = "imu2", &good)), 2);
	ck_assert_int_eq(agent_buffer_register(a, (good.name = "imu3", &good)), 3);
	ck_assert_int_eq(agent_buffer_register(a, (good.name = "imu4", &good)), HV_E_BUSY);
	agent_buffer_advance(a, -1, 5);
	agent_buffer_advance(a, 4, 5);
	agent_buffer_advance(a, 1, UINT32_MAX); /* more than the ring holds is fine */
	b->more = true;
	peer_run(&p, MS);
	ck_assert_uint_eq(a->ring[1].written, UINT32_MAX);
}
END_TEST

START_TEST(a_stand_down_gives_jobs_back_at_once_and_the_link_lives)
{
	union link_msg details = { .details_req = { .id_ = LINK_DETAILS_REQ, .what = 31 } };
	struct agent_stats s;
	uint64_t from;

	load();
	ck_assert(peer_send(&p, &details, NULL, 0));
	peer_run(&p, 20 * MS);
	ck_assert(peer_job(&p, 1, 0, pkg, 8, &rng));
	while (b->agent.run.phase == AG_IDLE)
		peer_run(&p, 500);
	from = vboard_now_ns(b);
	agent_stand_down(&b->agent);
	agent_stand_down(&b->agent); /* twice is once */
	ck_assert_uint_le(vboard_now_ns(b) - from, AG_WAIT_BOUND_US * 1000);
	ck_assert_int_eq(b->agent.run.phase, AG_IDLE);
	b->more = true;
	ck_assert(peer_until(&p, &p.results, UINT64_C(100) * MS));
	ck_assert_int_eq(p.last_code, HV_E_BUSY);
	peer_run(&p, 10 * MS);
	ck_assert_uint_eq(p.stand.down, 1);
	ck_assert(peer_job(&p, 2, 0, pkg, 1, &rng)); /* refused, but answered */
	ck_assert(peer_until(&p, &p.results, UINT64_C(100) * MS));
	ck_assert_int_eq(p.last_code, HV_E_BUSY);
	agent_stats_get(&b->agent, &s);
	ck_assert(s.stood_down && s.link_up && s.models == 1 && s.jobs == 0);
	agent_resume(&b->agent, false);
	b->more = true;
	peer_run(&p, 10 * MS);
	ck_assert_uint_eq(p.stand.down, 0);
	ck_assert_uint_eq(p.slot[0].state, LINK_SLOT_EMPTY);
	load();
	ck_assert(peer_job(&p, 3, 0, pkg, 1, &rng));
	ck_assert(peer_until(&p, &p.results, UINT64_C(100) * MS));
	ck_assert_int_eq(p.last_code, HV_OK);
}
END_TEST

START_TEST(the_black_box_outlives_a_reset_but_not_damage)
{
	union link_msg details = { .details_req = { .id_ = LINK_DETAILS_REQ,
						    .what = LINK_CAP_BOX } };
	struct ag_hal hal = host_hal_ops(&b->hal);

	agent_note(&b->agent, AGENT_NOTE_FIRST, 1, 2);
	agent_note(&b->agent, 3, 1, 2); /* the agent's own kinds are not for others */
	peer_run(&p, 50 * MS);
	b->config.reset_cause = AGENT_RESET_WATCHDOG;
	b->box.event[1].value ^= 1; /* the link's begin: its sum is wrong now */
	ck_assert_int_eq(agent_init(&b->agent, &hal, &b->config), HV_OK);
	b->more = true;
	ck_assert(peer_connect(&p, 2));
	ck_assert(peer_send(&p, &details, NULL, 0));
	peer_run(&p, 50 * MS);
	ck_assert_uint_eq(p.box_n, 4);
	ck_assert_uint_eq(p.box_kind[0], LINK_BOX_BOOT);
	ck_assert_uint_eq(p.box_kind[1], AGENT_NOTE_FIRST);
	ck_assert_uint_eq(p.box_kind[2], LINK_BOX_BOOT);
	ck_assert_uint_eq(p.box_kind[3], LINK_BOX_LIFE);
	ck_assert_uint_eq(b->agent.box.boot, 1);
}
END_TEST

START_TEST(aborts_that_are_added_up_leave_the_events_before_them_whole)
{
	static const uint8_t want[] = { LINK_BOX_BOOT,        LINK_BOX_LIFE,  AGENT_NOTE_FIRST,
					AGENT_NOTE_FIRST + 1, LINK_BOX_ABORT, LINK_BOX_BOOT,
					LINK_BOX_LIFE };
	union link_msg details = { .details_req = { .id_ = LINK_DETAILS_REQ,
						    .what = LINK_CAP_BOX } };
	struct ag_hal hal = host_hal_ops(&b->hal);
	struct agent *a = &b->agent;

	while (ag_box_step(a))
		;
	agent_note(a, AGENT_NOTE_FIRST, 0, 0);
	agent_note(a, AGENT_NOTE_FIRST + 1, 0, 0);
	a->n.aborted++;
	(void)ag_box_step(a);
	a->n.aborted++; /* before the second note has its sum */
	while (ag_box_step(a))
		;
	ck_assert_int_eq(agent_init(a, &hal, &b->config), HV_OK);
	b->more = true;
	ck_assert(peer_connect(&p, 2));
	ck_assert(peer_send(&p, &details, NULL, 0));
	peer_run(&p, 50 * MS);
	ck_assert_uint_eq(p.box_n, sizeof(want));
	ck_assert_mem_eq(p.box_kind, want, sizeof(want));
	ck_assert_uint_eq(b->box.event[4].value, 2);
}
END_TEST

static int ask_baud(uint32_t bps)
{
	union link_msg m = { .baud_req = { .id_ = LINK_BAUD_REQ, .bps = bps } };
	unsigned others = p.others;

	ck_assert(peer_send(&p, &m, NULL, 0));
	ck_assert(peer_until(&p, &p.others, 50 * MS));
	ck_assert_uint_eq(p.others, others + 1);
	ck_assert_uint_eq(p.baud.bps, bps);
	return (int16_t)p.baud.code;
}

START_TEST(the_rate_changes_when_asked_and_falls_back_when_it_does_not_carry)
{
	union link_msg status = { .status_req = { .id_ = LINK_STATUS_REQ } };

	teardown();
	open_board(1000000, 115200, 500000);
	ck_assert_uint_eq(p.hello.link_bps, 115200);
	ck_assert_int_eq(ask_baud(123456), HV_E_INVAL);
	ck_assert_int_eq(ask_baud(921600), HV_OK);
	peer_run(&p, 20 * MS);
	ck_assert_uint_eq(b->agent.baud.bps, 921600);
	ck_assert_int_eq(b->agent.baud.state, AG_BAUD_TRIAL);
	ck_assert(peer_send(&p, &status, NULL, 0));
	peer_run(&p, 290 * MS);
	ck_assert_uint_eq(b->agent.baud.bps, 115200); /* 300 ms without a good frame */
	peer_run(&p, UINT64_C(2000) * MS); /* the stream mends what was lost */
	ck_assert_uint_eq(p.statuses, 1);
	ck_assert_int_eq(ask_baud(460800), HV_OK);
	peer_run(&p, 20 * MS);
	ck_assert(peer_send(&p, &status, NULL, 0));
	peer_run(&p, 20 * MS);
	ck_assert_int_eq(b->agent.baud.state, AG_BAUD_FAST);
	ck_assert_uint_eq(p.statuses, 2);
	b->to_board.garbled = true; /* the host went back to its first rate */
	ck_assert(peer_send(&p, &status, NULL, 0));
	peer_run(&p, 400 * MS);
	ck_assert_uint_eq(b->agent.baud.bps, 115200);
}
END_TEST

/* The host's clock in this world. */
static uint64_t host_us(uint64_t model_ns, double drift)
{
	return (uint64_t)((double)model_ns / 1000 * (1 + drift) + 7e9);
}

START_TEST(the_clock_is_known_to_50_us_under_load)
{
	double drift = _i == 0 ? 100e-6 : _i == 1 ? -100e-6 : 3e-6, worst = 0;
	struct boardclock c;
	struct boardclock_estimate e;
	uint32_t id = 0;

	load();
	boardclock_init(&c);
	for (uint32_t i = 1; i <= 60; i++) {
		union link_msg m = { .time_req = { .id_ = LINK_TIME_REQ, .seq = i } };
		uint64_t sent_ns = vboard_now_ns(b);
		struct boardclock_exchange x = { .sent_us = host_us(sent_ns, drift),
						 .out_us = 230,
						 .back_us = 390 };
		double truth;

		ck_assert(peer_send(&p, &m, NULL, 0));
		ck_assert(peer_until(&p, &p.times, 500 * MS));
		ck_assert_uint_eq(p.time.seq, i);
		x.heard_us = host_us(p.time_heard_ns, drift);
		x.received_us = p.time.received_us;
		x.answered_us = p.time.sent_us;
		ck_assert(boardclock_add(&c, &x));
		/* jobs keep the line busy most of the time, for as long as they like */
		for (unsigned k = 0; k < 2; k++)
			(void)peer_job(&p, ++id, 0, pkg, (uint16_t)(1 + hv_rng_below(&rng, 20)),
				       &rng);
		peer_run(&p, (100 + hv_rng_below(&rng, 100)) * MS);
		ck_assert(boardclock_now(&c, host_us(vboard_now_ns(b), drift), &e));
		truth = (double)vboard_now_ns(b) / 1000 - (double)host_us(vboard_now_ns(b), drift);
		ck_assert_double_le(fabs(e.offset_us - truth), e.error_us + 1);
		if (i > 20 && fabs(e.offset_us - truth) > worst)
			worst = fabs(e.offset_us - truth);
	}
	printf("  drift %+.0f ppm: error at most %.1f us, told %.1f us, drift found %+.1f ppm\n",
	       drift * 1e6, worst, e.error_us, e.drift_ppm);
	ck_assert_double_le(worst, 50);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent/details");
	TCase *tc = tcase_create("board");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bad_jobs_on_rings_are_refused_with_a_code);
	tcase_add_test(tc, registrations_are_checked);
	tcase_add_test(tc, a_stand_down_gives_jobs_back_at_once_and_the_link_lives);
	tcase_add_test(tc, the_black_box_outlives_a_reset_but_not_damage);
	tcase_add_test(tc, aborts_that_are_added_up_leave_the_events_before_them_whole);
	tcase_add_test(tc, the_rate_changes_when_asked_and_falls_back_when_it_does_not_carry);
	tcase_add_loop_test(tc, the_clock_is_known_to_50_us_under_load, 0, 3);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
