/* Construction: every mark of the dial is met by the certificate, and every certificate by
 * fresh records of other streams. */
#include "accel/build/build.h"
#include "accel/bound/bound.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "tests/lib/package_make.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char why[300];

/* clang-format off */
static const struct mark {
	const char *task;
	unsigned level;
	double db;
} marks[] = {
	{ "fft64", 2, 44 },  { "fft64", 3, 65 },  { "fft64", 4, 90 },
	{ "fft128", 2, 44 }, { "fft128", 3, 65 }, { "fft128", 4, 90 },
	{ "fft256", 2, 44 }, { "fft256", 3, 65 }, { "fft256", 4, 90 },
	{ "fir32", 2, 39 },  { "fir32", 3, 65 },
	{ "dct32", 2, 39 },  { "dct32", 3, 65 },
	{ "matvec64", 2, 39 }, { "matvec64", 3, 65 },
};
/* clang-format on */

/* SNR of n records of a stream, together. */
static double measured_db(const struct package *p, const struct harvest_task *t, uint64_t stream,
			  uint64_t first, size_t n)
{
	size_t in = tensor_bytes(&t->in), out = tensor_bytes(&t->out);
	size_t elements = tensor_elements(&t->out);
	uint8_t *x = malloc(n * in), *y = malloc(n * out);
	double *ref = malloc(sizeof(*ref) * elements), *got = malloc(sizeof(*got) * elements);
	struct hv_metric m = hv_metric_begin(HARVEST_SNR_DB);

	for (size_t i = 0; i < n; i++)
		t->sample(stream, first + i, x + i * in);
	ck_assert_int_eq(package_run(p, x, y, n), 0);
	for (size_t i = 0; i < n; i++) {
		t->reference(x + i * in, ref);
		tensor_to_double(&t->out, y + i * out, got);
		hv_metric_add(&m, ref, got, elements);
	}
	free(x);
	free(y);
	free(ref);
	free(got);
	return hv_metric_value(&m);
}

START_TEST(marks_are_met_by_certificates_and_certificates_by_fresh_records)
{
	const struct mark *k = &marks[_i];
	const struct harvest_task *t = task_find(k->task);
	struct package *p;

	ck_assert_ptr_nonnull(t);
	ck_assert_msg(cnn_build_linear(t, k->level, 1024, &p, why, sizeof(why)) == 0, "%s", why);
	ck_assert_msg(p->cert.certified >= k->db, "%s: certified %.2f dB, wanted %.0f", p->name,
		      p->cert.certified, k->db);
	for (uint64_t stream = 70; stream < 74; stream++) {
		double many = measured_db(p, t, stream, 0, 192);
		double few = measured_db(p, t, stream, 1000, 16);

		ck_assert_msg(many >= p->cert.certified && few >= p->cert.certified,
			      "%s, stream %d: %.2f dB of 192 records, %.2f of 16, certified %.2f",
			      p->name, (int)stream, many, few, p->cert.certified);
	}
	package_free(p);
}
END_TEST

/* Records scaled down to the least rms of the domain still meet the certificate. */
START_TEST(the_quietest_records_of_the_domain_meet_the_certificate)
{
	static const char *const white[] = { "fft64", "fft256", "matvec64" };
	const struct harvest_task *t = task_find(white[_i / 4]);
	size_t elements = tensor_elements(&t->in), n_out = tensor_elements(&t->out);
	int16_t *x = malloc(2 * elements);
	uint8_t *y = malloc(tensor_bytes(&t->out));
	double *ref = malloc(sizeof(*ref) * n_out), *got = malloc(sizeof(*got) * n_out);
	struct hv_metric m = hv_metric_begin(HARVEST_SNR_DB);
	struct package *p;
	struct hv_rng rng;

	hv_rng_seed(&rng, (uint64_t)_i);
	ck_assert_int_eq(cnn_build_linear(t, 1 + (unsigned)_i % 4, 512, &p, why, sizeof(why)), 0);
	ck_assert_double_gt(p->cert.in_min_rms, 0);
	for (unsigned i = 0; i < 64; i++) {
		for (size_t k = 0; k < elements; k++)
			x[k] = (int16_t)lround(hv_rng_normal(&rng, 0, 1.01 * p->cert.in_min_rms));
		ck_assert_int_eq(package_run(p, x, y, 1), 0);
		t->reference(x, ref);
		tensor_to_double(&t->out, y, got);
		hv_metric_add(&m, ref, got, n_out);
	}
	ck_assert_msg(hv_metric_value(&m) >= p->cert.certified,
		      "%s at rms %.1f: %.2f dB, certified %.2f", p->name, p->cert.in_min_rms,
		      hv_metric_value(&m), p->cert.certified);
	package_free(p);
	free(x);
	free(y);
	free(ref);
	free(got);
}
END_TEST

