#include "daemon/sched/sched.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Random facts, checked against what must hold for every decision. The oracle is the
 * definition of each promise, not the router's arithmetic. */
enum { ROUNDS = 3000, LONG_ROUNDS = 200000 };

static int rounds(void)
{
	return getenv("HARVEST_LONG") != NULL ? LONG_ROUNDS : ROUNDS;
}

static bool chance(struct hv_rng *r, uint32_t percent)
{
	return hv_rng_below(r, 100) < percent;
}

static struct sched_job draw_job(struct hv_rng *r)
{
	bool snr = chance(r, 70);

	return (struct sched_job){
		.records = 1 + hv_rng_below(r, chance(r, 50) ? 20 : 100000),
		.policy = (enum sched_policy)hv_rng_below(r, 3),
		.where = (enum sched_where)(chance(r, 70) ? 0 : hv_rng_below(r, 3)),
		.metric = snr ? HARVEST_SNR_DB : HARVEST_MAX_ABS,
		.has_budget = chance(r, 50),
		.budget = chance(r, 20) ? 0 : hv_rng_uniform(r, 1, 100),
		.has_deadline = chance(r, 50),
		.deadline_us = pow(10, hv_rng_uniform(r, 0, 7)),
	};
}

static size_t draw_candidates(struct hv_rng *r, const struct sched_job *j,
			      struct sched_candidate *c)
{
	size_t n = 1 + hv_rng_below(r, SCHED_CANDIDATES_MAX);

	for (size_t i = 0; i < n; i++) {
		bool cpu = i == 0;

		c[i] = (struct sched_candidate){
			.place = cpu ? SCHED_CPU_PLACE : (int32_t)hv_rng_below(r, 8),
			.ready = cpu || chance(r, 85),
			.named = cpu || chance(r, 90),
			.in_domain = cpu || chance(r, 90),
			.batch_records = cpu || chance(r, 30) ? 0 : 1 + hv_rng_below(r, 64),
			.queue_us = chance(r, 50) ? 0 : hv_rng_uniform(r, 0, 1e5),
			.load_us = chance(r, 70) ? 0 : hv_rng_uniform(r, 0, 1e4),
			.wait_us = chance(r, 50) ? 0 : hv_rng_uniform(r, 0, 2e4),
			.fixed_us = cpu ? 15 : 0,
			.link_us_per_record = cpu ? 0 : hv_rng_uniform(r, 0, 500),
			.compute_us_per_record = hv_rng_uniform(r, 0, 100),
			.energy_uj_per_record = hv_rng_uniform(r, 0, 10),
			.certified = cpu ? hv_metric_exact(j->metric) : hv_rng_uniform(r, 10, 100),
		};
	}
	return n;
}

/* Promised for every candidate that gets a share, by definition. */
static bool may_serve(const struct sched_job *j, const struct sched_candidate *c)
{
	bool cpu = c->place == SCHED_CPU_PLACE;

	if (cpu ? j->where == SCHED_BOARD_ONLY : j->where == SCHED_CPU_ONLY || !c->named)
		return false;
	if (!c->ready || !c->in_domain)
		return false;
	return !j->has_budget || hv_metric_meets(j->metric, c->certified, j->budget);
}

START_TEST(shares_sum_to_the_job_and_only_eligible_places_get_one)
{
	struct hv_rng r;
	struct sched_candidate c[SCHED_CANDIDATES_MAX];

	hv_rng_seed(&r, (uint64_t)_i + 1);
	for (int k = 0; k < rounds(); k++) {
		struct sched_job j = draw_job(&r);
		size_t n = draw_candidates(&r, &j, c);
		struct sched_verdict v;
		uint64_t sum = 0;
		uint32_t taken[8] = { 0 };
		double energy = 0;

		sched_route(&j, c, n, &v);
		for (size_t i = 0; i < n; i++) {
			sum += c[i].share;
			energy += c[i].share * c[i].energy_uj_per_record;
			if (c[i].share == 0)
				continue;
			ck_assert_msg(may_serve(&j, &c[i]), "round %d: candidate %zu serves", k, i);
			ck_assert(c[i].why_not == SCHED_GOT_SHARE);
			if (c[i].place >= 0)
				ck_assert_msg(taken[c[i].place]++ == 0,
					      "round %d: two models on one board", k);
			ck_assert_msg(sched_finish_us(&c[i], c[i].share) <= v.finish_us + 1e-6,
				      "round %d: candidate %zu ends after the job", k, i);
		}
		ck_assert_msg(sum == (v.ok ? j.records : 0), "round %d: %lu of %u records", k,
			      (unsigned long)sum, j.records);
		if (v.ok && j.has_deadline)
			ck_assert_msg(v.finish_us <= j.deadline_us, "round %d: late by plan", k);
		if (v.ok)
			ck_assert_msg(fabs(energy - v.energy_uj) <= 1e-9 * (1 + energy),
				      "round %d: energy", k);
	}
}
END_TEST

