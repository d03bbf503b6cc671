/* Where a package is certified: the support lets its sampler's records in and shuts out what the
 * ranges alone would let pass. With packages of models/approx. */
#include "nas/certify.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_STREAM = 71, FRESH = 100000 };

static struct package *package_of(const char *file)
{
	struct package *p = NULL;
	char path[512], why[400] = "";

	snprintf(path, sizeof(path), "%s/%s", MODELS, file);
	ck_assert_msg(package_read(path, &p, why, sizeof(why)) == HV_OK, "%s: %s", path, why);
	ck_assert_int_eq(nas_domain(p, task_find(p->task)), HV_OK);
	return p;
}

static const struct {
	const char *file;
	double better; /* even records that the support lets in, against all of the ranges */
} hollow[] = {
	{ "heading/heading-pass.hvm", 12 },
	{ "inversek2j/inversek2j-pass.hvm", 5 },
	{ "blackscholes/blackscholes-pass.hvm", 3 },
};

START_TEST(records_between_which_the_ranges_are_empty_are_refused_and_no_fresh_ones)
{
	struct package *p = package_of(hollow[_i].file);
	const struct harvest_task *t = task_find(p->task);
	struct support *s = p->support;
	struct nas_probe without, with;
	uint64_t refused = nas_refused(p, t, FRESH_STREAM, FRESH);

	ck_assert_ptr_nonnull(s);
	/* A job of many records is refused for one of them. */
	ck_assert_msg(refused == 0, "%llu of %d fresh records are refused",
		      (unsigned long long)refused, FRESH);
	ck_assert_int_eq(nas_probe(p, t, 1, 16384, &with), HV_OK);
	p->support = NULL;
	ck_assert_int_eq(nas_probe(p, t, 1, 16384, &without), HV_OK);
	p->support = s;
	ck_assert_uint_eq(without.inside, without.records);
	ck_assert_msg(with.support * hollow[_i].better < without.box,
		      "error of even records %.4g, of those let in %.4g", without.box,
		      with.support);
	ck_assert_double_lt(with.support, 8 * p->cert.certified);
	package_free(p);
}
END_TEST

START_TEST(a_package_keeps_its_support_through_its_file)
{
	struct package *p = package_of(hollow[_i].file), *back = NULL, *again;
	const struct harvest_task *t = task_find(p->task);
	uint8_t *bytes[2], record[64];
	size_t len[2];
	char why[400] = "";

	ck_assert_int_eq(package_encode(p, &bytes[0], &len[0]), HV_OK);
	ck_assert_msg(package_decode(bytes[0], len[0], &back, why, sizeof(why)) == HV_OK, "%s",
		      why);
	again = package_of(hollow[_i].file);
	ck_assert_int_eq(package_encode(again, &bytes[1], &len[1]), HV_OK);
	ck_assert_uint_eq(len[0], len[1]);
	ck_assert_mem_eq(bytes[0], bytes[1], len[0]);
	for (uint64_t i = 0; i < 1000; i++) {
		t->sample(FRESH_STREAM, i, record);
		for (size_t b = 0; i % 2 == 1 && b < tensor_bytes(&t->in); b += 4)
			record[b]++; /* not one of the stream */
		ck_assert_int_eq(package_in_domain(p, record), package_in_domain(back, record));
	}
	package_free(p);
	package_free(back);
	package_free(again);
	free(bytes[0]);
	free(bytes[1]);
}
END_TEST

START_TEST(a_field_of_a_hundredth_of_the_usual_strength_is_refused)
{
	struct package *p = package_of("heading/heading-pass.hvm");
	const struct harvest_task *t = task_find(p->task);
	bool in_box = false;

	for (uint64_t i = 0; i < 1000; i++) {
		int16_t x[2];

		t->sample(FRESH_STREAM, i, x);
		ck_assert(package_in_domain(p, x));
		x[0] = (int16_t)(x[0] / 100);
		x[1] = (int16_t)(x[1] / 100);
		ck_assert(package_in_box(p, x));
		ck_assert_uint_eq(package_outside(p, x, 1, &in_box), 0);
		ck_assert(in_box);
	}
	package_free(p);
}
END_TEST

