/* libharvest against daemons that are late, wrong, gone or silent. */
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

static void other_version(struct fake *f)
{
	Hv__Hello ok = HV__HELLO__INIT;
	struct ipc_frame frame;

	ck_assert_int_eq(fake_read(f, &frame), 0);
	ok.version_min = 7;
	ok.version_max = 9;
	ok.program = (char *)"harvestd 99";
	fake_reply(f, IPC_HELLO_OK, frame.tag, &ok.base, NULL, 0);
}

static void refuses_version(struct fake *f)
{
	Hv__Error e = HV__ERROR__INIT;
	struct ipc_frame frame;

	ck_assert_int_eq(fake_read(f, &frame), 0);
	e.code = HARVEST_E_VERSION;
	e.reason = (char *)"harvestd 99 speaks 7 to 9";
	fake_reply(f, IPC_ERROR, frame.tag, &e.base, NULL, 0);
}

START_TEST(a_daemon_of_another_version_is_told_apart)
{
	fake_start(&daemon_, _i ? refuses_version : other_version, NULL);
	ck_assert_int_eq(harvest_client_open(daemon_.path, PATIENCE_MS, &client),
			 HARVEST_E_VERSION);
	ck_assert_ptr_nonnull(strstr(harvest_client_reason(client), "harvestd 99"));
	close_all();
}
END_TEST

static void listens_only(struct fake *f)
{
	struct ipc_frame frame;

	while (fake_read(f, &frame) == 0)
		;
}

START_TEST(a_daemon_that_never_greets_meets_the_deadline)
{
	uint64_t start_ns = hv_now_ns();

	fake_start(&daemon_, listens_only, NULL);
	ck_assert_int_eq(harvest_client_open(daemon_.path, SOON_MS, &client), HARVEST_E_TIMEOUT);
	ck_assert_uint_ge(hv_now_ns() - start_ns, SOON_MS * UINT64_C(1000000));
	ck_assert_ptr_nonnull(strstr(harvest_client_reason(client), "hello"));
	close_all();
}
END_TEST

START_TEST(a_full_backlog_meets_the_deadline)
{
	harvest_client *c[64];
	int n = 0, code = 0;

	fake_start(&daemon_, NULL, NULL); /* nobody accepts */
	for (; n < 64 && code != HARVEST_E_TIMEOUT; n++)
		code = harvest_client_open(daemon_.path, SOON_MS, &c[n]);
	ck_assert_int_eq(code, HARVEST_E_TIMEOUT);
	while (n-- > 0)
		harvest_client_close(c[n]);
	fake_stop(&daemon_);
}
END_TEST

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

START_TEST(a_wait_that_times_out_leaves_the_job_running)
{
	harvest_job *job;

	ck_assert_int_eq(pipe(go_on), 0);
	open_client(answers_when_told);
	job = submit_one();
	ck_assert_int_eq(harvest_job_wait(job, SOON_MS), HARVEST_E_TIMEOUT);
	ck_assert_int_eq(harvest_job_wait(job, 2 * SOON_MS + 20), HARVEST_E_TIMEOUT);
	ck_assert_int_eq(write(go_on[1], "x", 1), 1);
	ck_assert_int_eq(harvest_job_wait(job, PATIENCE_MS), HARVEST_OK);
	harvest_job_free(job);
	close_all();
	close(go_on[0]);
	close(go_on[1]);
}
END_TEST

/* How the connection ends after the first submit. */
static void ends_at_once(struct fake *f)
{
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
}

static void ends_inside_the_samples(struct fake *f)
{
	uint8_t to[4096];
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
	fake_write(f, to, fake_result_frame(to, frame.tag, sample, sizeof(sample)) - 10);
}

static void ends_inside_the_header(struct fake *f)
{
	uint8_t to[4096];
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
	fake_result_frame(to, frame.tag, sample, sizeof(sample));
	fake_write(f, to, 7);
}

static void sends_garbage(struct fake *f)
{
	uint8_t junk[512];
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
	memset(junk, 0x5a, sizeof(junk));
	fake_write(f, junk, sizeof(junk));
	listens_only(f);
}

