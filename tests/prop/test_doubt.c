/* The audit's test of a certificate: honest models are never suspended, wrong ones soon. Simulated
 * errors of every metric, and packages of models/approx. HARVEST_LONG=1: more of the latter. */
#include "daemon/log.h"
#include "daemon/quality/audit.h"
#include "tasks/catalog.h"
#include "util/rng.h"
#include <check.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HONEST = 1000000, NEVER = 0, LIMIT = 1000000, RANGE = 2000 };

/* clang-format off */
static const struct kind {
	enum harvest_metric metric;
	double certified;
} kinds[] = {
	{ HARVEST_SNR_DB, 40 },
	{ HARVEST_NRMSE, 0.01 },
	{ HARVEST_MAX_ABS, 3 },
	{ HARVEST_MEAN_REL, 0.005 },
	{ HARVEST_MISS_RATE, 0.004 },
	{ HARVEST_NRMSE_RANGE, 0.003 },
	{ HARVEST_IMAGE_DIFF, 0.007 },
};
/* clang-format on */
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* A source of records whose error is `worse` times the certified one in the mean. */
struct source {
	struct harvest_task task;
	struct package_cert cert;
	struct hv_rng rng;
	double worse;
};

static void open_source(struct source *s, const struct kind *k, double worse, uint64_t seed)
{
	*s = (struct source){ .worse = worse };
	s->task = (struct harvest_task){ .size = sizeof(s->task),
					 .metric = k->metric,
					 .out = { HARVEST_F64, 1, { 1 } },
					 .range = RANGE };
	s->cert = (struct package_cert){ .metric = k->metric,
					 .certified = k->certified,
					 .samples = 16384,
					 .confidence = 0.999 };
	hv_rng_seed(&s->rng, seed);
}

/* Positive, mean 1, with a tail: one in a thousand is above 25. */
static double tailed(struct hv_rng *r)
{
	double a = -log(1 - hv_rng_uniform(r, 0, 1)), b = -log(1 - hv_rng_uniform(r, 0, 1));

	return a * b;
}

static bool happens(struct hv_rng *r, double share)
{
	return hv_rng_uniform(r, 0, 1) < share;
}

/* Loud and quiet answers, 28 dB apart: their mean square is 1. */
static double answer(struct hv_rng *r)
{
	bool loud = happens(r, 0.5);

	return (happens(r, 0.5) ? 1 : -1) * sqrt(2 / (1 + 1 / 631.0)) * (loud ? 1 : 1 / sqrt(631));
}

static void draw(struct source *s, double *ref, double *got)
{
	double c = s->cert.certified, w = s->worse;
	double e = sqrt(tailed(&s->rng)) * w;

	*ref = answer(&s->rng) * 1000;
	switch (s->task.metric) {
	case HARVEST_SNR_DB: e *= 1000 * pow(10, -c / 20); break;
	case HARVEST_NRMSE: e *= 1000 * c; break;
	case HARVEST_MAX_ABS:
		e = happens(&s->rng, w * (1 - pow(0.001, 1.0 / 16384))) ? c + 1 : c / 2;
		break;
	case HARVEST_MEAN_REL: e = fabs(*ref) * fmin(1, w * c * tailed(&s->rng)); break;
	case HARVEST_MISS_RATE: e = happens(&s->rng, w * c); break;
	case HARVEST_WORST_PART: /* has no last elements here */
	case HARVEST_NRMSE_RANGE: e *= RANGE * c; break;
	case HARVEST_IMAGE_DIFF: e *= 255 * c; break;
	}
	*got = *ref + e;
}

/* Records until it is convinced; NEVER: not within most. */
static uint64_t until(struct doubt *d, struct source *s, uint64_t most)
{
	for (uint64_t i = 1; i <= most; i++) {
		double ref, got;

		draw(s, &ref, &got);
		if (doubt_add(d, &ref, &got, 1, 1))
			return i;
	}
	return NEVER;
}

