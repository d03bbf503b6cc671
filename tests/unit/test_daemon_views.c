/* What clients ask about jobs, models and boards, and changes of models. */
#include "tests/lib/daemon_story.h"
#include "util/own.h"
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>

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

static sem_t entered, gate; /* of a change of the models, on its thread */

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
	sem_init(&entered, 0, 0);
	sem_init(&gate, 0, 0);
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
int main(void)
{
	TCase *tc = story_tcase("views");

	tcase_add_test(tc, explain_lists_every_candidate_with_its_reason);
	tcase_add_test(tc, a_dry_run_decides_and_accepts_nothing);
	tcase_add_test(tc, views_answer_with_their_kind);
	tcase_add_test(tc, a_model_that_is_being_verified_holds_up_nobody_but_changes_behind_it);
	tcase_add_test(tc, changes_of_models_that_wait_are_limited);
	tcase_add_loop_test(tc, who_leaves_and_a_daemon_that_ends_leave_no_change_of_models_behind,
			    0, 2);
	tcase_add_test(tc, the_list_of_jobs_fits_a_message_however_many_there_are);
	return story_run("daemon: views", tc);
}
