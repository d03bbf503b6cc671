/* The log is no way to fill a disk. */
#include "daemon/log.h"
#include <check.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

START_TEST(an_event_is_written_so_often_and_then_counted)
{
	struct log_gate g = { .event = "X" };
	unsigned written = 0, left_out, told = 0;

	for (unsigned i = 0; i < 1000; i++)
		written += log_gate_pass(&g, SECOND + i, &left_out);
	ck_assert_uint_eq(written, LOG_GATE_LINES);
	ck_assert_uint_eq(left_out, 0);
	ck_assert(!log_gate_pass(&g, SECOND + LOG_GATE_NS - 1, &left_out));
	ck_assert(log_gate_pass(&g, SECOND + LOG_GATE_NS, &told));
	ck_assert_uint_eq(told, 1000 - LOG_GATE_LINES + 1);
	ck_assert(log_gate_pass(&g, SECOND + LOG_GATE_NS, &told));
	ck_assert_uint_eq(told, 0);
}
END_TEST

START_TEST(a_rare_event_is_always_written)
{
	struct log_gate g = { .event = "X" };
	unsigned left_out;

	for (uint64_t i = 0; i < 1000; i++) {
		ck_assert(log_gate_pass(&g, i * SECOND, &left_out));
		ck_assert_uint_eq(left_out, 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("gate");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, an_event_is_written_so_often_and_then_counted);
	tcase_add_test(tc, a_rare_event_is_always_written);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
