#include "daemon/ipc/conn.h"
#include "tasks/catalog.h"
#include "tests/lib/daemon_world.h"
#include "util/own.h"
#include <check.h>
#include <math.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>

/* The daemon behind its socket: each test is a client's story. */
static struct world w;
static sem_t entered, gate; /* of a change of the models, on its thread */

static void setup(void)
{
	world_limits = (struct limits)LIMITS_DEFAULT;
	fake_models_clear();
	fake_models_run = NULL;
	sem_init(&entered, 0, 0);
	sem_init(&gate, 0, 0);
	fake_boards_n = 0;
	fake_outside_byte = -1;
}

static void add_board(uint32_t batch, double us_per_record)
{
	fake_plan[fake_boards_n++] = (struct fake_board_plan){ .ready = true,
							       .batch_records = batch,
							       .room = 2,
							       .us_per_record = us_per_record,
							       .energy_uj_per_record = 0.001 };
}

static Hv__Result *read_result(struct peer *p, struct reply *r)
{
	Hv__Result *m;

	ck_assert(peer_read(&w, p, r));
	if (r->f.kind == IPC_ERROR) {
		Hv__Error *e = hv__error__unpack(NULL, r->f.msg_len, r->msg);

		ck_abort_msg("refused: %s", e->reason);
	}
	ck_assert_int_eq(r->f.kind, IPC_RESULT);
	m = hv__result__unpack(NULL, r->f.msg_len, r->msg);
	ck_assert_ptr_nonnull(m);
	return m;
}

static void done_with(Hv__Result *m, struct reply *r)
{
	hv__result__free_unpacked(m, NULL);
	free(r->msg);
}

/* The next reply is an error with this code and a sentence that contains the words. */
static void expect_error(struct peer *p, int code, const char *words)
{
	struct reply r;
	Hv__Error *e;

	ck_assert_msg(peer_read(&w, p, &r), "no reply, wanted an error with '%s'", words);
	ck_assert_msg(r.f.kind == IPC_ERROR, "wanted an error with '%s', got kind %u", words,
		      r.f.kind);
	e = hv__error__unpack(NULL, r.f.msg_len, r.msg);
	ck_assert_msg(e->code == code && strstr(e->reason, words) != NULL,
		      "wanted %d '%s', got %d '%s'", code, words, e->code, e->reason);
	hv__error__free_unpacked(e, NULL);
	free(r.msg);
}

static uint64_t sum(const Hv__Times *t)
{
	return t->admit + t->queue + t->transfer + t->compute + t->deliver;
}

/* Still serves: a small job is answered. */
static void still_serves(void)
{
	struct peer p = peer_connect(&w);
	Hv__Submit m = submit_of("fft64", 1);
	struct reply r;

	ck_assert(peer_submit(&w, &p, 5, &m, 1));
	done_with(read_result(&p, &r), &r);
	peer_close(&p);
}

START_TEST(every_task_is_answered_exactly_and_times_add_up)
{
	struct peer p;
	const char *task = task_at((size_t)_i % task_count())->name;
	uint32_t records = _i < (int)task_count() ? 1 : 3000;
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
	ck_assert_uint_eq(sum(res->time_us), res->time_us->total);
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

START_TEST(a_client_must_greet_in_time_and_in_a_version_we_speak)
{
	struct peer p;
	Hv__Hello hello = HV__HELLO__INIT;
	Hv__Empty empty = HV__EMPTY__INIT;

	world_start(&w, 9);
	p = peer_raw(&w);
	hello.version_min = 7;
	hello.version_max = 9;
	ck_assert(peer_send(&w, &p, IPC_HELLO, 1, &hello.base, NULL, 0));
	expect_error(&p, HV_E_VERSION, "7 to 9");
	ck_assert(!peer_read(&w, &p, &(struct reply){ 0 }));
	peer_close(&p);
	p = peer_raw(&w);
	ck_assert(peer_send(&w, &p, IPC_STATUS, 1, &empty.base, NULL, 0));
	expect_error(&p, HV_E_FRAME, "before 'hello'");
	peer_close(&p);
	p = peer_raw(&w);
	world_step(&w);
	world_advance(&w, world_limits.hello_ns + 1);
	ck_assert(!peer_read(&w, &p, &(struct reply){ 0 }));
	ck_assert_uint_eq(server_clients(w.server), 0);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(one_client_too_many_is_told_so)
{
	struct peer a, b;

	world_limits.clients = 1;
	world_start(&w, 10);
	a = peer_connect(&w);
	b = peer_raw(&w);
	expect_error(&b, HV_E_BUSY, "1 clients, the limit");
	peer_close(&b);
	peer_close(&a);
	for (int i = 0; i < 10; i++)
		world_step(&w);
	still_serves();
	world_stop(&w);
}
END_TEST

START_TEST(one_user_cannot_take_every_connection)
{
	struct peer p[16], more;
	char words[64];

	world_limits.clients = 40;
	world_start(&w, 10);
	for (size_t i = 0; i < HV_ARRAY_SIZE(p); i++)
		p[i] = peer_connect(&w);
	snprintf(words, sizeof(words), "uid %u has 16 connections", (unsigned)geteuid());
	more = peer_raw(&w);
	expect_error(&more, HV_E_BUSY, words);
	ck_assert(!peer_read(&w, &more, &(struct reply){ 0 }));
	peer_close(&more);
	peer_close(&p[3]);
	for (int i = 0; i < 10; i++)
		world_step(&w);
	still_serves();
	for (int i = 0; i < 10; i++)
		world_step(&w);
	p[3] = peer_connect(&w);
	for (size_t i = 0; i < HV_ARRAY_SIZE(p); i++)
		peer_close(&p[i]);
	world_stop(&w);
}
END_TEST

/* clang-format off */
static const struct {
	uint32_t clients, uid, all, of_uid;
	const char *words; /* NULL: there is a place */
} place[] = {
	{ 256, 1000, 63,  63,  NULL },
	{ 256, 1000, 64,  64,  "uid 1000 has 64 connections" },
	{ 256, 1001, 251, 0,   NULL },
	{ 256, 1001, 252, 0,   "252 clients, the limit" },
	{ 256, 0,    252, 0,   NULL },
	{ 256, 0,    255, 63,  NULL },
	{ 256, 0,    256, 0,   "256 clients, the limit" },
	{ 256, 0,    64,  64,  "uid 0 has 64 connections" },
	{ 32,  7,    15,  15,  NULL },
	{ 32,  7,    16,  16,  "uid 7 has 16 connections" },
	{ 32,  8,    30,  0,   "30 clients, the limit" },
	{ 1,   9,    0,   0,   NULL },
	{ 1,   9,    1,   1,   "1 clients, the limit" },
};
/* clang-format on */

START_TEST(root_and_other_users_find_a_place_whatever_one_user_does)
{
	struct limits l = LIMITS_DEFAULT;
	struct places taken = { place[_i].all, place[_i].of_uid };
	char why[256] = "";

	l.clients = place[_i].clients;
	ck_assert_int_eq(conn_has_place(&l, place[_i].uid, &taken, why, sizeof(why)),
			 place[_i].words == NULL);
	if (place[_i].words != NULL)
		ck_assert_msg(strstr(why, place[_i].words) != NULL, "got '%s'", why);
}
END_TEST

START_TEST(limits_of_jobs_and_samples_refuse_the_next_job_only)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 64);
	struct reply r;

	world_limits.jobs_per_client = 2;
	world_limits.payload_bytes_per_client = 64 * 1024 * 3;
	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 11);
	w.hold_boards = true;
	m.route = HV__ROUTE__BOARD;
	p = peer_connect(&w);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert(peer_submit(&w, &p, i, &m, i));
	expect_error(&p, HV_E_BUSY, "2 jobs in flight");
	m = submit_of("fft64", 512);
	world_limits.jobs_per_client = 2;
	w.hold_boards = false;
	done_with(read_result(&p, &r), &r);
	done_with(read_result(&p, &r), &r);
	ck_assert(peer_submit(&w, &p, 9, &m, 1));
	expect_error(&p, HV_E_BUSY, "bytes of samples");
	still_serves();
	peer_close(&p);
	world_stop(&w);
}
END_TEST

