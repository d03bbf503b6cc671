/* What the tracker learns from reports, and where the next network fits: both pure. */
#include "daemon/board/rooms.h"
#include "daemon/board/tracker.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>

static struct tracker t;

static void setup(void)
{
	tracker_init(&t);
}

static uint64_t periodic(uint64_t from_us, unsigned n, uint32_t period_us, uint32_t busy_us)
{
	for (unsigned i = 0; i < n; i++, from_us += period_us)
		tracker_activation(&t, from_us, busy_us);
	return from_us;
}

START_TEST(without_a_primary_everything_is_idle)
{
	ck_assert_double_eq(tracker_primary_share(&t, 1000000), 0);
	ck_assert_uint_eq(tracker_wait_us(&t, 5000), 0);
	ck_assert_uint_eq(tracker_window_us(&t), UINT64_MAX);
	ck_assert_double_eq(tracker_idle_used_share(&t), 0);
}
END_TEST

START_TEST(periodic_primary_has_its_share_and_the_wait_of_the_formula)
{
	static const uint32_t run_us[] = { 0, 500, 4000, 10000, 14000 };
	double busy = 18480, period = 33333, run = run_us[_i], wait;
	uint64_t end = periodic(1000, 300, (uint32_t)period, (uint32_t)busy);

	ck_assert_double_eq_tol(tracker_primary_share(&t, end), busy / period, 1e-3);
	/* From a random moment: zero with probability (W - L) / P, else up to B + L. */
	wait = (busy + run) * (busy + run) / (2 * period);
	ck_assert_double_eq_tol((double)tracker_wait_us(&t, (uint64_t)run), wait, 0.02 * wait);
	ck_assert_uint_eq(tracker_window_us(&t), (uint64_t)(period - busy));
}
END_TEST

START_TEST(a_run_longer_than_every_window_never_starts)
{
	periodic(0, 100, 33333, 18480);
	ck_assert_uint_eq(tracker_wait_us(&t, 14854), UINT64_MAX);
	ck_assert_uint_lt(tracker_wait_us(&t, 14853), 40000);
}
END_TEST

/* The closed form against counting moments one by one. */
START_TEST(wait_agrees_with_simulation_of_random_arrivals)
{
	enum { N = 100 };
	static uint64_t start[N];
	static uint32_t busy[N];
	struct hv_rng r;
	uint64_t at = 0, run = 3000, sum = 0, moments = 0;

	hv_rng_seed(&r, (uint64_t)_i + 1);
	for (unsigned i = 0; i < N; i++) {
		start[i] = at;
		busy[i] = 500 + hv_rng_below(&r, 8000);
		tracker_activation(&t, start[i], busy[i]);
		at += busy[i] + hv_rng_below(&r, 20000);
	}
	for (uint64_t now = 0; now < start[N - 1]; now += 7) {
		uint64_t from = now;
		unsigned i = 0;

		while (start[i + 1] <= now)
			i++;
		for (; i + 1 < N; i++) {
			uint64_t idle = start[i] + busy[i];

			if (from < idle)
				from = idle;
			if (from + run <= start[i + 1])
				break;
		}
		if (i + 1 == N)
			break; /* the trace ends before a window comes */
		sum += from - now;
		moments++;
	}
	ck_assert_double_eq_tol((double)tracker_wait_us(&t, run), (double)sum / (double)moments,
				0.15 * (double)sum / (double)moments + 50);
}
END_TEST

START_TEST(a_primary_that_stopped_fades)
{
	uint64_t end = periodic(0, 50, 10000, 5000);

	ck_assert_double_eq_tol(tracker_primary_share(&t, end), 0.5, 0.01);
	ck_assert_double_lt(tracker_primary_share(&t, end + 10000000), 0.05);
}
END_TEST

START_TEST(a_change_of_period_is_learnt)
{
	uint64_t at = periodic(0, 200, 33333, 18480);

	at = periodic(at, 200, 100000, 10000);
	ck_assert_double_eq_tol(tracker_primary_share(&t, at), 0.1, 0.01);
	ck_assert_uint_eq(tracker_window_us(&t), 90000);
}
END_TEST

START_TEST(lost_reports_do_not_make_windows)
{
	uint64_t at = periodic(0, 20, 10000, 8000);

	tracker_report(&t, 120, 100, 10000, 0, 0); /* 100 dropped: a hole of a second */
	periodic(at + 1000000, 20, 10000, 8000);
	ck_assert_uint_eq(tracker_wait_us(&t, 5000), UINT64_MAX);
	ck_assert_uint_eq(tracker_window_us(&t), 2000);
}
END_TEST

