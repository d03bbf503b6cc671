/* The tasks on a few numbers against oracles of their own: identities, integration, the
 * interval-overlap test; and what every built-in task says of itself. */
#include "tasks/builtin.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- what tasks say of themselves ---- */

START_TEST(samples_stay_in_the_domain_that_the_task_names)
{
	const struct harvest_task *t = task_at((size_t)_i);
	size_t n = tensor_elements(&t->in);
	static uint8_t in[4 * 4356];
	static double x[4356];

	ck_assert(t->domain_count == 1 || t->domain_count == n);
	for (uint64_t index = 0; index < (n > 1000 ? 12 : 200); index++) {
		t->sample(3, index, in);
		tensor_to_double(&t->in, in, x);
		for (size_t i = 0; i < n; i++) {
			const struct harvest_range *d = &t->domain[t->domain_count == 1 ? 0 : i];

			ck_assert_msg(x[i] >= d->lo && x[i] <= d->hi, "%s: element %zu is %g",
				      t->name, i, x[i]);
		}
	}
}
END_TEST

START_TEST(range_is_that_of_the_test_set)
{
	const struct harvest_task *t = task_at((size_t)_i);
	bool ranged = t->metric == HARVEST_NRMSE_RANGE || t->metric == HARVEST_WORST_PART;
	double lo = INFINITY, hi = -INFINITY, out[64];
	uint8_t in[256];

	ck_assert(ranged == (t->range > 0));
	for (uint64_t index = 0; t->range > 0 && index < 16384; index++) {
		t->sample(3, index, in);
		t->reference(in, out);
		for (size_t i = 0; i + t->tail < tensor_elements(&t->out); i++) {
			lo = fmin(lo, out[i]);
			hi = fmax(hi, out[i]);
		}
	}
	ck_assert_msg(t->range == 0 || fabs((hi - lo) / t->range - 1) < 1e-3, "%s: %f", t->name,
		      hi - lo);
}
END_TEST

START_TEST(costs_have_a_method_and_marks_the_right_order)
{
	const struct harvest_task *t = task_at((size_t)_i);

	ck_assert_uint_gt(t->cpu_cycles, 0);
	ck_assert(strlen(t->cpu_method) > 20);
	if (t->metric == HARVEST_SNR_DB)
		ck_assert(t->pass > 0 && t->goal > t->pass);
	else
		ck_assert(t->goal <= t->pass);
	for (uint32_t i = 0; i < t->encoding_count; i++)
		ck_assert_uint_le(3 * (t->encodings[i].pre_cycles + t->encodings[i].post_cycles),
				  t->cpu_cycles);
}
END_TEST

START_TEST(encodings_lose_nothing)
{
	const struct harvest_task *t = task_at((size_t)_i);
	double exact[4], back[4], features[64], values[64];
	uint8_t in[256];

	for (uint32_t e = 0; e < t->encoding_count; e++) {
		const struct harvest_encoding *enc = &t->encodings[e];

		for (uint64_t index = 0; index < 1000; index++) {
			t->sample(3, index, in);
			t->reference(in, exact);
			enc->pre(in, features);
			enc->target(in, exact, values);
			enc->post(in, values, back);
			ck_assert(isfinite(features[0]) && isfinite(values[0]));
			ck_assert(fabs(back[0] - exact[0]) < 1e-11);
		}
	}
}
END_TEST

/* ---- arm ---- */

START_TEST(forward_of_inverse_is_where_the_hand_was)
{
	int16_t xy[2], t[2];
	double joints[2], hand[2];

	for (uint64_t index = 0; index < 2000; index++) {
		inversek2j_sample(3, index, xy);
		inversek2j_reference(xy, joints);
		ck_assert(joints[0] >= -1 && joints[0] <= 16386 && joints[1] >= 0 &&
			  joints[1] <= 16386);
		t[0] = (int16_t)lround(joints[0]);
		t[1] = (int16_t)lround(joints[1]);
		forwardk2j_reference(t, hand);
		/* half a step of an angle is .5 pi / 32768 of at most the arm's length, twice */
		ck_assert_msg(fabs(hand[0] - xy[0]) < 5 && fabs(hand[1] - xy[1]) < 5,
			      "%d, %d came back as %.1f, %.1f", xy[0], xy[1], hand[0], hand[1]);
	}
}
END_TEST

