#include "accel/package/support.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct support_axis x = {
	.kind = SUPPORT_ELEMENT, .element = 0, .lo = -100, .hi = 100
};
static const struct support_axis y = { .kind = SUPPORT_ELEMENT, .element = 1, .lo = 0, .hi = 50 };

/* Two elements of a record, in one view. */
static struct support *plane(unsigned side)
{
	struct support *s = support_new(HARVEST_F32, 3, side);

	ck_assert_int_eq(support_axis_add(s, &x), 0);
	ck_assert_int_eq(support_axis_add(s, &y), 1);
	ck_assert_int_eq(support_view_add(s, 0, 1), 0);
	return s;
}

static bool holds(const struct support *s, float a, float b)
{
	float record[3] = { a, b, 0 };

	return support_outside(s, record, 1) == 1;
}

static void mark(struct support *s, float a, float b)
{
	float record[3] = { a, b, 0 };

	support_mark(s, record);
}

START_TEST(a_record_is_inside_where_one_was_marked)
{
	struct support *s = plane(10); /* cells of 20 by 5 */

	mark(s, 10, 12);
	ck_assert(holds(s, 0, 10));
	ck_assert(holds(s, 19.9f, 14.9f));
	ck_assert(!holds(s, 20, 12));
	ck_assert(!holds(s, 10, 15));
	mark(s, 100, 50); /* the end of an axis is in its last cell */
	ck_assert(holds(s, 100, 50));
	ck_assert(holds(s, 81, 46));
	support_free(s);
}
END_TEST

START_TEST(a_value_beyond_its_axis_or_without_one_is_outside)
{
	struct support *s = plane(4);

	for (float a = -99; a < 100; a += 2)
		for (float b = 1; b < 50; b += 2)
			mark(s, a, b);
	ck_assert_uint_eq(support_view_marked(s, &s->view[0]), 16);
	ck_assert(holds(s, -100, 0));
	ck_assert(!holds(s, -100.5f, 0));
	ck_assert(!holds(s, 0, 50.5f));
	ck_assert(!holds(s, NAN, 10));
	ck_assert(!holds(s, 0, INFINITY));
	support_free(s);
}
END_TEST

START_TEST(an_axis_of_next_to_no_width_has_cells_too)
{
	struct support *s = support_new(HARVEST_F64, 1, 4);
	const struct support_axis thin = { .kind = SUPPORT_ELEMENT, .lo = 0, .hi = 0x1p-1073 };
	const double end[] = { 0, 0x1p-1073, 0x1p-1072 };
	uint8_t cell;

	ck_assert_int_eq(support_axis_add(s, &thin), 0);
	for (int i = 0; i < 2; i++) {
		support_cells(s, &end[i], &cell);
		ck_assert_uint_lt(cell, 4);
	}
	support_cells(s, &end[2], &cell);
	ck_assert_uint_eq(cell, SUPPORT_NO_CELL);
	support_free(s);
}
END_TEST

START_TEST(the_first_record_outside_is_told)
{
	struct support *s = plane(10);
	float records[5][3] = { { 10, 12, 0 }, { 11, 12, 0 }, { 50, 12, 0 }, { 10, 12, 0 } };

	mark(s, 10, 12);
	ck_assert_uint_eq(support_outside(s, records, 5), 2);
	ck_assert_uint_eq(support_outside(s, records, 2), 2);
	ck_assert_uint_eq(support_outside(s, records, 0), 0);
	support_free(s);
}
END_TEST

static bool cell(const struct support *s, unsigned c, unsigned r)
{
	uint8_t at[2] = { (uint8_t)c, (uint8_t)r };

	return support_view_holds(s, 0, at);
}