START_TEST(two_builds_give_the_same_bytes)
{
	struct package *p[2];
	uint8_t *bytes[2];
	size_t len[2];

	for (int i = 0; i < 2; i++) {
		p[i] = package_make(5, 40, 30, 1 + (unsigned)_i);
		ck_assert_int_eq(package_encode(p[i], &bytes[i], &len[i]), 0);
	}
	ck_assert_uint_eq(len[0], len[1]);
	ck_assert_mem_eq(bytes[0], bytes[1], len[0]);
	for (int i = 0; i < 2; i++) {
		package_free(p[i]);
		free(bytes[i]);
	}
}
END_TEST

static int build(const double *m, unsigned rows, unsigned cols, unsigned level, struct package **p)
{
	return cnn_build_matrix("odd", m, rows, cols, level, 128, p, why, sizeof(why));
}

static int32_t first_answer(const struct package *p, const int16_t *x, unsigned row)
{
	int32_t y[8];

	ck_assert_int_eq(package_run(p, x, y, 1), 0);
	return y[row];
}

START_TEST(odd_matrices_are_answered_as_well_as_others)
{
	static const double one[] = { -0.3 }, big[] = { 300000, 2, -0.5, 1e-9 };
	static const double zeros[] = { 0, 0, 0, 1.5, 1.5, 1.5, 0, 0, 0 };
	unsigned level = 2 + (unsigned)_i;
	int16_t x[3] = { 1000, -2000, 3002 };
	struct package *p;

	ck_assert_msg(build(one, 1, 1, level, &p) == 0, "%s", why);
	ck_assert_int_eq(first_answer(p, x, 0), -300);
	package_free(p);
	ck_assert_msg(build(zeros, 3, 3, level, &p) == 0, "%s", why);
	ck_assert_int_eq(first_answer(p, x, 0), 0);
	ck_assert_int_eq(first_answer(p, x, 1), 3003);
	ck_assert_int_eq(first_answer(p, x, 2), 0);
	package_free(p);
	ck_assert_msg(build(big, 2, 2, level, &p) == 0, "%s", why);
	ck_assert_double_eq_tol(first_answer(p, x, 0), 299996000, p->cert.max_abs);
	ck_assert_double_eq_tol(first_answer(p, x, 1), -500, 4);
	x[0] = INT16_MAX;
	ck_assert_int_eq(first_answer(p, x, 0), INT32_MAX);
	package_free(p);
}
END_TEST

START_TEST(the_largest_matrices_can_be_built)
{
	struct package *p = package_make(3, CNN_CHANNELS_MAX, 16, 4);

	ck_assert_uint_eq(p->net.layer[1].out_channels, CNN_CHANNELS_MAX);
	package_free(p);
	p = package_make(3, 16, CNN_CHANNELS_MAX, 4);
	ck_assert_uint_eq(p->net.channels, CNN_CHANNELS_MAX);
	package_free(p);
}
END_TEST

START_TEST(what_cannot_be_built_is_refused_with_a_reason)
{
	double m[4] = { 1, 2, 3, 4 };
	double zero[4] = { 0 };
	struct package *p = NULL;

	ck_assert_int_eq(build(m, 2, 2, 0, &p), HV_E_INVAL);
	ck_assert_int_eq(build(m, 2, 2, 5, &p), HV_E_INVAL);
	ck_assert_int_eq(build(m, 0, 2, 2, &p), HV_E_INVAL);
	ck_assert_int_eq(build(m, 2, 1025, 2, &p), HV_E_INVAL);
	ck_assert_int_eq(build(zero, 2, 2, 2, &p), HV_E_INVAL);
	ck_assert_msg(strstr(why, "zero") != NULL, "%s", why);
	m[2] = (double)NAN;
	ck_assert_int_eq(build(m, 2, 2, 2, &p), HV_E_INVAL);
	ck_assert_msg(strstr(why, "(1, 0)") != NULL, "%s", why);
	m[2] = 1e300;
	ck_assert_int_eq(build(m, 2, 2, 2, &p), HV_E_INVAL);
	m[2] = 3;
	ck_assert_int_eq(cnn_build_matrix("fft64", m, 2, 2, 2, 128, &p, why, sizeof(why)),
			 HV_E_INVAL);
	ck_assert_int_eq(cnn_build_matrix("A b", m, 2, 2, 2, 128, &p, why, sizeof(why)),
			 HV_E_INVAL);
	ck_assert_int_eq(cnn_build_matrix("x", m, 2, 2, 2, 127, &p, why, sizeof(why)), HV_E_INVAL);
	ck_assert_ptr_null(p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("build");
	TCase *tc = tcase_create("packages");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, marks_are_met_by_certificates_and_certificates_by_fresh_records, 0,
			    (int)(sizeof(marks) / sizeof(marks[0])));
	tcase_add_loop_test(tc, the_quietest_records_of_the_domain_meet_the_certificate, 0, 12);
	tcase_add_loop_test(tc, two_builds_give_the_same_bytes, 0, 4);
	tcase_add_loop_test(tc, odd_matrices_are_answered_as_well_as_others, 0, 3);
	tcase_add_test(tc, the_largest_matrices_can_be_built);
	tcase_add_test(tc, what_cannot_be_built_is_refused_with_a_reason);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