static void sends_too_long_a_frame(struct fake *f)
{
	struct ipc_frame frame, big = { .payload_len = IPC_PAYLOAD_MAX + 1, .kind = IPC_RESULT };
	uint8_t head[IPC_HDR];

	fake_greet(f);
	fake_read(f, &frame);
	big.tag = frame.tag;
	ipc_frame_encode(&big, head);
	fake_write(f, head, sizeof(head));
	listens_only(f);
}

static void answers_somebody_else(struct fake *f)
{
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
	fake_result(f, frame.tag + 77, sample, sizeof(sample));
	listens_only(f);
}

static void answers_with_no_result(struct fake *f)
{
	Hv__Status s = HV__STATUS__INIT;
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
	fake_reply(f, IPC_STATUS_REPLY, frame.tag, &s.base, NULL, 0);
	listens_only(f);
}

static void answers_with_a_broken_message(struct fake *f)
{
	uint8_t head[IPC_HDR + 2] = { 0 };
	struct ipc_frame frame, out = { .kind = IPC_RESULT, .msg_len = 2 };

	fake_greet(f);
	fake_read(f, &frame);
	out.tag = frame.tag;
	ipc_frame_encode(&out, head);
	head[IPC_HDR] = 0x0a; /* a string ... */
	head[IPC_HDR + 1] = 0x7f; /* ... longer than the message */
	fake_write(f, head, sizeof(head));
	listens_only(f);
}

static void says_why_it_ends(struct fake *f)
{
	Hv__Error e = HV__ERROR__INIT;
	struct ipc_frame frame;

	fake_greet(f);
	fake_read(f, &frame);
	e.code = HARVEST_E_BUSY;
	e.reason = (char *)"too many clients";
	fake_reply(f, IPC_ERROR, 0, &e.base, NULL, 0);
}

/* clang-format off */
static const struct {
	const char *name;
	void (*script)(struct fake *f);
	int code;
	const char *reason;
} ends[] = {
	{ "daemon dies",          ends_at_once,                  HARVEST_E_GONE,  "went away" },
	{ "dies in the samples",  ends_inside_the_samples,       HARVEST_E_GONE,  "went away" },
	{ "dies in the header",   ends_inside_the_header,        HARVEST_E_GONE,  "went away" },
	{ "garbage",              sends_garbage,                 HARVEST_E_FRAME, "failed" },
	{ "frame over the cap",   sends_too_long_a_frame,        HARVEST_E_FRAME, "failed" },
	{ "answer to nobody",     answers_somebody_else,         HARVEST_E_FRAME, "never made" },
	{ "answer of a kind",     answers_with_no_result,        HARVEST_E_FRAME, "failed" },
	{ "broken message",       answers_with_a_broken_message, HARVEST_E_FRAME, "failed" },
	{ "connection refused",   says_why_it_ends,              HARVEST_E_BUSY,  "too many clients" },
};
/* clang-format on */

static int ended, ended_code;
static void count_end(harvest_job *job, int code, void *arg)
{
	(void)job;
	(void)arg;
	ended++;
	ended_code = code;
}

START_TEST(however_the_connection_ends_every_job_ends_once_with_the_reason)
{
	harvest_result r = { .size = sizeof(r) };
	harvest_job *job, *other;
	int code;

	open_client(ends[_i].script);
	job = submit_one();
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL, count_end,
					NULL, NULL),
			 HARVEST_OK);
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL, count_end,
					NULL, &other),
			 HARVEST_OK);
	code = harvest_job_wait(job, PATIENCE_MS);
	ck_assert_msg(code == ends[_i].code, "%s: %s", ends[_i].name, harvest_strerror(code));
	ck_assert_msg(strstr(harvest_client_reason(client), ends[_i].reason) != NULL, "%s: %s",
		      ends[_i].name, harvest_client_reason(client));
	ck_assert_int_eq(ended, 2);
	ck_assert_int_eq(ended_code, ends[_i].code);
	ck_assert_int_eq(harvest_job_result(job, &r), HARVEST_OK);
	ck_assert_str_eq(r.state, "lost");
	ck_assert_ptr_null(r.out);
	ck_assert_int_eq(harvest_dispatch(client), ends[_i].code);
	ck_assert_int_eq(harvest_submit(client, "fft64", sample, sizeof(sample), NULL, count_end,
					NULL, NULL),
			 ends[_i].code);
	ck_assert_int_eq(harvest_wants_write(client), 0);
	harvest_job_free(job);
	close_all();
	ck_assert_int_eq(ended, 2);
	ck_assert_int_eq(harvest_job_wait(other, 0), ends[_i].code);
	harvest_job_free(other);
}
END_TEST

