#include "client/include/harvest/harvest.h"
#include "tests/lib/fake_daemon.h"
#include "util/clock.h"
#include "util/own.h"
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { PATIENCE_MS = 10000, SOON_MS = 50 };

static struct fake daemon_;
static harvest_client *client;
static const int16_t sample[128] = { 1, -2, 3 };

static void open_client(void (*script)(struct fake *f))
{
	fake_start(&daemon_, script, NULL);
	ck_assert_int_eq(harvest_client_open(daemon_.path, PATIENCE_MS, &client), HARVEST_OK);
}

static void close_all(void)
{
	harvest_client_close(client);
	client = NULL;
	fake_stop(&daemon_);
}

static harvest_job *submit_one(void)
{
	harvest_job *job = NULL;

	ck_assert_int_eq(
		harvest_submit(client, "fft64", sample, sizeof(sample), NULL, NULL, NULL, &job),
		HARVEST_OK);
	return job;
}

/* Answers every submit with the samples it came with. */
static void echo(struct fake *f)
{
	struct ipc_frame frame;

	fake_greet(f);
	while (fake_read(f, &frame) == 0)
		if (frame.kind == IPC_SUBMIT)
			fake_result(f, frame.tag, f->payload, frame.payload_len);
}

static void listens_only(struct fake *f)
{
	struct ipc_frame frame;

	while (fake_read(f, &frame) == 0)
		;
}

static int go_on[2]; /* a byte lets the script continue */

static void answers_when_told(struct fake *f)
{
	struct ipc_frame frame;
	char byte;

	fake_greet(f);
	ck_assert_int_eq(fake_read(f, &frame), 0);
	ck_assert_int_eq(read(go_on[0], &byte, 1), 1);
	fake_result(f, frame.tag, f->payload, frame.payload_len);
	while (fake_read(f, &frame) == 0)
		;
}

static int ended, ended_code;
static void count_end(harvest_job *job, int code, void *arg)
{
	(void)job;
	(void)arg;
	ended++;
	ended_code = code;
}

START_TEST(a_job_comes_back_with_everything_the_daemon_said)
{
	harvest_result r = { .size = sizeof(r) };
	harvest_job *job;

	open_client(echo);
	job = submit_one();
	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_E_BUSY);
	ck_assert_int_eq(harvest_job_wait(job, PATIENCE_MS), HARVEST_OK);
	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_OK);
	ck_assert_str_eq(r.id, "j1.abcd");
	ck_assert_str_eq(r.state, "completed");
	ck_assert_str_eq(r.why, "the CPU is faster");
	ck_assert_uint_eq(r.n_parts, 1);
	ck_assert_str_eq(r.parts[0].where, "cpu");
	ck_assert_str_eq(r.parts[0].board, "");
	ck_assert_uint_eq(r.compute_us, 5);
	ck_assert_uint_eq(r.total_us, 5);
	ck_assert_double_infinite(r.certified);
	ck_assert_uint_eq(r.out_bytes, sizeof(sample));
	ck_assert_mem_eq(r.out, sample, sizeof(sample));
	harvest_job_free(job);
	close_all();
}
END_TEST

START_TEST(a_result_without_its_size_set_is_refused)
{
	harvest_result r = { .size = 0 };
	harvest_job *job;

	open_client(echo);
	job = submit_one();
	ck_assert_int_eq(harvest_job_wait(job, PATIENCE_MS), HARVEST_OK);
	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_E_INVAL);
	harvest_job_free(job);
	close_all();
}
END_TEST

START_TEST(run_copies_the_answer_and_says_when_it_does_not_fit)
{
	int16_t out[128];
	size_t n = 0;

	open_client(echo);
	ck_assert_int_eq(
		harvest_run(client, "fft64", sample, sizeof(sample), NULL, out, sizeof(out), &n),
		HARVEST_OK);
	ck_assert_uint_eq(n, sizeof(sample));
	ck_assert_mem_eq(out, sample, sizeof(sample));
	ck_assert_int_eq(harvest_run(client, "fft64", sample, sizeof(sample), NULL, out, 10, &n),
			 HARVEST_E_INVAL);
	ck_assert_ptr_nonnull(strstr(harvest_client_reason(client), "256"));
	close_all();
}
END_TEST

