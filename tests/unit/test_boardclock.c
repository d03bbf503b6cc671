/* The clock of a board, estimated: against worlds whose truth is known. */
#include "daemon/board/boardclock.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct hv_rng rng;

/* A world: the board's clock is a straight line of ours, messages take their time on the line
 * and wait before it. */
struct truth {
	double offset_us, drift; /* board = host * (1 + drift) + offset */
	double bps, wait_mean_us; /* of each queue; an exponential, sometimes none */
};

static double board_us(const struct truth *t, double host_us)
{
	return host_us * (1 + t->drift) + t->offset_us;
}

static double wait_us(const struct truth *t)
{
	return -t->wait_mean_us * log(1 - hv_rng_uniform(&rng, 0, 1));
}

/* One exchange at host_us; returns when the answer was heard. */
static double exchange(struct boardclock *c, const struct truth *t, double host_us)
{
	struct boardclock_exchange e = { .out_us = 23 * 1e7 / t->bps,
					 .back_us = 39 * 1e7 / t->bps };
	double received = host_us + wait_us(t) + e.out_us;
	double answered = received + wait_us(t) / 4, heard = answered + e.back_us + wait_us(t);

	e.sent_us = (uint64_t)host_us;
	e.received_us = (uint64_t)board_us(t, received);
	e.answered_us = (uint64_t)board_us(t, answered);
	e.heard_us = (uint64_t)heard;
	ck_assert(boardclock_add(c, &e));
	return heard;
}

static double error_now(const struct boardclock *c, const struct truth *t, double host_us,
			struct boardclock_estimate *e)
{
	ck_assert(boardclock_now(c, (uint64_t)host_us, e));
	return e->offset_us - (board_us(t, floor(host_us)) - floor(host_us));
}

START_TEST(one_exchange_tells_the_offset_to_half_of_what_it_waited)
{
	struct boardclock c;
	struct boardclock_estimate e;
	struct boardclock_exchange x = { .sent_us = 1000,
					 .heard_us = 3000,
					 .received_us = 500000,
					 .answered_us = 500400,
					 .out_us = 300,
					 .back_us = 500 };

	boardclock_init(&c);
	ck_assert(!boardclock_now(&c, 1000, &e));
	ck_assert(boardclock_add(&c, &x));
	ck_assert(boardclock_now(&c, 3000, &e));
	/* between 500000 - 1300 and 500400 - 2500 */
	ck_assert_double_ge(e.offset_us, 497900);
	ck_assert_double_le(e.offset_us, 498700);
	ck_assert_double_ge(e.error_us, 400);
	ck_assert_double_le(e.error_us, 460);
}
END_TEST

START_TEST(an_answer_before_its_question_is_refused)
{
	struct boardclock c;
	struct boardclock_exchange x = {
		.sent_us = 1000, .heard_us = 999, .received_us = 5, .answered_us = 6
	};

	boardclock_init(&c);
	ck_assert(!boardclock_add(&c, &x));
	x.heard_us = 1100;
	x.answered_us = 4;
	ck_assert(!boardclock_add(&c, &x));
	x.answered_us = 500; /* it says to have worked longer than all of it took */
	ck_assert(!boardclock_add(&c, &x));
	ck_assert_uint_eq(c.n, 0);
	ck_assert_uint_eq(c.refused, 3);
}
END_TEST

/* The claim: within the told error always, and that error is small. */
START_TEST(the_truth_is_within_the_told_error_whatever_the_line_does)
{
	double worst = 0, told = 0;

	for (int world = 0; world < 300; world++) {
		struct truth t = { .offset_us = hv_rng_uniform(&rng, 0, 1e12),
				   .drift = hv_rng_uniform(&rng, -100e-6, 100e-6),
				   .bps = world % 2 ? 1000000 : 115200,
				   .wait_mean_us = hv_rng_uniform(&rng, 5, 5000) };
		double now = hv_rng_uniform(&rng, 1e6, 1e12), err;
		struct boardclock c;
		struct boardclock_estimate e;

		boardclock_init(&c);
		for (int i = 0; i < 60; i++) {
			now = exchange(&c, &t, now);
			err = error_now(&c, &t, now, &e);
			ck_assert_msg(fabs(err) <= e.error_us + 0.01, "world %d: %f us, told %f",
				      world, err, e.error_us);
			now += i < 6 ? 100000 : 500000;
			err = error_now(&c, &t, now, &e);
			ck_assert_double_le(fabs(err), e.error_us + 0.01);
		}
		ck_assert_uint_eq(c.n, BOARDCLOCK_WINDOW); /* nothing true was ever forgotten */
		if (t.wait_mean_us < 200 && fabs(err) > worst)
			worst = fabs(err);
		if (t.wait_mean_us < 200 && e.error_us > told)
			told = e.error_us;
	}
	printf("  waits of 200 us on average: error at most %.1f us, told at most %.1f us\n", worst,
	       told);
	ck_assert_double_le(worst, 50);
}
END_TEST

START_TEST(a_clock_that_steps_is_found_again)
{
	struct truth t = { .offset_us = 1e6, .drift = 50e-6, .bps = 1000000, .wait_mean_us = 20 };
	struct boardclock_estimate e;
	struct boardclock c;
	double now = 1e6;

	boardclock_init(&c);
	for (int i = 0; i < 40; i++)
		now = exchange(&c, &t, now) + 500000;
	t.offset_us += 1e6;
	for (int i = 0; i < 3; i++)
		now = exchange(&c, &t, now) + 500000;
	ck_assert_double_le(fabs(error_now(&c, &t, now, &e)), e.error_us);
	ck_assert_double_le(fabs(error_now(&c, &t, now, &e)), 50);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("board clock");
	TCase *tc = tcase_create("estimate");
	SRunner *sr;
	int failed;

	hv_rng_seed(&rng, 2024);
	tcase_add_test(tc, one_exchange_tells_the_offset_to_half_of_what_it_waited);
	tcase_add_test(tc, an_answer_before_its_question_is_refused);
	tcase_add_test(tc, the_truth_is_within_the_told_error_whatever_the_line_does);
	tcase_add_test(tc, a_clock_that_steps_is_found_again);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