START_TEST(arm_positions_that_are_known)
{
	/* clang-format off */
	static const struct {
		int16_t t[2];
		double x, y;
	} pose[] = {
		{ { 0, 0 }, 32767, 0 },              /* stretched out: 1 does not fit q15 */
		{ { 16384, 0 }, 0, 32767 },
		{ { 0, 16384 }, 16384, 16384 },
		{ { 8192, 16384 }, 0, 23170.475 },   /* 45 and 135 degrees */
		{ { 16384, 16384 }, -16384, 16384 },
	};
	/* clang-format on */
	double got[2];

	for (size_t i = 0; i < HV_ARRAY_SIZE(pose); i++) {
		int16_t xy[2] = { (int16_t)lround(pose[i].x), (int16_t)lround(pose[i].y) };

		forwardk2j_reference(pose[i].t, got);
		ck_assert(fabs(got[0] - pose[i].x) < 0.01 && fabs(got[1] - pose[i].y) < 0.01);
		inversek2j_reference(xy, got); /* near the stretched arm one step of x is much */
		ck_assert_msg(fabs(got[0] - pose[i].t[0]) < 90, "pose %zu: %f", i, got[0]);
		ck_assert_msg(fabs(got[1] - pose[i].t[1]) < 180, "pose %zu: %f", i, got[1]);
	}
	inversek2j_reference((int16_t[2]){ INT16_MAX, INT16_MAX }, got); /* out of reach */
	ck_assert(got[1] == 0 && fabs(got[0] - 8192) < 1e-6);
}
END_TEST

/* ---- kmeans ---- */

START_TEST(distance_is_symmetric_zero_on_itself_and_largest_from_black_to_white)
{
	uint8_t in[6], turned[6];
	double d, back;

	for (uint64_t index = 0; index < 500; index++) {
		kmeans_sample(3, index, in);
		memcpy(turned, in + 3, 3);
		memcpy(turned + 3, in, 3);
		kmeans_reference(in, &d);
		kmeans_reference(turned, &back);
		ck_assert(d == back);
		ck_assert(fabs(d / 64 - hypot(hypot(in[0] - in[3], in[1] - in[4]), in[2] - in[5])) <
			  1e-9);
	}
	kmeans_reference((uint8_t[6]){ 9, 8, 7, 9, 8, 7 }, &d);
	ck_assert(d == 0);
	kmeans_reference((uint8_t[6]){ 0, 0, 0, 255, 255, 255 }, &d);
	ck_assert(fabs(d - 64 * 255 * sqrt(3)) < 1e-6 && d < INT16_MAX);
}
END_TEST

/* ---- blackscholes ---- */

/* Discounted expectation of what exercise pays, by Simpson's rule over the normal deviate. */
static double integrated(const float *o)
{
	enum { STEPS = 20000 };
	double years = (double)o[4],
	       drift = ((double)o[2] - (double)o[3] * (double)o[3] / 2) * years;
	double spread = (double)o[3] * sqrt(years), sum = 0;

	for (int i = 0; i <= STEPS; i++) {
		double z = -10 + 20.0 * i / STEPS;
		double end = (double)o[0] * exp(drift + spread * z);
		double pays = o[5] >= 0.5f ? (double)o[1] - end : end - (double)o[1];
		double weight = i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2;

		sum += weight * fmax(pays, 0) * exp(-z * z / 2);
	}
	return exp(-(double)o[2] * years) * sum * (20.0 / STEPS / 3) / sqrt(2 * M_PI);
}

START_TEST(option_price_is_the_discounted_expectation)
{
	float o[6];
	double got;

	blackscholes_sample(5, (uint64_t)_i, o);
	blackscholes_reference(o, &got);
	ck_assert_msg(fabs(got - integrated(o)) < 1e-4, "%f, not %f", got, integrated(o));
}
END_TEST

