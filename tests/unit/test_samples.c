#include "client/ctl/in/samples.h"
#include "client/ctl/out.h"
#include "util/own.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct samples s;
static struct reason why;
static bool converted;
static uint32_t records;

static const struct harvest_tensor q15_pairs = { HARVEST_S16, 2, { 2, 2 } };

static void setup(void)
{
	s = (struct samples){ .data = NULL };
	why.text[0] = '\0';
}

static void teardown(void)
{
	samples_free(&s);
}

/* -- npy --------------------------------------------------------------------------------- */

static size_t npy_make(uint8_t *to, const char *dict, const void *data, size_t n)
{
	size_t d = strlen(dict);

	memcpy(to, "\x93NUMPY\x01\x00", 8);
	to[8] = (uint8_t)d;
	to[9] = (uint8_t)(d >> 8);
	memcpy(to + 10, dict, d);
	memcpy(to + 10 + d, data, n);
	return 10 + d + n;
}

static const int16_t eight[8] = { 1, -2, 3, -4, 5, -6, 7, -8 };

START_TEST(an_npy_file_gives_its_shape_and_samples)
{
	uint8_t file[512];
	size_t n =
		npy_make(file, "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2, 2), }\n",
			 eight, sizeof(eight));

	ck_assert_int_eq(npy_parse(file, n, &s, &why), HV_OK);
	ck_assert_uint_eq(s.ndim, 3);
	ck_assert_uint_eq(s.shape[2], 2);
	ck_assert_int_eq(s.dtype, HARVEST_S16);
	ck_assert_mem_eq(s.data, eight, sizeof(eight));
	ck_assert_int_eq(samples_to_records(&s, &q15_pairs, &records, &converted, &why), HV_OK);
	ck_assert_uint_eq(records, 2);
	ck_assert(!converted);
}
END_TEST

START_TEST(an_npy_file_cut_anywhere_is_refused)
{
	uint8_t file[512];
	size_t n = npy_make(file, "{'descr': '<i2', 'fortran_order': False, 'shape': (8,), }\n",
			    eight, sizeof(eight));

	for (size_t cut = 0; cut < n; cut++) {
		hv_autofree uint8_t *own = malloc(cut ? cut : 1);

		memcpy(own, file, cut);
		ck_assert_msg(npy_parse(own, cut, &s, &why) == HV_E_FORMAT, "cut at %zu", cut);
		ck_assert_ptr_nonnull(strstr(why.text, "npy file"));
		ck_assert_ptr_null(s.data);
	}
}
END_TEST

/* clang-format off */
static const struct {
	const char *dict, *says;
} bad_npy[] = {
	{ "{'descr': '>i2', 'fortran_order': False, 'shape': (8,)}", ">i2" },
	{ "{'descr': '|O', 'fortran_order': False, 'shape': (8,)}", "|O" },
	{ "{'descr': '<i2', 'fortran_order': True, 'shape': (4,2)}", "Fortran" },
	{ "{'descr': '<i2', 'fortran_order': False, 'shape': (9,)}", "truncated" },
	{ "{'descr': '<i2', 'fortran_order': False, 'shape': (7,)}", "too long" },
	{ "{'descr': '<i2', 'fortran_order': False, 'shape': (0,)}", "too long" },
	{ "{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296,4294967296,4294967296)}", "truncated" },
	{ "{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999999999999,)}", "malformed" },
	{ "{'descr': '<i2', 'fortran_order': False, 'shape': (2,2,2,1)}", "malformed" },
	{ "{'descr': '<i2', 'fortran_order': False, 'shape': (-8,)}", "malformed" },
	{ "{'descr': '<i2', 'fortran_order': False}", "malformed" },
	{ "{'descr': '<i2', 'descr': '<i2', 'fortran_order': False, 'shape': (8,)}", "malformed" },
	{ "{'descr': '<i2', 'fortran_order': Maybe, 'shape': (8,)}", "malformed" },
	{ "{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (8,)}", "malformed" },
	{ "{'descr': '<i2' 'fortran_order': False, 'shape': (8,)}", "malformed" },
	{ "", "malformed" },
};
/* clang-format on */

START_TEST(a_bad_npy_header_is_refused_with_its_cause)
{
	uint8_t file[512];
	size_t n = npy_make(file, bad_npy[_i].dict, eight, sizeof(eight));

	ck_assert_msg(npy_parse(file, n, &s, &why) == HV_E_FORMAT, "%s", bad_npy[_i].dict);
	ck_assert_msg(strstr(why.text, bad_npy[_i].says) != NULL, "%s: %s", bad_npy[_i].dict,
		      why.text);
}
END_TEST

