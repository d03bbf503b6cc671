#include "daemon/job/job.h"
#include "tasks/catalog.h"
#include "util/rng.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Ranges against a map of records, timers against a plain array, jobs against counts that are
 * kept apart. */
enum { RECORDS = 200, LIVE = 40 };

/* Records of one job: every one is to do, out with a unit, or done; never two of these. */
START_TEST(no_record_is_lost_or_handed_out_twice)
{
	enum { WAITS, OUT, DONE };
	struct hv_rng r;
	struct ranges s;
	uint8_t map[RECORDS] = { 0 };
	struct {
		uint32_t start, count;
	} unit[RANGES_MAX];
	uint32_t units = 0, done = 0, stuck = 0;

	hv_rng_seed(&r, (uint64_t)_i + 1);
	ranges_init(&s, RECORDS);
	for (int step = 0; step < 100000 && done < RECORDS; step++) {
		uint32_t k;

		if (units < RANGES_MAX - 1 && hv_rng_below(&r, 2) == 0) {
			uint32_t want = 1 + hv_rng_below(&r, 30), at, n;
			bool can = ranges_can_take(&s, units);

			if (!ranges_take(&s, want, units, &at, &n)) {
				ck_assert(!can);
				stuck += units == 0;
				continue;
			}
			ck_assert_uint_le(n, want);
			for (k = at; k < at + n; k++)
				ck_assert_msg(map[k] == WAITS, "record %u was not to do", k);
			memset(map + at, OUT, n);
			unit[units].start = at;
			unit[units++].count = n;
		} else if (units > 0) {
			uint32_t at, n, u = hv_rng_below(&r, units);
			bool fails = hv_rng_below(&r, 100) < (uint32_t)_i * 6;

			at = unit[u].start;
			n = unit[u].count;
			unit[u] = unit[--units];
			memset(map + at, fails ? WAITS : DONE, n);
			if (fails)
				ranges_return(&s, at, n);
			else
				done += n;
		}
		ck_assert_uint_le(s.n, RANGES_MAX);
		k = 0;
		for (uint32_t i = 0; i < RECORDS; i++)
			k += map[i] == WAITS;
		ck_assert_uint_eq(k, ranges_total(&s));
		for (uint32_t i = 1; i < s.n; i++)
			ck_assert_uint_gt(s.r[i].start, s.r[i - 1].start + s.r[i - 1].count);
	}
	ck_assert_uint_eq(stuck, 0);
	ck_assert_uint_eq(done, RECORDS);
}
END_TEST

static uint64_t fired[64], last_fired;
static struct timer_node node[64];

static void on_fire(struct timer_node *n, uint64_t now_ns)
{
	ck_assert_uint_le(n->when_ns, now_ns);
	ck_assert_uint_ge(n->when_ns, last_fired);
	last_fired = n->when_ns;
	fired[n - node]++;
}

START_TEST(timers_fire_once_in_order_and_not_before_their_time)
{
	struct hv_rng r;
	struct timers t = { 0 };
	uint64_t now = 0, due[64] = { 0 }, expected[64] = { 0 };

	memset(fired, 0, sizeof(fired));
	memset(node, 0, sizeof(node));
	hv_rng_seed(&r, (uint64_t)_i + 1);
	for (int step = 0; step < 5000; step++) {
		uint32_t i = hv_rng_below(&r, 64), what = hv_rng_below(&r, 10);
		uint64_t next = UINT64_MAX;

		node[i].fire = on_fire;
		if (what < 6) {
			due[i] = now + 1 + hv_rng_below(&r, 500);
			ck_assert(timers_set(&t, &node[i], due[i]));
		} else if (what < 8) {
			timers_clear(&t, &node[i]);
			due[i] = 0;
		} else {
			now += hv_rng_below(&r, 200);
			last_fired = 0;
			timers_run(&t, now);
			for (int k = 0; k < 64; k++) {
				if (due[k] != 0 && due[k] <= now) {
					expected[k]++;
					due[k] = 0;
				}
			}
		}
		for (int k = 0; k < 64; k++) {
			ck_assert_uint_eq(fired[k], expected[k]);
			if (due[k] != 0 && due[k] < next)
				next = due[k];
		}
		ck_assert_uint_eq(timers_next_ns(&t), next);
	}
	timers_free(&t);
}
END_TEST

START_TEST(counters_add_up_after_every_step)
{
	struct limits l = LIMITS_DEFAULT;
	struct hv_rng r;
	struct store s;
	struct account *a[3];
	struct job *live[LIVE];
	uint64_t accepted = 0, over = 0;
	uint32_t n = 0;
	char why[256];

	l.jobs = LIVE;
	l.jobs_per_client = LIVE / 2;
	l.jobs_remembered = 10;
	l.detached_bytes = 5000;
	hv_rng_seed(&r, (uint64_t)_i + 1);
	ck_assert_int_eq(store_init(&s, &l, 1), HV_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(account_new(&s, i, 0, &a[i]), HV_OK);
	for (int step = 0; step < 5000; step++) {
		uint32_t k = n > 0 ? hv_rng_below(&r, n) : 0;

		switch (hv_rng_below(&r, 3)) {
		case 0: {
			struct job_spec spec = { .records = 1 + hv_rng_below(&r, 9),
						 .detach = hv_rng_below(&r, 2) == 0 };
			struct account *of = a[hv_rng_below(&r, 3)];
			struct buf *in, *out;

			ck_assert_int_eq(buf_new(of, 700, &in, why, sizeof(why)), HV_OK);
			ck_assert_int_eq(buf_new(of, 700, &out, why, sizeof(why)), HV_OK);
			if (job_new(of, task_at(0), 0, &spec, in, out, 0, 1, &live[n], why,
				    sizeof(why)) == HV_OK) {
				accepted++;
				n++;
			} else {
				buf_unref(in);
				buf_unref(out);
			}
			break;
		}
		case 1:
			if (n > 0)
				job_start(&s, live[k]);
			break;
		default:
			if (n == 0)
				break;
			ck_assert(job_end(&s, live[k],
					  (enum job_state)(JOB_COMPLETED + hv_rng_below(&r, 4)), 0,
					  5));
			over++;
			live[k] = live[--n];
			break;
		}
		ck_assert(job_counts_add_up(&s.counts));
		ck_assert_uint_eq(s.counts.accepted, accepted);
		ck_assert_uint_eq(s.counts.in_state[JOB_WAITING] + s.counts.in_state[JOB_RUNNING],
				  n);
		ck_assert_uint_eq(accepted - over, n);
		ck_assert_uint_eq(s.live, n);
		ck_assert_uint_le(s.remembered, l.jobs_remembered);
		ck_assert_uint_eq(s.payload_bytes, n * 1400 + s.detached_bytes);
		ck_assert_uint_le(s.detached_bytes, l.detached_bytes);
	}
	while (n > 0)
		job_end(&s, live[--n], JOB_FAILED, HV_E_IO, 5);
	for (int i = 0; i < 3; i++)
		account_unref(a[i]);
	store_free(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("job properties");
	TCase *tc = tcase_create("random");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, no_record_is_lost_or_handed_out_twice, 0, 16);
	tcase_add_loop_test(tc, timers_fire_once_in_order_and_not_before_their_time, 0, 8);
	tcase_add_loop_test(tc, counters_add_up_after_every_step, 0, 8);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