START_TEST(an_honest_model_is_never_suspended)
{
	struct source s;
	struct doubt d;

	/* As certified, and at the edge of what is tolerated. */
	for (int edge = 0; edge < 2; edge++) {
		open_source(&s, &kinds[_i], edge ? DOUBT_TOLERANCE : 1, 11 + (uint64_t)edge);
		if (edge && s.task.metric == HARVEST_MAX_ABS)
			continue;
		doubt_begin(&d, &s.task, &s.cert);
		ck_assert(d.r > 0);
		ck_assert_msg(until(&d, &s, HONEST) == NEVER, "%s: suspended after %llu records",
			      hv_metric_text(s.task.metric), (unsigned long long)d.pooled.records);
		ck_assert(!d.convinced);
	}
}
END_TEST

START_TEST(a_worse_model_is_suspended_soon_whenever_it_becomes_so)
{
	static const double worse[] = { 3, 10, 134 };
	/* records that each may take, from the begin and after honest ones */
	static const uint64_t most[][2] = { { 2000, 4000 }, { 400, 1000 }, { 60, 150 } };
	/* One decision in 250 or one record in 2372 that is wrong is as certified. */
	bool is_rare = kinds[_i].metric == HARVEST_MAX_ABS || kinds[_i].metric == HARVEST_MISS_RATE;
	uint64_t took[2];

	printf("%-12s", hv_metric_text(kinds[_i].metric));
	for (int k = 0; k < 3; k++) {
		for (int late = 0; late < 2; late++) {
			struct source s;
			struct doubt d;
			uint64_t sum = 0;

			for (uint64_t seed = 0; seed < 10; seed++) {
				uint64_t n;

				open_source(&s, &kinds[_i], 1, 100 + seed);
				doubt_begin(&d, &s.task, &s.cert);
				ck_assert_uint_eq(until(&d, &s, late ? 100000 : 0), NEVER);
				s.worse = worse[k];
				n = until(&d, &s, LIMIT);
				ck_assert_uint_gt(n, 0);
				sum += n;
			}
			took[late] = sum / 10;
			ck_assert_msg(took[late] <= (is_rare ? 50 : 1) * most[k][late],
				      "%g times: %llu records", worse[k],
				      (unsigned long long)took[late]);
		}
		printf("  %3g x: %5llu, later %5llu", worse[k], (unsigned long long)took[0],
		       (unsigned long long)took[1]);
	}
	printf("\n");
}
END_TEST

/* One element and one of the last kind: as certified on both, then either is worse. */
START_TEST(either_part_of_an_answer_can_be_doubted)
{
	const struct kind kind = { HARVEST_WORST_PART, 0.003 };

	for (int which = 0; which < 3; which++) {
		struct source s;
		struct doubt d;
		uint64_t n = 0;

		open_source(&s, &kind, 1, 7);
		s.task.out.shape[0] = 2;
		s.task.tail = 1;
		s.task.tail_factor = 2;
		doubt_begin(&d, &s.task, &s.cert);
		while (!d.convinced && ++n < HONEST / 4) {
			double worse = n > 1000 ? 10 : 1;
			double first = sqrt(tailed(&s.rng)) * RANGE * kind.certified;
			double last = fmin(1, tailed(&s.rng) * kind.certified / 2) * 500;
			const double ref[] = { answer(&s.rng) * 1000, 500 };
			const double got[] = { ref[0] + first * (which == 1 ? worse : 1),
					       ref[1] + last * (which == 2 ? worse : 1) };

			(void)doubt_add(&d, ref, got, 2, 1);
		}
		if (which == 0)
			ck_assert(!d.convinced);
		else
			ck_assert_msg(d.convinced && n > 1000 && n < 3000, "part %d: %llu", which,
				      (unsigned long long)n);
	}
}
END_TEST

