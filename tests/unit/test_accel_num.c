/* Rounding, shifts, saturation and means against independent formulas, exhaustively. */
#include "accel/num.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* clamp(floor(acc * 2^shift / 128 + 1/2), -128, 127) in double precision: exact, because all
 * terms are small multiples of powers of two. */
static int32_t by_definition(int32_t acc, int shift)
{
	double v = floor(ldexp((double)acc, shift - 7) + 0.5);

	return v < -128.0 ? -128 : v > 127.0 ? 127 : (int32_t)v;
}

START_TEST(requantisation_follows_the_definition_for_every_shift)
{
	for (int shift = -15; shift <= 15; shift++)
		for (int32_t acc = -70000; acc <= 70000; acc++)
			if (cnn_num_requant(acc, shift) != by_definition(acc, shift))
				ck_abort_msg("acc %d, shift %d: %d", acc, shift,
					     cnn_num_requant(acc, shift));
	printf("counted: %d requantisations against the definition\n", 31 * 140001);
}
END_TEST

START_TEST(requantisation_follows_the_definition_at_every_tie_and_extreme)
{
	static const int32_t extremes[] = { INT32_MIN,     INT32_MIN + 1, INT32_MAX,
					    INT32_MAX - 1, 1 << 27,       -(1 << 27) };

	for (int shift = -15; shift <= 15; shift++) {
		for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++)
			ck_assert_int_eq(cnn_num_requant(extremes[i], shift),
					 by_definition(extremes[i], shift));
		for (int32_t y = -140; y <= 140; y++) {
			/* The accumulator half way below y, and its neighbours. */
			double tie = ldexp(y - 0.5, 7 - shift);

			for (int d = -1; d <= 1; d++) {
				int32_t acc = (int32_t)(floor(tie) + d);

				if (cnn_num_requant(acc, shift) != by_definition(acc, shift))
					ck_abort_msg("acc %d, shift %d: %d", acc, shift,
						     cnn_num_requant(acc, shift));
			}
		}
	}
}
END_TEST

START_TEST(saturation_is_exact_at_and_beyond_both_ends)
{
	static const int64_t far[] = { INT64_MIN, INT32_MIN, INT32_MAX, INT64_MAX };

	for (int64_t v = -70000; v <= 70000; v++)
		if (cnn_num_clamp8(v) != (int32_t)fmax(-128, fmin(127, (double)v)))
			ck_abort_msg("saturated %lld", (long long)v);
	for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
		ck_assert_int_eq(cnn_num_clamp8(far[i]), far[i] < 0 ? -128 : 127);
}
END_TEST

START_TEST(activations_keep_to_their_ranges)
{
	for (int32_t v = -128; v <= 127; v++) {
		ck_assert_int_eq(cnn_num_relu(v), v < 0 ? 0 : v);
		ck_assert_int_eq(cnn_num_abs(v), abs(v) == 128 ? 127 : abs(v));
	}
}
END_TEST

START_TEST(means_truncate_or_round_half_away_from_zero)
{
	unsigned n_means = 0;

	for (int32_t n = 1; n <= 256; n++)
		for (int32_t sum = -128 * n; sum <= 127 * n; sum++, n_means += 2) {
			double mean = (double)sum / n;
			int32_t rounded =
				(int32_t)(mean < 0 ? -floor(-mean + 0.5) : floor(mean + 0.5));

			if (cnn_num_mean(sum, n, false) != (int32_t)mean ||
			    cnn_num_mean(sum, n, true) != rounded)
				ck_abort_msg("mean of %d values with sum %d", n, sum);
		}
	printf("counted: %u means of every window and sum\n", n_means);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("accel arithmetic");
	TCase *t = tcase_create("num");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, requantisation_follows_the_definition_for_every_shift);
	tcase_add_test(t, requantisation_follows_the_definition_at_every_tie_and_extreme);
	tcase_add_test(t, saturation_is_exact_at_and_beyond_both_ends);
	tcase_add_test(t, activations_keep_to_their_ranges);
	tcase_add_test(t, means_truncate_or_round_half_away_from_zero);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