START_TEST(nonsense_arguments_are_refused_before_anything_is_sent)
{
	harvest_options blank = { .size = 0 };
	harvest_job *job;

	open_client(echo);
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, 0, NULL, NULL, NULL, &job),
			 HARVEST_E_INVAL);
	ck_assert_int_eq(harvest_submit(client, NULL, sample, 4, NULL, NULL, NULL, &job),
			 HARVEST_E_INVAL);
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, 4, NULL, NULL, NULL, NULL),
			 HARVEST_E_INVAL);
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, 4, &blank, NULL, NULL, &job),
			 HARVEST_E_INVAL);
	ck_assert_int_eq(
		harvest_submit(client, "fft64", sample, (64 << 20) + 2, NULL, NULL, NULL, &job),
		HARVEST_E_INVAL);
	ck_assert_ptr_nonnull(strstr(harvest_client_reason(client), "64 MiB"));
	ck_assert_int_eq(harvest_wants_write(client), 0);
	close_all();
}
END_TEST

START_TEST(no_daemon_is_named_with_its_socket_and_a_remedy)
{
	ck_assert_int_eq(harvest_client_open("/tmp/no-such-socket-of-harvest", 1000, &client),
			 HARVEST_E_GONE);
	ck_assert_ptr_nonnull(
		strstr(harvest_client_reason(client), "/tmp/no-such-socket-of-harvest"));
	ck_assert_ptr_nonnull(strstr(harvest_client_reason(client), "harvestd"));
	harvest_client_close(client);
	client = NULL;
}
END_TEST

START_TEST(a_socket_path_that_cannot_be_is_refused)
{
	char path[300];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(harvest_client_open(path, 1000, &client), HARVEST_E_INVAL);
	harvest_client_close(client);
	ck_assert_int_eq(harvest_client_open("", 1000, &client), HARVEST_E_INVAL);
	harvest_client_close(client);
	client = NULL;
}
END_TEST

/* In its own process (check forks), so that rights given up are not missed later. */
START_TEST(a_socket_without_permission_names_the_group_unless_it_is_that_of_root)
{
	fake_start(&daemon_, NULL, NULL);
	ck_assert_int_eq(chmod(daemon_.path, 0600), 0);
	ck_assert_int_eq(chmod(daemon_.folder, 0755), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(daemon_.path, 0, (gid_t)_i), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	else
		ck_assert_int_eq(chmod(daemon_.path, 0), 0);
	ck_assert_int_eq(harvest_client_open(daemon_.path, 1000, &client), HARVEST_E_DENIED);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	if (getuid() == 0 && _i == 0)
		ck_assert_ptr_null(strstr(harvest_client_reason(client), "usermod"));
	else
		ck_assert_ptr_nonnull(strstr(harvest_client_reason(client), "group '"));
	close_all();
}
END_TEST

enum { MANY = 32 };
static void answers_all_at_once(struct fake *f)
{
	uint8_t to[MANY * 1024];
	struct ipc_frame frame;
	size_t n = 0;

	fake_greet(f);
	for (int i = 0; i < MANY && fake_read(f, &frame) == 0; i++)
		n += fake_result_frame(to + n, frame.tag, f->payload, frame.payload_len);
	fake_write(f, to, n);
	listens_only(f);
}

START_TEST(one_dispatch_finishes_everything_that_one_read_returned)
{
	int finished = 0;

	open_client(answers_all_at_once);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL,
						count_end, NULL, NULL),
				 HARVEST_OK);
	ck_assert_int_eq(harvest_wants_write(client), 1);
	for (int rounds = 0; finished < MANY; rounds++) {
		struct pollfd p = { harvest_fd(client), POLLIN, 0 };
		int n = harvest_dispatch(client);

		ck_assert_int_ge(n, 0);
		finished += n;
		ck_assert_int_lt(rounds, 20);
		if (finished < MANY)
			ck_assert_int_ge(poll(&p, 1, PATIENCE_MS), 1);
	}
	ck_assert_int_eq(ended, MANY);
	ck_assert_int_eq(ended_code, HARVEST_OK);
	close_all();
}
END_TEST

/* A pipeline that refills itself from its callbacks. */
static int left;
static void refill(harvest_job *job, int code, void *arg)
{
	harvest_result r = { .size = sizeof(r) };

	ck_assert_int_eq(code, HARVEST_OK);
	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_OK);
	ck_assert_mem_eq(r.out, sample, sizeof(sample));
	ck_assert_int_eq(harvest_dispatch(client), HARVEST_E_INVAL);
	ended++;
	if (left-- > 0)
		ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL,
						refill, arg, NULL),
				 HARVEST_OK);
}

START_TEST(callbacks_keep_a_pipeline_full)
{
	open_client(echo);
	left = 1000;
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL,
						refill, NULL, NULL),
				 HARVEST_OK);
	while (ended < 1000 + MANY) {
		struct pollfd p = { harvest_fd(client), POLLIN, 0 };

		ck_assert_int_ge(harvest_dispatch(client), 0);
		if (ended < 1000 + MANY)
			ck_assert_int_ge(poll(&p, 1, PATIENCE_MS), 1);
	}
	close_all();
}
END_TEST