START_TEST(a_refusal_means_that_nothing_would_have_done)
{
	struct hv_rng r;
	struct sched_candidate c[SCHED_CANDIDATES_MAX];

	hv_rng_seed(&r, (uint64_t)_i + 100);
	for (int k = 0; k < rounds(); k++) {
		struct sched_job j = draw_job(&r);
		size_t n = draw_candidates(&r, &j, c);
		struct sched_verdict v;

		sched_route(&j, c, n, &v);
		for (size_t i = 0; i < n && !v.ok; i++)
			ck_assert_msg(!may_serve(&j, &c[i]) ||
					      (j.has_deadline &&
					       sched_finish_us(&c[i], j.records) > j.deadline_us),
				      "round %d: refused, but candidate %zu could do it alone", k,
				      i);
	}
}
END_TEST

START_TEST(the_same_facts_give_the_same_verdict)
{
	struct hv_rng r;
	struct sched_candidate c[SCHED_CANDIDATES_MAX], d[SCHED_CANDIDATES_MAX];

	hv_rng_seed(&r, 7);
	for (int k = 0; k < rounds(); k++) {
		struct sched_job j = draw_job(&r);
		size_t n = draw_candidates(&r, &j, c);
		struct sched_verdict a, b;

		memcpy(d, c, sizeof(c));
		sched_route(&j, c, n, &a);
		sched_route(&j, d, n, &b);
		ck_assert(a.ok == b.ok && a.why == b.why && a.first == b.first);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(c[i].share, d[i].share);
		sched_route(&j, c, n, &a); /* on top of its own answer */
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(c[i].share, d[i].share);
	}
}
END_TEST

START_TEST(latency_is_never_much_worse_than_the_best_single_place)
{
	struct hv_rng r;
	struct sched_candidate c[SCHED_CANDIDATES_MAX];

	hv_rng_seed(&r, 8);
	for (int k = 0; k < rounds(); k++) {
		struct sched_job j = draw_job(&r);
		size_t n = draw_candidates(&r, &j, c);
		struct sched_verdict v;
		double best = INFINITY;

		j.policy = SCHED_LATENCY;
		j.has_deadline = false;
		sched_route(&j, c, n, &v);
		for (size_t i = 0; i < n; i++)
			if (may_serve(&j, &c[i]))
				best = fmin(best, sched_finish_us(&c[i], j.records));
		/* A split is by straight lines, which charge the last run of a board in full. */
		ck_assert_msg(!v.ok || v.finish_us <= best * 1.001 + 1,
			      "round %d: %g us, one place alone %g us", k, v.finish_us, best);
	}
}
END_TEST

START_TEST(offload_leaves_the_cpu_only_what_boards_cannot_do)
{
	struct hv_rng r;
	struct sched_candidate c[SCHED_CANDIDATES_MAX];

	hv_rng_seed(&r, 9);
	for (int k = 0; k < rounds(); k++) {
		struct sched_job j = draw_job(&r);
		size_t n = draw_candidates(&r, &j, c);
		struct sched_verdict v;

		j.policy = SCHED_OFFLOAD;
		sched_route(&j, c, n, &v);
		for (size_t i = 1; i < n && v.ok && v.why == SCHED_SPARE_CPU && c[0].share > 0;
		     i++) {
			double limit = j.has_deadline ? j.deadline_us : SCHED_PATIENCE_US;

			if (c[i].share > 0)
				ck_assert_msg(sched_finish_us(&c[i], c[i].share + 1) > limit,
					      "round %d: board had time for one more", k);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sched properties");
	TCase *tc = tcase_create("route");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, shares_sum_to_the_job_and_only_eligible_places_get_one, 0, 4);
	tcase_add_loop_test(tc, a_refusal_means_that_nothing_would_have_done, 0, 4);
	tcase_add_test(tc, the_same_facts_give_the_same_verdict);
	tcase_add_test(tc, latency_is_never_much_worse_than_the_best_single_place);
	tcase_add_test(tc, offload_leaves_the_cpu_only_what_boards_cannot_do);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