START_TEST(growing_keeps_what_is_marked_and_the_hull_is_convex)
{
	struct support *s = plane(16);
	bool was[16][16];
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)_i);
	for (int k = 0; k < 2 + _i % 7; k++)
		mark(s, (float)hv_rng_uniform(&r, -100, 100), (float)hv_rng_uniform(&r, 0, 50));
	for (unsigned c = 0; c < 16; c++)
		for (unsigned q = 0; q < 16; q++)
			was[c][q] = cell(s, c, q);
	if (_i % 2 == 0)
		support_fill(s);
	else
		ck_assert_int_eq(support_dilate(s), HV_OK);
	for (unsigned c = 0; c < 16; c++)
		for (unsigned q = 0; q < 16; q++)
			ck_assert(!was[c][q] || cell(s, c, q));
	/* The middle of two marked cells is marked, where it is a cell. */
	for (unsigned a = 0; _i % 2 == 0 && a < 256; a++)
		for (unsigned b = a; b < 256; b++)
			if ((a + b) % 2 == 0 && (a / 16 + b / 16) % 2 == 0 &&
			    cell(s, a % 16, a / 16) && cell(s, b % 16, b / 16))
				ck_assert(cell(s, (a % 16 + b % 16) / 2, (a / 16 + b / 16) / 2));
	support_free(s);
}
END_TEST

START_TEST(one_cell_more_on_every_side)
{
	struct support *s = plane(10);

	mark(s, 10, 12); /* column 5, row 2 */
	ck_assert_int_eq(support_dilate(s), HV_OK);
	ck_assert_uint_eq(support_view_marked(s, &s->view[0]), 9);
	for (unsigned c = 4; c <= 6; c++)
		for (unsigned r = 1; r <= 3; r++)
			ck_assert(cell(s, c, r));
	support_free(s);
}
END_TEST

/* A record of every type with the same whole numbers. */
static void store(enum harvest_dtype t, const int *v, size_t n, void *to)
{
	for (size_t i = 0; i < n; i++)
		switch (t) {
		case HARVEST_S8: ((int8_t *)to)[i] = (int8_t)v[i]; break;
		case HARVEST_U8: ((uint8_t *)to)[i] = (uint8_t)v[i]; break;
		case HARVEST_S16: ((int16_t *)to)[i] = (int16_t)v[i]; break;
		case HARVEST_U16: ((uint16_t *)to)[i] = (uint16_t)v[i]; break;
		case HARVEST_S32: ((int32_t *)to)[i] = v[i]; break;
		case HARVEST_F32: ((float *)to)[i] = (float)v[i]; break;
		case HARVEST_F64: ((double *)to)[i] = v[i]; break;
		}
}

START_TEST(statistics_are_the_same_whatever_the_type)
{
	const int v[5] = { 3, 100, 100, 0, 47 };
	const double mean = 50, square = (9 + 10000 + 10000 + 2209) / 5.0;
	const double step = (97 * 97 + 100 * 100 + 47 * 47) / 4.0;
	struct support *s = support_new((enum harvest_dtype)_i, 5, 8);
	struct support_axis a = { .kind = SUPPORT_MEAN };
	double buffer[5], lo;

	store((enum harvest_dtype)_i, v, 5, buffer);
	ck_assert_double_eq_tol(support_value(s, &a, buffer), mean, 1e-12);
	a.kind = SUPPORT_LEVEL;
	ck_assert_double_eq_tol(support_value(s, &a, buffer), sqrt(square), 1e-12);
	a.kind = SUPPORT_SPREAD;
	a.floor = 1;
	lo = floor(log2(1 + square - mean * mean)); /* straight from one power to the next */
	ck_assert_double_eq_tol(support_value(s, &a, buffer),
				lo - 1 + (1 + square - mean * mean) / exp2(lo), 1e-12);
	a.kind = SUPPORT_STEP;
	lo = floor(log2(1 + step));
	ck_assert_double_eq_tol(support_value(s, &a, buffer), lo - 1 + (1 + step) / exp2(lo),
				1e-12);
	support_free(s);
}
END_TEST

static struct support *example(void)
{
	struct support *s = plane(9);
	const struct support_axis level = { .kind = SUPPORT_LEVEL, .lo = 0, .hi = 64 };
	struct hv_rng r;

	ck_assert_int_eq(support_axis_add(s, &level), 2);
	ck_assert_int_eq(support_view_add(s, 2, 2), 1);
	hv_rng_seed(&r, 3);
	for (int k = 0; k < 20; k++)
		mark(s, (float)hv_rng_uniform(&r, -50, 50), (float)hv_rng_uniform(&r, 0, 50));
	return s;
}

