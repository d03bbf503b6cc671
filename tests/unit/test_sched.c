#include "daemon/sched/sched.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Decisions as a table: facts on the left, the verdict on the right. A change of a rule shows
 * up here as a diff to be reviewed. Places: the CPU is always candidate 0. */

enum { N = 5 };

struct fact {
	int32_t place;
	double start_us, us, energy_uj, certified; /* a record; certified in dB, 0: exact */
	const char *flaw; /* "ready", "named", "domain" */
};

#define CPU(us, uj)                    \
	{                              \
		-1, 0, us, uj, 0, NULL \
	}

/* clang-format off */
static const struct {
	const char *name;
	uint32_t records;
	enum sched_policy policy;
	enum sched_where where;
	double budget;      /* -1: none */
	double deadline_us; /* 0: none */
	struct fact c[N];
	/* the verdict */
	enum sched_why why;
	uint32_t share[N];
	enum sched_why_not why_not[N];
} story[] = {
	{ "no board: the CPU", 100, SCHED_OFFLOAD, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1) },
	  SCHED_ONLY_PLACE, { 100 }, { SCHED_GOT_SHARE } },
	{ "latency: a fast CPU takes all", 100, SCHED_LATENCY, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1), { 0, 50, 200, 0.1, 50, NULL } },
	  SCHED_SOONEST, { 100, 0 }, { SCHED_GOT_SHARE, SCHED_LOST_LATER } },
	{ "latency: a board that helps a little is left alone", 1000, SCHED_LATENCY, SCHED_ANYWHERE, -1, 0,
	  { CPU(10, 1), { 0, 0, 200, 0.1, 50, NULL } },
	  SCHED_SOONEST, { 1000, 0 }, { SCHED_GOT_SHARE, SCHED_LOST_LATER } },
	{ "latency: equal places share equally", 1000, SCHED_LATENCY, SCHED_ANYWHERE, -1, 0,
	  { CPU(10, 1), { 0, 0, 10, 0.1, 50, NULL } },
	  SCHED_SPLIT, { 500, 500 }, { SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "latency: a place that starts late gets less", 1000, SCHED_LATENCY, SCHED_ANYWHERE, -1, 0,
	  { CPU(10, 1), { 0, 2000, 10, 0.1, 50, NULL } },
	  SCHED_SPLIT, { 600, 400 }, { SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "offload: boards take all without a deadline", 1000, SCHED_OFFLOAD, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1), { 0, 0, 100, 5, 50, NULL }, { 1, 0, 100, 5, 50, NULL } },
	  SCHED_SPARE_CPU, { 0, 500, 500 }, { SCHED_LOST_OFFLOAD, SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "offload: the CPU takes what boards cannot finish by the deadline", 1000, SCHED_OFFLOAD, SCHED_ANYWHERE, -1, 40000,
	  { CPU(1, 1), { 0, 0, 100, 5, 50, NULL } },
	  SCHED_SPARE_CPU, { 600, 400 }, { SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "offload: patience ends", 1000000, SCHED_OFFLOAD, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1), { 0, 0, 100, 5, 50, NULL } },
	  SCHED_SPARE_CPU, { 900000, 100000 }, { SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "offload without an eligible board: the CPU", 10, SCHED_OFFLOAD, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1), { 0, 0, 100, 5, 50, "ready" } },
	  SCHED_ONLY_PLACE, { 10, 0 }, { SCHED_GOT_SHARE, SCHED_NOT_READY } },
	{ "energy: the cheaper place, though slower", 100, SCHED_ENERGY, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1), { 0, 0, 100, 0.5, 50, NULL } },
	  SCHED_LEAST_ENERGY, { 0, 100 }, { SCHED_LOST_ENERGY, SCHED_GOT_SHARE } },
	{ "energy: the cheaper place as far as the deadline lets it", 100, SCHED_ENERGY, SCHED_ANYWHERE, -1, 5000,
	  { CPU(1, 1), { 0, 0, 100, 0.5, 50, NULL } },
	  SCHED_LEAST_ENERGY, { 50, 50 }, { SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "energy: an honest price of the CPU wins", 100, SCHED_ENERGY, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 0.1), { 0, 0, 100, 5.8, 50, NULL } },
	  SCHED_LEAST_ENERGY, { 100, 0 }, { SCHED_GOT_SHARE, SCHED_LOST_ENERGY } },
	{ "budget: the coarse model does not qualify", 100, SCHED_OFFLOAD, SCHED_ANYWHERE, 60, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 50, NULL }, { 0, 0, 40, 1, 70, NULL } },
	  SCHED_SPARE_CPU, { 0, 0, 100 }, { SCHED_LOST_OFFLOAD, SCHED_OVER_BUDGET, SCHED_GOT_SHARE } },
	{ "no budget: any certified model may serve, the fastest does", 100, SCHED_OFFLOAD, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 50, NULL }, { 0, 0, 40, 1, 70, NULL } },
	  SCHED_SPARE_CPU, { 0, 100, 0 }, { SCHED_LOST_OFFLOAD, SCHED_GOT_SHARE, SCHED_LOST_SIBLING } },
	{ "budget 0: exact, so the CPU", 100, SCHED_OFFLOAD, SCHED_ANYWHERE, 0, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 97, NULL } },
	  SCHED_ONLY_PLACE, { 100, 0 }, { SCHED_GOT_SHARE, SCHED_OVER_BUDGET } },
	{ "budget 0: a model certified exact may serve", 100, SCHED_OFFLOAD, SCHED_ANYWHERE, 0, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 0, NULL } },
	  SCHED_SPARE_CPU, { 0, 100 }, { SCHED_LOST_OFFLOAD, SCHED_GOT_SHARE } },
	{ "budget nobody meets on boards", 100, SCHED_LATENCY, SCHED_BOARD_ONLY, 80, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 50, NULL }, { 0, 0, 40, 1, 70, NULL } },
	  SCHED_NONE_ELIGIBLE, { 0 }, { SCHED_NOT_CPU, SCHED_OVER_BUDGET, SCHED_OVER_BUDGET } },
	{ "route cpu", 100, SCHED_OFFLOAD, SCHED_CPU_ONLY, -1, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 50, NULL } },
	  SCHED_ONLY_PLACE, { 100, 0 }, { SCHED_GOT_SHARE, SCHED_NOT_BOARD } },
	{ "route board, one of two by name", 100, SCHED_LATENCY, SCHED_BOARD_ONLY, -1, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 50, "named" }, { 1, 0, 900, 1, 50, NULL } },
	  SCHED_ONLY_PLACE, { 0, 0, 100 }, { SCHED_NOT_CPU, SCHED_NOT_THIS_BOARD, SCHED_GOT_SHARE } },
	{ "route board, shares among boards", 300, SCHED_LATENCY, SCHED_BOARD_ONLY, -1, 0,
	  { CPU(1, 1), { 0, 0, 100, 1, 50, NULL }, { 1, 0, 200, 1, 50, NULL } },
	  SCHED_SPLIT, { 0, 200, 100 }, { SCHED_NOT_CPU, SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "records outside the domain", 100, SCHED_OFFLOAD, SCHED_ANYWHERE, -1, 0,
	  { CPU(1, 1), { 0, 0, 10, 1, 50, "domain" } },
	  SCHED_ONLY_PLACE, { 100, 0 }, { SCHED_GOT_SHARE, SCHED_OUT_OF_DOMAIN } },
	{ "deadline: the policy's place is too late, another is not", 100, SCHED_LATENCY, SCHED_ANYWHERE, -1, 600,
	  { CPU(10, 1), { 0, 0, 11, 1, 50, NULL } },
	  SCHED_SPLIT, { 52, 48 }, { SCHED_GOT_SHARE, SCHED_GOT_SHARE } },
	{ "deadline nobody can meet", 100, SCHED_LATENCY, SCHED_ANYWHERE, -1, 400,
	  { CPU(10, 1), { 0, 0, 11, 1, 50, NULL } },
	  SCHED_TOO_LATE, { 0 }, { SCHED_OVER_DEADLINE, SCHED_OVER_DEADLINE } },
	{ "deadline not even for one record", 100, SCHED_LATENCY, SCHED_ANYWHERE, -1, 5,
	  { CPU(10, 1), { 0, 0, 11, 1, 50, NULL } },
	  SCHED_NONE_ELIGIBLE, { 0 }, { SCHED_OVER_DEADLINE, SCHED_OVER_DEADLINE } },
};
/* clang-format on */