static uint8_t varied[8192];

/* Refuses the jobs of two bytes, echoes the others. */
static void echo_or_refuse(struct fake *f)
{
	struct ipc_frame frame;
	Hv__Error no = HV__ERROR__INIT;

	no.code = HV_E_BUSY;
	no.reason = "not now";
	fake_greet(f);
	while (fake_read(f, &frame) == 0) {
		if (frame.payload_len == 2)
			fake_reply(f, IPC_ERROR, frame.tag, &no.base, NULL, 0);
		else
			fake_result(f, frame.tag, f->payload, frame.payload_len);
	}
}

static size_t varied_bytes(int i)
{
	return i % 5 == 0 ? 2 : i % 7 == 0 ? 8000 : 10 + (size_t)i % 3000;
}

static void check_varied(harvest_job *job, int code, void *arg)
{
	size_t bytes = varied_bytes(*(int *)arg);
	harvest_result r = { .size = sizeof(r) };

	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_OK);
	ck_assert_int_eq(code, bytes == 2 ? HARVEST_E_BUSY : HARVEST_OK);
	ck_assert_str_eq(r.state, bytes == 2 ? "refused" : "completed");
	ck_assert_uint_eq(r.out_bytes, bytes == 2 ? 0 : bytes);
	ck_assert(bytes != 2 || r.out == NULL);
	if (bytes != 2)
		ck_assert_mem_eq(r.out, varied + *(int *)arg % 64, bytes);
	ended++;
}

START_TEST(jobs_of_any_size_follow_each_other_and_leave_nothing_behind)
{
	enum { JOBS = 500 };
	int at[JOBS];
	harvest_job *held;
	harvest_result r = { .size = sizeof(r) };

	for (size_t i = 0; i < sizeof(varied); i++)
		varied[i] = (uint8_t)(i * i >> 3 ^ i);
	open_client(echo_or_refuse);
	held = submit_one();
	for (int i = 0; i < JOBS; i++) {
		at[i] = i;
		ck_assert_int_eq(harvest_submit(client, "fft64", varied + i % 64, varied_bytes(i),
						NULL, check_varied, &at[i], NULL),
				 HARVEST_OK);
		while (ended < i - MANY) {
			struct pollfd p = { harvest_fd(client), POLLIN, 0 };

			if (harvest_dispatch(client) == 0)
				ck_assert_int_ge(poll(&p, 1, PATIENCE_MS), 1);
		}
	}
	while (ended < JOBS) {
		struct pollfd p = { harvest_fd(client), POLLIN, 0 };

		if (harvest_dispatch(client) == 0 && ended < JOBS)
			ck_assert_int_ge(poll(&p, 1, PATIENCE_MS), 1);
	}
	ck_assert_int_eq(harvest_job_result(held, &r), HARVEST_OK);
	ck_assert_mem_eq(r.out, sample, sizeof(sample));
	close_all();
	harvest_job_free(held);
}
END_TEST

static void close_inside(harvest_job *job, int code, void *arg)
{
	harvest_job **other = arg;

	(void)code;
	ended++;
	if (ended == 1) {
		harvest_client_close(client);
		harvest_job_free(*other);
	}
	harvest_job_free(job);
}

START_TEST(a_callback_may_close_the_client_and_free_jobs)
{
	harvest_job *a, *b;

	open_client(echo);
	ck_assert_int_eq(
		harvest_submit(client, "fft64", sample, sizeof(sample), NULL, close_inside, &b, &a),
		HARVEST_OK);
	ck_assert_int_eq(
		harvest_submit(client, "fft64", sample, sizeof(sample), NULL, count_end, NULL, &b),
		HARVEST_OK);
	ck_assert_int_eq(harvest_job_wait(a, PATIENCE_MS), HARVEST_OK);
	ck_assert_int_eq(ended, 2);
	client = NULL;
	close_all();
}
END_TEST

START_TEST(close_ends_what_is_unfinished_as_cancelled)
{
	harvest_job *job;

	fake_start(&daemon_, answers_when_told, NULL);
	ck_assert_int_eq(pipe(go_on), 0);
	ck_assert_int_eq(harvest_client_open(daemon_.path, PATIENCE_MS, &client), HARVEST_OK);
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL, count_end,
					NULL, &job),
			 HARVEST_OK);
	ck_assert_int_eq(harvest_dispatch(client), 0);
	harvest_client_close(client);
	client = NULL;
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(ended_code, HARVEST_E_CANCEL);
	ck_assert_int_eq(harvest_job_wait(job, 0), HARVEST_E_CANCEL);
	ck_assert_int_eq(harvest_job_cancel(job), HARVEST_OK);
	harvest_job_free(job);
	ck_assert_int_eq(write(go_on[1], "x", 1), 1);
	close_all();
}
END_TEST