/* The answer in pieces: first _i bytes, then the rest. */
static size_t cut_at;
static void answers_in_pieces(struct fake *f)
{
	uint8_t to[4096];
	struct ipc_frame frame;
	size_t n;

	fake_greet(f);
	while (fake_read(f, &frame) == 0) {
		n = fake_result_frame(to, frame.tag, f->payload, frame.payload_len);
		for (size_t at = 0; at < n;) {
			size_t piece = n - at < cut_at ? n - at : cut_at;

			fake_write(f, to + at, piece);
			sched_yield();
			at += piece;
		}
	}
}

START_TEST(an_answer_in_pieces_of_any_size_is_put_together)
{
	int16_t out[128];
	size_t n;

	cut_at = (size_t)_i;
	open_client(answers_in_pieces);
	for (int round = 0; round < 4; round++) {
		ck_assert_int_eq(harvest_run(client, "fft64", sample, sizeof(sample), NULL, out,
					     sizeof(out), &n),
				 HARVEST_OK);
		ck_assert_mem_eq(out, sample, sizeof(sample));
	}
	close_all();
}
END_TEST

static void reads_nothing_until_told(struct fake *f)
{
	char byte;

	fake_greet(f);
	ck_assert_int_eq(read(go_on[0], &byte, 1), 1);
}

START_TEST(a_daemon_that_stops_reading_costs_bounded_memory_and_no_time)
{
	size_t bytes = 8 << 20;
	hv_autofree uint8_t *big = calloc(1, bytes);
	int code = HARVEST_OK, n = 0;

	ck_assert_int_eq(pipe(go_on), 0);
	open_client(reads_nothing_until_told);
	for (; n < 100 && code == HARVEST_OK; n++) {
		code = harvest_submit(client, "fft64", big, bytes, NULL, count_end, NULL, NULL);
		ck_assert_int_eq(harvest_dispatch(client), 0);
	}
	ck_assert_int_eq(code, HARVEST_E_BUSY);
	ck_assert_int_le(n, 10); /* 64 MiB, and what the socket swallowed */
	ck_assert_int_eq(harvest_wants_write(client), 1);
	ck_assert_int_eq(ended, 0);
	ck_assert_int_eq(write(go_on[1], "x", 1), 1);
	harvest_client_close(client);
	client = NULL;
	ck_assert_int_eq(ended, n - 1);
	close_all();
}
END_TEST

START_TEST(outstanding_jobs_are_bounded)
{
	int code = HARVEST_OK, n = 0;

	ck_assert_int_eq(pipe(go_on), 0);
	open_client(reads_nothing_until_told);
	for (; n < 100000 && code == HARVEST_OK; n++)
		code = harvest_submit(client, "fft64", sample, 2, NULL, count_end, NULL, NULL);
	ck_assert_int_eq(code, HARVEST_E_BUSY);
	ck_assert_int_eq(n, 16384 + 1);
	ck_assert_int_eq(write(go_on[1], "x", 1), 1);
	harvest_client_close(client);
	client = NULL;
	ck_assert_int_eq(ended, 16384);
	close_all();
}
END_TEST

static void reset(void)
{
	ended = ended_code = 0;
}

static Suite *client_suite(void)
{
	Suite *s = suite_create("client faults");
	TCase *tc = tcase_create("library");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_loop_test(tc, a_daemon_of_another_version_is_told_apart, 0, 2);
	tcase_add_test(tc, a_daemon_that_never_greets_meets_the_deadline);
	tcase_add_test(tc, a_full_backlog_meets_the_deadline);
	tcase_add_test(tc, a_wait_that_times_out_leaves_the_job_running);
	tcase_add_loop_test(tc, however_the_connection_ends_every_job_ends_once_with_the_reason, 0,
			    HV_ARRAY_SIZE(ends));
	tcase_add_loop_test(tc, an_answer_in_pieces_of_any_size_is_put_together, 1, 40);
	tcase_add_test(tc, a_daemon_that_stops_reading_costs_bounded_memory_and_no_time);
	tcase_add_test(tc, outstanding_jobs_are_bounded);
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