static size_t fill(const struct fact *f, struct sched_candidate *c)
{
	size_t n = 0;

	for (; n < N && (n == 0 || f[n].us > 0); n++) {
		const char *flaw = f[n].flaw != NULL ? f[n].flaw : "";

		c[n] = (struct sched_candidate){
			.place = f[n].place,
			.ready = strcmp(flaw, "ready") != 0,
			.named = strcmp(flaw, "named") != 0,
			.in_domain = strcmp(flaw, "domain") != 0,
			.not_ready = "it is resting",
			.queue_us = f[n].start_us,
			.link_us_per_record = f[n].us,
			.energy_uj_per_record = f[n].energy_uj,
			.certified = f[n].certified > 0 ? f[n].certified
							: hv_metric_exact(HARVEST_SNR_DB)
		};
	}
	return n;
}

static struct sched_job job_of(int i)
{
	return (struct sched_job){ .records = story[i].records,
				   .policy = story[i].policy,
				   .where = story[i].where,
				   .metric = HARVEST_SNR_DB,
				   .has_budget = story[i].budget >= 0,
				   .budget = story[i].budget,
				   .has_deadline = story[i].deadline_us > 0,
				   .deadline_us = story[i].deadline_us };
}

START_TEST(decisions_are_those_of_the_table)
{
	struct sched_candidate c[N];
	size_t n = fill(story[_i].c, c);
	struct sched_job j = job_of(_i);
	struct sched_verdict v;

	sched_route(&j, c, n, &v);
	ck_assert_msg(v.why == story[_i].why, "%s: decided because %d, wanted %d", story[_i].name,
		      v.why, story[_i].why);
	for (size_t i = 0; i < n; i++) {
		ck_assert_msg(c[i].share == story[_i].share[i],
			      "%s: candidate %zu got %u records, wanted %u", story[_i].name, i,
			      c[i].share, story[_i].share[i]);
		ck_assert_msg(c[i].why_not == story[_i].why_not[i],
			      "%s: candidate %zu lost because %d, wanted %d", story[_i].name, i,
			      c[i].why_not, story[_i].why_not[i]);
	}
}
END_TEST