START_TEST(an_option_is_a_call_or_a_put)
{
	struct package *p = package_of("blackscholes/blackscholes-pass.hvm");
	const struct harvest_task *t = task_find(p->task);

	for (uint64_t i = 0; i < 1000; i++) {
		float x[6];

		t->sample(FRESH_STREAM, i, x);
		ck_assert(package_in_domain(p, x));
		x[5] = 0.5f;
		ck_assert(!package_in_domain(p, x));
		x[5] = NAN;
		ck_assert(!package_in_domain(p, x));
	}
	package_free(p);
}
END_TEST

START_TEST(where_all_of_the_ranges_is_answered_as_certified_nothing_is_refused)
{
	static const char *const file[] = { "kmeans/kmeans-pass.hvm", "speed/speed-pass.hvm",
					    "median9/median9-pass.hvm",
					    "forwardk2j/forwardk2j-pass.hvm" };
	struct package *p = package_of(file[_i]);

	ck_assert_ptr_null(p->support);
	package_free(p);
}
END_TEST

START_TEST(ranges_that_no_task_tells_are_those_of_its_records_and_a_little_more)
{
	struct package *p = package_of("inversek2j/inversek2j-pass.hvm");
	struct harvest_task t = *task_find(p->task);

	t.domain_count = 0;
	ck_assert_int_eq(nas_domain(p, &t), HV_OK);
	ck_assert_uint_eq(p->n_domain, 2);
	ck_assert_uint_le(nas_refused(p, &t, FRESH_STREAM, FRESH), FRESH / 10000);
	ck_assert_ptr_nonnull(p->support);
	package_free(p);
}
END_TEST

/* Blocks of one slope each, a little rough: of these the picture codec makes next to no error. */
static void slope(uint64_t seed, uint64_t index, void *in)
{
	uint8_t px[64];
	struct hv_rng r;
	double at, dx, dy;

	hv_rng_seed(&r, seed * 1000003 + index);
	at = hv_rng_uniform(&r, 80, 170);
	dx = hv_rng_uniform(&r, -6, 6);
	dy = hv_rng_uniform(&r, -6, 6);
	for (int i = 0; i < 64; i++)
		px[i] = (uint8_t)lround(at + dx * (i % 8 - 3.5) + dy * (i / 8 - 3.5) +
					hv_rng_uniform(&r, -2, 2));
	memcpy(in, px, sizeof(px));
}

START_TEST(of_long_records_those_of_another_roughness_are_refused)
{
	struct package *p = package_of("jpeg50/jpeg50-pass.hvm");
	struct harvest_task t = *task_find(p->task);
	struct nas_verdict v;
	struct hv_rng r;
	uint8_t px[64];
	char why[300] = "";

	t.sample = slope;
	ck_assert_int_eq(nas_certify(p, &t, NAS_TEST_STREAM, 1024, &v, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(nas_domain(p, &t), HV_OK);
	ck_assert_ptr_nonnull(p->support);
	ck_assert_uint_le(nas_refused(p, &t, FRESH_STREAM, FRESH), FRESH / 10000);
	hv_rng_seed(&r, 1);
	for (int k = 0; k < 1000; k++) {
		for (int i = 0; i < 64; i++)
			px[i] = (uint8_t)hv_rng_below(&r, 256);
		ck_assert(!package_in_domain(p, px));
	}
	slope(FRESH_STREAM, 1, px);
	for (int i = 0; i < 64; i++)
		px[i] = (uint8_t)(px[i] / 8); /* far darker than any */
	ck_assert(!package_in_domain(p, px));
	package_free(p);
}
END_TEST

static Suite *domain_suite(void)
{
	Suite *s = suite_create("domain");
	TCase *tc = tcase_create("support");
	int n = (int)(sizeof(hollow) / sizeof(hollow[0]));

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(
		tc, records_between_which_the_ranges_are_empty_are_refused_and_no_fresh_ones, 0, n);
	tcase_add_loop_test(tc, a_package_keeps_its_support_through_its_file, 0, n);
	tcase_add_test(tc, a_field_of_a_hundredth_of_the_usual_strength_is_refused);
	tcase_add_test(tc, an_option_is_a_call_or_a_put);
	tcase_add_loop_test(tc, where_all_of_the_ranges_is_answered_as_certified_nothing_is_refused,
			    0, 4);
	tcase_add_test(tc, ranges_that_no_task_tells_are_those_of_its_records_and_a_little_more);
	tcase_add_test(tc, of_long_records_those_of_another_roughness_are_refused);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(domain_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