static void cancels(struct fake *f)
{
	Hv__Result r = HV__RESULT__INIT;
	Hv__CancelReply done = HV__CANCEL_REPLY__INIT;
	struct ipc_frame first, second;
	Hv__JobRef *ref;

	fake_greet(f);
	ck_assert_int_eq(fake_read(f, &first), 0);
	ck_assert_int_eq(fake_read(f, &second), 0);
	ck_assert_int_eq(second.kind, IPC_CANCEL);
	ref = hv__job_ref__unpack(NULL, second.msg_len, f->msg);
	ck_assert_uint_eq(ref->submit_tag, first.tag);
	hv__job_ref__free_unpacked(ref, NULL);
	r.state = (char *)"cancelled";
	r.code = HARVEST_E_CANCEL;
	r.why = (char *)"cancelled by its client";
	done.outcome = (char *)"cancelled";
	fake_reply(f, IPC_CANCEL_REPLY, second.tag, &done.base, NULL, 0);
	fake_reply(f, IPC_RESULT, first.tag, &r.base, NULL, 0);
	listens_only(f);
}

START_TEST(cancel_names_the_submit_and_the_job_ends_once)
{
	harvest_result r = { .size = sizeof(r) };
	harvest_job *job;

	open_client(cancels);
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL, count_end,
					NULL, &job),
			 HARVEST_OK);
	ck_assert_int_eq(harvest_job_cancel(job), HARVEST_OK);
	ck_assert_int_eq(harvest_job_wait(job, PATIENCE_MS), HARVEST_E_CANCEL);
	ck_assert_int_eq(ended, 1);
	ck_assert_str_eq(harvest_client_reason(client), "cancelled by its client");
	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_OK);
	ck_assert_str_eq(r.state, "cancelled");
	harvest_job_free(job);
	close_all();
}
END_TEST

/* Jobs of the test below: what was asked for must be what arrives. */
/* clang-format off */
static const struct {
	const char *task, *board;
	int has_budget;
	double max_error;
	int64_t deadline_us;
	int priority, route, policy;
} wishes[] = {
	{ "fft64", NULL, 0, 0, 0, 0, 0, 0 },      { "fft64", NULL, 0, 0, 0, 0, 0, 0 },
	{ "fft64", NULL, 1, 0, 0, 0, 0, 0 },      { "fft64", NULL, 1, 60, 0, 0, 0, 0 },
	{ "dct32", NULL, 1, 60, 0, 0, 0, 0 },     { "dct32", "virt0", 1, 60, 0, 0, 2, 0 },
	{ "dct32", "virt1", 1, 60, 0, 0, 2, 0 },  { "dct32", NULL, 1, 60, -5, 0, 2, 0 },
	{ "dct32", NULL, 1, 60, -5, 2, 2, 3 },
	{ "a_task_whose_name_is_longer_than_any_that_is_remembered", NULL, 0, 0, 7, 0, 0, 0 },
	{ "fft64", "a-board-whose-name-is-longer-than-any-remembered", 0, 0, 0, 0, 2, 0 },
	{ "fft64", NULL, 0, 0, 0, 0, 0, 0 },
};
/* clang-format on */

static void checks_wishes(struct fake *f)
{
	struct ipc_frame frame;

	fake_greet(f);
	for (size_t i = 0; i < HV_ARRAY_SIZE(wishes); i++) {
		Hv__Submit *m;

		ck_assert_int_eq(fake_read(f, &frame), 0);
		m = hv__submit__unpack(NULL, frame.msg_len, f->msg);
		ck_assert_ptr_nonnull(m);
		ck_assert_str_eq(m->task, wishes[i].task);
		ck_assert_str_eq(m->board, wishes[i].board ? wishes[i].board : "");
		ck_assert_int_eq(m->has_budget, wishes[i].has_budget);
		ck_assert(m->max_error == wishes[i].max_error);
		ck_assert_int_eq(m->has_deadline, wishes[i].deadline_us != 0);
		ck_assert_int_eq(m->deadline_us, wishes[i].deadline_us);
		ck_assert_int_eq(m->priority, wishes[i].priority);
		ck_assert_int_eq(m->route, wishes[i].route);
		ck_assert_int_eq(m->policy, wishes[i].policy);
		hv__submit__free_unpacked(m, NULL);
		fake_result(f, frame.tag, f->payload, frame.payload_len);
	}
	listens_only(f);
}

