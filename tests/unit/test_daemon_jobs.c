/* Jobs from request to result: boards, models, deadlines, cancelling, keeping. */
#include "daemon/dispatch/inside.h"
#include "tests/lib/daemon_story.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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
	ck_assert_uint_eq(times_sum(res->time_us), res->time_us->total);
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
	ck_assert_uint_eq(times_sum(res->time_us), res->time_us->total);
	done_with(res, &r);
	peer_close(&p);
	world_stop(&w);
}
END_TEST

/* Names of buffers are the clients' to choose; what the daemon keeps is not. */
START_TEST(names_of_buffers_that_nobody_has_are_told_and_not_kept)
{
	struct peer p;
	char name[16], words[64];

	fake_model_add("fft64-t", "fft64", 50);
	add_board(16, 1);
	fake_plan[0].mic = true;
	add_board(16, 1);
	world_start(&w, 17);
	p = peer_connect(&w);
	for (unsigned i = 0; i < REASONS_MAX + 10; i++) {
		Hv__Submit m = submit_of("fft64", 1);

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(words, sizeof(words), "has no buffer \"%s\"", name);
		m.buffer = name;
		ck_assert(peer_send(&w, &p, IPC_SUBMIT, i + 1, &m.base, NULL, 0));
		expect_error(&p, HV_E_BUDGET, words);
	}
	ck_assert_uint_eq(w.dispatch->n_reasons, 0);
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
		ck_assert_uint_eq(times_sum(res->time_us), res->time_us->total);
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
int main(void)
{
	TCase *tc = story_tcase("jobs");

	tcase_add_test(tc, boards_take_records_under_offload_and_parts_tell_it);
	tcase_add_loop_test(tc, a_board_that_leaves_loses_no_record, 0, 6);
	tcase_add_test(tc, a_job_for_boards_only_fails_with_a_reason_when_none_is_left);
	tcase_add_test(tc, names_of_buffers_that_nobody_has_are_told_and_not_kept);
	tcase_add_test(tc, a_model_that_is_replaced_gets_no_more_records_of_waiting_jobs);
	tcase_add_test(tc, records_outside_the_domain_go_to_the_cpu);
	tcase_add_test(tc, a_budget_chooses_the_model_and_a_budget_of_zero_the_cpu);
	tcase_add_test(tc, a_deadline_that_passes_expires_the_job);
	tcase_add_test(tc, cancel_reaches_waiting_and_running_jobs_by_tag_and_by_id);
	tcase_add_test(tc, a_detached_job_outlives_its_client_and_is_waited_for);
	tcase_add_test(tc, kept_results_are_bounded_and_the_oldest_goes_first);
	tcase_add_test(tc, progress_comes_when_asked_for_and_never_more_often_than_promised);
	return story_run("daemon: jobs", tc);
}
