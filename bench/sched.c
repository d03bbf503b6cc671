/* bench/sched: decisions per second of the router, by number of candidates and policy. */
#include "bench/stats.h"
#include "daemon/sched/sched.h"
#include "util/clock.h"
#include "util/rng.h"
#include <stdio.h>

enum { ROUNDS = 9, SETS = 16, LOOPS = 300 };

static const double target_per_s = 1e6;
/* Few enough to stay in the cache: a daemon decides on facts it has just gathered. */
static struct sched_candidate facts[SETS][SCHED_CANDIDATES_MAX];

static void draw(struct hv_rng *r, size_t n)
{
	for (size_t s = 0; s < SETS; s++) {
		for (size_t i = 0; i < n; i++) {
			facts[s][i] = (struct sched_candidate){
				.place = (int32_t)i - 1,
				.ready = true,
				.named = true,
				.in_domain = true,
				.batch_records = i > 0 ? 16 : 0,
				.queue_us = hv_rng_uniform(r, 0, 1000),
				.wait_us = i > 0 ? hv_rng_uniform(r, 0, 20000) : 0,
				.link_us_per_record = i > 0 ? hv_rng_uniform(r, 1, 500) : 0,
				.compute_us_per_record = hv_rng_uniform(r, 0.1, 20),
				.energy_uj_per_record = hv_rng_uniform(r, 0.1, 10),
				.certified = i > 0 ? hv_rng_uniform(r, 30, 100)
						   : hv_metric_exact(HARVEST_SNR_DB),
			};
		}
	}
}

static double decisions_per_s(const struct sched_job *j, size_t n)
{
	uint64_t begin_ns = hv_now_ns();
	struct sched_verdict v;

	for (int k = 0; k < LOOPS; k++)
		for (size_t s = 0; s < SETS; s++)
			sched_route(j, facts[s], n, &v);
	return (double)LOOPS * SETS * 1e9 / (double)(hv_now_ns() - begin_ns);
}

int main(void)
{
	static const size_t sizes[] = { 1, 2, 5, 9, SCHED_CANDIDATES_MAX };
	struct hv_rng r;

	hv_rng_seed(&r, 1);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		draw(&r, sizes[k]);
		for (int p = SCHED_LATENCY; p <= SCHED_OFFLOAD; p++) {
			struct sched_job j = { .records = 64,
					       .policy = (enum sched_policy)p,
					       .metric = HARVEST_SNR_DB,
					       .has_budget = true,
					       .budget = 40 };
			struct bench_series s = { .n = 0 };
			struct bench_quartiles q;

			for (int round = 0; round < ROUNDS; round++)
				bench_series_add(&s, decisions_per_s(&j, sizes[k]));
			q = bench_series_quartiles(&s);
			printf("%2zu candidates, %-7s  %6.2f M decisions/s (%.2f .. %.2f), target "
			       "%.0f: %s\n",
			       sizes[k], sched_policy_text((enum sched_policy)p), q.median / 1e6,
			       q.q1 / 1e6, q.q3 / 1e6, target_per_s / 1e6,
			       q.median >= target_per_s ? "met" : "missed");
		}
	}
	return 0;
}