START_TEST(every_loser_has_a_sentence_and_every_refusal_names_the_best)
{
	struct sched_candidate c[N];
	size_t n = fill(story[_i].c, c);
	struct sched_job j = job_of(_i);
	struct sched_verdict v;
	char text[256];

	sched_route(&j, c, n, &v);
	for (size_t i = 0; i < n; i++) {
		sched_why_not_text(&j, &c[i], text, sizeof(text));
		ck_assert_msg((c[i].share > 0) == (text[0] == '\0'), "%s: candidate %zu: '%s'",
			      story[_i].name, i, text);
	}
	ck_assert_str_ne(sched_why_text(&j, c, n, &v), "?");
	if (v.ok)
		return;
	ck_assert_uint_lt(v.first, n);
	sched_refusal_text(&j, c, n, &v, "THE-BEST", text, sizeof(text));
	ck_assert_msg(strstr(text, "THE-BEST") != NULL, "%s: %s", story[_i].name, text);
}
END_TEST

START_TEST(whole_runs_are_priced_as_whole_runs)
{
	struct sched_candidate c = { .batch_records = 16, .wait_us = 100, .link_us_per_record = 1 };

	ck_assert_double_eq(sched_finish_us(&c, 1), 101);
	ck_assert_double_eq(sched_finish_us(&c, 16), 116);
	ck_assert_double_eq(sched_finish_us(&c, 17), 217);
}
END_TEST

START_TEST(policies_are_found_by_their_own_names)
{
	enum sched_policy p;

	for (int i = SCHED_LATENCY; i <= SCHED_OFFLOAD; i++) {
		ck_assert(sched_policy_find(sched_policy_text((enum sched_policy)i), &p));
		ck_assert_int_eq(p, i);
	}
	ck_assert(!sched_policy_find("", &p));
	ck_assert(!sched_policy_find("fastest", &p));
}
END_TEST

START_TEST(a_refusal_without_boards_says_so)
{
	struct sched_candidate c = { .place = SCHED_CPU_PLACE, .ready = true, .in_domain = true };
	struct sched_job j = { .records = 1, .where = SCHED_BOARD_ONLY, .metric = HARVEST_SNR_DB };
	struct sched_verdict v;
	char text[256];

	sched_route(&j, &c, 1, &v);
	ck_assert(!v.ok);
	sched_refusal_text(&j, &c, 1, &v, "", text, sizeof(text));
	ck_assert_msg(strstr(text, "no board") != NULL, "%s", text);
}
END_TEST