START_TEST(a_blob_holds_all_of_it)
{
	struct support *s = example(), *back = NULL;
	uint8_t *blob = NULL, *again = NULL;
	size_t len = 0, len2 = 0;
	char why[300] = "", text[200];

	ck_assert_int_eq(support_encode(s, &blob, &len), HV_OK);
	ck_assert_msg(support_parse(blob, len, HARVEST_F32, 3, &back, why, sizeof(why)) == HV_OK,
		      "%s", why);
	ck_assert_int_eq(support_encode(back, &again, &len2), HV_OK);
	ck_assert_uint_eq(len, len2);
	ck_assert_mem_eq(blob, again, len);
	for (float a = -100; a < 100; a += 7)
		for (float b = 0; b < 50; b += 3)
			ck_assert_int_eq(holds(s, a, b), holds(back, a, b));
	ck_assert_str_eq(support_text(back, text, 16), "9 cells a side;");
	support_text(back, text, sizeof(text));
	ck_assert_msg(strstr(text, "x0*x1") != NULL && strstr(text, "level") != NULL, "%s", text);
	support_free(s);
	support_free(back);
	free(blob);
	free(again);
}
END_TEST

/* clang-format off */
static const struct {
	const char *name;
	size_t at;
	uint8_t byte;
	int err;
	const char *word;
} hostile[] = {
	{ "another version", 0, 2, HV_E_VERSION, "version 2" },
	{ "one cell", 1, 1, HV_E_FORMAT, "cells a side" },
	{ "too many cells", 1, 65, HV_E_FORMAT, "cells a side" },
	{ "no axes", 2, 0, HV_E_FORMAT, "0 axes" },
	{ "too many axes", 2, 33, HV_E_FORMAT, "33 axes" },
	{ "no views", 4, 0, HV_E_FORMAT, "0 views" },
	{ "more views than there are", 4, 3, HV_E_FORMAT, "view 2" },
	{ "fewer views than there are", 4, 1, HV_E_FORMAT, "too many" },
	{ "a kind that is not known", 8, 9, HV_E_FORMAT, "kind 9" },
	{ "an element beyond the record", 12, 3, HV_E_FORMAT, "element 3" },
	{ "an element of a statistic", 8 + 2 * 32 + 4, 1, HV_E_FORMAT, "names element 1" },
	{ "an endless range", 23, 0x7f, HV_E_FORMAT, "no range" },
	{ "a view of an axis beyond", 8 + 3 * 32, 3, HV_E_FORMAT, "axes 3" },
};
/* clang-format on */

START_TEST(a_hostile_blob_is_refused_with_a_reason)
{
	struct support *s = example(), *back = NULL;
	uint8_t *blob = NULL;
	size_t len = 0;
	char why[300] = "";
	int r;

	ck_assert_int_eq(support_encode(s, &blob, &len), HV_OK);
	for (size_t n = 0; n < len; n++) {
		ck_assert_int_eq(support_parse(blob, n, HARVEST_F32, 3, &back, why, sizeof(why)),
				 HV_E_FORMAT);
		ck_assert_str_ne(why, "");
	}
	blob[hostile[_i].at] = hostile[_i].byte;
	if (hostile[_i].at == 23)
		blob[22] = 0xf0;
	r = support_parse(blob, len, HARVEST_F32, 3, &back, why, sizeof(why));
	ck_assert_msg(r == hostile[_i].err && strstr(why, hostile[_i].word) != NULL, "%s: %d, %s",
		      hostile[_i].name, r, why);
	support_free(s);
	free(blob);
}
END_TEST

static Suite *support_suite(void)
{
	Suite *s = suite_create("support");
	TCase *tc = tcase_create("views");

	tcase_add_test(tc, a_record_is_inside_where_one_was_marked);
	tcase_add_test(tc, a_value_beyond_its_axis_or_without_one_is_outside);
	tcase_add_test(tc, an_axis_of_next_to_no_width_has_cells_too);
	tcase_add_test(tc, the_first_record_outside_is_told);
	tcase_add_loop_test(tc, growing_keeps_what_is_marked_and_the_hull_is_convex, 0, 40);
	tcase_add_test(tc, one_cell_more_on_every_side);
	tcase_add_loop_test(tc, statistics_are_the_same_whatever_the_type, HARVEST_S8,
			    HARVEST_F64 + 1);
	tcase_add_test(tc, a_blob_holds_all_of_it);
	tcase_add_loop_test(tc, a_hostile_blob_is_refused_with_a_reason, 0,
			    sizeof(hostile) / sizeof(hostile[0]));
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(support_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