START_TEST(an_answer_that_is_no_number_is_enough_where_errors_have_no_bound)
{
	struct source s;
	struct doubt d;
	double ref = 1, got = NAN;

	open_source(&s, &kinds[5], 1, 1);
	doubt_begin(&d, &s.task, &s.cert);
	ck_assert(doubt_add(&d, &ref, &got, 1, 1));
	ck_assert(!doubt_add(&d, &ref, &got, 1, 1)); /* told once */
	doubt_begin(&d, &s.task, &s.cert);
	ck_assert(!d.convinced);
	ck_assert_uint_eq(d.pooled.records, 0);
}
END_TEST

START_TEST(a_metric_over_an_unknown_range_is_held_against_nobody)
{
	struct source s;
	struct doubt d;

	open_source(&s, &kinds[5], 100, 1);
	s.task.range = 0;
	doubt_begin(&d, &s.task, &s.cert);
	ck_assert_uint_eq(until(&d, &s, 10000), NEVER);
	ck_assert_uint_eq(d.pooled.records, 10000);
	s.cert.range = RANGE; /* the package says it */
	doubt_begin(&d, &s.task, &s.cert);
	ck_assert_uint_gt(until(&d, &s, 10000), 0);
}
END_TEST

/* ---- packages ---- */

static glob_t found;

struct bench {
	struct model m;
	uint8_t *in, *out;
	double *ref, *got;
};

static void open_bench(struct bench *b, const char *path)
{
	char why[300] = "";

	*b = (struct bench){ 0 };
	ck_assert_msg(package_read(path, &b->m.pkg, why, sizeof(why)) == HV_OK, "%s: %s", path,
		      why);
	b->m.task = task_find(b->m.pkg->task);
	ck_assert_ptr_nonnull(b->m.task);
	b->in = malloc(tensor_bytes(&b->m.task->in));
	b->out = malloc(tensor_bytes(&b->m.task->out));
	b->ref = malloc(sizeof(double) * tensor_elements(&b->m.task->out));
	b->got = malloc(sizeof(double) * tensor_elements(&b->m.task->out));
	model_lift(&b->m);
}

static void close_bench(struct bench *b)
{
	package_free(b->m.pkg);
	free(b->in);
	free(b->out);
	free(b->ref);
	free(b->got);
}

static void judge(struct bench *b)
{
	const struct harvest_task *t = b->m.task;

	ck_assert_int_eq(package_run(b->m.pkg, b->in, b->out, 1), HV_OK);
	t->reference(b->in, b->ref);
	tensor_to_double(&t->out, b->out, b->got);
	audit_measured(&b->m, b->ref, b->got, t->weight != NULL ? t->weight(b->in, b->ref) : 1);
}

/* Records of the test stream until it is suspended. */
static uint64_t suspended_after(struct bench *b, uint64_t most)
{
	for (uint64_t i = 0; i < most; i++) {
		b->m.task->sample(3, i, b->in);
		judge(b);
		if (b->m.suspended)
			return i + 1;
	}
	return NEVER;
}

static uint64_t records_for(const struct harvest_task *t)
{
	uint64_t n = tensor_elements(&t->in) > 24 ? 300 : 20000;

	return getenv("HARVEST_LONG") != NULL ? 50 * n : n;
}

START_TEST(a_package_on_the_records_of_its_task_is_not_suspended)
{
	struct bench b;

	open_bench(&b, found.gl_pathv[_i]);
	ck_assert_msg(suspended_after(&b, records_for(b.m.task)) == NEVER,
		      "%s is suspended after %llu records", b.m.pkg->name,
		      (unsigned long long)b.m.doubt.pooled.records);
	close_bench(&b);
}
END_TEST

