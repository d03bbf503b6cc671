/* Connections: greeting, limits, rights, slow and vanishing clients. */
#include "daemon/ipc/conn.h"
#include "tests/lib/daemon_story.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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
int main(void)
{
	TCase *tc = story_tcase("clients");

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
	return story_run("daemon: clients", tc);
}