/* A client dies at every step of a submit: while it greets, in the header, in the message, in
 * the samples, with the job waiting, running on a board or on a core, with the result unread. */
START_TEST(a_client_that_dies_takes_only_its_own_job_with_it)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 400);
	uint8_t *in = samples_of("fft64", 400, 1);
	size_t len = hv__submit__get_packed_size(&m), n = IPC_HDR + len + 400 * 256;
	uint8_t *frame = malloc(n);
	struct ipc_frame f = { (uint32_t)len, 400 * 256, IPC_SUBMIT, 0, 4 };
	static const size_t cuts[] = { 0, 1, 15, 16, 20, 40, 1000, 60000 };
	uint64_t ended;

	ipc_frame_encode(&f, frame);
	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 12);
	m.route = _i % 2 ? HV__ROUTE__BOARD : HV__ROUTE__CPU;
	len = hv__submit__get_packed_size(&m);
	f.msg_len = (uint32_t)len;
	free(frame);
	n = IPC_HDR + len + 400 * 256;
	frame = malloc(n);
	ipc_frame_encode(&f, frame);
	hv__submit__pack(&m, frame + IPC_HDR);
	memcpy(frame + IPC_HDR + len, in, 400 * 256);
	for (size_t i = 0; i < HV_ARRAY_SIZE(cuts); i++) {
		p = peer_connect(&w);
		ck_assert(peer_write(&w, &p, frame, cuts[i]));
		world_step(&w);
		peer_close(&p);
		world_step(&w);
	}
	ck_assert_uint_eq(w.store.counts.accepted, 0);
	for (int steps = 0; steps < 40; steps++) {
		w.hold_boards = steps % 3 == 0;
		p = peer_connect(&w);
		ck_assert(peer_write(&w, &p, frame, n));
		for (int s = 0; s < steps; s++)
			world_step(&w);
		peer_close(&p);
		for (int s = 0; s < 5; s++)
			world_step(&w);
	}
	w.hold_boards = false;
	for (int s = 0; s < 100000 && w.store.live > 0; s++)
		world_step(&w);
	ended = w.store.counts.in_state[JOB_COMPLETED] + w.store.counts.in_state[JOB_CANCELLED];
	ck_assert_uint_eq(ended, w.store.counts.accepted);
	ck_assert_uint_gt(w.store.counts.accepted, 30);
	ck_assert_uint_eq(w.store.payload_bytes, 0);
	still_serves();
	free(frame);
	free(in);
	world_stop(&w);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_paused_then_dropped)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 200);
	hv_autofree uint8_t *in = samples_of("fft64", 200, 1);
	hv_autofree uint8_t *frame = malloc(IPC_HDR + 100 + 200 * 256);
	size_t len = hv__submit__get_packed_size(&m), n = IPC_HDR + len + 200 * 256, sent = 0;
	struct ipc_frame f = { (uint32_t)len, 200 * 256, IPC_SUBMIT, 0, 4 };
	uint64_t jobs;

	ipc_frame_encode(&f, frame);
	hv__submit__pack(&m, frame + IPC_HDR);
	memcpy(frame + IPC_HDR + len, in, 200 * 256);
	world_limits.out_high_bytes = 1 << 20;
	world_start(&w, 13);
	p = peer_connect(&w);
	for (int tries = 0; tries < 3000 && sent < 64 << 20; tries++) {
		ssize_t r = send(p.fd, frame + sent % n, n - sent % n, MSG_NOSIGNAL);

		if (r > 0)
			sent += (size_t)r;
		world_step(&w);
	}
	jobs = w.store.counts.accepted;
	ck_assert_msg(sent < 8 << 20, "%zu bytes were read from a client that reads nothing", sent);
	ck_assert_uint_gt(jobs, 3);
	still_serves();
	world_advance(&w, world_limits.stall_ns + 1);
	for (int i = 0; i < 10; i++)
		world_step(&w);
	ck_assert_uint_eq(server_clients(w.server), 0);
	still_serves();
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(an_upload_that_stops_is_dropped_and_a_slow_one_is_not)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 400);
	hv_autofree uint8_t *in = samples_of("fft64", 400, 1);
	uint8_t head[IPC_HDR + 100];
	size_t len = hv__submit__get_packed_size(&m);
	struct ipc_frame f = { (uint32_t)len, 400 * 256, IPC_SUBMIT, 0, 4 };
	struct reply r;

	ipc_frame_encode(&f, head);
	hv__submit__pack(&m, head + IPC_HDR);
	world_start(&w, 29);
	p = peer_connect(&w);
	ck_assert(peer_write(&w, &p, head, IPC_HDR + len));
	for (size_t i = 0; i < 8; i++) {
		ck_assert(peer_write(&w, &p, in + i * 12800, 12800));
		world_step(&w);
		world_advance(&w, world_limits.stall_ns * 2 / 3);
	}
	done_with(read_result(&p, &r), &r);
	world_advance(&w, world_limits.stall_ns * 3); /* quiet, and owes nothing */
	ck_assert(peer_write(&w, &p, head, IPC_HDR + len));
	ck_assert(peer_write(&w, &p, in, 12800));
	world_step(&w);
	ck_assert_uint_gt(w.store.payload_bytes, 0);
	world_advance(&w, world_limits.stall_ns + 1);
	world_advance(&w, world_limits.stall_ns + 1);
	for (int i = 0; i < 5; i++)
		world_step(&w);
	ck_assert_uint_eq(server_clients(w.server), 0);
	ck_assert_uint_eq(w.store.payload_bytes, 0);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_slow_upload_right_behind_another_is_not_dropped)
{
	enum { RECORDS = 400, BYTES = RECORDS * 256, REST = 1000 };
	struct peer p;
	Hv__Submit m = submit_of("fft64", RECORDS);
	hv_autofree uint8_t *in = samples_of("fft64", RECORDS, 1);
	uint8_t head[IPC_HDR + 100], both[REST + sizeof(head) + REST];
	size_t len = hv__submit__get_packed_size(&m);
	struct ipc_frame f = { (uint32_t)len, BYTES, IPC_SUBMIT, 0, 4 };
	struct reply r;

	ipc_frame_encode(&f, head);
	hv__submit__pack(&m, head + IPC_HDR);
	len += IPC_HDR;
	memcpy(both, in + BYTES - REST, REST);
	memcpy(both + REST, head, len);
	memcpy(both + REST + len, in, REST);
	world_start(&w, 30);
	p = peer_connect(&w);
	ck_assert(peer_write(&w, &p, head, len));
	ck_assert(peer_write(&w, &p, in, BYTES - REST));
	for (int i = 0; i < 5; i++)
		world_step(&w);
	world_advance(&w, world_limits.stall_ns + 1); /* it moved: looked at, kept */
	ck_assert(peer_write(&w, &p, both, REST + len + REST)); /* one read brings both */
	done_with(read_result(&p, &r), &r);
	world_advance(&w, world_limits.stall_ns + 1);
	ck_assert(peer_write(&w, &p, in + REST, REST));
	world_step(&w);
	world_advance(&w, world_limits.stall_ns + 1);
	ck_assert(peer_write(&w, &p, in + 2 * REST, BYTES - 2 * REST));
	done_with(read_result(&p, &r), &r);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(an_upload_that_began_behind_unread_replies_and_stops_is_dropped)
{
	enum { RECORDS = 3000, BYTES = RECORDS * 256 };
	struct peer p;
	Hv__Submit m = submit_of("fft64", RECORDS);
	hv_autofree uint8_t *in = samples_of("fft64", RECORDS, 1);
	uint8_t head[IPC_HDR + 100];
	size_t len = hv__submit__get_packed_size(&m);
	struct ipc_frame f = { (uint32_t)len, BYTES, IPC_SUBMIT, 0, 4 };
	struct reply r;

	ipc_frame_encode(&f, head);
	hv__submit__pack(&m, head + IPC_HDR);
	world_start(&w, 31);
	p = peer_connect(&w);
	ck_assert(peer_submit(&w, &p, 3, &m, 1));
	for (int i = 0; i < 100000 && w.store.live > 0; i++)
		world_step(&w);
	world_step(&w);
	ck_assert(peer_write(&w, &p, head, IPC_HDR + len));
	ck_assert(peer_write(&w, &p, in, 1000));
	for (int i = 0; i < 5; i++)
		world_step(&w);
	done_with(read_result(&p, &r), &r);
	for (int i = 0; i < 5; i++)
		world_step(&w);
	ck_assert_uint_eq(server_clients(w.server), 1);
	world_advance(&w, world_limits.stall_ns + 1);
	world_advance(&w, world_limits.stall_ns + 1);
	for (int i = 0; i < 5; i++)
		world_step(&w);
	ck_assert_uint_eq(server_clients(w.server), 0);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_slow_reader_gets_everything)
{
	enum { JOBS = 20, RECORDS = 500 };
	struct peer p;
	Hv__Submit m = submit_of("fft256", RECORDS);
	hv_autofree uint8_t *in = samples_of("fft256", RECORDS, 6);
	size_t len = hv__submit__get_packed_size(&m), n = IPC_HDR + len + RECORDS * 1024;
	hv_autofree uint8_t *frame = malloc(n);
	struct ipc_frame f = { (uint32_t)len, RECORDS * 1024, IPC_SUBMIT, 0, 4 };
	size_t sent = 0;
	int got = 0, paused = 0;

	ipc_frame_encode(&f, frame);
	hv__submit__pack(&m, frame + IPC_HDR);
	memcpy(frame + IPC_HDR + len, in, RECORDS * 1024);
	world_limits.out_high_bytes = 1 << 18;
	world_start(&w, 14);
	p = peer_connect(&w);
	/* Reads only when nothing more can be sent. */
	for (int step = 0; step < 1000000 && got < JOBS; step++) {
		size_t left = n - sent % n;
		ssize_t k = sent < JOBS * n ? send(p.fd, frame + sent % n, left, MSG_NOSIGNAL) : -1;
		struct reply r;

		world_step(&w);
		if (k > 0) {
			sent += (size_t)k;
			continue;
		}
		paused++;
		if (!peer_poll(&p, &r))
			continue;
		ck_assert_int_eq(r.f.kind, IPC_RESULT);
		ck_assert(answers_right("fft256", RECORDS, 6, r.samples, r.f.payload_len));
		free(r.msg);
		got++;
	}
	ck_assert_int_eq(got, JOBS);
	ck_assert_int_gt(paused, 0);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(boards_take_records_under_offload_and_parts_tell_it)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 1000);
	struct reply r;
	Hv__Result *res;
	uint32_t records = 0;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	add_board(10, 1);
	world_start(&w, 15);
	p = peer_connect(&w);
	m.policy = HV__POLICY__OFFLOAD;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	res = read_result(&p, &r);
	ck_assert(answers_right("fft64", 1000, 3, r.samples, r.f.payload_len));
	ck_assert_uint_eq(res->n_parts, 2);
	for (size_t i = 0; i < res->n_parts; i++) {
		ck_assert_str_eq(res->parts[i]->where, "board");
		ck_assert_str_eq(res->parts[i]->model, "fft64-t");
		records += res->parts[i]->records;
	}
	ck_assert_uint_eq(records, 1000);
	ck_assert(res->has_certified && res->certified == 50);
	ck_assert_uint_eq(sum(res->time_us), res->time_us->total);
	done_with(res, &r);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_board_that_leaves_loses_no_record)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 600);
	struct reply r;
	Hv__Result *res;
	uint32_t records = 0, retried = 0;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 16);
	w.hold_boards = true;
	p = peer_connect(&w);
	m.policy = HV__POLICY__OFFLOAD;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	for (int i = 0; i < 5 + _i; i++) {
		world_step(&w);
		fake_boards_step(w.boards, &w.rng);
	}
	fake_board_leave(w.boards, 0);
	res = read_result(&p, &r);
	ck_assert_msg(res->ok, "%s", res->why);
	ck_assert(answers_right("fft64", 600, 3, r.samples, r.f.payload_len));
	for (size_t i = 0; i < res->n_parts; i++) {
		records += res->parts[i]->records;
		retried += res->parts[i]->records_retried;
	}
	ck_assert_uint_eq(records, 600);
	ck_assert_uint_gt(retried, 0);
	done_with(res, &r);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_job_for_boards_only_fails_with_a_reason_when_none_is_left)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 600);
	struct reply r;
	Hv__Result *res;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 17);
	w.hold_boards = true;
	p = peer_connect(&w);
	m.route = HV__ROUTE__BOARD;
	m.board = "fake0";
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	for (int i = 0; i < 5; i++)
		world_step(&w);
	fake_board_leave(w.boards, 0);
	for (int i = 0; i < 50; i++)
		world_advance(&w, DISPATCH_TICK_MS * UINT64_C(1000000));
	res = read_result(&p, &r);
	ck_assert(!res->ok);
	ck_assert_int_eq(res->code, HV_E_GONE);
	ck_assert_str_eq(res->state, "failed");
	ck_assert_msg(strstr(res->why, "no board can run") != NULL, "%s", res->why);
	ck_assert_uint_eq(r.f.payload_len, 0);
	ck_assert_uint_eq(sum(res->time_us), res->time_us->total);
	done_with(res, &r);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_model_that_is_replaced_gets_no_more_records_of_waiting_jobs)
{
	Hv__ModelsRequest install = HV__MODELS_REQUEST__INIT;
	struct peer p, operator_;
	Hv__Submit m = submit_of("fft64", 1000);
	struct reply r;
	Hv__Result *res;
	uint32_t on_board = 0;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 32);
	w.hold_boards = true;
	p = peer_connect(&w);
	m.policy = HV__POLICY__OFFLOAD;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	for (int i = 0; i < 20; i++)
		world_step(&w);
	ck_assert_uint_gt(fake_boards_batches(w.boards), 0);
	operator_ = peer_connect(&w);
	install.verb = "install";
	ck_assert(peer_send(&w, &operator_, IPC_MODELS, 2, &install.base, "replace", 7));
	ck_assert(peer_read(&w, &operator_, &r));
	ck_assert_int_eq(r.f.kind, IPC_MODELS_REPLY);
	free(r.msg);
	w.hold_boards = false;
	res = read_result(&p, &r);
	ck_assert_msg(res->ok, "%s", res->why);
	for (size_t i = 0; i < res->n_parts; i++)
		if (strcmp(res->parts[i]->where, "cpu") != 0)
			on_board += res->parts[i]->records;
	ck_assert_uint_le(on_board, 2 * 16); /* what was there already */
	ck_assert(answers_right("fft64", 1000, 3, r.samples, r.f.payload_len));
	done_with(res, &r);
	peer_close(&operator_);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(records_outside_the_domain_go_to_the_cpu)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 100);
	hv_autofree uint8_t *in = samples_of("fft64", 100, 3);
	struct reply r;
	Hv__Result *res;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	fake_outside_byte = in[70 * 256];
	world_start(&w, 18);
	p = peer_connect(&w);
	m.policy = HV__POLICY__OFFLOAD;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	res = read_result(&p, &r);
	ck_assert_uint_eq(res->n_parts, 1);
	ck_assert_str_eq(res->parts[0]->where, "cpu");
	done_with(res, &r);
	m.route = HV__ROUTE__BOARD;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	expect_error(&p, HV_E_BUDGET, "outside the domain");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_budget_chooses_the_model_and_a_budget_of_zero_the_cpu)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 100);
	struct reply r;
	Hv__Result *res;

	fake_model_add("fft64-coarse", "fft64", 40);
	fake_model_add("fft64-fine", "fft64", 70);
	add_board(16, 1);
	world_start(&w, 19);
	p = peer_connect(&w);
	m.policy = HV__POLICY__OFFLOAD;
	m.has_budget = true;
	m.max_error = 60;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	res = read_result(&p, &r);
	ck_assert_str_eq(res->parts[0]->model, "fft64-fine");
	done_with(res, &r);
	m.max_error = 0;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	res = read_result(&p, &r);
	ck_assert_str_eq(res->parts[0]->where, "cpu");
	done_with(res, &r);
	m.max_error = 80;
	m.route = HV__ROUTE__BOARD;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	expect_error(&p, HV_E_BUDGET,
		     "best available is board:fake0 with fft64-fine, certified 70");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_deadline_that_passes_expires_the_job)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 100);
	struct reply r;
	Hv__Result *res;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 20);
	w.hold_boards = true;
	fake_plan[0].stuck = true;
	p = peer_connect(&w);
	m.route = HV__ROUTE__BOARD;
	m.has_deadline = true;
	m.deadline_us = 50000;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	for (int i = 0; i < 5; i++)
		world_step(&w);
	ck_assert_uint_eq(w.store.live, 1);
	world_advance(&w, 51 * UINT64_C(1000000));
	res = read_result(&p, &r);
	ck_assert_str_eq(res->state, "expired");
	ck_assert_int_eq(res->code, HV_E_TIMEOUT);
	done_with(res, &r);
	m.route = HV__ROUTE__AUTO;
	m.records = 20000;
	m.deadline_us = 20;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	expect_error(&p, HV_E_BUDGET, "the deadline passed while");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(cancel_reaches_waiting_and_running_jobs_by_tag_and_by_id)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 100);
	Hv__JobRef ref = HV__JOB_REF__INIT;
	struct reply r;
	Hv__Result *res;
	Hv__CancelReply *c;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 21);
	w.hold_boards = true;
	p = peer_connect(&w);
	m.route = HV__ROUTE__BOARD;
	ck_assert(peer_submit(&w, &p, 31, &m, 3));
	ck_assert(peer_submit(&w, &p, 32, &m, 3));
	for (int i = 0; i < 5; i++)
		world_step(&w);
	ck_assert_uint_eq(w.store.counts.in_state[JOB_RUNNING], 1);
	ck_assert_uint_eq(w.store.counts.in_state[JOB_WAITING], 1);
	for (uint32_t tag = 31; tag <= 33; tag++) {
		ref.submit_tag = tag;
		ck_assert(peer_send(&w, &p, IPC_CANCEL, 90, &ref.base, NULL, 0));
		if (tag < 33) {
			res = read_result(&p, &r);
			ck_assert_uint_eq(r.f.tag, tag);
			ck_assert_str_eq(res->state, "cancelled");
			done_with(res, &r);
		}
		ck_assert(peer_read(&w, &p, &r));
		ck_assert_int_eq(r.f.kind, IPC_CANCEL_REPLY);
		c = hv__cancel_reply__unpack(NULL, r.f.msg_len, r.msg);
		ck_assert_str_eq(c->outcome, tag < 33 ? "cancelled" : "too late");
		hv__cancel_reply__free_unpacked(c, NULL);
		free(r.msg);
	}
	ref.job = "j1.3f9a";
	ck_assert(peer_send(&w, &p, IPC_CANCEL, 91, &ref.base, NULL, 0));
	ck_assert(peer_read(&w, &p, &r));
	ck_assert_int_eq(r.f.kind, IPC_CANCEL_REPLY);
	free(r.msg);
	ref.job = "j1.beef";
	ck_assert(peer_send(&w, &p, IPC_CANCEL, 92, &ref.base, NULL, 0));
	expect_error(&p, HV_E_NOENT, "earlier life");
	w.hold_boards = false;
	for (int i = 0; i < 20; i++)
		world_step(&w);
	ck_assert_uint_eq(w.store.payload_bytes, 0);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