/* The same network with a certificate that is ten times too good. */
START_TEST(a_forged_certificate_is_found_out)
{
	struct bench b;
	uint64_t n;

	open_bench(&b, found.gl_pathv[_i]);
	if (b.m.task->metric == HARVEST_SNR_DB)
		b.m.pkg->cert.certified += 20;
	else
		b.m.pkg->cert.certified /= 10;
	model_lift(&b.m);
	n = suspended_after(&b, 3000);
	printf("%-18s forged tenfold: %4llu records\n", b.m.pkg->name, (unsigned long long)n);
	ck_assert_uint_gt(n, 0);
	ck_assert(b.m.suspended);
	model_lift(&b.m);
	ck_assert(!b.m.suspended);
	close_bench(&b);
}
END_TEST

/* Fields of a hundredth of the usual strength are inside the ranges. */
START_TEST(records_of_another_kind_are_found_out)
{
	struct bench b;
	uint64_t i;

	open_bench(&b, MODELS "/heading/heading-pass.hvm");
	for (i = 0; i < 1000 && !b.m.suspended; i++) {
		int16_t x[2];

		b.m.task->sample(3, i, x);
		x[0] = (int16_t)(x[0] / 100);
		x[1] = (int16_t)(x[1] / 100);
		memcpy(b.in, x, sizeof(x));
		judge(&b);
	}
	printf("%-18s quiet fields: %llu records, %.3g against %.3g certified\n", b.m.pkg->name,
	       (unsigned long long)i, doubt_measured(&b.m.doubt), b.m.pkg->cert.certified);
	ck_assert(b.m.suspended);
	ck_assert_uint_le(i, 20);
	close_bench(&b);
}
END_TEST

START_TEST(audits_take_a_hundredth_of_the_time)
{
	struct audit_purse p = { 0 };
	uint64_t now = 1000, spent = 0, audits = 0;

	for (int batch = 0; batch < 100000; batch++, now += 500) {
		if (!audit_affords(&p, now))
			continue;
		audits++;
		spent += 700;
		audit_spent(&p, 700);
	}
	ck_assert_uint_le(spent, (now - 1000) / AUDIT_SHARE + AUDIT_PURSE_US + 700);
	ck_assert_uint_ge(spent, (now - 1000) / AUDIT_SHARE);
	ck_assert_uint_lt(audits, 1000);
	for (int batch = 0; batch < 1000; batch++, now += 500)
		if (audit_affords(&p, now))
			audit_spent(&p, 4);
	p = (struct audit_purse){ 0 };
	for (int batch = 0; batch < 100000; batch++, now += 500) {
		ck_assert(audit_affords(&p, now)); /* what costs little is always done */
		audit_spent(&p, 4);
	}
}
END_TEST

static Suite *doubt_suite(int packages)
{
	Suite *s = suite_create("doubt");
	TCase *tc = tcase_create("certificates");

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, an_honest_model_is_never_suspended, 0, KINDS);
	tcase_add_loop_test(tc, a_worse_model_is_suspended_soon_whenever_it_becomes_so, 0, KINDS);
	tcase_add_test(tc, either_part_of_an_answer_can_be_doubted);
	tcase_add_test(tc, an_answer_that_is_no_number_is_enough_where_errors_have_no_bound);
	tcase_add_test(tc, a_metric_over_an_unknown_range_is_held_against_nobody);
	tcase_add_loop_test(tc, a_package_on_the_records_of_its_task_is_not_suspended, 0, packages);
	tcase_add_loop_test(tc, a_forged_certificate_is_found_out, 0, packages);
	tcase_add_test(tc, records_of_another_kind_are_found_out);
	tcase_add_test(tc, audits_take_a_hundredth_of_the_time);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr;
	int failed;

	if (glob(MODELS "/*/*.hvm", 0, NULL, &found) != 0) {
		printf("no packages in " MODELS "\n");
		return EXIT_FAILURE;
	}
	log_set_level(LOG_LVL_ERROR);
	sr = srunner_create(doubt_suite((int)found.gl_pathc));
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	globfree(&found);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
