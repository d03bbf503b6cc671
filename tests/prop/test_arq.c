/* The link under loss, flips, repeats, additions and reboots: every message exactly once and
 * in order, or a life that ends. Time is virtual. */
#include "tests/lib/arq_world.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct arq_world w;

static uint64_t rounds(uint64_t usual, uint64_t thorough)
{
	return getenv("HARVEST_LONG") != NULL ? thorough : usual;
}

static double goodput(const struct arq_side *s, uint64_t us)
{
	return (double)s->got_bytes * 10e6 / (double)us;
}

/* Share of the line's bits that are message bytes, the worse way, both ways at full load. */
static double share_of(uint64_t seed, uint16_t buf, const struct arq_faults *f, double seconds)
{
	enum { bps = 1000000 };
	double d, b;

	world_init(&w, seed, bps, buf);
	w.faults = *f;
	w.msg_max = buf / 4u < 4096 ? buf / 4u : 4096;
	world_connect(&w);
	world_run(&w, UINT32_MAX, (uint64_t)(seconds * 1e6));
	ck_assert_msg(w.error[0] == '\0', "%s", w.error);
	d = goodput(&w.side[ARQ_DAEMON], w.now_us) / bps;
	b = goodput(&w.side[ARQ_BOARD], w.now_us) / bps;
	printf("  buffers %5u, flip %.4f drop %.4f dup %.4f: to daemon %.1f %%, to board %.1f %%, "
	       "resent %u+%u, seg %u/%u\n",
	       buf, f->flip, f->drop, f->dup, 100 * d, 100 * b, w.side[0].a.n.resent,
	       w.side[1].a.n.resent, w.side[0].a.seg, w.side[1].a.seg);
	return d < b ? d : b;
}

START_TEST(clean_line_carries_messages_at_nine_tenths_of_its_rate_both_ways_at_once)
{
	static const uint16_t bufs[] = { 8192, 16384, 32768 };
	static const struct arq_faults none = { 0 };

	ck_assert(share_of(1, bufs[_i], &none, 1.0) >= 0.90);
	ck_assert_uint_eq(w.side[0].a.n.resent + w.side[1].a.n.resent, 0);
}
END_TEST

/* A socket or a USB bridge takes frames well before the line sends them, so answers are late. */
START_TEST(frames_that_wait_in_front_of_a_clean_line_are_not_resent)
{
	world_init(&w, 3, 1000000, 16384);
	w.msg_max = 4096;
	w.wire[_i].ahead = WORLD_AHEAD;
	world_connect(&w);
	world_run(&w, UINT32_MAX, 2000000);
	ck_assert_msg(w.error[0] == '\0', "%s", w.error);
	ck_assert_uint_gt(w.side[0].got_bytes, 150000);
	ck_assert_uint_gt(w.side[1].got_bytes, 150000);
	ck_assert_uint_eq(w.side[0].a.n.resent + w.side[1].a.n.resent, 0);
}
END_TEST

START_TEST(bad_line_still_makes_progress)
{
	/* clang-format off */
	static const struct { struct arq_faults f; double least; } line[] = {
		{ { .flip = 1e-5 }, 0.88 },
		{ { .flip = 1e-4 }, 0.75 },
		{ { .flip = 1e-3 }, 0.50 },
		{ { .flip = 1e-2 }, 0.18 },
		{ { .drop = 1e-2 }, 0.17 },
		{ { .dup = 1e-2 }, 0.17 },
		{ { .drop = 3e-3, .flip = 3e-3, .dup = 3e-3, .add = 1e-3 }, 0.17 },
		{ { .hold = 1e-4 }, 0.40 },
	};
	/* clang-format on */
	ck_assert(share_of(7, 8192, &line[_i].f, 2.0) >= line[_i].least);
}
END_TEST

static void faults_draw(struct hv_rng *r, struct arq_faults *f)
{
	double worst = hv_rng_below(r, 2) ? 0.012 : 0.001;

	f->drop = hv_rng_below(r, 2) ? hv_rng_uniform(r, 0, worst) : 0;
	f->flip = hv_rng_below(r, 2) ? hv_rng_uniform(r, 0, worst) : 0;
	f->dup = hv_rng_below(r, 2) ? hv_rng_uniform(r, 0, worst) : 0;
	f->add = hv_rng_below(r, 2) ? hv_rng_uniform(r, 0, worst) : 0;
	f->hold = hv_rng_below(r, 4) ? 0 : 1e-4;
}

static void world_draw(uint64_t seed)
{
	static const uint32_t bps[] = { 9600, 115200, 1000000, 2000000 };
	struct hv_rng r;

	hv_rng_seed(&r, seed);
	world_init(&w, seed, bps[hv_rng_below(&r, 4)], (uint16_t)(2048u << hv_rng_below(&r, 5)));
	w.latency_us = hv_rng_below(&r, 2) ? 200 : 16000;
	w.msg_max = 16 + hv_rng_below(&r, w.msg_max < 3000 ? w.msg_max - 16 : 3000);
	w.moody = hv_rng_below(&r, 2) ? 50 + hv_rng_below(&r, 3000) : 0;
	faults_draw(&r, &w.faults);
}

