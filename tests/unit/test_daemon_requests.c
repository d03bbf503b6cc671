/* What a request says, and how the daemon takes it. */
#include "tasks/catalog.h"
#include "tests/lib/daemon_story.h"
#include "util/own.h"
#include <math.h>
#include <string.h>
#include <sys/socket.h>

START_TEST(every_task_is_answered_exactly_and_times_add_up)
{
	struct peer p;
	const struct harvest_task *t = task_at((size_t)_i % task_count());
	const char *task = t->name;
	uint32_t many = tensor_bytes(&t->in) > 1024 ? 100 : 3000;
	uint32_t records = _i < (int)task_count() ? 1 : many;
	Hv__Submit m = submit_of(task, records);
	struct reply r;
	Hv__Result *res;

	world_start(&w, 1);
	p = peer_connect(&w);
	ck_assert(peer_submit(&w, &p, 77, &m, 9));
	res = read_result(&p, &r);
	ck_assert_uint_eq(r.f.tag, 77);
	ck_assert_msg(res->ok && strcmp(res->state, "completed") == 0, "%s: %s", task, res->why);
	ck_assert_msg(answers_right(task, records, 9, r.samples, r.f.payload_len),
		      "%s: wrong answer", task);
	ck_assert_uint_eq(times_sum(res->time_us), res->time_us->total);
	ck_assert(!res->has_certified);
	ck_assert_uint_eq(res->n_parts, 1);
	ck_assert_str_eq(res->parts[0]->where, "cpu");
	ck_assert_uint_eq(res->parts[0]->records, records);
	done_with(res, &r);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(pipelined_jobs_are_each_answered_once)
{
	enum { JOBS = 300 };
	struct peer p;
	bool seen[JOBS] = { false };

	world_start(&w, 2);
	p = peer_connect(&w);
	for (uint32_t i = 0; i < JOBS; i++) {
		Hv__Submit m = submit_of("fft64", i % 50 == 7 ? 900 : 1 + i % 3);

		ck_assert(peer_submit(&w, &p, i, &m, i));
	}
	for (int i = 0; i < JOBS; i++) {
		struct reply r;
		Hv__Result *res = read_result(&p, &r);

		ck_assert(!seen[r.f.tag]);
		seen[r.f.tag] = true;
		ck_assert_msg(
			answers_right("fft64", res->records, r.f.tag, r.samples, r.f.payload_len),
			"job %u has the answer of another", r.f.tag);
		done_with(res, &r);
	}
	ck_assert_uint_eq(w.store.counts.in_state[JOB_COMPLETED], JOBS);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

/* records records of samples behind m, twice: the second time is a repetition. */
static void expect_twice(struct peer *p, const Hv__Submit *m, uint32_t records, int code,
			 const char *words)
{
	hv_autofree uint8_t *in = samples_of("fft64", records, 3);

	for (uint32_t i = 0; i < 2; i++) {
		struct reply r;
		Hv__Result *res;

		ck_assert(peer_send(&w, p, IPC_SUBMIT, i, &m->base, in, records * 256));
		if (code != HV_OK) {
			expect_error(p, code, words);
			continue;
		}
		res = read_result(p, &r);
		ck_assert_uint_eq(r.f.tag, i);
		ck_assert_uint_eq(res->records, records);
		ck_assert(!res->has_budget == !m->has_budget);
		ck_assert(answers_right("fft64", records, 3, r.samples, r.f.payload_len));
		done_with(res, &r);
	}
}

START_TEST(a_request_that_repeats_the_last_is_judged_as_it_was_and_others_anew)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 0);

	world_start(&w, 41);
	p = peer_connect(&w);
	expect_twice(&p, &m, 1, HV_OK, NULL);
	expect_twice(&p, &m, 3, HV_OK, NULL); /* same message, other samples */
	m.records = 3;
	expect_twice(&p, &m, 3, HV_OK, NULL);
	expect_twice(&p, &m, 1, HV_E_INVAL, "768 bytes, got 256");
	m.has_budget = true;
	expect_twice(&p, &m, 3, HV_OK, NULL);
	m.has_budget = false;
	expect_twice(&p, &m, 3, HV_OK, NULL);
	m.has_deadline = true;
	m.deadline_us = -5;
	expect_twice(&p, &m, 3, HV_E_TIMEOUT, "5 us in the past");
	m.has_deadline = false;
	m.task = "fft65";
	expect_twice(&p, &m, 3, HV_E_NOENT, "no task 'fft65'");
	m.task = "fft64";
	expect_twice(&p, &m, 3, HV_OK, NULL);
	w.store.limits.payload_bytes_per_client = 512;
	expect_twice(&p, &m, 3, HV_E_BUSY, "of at most 512 bytes");
	w.store.limits.payload_bytes_per_client = 1 << 20;
	expect_twice(&p, &m, 3, HV_OK, NULL);
	ck_assert_uint_eq(w.store.counts.accepted, 2 * 7);
	ck_assert_uint_eq(w.store.counts.refused, 2 * 4);
	ck_assert_uint_eq(p.in_len, 0);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_deadline_that_repeats_counts_from_each_request)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 1);

	world_start(&w, 42);
	p = peer_connect(&w);
	m.has_deadline = true;
	m.deadline_us = 1000000;
	for (int i = 0; i < 4; i++) {
		struct reply r;

		ck_assert(peer_submit(&w, &p, 1, &m, 1));
		done_with(read_result(&p, &r), &r);
		world_advance(&w, 700000000);
	}
	ck_assert_uint_eq(w.store.counts.in_state[JOB_COMPLETED], 4);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_request_cut_at_any_byte_is_put_together)
{
	struct peer p;
	Hv__Submit m = submit_of("dct32", 2);
	uint8_t frame[2048], *in = samples_of("dct32", 2, 3);
	size_t len = hv__submit__get_packed_size(&m), n = IPC_HDR + len + 128;
	struct ipc_frame f = { (uint32_t)len, 128, IPC_SUBMIT, 0, 4 };

	ipc_frame_encode(&f, frame);
	hv__submit__pack(&m, frame + IPC_HDR);
	memcpy(frame + IPC_HDR + len, in, 128);
	world_start(&w, 3);
	p = peer_connect(&w);
	for (size_t cut = 1; cut < n; cut++) {
		struct reply r;

		ck_assert(peer_write(&w, &p, frame, cut));
		world_step(&w);
		ck_assert(peer_write(&w, &p, frame + cut, n - cut));
		done_with(read_result(&p, &r), &r);
	}
	free(in);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

/* clang-format off */
static const struct {
	const char *task;
	uint32_t records, dtype;
	size_t samples;
	int code;
	const char *words;
} bad[] = {
	{ "nosuch", 1, 0, 256, HV_E_NOENT, "no task 'nosuch'" },
	{ "",       1, 0, 256, HV_E_NOENT, "no task ''" },
	{ "fft64",  0, 0, 0,   HV_E_INVAL, "has no records" },
	{ "fft64",  1, 0, 255, HV_E_INVAL, "256 bytes, got 255" },
	{ "fft64",  1, 0, 257, HV_E_INVAL, "256 bytes, got 257" },
	{ "fft64",  2, 0, 256, HV_E_INVAL, "512 bytes, got 256" },
	{ "fft64",  1, HARVEST_F32, 256, HV_E_INVAL, "takes int16[64,2], got samples of type float32" },
	{ "fft64",  1, 99, 256, HV_E_INVAL, "unknown" },
	{ "fft64",  UINT32_MAX, 0, 256, HV_E_INVAL, "got 256" },
};
/* clang-format on */

START_TEST(wrong_shapes_are_refused_with_expected_and_got)
{
	struct peer p;
	static uint8_t in[1024];
	Hv__Submit m = submit_of(bad[_i].task, bad[_i].records);

	world_start(&w, 4);
	p = peer_connect(&w);
	m.dtype = bad[_i].dtype;
	ck_assert(peer_send(&w, &p, IPC_SUBMIT, 1, &m.base, in, bad[_i].samples));
	expect_error(&p, bad[_i].code, bad[_i].words);
	ck_assert_uint_eq(w.store.counts.accepted, 0);
	ck_assert_uint_eq(w.store.counts.refused, 1);
	still_serves();
	peer_close(&p);
	world_stop(&w);
}
END_TEST

/* clang-format off */
static const char *const hostile_name[][2] = {
	{ "\xff\xfe\xc3", "'???" },
	{ "\x1b[2J\nx\x7f", "'?[2J?x?'" },
	{ "fft\xc3\xa9", "'fft??" },
	/* cut in the middle of a character */
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9", "aaa?" },
};
/* clang-format on */

static void expect_printable_error(struct peer *p, const char *words)
{
	struct reply r;
	Hv__Error *e;

	ck_assert(peer_read(&w, p, &r));
	ck_assert_int_eq(r.f.kind, IPC_ERROR);
	e = hv__error__unpack(NULL, r.f.msg_len, r.msg);
	for (const char *at = e->reason; *at != '\0'; at++)
		ck_assert_msg(*at >= 0x20 && *at <= 0x7e, "byte %u in '%s'", (unsigned)(uint8_t)*at,
			      e->reason);
	ck_assert_msg(strstr(e->reason, words) != NULL, "'%s' lacks %s", e->reason, words);
	hv__error__free_unpacked(e, NULL);
	free(r.msg);
}

START_TEST(hostile_names_are_echoed_as_printable_text)
{
	char *name = (char *)hostile_name[_i][0];
	const char *words = hostile_name[_i][1];
	static uint8_t in[256];
	struct peer p;
	Hv__Submit m = submit_of(name, 1);
	Hv__BoardsRequest b = HV__BOARDS_REQUEST__INIT;
	Hv__ModelsRequest mo = HV__MODELS_REQUEST__INIT;
	Hv__JobRef j = HV__JOB_REF__INIT;

	world_start(&w, 33);
	p = peer_connect(&w);
	ck_assert(peer_send(&w, &p, IPC_SUBMIT, 1, &m.base, in, sizeof(in)));
	expect_printable_error(&p, words);
	b.verb = "show";
	b.id = name;
	ck_assert(peer_send(&w, &p, IPC_BOARDS, 1, &b.base, NULL, 0));
	expect_printable_error(&p, words);
	mo.verb = "show";
	mo.name = name;
	ck_assert(peer_send(&w, &p, IPC_MODELS, 1, &mo.base, NULL, 0));
	expect_printable_error(&p, words);
	j.job = name;
	ck_assert(peer_send(&w, &p, IPC_EXPLAIN, 1, &j.base, NULL, 0));
	expect_printable_error(&p, words);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(senseless_wishes_are_refused)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 1);

	world_start(&w, 5);
	p = peer_connect(&w);
	m.has_deadline = true;
	m.deadline_us = -5;
	ck_assert(peer_submit(&w, &p, 1, &m, 1));
	expect_error(&p, HV_E_TIMEOUT, "5 us in the past");
	m.has_deadline = false;
	m.has_budget = true;
	m.max_error = (double)NAN;
	ck_assert(peer_submit(&w, &p, 1, &m, 1));
	expect_error(&p, HV_E_INVAL, "makes no sense");
	m.has_budget = false;
	m.route = (Hv__Route)99;
	ck_assert(peer_submit(&w, &p, 1, &m, 1));
	expect_error(&p, HV_E_INVAL, "unknown value");
	m.route = HV__ROUTE__BOARD;
	m.board = "virt7";
	ck_assert(peer_submit(&w, &p, 1, &m, 1));
	expect_error(&p, HV_E_NOENT, "no board 'virt7'");
	m.board = "";
	ck_assert(peer_submit(&w, &p, 1, &m, 1));
	expect_error(&p, HV_E_BUDGET, "no board");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_frame_over_the_cap_ends_the_connection_with_a_reason)
{
	struct peer p;
	struct ipc_frame f = { .msg_len = 10, .payload_len = 10, .kind = IPC_SUBMIT };
	uint8_t hdr[IPC_HDR];

	if (_i == 0)
		f.msg_len = IPC_MSG_MAX + 1;
	else
		f.payload_len = IPC_PAYLOAD_MAX + 1;
	world_start(&w, 6);
	p = peer_connect(&w);
	ipc_frame_encode(&f, hdr);
	ck_assert(peer_write(&w, &p, hdr, sizeof(hdr)));
	expect_error(&p, HV_E_FRAME, "over the cap");
	ck_assert(!peer_read(&w, &p, &(struct reply){ 0 }) && p.ended);
	still_serves();
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(unknown_kinds_and_garbage_messages_are_answered_and_survived)
{
	struct peer p;
	uint8_t garbage[64];
	struct ipc_frame f = { .msg_len = 40, .kind = IPC_SUBMIT, .tag = 3 };

	world_start(&w, 7);
	p = peer_connect(&w);
	memset(garbage, 0xff, sizeof(garbage));
	ipc_frame_encode(&f, garbage);
	ck_assert(peer_write(&w, &p, garbage, IPC_HDR + 40));
	expect_error(&p, HV_E_FRAME, "malformed");
	f.kind = 99;
	f.payload_len = 8;
	ipc_frame_encode(&f, garbage);
	ck_assert(peer_write(&w, &p, garbage, IPC_HDR + 48));
	expect_error(&p, HV_E_FRAME, "kind 99");
	f.kind = IPC_STATUS;
	f.msg_len = 0;
	ipc_frame_encode(&f, garbage);
	ck_assert(peer_write(&w, &p, garbage, IPC_HDR + 8));
	expect_error(&p, HV_E_FRAME, "takes no samples");
	still_serves();
	peer_close(&p);
	world_stop(&w);
}
END_TEST

/* Fill a frame of the longest message with copies of one field and send it. */
static void send_full_of(struct peer *p, uint16_t kind, const uint8_t *field, size_t n)
{
	static uint8_t frame[IPC_HDR + IPC_MSG_MAX];
	struct ipc_frame f = { .msg_len = IPC_MSG_MAX, .kind = kind };

	for (size_t i = 0; i < IPC_MSG_MAX; i++)
		frame[IPC_HDR + i] = field[i % n];
	ipc_frame_encode(&f, frame);
	ck_assert(peer_write(&w, p, frame, sizeof(frame)));
}

START_TEST(a_message_that_needs_more_than_the_arena_is_refused)
{
	static const uint8_t empty_job[] = { 0x0a, 0x00 }; /* the last one counts, all cost */
	struct peer p;

	world_start(&w, 8);
	p = peer_connect(&w);
	send_full_of(&p, IPC_WAIT, empty_job, sizeof(empty_job));
	expect_error(&p, HV_E_FRAME, "too rich");
	still_serves();
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(unknown_fields_of_a_newer_client_cost_nothing)
{
	static const uint8_t field_1000[] = { 0xc0, 0x3e, 0x80, 0x00 };
	struct reply r;
	struct peer p;

	world_start(&w, 8);
	p = peer_connect(&w);
	send_full_of(&p, IPC_STATUS, field_1000, sizeof(field_1000));
	ck_assert(peer_read(&w, &p, &r));
	ck_assert_uint_eq(r.f.kind, IPC_STATUS_REPLY);
	free(r.msg);
	peer_close(&p);
	world_stop(&w);
}
END_TEST
int main(void)
{
	TCase *tc = story_tcase("requests");

	tcase_add_loop_test(tc, every_task_is_answered_exactly_and_times_add_up, 0,
			    2 * (int)task_count());
	tcase_add_test(tc, pipelined_jobs_are_each_answered_once);
	tcase_add_test(tc, a_request_that_repeats_the_last_is_judged_as_it_was_and_others_anew);
	tcase_add_test(tc, a_deadline_that_repeats_counts_from_each_request);
	tcase_add_test(tc, a_request_cut_at_any_byte_is_put_together);
	tcase_add_loop_test(tc, wrong_shapes_are_refused_with_expected_and_got, 0,
			    HV_ARRAY_SIZE(bad));
	tcase_add_test(tc, senseless_wishes_are_refused);
	tcase_add_loop_test(tc, hostile_names_are_echoed_as_printable_text, 0,
			    HV_ARRAY_SIZE(hostile_name));
	tcase_add_loop_test(tc, a_frame_over_the_cap_ends_the_connection_with_a_reason, 0, 2);
	tcase_add_test(tc, unknown_kinds_and_garbage_messages_are_answered_and_survived);
	tcase_add_test(tc, a_message_that_needs_more_than_the_arena_is_refused);
	tcase_add_test(tc, unknown_fields_of_a_newer_client_cost_nothing);
	return story_run("daemon: requests", tc);
}
