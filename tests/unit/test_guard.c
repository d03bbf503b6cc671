#include "firmware-agent/core/guard.h"
#include <check.h>
#include <stdlib.h>

static struct guard_history seen(uint64_t first_us, const uint32_t *gaps, int n)
{
	struct guard_history h = { 0 };

	guard_history_add(&h, first_us);
	for (int i = 0; i < n; i++) {
		first_us += gaps[i];
		guard_history_add(&h, first_us);
	}
	return h;
}

static struct guard_question question(uint64_t now_us, uint16_t records)
{
	return (struct guard_question){ .now_us = now_us,
					.idle_since_us = 0,
					.busy_us = 18480,
					.fixed_ns = 100000,
					.record_ns = 1000000,
					.records = records };
}

static const uint32_t steady[] = { 33333, 33333, 33333, 33333, 33333 };

START_TEST(nothing_is_predicted_from_three_intervals)
{
	struct guard_history h = seen(1000, steady, 3);
	struct guard_forecast f = guard_forecast(&h, NULL, 1000 + 3 * 33333);
	struct guard_question q = question(1000 + 3 * 33333, 7);
	uint64_t again;

	ck_assert(!f.known);
	ck_assert_uint_eq(guard_records(&f, &q, &again), 7);
}
END_TEST

START_TEST(regular_arrivals_come_between_shortest_and_longest_interval_and_a_little_more)
{
	static const uint32_t gaps[] = { 33000, 34000, 33500, 33100, 33900 };
	struct guard_history h = seen(0, gaps, 5);
	struct guard_forecast f = guard_forecast(&h, NULL, h.last_us + 1);

	ck_assert(f.known);
	ck_assert_uint_eq(f.earliest_us, h.last_us + 33000 - 250);
	ck_assert_uint_eq(f.latest_us, h.last_us + 34000 + 250);
}
END_TEST

START_TEST(one_pause_of_the_primary_does_not_end_the_forecast)
{
	static const uint32_t gaps[] = { 33333, 33333, 9000000, 33333, 33333, 33333 };
	struct guard_history h = seen(0, gaps, 6);

	ck_assert(guard_forecast(&h, NULL, h.last_us).known);
}
END_TEST

START_TEST(irregular_arrivals_are_not_predicted)
{
	static const uint32_t gaps[] = { 3000, 90000, 41000, 700, 250000, 15000 };
	struct guard_history h = seen(0, gaps, 6);

	ck_assert(!guard_forecast(&h, NULL, h.last_us).known);
}
END_TEST

START_TEST(as_many_records_start_as_end_before_the_next_activation)
{
	struct guard_history h = seen(0, steady, 5);
	struct guard_forecast f = guard_forecast(&h, NULL, h.last_us);
	uint64_t again;

	for (uint32_t left_us = 0; left_us < 14000; left_us += 7) {
		struct guard_question q = question(h.last_us + 33333 - left_us, 100);
		uint16_t n = guard_records(&f, &q, &again);
		uint64_t takes_us = 100 + 1000u * (n + 1u);

		if (n > 0)
			ck_assert_uint_le(q.now_us + 100 + 1000u * n + GUARD_MARGIN_US,
					  f.earliest_us);
		else
			ck_assert_uint_gt(again, f.latest_us);
		ck_assert_uint_gt(q.now_us + takes_us + GUARD_MARGIN_US, f.earliest_us - 1);
	}
}
END_TEST

START_TEST(an_overdue_primary_stops_nothing_once_it_is_later_than_ever)
{
	struct guard_history h = seen(0, steady, 5);
	uint64_t now = h.last_us + 33333 + GUARD_MARGIN_US + 1, again;
	struct guard_forecast f = guard_forecast(&h, NULL, now);
	struct guard_question q = question(now, 9);

	ck_assert_uint_eq(guard_records(&f, &q, &again), 9);
}
END_TEST

START_TEST(what_the_primary_says_counts_more_than_what_was_seen)
{
	struct guard_history h = seen(0, steady, 5);
	struct guard_told told = { h.last_us + 5000, h.last_us + 6000 };
	struct guard_forecast f = guard_forecast(&h, &told, h.last_us + 1000);
	struct guard_question q = question(h.last_us + 1000, 100);
	uint64_t again;

	ck_assert_uint_eq(guard_records(&f, &q, &again), 3);
	f = guard_forecast(&h, &told, told.latest_us + GUARD_MARGIN_US);
	ck_assert(f.known);
	f = guard_forecast(&h, &told, told.latest_us + GUARD_MARGIN_US + 1);
	ck_assert(!f.known);
}
END_TEST

START_TEST(a_record_longer_than_any_window_starts_only_after_an_activation)
{
	static const uint32_t tight[] = { 2000, 2000, 2000, 2000, 2000 };
	struct guard_history h = seen(0, tight, 5);
	struct guard_question q = question(h.last_us + 1510, 4);
	struct guard_forecast f = guard_forecast(&h, NULL, q.now_us);
	uint64_t again;

	q.busy_us = 1500;
	q.idle_since_us = h.last_us + 1500;
	ck_assert_uint_eq(guard_records(&f, &q, &again), 1);
	q.now_us += GUARD_FRESH_US;
	ck_assert_uint_eq(guard_records(&f, &q, &again), 0);
}
END_TEST

START_TEST(times_near_the_ends_of_the_clock_do_not_overflow)
{
	struct guard_history h = seen(UINT64_MAX / 2, steady, 5);
	struct guard_forecast f = guard_forecast(&h, NULL, UINT64_MAX - 5000);
	struct guard_question q = question(h.last_us + 10, UINT16_MAX);
	uint64_t again;

	ck_assert(!f.known);
	q.record_ns = 0;
	f = guard_forecast(&h, NULL, q.now_us);
	ck_assert_uint_eq(guard_records(&f, &q, &again), UINT16_MAX);
	q.fixed_ns = UINT32_MAX;
	q.record_ns = UINT32_MAX;
	ck_assert_uint_eq(guard_records(&f, &q, &again), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guard");
	TCase *tc = tcase_create("decisions");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, nothing_is_predicted_from_three_intervals);
	tcase_add_test(
		tc, regular_arrivals_come_between_shortest_and_longest_interval_and_a_little_more);
	tcase_add_test(tc, one_pause_of_the_primary_does_not_end_the_forecast);
	tcase_add_test(tc, irregular_arrivals_are_not_predicted);
	tcase_add_test(tc, as_many_records_start_as_end_before_the_next_activation);
	tcase_add_test(tc, an_overdue_primary_stops_nothing_once_it_is_later_than_ever);
	tcase_add_test(tc, what_the_primary_says_counts_more_than_what_was_seen);
	tcase_add_test(tc, a_record_longer_than_any_window_starts_only_after_an_activation);
	tcase_add_test(tc, times_near_the_ends_of_the_clock_do_not_overflow);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
