/* Error metrics against cases worked out by hand, and how they meet a budget. */
#include "tasks/metric.h"
#include "util/own.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>

#define INF ((double)INFINITY)
#define NOT ((double)NAN)

/* Two records of two elements each. */
/* clang-format off */
static const struct {
	const char *story;
	double ref[4], got[4];
	double snr_db, nrmse, max_abs, mean_rel, miss_rate;
} row[] = {
	{ "identical", { 1, 2, 3, 4 }, { 1, 2, 3, 4 }, INF, 0, 0, 0, 0 },
	{ "one off by ten percent", { 3, 4, 0, 5 }, { 3, 4, 0, 4.5 },
	  23.010299956639813, 0.070710678118654752, 0.5, 0.05, 0.5 },
	{ "twice as large", { 3, 4, 3, 4 }, { 6, 8, 6, 8 }, 0, 1, 4, 1, 1 },
	{ "three times: the relative error stops at one", { 3, 4, 3, 4 }, { 9, 12, 9, 12 },
	  -6.0205999132796242, 2, 8, 1, 1 },
	{ "a zero record answered right", { 0, 0, 3, 4 }, { 0, 0, 3, 4 }, INF, 0, 0, 0, 0 },
	{ "a zero record answered wrong", { 0, 0, 3, 4 }, { 0, 1, 3, 4 },
	  13.979400086720376, 0.2, 1, 0.5, 0.5 },
	{ "all reference zero", { 0, 0, 0, 0 }, { 0, 0, 0, 2 }, -INF, INF, 2, 0.5, 0.5 },
	{ "silence answered by silence", { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, INF, 0, 0, 0, 0 },
	{ "a NaN in the answer is infinitely wrong", { 1, 2, 3, 4 }, { 1, NOT, 3, 4 },
	  -INF, INF, INF, 0.5, 0.5 },
	{ "an infinity in the answer too", { 1, 2, 3, 4 }, { 1, 2, -INF, 4 },
	  -INF, INF, INF, 0.5, 0.5 },
	{ "a NaN on both sides is no agreement", { 1, NOT, 3, 4 }, { 1, NOT, 3, 4 },
	  NOT, NOT, INF, 0.5, 0.5 },
	{ "an infinite reference answered finitely", { 1, 2, INF, 4 }, { 1, 2, 3, 4 },
	  NOT, NOT, INF, 0.5, 0.5 },
	{ "an infinite reference answered so", { 1, 2, INF, 4 }, { 1, 2, INF, 4 }, INF, 0, 0, 0, 0 },
	{ "an error too small to square is still a miss", { 1, 1, 1, 1 }, { 1, 1, 1, 1 + 0x1p-52 },
	  319.08, 1.11e-16, 0x1p-52, 0, 0.5 },
};
/* clang-format on */

static bool near(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	if (isinf(a) || isinf(b))
		return a == b;
	return fabs(a - b) <= 1e-12 || fabs(a - b) <= 1e-3 * fabs(b) * (fabs(b) > 300);
}

static double measure(int i, enum harvest_metric kind)
{
	struct hv_metric m = hv_metric_begin(kind);

	hv_metric_add(&m, row[i].ref, row[i].got, 2);
	hv_metric_add(&m, row[i].ref + 2, row[i].got + 2, 2);
	ck_assert_uint_eq(m.records, 2);
	ck_assert_uint_eq(m.elements, 4);
	return hv_metric_value(&m);
}

START_TEST(metrics_equal_the_hand_computed_values)
{
	double want[] = { row[_i].snr_db, row[_i].nrmse, row[_i].max_abs, row[_i].mean_rel,
			  row[_i].miss_rate };

	for (int kind = HARVEST_SNR_DB; kind <= HARVEST_MISS_RATE; kind++) {
		double got = measure(_i, (enum harvest_metric)kind);

		ck_assert_msg(near(got, want[kind - 1]), "%s: %s is %.15g, not %.15g",
			      row[_i].story, hv_metric_text((enum harvest_metric)kind), got,
			      want[kind - 1]);
	}
}
END_TEST

START_TEST(range_and_image_errors_equal_the_hand_computed_values)
{
	static const double ref[] = { 10, 20, 30, 50 }, got[] = { 12, 20, 30, 46 };
	const double rms = sqrt(20.0 / 4);
	struct hv_metric range = hv_metric_begin(HARVEST_NRMSE_RANGE);
	struct hv_metric image = hv_metric_begin(HARVEST_IMAGE_DIFF);

	hv_metric_add(&range, ref, got, 2);
	hv_metric_add(&range, ref + 2, got + 2, 2);
	hv_metric_add(&image, ref, got, 4);
	ck_assert(near(hv_metric_value(&range), rms / 40)); /* 50 - 10 */
	range.range = 400; /* the task's */
	ck_assert(near(hv_metric_value(&range), rms / 400));
	ck_assert(near(hv_metric_value(&image), rms / 255));
	hv_metric_add(&image, ref, (const double[]){ NOT }, 1);
	ck_assert(hv_metric_value(&image) == INF);
}
END_TEST

START_TEST(a_wrong_answer_to_a_constant_has_no_range_to_be_measured_by)
{
	static const double ref[] = { 7, 7 }, got[] = { 7, 8 };
	struct hv_metric m = hv_metric_begin(HARVEST_NRMSE_RANGE);

	hv_metric_add(&m, ref, ref, 2);
	ck_assert(hv_metric_value(&m) == 0);
	hv_metric_add(&m, ref, got, 2);
	ck_assert(isnan(hv_metric_value(&m)));
}
END_TEST

static double weight_of_large(const void *in, const double *exact)
{
	(void)in;
	return exact[0] >= 1;
}

START_TEST(a_task_leaves_records_out_of_its_mean)
{
	struct harvest_task t = { .metric = HARVEST_MEAN_REL,
				  .out = { HARVEST_F32, 1, { 1 } },
				  .weight = weight_of_large };
	static const double ref[] = { 2, 4, 0.5 }, got[] = { 1, 4, 5 };
	struct hv_metric m = hv_metric_begin_of(&t);

	hv_metric_add_of(&m, &t, NULL, ref + 2, got + 2);
	ck_assert(isnan(hv_metric_value(&m))); /* none counts yet */
	hv_metric_add_of(&m, &t, NULL, ref, got);
	hv_metric_add_of(&m, &t, NULL, ref + 1, got + 1);
	ck_assert(near(hv_metric_value(&m), 0.25));
	ck_assert_uint_eq(m.records, 3);
}
END_TEST

START_TEST(the_worse_part_of_an_answer_counts)
{
	struct harvest_task t = { .size = sizeof(t),
				  .metric = HARVEST_WORST_PART,
				  .out = { HARVEST_F32, 1, { 3 } },
				  .range = 100,
				  .tail = 1,
				  .tail_factor = 2 };
	static const double ref[] = { 0, 50, 10 };
	struct hv_metric m = hv_metric_begin_of(&t);

	hv_metric_add_of(&m, &t, NULL, ref, ref);
	ck_assert(hv_metric_value(&m) == 0);
	hv_metric_add_of(&m, &t, NULL, ref, (const double[]){ 3, 50, 10.5 });
	ck_assert(near(hv_metric_value(&m), 2 * 0.05 / 2)); /* of two records */
	hv_metric_add_of(&m, &t, NULL, ref, (const double[]){ 30, 50, 10 });
	ck_assert(near(hv_metric_value(&m), sqrt((9.0 + 900) / 6) / 100));
	hv_metric_add_of(&m, &t, NULL, ref, (const double[]){ 0, 50, NOT });
	hv_metric_add_of(&m, &t, NULL, ref, (const double[]){ 0, 50, NOT });
	ck_assert(near(hv_metric_value(&m), 2 * 2.05 / 5)); /* no number: wrong by all of it */
	hv_metric_add_of(&m, &t, NULL, ref, (const double[]){ NOT, 50, 10 });
	ck_assert(hv_metric_value(&m) == INF);
	m = hv_metric_begin_of(&t);
	m.range = 0; /* the ruler is the range of the first elements */
	hv_metric_add_of(&m, &t, NULL, ref, (const double[]){ 0, 51, 10 });
	ck_assert(near(hv_metric_value(&m), sqrt(0.5) / 50));
}
END_TEST

START_TEST(nothing_measured_is_not_a_number_and_meets_nothing)
{
	for (int kind = HARVEST_SNR_DB; kind <= HARVEST_WORST_PART; kind++) {
		struct hv_metric m = hv_metric_begin((enum harvest_metric)kind);
		double v = hv_metric_value(&m);

		ck_assert(isnan(v));
		ck_assert(!hv_metric_meets(m.kind, v, 0));
		ck_assert(!hv_metric_meets(m.kind, v, 1));
		ck_assert(!hv_metric_meets(m.kind, v, INF));
	}
}
END_TEST

START_TEST(a_budget_of_zero_asks_for_the_exact_answer)
{
	ck_assert(hv_metric_meets(HARVEST_SNR_DB, INF, 0));
	ck_assert(!hv_metric_meets(HARVEST_SNR_DB, 300, 0));
	ck_assert(hv_metric_exact(HARVEST_SNR_DB) == INF);
	for (int k = HARVEST_NRMSE; k <= HARVEST_WORST_PART; k++) {
		enum harvest_metric kind = (enum harvest_metric)k;

		ck_assert(hv_metric_exact(kind) == 0);
		ck_assert(hv_metric_meets(kind, 0, 0));
		ck_assert(!hv_metric_meets(kind, 1e-300, 0));
	}
}
END_TEST

START_TEST(the_certified_value_must_be_on_the_right_side_of_the_budget)
{
	ck_assert(hv_metric_meets(HARVEST_SNR_DB, 60, 60));
	ck_assert(hv_metric_meets(HARVEST_SNR_DB, INF, 60));
	ck_assert(!hv_metric_meets(HARVEST_SNR_DB, 59.9, 60));
	ck_assert(!hv_metric_meets(HARVEST_SNR_DB, 60, NOT));
	ck_assert(!hv_metric_meets(HARVEST_SNR_DB, NOT, 60));
	ck_assert(hv_metric_meets(HARVEST_MAX_ABS, 2, 2));
	ck_assert(hv_metric_meets(HARVEST_MAX_ABS, 0, 2));
	ck_assert(!hv_metric_meets(HARVEST_MAX_ABS, 2.1, 2));
	ck_assert(!hv_metric_meets(HARVEST_NRMSE, 0, -1));
	ck_assert(!hv_metric_meets(HARVEST_NRMSE, 0.1, NOT));
}
END_TEST

START_TEST(names_are_unique_and_found_again)
{
	for (int k = HARVEST_SNR_DB; k <= HARVEST_WORST_PART; k++)
		ck_assert_int_eq((int)hv_metric_find(hv_metric_text((enum harvest_metric)k)), k);
	ck_assert_str_eq(hv_metric_text(HARVEST_SNR_DB), "snr_db");
	ck_assert_str_eq(hv_metric_text((enum harvest_metric)0), "?");
	ck_assert_int_eq((int)hv_metric_find("snr"), 0);
	ck_assert_int_eq((int)hv_metric_find("are"), HARVEST_MEAN_REL);
}
END_TEST

static Suite *metric_suite(void)
{
	Suite *s = suite_create("metric");
	TCase *tc = tcase_create("metric");

	tcase_add_loop_test(tc, metrics_equal_the_hand_computed_values, 0, (int)HV_ARRAY_SIZE(row));
	tcase_add_test(tc, range_and_image_errors_equal_the_hand_computed_values);
	tcase_add_test(tc, a_wrong_answer_to_a_constant_has_no_range_to_be_measured_by);
	tcase_add_test(tc, a_task_leaves_records_out_of_its_mean);
	tcase_add_test(tc, the_worse_part_of_an_answer_counts);
	tcase_add_test(tc, nothing_measured_is_not_a_number_and_meets_nothing);
	tcase_add_test(tc, a_budget_of_zero_asks_for_the_exact_answer);
	tcase_add_test(tc, the_certified_value_must_be_on_the_right_side_of_the_budget);
	tcase_add_test(tc, names_are_unique_and_found_again);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(metric_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