/* -- text -------------------------------------------------------------------------------- */

static int csv(const char *text)
{
	return csv_parse((const uint8_t *)text, strlen(text), &s, &why);
}

START_TEST(text_gives_rows_and_columns_whatever_separates_them)
{
	ck_assert_int_eq(csv("a,b\n# remark\n1, 2\n\n3;4\r\n5\t6"), HV_OK);
	ck_assert_uint_eq(s.ndim, 2);
	ck_assert_uint_eq(s.shape[0], 3);
	ck_assert_uint_eq(s.shape[1], 2);
	ck_assert(s.whole);
	ck_assert_double_eq(((double *)(void *)s.data)[5], 6);
}
END_TEST

START_TEST(whole_numbers_of_a_text_become_samples_unscaled)
{
	ck_assert_int_eq(csv("-32768,32767,0,1\n"), HV_OK);
	ck_assert_int_eq(samples_to_records(&s, &q15_pairs, &records, &converted, &why), HV_OK);
	ck_assert_uint_eq(records, 1);
	ck_assert(!converted);
	ck_assert_int_eq(((int16_t *)(void *)s.data)[0], -32768);
	ck_assert_int_eq(((int16_t *)(void *)s.data)[1], 32767);
}
END_TEST

/* clang-format off */
static const struct {
	const char *text, *says;
} bad_csv[] = {
	{ "1,2\n3\n", "line 2" },
	{ "1,x\n", "column 2" },
	{ "1,,2\n", "column 2" },
	{ "0x10\n", "no number" },
	{ "1 2 3abc\n", "column 3" },
	{ "", "no numbers" },
	{ "# only a remark\n", "no numbers" },
	{ "1\n\x01\n", "line 2" },
};
/* clang-format on */

START_TEST(bad_text_is_refused_with_its_place)
{
	ck_assert_msg(csv(bad_csv[_i].text) == HV_E_FORMAT, "%s", bad_csv[_i].text);
	ck_assert_msg(strstr(why.text, bad_csv[_i].says) != NULL, "%s: %s", bad_csv[_i].text,
		      why.text);
}
END_TEST

/* -- types and shapes -------------------------------------------------------------------- */

static void doubles(const double *v, size_t n)
{
	s = (struct samples){ .kind = "test", .dtype = HARVEST_F64, .ndim = 1, .bytes = n * 8 };
	s.shape[0] = n;
	s.data = malloc(s.bytes);
	memcpy(s.data, v, s.bytes);
}

START_TEST(floating_point_becomes_q15_to_the_nearest_step)
{
	static const double v[] = { 0,           -1,           0.5,         0.99999,
				    1.4 / 32768, -1.6 / 32768, 1.5 / 32768, -1.5 / 32768 };
	static const int16_t want[] = { 0, -32768, 16384, 32767, 1, -2, 2, -2 };

	doubles(v, HV_ARRAY_SIZE(v));
	ck_assert_int_eq(samples_to_records(&s, &q15_pairs, &records, &converted, &why), HV_OK);
	ck_assert(converted);
	ck_assert_uint_eq(records, 2);
	ck_assert_mem_eq(s.data, want, sizeof(want));
}
END_TEST

START_TEST(samples_that_are_no_finite_numbers_are_named)
{
	double v[] = { 0, 0.5, 0.25, 0, 0, 0, 0, 0 };
	static const double bad[] = { NAN, INFINITY, -INFINITY, 1.0, -1.001, 7 };

	v[5] = bad[_i];
	doubles(v, HV_ARRAY_SIZE(v));
	ck_assert_int_eq(samples_to_records(&s, &q15_pairs, &records, &converted, &why),
			 HV_E_FORMAT);
	ck_assert_ptr_nonnull(strstr(why.text, "sample 5"));
}
END_TEST

START_TEST(a_nan_is_refused_also_where_the_task_takes_floats)
{
	static const struct harvest_tensor f64 = { HARVEST_F64, 1, { 2 } };
	double v[] = { 0, NAN };

	doubles(v, 2);
	ck_assert_int_eq(samples_to_records(&s, &f64, &records, &converted, &why), HV_E_FORMAT);
	ck_assert_ptr_nonnull(strstr(why.text, "sample 1"));
}
END_TEST

