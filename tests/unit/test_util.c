/* The hosted half of util: generator, JSON writer, files. */
#include "util/json_out.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static char dir[] = "/tmp/harvest-util-XXXXXX";
static char path[128], other[128];

static void in_new_dir(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
}

static void dir_away(void)
{
	unlink(path);
	unlink(other);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(generator_is_the_published_one)
{
	static const uint64_t seeded[4] = { 0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4,
					    0x06c45d188009454f, 0xf88bb8a8724c81ec };
	static const uint64_t drawn[5] = { 41943041, 58720359, 3588806011781223, 3591011842654386,
					   9228616714210784205u };
	struct hv_rng r;

	hv_rng_seed(&r, 0);
	for (int i = 0; i < 4; i++)
		ck_assert(r.s[i] == seeded[i]);
	r = (struct hv_rng){ { 1, 2, 3, 4 } };
	for (int i = 0; i < 5; i++)
		ck_assert(hv_rng_u64(&r) == drawn[i]);
}
END_TEST

START_TEST(draws_stay_in_range_and_have_the_moments_they_promise)
{
	enum { N = 200000 };
	double sum = 0, square = 0;
	unsigned count[7] = { 0 };
	struct hv_rng r;

	hv_rng_seed(&r, 3);
	for (int i = 0; i < N; i++) {
		double u = hv_rng_uniform(&r, -2, 3), x = hv_rng_normal(&r, 1, 2);

		ck_assert(u >= -2 && u < 3);
		count[hv_rng_below(&r, 7)]++;
		sum += x;
		square += (x - 1) * (x - 1);
	}
	for (int i = 0; i < 7; i++)
		ck_assert_double_eq_tol(count[i], N / 7.0, 6 * sqrt(N / 7.0));
	ck_assert_double_eq_tol(sum / N, 1, 0.03);
	ck_assert_double_eq_tol(square / N, 4, 0.1);
	ck_assert_uint_eq(hv_rng_below(&r, 1), 0);
}
END_TEST

/* clang-format off */
static const struct { const char *in, *out; } strings[] = {
	{ "plain", "\"plain\"\n" },
	{ "quote \" and \\ and \n", "\"quote \\\" and \\\\ and \\n\"\n" },
	{ "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"\n" },
	{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"\n" },
	{ "\xf0\x9f\x8c\xbe", "\"\xf0\x9f\x8c\xbe\"\n" },
	{ "cut \xc3", "\"cut \\ufffd\"\n" },
	{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"\n" }, /* surrogate */
	{ "\xc0\xaf", "\"\\ufffd\\ufffd\"\n" },            /* overlong */
	{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"\n" },
	{ NULL, "null\n" },
};
/* clang-format on */

START_TEST(json_strings_are_escaped_and_always_utf8)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct hv_json j = hv_json_begin(f);

	hv_json_str(&j, NULL, strings[_i].in);
	hv_json_finish(&j);
	fclose(f);
	ck_assert_str_eq(text, strings[_i].out);
	free(text);
}
END_TEST

START_TEST(json_places_commas_and_brackets)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct hv_json j = hv_json_begin(f);

	hv_json_object(&j, NULL);
	hv_json_array(&j, "empty");
	hv_json_end_array(&j);
	hv_json_array(&j, "a");
	hv_json_u64(&j, NULL, UINT64_MAX);
	hv_json_i64(&j, NULL, INT64_MIN);
	hv_json_object(&j, NULL);
	hv_json_end_object(&j);
	hv_json_end_array(&j);
	hv_json_f64(&j, "half", 0.5);
	hv_json_f64(&j, "nan", NAN);
	hv_json_f64(&j, "inf", -INFINITY);
	hv_json_bool(&j, "yes", true);
	hv_json_null(&j, "none");
	hv_json_end_object(&j);
	hv_json_finish(&j);
	fclose(f);
	ck_assert_str_eq(text,
			 "{\"empty\":[],\"a\":[18446744073709551615,-9223372036854775808,{}],"
			 "\"half\":0.5,\"nan\":null,\"inf\":null,\"yes\":true,\"none\":null}\n");
	free(text);
}
END_TEST