START_TEST(a_board_without_the_samples_does_not_drown_what_the_one_with_them_says)
{
	struct sched_candidate c[3] = {
		{ .place = SCHED_CPU_PLACE,
		  .in_domain = true,
		  .not_ready = "not here",
		  .no_samples = true },
		{ .place = 0, .in_domain = true, .named = true, .not_ready = "too few" },
		{ .place = 1,
		  .in_domain = true,
		  .named = true,
		  .not_ready = "none here",
		  .no_samples = true },
	};
	struct sched_job j = { .records = 1, .metric = HARVEST_SNR_DB, .budget = -1 };
	struct sched_verdict v;
	char text[256];

	for (int turn = 0; turn < 2; turn++) {
		struct sched_candidate last = c[2];

		sched_route(&j, c, 3, &v);
		ck_assert(!v.ok);
		sched_refusal_text(&j, c, 3, &v, "", text, sizeof(text));
		ck_assert_msg(strstr(text, "too few") != NULL, "%s", text);
		c[2] = c[1];
		c[1] = last;
	}
	c[1] = c[2];
	sched_route(&j, c, 2, &v); /* nobody has them: that is said */
	sched_refusal_text(&j, c, 2, &v, "", text, sizeof(text));
	ck_assert_msg(strstr(text, "none here") != NULL, "%s", text);
}
END_TEST

/* A row a reason why boards are out of the question, and the word of the sentence. */
static const struct {
	bool board, ready, in_domain;
	enum sched_where where;
	double budget, deadline_us;
	const char *word;
} alone[] = {
	{ false, false, false, SCHED_ANYWHERE, -1, 0, "attached" },
	{ true, true, true, SCHED_CPU_ONLY, -1, 0, "asks for it" },
	{ true, false, true, SCHED_ANYWHERE, -1, 0, "ready" },
	{ true, true, true, SCHED_ANYWHERE, 0, 0, "exact" },
	{ true, true, true, SCHED_ANYWHERE, 90, 0, "budget" },
	{ true, true, false, SCHED_ANYWHERE, -1, 0, "domain" },
	{ true, true, true, SCHED_ANYWHERE, -1, 10, "in time" },
};

START_TEST(the_cpu_alone_has_a_reason_that_names_what_boards_lack)
{
	struct sched_candidate c[2] = {
		{ .place = SCHED_CPU_PLACE,
		  .ready = true,
		  .in_domain = true,
		  .named = true,
		  .certified = hv_metric_exact(HARVEST_SNR_DB) },
		{ .place = 0,
		  .ready = alone[_i].ready,
		  .in_domain = alone[_i].in_domain,
		  .named = true,
		  .not_ready = "it rests",
		  .certified = 50,
		  .link_us_per_record = 1000,
		  .batch_records = 1 },
	};
	struct sched_job j = { .records = 1,
			       .where = alone[_i].where,
			       .metric = HARVEST_SNR_DB,
			       .has_budget = alone[_i].budget >= 0,
			       .budget = alone[_i].budget,
			       .has_deadline = alone[_i].deadline_us > 0,
			       .deadline_us = alone[_i].deadline_us };
	size_t n = alone[_i].board ? 2 : 1;
	struct sched_verdict v;
	const char *text;

	sched_route(&j, c, n, &v);
	ck_assert(v.ok);
	text = sched_why_text(&j, c, n, &v);
	ck_assert_msg(strstr(text, alone[_i].word) != NULL, "row %d: %s", _i, text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sched");
	TCase *tc = tcase_create("route");
	SRunner *sr;
	int failed, stories = sizeof(story) / sizeof(story[0]);

	tcase_add_loop_test(tc, decisions_are_those_of_the_table, 0, stories);
	tcase_add_loop_test(tc, every_loser_has_a_sentence_and_every_refusal_names_the_best, 0,
			    stories);
	tcase_add_test(tc, whole_runs_are_priced_as_whole_runs);
	tcase_add_test(tc, policies_are_found_by_their_own_names);
	tcase_add_test(tc, a_refusal_without_boards_says_so);
	tcase_add_test(tc, a_board_without_the_samples_does_not_drown_what_the_one_with_them_says);
	tcase_add_loop_test(tc, the_cpu_alone_has_a_reason_that_names_what_boards_lack, 0,
			    sizeof(alone) / sizeof(alone[0]));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