START_TEST(option_calls_and_puts_are_at_parity_and_limits_are_finite)
{
	float o[6];
	double call, put;

	for (uint64_t index = 0; index < 300; index++) {
		blackscholes_sample(5, index, o);
		o[5] = 0;
		blackscholes_reference(o, &call);
		o[5] = 1;
		blackscholes_reference(o, &put);
		ck_assert(fabs(call - put - (double)o[0] +
			       (double)o[1] * exp(-(double)o[2] * (double)o[4])) < 1e-9);
	}
	blackscholes_reference((float[6]){ 100, 90, 0.05f, 0.3f, 0, 0 }, &call);
	ck_assert(call == 10);
	blackscholes_reference((float[6]){ 0, 90, 0.05f, 0.3f, 1, 0 }, &call);
	ck_assert(call == 0);
	blackscholes_reference((float[6]){ 100, 90, 0.05f, 0, 1, 1 }, &put);
	ck_assert(put == 0);
}
END_TEST

START_TEST(option_weights_leave_out_a_seventh_as_described)
{
	size_t counted = 0, puts = 0;
	float o[6];
	double v;

	for (uint64_t index = 0; index < 16384; index++) {
		blackscholes_sample(3, index, o);
		blackscholes_reference(o, &v);
		counted += blackscholes_weight(o, &v) == 1;
		puts += o[5] == 1;
	}
	ck_assert_msg(fabs((double)counted / 16384 - 0.86) < 0.02, "%zu", counted);
	ck_assert(fabs((double)puts / 16384 - 0.5) < 0.02);
}
END_TEST

/* ---- jmeint ---- */

struct vec {
	long double v[3];
};

static struct vec cross(struct vec a, struct vec b)
{
	return (struct vec){ { a.v[1] * b.v[2] - a.v[2] * b.v[1], a.v[2] * b.v[0] - a.v[0] * b.v[2],
			       a.v[0] * b.v[1] - a.v[1] * b.v[0] } };
}

static struct vec sub(struct vec a, struct vec b)
{
	return (struct vec){ { a.v[0] - b.v[0], a.v[1] - b.v[1], a.v[2] - b.v[2] } };
}

static long double dot(struct vec a, struct vec b)
{
	return a.v[0] * b.v[0] + a.v[1] * b.v[1] + a.v[2] * b.v[2];
}

/* Where t crosses the plane through p with normal n, as positions along `line`: false when it
 * does not, and the two ends. */
static bool interval(const struct vec t[3], struct vec p, struct vec n, struct vec line,
		     long double ends[2])
{
	int found = 0;

	for (int i = 0; i < 3; i++) {
		int j = (i + 1) % 3;
		long double a = dot(n, sub(t[i], p)), b = dot(n, sub(t[j], p)), pi, pj;

		if ((a > 0) == (b > 0) || found == 2)
			continue;
		pi = dot(line, t[i]);
		pj = dot(line, t[j]);
		ends[found++] = pi + (pj - pi) * a / (a - b);
	}
	return found == 2;
}

static bool overlap(const struct vec a[3], const struct vec b[3])
{
	struct vec na = cross(sub(a[1], a[0]), sub(a[2], a[0]));
	struct vec nb = cross(sub(b[1], b[0]), sub(b[2], b[0])), line = cross(na, nb);
	long double ea[2], eb[2];

	if (!interval(a, b[0], nb, line, ea) || !interval(b, a[0], na, line, eb))
		return false;
	return fmaxl(ea[0], ea[1]) >= fminl(eb[0], eb[1]) &&
	       fmaxl(eb[0], eb[1]) >= fminl(ea[0], ea[1]);
}

START_TEST(triangles_meet_where_their_intervals_overlap)
{
	size_t meeting = 0;

	for (uint64_t index = 0; index < 16384; index++) {
		struct vec t[6];
		int16_t x[18];
		double got;

		jmeint_sample(3, index, x);
		jmeint_reference(x, &got);
		for (int i = 0; i < 18; i++)
			t[i / 3].v[i % 3] = x[i];
		ck_assert_msg(got == (double)overlap(t, t + 3), "pair %llu",
			      (unsigned long long)index);
		meeting += got == 1;
	}
	ck_assert_msg(fabs((double)meeting / 16384 - 0.276) < 0.01, "%zu", meeting);
}
END_TEST