START_TEST(an_integer_of_another_type_is_refused)
{
	static const struct harvest_tensor u8 = { HARVEST_U8, 1, { 2 } };

	ck_assert_int_eq(raw_parse((const uint8_t *)eight, sizeof(eight), HARVEST_S16, &s, &why),
			 HV_OK);
	ck_assert_int_eq(samples_to_records(&s, &u8, &records, &converted, &why), HV_E_FORMAT);
	ck_assert_ptr_nonnull(strstr(why.text, "int16"));
	ck_assert_ptr_nonnull(strstr(why.text, "uint8"));
}
END_TEST

/* clang-format off */
static const struct {
	uint32_t ndim;
	uint64_t shape[4];
	uint32_t records; /* of int16[4,2]; 0: refused */
} shapes[] = {
	{ 1, { 16 }, 2 },        { 2, { 2, 8 }, 2 },    { 3, { 2, 4, 2 }, 2 },
	{ 2, { 8, 2 }, 2 },      { 2, { 4, 2 }, 1 },    { 4, { 1, 2, 4, 2 }, 2 },
	{ 1, { 12 }, 0 },        { 2, { 4, 4 }, 0 },    { 3, { 2, 2, 4 }, 0 },
	{ 2, { 2, 2 }, 0 },      { 3, { 4, 2, 2 }, 0 }, { 2, { 16, 1 }, 0 },
};
/* clang-format on */

START_TEST(shapes_that_are_records_are_taken_and_others_are_shown)
{
	static const struct harvest_tensor t = { HARVEST_S16, 2, { 4, 2 } };
	uint64_t n = 1;
	int err;

	for (uint32_t i = 0; i < shapes[_i].ndim; i++)
		n *= shapes[_i].shape[i];
	s = (struct samples){ .kind = "test", .dtype = HARVEST_S16, .ndim = shapes[_i].ndim };
	memcpy(s.shape, shapes[_i].shape, sizeof(s.shape));
	s.bytes = n * 2;
	s.data = calloc(1, s.bytes);
	err = samples_to_records(&s, &t, &records, &converted, &why);
	ck_assert_msg(err == (shapes[_i].records ? HV_OK : HV_E_FORMAT), "row %d: %s", _i,
		      why.text);
	if (err == HV_OK)
		ck_assert_uint_eq(records, shapes[_i].records);
	else
		ck_assert_ptr_nonnull(strstr(why.text, "int16[4,2]"));
}
END_TEST

START_TEST(a_tensor_is_read_from_its_text)
{
	struct harvest_tensor t;

	ck_assert(tensor_parse("int16[256,2]", &t));
	ck_assert_int_eq(t.dtype, HARVEST_S16);
	ck_assert_uint_eq(t.ndim, 2);
	ck_assert_uint_eq(t.shape[0], 256);
	ck_assert(tensor_parse("float32[1]", &t));
	ck_assert(!tensor_parse("int16", &t));
	ck_assert(!tensor_parse("int16[]", &t));
	ck_assert(!tensor_parse("int16[0]", &t));
	ck_assert(!tensor_parse("int16[-1]", &t));
	ck_assert(!tensor_parse("int16[2,2,2,2]", &t));
	ck_assert(!tensor_parse("int16[2", &t));
	ck_assert(!tensor_parse("int16[2]x", &t));
	ck_assert(!tensor_parse("int17[2]", &t));
	ck_assert(!tensor_parse("averyverylongtypename[2]", &t));
}
END_TEST

/* -- job files --------------------------------------------------------------------------- */

static void job_make(uint8_t **file, size_t *len)
{
	struct job_file j = {
		.task = "fft2", .records = 2, .in = q15_pairs, .has_budget = true, .max_error = 60
	};

	j.samples.data = malloc(sizeof(eight));
	memcpy(j.samples.data, eight, sizeof(eight));
	j.samples.bytes = sizeof(eight);
	ck_assert_int_eq(job_file_build(&j, "test.wav", file, len), HV_OK);
	samples_free(&j.samples);
}

START_TEST(a_job_file_reads_as_it_was_written)
{
	hv_autofree uint8_t *file = NULL;
	struct job_file j;
	size_t len;

	job_make(&file, &len);
	ck_assert(job_file_is(file, len));
	ck_assert_int_eq(job_file_parse(file, len, &j, &why), HV_OK);
	ck_assert_str_eq(j.task, "fft2");
	ck_assert_uint_eq(j.records, 2);
	ck_assert(j.has_budget && j.max_error == 60 && !j.has_deadline);
	ck_assert_uint_eq(j.samples.ndim, 3);
	ck_assert_mem_eq(j.samples.data, eight, sizeof(eight));
	samples_free(&j.samples);
}
END_TEST

