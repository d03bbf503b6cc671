/* The daemon's half of changing a line's rate, told what happens. */
#include "daemon/board/rate.h"
#include <check.h>
#include <stdlib.h>

static struct rate r;
static struct rate_counts c;
static uint64_t now;
static const uint32_t list[] = { 230400, 1000000, 921600 };

static void begin(void)
{
	rate_init(&r);
	c = (struct rate_counts){ 0 };
	now = 5000000;
	rate_hello(&r, 115200);
	(void)rate_begin(&r);
	ck_assert_int_eq(rate_offer(&r, 115200, list, 3, now), RATE_ASK);
}

/* Time passes until it has something to say. */
static enum rate_act wait_act(void)
{
	ck_assert_uint_ne(rate_next_us(&r), UINT64_MAX);
	now = rate_next_us(&r);
	return rate_tick(&r, c, now);
}

START_TEST(the_fastest_rate_is_asked_for_and_kept_when_it_carries)
{
	begin();
	ck_assert_uint_eq(r.wanted_bps, 1000000);
	ck_assert_int_eq(rate_answer(&r, 1000000, RATE_GRANTED, c, now), RATE_SET);
	ck_assert_uint_eq(r.now_bps, 1000000);
	ck_assert_int_eq(rate_tick(&r, c, now + 1000), RATE_NOTHING);
	c.good++;
	ck_assert_int_eq(rate_tick(&r, c, now + 2000), RATE_NOTHING); /* a frame is no proof */
	ck_assert_int_eq(rate_told(&r, 1000000, c, now + 3000), RATE_SETTLED);
	ck_assert_int_eq(r.state, RATE_FAST);
	for (int i = 0; i < 100; i++) {
		now += 500000;
		c.good += 3;
		c.bad += 1;
		ck_assert_int_eq(rate_tick(&r, c, now), RATE_NOTHING);
	}
	ck_assert_uint_eq(r.fallbacks, 0);
}
END_TEST

/* Silence at the rate that was asked for, as often as it is tried. */
static void fails(uint32_t bps)
{
	for (int i = 0; i < RATE_TRIES; i++) {
		ck_assert_uint_eq(r.wanted_bps, bps);
		ck_assert_int_eq(rate_answer(&r, bps, RATE_GRANTED, c, now), RATE_SET);
		ck_assert_uint_eq(rate_next_us(&r), now + 300000);
		ck_assert_int_eq(wait_act(), RATE_SET);
		ck_assert_uint_eq(r.now_bps, 115200);
		if (bps != 230400 || i + 1 < RATE_TRIES)
			ck_assert_int_eq(wait_act(), RATE_ASK);
	}
}

START_TEST(silence_at_a_new_rate_falls_back_in_300_ms_and_after_two_tries_it_is_given_up)
{
	begin();
	fails(1000000);
	ck_assert_uint_eq(r.fallbacks, 1);
	fails(921600);
	fails(230400);
	ck_assert_int_eq(wait_act(), RATE_SETTLED);
	ck_assert_uint_eq(r.now_bps, 115200);
	ck_assert_uint_eq(r.fallbacks, 3);
	ck_assert_uint_eq(rate_next_us(&r), UINT64_MAX);
	/* another life with the same board: what failed stays failed */
	ck_assert(!rate_begin(&r));
	ck_assert_int_eq(rate_offer(&r, 115200, list, 3, now), RATE_SETTLED);
}
END_TEST

START_TEST(a_rate_that_carries_at_the_second_try_is_kept)
{
	begin();
	(void)rate_answer(&r, 1000000, RATE_GRANTED, c, now);
	ck_assert_int_eq(wait_act(), RATE_SET);
	ck_assert_int_eq(wait_act(), RATE_ASK);
	ck_assert_int_eq(rate_answer(&r, 1000000, RATE_GRANTED, c, now), RATE_SET);
	ck_assert_int_eq(rate_told(&r, 1000000, c, now), RATE_SETTLED);
	ck_assert_uint_eq(r.fallbacks, 0);
	ck_assert_uint_eq(r.now_bps, 1000000);
}
END_TEST

START_TEST(a_board_that_never_tells_its_rates_keeps_the_one_it_has)
{
	rate_init(&r);
	now = 5000000;
	rate_hello(&r, 115200);
	rate_await(&r, now);
	ck_assert_int_eq(rate_tick(&r, c, now + 1000), RATE_NOTHING);
	ck_assert_int_eq(wait_act(), RATE_SETTLED);
	ck_assert_uint_eq(now, 5000000 + RATE_ANSWER_US);
	ck_assert_uint_eq(r.now_bps, 115200);
	ck_assert_uint_eq(rate_next_us(&r), UINT64_MAX);
	/* better late than never */
	ck_assert_int_eq(rate_offer(&r, 115200, list, 3, now), RATE_ASK);
}
END_TEST