/* clang-format off */
static const struct {
	const char *story;
	int16_t x[18];
	double meet;
} pair[] = {
	{ "one plane, apart", { 0,0,5, 9,0,5, 0,9,5,   20,20,5, 29,20,5, 20,29,5 }, 0 },
	{ "one plane, over each other", { 0,0,5, 9,0,5, 0,9,5,   1,1,5, 29,1,5, 1,29,5 }, 1 },
	{ "one plane, inside", { 0,0,5, 90,0,5, 0,90,5,   5,5,5, 9,5,5, 5,9,5 }, 1 },
	{ "one plane, a corner on an edge", { 0,0,5, 8,0,5, 0,8,5,   4,4,5, 29,4,5, 29,29,5 }, 1 },
	{ "parallel planes", { 0,0,5, 9,0,5, 0,9,5,   0,0,6, 9,0,6, 0,9,6 }, 0 },
	{ "a corner in the other's middle", { 0,0,5, 90,0,5, 0,90,5,   20,20,5, 29,20,9, 20,29,9 }, 1 },
	{ "a corner in the other's plane, beside it",
	  { 0,0,5, 90,0,5, 0,90,5,   80,80,5, 29,20,9, 20,29,9 }, 0 },
	{ "the same triangle", { 1,2,3, 40,5,6, 7,80,9,   1,2,3, 40,5,6, 7,80,9 }, 1 },
	{ "one corner in common", { 1,2,3, 40,5,6, 7,80,9,   1,2,3, -40,-5,-6, -7,-80,-9 }, 1 },
	{ "an edge through the other", { 0,0,0, 90,0,0, 0,90,0,   10,10,-5, 10,10,5, 90,90,5 }, 1 },
	{ "a needle through the other", { 0,0,0, 90,0,0, 0,90,0,   10,10,-5, 10,10,5, 10,10,5 }, 1 },
	{ "a needle past the other", { 0,0,0, 90,0,0, 0,90,0,   60,60,-5, 60,60,5, 60,60,5 }, 0 },
	{ "a needle above the other", { 0,0,0, 90,0,0, 0,90,0,   10,10,1, 20,20,1, 20,20,1 }, 0 },
	{ "a point in the other", { 0,0,0, 90,0,0, 0,90,0,   10,10,0, 10,10,0, 10,10,0 }, 1 },
	{ "a point above the other", { 0,0,0, 90,0,0, 0,90,0,   10,10,1, 10,10,1, 10,10,1 }, 0 },
	{ "two needles past each other", { 0,0,0, 9,9,9, 9,9,9,   0,9,1, 9,0,9, 9,0,9 }, 0 },
	{ "two needles that cross", { 0,0,0, 8,8,8, 8,8,8,   0,8,4, 8,0,4, 8,0,4 }, 1 },
	{ "all ends of the range",
	  { -32768,-32768,-32768, 32767,32767,-32768, 32767,-32768,32767,
	    -32768,32767,32767, 32767,-32768,-32768, -32768,-32768,32767 }, 1 },
};
/* clang-format on */

START_TEST(triangles_that_touch_or_lie_in_one_plane_are_told_right)
{
	int16_t turned[18];
	double got, back;

	jmeint_reference(pair[_i].x, &got);
	memcpy(turned, pair[_i].x + 9, 9 * sizeof(*turned));
	memcpy(turned + 9, pair[_i].x, 9 * sizeof(*turned));
	jmeint_reference(turned, &back);
	ck_assert_msg(got == pair[_i].meet, "%s: %g", pair[_i].story, got);
	ck_assert_msg(back == got, "%s: the other way round %g", pair[_i].story, back);
}
END_TEST

START_TEST(every_second_balanced_pair_meets)
{
	int16_t x[18];
	double got;

	for (uint64_t index = 0; index < 200; index++) {
		jmeint_balanced_sample(3, index, x);
		jmeint_reference(x, &got);
		ck_assert(got == (double)(index % 2));
	}
}
END_TEST

/* ---- control ---- */

