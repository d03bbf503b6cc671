#include "daemon/job/job.h"
#include "tasks/catalog.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store s;
static struct account *a;
static int ended;
static char why[256];

static void on_ended(void *ctx, struct job *j)
{
	(void)ctx;
	ck_assert(job_state_is_final(j->state));
	ended++;
}

static void start(const struct limits *l)
{
	ck_assert_int_eq(store_init(&s, l, 0xabc), HV_OK);
	s.ended = on_ended;
	ended = 0;
	ck_assert_int_eq(account_new(&s, 12, 1000, &a), HV_OK);
}

static void setup(void)
{
	struct limits l = LIMITS_DEFAULT;

	l.jobs = 4;
	l.jobs_per_client = 3;
	l.jobs_remembered = 5;
	l.payload_bytes = 100000;
	l.payload_bytes_per_client = 60000;
	l.detached_bytes = 2500;
	start(&l);
}

static void teardown(void)
{
	ck_assert(job_counts_add_up(&s.counts));
	account_unref(a);
	store_free(&s);
}

static struct job *add(uint32_t records, bool detach)
{
	struct job_spec spec = { .records = records, .detach = detach, .deadline_ns = UINT64_MAX };
	struct buf *in, *out;
	struct job *j;

	ck_assert_int_eq(buf_new(a, records * 10, &in, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(buf_new(a, records * 10, &out, why, sizeof(why)), HV_OK);
	if (job_new(a, task_at(0), 0, &spec, in, out, 1000, 2000, &j, why, sizeof(why)) == HV_OK)
		return j;
	buf_unref(in);
	buf_unref(out);
	return NULL;
}

static void end(struct job *j)
{
	ck_assert(job_end(&s, j, JOB_CANCELLED, HV_E_CANCEL, 9000));
}

START_TEST(a_job_ends_once_and_only_once)
{
	struct job *j = add(10, false);

	job_start(&s, j);
	ck_assert_int_eq(j->state, JOB_RUNNING);
	ck_assert(job_end(&s, j, JOB_COMPLETED, HV_OK, 5000));
	ck_assert(!job_end(&s, j, JOB_FAILED, HV_E_IO, 6000));
	ck_assert(!job_end(&s, j, JOB_CANCELLED, HV_E_CANCEL, 6000));
	job_start(&s, j);
	ck_assert_int_eq(j->state, JOB_COMPLETED);
	ck_assert_int_eq(ended, 1);
	ck_assert_uint_eq(s.payload_bytes, 0);
}
END_TEST

START_TEST(samples_stay_until_the_last_unit_is_back)
{
	struct job *j = add(10, false);
	uint32_t at, n;

	j->n_parts = 1;
	j->part[0] = (struct job_part){ .quota = 10 };
	ck_assert(job_take(j, &j->part[0], 4, &at, &n));
	ck_assert(job_take(j, &j->part[0], 100, &at, &n));
	ck_assert_uint_eq(n, 6);
	ck_assert(!job_take(j, &j->part[0], 1, &at, &n));
	end(j);
	ck_assert_ptr_nonnull(j->out);
	job_return(&s, j, &j->part[0], 0, 4, true);
	ck_assert_ptr_nonnull(j->out);
	job_done(&s, j, &j->part[0], 6);
	ck_assert_ptr_null(j->out);
	ck_assert_uint_eq(j->records_done, 0);
	ck_assert_uint_eq(s.payload_bytes, 0);
}
END_TEST

START_TEST(limits_refuse_with_the_numbers)
{
	struct job *j[3];
	struct account *b;
	struct buf *big;

	for (int i = 0; i < 3; i++)
		j[i] = add(1, false);
	ck_assert_int_eq(job_admissible(a, why, sizeof(why)), HV_E_BUSY);
	ck_assert_msg(strstr(why, "3 jobs in flight") != NULL, "%s", why);
	ck_assert_ptr_null(add(1, false));
	end(j[0]);
	ck_assert_int_eq(job_admissible(a, why, sizeof(why)), HV_OK);
	end(j[1]);
	end(j[2]);
	ck_assert_int_eq(buf_new(a, 60001, &big, why, sizeof(why)), HV_E_BUSY);
	ck_assert_msg(strstr(why, "60000") != NULL, "%s", why);
	ck_assert_int_eq(buf_new(a, 60000, &big, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(account_new(&s, 13, 1000, &b), HV_OK);
	{
		struct buf *other;

		ck_assert_int_eq(buf_new(b, 50000, &other, why, sizeof(why)), HV_E_BUSY);
		ck_assert_msg(strstr(why, "all clients") != NULL, "%s", why);
	}
	buf_unref(big);
	account_unref(b);
}
END_TEST

START_TEST(ids_name_one_life_of_one_job)
{
	struct job *j = add(1, false);
	char id[JOB_ID_CAP];

	ck_assert_str_eq(job_id_text(&s, j, id), "j1.abc");
	ck_assert_ptr_eq(job_find(&s, "j1.abc", why, sizeof(why)), j);
	end(j);
	ck_assert_ptr_eq(job_find(&s, "j1.abc", why, sizeof(why)), j);
	for (int i = 0; i < 5; i++)
		end(add(1, false));
	ck_assert_ptr_null(job_find(&s, "j1.abc", why, sizeof(why)));
	ck_assert_msg(strstr(why, "forgotten") != NULL, "%s", why);
	ck_assert_ptr_nonnull(job_find(&s, "j6.abc", why, sizeof(why)));
	ck_assert_ptr_null(job_find(&s, "j7.abc", why, sizeof(why)));
	ck_assert_msg(strstr(why, "unknown") != NULL, "%s", why);
	ck_assert_ptr_null(job_find(&s, "j6.abd", why, sizeof(why)));
	ck_assert_msg(strstr(why, "earlier life") != NULL, "%s", why);
}
END_TEST

static const char *const no_ids[] = { "",        "j",       "j1",      "j1.",    "1.abc",
				      "j0.abc",  "j01.abc", "j-1.abc", "j1.xyz", "j1.ABC",
				      "j1.abc ", " j1.abc", "j1,abc" };

START_TEST(what_is_no_id_is_called_so)
{
	end(add(1, false));
	ck_assert_ptr_null(job_find(&s, no_ids[_i], why, sizeof(why)));
	ck_assert_msg(strstr(why, "no job id") != NULL, "'%s': %s", no_ids[_i], why);
}
END_TEST

START_TEST(jobs_are_listed_newest_first_over_live_and_ended)
{
	struct job *j[6];
	uint64_t last = UINT64_MAX;
	int n = 0;

	for (int i = 0; i < 6; i++) {
		j[i] = add(1, false);
		if (i < 4)
			end(j[i]);
	}
	for (struct job *at = job_newest(&s); at != NULL; at = job_older(&s, at)) {
		ck_assert_uint_lt(at->number, last);
		last = at->number;
		n++;
	}
	ck_assert_int_eq(n, 6);
	end(j[4]);
	end(j[5]);
}
END_TEST

START_TEST(kept_results_push_out_the_oldest)
{
	struct job *j[4];

	for (int i = 0; i < 4; i++) {
		j[i] = add(100, true);
		ck_assert(job_end(&s, j[i], JOB_COMPLETED, HV_OK, 5000));
	}
	ck_assert_uint_eq(s.detached_bytes, 2000);
	ck_assert_ptr_null(j[0]->out);
	ck_assert_ptr_null(j[1]->out);
	ck_assert_msg(strstr(j[0]->why, "dropped") != NULL, "%s", j[0]->why);
	ck_assert_ptr_nonnull(j[2]->out);
	ck_assert_ptr_nonnull(j[3]->out);
}
END_TEST

START_TEST(times_of_a_split_job_add_up_and_divide_by_the_work)
{
	struct job *j = add(10, false);
	struct job_times t;

	job_start(&s, j);
	j->at.arrived_ns = 1000000;
	j->at.accepted_ns = 1003999;
	job_stamp(j, 1010000, 1050000, 30000, 10000); /* a board */
	job_stamp(j, 1012000, 1030000, 0, 18000); /* a core, at the same time */
	ck_assert(job_end(&s, j, JOB_COMPLETED, HV_OK, 1050000));
	j->at.delivered_ns = 1055500;
	t = job_times(j);
	ck_assert_uint_eq(t.admit_us, 3);
	ck_assert_uint_eq(t.queue_us, 7);
	ck_assert_uint_eq(t.transfer_us, 20); /* 40 us at 30 : 28 */
	ck_assert_uint_eq(t.compute_us, 20);
	ck_assert_uint_eq(t.deliver_us, 5);
	ck_assert_uint_eq(t.total_us, 55);
}
END_TEST

START_TEST(a_job_that_never_started_has_waited_all_its_life)
{
	struct job *j = add(10, false);
	struct job_times t;

	j->at.arrived_ns = 1000000;
	j->at.accepted_ns = 1001000;
	ck_assert(job_end(&s, j, JOB_EXPIRED, HV_E_TIMEOUT, 1051000));
	j->at.delivered_ns = 1052000;
	t = job_times(j);
	ck_assert_uint_eq(t.admit_us, 1);
	ck_assert_uint_eq(t.queue_us, 50);
	ck_assert_uint_eq(t.transfer_us + t.compute_us, 0);
	ck_assert_uint_eq(t.deliver_us, 1);
	ck_assert_uint_eq(t.total_us, 52);
}
END_TEST

START_TEST(names_are_kept_once_cut_and_bounded)
{
	struct names n = { 0 };
	char text[64];
	uint16_t one = names_intern(&n, "virt0");

	ck_assert_uint_eq(names_intern(&n, ""), 0);
	ck_assert_uint_eq(names_intern(&n, "virt0"), one);
	ck_assert_uint_ne(names_intern(&n, "virt"), one);
	memset(text, 'x', sizeof(text));
	text[63] = '\0';
	ck_assert_uint_eq(strlen(names_text(&n, names_intern(&n, text))), NAME_CAP - 1);
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "n%d", i);
		ck_assert_ptr_nonnull(names_text(&n, names_intern(&n, text)));
	}
	ck_assert_str_eq(names_text(&n, names_intern(&n, "one more")), "(other)");
	ck_assert_str_eq(names_text(&n, one), "virt0");
	names_free(&n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("job");
	TCase *tc = tcase_create("life");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_job_ends_once_and_only_once);
	tcase_add_test(tc, samples_stay_until_the_last_unit_is_back);
	tcase_add_test(tc, limits_refuse_with_the_numbers);
	tcase_add_test(tc, ids_name_one_life_of_one_job);
	tcase_add_loop_test(tc, what_is_no_id_is_called_so, 0, sizeof(no_ids) / sizeof(no_ids[0]));
	tcase_add_test(tc, jobs_are_listed_newest_first_over_live_and_ended);
	tcase_add_test(tc, kept_results_push_out_the_oldest);
	tcase_add_test(tc, times_of_a_split_job_add_up_and_divide_by_the_work);
	tcase_add_test(tc, a_job_that_never_started_has_waited_all_its_life);
	tcase_add_test(tc, names_are_kept_once_cut_and_bounded);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