START_TEST(a_job_file_cut_or_prolonged_anywhere_is_refused)
{
	hv_autofree uint8_t *file = NULL;
	struct job_file j;
	size_t len;

	job_make(&file, &len);
	for (size_t cut = 4; cut < len; cut++) {
		hv_autofree uint8_t *own = malloc(cut);

		memcpy(own, file, cut);
		ck_assert_msg(job_file_parse(own, cut, &j, &why) == HV_E_FORMAT, "cut at %zu", cut);
		ck_assert_ptr_nonnull(strstr(why.text, "job file"));
		ck_assert_ptr_null(j.samples.data);
	}
	file = realloc(file, len + 1);
	file[len] = 0;
	ck_assert_int_eq(job_file_parse(file, len + 1, &j, &why), HV_E_FORMAT);
	ck_assert_ptr_nonnull(strstr(why.text, "too long"));
}
END_TEST

/* -- results ----------------------------------------------------------------------------- */

static const char *const outs[] = { "t.npy", "t.csv", "t.bin" };

START_TEST(results_written_to_a_file_read_back_the_same)
{
	static const struct harvest_tensor t = { HARVEST_S16, 2, { 2, 2 } };
	char folder[] = "/tmp/harvest-out.XXXXXX", path[64];
	struct job_file job;
	bool is_job;
	int dtype = strcmp(outs[_i], "t.bin") == 0 ? HARVEST_S16 : 0;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, outs[_i]);
	ck_assert(out_name_ok(path));
	ck_assert_int_eq(out_write(path, &t, 2, eight, &why), HV_OK);
	ck_assert_msg(samples_load(path, (enum harvest_dtype)dtype, &job, &is_job, &why) == HV_OK,
		      "%s", why.text);
	ck_assert(!is_job);
	s = job.samples;
	if (strcmp(outs[_i], "t.npy") == 0) {
		ck_assert_uint_eq(s.ndim, 3);
		ck_assert_uint_eq(s.shape[0], 2);
	}
	ck_assert_int_eq(samples_to_records(&s, &t, &records, &converted, &why), HV_OK);
	ck_assert_uint_eq(records, 2);
	ck_assert_mem_eq(s.data, eight, sizeof(eight));
	unlink(path);
	rmdir(folder);
}
END_TEST

START_TEST(results_that_cannot_be_written_name_the_file)
{
	static const struct harvest_tensor t = { HARVEST_S16, 1, { 8 } };

	ck_assert(!out_name_ok("x.wav") && !out_name_ok("npy") && out_name_ok("-"));
	ck_assert_int_eq(out_write("/no/such/folder/x.npy", &t, 1, eight, &why), HV_E_IO);
	ck_assert_ptr_nonnull(strstr(why.text, "/no/such/folder/x.npy"));
}
END_TEST

static Suite *samples_suite(void)
{
	Suite *suite = suite_create("samples");
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_npy_file_gives_its_shape_and_samples);
	tcase_add_test(tc, an_npy_file_cut_anywhere_is_refused);
	tcase_add_loop_test(tc, a_bad_npy_header_is_refused_with_its_cause, 0,
			    HV_ARRAY_SIZE(bad_npy));
	tcase_add_test(tc, text_gives_rows_and_columns_whatever_separates_them);
	tcase_add_test(tc, whole_numbers_of_a_text_become_samples_unscaled);
	tcase_add_loop_test(tc, bad_text_is_refused_with_its_place, 0, HV_ARRAY_SIZE(bad_csv));
	tcase_add_test(tc, floating_point_becomes_q15_to_the_nearest_step);
	tcase_add_loop_test(tc, samples_that_are_no_finite_numbers_are_named, 0, 6);
	tcase_add_test(tc, a_nan_is_refused_also_where_the_task_takes_floats);
	tcase_add_test(tc, an_integer_of_another_type_is_refused);
	tcase_add_loop_test(tc, shapes_that_are_records_are_taken_and_others_are_shown, 0,
			    HV_ARRAY_SIZE(shapes));
	tcase_add_test(tc, a_tensor_is_read_from_its_text);
	tcase_add_test(tc, a_job_file_reads_as_it_was_written);
	tcase_add_test(tc, a_job_file_cut_or_prolonged_anywhere_is_refused);
	tcase_add_loop_test(tc, results_written_to_a_file_read_back_the_same, 0,
			    HV_ARRAY_SIZE(outs));
	tcase_add_test(tc, results_that_cannot_be_written_name_the_file);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *sr = srunner_create(samples_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