START_TEST(the_constraints_of_every_job_arrive_also_when_they_change)
{
	int16_t out[128];

	open_client(checks_wishes);
	for (size_t i = 0; i < HV_ARRAY_SIZE(wishes); i++) {
		char board[64];
		harvest_options o;

		harvest_options_init(&o);
		snprintf(board, sizeof(board), "%s", wishes[i].board ? wishes[i].board : "");
		o.has_budget = wishes[i].has_budget;
		o.max_error = wishes[i].max_error;
		o.deadline_us = wishes[i].deadline_us;
		o.priority = wishes[i].priority;
		o.route = wishes[i].route;
		o.policy = wishes[i].policy;
		o.board = wishes[i].board ? board : NULL;
		ck_assert_int_eq(harvest_run(client, wishes[i].task, sample, sizeof(sample), &o,
					     out, sizeof(out), NULL),
				 HARVEST_OK);
	}
	close_all();
}
END_TEST

static void refuses(struct fake *f)
{
	Hv__Error e = HV__ERROR__INIT;
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
	e.code = HARVEST_E_BUDGET;
	e.reason = (char *)"no model meets 200 dB";
	fake_reply(f, IPC_ERROR, frame.tag, &e.base, NULL, 0);
	ck_assert_int_eq(fake_read(f, &frame), 0);
	fake_result(f, frame.tag, f->payload, frame.payload_len);
	listens_only(f);
}

START_TEST(a_refusal_is_the_jobs_end_and_not_the_connections)
{
	harvest_result r = { .size = sizeof(r) };
	harvest_job *job;

	open_client(refuses);
	job = submit_one();
	ck_assert_int_eq(harvest_job_wait(job, PATIENCE_MS), HARVEST_E_BUDGET);
	ck_assert_str_eq(harvest_client_reason(client), "no model meets 200 dB");
	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_OK);
	ck_assert_str_eq(r.state, "refused");
	ck_assert_str_eq(r.id, "");
	harvest_job_free(job);
	job = submit_one();
	ck_assert_int_eq(harvest_job_wait(job, PATIENCE_MS), HARVEST_OK);
	harvest_job_free(job);
	close_all();
}
END_TEST

START_TEST(a_large_job_passes_a_daemon_that_reads_and_answers_at_once)
{
	size_t bytes = 1 << 19, n;
	hv_autofree uint8_t *in = malloc(bytes), *out = malloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		in[i] = (uint8_t)(i * 7 + (i >> 8));
	open_client(echo);
	for (int round = 0; round < 3; round++) {
		memset(out, 0, bytes);
		ck_assert_int_eq(harvest_run(client, "fft64", in, bytes, NULL, out, bytes, &n),
				 HARVEST_OK);
		ck_assert_uint_eq(n, bytes);
		ck_assert_mem_eq(in, out, bytes);
	}
	close_all();
}
END_TEST

static void reset(void)
{
	ended = ended_code = 0;
}

static Suite *client_suite(void)
{
	Suite *s = suite_create("client");
	TCase *tc = tcase_create("library");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_test(tc, a_job_comes_back_with_everything_the_daemon_said);
	tcase_add_test(tc, a_result_without_its_size_set_is_refused);
	tcase_add_test(tc, run_copies_the_answer_and_says_when_it_does_not_fit);
	tcase_add_test(tc, nonsense_arguments_are_refused_before_anything_is_sent);
	tcase_add_test(tc, no_daemon_is_named_with_its_socket_and_a_remedy);
	tcase_add_test(tc, a_socket_path_that_cannot_be_is_refused);
	tcase_add_loop_test(
		tc, a_socket_without_permission_names_the_group_unless_it_is_that_of_root, 0, 2);
	tcase_add_test(tc, one_dispatch_finishes_everything_that_one_read_returned);
	tcase_add_test(tc, callbacks_keep_a_pipeline_full);
	tcase_add_test(tc, jobs_of_any_size_follow_each_other_and_leave_nothing_behind);
	tcase_add_test(tc, a_callback_may_close_the_client_and_free_jobs);
	tcase_add_test(tc, close_ends_what_is_unfinished_as_cancelled);
	tcase_add_test(tc, cancel_names_the_submit_and_the_job_ends_once);
	tcase_add_test(tc, the_constraints_of_every_job_arrive_also_when_they_change);
	tcase_add_test(tc, a_refusal_is_the_jobs_end_and_not_the_connections);
	tcase_add_test(tc, a_large_job_passes_a_daemon_that_reads_and_answers_at_once);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(client_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