START_TEST(every_message_arrives_once_and_in_order_whatever_the_line_does)
{
	uint64_t first = (uint64_t)_i * 1000, n = rounds(25, 2000);

	printf("  seeds %llu..%llu\n", (unsigned long long)first,
	       (unsigned long long)(first + n - 1));
	for (uint64_t seed = first; seed < first + n; seed++) {
		bool ok;

		world_draw(seed);
		world_connect(&w);
		/* two sides that do not read wait long for the mood of one to change */
		ok = world_run(&w, 25, UINT64_C(86400000000));
		ck_assert_msg(w.error[0] == '\0', "%s", w.error);
		ck_assert_msg(ok, "seed %llu: stands still after %u and %u messages",
			      (unsigned long long)seed, w.side[0].got, w.side[1].got);
	}
}
END_TEST

/* A side that reboots at step k of a conversation: the old life ends, the next one works. */
START_TEST(reboot_of_either_side_at_any_step_ends_the_life_and_the_next_one_works)
{
	enum arq_role who = (enum arq_role)(_i & 1);
	bool noisy = _i > 1;
	uint64_t stride = rounds(37, 1);

	printf("  reboot side %d at every %llu. step%s\n", who, (unsigned long long)stride,
	       noisy ? ", noisy line" : "");
	for (uint64_t k = 0; k < 4000; k += stride) {
		uint16_t conn;

		world_init(&w, k, 1000000, 2048);
		w.msg_max = 300;
		if (noisy)
			w.faults = (struct arq_faults){ .flip = 2e-3, .drop = 1e-3 };
		world_connect(&w);
		for (uint64_t i = 0; i < k && w.error[0] == '\0'; i++)
			world_step(&w);
		conn = w.conn;
		world_reboot(&w, who);
		if (who == ARQ_DAEMON)
			world_connect(&w);
		ck_assert_msg(world_run(&w, 4, 60u * 1000000u), "step %llu: no new life; %s",
			      (unsigned long long)k, w.error);
		ck_assert_msg(w.side[who].a.conn == w.conn && (who == ARQ_BOARD || w.conn != conn),
			      "step %llu: still the old life", (unsigned long long)k);
	}
}
END_TEST

/* The peer is not a peer: random bytes and random well-formed frames, of this life too. */
START_TEST(babble_is_counted_and_harms_nothing)
{
	static uint8_t tx[2048], rx[2048];
	uint8_t out[FRAME_MAX_WIRE], msg[4096], payload[FRAME_MAX_PAYLOAD] = { 1 };
	struct hv_rng r;
	struct arq a;

	hv_rng_seed(&r, (uint64_t)_i);
	arq_init(&a, _i & 1 ? ARQ_BOARD : ARQ_DAEMON, tx, sizeof(tx), rx, sizeof(rx), 1000000);
	for (uint64_t i = 0; i < rounds(20000, 1000000); i++) {
		uint64_t now = i * 300;
		struct frame f = { .ver = FRAME_VER, .kind = (uint8_t)hv_rng_below(&r, 6) };
		size_t n;

		if (a.state == ARQ_DOWN && !(_i & 1))
			arq_connect(&a, (uint16_t)(1 + hv_rng_below(&r, 3)), now);
		f.conn = (uint16_t)hv_rng_below(&r, 4);
		f.seq = hv_rng_below(&r, 2) ? a.rcv : (uint16_t)hv_rng_u64(&r);
		f.ack = hv_rng_below(&r, 2) ? a.nxt : (uint16_t)hv_rng_u64(&r);
		f.window = (uint16_t)hv_rng_u64(&r);
		f.len = (uint16_t)hv_rng_below(&r, hv_rng_below(&r, 2) ? 3 : 1025);
		f.payload = payload;
		n = frame_encode(&f, out);
		if (hv_rng_below(&r, 8) == 0)
			out[hv_rng_below(&r, (uint32_t)n)] ^= 1;
		arq_input(&a, out, n, now);
		for (int k = 0; k < 3 && arq_output(&a, out, now) > 0; k++)
			;
		if (arq_send(&a, msg, 1 + hv_rng_below(&r, 100), NULL, 0) == HV_OK)
			ck_assert_uint_le((uint16_t)(a.end - a.una), a.tx_cap);
		if (arq_recv(&a, msg, sizeof(msg)) < 0)
			arq_reset(&a);
		ck_assert_uint_le((uint16_t)(a.rcv - a.rd), a.rx_cap);
		ck_assert_uint_le((uint16_t)(a.nxt - a.una), (uint16_t)(a.end - a.una));
		ck_assert_uint_le((uint16_t)(a.high - a.una), (uint16_t)(a.end - a.una));
		ck_assert(a.seg >= ARQ_SEG_MIN && a.seg <= FRAME_MAX_PAYLOAD);
	}
}
END_TEST

static Suite *arq_suite(void)
{
	Suite *s = suite_create("arq properties");
	TCase *tc = tcase_create("line");

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(
		tc, clean_line_carries_messages_at_nine_tenths_of_its_rate_both_ways_at_once, 0, 3);
	tcase_add_loop_test(tc, frames_that_wait_in_front_of_a_clean_line_are_not_resent, 0, 2);
	tcase_add_loop_test(tc, bad_line_still_makes_progress, 0, 8);
	tcase_add_loop_test(tc, every_message_arrives_once_and_in_order_whatever_the_line_does, 0,
			    4);
	tcase_add_loop_test(
		tc, reboot_of_either_side_at_any_step_ends_the_life_and_the_next_one_works, 0, 4);
	tcase_add_loop_test(tc, babble_is_counted_and_harms_nothing, 0, 4);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(arq_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
