#include "daemon/sched/queue.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { MS = 1000000 };
static struct squeue q;
static struct squeue_flow a, b, low, top;
static struct squeue_node n[64];

static void setup(void)
{
	memset(&q, 0, sizeof(q));
	memset(n, 0, sizeof(n));
	squeue_flow_init(&a, SQUEUE_NORMAL);
	squeue_flow_init(&b, SQUEUE_NORMAL);
	squeue_flow_init(&low, SQUEUE_BACKGROUND);
	squeue_flow_init(&top, SQUEUE_URGENT);
}

static void push(struct squeue_flow *f, int i, uint64_t deadline_ms)
{
	squeue_push(&q, f, &n[i], deadline_ms > 0 ? deadline_ms * MS : UINT64_MAX, 0);
}

/* Serve the next for us microseconds and take it off. */
static int serve(double us, uint64_t now_ms)
{
	struct squeue_node *at = squeue_pick(&q, NULL, NULL, now_ms * MS);

	if (at == NULL)
		return -1;
	squeue_charge(&q, at, us);
	squeue_remove(&q, at);
	return (int)(at - n);
}

START_TEST(arrival_decides_where_nothing_else_does)
{
	for (int i = 0; i < 5; i++)
		push(&a, i, 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(serve(10, 0), i);
	ck_assert_int_eq(serve(10, 0), -1);
	ck_assert_uint_eq(q.waiting, 0);
}
END_TEST

START_TEST(the_earliest_deadline_goes_first_within_a_class)
{
	push(&a, 0, 0);
	push(&a, 1, 30);
	push(&b, 2, 20);
	push(&a, 3, 10);
	push(&b, 4, 30);
	ck_assert_int_eq(serve(1, 0), 3);
	ck_assert_int_eq(serve(1, 0), 2);
	ck_assert_int_eq(serve(1, 0), 1);
	ck_assert_int_eq(serve(1, 0), 4);
	ck_assert_int_eq(serve(1, 0), 0);
}
END_TEST

START_TEST(a_higher_class_goes_before_any_deadline)
{
	push(&a, 0, 1);
	push(&low, 1, 1);
	push(&top, 2, 0);
	ck_assert_int_eq(serve(1, 0), 2);
	ck_assert_int_eq(serve(1, 0), 0);
	ck_assert_int_eq(serve(1, 0), 1);
}
END_TEST

START_TEST(clients_get_equal_shares_whatever_deadlines_one_of_them_claims)
{
	double got_a = 0, got_b = 0;

	push(&a, 0, 1);
	push(&b, 1, 0);
	for (int i = 0; i < 1000; i++) {
		struct squeue_node *at = squeue_pick(&q, NULL, NULL, 0);

		squeue_charge(&q, at, at == &n[0] ? 700 : 300);
		*(at == &n[0] ? &got_a : &got_b) += at == &n[0] ? 700 : 300;
	}
	ck_assert_msg(got_a - got_b <= SQUEUE_QUANTUM_US + 1000 &&
			      got_b - got_a <= SQUEUE_QUANTUM_US + 1000,
		      "one got %g us, the other %g us", got_a, got_b);
}
END_TEST

START_TEST(a_client_that_was_away_has_no_claim_on_the_past)
{
	int first_b = 0;

	push(&a, 0, 0);
	for (int i = 0; i < 100; i++)
		squeue_charge(&q, squeue_pick(&q, NULL, NULL, 0), 10000);
	push(&b, 1, 0);
	for (int i = 0; i < 20; i++) {
		struct squeue_node *at = squeue_pick(&q, NULL, NULL, 0);

		first_b += at == &n[1];
		squeue_charge(&q, at, 1000);
	}
	ck_assert_msg(first_b <= 17, "the newcomer got %d of 20 turns", first_b);
	ck_assert_int_ge(first_b, 5);
}
END_TEST

START_TEST(background_work_is_served_after_it_has_waited_long)
{
	int low_turns = 0;

	push(&low, 0, 0);
	push(&top, 1, 0);
	for (int i = 0; i < 90; i++) {
		struct squeue_node *at = squeue_pick(&q, NULL, NULL, 1000 * (uint64_t)MS);

		squeue_charge(&q, at, 100);
		low_turns += at == &n[0];
	}
	ck_assert_int_eq(low_turns, 90 / (SQUEUE_AGE_TURN + 1));
	low_turns = 0;
	for (int i = 0; i < 90; i++) {
		struct squeue_node *at = squeue_pick(&q, NULL, NULL, 10 * (uint64_t)MS);

		squeue_charge(&q, at, 100);
		low_turns += at == &n[0];
	}
	ck_assert_int_eq(low_turns, 0);
}
END_TEST

static bool is_odd(void *ctx, void *owner)
{
	(void)ctx;
	return (((struct squeue_node *)owner - n) & 1) != 0;
}

START_TEST(a_server_takes_the_first_that_suits_it)
{
	for (int i = 0; i < 6; i++) {
		push(i < 3 ? &a : &b, i, 0);
		n[i].owner = &n[i];
	}
	ck_assert_ptr_eq(squeue_pick(&q, is_odd, NULL, 0), &n[1]);
	squeue_remove(&q, &n[1]);
	ck_assert_ptr_eq(squeue_pick(&q, is_odd, NULL, 0), &n[3]);
	squeue_remove(&q, &n[3]);
	squeue_remove(&q, &n[5]);
	ck_assert_ptr_null(squeue_pick(&q, is_odd, NULL, 0));
	squeue_remove(&q, &n[5]);
	ck_assert_uint_eq(q.waiting, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue");
	TCase *tc = tcase_create("order");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, arrival_decides_where_nothing_else_does);
	tcase_add_test(tc, the_earliest_deadline_goes_first_within_a_class);
	tcase_add_test(tc, a_higher_class_goes_before_any_deadline);
	tcase_add_test(tc, clients_get_equal_shares_whatever_deadlines_one_of_them_claims);
	tcase_add_test(tc, a_client_that_was_away_has_no_claim_on_the_past);
	tcase_add_test(tc, background_work_is_served_after_it_has_waited_long);
	tcase_add_test(tc, a_server_takes_the_first_that_suits_it);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
