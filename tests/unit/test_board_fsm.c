/* The life of a board as a table: stories, and invariants of every walk. */
#include "daemon/board/board_fsm.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct board_fsm f;

static void setup(void)
{
	f = (struct board_fsm){ .state = BOARD_ABSENT };
}

/* clang-format off */
#define EV(e) BOARD_EV_##e
#define UP EV(ATTACHED), EV(GREETED), EV(PROVED)
static const struct {
	const char *name;
	enum board_event ev[9];
	int n;
	enum board_state end;
} story[] = {
	{ "happy path",                   { UP }, 3, BOARD_READY },
	{ "silent from the start",        { EV(ATTACHED), EV(FAULT), EV(RETRY), EV(FAULT), EV(RETRY), EV(GIVE_UP) }, 6, BOARD_QUARANTINE },
	{ "wrong known answer",           { EV(ATTACHED), EV(GREETED), EV(GIVE_UP) }, 3, BOARD_QUARANTINE },
	{ "a fault and a second life",    { UP, EV(FAULT), EV(RETRY), EV(GREETED), EV(PROVED) }, 7, BOARD_READY },
	{ "drained and resumed",          { UP, EV(DRAIN), EV(RESUME) }, 5, BOARD_READY },
	{ "fault while draining",         { UP, EV(DRAIN), EV(FAULT) }, 5, BOARD_RECOVERING },
	{ "unplugged while draining",     { UP, EV(DRAIN), EV(DETACHED) }, 5, BOARD_ABSENT },
	{ "unplugged while recovering",   { UP, EV(FAULT), EV(DETACHED) }, 5, BOARD_ABSENT },
	{ "tested by the operator",       { UP, EV(TEST), EV(PROVED) }, 5, BOARD_READY },
	{ "reset out of quarantine",      { UP, EV(GIVE_UP), EV(RESET), EV(RETRY), EV(GREETED), EV(PROVED) }, 8, BOARD_READY },
	{ "replugged out of quarantine",  { UP, EV(GIVE_UP), EV(DETACHED), UP }, 8, BOARD_READY },
};
/* clang-format on */

START_TEST(stories_end_where_they_should)
{
	for (int i = 0; i < story[_i].n; i++)
		ck_assert_msg(board_fsm_apply(&f, story[_i].ev[i], (uint64_t)i + 1),
			      "%s: %s is refused while %s", story[_i].name,
			      board_event_text(story[_i].ev[i]), board_state_text(f.state));
	ck_assert_msg(f.state == story[_i].end, "%s: ended %s", story[_i].name,
		      board_state_text(f.state));
	ck_assert_uint_eq(f.since_us, (uint64_t)story[_i].n);
}
END_TEST

START_TEST(refused_events_change_nothing_and_only_ready_takes_jobs)
{
	unsigned seed = (unsigned)_i;

	for (int step = 0; step < 2000; step++) {
		struct board_fsm before = f;
		enum board_event ev = (enum board_event)(rand_r(&seed) % BOARD_EV_COUNT);

		if (!board_fsm_apply(&f, ev, (uint64_t)step)) {
			ck_assert_mem_eq(&before, &f, sizeof(f));
			continue;
		}
		ck_assert_int_eq(board_state_takes_jobs(f.state), f.state == BOARD_READY);
		ck_assert_uint_eq(f.entered[f.state], before.entered[f.state] + 1);
	}
}
END_TEST

/* A board that serves was greeted and proved since its link, its fault or its reset. */
START_TEST(no_way_to_ready_leads_around_the_proof)
{
	unsigned seed = 77u + (unsigned)_i;
	bool greeted = false, proved = false;

	for (int step = 0; step < 5000; step++) {
		enum board_event ev = (enum board_event)(rand_r(&seed) % BOARD_EV_COUNT);

		if (!board_fsm_apply(&f, ev, (uint64_t)step))
			continue;
		if (f.state == BOARD_ABSENT || f.state == BOARD_GREETING ||
		    f.state == BOARD_RECOVERING || f.state == BOARD_QUARANTINE)
			greeted = proved = false;
		greeted |= ev == BOARD_EV_GREETED;
		proved |= ev == BOARD_EV_PROVED;
		if (board_state_takes_jobs(f.state))
			ck_assert_msg(greeted && proved, "ready by %s", board_event_text(ev));
	}
}
END_TEST

START_TEST(unplugging_is_understood_everywhere_and_every_state_can_be_left)
{
	for (int s = BOARD_ABSENT + 1; s < BOARD_STATE_COUNT; s++) {
		f = (struct board_fsm){ .state = (enum board_state)s };
		ck_assert_msg(board_fsm_apply(&f, BOARD_EV_DETACHED, 1), "%s",
			      board_state_text((enum board_state)s));
		ck_assert_int_eq(f.state, BOARD_ABSENT);
	}
}
END_TEST

START_TEST(every_state_and_event_has_its_own_text)
{
	for (int i = 0; i < BOARD_STATE_COUNT; i++)
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(board_state_text((enum board_state)i),
					 board_state_text((enum board_state)k));
	for (int i = 0; i < BOARD_EV_COUNT; i++)
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(board_event_text((enum board_event)i),
					 board_event_text((enum board_event)k));
	ck_assert_str_eq(board_state_text(BOARD_STATE_COUNT), "?");
	ck_assert_str_eq(board_event_text(BOARD_EV_COUNT), "?");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("board_fsm");
	TCase *tc = tcase_create("fsm");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, stories_end_where_they_should, 0, sizeof(story) / sizeof(story[0]));
	tcase_add_loop_test(tc, refused_events_change_nothing_and_only_ready_takes_jobs, 0, 16);
	tcase_add_loop_test(tc, no_way_to_ready_leads_around_the_proof, 0, 16);
	tcase_add_test(tc, unplugging_is_understood_everywhere_and_every_state_can_be_left);
	tcase_add_test(tc, every_state_and_event_has_its_own_text);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
