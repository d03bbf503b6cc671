/* Closed loops: the exact map differs by nothing, small errors by little, large ones by much,
 * and the plants behave as their equations say. */
#include "tasks/catalog.h"
#include "tasks/loop.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const with_loop[] = { "heading", "iir_c02", "iir_c05",
					 "iir_c20", "kmeans",  "speed" };

static double figure(const struct loop_result *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->of[i].name, name) == 0)
			return r->of[i].value;
	ck_abort_msg("no figure '%s'", name);
	return 0;
}

/* The exact map plus white noise, in output steps. */
struct noisy {
	const struct harvest_task *task;
	struct hv_rng rng;
	double steps;
	size_t calls_left;
};

static int noisy_map(void *ctx, const void *in, void *out, size_t n)
{
	struct noisy *x = ctx;
	size_t elements = n * tensor_elements(&x->task->out);
	int16_t *to = out; /* every task with a loop answers int16 */
	int err = loop_exact_map((void *)x->task, in, out, n);

	if (x->calls_left-- == 0)
		return HV_E_GONE;
	for (size_t i = 0; err == HV_OK && i < elements; i++) {
		double v = to[i] + round(hv_rng_normal(&x->rng, 0, x->steps));

		to[i] = (int16_t)fmin(fmax(v, INT16_MIN), INT16_MAX);
	}
	return err;
}

static int run_noisy(const char *name, double steps, size_t calls, struct loop_result *r)
{
	struct noisy x = { .task = task_find(name), .steps = steps, .calls_left = calls };

	hv_rng_seed(&x.rng, 11);
	return loop_run(x.task, noisy_map, &x, 3, r);
}

START_TEST(the_exact_map_differs_by_nothing)
{
	const struct harvest_task *t = task_find(with_loop[_i]);
	struct loop_result r;

	ck_assert_int_eq(loop_run(t, loop_exact_map, (void *)t, 3, &r), HV_OK);
	ck_assert(r.n >= 2 && r.n <= LOOP_FIGURES_MAX);
	if (strncmp(t->name, "iir", 3) == 0) {
		ck_assert(isinf(figure(&r, "snr_to_exact_blocks")));
		ck_assert(r.of[0].value == r.of[0].exact);
		ck_assert_msg(r.of[0].value > r.of[0].goal, "%s: %.1f dB", t->name, r.of[0].value);
	} else {
		ck_assert_msg(r.of[0].value == 0, "%s: %g", t->name, r.of[0].value);
	}
	for (size_t i = 0; i < r.n; i++)
		if (getenv("HARVEST_LONG") != NULL)
			printf("%s %s %g %s\n", t->name, r.of[i].name, r.of[i].value, r.of[i].unit);
}
END_TEST

/* Noise of the map that just about passes, and a hundred times as much. */
static const double steps[] = { 30, 2, 2, 2, 40, 60 };

START_TEST(more_noise_in_the_map_is_more_error_in_the_loop)
{
	struct loop_result little, much;
	double sign = strncmp(with_loop[_i], "iir", 3) == 0 ? -1 : 1;

	ck_assert_int_eq(run_noisy(with_loop[_i], steps[_i], SIZE_MAX, &little), HV_OK);
	ck_assert_int_eq(run_noisy(with_loop[_i], 100 * steps[_i], SIZE_MAX, &much), HV_OK);
	ck_assert_msg(sign * little.of[0].value < sign * little.of[0].pass, "%s: %g", with_loop[_i],
		      little.of[0].value);
	ck_assert_msg(sign * much.of[0].value > sign * much.of[0].pass, "%s: %g", with_loop[_i],
		      much.of[0].value);
	ck_assert(sign * little.of[0].value > (sign > 0 ? -1e-3 : -INFINITY));
}
END_TEST

START_TEST(a_map_that_fails_ends_the_loop)
{
	struct loop_result r;

	ck_assert_int_eq(run_noisy(with_loop[_i], 0, 1, &r), HV_E_GONE);
	ck_assert_uint_eq(r.n, 0);
}
END_TEST

START_TEST(tasks_without_a_loop_and_namesakes_have_none)
{
	struct harvest_task plugin = *task_find("speed");
	struct loop_result r;

	ck_assert_int_eq(loop_run(&plugin, loop_exact_map, &plugin, 3, &r), HV_E_NOENT);
	ck_assert_int_eq(loop_run(task_find("sobel"), loop_exact_map, NULL, 3, &r), HV_E_NOENT);
}
END_TEST

START_TEST(the_motor_follows_its_set_points)
{
	const struct harvest_task *t = task_find("speed");
	struct loop_result r;

	ck_assert_int_eq(loop_run(t, loop_exact_map, (void *)t, 3, &r), HV_OK);
	ck_assert_msg(figure(&r, "steady_error") < 1, "%f", figure(&r, "steady_error"));
	ck_assert(figure(&r, "ripple") < 1);
	ck_assert(figure(&r, "settling") > 0.01 && figure(&r, "settling") < 0.4);
}
END_TEST

START_TEST(the_filter_knows_its_heading_better_than_the_magnetometer)
{
	const struct harvest_task *t = task_find("heading");
	struct loop_result r;

	ck_assert_int_eq(loop_run(t, loop_exact_map, (void *)t, 3, &r), HV_OK);
	/* one reading: 1.7 degrees of noise, 2.2 with the disturbances */
	ck_assert_msg(figure(&r, "rmse") > 0.1 && figure(&r, "rmse") < 1.2, "%f",
		      figure(&r, "rmse"));
}
END_TEST

static Suite *loop_suite(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");
	int n = (int)HV_ARRAY_SIZE(with_loop);

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, the_exact_map_differs_by_nothing, 0, n);
	tcase_add_loop_test(tc, more_noise_in_the_map_is_more_error_in_the_loop, 0, n);
	tcase_add_loop_test(tc, a_map_that_fails_ends_the_loop, 0, n);
	tcase_add_test(tc, tasks_without_a_loop_and_namesakes_have_none);
	tcase_add_test(tc, the_motor_follows_its_set_points);
	tcase_add_test(tc, the_filter_knows_its_heading_better_than_the_magnetometer);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(loop_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