/* u in volt, from the law as it is written down, in SI units */
static double law(double e, double i, double w)
{
	double kp = 0.05 + 0.10 / (1 + pow(e / 40, 2));
	double u = kp * e + i + 0.045 * w + 1.1 / 0.045 * (1.5e-5 * w + 0.012 * tanh(w / 5));

	return u > 24 ? 24 : u < -24 ? -24 : u;
}

START_TEST(speed_law_is_as_written_odd_and_clipped)
{
	size_t clipped = 0, small = 0;
	double u, back;
	int16_t x[3];

	for (uint64_t index = 0; index < 4000; index++) {
		speed_sample(3, index, x);
		speed_reference(x, &u);
		ck_assert(fabs(u / 1024 - law(x[0] / 64.0, x[1] / 2048.0, x[2] / 64.0)) < 1e-9);
		for (int i = 0; i < 3; i++)
			x[i] = (int16_t)-x[i];
		speed_reference(x, &back);
		ck_assert(back == -u);
		clipped += fabs(u) == 24 * 1024;
		small += abs(x[0]) < 40 * 64;
	}
	/* .6 of the errors are N(0,12), .4 are U(-400,400) of which a tenth is below 40 */
	ck_assert_msg(fabs((double)small / 4000 - 0.64) < 0.03, "%zu", small);
	ck_assert_msg(clipped > 100 && clipped < 600, "%zu", clipped);
}
END_TEST

START_TEST(heading_is_the_angle_whose_tangent_is_given)
{
	static const int16_t axis[][3] = { { 100, 0, 0 },       { 100, 100, 8192 },
					   { 0, 100, 16384 },   { -100, 0, INT16_MAX },
					   { 0, -100, -16384 }, { 0, 0, 0 } };
	int16_t m[2];
	double a;

	for (size_t i = 0; i < HV_ARRAY_SIZE(axis); i++) {
		heading_reference(axis[i], &a);
		ck_assert(fabs(a - axis[i][2]) < 1e-9);
	}
	for (uint64_t index = 0; index < 2000; index++) {
		double strength;

		heading_sample(3, index, m);
		heading_reference(m, &a);
		strength = hypot(m[0], m[1]) / 16384;
		ck_assert(m[1] >= 0 && m[1] <= m[0] && strength > 0.65 && strength < 1.4);
		ck_assert(fabs(tan(a / 32768 * M_PI) * m[0] - m[1]) < 1e-6);
	}
}
END_TEST

static Suite *points_suite(void)
{
	Suite *s = suite_create("tasks on points");
	TCase *say = tcase_create("descriptions");
	TCase *def = tcase_create("definitions");
	int all = (int)task_count();

	tcase_set_timeout(say, 60);

	tcase_add_loop_test(say, samples_stay_in_the_domain_that_the_task_names, 0, all);
	tcase_add_loop_test(say, range_is_that_of_the_test_set, 0, all);
	tcase_add_loop_test(say, costs_have_a_method_and_marks_the_right_order, 0, all);
	tcase_add_loop_test(say, encodings_lose_nothing, 0, all);
	suite_add_tcase(s, say);

	tcase_add_test(def, forward_of_inverse_is_where_the_hand_was);
	tcase_add_test(def, arm_positions_that_are_known);
	tcase_add_test(def, distance_is_symmetric_zero_on_itself_and_largest_from_black_to_white);
	tcase_add_loop_test(def, option_price_is_the_discounted_expectation, 0, 60);
	tcase_add_test(def, option_calls_and_puts_are_at_parity_and_limits_are_finite);
	tcase_add_test(def, option_weights_leave_out_a_seventh_as_described);
	tcase_add_test(def, triangles_meet_where_their_intervals_overlap);
	tcase_add_loop_test(def, triangles_that_touch_or_lie_in_one_plane_are_told_right, 0,
			    (int)HV_ARRAY_SIZE(pair));
	tcase_add_test(def, every_second_balanced_pair_meets);
	tcase_add_test(def, speed_law_is_as_written_odd_and_clipped);
	tcase_add_test(def, heading_is_the_angle_whose_tangent_is_given);
	suite_add_tcase(s, def);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(points_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
