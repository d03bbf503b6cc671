#include "tests/lib/daemon_story.h"
#include <stdlib.h>
#include <string.h>

struct world w;

static void setup(void)
{
	world_limits = (struct limits)LIMITS_DEFAULT;
	fake_models_clear();
	fake_models_run = NULL;
	fake_boards_n = 0;
	fake_outside_byte = -1;
}

TCase *story_tcase(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, NULL);
	return tc;
}

int story_run(const char *suite, TCase *tc)
{
	Suite *s = suite_create(suite);
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void add_board(uint32_t batch, double us_per_record)
{
	fake_plan[fake_boards_n++] = (struct fake_board_plan){ .ready = true,
							       .batch_records = batch,
							       .room = 2,
							       .us_per_record = us_per_record,
							       .energy_uj_per_record = 0.001 };
}

Hv__Result *read_result(struct peer *p, struct reply *r)
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

void done_with(Hv__Result *m, struct reply *r)
{
	hv__result__free_unpacked(m, NULL);
	free(r->msg);
}

void expect_error(struct peer *p, int code, const char *words)
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

void still_serves(void)
{
	struct peer p = peer_connect(&w);
	Hv__Submit m = submit_of("fft64", 1);
	struct reply r;

	ck_assert(peer_submit(&w, &p, 5, &m, 1));
	done_with(read_result(&p, &r), &r);
	peer_close(&p);
}

uint64_t times_sum(const Hv__Times *t)
{
	return t->admit + t->queue + t->transfer + t->compute + t->deliver;
}