static void wait_for_job(struct peer *p, char *id, uint64_t timeout_us)
{
	Hv__JobRef ref = HV__JOB_REF__INIT;

	ref.job = id;
	ref.has_timeout = timeout_us > 0;
	ref.timeout_us = timeout_us;
	ck_assert(peer_send(&w, p, IPC_WAIT, 50, &ref.base, NULL, 0));
}

START_TEST(a_detached_job_outlives_its_client_and_is_waited_for)
{
	struct peer p, q;
	Hv__Submit m = submit_of("fft64", 100);
	struct reply r;
	Hv__Result *res;
	Hv__Accepted *a;
	char id[64];

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 22);
	w.hold_boards = true;
	p = peer_connect(&w);
	m.policy = HV__POLICY__OFFLOAD;
	m.detach = true;
	ck_assert(peer_submit(&w, &p, 1, &m, 3));
	ck_assert(peer_read(&w, &p, &r));
	ck_assert_int_eq(r.f.kind, IPC_ACCEPTED);
	a = hv__accepted__unpack(NULL, r.f.msg_len, r.msg);
	snprintf(id, sizeof(id), "%s", a->job);
	hv__accepted__free_unpacked(a, NULL);
	free(r.msg);
	peer_close(&p);
	world_step(&w);
	q = peer_connect(&w);
	wait_for_job(&q, id, 1000000);
	world_step(&w);
	world_advance(&w, 1100000000);
	expect_error(&q, HV_E_TIMEOUT, "not ended yet");
	wait_for_job(&q, id, 0);
	w.hold_boards = false;
	for (int twice = 0; twice < 2; twice++) {
		res = read_result(&q, &r);
		ck_assert_str_eq(res->job, id);
		ck_assert_msg(answers_right("fft64", 100, 3, r.samples, r.f.payload_len),
			      "the result came without its samples");
		ck_assert_uint_eq(sum(res->time_us), res->time_us->total);
		done_with(res, &r);
		wait_for_job(&q, id, 0);
	}
	peer_close(&q);
	world_stop(&w);
}
END_TEST