START_TEST(impossible_activations_are_not_believed)
{
	uint64_t at = periodic(0, 20, 10000, 8000);

	tracker_activation(&t, at - 5000, 100); /* inside the last one */
	ck_assert_uint_eq(t.count, 20);
	tracker_activation(&t, UINT64_MAX - 10, 1); /* a lie ... */
	tracker_activation(&t, at, 8000); /* ... must not silence the truth */
	at = periodic(at + 10000, 20, 10000, 8000);
	ck_assert_double_eq_tol(tracker_primary_share(&t, at), 0.8, 0.02);
}
END_TEST

START_TEST(harvested_shares_come_from_status_differences)
{
	tracker_status(&t, 1000000, 0, 0);
	tracker_status(&t, 2000000, 200000, 500000);
	ck_assert_double_eq_tol(tracker_harvest_share(&t), 0.2, 1e-9);
	ck_assert_double_eq_tol(tracker_idle_used_share(&t), 0.4, 1e-9);
	tracker_status(&t, 100, 0, 0); /* rebooted: nothing is known */
	ck_assert_double_eq(tracker_harvest_share(&t), 0);
}
END_TEST

static const struct cnn_room room = { .kernel_first = 100,
				      .kernel_words = 600,
				      .bias_first = 64,
				      .bias_count = 256,
				      .data_first = 0,
				      .data_words = 8192 };

START_TEST(rooms_are_taken_first_fit_and_never_overlap)
{
	struct rooms_claim claim[ROOMS_CLAIMS_MAX];
	struct hv_rng r;
	unsigned n = 0;

	hv_rng_seed(&r, (uint64_t)_i);
	for (int step = 0; step < 500; step++) {
		uint16_t words = (uint16_t)(1 + hv_rng_below(&r, 120));
		uint16_t bias = (uint16_t)hv_rng_below(&r, 60);
		struct cnn_room gap;

		if (n == ROOMS_CLAIMS_MAX || (n > 0 && hv_rng_below(&r, 3) == 0))
			claim[hv_rng_below(&r, n)] = claim[n - 1], n--;
		if (!rooms_find(&room, claim, n, words, bias, 0, &gap))
			continue;
		ck_assert(gap.kernel_words >= words && gap.bias_count >= bias);
		ck_assert(gap.kernel_first >= 100 && gap.kernel_first + gap.kernel_words <= 700);
		ck_assert(gap.bias_first >= 64 && gap.bias_first + gap.bias_count <= 320);
		for (unsigned i = 0; i < n; i++)
			ck_assert_msg(gap.kernel_first + gap.kernel_words <=
						      claim[i].kernel_first ||
					      claim[i].kernel_first + claim[i].kernel_words <=
						      gap.kernel_first,
				      "words overlap");
		claim[n++] = (struct rooms_claim){ gap.kernel_first, words, gap.bias_first, bias };
	}
}
END_TEST

START_TEST(rooms_after_the_first_are_offered_in_order_and_then_none)
{
	const struct rooms_claim claim[] = { { 300, 100, 0, 0 }, { 150, 50, 64, 16 } };
	struct cnn_room gap;

	ck_assert(rooms_find(&room, claim, 2, 40, 8, 0, &gap));
	ck_assert_uint_eq(gap.kernel_first, 100);
	ck_assert_uint_eq(gap.kernel_words, 50);
	ck_assert_uint_eq(gap.bias_first, 80);
	ck_assert(rooms_find(&room, claim, 2, 40, 8, 1, &gap));
	ck_assert_uint_eq(gap.kernel_first, 200);
	ck_assert(rooms_find(&room, claim, 2, 40, 8, 2, &gap));
	ck_assert_uint_eq(gap.kernel_first, 400);
	ck_assert_uint_eq(gap.kernel_words, 300);
	ck_assert(!rooms_find(&room, claim, 2, 40, 8, 3, &gap));
	ck_assert(!rooms_find(&room, claim, 2, 301, 0, 0, &gap));
	ck_assert(!rooms_find(&room, claim, 2, 1, 257, 0, &gap));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tracker");
	TCase *tc = tcase_create("pure");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, without_a_primary_everything_is_idle);
	tcase_add_loop_test(tc, periodic_primary_has_its_share_and_the_wait_of_the_formula, 0, 5);
	tcase_add_test(tc, a_run_longer_than_every_window_never_starts);
	tcase_add_loop_test(tc, wait_agrees_with_simulation_of_random_arrivals, 0, 8);
	tcase_add_test(tc, a_primary_that_stopped_fades);
	tcase_add_test(tc, a_change_of_period_is_learnt);
	tcase_add_test(tc, lost_reports_do_not_make_windows);
	tcase_add_test(tc, impossible_activations_are_not_believed);
	tcase_add_test(tc, harvested_shares_come_from_status_differences);
	tcase_add_loop_test(tc, rooms_are_taken_first_fit_and_never_overlap, 0, 16);
	tcase_add_test(tc, rooms_after_the_first_are_offered_in_order_and_then_none);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