START_TEST(a_refused_rate_is_skipped_and_a_late_board_asked_again)
{
	begin();
	ck_assert_int_eq(rate_answer(&r, 1000000, RATE_REFUSED, c, now), RATE_ASK);
	ck_assert_uint_eq(r.wanted_bps, 921600);
	ck_assert_int_eq(rate_answer(&r, 1000000, RATE_GRANTED, c, now), RATE_NOTHING);
	ck_assert_int_eq(rate_answer(&r, 921600, RATE_LATER, c, now), RATE_NOTHING);
	ck_assert_int_eq(wait_act(), RATE_ASK);
	ck_assert_uint_eq(r.wanted_bps, 921600);
	ck_assert_uint_eq(r.fallbacks, 0);
}
END_TEST

START_TEST(a_board_that_went_back_alone_is_not_taken_for_a_fast_one)
{
	begin();
	(void)rate_answer(&r, 1000000, RATE_GRANTED, c, now);
	c.good += 5; /* a carrier without rates carries all the same */
	ck_assert_int_eq(rate_tick(&r, c, now + 290000), RATE_NOTHING);
	ck_assert_int_eq(rate_tick(&r, c, now + 2000000), RATE_NOTHING); /* slow, not silent */
	ck_assert_int_eq(rate_told(&r, 115200, c, now + 2000000), RATE_SET);
	ck_assert_uint_eq(r.now_bps, 115200);
	ck_assert_uint_eq(r.fallbacks, 0); /* once more */
	/* and later: this host paused, and the board took that for silence */
	begin();
	(void)rate_answer(&r, 1000000, RATE_GRANTED, c, now);
	ck_assert_int_eq(rate_told(&r, 1000000, c, now), RATE_SETTLED);
	ck_assert_int_eq(rate_told(&r, 1000000, c, now), RATE_NOTHING);
	ck_assert_int_eq(rate_told(&r, 115200, c, now), RATE_SET);
	ck_assert_uint_eq(r.now_bps, 115200);
	ck_assert_int_eq(wait_act(), RATE_ASK);
	ck_assert_uint_eq(r.wanted_bps, 1000000); /* it did carry */
}
END_TEST

START_TEST(a_rate_that_turns_bad_is_left)
{
	begin();
	(void)rate_answer(&r, 1000000, RATE_GRANTED, c, now);
	c.good++;
	(void)rate_told(&r, 1000000, c, now);
	c.bad += 64;
	c.good += 2;
	ck_assert_int_eq(rate_tick(&r, c, now + 1000), RATE_SET);
	ck_assert_uint_eq(r.now_bps, 115200);
	begin();
	(void)rate_answer(&r, 1000000, RATE_GRANTED, c, now);
	c.good++;
	(void)rate_told(&r, 1000000, c, now);
	ck_assert_int_eq(wait_act(), RATE_SET); /* nothing is heard at all */
	ck_assert_uint_eq(r.now_bps, 115200);
}
END_TEST

START_TEST(a_new_life_meets_at_the_first_rate)
{
	begin();
	(void)rate_answer(&r, 1000000, RATE_GRANTED, c, now);
	c.good++;
	(void)rate_told(&r, 1000000, c, now);
	ck_assert(rate_begin(&r));
	ck_assert_uint_eq(r.now_bps, 115200);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("line rate");
	TCase *tc = tcase_create("host");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, the_fastest_rate_is_asked_for_and_kept_when_it_carries);
	tcase_add_test(
		tc, silence_at_a_new_rate_falls_back_in_300_ms_and_after_two_tries_it_is_given_up);
	tcase_add_test(tc, a_rate_that_carries_at_the_second_try_is_kept);
	tcase_add_test(tc, a_board_that_never_tells_its_rates_keeps_the_one_it_has);
	tcase_add_test(tc, a_refused_rate_is_skipped_and_a_late_board_asked_again);
	tcase_add_test(tc, a_board_that_went_back_alone_is_not_taken_for_a_fast_one);
	tcase_add_test(tc, a_rate_that_turns_bad_is_left);
	tcase_add_test(tc, a_new_life_meets_at_the_first_rate);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