START_TEST(kept_results_are_bounded_and_the_oldest_goes_first)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 10);
	struct reply r;
	Hv__Result *res;

	world_limits.detached_bytes = 3 * 10 * 512;
	world_start(&w, 23);
	p = peer_connect(&w);
	m.detach = true;
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert(peer_submit(&w, &p, i, &m, 3));
		ck_assert(peer_read(&w, &p, &r));
		ck_assert_int_eq(r.f.kind, IPC_ACCEPTED);
		free(r.msg);
		wait_for_job(&p,
			     (char *)(const char *[]){ "j1.3f9a", "j2.3f9a", "j3.3f9a", "j4.3f9a",
						       "j5.3f9a" }[i],
			     0);
		res = read_result(&p, &r);
		ck_assert_uint_eq(r.f.payload_len, 10 * 512);
		done_with(res, &r);
	}
	ck_assert_uint_le(w.store.detached_bytes, world_limits.detached_bytes);
	wait_for_job(&p, "j1.3f9a", 0);
	res = read_result(&p, &r);
	ck_assert_uint_eq(r.f.payload_len, 0);
	ck_assert_msg(strstr(res->why, "dropped") != NULL, "%s", res->why);
	done_with(res, &r);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(progress_comes_when_asked_for_and_never_more_often_than_promised)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 320);
	struct reply r;
	int progress = 0;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 24);
	w.hold_boards = true;
	p = peer_connect(&w);
	m.route = HV__ROUTE__BOARD;
	m.progress = true;
	ck_assert(peer_submit(&w, &p, 8, &m, 3));
	for (int i = 0; i < 5; i++)
		world_step(&w);
	for (int i = 0; i < 20; i++) {
		fake_boards_step(w.boards, &w.rng);
		world_advance(&w, 60 * UINT64_C(1000000));
	}
	for (;;) {
		ck_assert(peer_read(&w, &p, &r));
		free(r.msg);
		if (r.f.kind == IPC_RESULT)
			break;
		ck_assert_int_eq(r.f.kind, IPC_PROGRESS);
		ck_assert_uint_eq(r.f.tag, 8);
		progress++;
	}
	ck_assert_int_ge(progress, 5);
	ck_assert_int_le(progress, 20);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(explain_lists_every_candidate_with_its_reason)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 100);
	Hv__JobRef ref = HV__JOB_REF__INIT;
	struct reply r;
	Hv__Explanation *e;

	fake_model_add("fft64-coarse", "fft64", 40);
	fake_model_add("fft64-fine", "fft64", 70);
	add_board(16, 1000);
	add_board(16, 1000);
	fake_plan[1].ready = false;
	world_start(&w, 25);
	p = peer_connect(&w);
	m.has_budget = true;
	m.max_error = 60;
	ck_assert(peer_submit(&w, &p, 8, &m, 3));
	done_with(read_result(&p, &r), &r);
	ref.job = "j1.3f9a";
	ck_assert(peer_send(&w, &p, IPC_EXPLAIN, 1, &ref.base, NULL, 0));
	ck_assert(peer_read(&w, &p, &r));
	ck_assert_int_eq(r.f.kind, IPC_EXPLAIN_REPLY);
	e = hv__explanation__unpack(NULL, r.f.msg_len, r.msg);
	ck_assert_uint_eq(e->n_candidates, 5);
	ck_assert_str_eq(e->chosen, "cpu");
	ck_assert(e->candidates[0]->eligible && e->candidates[0]->records == 100);
	ck_assert_str_eq(e->candidates[1]->where, "board:fake0");
	ck_assert_msg(strstr(e->candidates[1]->why_not, "40 snr_db does not meet") != NULL, "%s",
		      e->candidates[1]->why_not);
	ck_assert(e->candidates[2]->eligible);
	ck_assert_uint_eq(e->candidates[2]->link_us, 100000);
	ck_assert_msg(strstr(e->candidates[2]->why_not, "sooner") != NULL, "%s",
		      e->candidates[2]->why_not);
	ck_assert_str_eq(e->candidates[4]->why_not, "the board is absent");
	hv__explanation__free_unpacked(e, NULL);
	free(r.msg);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(a_dry_run_decides_and_accepts_nothing)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 100);
	struct reply r;
	Hv__Result *res;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 26);
	p = peer_connect(&w);
	m.policy = HV__POLICY__OFFLOAD;
	m.dry_run = true;
	ck_assert(peer_submit(&w, &p, 8, &m, 3));
	res = read_result(&p, &r);
	ck_assert_uint_eq(res->n_parts, 1);
	ck_assert_str_eq(res->parts[0]->board, "fake0");
	ck_assert_uint_eq(res->parts[0]->records, 100);
	ck_assert_uint_eq(w.store.counts.accepted, 0);
	done_with(res, &r);
	m.route = HV__ROUTE__BOARD;
	m.has_budget = true;
	m.max_error = 99;
	ck_assert(peer_send(&w, &p, IPC_SUBMIT, 1, &m.base, NULL, 0));
	expect_error(&p, HV_E_BUDGET, "best available");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(views_answer_with_their_kind)
{
	static const struct {
		uint16_t kind, reply;
	} view[] = { { IPC_JOBS, IPC_JOBS_REPLY },
		     { IPC_TASKS, IPC_TASKS_REPLY },
		     { IPC_STATUS, IPC_STATUS_REPLY } };
	Hv__Empty empty = HV__EMPTY__INIT;
	Hv__BoardsRequest b = HV__BOARDS_REQUEST__INIT;
	Hv__ModelsRequest m = HV__MODELS_REQUEST__INIT;
	struct peer p;
	struct reply r;

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	world_start(&w, 27);
	p = peer_connect(&w);
	for (size_t i = 0; i < HV_ARRAY_SIZE(view); i++) {
		ck_assert(peer_send(&w, &p, view[i].kind, 1, &empty.base, NULL, 0));
		ck_assert(peer_read(&w, &p, &r));
		ck_assert_int_eq(r.f.kind, view[i].reply);
		free(r.msg);
	}
	b.verb = "list";
	ck_assert(peer_send(&w, &p, IPC_BOARDS, 1, &b.base, NULL, 0));
	ck_assert(peer_read(&w, &p, &r));
	ck_assert_int_eq(r.f.kind, IPC_BOARDS_REPLY);
	free(r.msg);
	b.verb = "juggle";
	ck_assert(peer_send(&w, &p, IPC_BOARDS, 1, &b.base, NULL, 0));
	expect_error(&p, HV_E_INVAL, "cannot 'juggle'");
	b.verb = "drain";
	b.id = "nobody";
	ck_assert(peer_send(&w, &p, IPC_BOARDS, 1, &b.base, NULL, 0));
	expect_error(&p, HV_E_NOENT, "no board 'nobody'");
	m.verb = "show";
	m.name = "fft64-t";
	ck_assert(peer_send(&w, &p, IPC_MODELS, 1, &m.base, NULL, 0));
	ck_assert(peer_read(&w, &p, &r));
	ck_assert_int_eq(r.f.kind, IPC_MODELS_REPLY);
	free(r.msg);
	m.verb = "install";
	ck_assert(peer_send(&w, &p, IPC_MODELS, 1, &m.base, "no package", 10));
	expect_error(&p, HV_E_FORMAT, "no package: 10 bytes");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

static void wait_at_gate(void)
{
	sem_post(&entered);
	while (sem_wait(&gate) != 0)
		;
}

static void ask_models(struct peer *p, uint32_t tag, char *verb, char *name)
{
	Hv__ModelsRequest m = HV__MODELS_REQUEST__INIT;

	m.verb = verb;
	m.name = name;
	ck_assert(peer_send(&w, p, IPC_MODELS, tag, &m.base, NULL, 0));
}

/* A world in which a proof of fft64-a has been asked for, and stands at the gate. */
static struct peer at_the_gate(uint64_t seed)
{
	struct peer p;

	fake_model_add("fft64-a", "fft64", 50);
	fake_models_run = wait_at_gate;
	world_start(&w, seed);
	p = peer_connect(&w);
	ask_models(&p, 7, "verify", "fft64-a");
	while (sem_trywait(&entered) != 0)
		world_step(&w);
	return p;
}

static void expect_models(struct peer *p, uint32_t tag, const char *verdict)
{
	struct reply r;
	Hv__ModelList *list;

	ck_assert(peer_read(&w, p, &r));
	ck_assert_int_eq(r.f.kind, IPC_MODELS_REPLY);
	ck_assert_uint_eq(r.f.tag, tag);
	list = hv__model_list__unpack(NULL, r.f.msg_len, r.msg);
	ck_assert_uint_eq(list->n_models, 1);
	ck_assert_str_eq(list->models[0]->verdict, verdict);
	hv__model_list__free_unpacked(list, NULL);
	free(r.msg);
}

START_TEST(a_model_that_is_being_verified_holds_up_nobody_but_changes_behind_it)
{
	struct peer p = at_the_gate(43);

	ask_models(&p, 8, "remove", "nosuch");
	ask_models(&p, 9, "list", "");
	expect_models(&p, 9, "");
	still_serves();
	sem_post(&gate);
	expect_models(&p, 7, "ok");
	expect_error(&p, HV_E_NOENT, "no model 'nosuch'");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(changes_of_models_that_wait_are_limited)
{
	enum { MOST = 32 };
	struct peer p = at_the_gate(44);

	for (uint32_t i = 1; i < MOST; i++)
		ask_models(&p, i, "verify", "fft64-a");
	ask_models(&p, 99, "verify", "fft64-a");
	expect_error(&p, HV_E_BUSY, "32 changes of models wait already");
	for (int i = 0; i < MOST; i++)
		sem_post(&gate);
	expect_models(&p, 7, "ok");
	for (uint32_t i = 1; i < MOST; i++)
		expect_models(&p, i, "ok");
	peer_close(&p);
	world_stop(&w);
}
END_TEST

START_TEST(who_leaves_and_a_daemon_that_ends_leave_no_change_of_models_behind)
{
	struct peer p = at_the_gate(45);

	for (uint32_t i = 0; i < 3; i++)
		ask_models(&p, i, "verify", "fft64-a");
	still_serves();
	peer_close(&p);
	if (_i == 0)
		still_serves(); /* it knows that the client went */
	for (int i = 0; i < 4; i++)
		sem_post(&gate);
	world_stop(&w);
}
END_TEST

START_TEST(the_list_of_jobs_fits_a_message_however_many_there_are)
{
	struct peer p;
	Hv__Submit m = submit_of("fft64", 1);
	Hv__JobsQuery q = HV__JOBS_QUERY__INIT;
	struct reply r;
	Hv__JobList *list;

	world_start(&w, 28);
	p = peer_connect(&w);
	for (uint32_t i = 0; i < 1200; i++) {
		ck_assert(peer_submit(&w, &p, i, &m, 3));
		ck_assert(peer_read(&w, &p, &r));
		free(r.msg);
	}
	ck_assert(peer_send(&w, &p, IPC_JOBS, 1, &q.base, NULL, 0));
	ck_assert(peer_read(&w, &p, &r));
	ck_assert_int_eq(r.f.kind, IPC_JOBS_REPLY);
	list = hv__job_list__unpack(NULL, r.f.msg_len, r.msg);
	ck_assert_uint_gt(list->n_jobs, 300);
	ck_assert_str_eq(list->jobs[0]->job, "j1200.3f9a");
	hv__job_list__free_unpacked(list, NULL);
	free(r.msg);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

static Suite *daemon_suite(void)
{
	Suite *s = suite_create("daemon");
	TCase *tc = tcase_create("clients");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, NULL);
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
	tcase_add_test(tc, a_client_must_greet_in_time_and_in_a_version_we_speak);
	tcase_add_test(tc, one_client_too_many_is_told_so);
	tcase_add_test(tc, one_user_cannot_take_every_connection);
	tcase_add_loop_test(tc, root_and_other_users_find_a_place_whatever_one_user_does, 0,
			    HV_ARRAY_SIZE(place));
	tcase_add_test(tc, limits_of_jobs_and_samples_refuse_the_next_job_only);
	tcase_add_loop_test(tc, a_client_that_dies_takes_only_its_own_job_with_it, 0, 2);
	tcase_add_test(tc, a_client_that_does_not_read_is_paused_then_dropped);
	tcase_add_test(tc, an_upload_that_stops_is_dropped_and_a_slow_one_is_not);
	tcase_add_test(tc, a_slow_upload_right_behind_another_is_not_dropped);
	tcase_add_test(tc, an_upload_that_began_behind_unread_replies_and_stops_is_dropped);
	tcase_add_test(tc, a_slow_reader_gets_everything);
	suite_add_tcase(s, tc);
	tc = tcase_create("jobs");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, boards_take_records_under_offload_and_parts_tell_it);
	tcase_add_loop_test(tc, a_board_that_leaves_loses_no_record, 0, 6);
	tcase_add_test(tc, a_job_for_boards_only_fails_with_a_reason_when_none_is_left);
	tcase_add_test(tc, a_model_that_is_replaced_gets_no_more_records_of_waiting_jobs);
	tcase_add_test(tc, records_outside_the_domain_go_to_the_cpu);
	tcase_add_test(tc, a_budget_chooses_the_model_and_a_budget_of_zero_the_cpu);
	tcase_add_test(tc, a_deadline_that_passes_expires_the_job);
	tcase_add_test(tc, cancel_reaches_waiting_and_running_jobs_by_tag_and_by_id);
	tcase_add_test(tc, a_detached_job_outlives_its_client_and_is_waited_for);
	tcase_add_test(tc, kept_results_are_bounded_and_the_oldest_goes_first);
	tcase_add_test(tc, progress_comes_when_asked_for_and_never_more_often_than_promised);
	tcase_add_test(tc, explain_lists_every_candidate_with_its_reason);
	tcase_add_test(tc, a_dry_run_decides_and_accepts_nothing);
	tcase_add_test(tc, views_answer_with_their_kind);
	tcase_add_test(tc, a_model_that_is_being_verified_holds_up_nobody_but_changes_behind_it);
	tcase_add_test(tc, changes_of_models_that_wait_are_limited);
	tcase_add_loop_test(tc, who_leaves_and_a_daemon_that_ends_leave_no_change_of_models_behind,
			    0, 2);
	tcase_add_test(tc, the_list_of_jobs_fits_a_message_however_many_there_are);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(daemon_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