START_TEST(a_written_file_reads_back_and_replaces_the_old_one_whole)
{
	uint8_t *data = NULL;
	size_t n = 0;

	ck_assert_int_eq(hv_file_write(path, "old and longer", 14), HV_OK);
	ck_assert_int_eq(hv_file_write(path, "new", 3), HV_OK);
	ck_assert_int_eq(hv_file_read(path, 3, &data, &n), HV_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_mem_eq(data, "new", 3);
	free(data);
	ck_assert_int_eq(hv_file_write(path, "", 0), HV_OK);
	ck_assert_int_eq(hv_file_read(path, 3, &data, &n), HV_OK);
	ck_assert_uint_eq(n, 0);
	free(data);
}
END_TEST

START_TEST(a_written_file_honours_the_umask)
{
	struct stat st;
	mode_t before = umask(077);

	ck_assert_int_eq(hv_file_write(path, "x", 1), HV_OK);
	umask(before);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(writing_to_a_special_file_writes_into_it_and_does_not_replace_it)
{
	struct stat st;
	char got[4];
	int fd;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(hv_file_write(path, "abc", 3), HV_OK);
	ck_assert_int_eq(read(fd, got, sizeof(got)), 3);
	close(fd);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISFIFO(st.st_mode));
}
END_TEST

START_TEST(reading_refuses_what_is_missing_too_long_or_no_file)
{
	uint8_t *data = NULL;
	size_t n = 0;

	ck_assert_int_eq(hv_file_read(path, 9, &data, &n), HV_E_NOENT);
	ck_assert_int_eq(hv_file_read(dir, 9, &data, &n), HV_E_FORMAT);
	ck_assert_int_eq(hv_file_read("/dev/zero", 9, &data, &n), HV_E_FORMAT);
	ck_assert_int_eq(hv_file_write(path, "0123456789", 10), HV_OK);
	ck_assert_int_eq(hv_file_read(path, 9, &data, &n), HV_E_FORMAT);
	ck_assert_ptr_null(data);
	ck_assert_int_eq(hv_file_write("/nonexistent/file", "x", 1), HV_E_NOENT);
}
END_TEST

START_TEST(a_full_disk_is_told_as_such)
{
	ck_assert_int_eq(hv_file_write("/dev/full", "x", 1), HV_E_IO);
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(a_closed_standard_stream_is_never_the_next_file)
{
	int was_open = dup(STDOUT_FILENO), fd, wrote;

	ck_assert_int_ge(was_open, 0);
	close(STDOUT_FILENO);
	hv_std_streams_hold();
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	wrote = (int)write(STDOUT_FILENO, "x", 1);
	dup2(was_open, STDOUT_FILENO);
	close(was_open);
	ck_assert_int_gt(fd, STDERR_FILENO);
	close(fd);
	ck_assert_int_lt(wrote, 0);
}
END_TEST

START_TEST(a_pipe_is_read_to_its_end_and_no_further_than_the_cap)
{
	static uint8_t big[60000];
	uint8_t *data = NULL;
	size_t n = 0;
	int fds[2];

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pipe(fds), 0);
		ck_assert_int_eq(write(fds[1], big, sizeof(big)), sizeof(big));
		close(fds[1]);
		snprintf(other, sizeof(other), "/dev/fd/%d", fds[0]);
		ck_assert_int_eq(hv_file_read(other, sizeof(big) - (size_t)i, &data, &n),
				 i == 0 ? HV_OK : HV_E_FORMAT);
		close(fds[0]);
	}
	ck_assert_uint_eq(n, sizeof(big));
	free(data);
}
END_TEST

START_TEST(system_errors_map_to_our_codes)
{
	ck_assert_int_eq(hv_err_errno(0), HV_OK);
	ck_assert_int_eq(hv_err_errno(ENOENT), HV_E_NOENT);
	ck_assert_int_eq(hv_err_errno(EACCES), HV_E_DENIED);
	ck_assert_int_eq(hv_err_errno(EPIPE), HV_E_GONE);
	ck_assert_int_eq(hv_err_errno(99999), HV_E_IO);
}
END_TEST

static Suite *util_suite(void)
{
	Suite *s = suite_create("util");
	TCase *tc = tcase_create("memory"), *files = tcase_create("files");

	tcase_add_test(tc, generator_is_the_published_one);
	tcase_add_test(tc, draws_stay_in_range_and_have_the_moments_they_promise);
	tcase_add_loop_test(tc, json_strings_are_escaped_and_always_utf8, 0,
			    (int)HV_ARRAY_SIZE(strings));
	tcase_add_test(tc, json_places_commas_and_brackets);
	tcase_add_test(tc, system_errors_map_to_our_codes);
	tcase_add_checked_fixture(files, in_new_dir, dir_away);
	tcase_add_test(files, a_written_file_reads_back_and_replaces_the_old_one_whole);
	tcase_add_test(files, a_written_file_honours_the_umask);
	tcase_add_test(files, writing_to_a_special_file_writes_into_it_and_does_not_replace_it);
	tcase_add_test(files, reading_refuses_what_is_missing_too_long_or_no_file);
	tcase_add_test(files, a_full_disk_is_told_as_such);
	tcase_add_test(files, a_closed_standard_stream_is_never_the_next_file);
	tcase_add_test(files, a_pipe_is_read_to_its_end_and_no_further_than_the_cap);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, files);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(util_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
