/* Plug-ins, good and evil: whatever one does, this process lives on and knows why. */
#include "tasks/catalog.h"
#include "tasks/plugin.h"
#include "tasks/plugin_elf.h"
#include "util/own.h"
#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 2000 };

static const char *const evil = PLUGIN_DIR "/libevilplugin.so";
static const char *const thermistor = PLUGIN_DIR "/libthermistor.so";
static char why[PLUGIN_WHY_CAP];
static struct plugin *p;
static float in[RECORDS], in_again[RECORDS];
static double ref[RECORDS], weight[RECORDS];
static float exact[RECORDS];

static void setup(void)
{
	setenv("HARVEST_PLUGIN_HOST", HOST, 1);
	unsetenv("HARVEST_TEST_PLUGIN");
	p = NULL;
	why[0] = '\0';
}

static void teardown(void)
{
	plugin_close(p);
}

/* Waits are short: what hangs, hangs at once. Crashes under a sanitizer take longer. */
static int open_as(const char *kind)
{
	static const struct plugin_limits limits = { .open_ms = 5000, .call_ms = 400 };

	setenv("HARVEST_TEST_PLUGIN", kind, 1);
	return plugin_open(evil, &limits, &p, why, sizeof(why));
}

START_TEST(a_plug_in_is_described_sampled_and_answered)
{
	ck_assert_msg(open_as("") == HV_OK, "%s", why);
	ck_assert_str_eq(plugin_task(p)->name, "square");
	ck_assert_int_eq((int)plugin_task(p)->metric, HARVEST_NRMSE_RANGE);
	ck_assert_ptr_null((void *)plugin_task(p)->reference);
	ck_assert(!plugin_has_weight(p));
	ck_assert_int_eq(plugin_sample(p, 3, 10, RECORDS, in, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(plugin_sample(p, 3, 11, 5, in_again, why, sizeof(why)), HV_OK);
	ck_assert_mem_eq(in + 1, in_again, 5 * sizeof(*in));
	ck_assert_int_eq(plugin_reference(p, in, RECORDS, ref, exact, weight, why, sizeof(why)),
			 HV_OK);
	for (size_t i = 0; i < RECORDS; i++) {
		ck_assert(ref[i] == (double)in[i] * (double)in[i]);
		ck_assert(exact[i] == (float)ref[i] && weight[i] == 1);
	}
	ck_assert_int_eq(plugin_matrix(p, ref, why, sizeof(why)), HV_E_NOENT);
	ck_assert_msg(plugin_examine(p, 200, why, sizeof(why)) == HV_OK, "%s", why);
}
END_TEST

/* More records than the shared memory holds. */
START_TEST(batches_larger_than_the_shared_memory_are_cut)
{
	enum { MANY = 200000 };
	hv_autofree float *x = calloc(MANY, sizeof(*x));
	hv_autofree double *y = calloc(MANY, sizeof(*y));

	ck_assert_int_eq(open_as(""), HV_OK);
	ck_assert_int_eq(plugin_sample(p, 1, 0, MANY, x, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(plugin_sample(p, 1, MANY - 3, 3, in, why, sizeof(why)), HV_OK);
	ck_assert_mem_eq(x + MANY - 3, in, 3 * sizeof(*x));
	ck_assert_int_eq(plugin_reference(p, x, MANY, y, NULL, NULL, why, sizeof(why)), HV_OK);
	ck_assert(y[MANY - 1] == (double)x[MANY - 1] * (double)x[MANY - 1]);
}
END_TEST

START_TEST(the_template_is_a_valid_plug_in)
{
	int16_t reading[1] = { 2048 };
	double centi;

	ck_assert_msg(plugin_open(thermistor, NULL, &p, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_str_eq(plugin_task(p)->name, "thermistor");
	ck_assert_msg(plugin_examine(p, 1000, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_int_eq(plugin_reference(p, reading, 1, &centi, NULL, NULL, why, sizeof(why)),
			 HV_OK);
	ck_assert_msg(fabs(centi - 2500) < 1e-6, "%f", centi); /* half the voltage: 25 degrees */
	ck_assert_uint_eq(plugin_task(p)->domain_count, 1);
	ck_assert(plugin_task(p)->domain[0].lo == 200);
}
END_TEST

START_TEST(weights_and_matrices_come_from_the_worker)
{
	double m = 0;

	ck_assert_int_eq(open_as("weighs"), HV_OK);
	ck_assert(plugin_has_weight(p));
	ck_assert_int_eq(plugin_sample(p, 3, 0, 100, in, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(plugin_reference(p, in, 100, ref, NULL, weight, why, sizeof(why)), HV_OK);
	for (size_t i = 0; i < 100; i++)
		ck_assert(weight[i] == (ref[i] > 0.25));
	plugin_close(p);
	ck_assert_int_eq(open_as("linear"), HV_OK);
	ck_assert_int_eq(plugin_matrix(p, &m, why, sizeof(why)), HV_OK);
	ck_assert(m == 3);
}
END_TEST

START_TEST(a_plug_in_of_an_older_header_is_taken)
{
	ck_assert_msg(open_as("old header") == HV_OK, "%s", why);
	ck_assert(plugin_task(p)->range == 0 && plugin_task(p)->domain == NULL);
}
END_TEST

/* clang-format off */
static const struct {
	const char *kind;
	int err;
	const char *says;
} refused[] = {
	{ "null", HV_E_FORMAT, "NULL" },
	{ "no name", HV_E_FORMAT, "lacks" },
	{ "long name", HV_E_FORMAT, "longer than 31" },
	{ "bad name", HV_E_FORMAT, "'Bad?Name'" },
	{ "other abi", HV_E_VERSION, "version 99" },
	{ "tiny", HV_E_FORMAT, "size 16" },
	{ "no dimensions", HV_E_FORMAT, "0 dimensions" },
	{ "many dimensions", HV_E_FORMAT, "4000000000 dimensions" },
	{ "huge", HV_E_FORMAT, "at most 65536" },
	{ "bad type", HV_E_FORMAT, "unknown type 77" },
	{ "bad metric", HV_E_FORMAT, "unknown metric 77" },
	{ "linear without matrix", HV_E_FORMAT, "no matrix" },
	{ "matrix of other shape", HV_E_FORMAT, "2 by 1" },
	{ "endless domain", HV_E_FORMAT, "range 0 to inf" },
	{ "many ranges", HV_E_FORMAT, "2000 ranges" },
	{ "bad pointer", HV_E_GONE, "while it was loaded" },
	{ "crash at load", HV_E_GONE, "while it was loaded" },
};
/* clang-format on */

START_TEST(a_task_that_breaks_a_rule_is_refused_with_the_rule)
{
	int err = open_as(refused[_i].kind);

	ck_assert_msg(err == refused[_i].err, "%s: %d, %s", refused[_i].kind, err, why);
	ck_assert_msg(strstr(why, refused[_i].says) != NULL, "%s: %s", refused[_i].kind, why);
	ck_assert_ptr_nonnull(strstr(why, "libevilplugin.so"));
	ck_assert_ptr_null(p);
}
END_TEST

START_TEST(files_that_are_no_plug_in_are_refused)
{
	ck_assert_int_eq(plugin_open("/no/such.so", NULL, &p, why, sizeof(why)), HV_E_NOENT);
	ck_assert_ptr_nonnull(strstr(why, "/no/such.so"));
	ck_assert_int_eq(plugin_open("/", NULL, &p, why, sizeof(why)), HV_E_FORMAT);
	ck_assert_int_eq(plugin_open(HOST, NULL, &p, why, sizeof(why)), HV_E_FORMAT);
	ck_assert_int_eq(plugin_open(SRCDIR "/README.md", NULL, &p, why, sizeof(why)), HV_E_FORMAT);
	setenv("HARVEST_PLUGIN_HOST", "/no/such/program", 1);
	ck_assert_int_eq(plugin_open(evil, NULL, &p, why, sizeof(why)), HV_E_IO);
	ck_assert_ptr_nonnull(strstr(why, "/no/such/program"));
}
END_TEST

START_TEST(a_hang_at_load_ends_at_the_limit)
{
	static const struct plugin_limits limits = { .open_ms = 200 };

	setenv("HARVEST_TEST_PLUGIN", "hang at load", 1);
	ck_assert_int_eq(plugin_open(evil, &limits, &p, why, sizeof(why)), HV_E_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(why, "200 ms"));
}
END_TEST

/* clang-format off */
static const struct {
	const char *kind;
	int err;
	const char *says;
} broken[] = {
	{ "crash in sample", HV_E_GONE, "drew record 0 of stream 3" },
	{ "hang in sample", HV_E_TIMEOUT, "400 ms" },
	{ "nan sample", HV_E_WRONG, "record 5 of stream 3" },
	{ "crash in reference", HV_E_GONE, "answered record 0" },
	{ "hang in reference", HV_E_TIMEOUT, "400 ms" },
	{ "exit in reference", HV_E_GONE, "ended with code 7" },
	{ "nan answer", HV_E_WRONG, "finite" },
	{ "weight of two", HV_E_WRONG, "weight of record 0 is 2" },
	{ "closes the socket", HV_E_GONE, "" },
	{ "answers for itself", HV_E_GONE, "" },
};
/* clang-format on */

START_TEST(what_goes_wrong_in_a_call_is_told_by_that_call)
{
	int err = open_as(broken[_i].kind);

	ck_assert_msg(err == HV_OK, "%s", why);
	err = plugin_sample(p, 3, 0, 20, in, why, sizeof(why));
	if (err == HV_OK)
		err = plugin_reference(p, in, 20, ref, exact, weight, why, sizeof(why));
	ck_assert_msg(err == broken[_i].err, "%s: %d, %s", broken[_i].kind, err, why);
	ck_assert_msg(strstr(why, broken[_i].says) != NULL, "%s: %s", broken[_i].kind, why);
	ck_assert_ptr_nonnull(strstr(why, "libevilplugin.so"));
}
END_TEST

/* clang-format off */
static const struct {
	const char *kind, *says;
} examined[] = {
	{ "constant sample", "the same record" },
	{ "sample outside", "record 7 of stream 3 is 1.5, outside its domain of 0 to 1" },
	{ "random sample", "not the same when it is drawn again" },
	{ "sample by process", "not the same when it is drawn again" },
	{ "constant answer", "all the same" },
	{ "random answer", "two answers to record" },
	{ "nan answer", "finite" },
};
/* clang-format on */

START_TEST(an_examination_finds_broken_promises)
{
	int err = open_as(examined[_i].kind);

	ck_assert_int_eq(err, HV_OK);
	err = plugin_examine(p, 300, why, sizeof(why));
	ck_assert_msg(err == HV_E_WRONG, "%s: %d, %s", examined[_i].kind, err, why);
	ck_assert_msg(strstr(why, examined[_i].says) != NULL, "%s: %s", examined[_i].kind, why);
}
END_TEST

START_TEST(a_matrix_of_nan_is_refused)
{
	double m;

	ck_assert_int_eq(open_as("nan matrix"), HV_OK);
	ck_assert_int_eq(plugin_matrix(p, &m, why, sizeof(why)), HV_E_WRONG);
}
END_TEST

/* The 50th answer of every worker is its last. */
START_TEST(a_crashed_worker_is_replaced_so_often_and_then_no_more)
{
	int lost = 0, err = HV_OK;

	ck_assert_int_eq(open_as("crash once in a while"), HV_OK);
	ck_assert_int_eq(plugin_sample(p, 3, 0, 30, in, why, sizeof(why)), HV_OK);
	for (int i = 0; i < 40 && strstr(why, "given up") == NULL; i++) {
		err = plugin_reference(p, in, 30, ref, NULL, NULL, why, sizeof(why));
		lost += err != HV_OK;
		if (err == HV_OK)
			ck_assert(ref[29] == (double)in[29] * (double)in[29]);
	}
	ck_assert_int_eq(err, HV_E_GONE);
	ck_assert_int_eq(lost, PLUGIN_RESTARTS_MAX + 2); /* each worker once, then refused */
	ck_assert_ptr_nonnull(strstr(why, "given up after 4 workers"));
	ck_assert_int_eq(plugin_sample(p, 3, 0, 1, in, why, sizeof(why)), HV_E_GONE);
}
END_TEST

START_TEST(shared_memory_cannot_be_cut_under_the_owner)
{
	ck_assert_int_eq(open_as("cuts the memory"), HV_OK);
	ck_assert_int_eq(plugin_sample(p, 3, 0, 20, in, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(plugin_reference(p, in, 20, ref, NULL, NULL, why, sizeof(why)), HV_OK);
	ck_assert(ref[3] == (double)in[3] * (double)in[3]); /* ftruncate() was refused */
}
END_TEST

static const char *const jailed[] = { "forks",          "starts a program", "reads a file",
				      "opens a socket", "kills its owner",  "makes code" };

START_TEST(a_plug_in_is_kept_from_files_processes_and_sockets)
{
	ck_assert_msg(open_as(jailed[_i]) == HV_OK, "%s", why);
	ck_assert_int_eq(plugin_sample(p, 3, 0, 2, in, why, sizeof(why)), HV_OK);
	ck_assert_msg(plugin_reference(p, in, 2, ref, NULL, NULL, why, sizeof(why)) == HV_OK,
		      "%s: %s", jailed[_i], why);
	ck_assert_msg(ref[1] == (double)in[1] * (double)in[1], "%s worked", jailed[_i]);
}
END_TEST

START_TEST(a_plug_in_writes_no_file_while_it_is_loaded)
{
	ck_assert_msg(open_as("writes a file at load") == HV_OK, "%s", why);
	ck_assert_int_ne(access("plug-in-was-here", F_OK), 0);
}
END_TEST

/* ---- from memory ---- */

static uint8_t *thermistor_bytes(size_t *len)
{
	uint8_t *bytes = NULL;

	ck_assert_int_eq(hv_file_read(thermistor, 64u << 20, &bytes, len), HV_OK);
	return bytes;
}

static double half_voltage(struct plugin *of)
{
	int16_t reading = 2048;
	double centi = 0;

	ck_assert_msg(plugin_reference(of, &reading, 1, &centi, NULL, NULL, why, sizeof(why)) ==
			      HV_OK,
		      "%s", why);
	return centi;
}

START_TEST(code_in_memory_is_as_good_as_a_file)
{
	size_t len, left;
	hv_autofree uint8_t *elf = thermistor_bytes(&len);
	struct plugin *again = NULL;

	left = plugin_elf_trim(elf, len);
	ck_assert_uint_le(left, len);
	ck_assert_msg(plugin_open_code(elf, left, "code of a test", NULL, &p, why, sizeof(why)) ==
			      HV_OK,
		      "%s", why);
	memset(elf, 0, len); /* it has a copy */
	ck_assert_str_eq(plugin_path(p), "code of a test");
	ck_assert(!plugin_is_file(p) && plugin_of(plugin_task(p)) == p);
	ck_assert_msg(fabs(half_voltage(p) - 2500) < 1e-6, "wrong answer");
	for (int i = 0; i < 3 * PLUGIN_RESTARTS_MAX; i++) { /* a rest is no crash */
		plugin_rest(p);
		ck_assert(half_voltage(p) > 2499);
	}
	ck_assert_int_eq(plugin_open_again(p, &again, why, sizeof(why)), HV_OK);
	plugin_close(p);
	p = again;
	ck_assert(half_voltage(p) > 2499);
}
END_TEST

START_TEST(code_that_is_cut_is_refused_before_it_is_loaded)
{
	size_t len, left;
	hv_autofree uint8_t *elf = thermistor_bytes(&len);

	ck_assert_msg(plugin_elf_check(elf, len, why, sizeof(why)) == HV_OK, "%s", why);
	left = plugin_elf_trim(elf, len);
	ck_assert_msg(plugin_elf_check(elf, left, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_uint_eq(plugin_elf_trim(elf, left), left);
	for (size_t n = 0; n < left; n += n < 1024 ? 1 : 97) {
		/* of exactly this size, for tools that watch memory */
		hv_autofree uint8_t *cut = malloc(n > 0 ? n : 1);

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, elf, n);
		ck_assert_int_eq(plugin_elf_check(cut, n, why, sizeof(why)), HV_E_FORMAT);
	}
}
END_TEST

/* clang-format off */
static const struct {
	size_t at;
	uint8_t value;
	int err;
	const char *says;
} patched[] = {
	{ 0, 'M', HV_E_FORMAT, "no shared object" },
	{ 4, 3, HV_E_FORMAT, "class" },
	{ 5, 0, HV_E_FORMAT, "byte order" },
	{ 16, 2, HV_E_FORMAT, "-shared" }, /* e_type: ET_EXEC */
	{ 18, 243, HV_E_VERSION, "compiled for riscv64" },
	{ 18, 1, HV_E_VERSION, "unknown machine" },
	{ 54, 1, HV_E_FORMAT, "program headers" }, /* e_phentsize of ELF64 */
};
/* clang-format on */

START_TEST(code_with_a_wrong_header_is_refused_with_the_reason)
{
	size_t len;
	hv_autofree uint8_t *elf = thermistor_bytes(&len);
	int err;

	if (elf[4] != 2) /* offsets are those of 64 bits */
		return;
	elf[patched[_i].at] = patched[_i].value;
	err = plugin_open_code(elf, len, "it", NULL, &p, why, sizeof(why));
	ck_assert_msg(err == patched[_i].err, "%d: %s", err, why);
	ck_assert_msg(strstr(why, patched[_i].says) != NULL, "%s", why);
}
END_TEST

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

START_TEST(nothing_is_left_open_by_failures)
{
	static const char *const kinds[] = { "bad name", "crash at load", "", "crash in sample" };
	size_t before;

	(void)open_as("");
	plugin_close(p);
	p = NULL;
	before = open_descriptors();
	for (size_t i = 0; i < HV_ARRAY_SIZE(kinds); i++) {
		if (open_as(kinds[i]) == HV_OK)
			(void)!plugin_sample(p, 1, 0, 3, in, why, sizeof(why));
		plugin_close(p);
		p = NULL;
	}
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

static Suite *plugin_suite(void)
{
	Suite *s = suite_create("plugin");
	TCase *good = tcase_create("good");
	TCase *bad = tcase_create("evil");

	tcase_add_checked_fixture(good, setup, teardown);
	tcase_set_timeout(good, 60);
	tcase_add_test(good, a_plug_in_is_described_sampled_and_answered);
	tcase_add_test(good, batches_larger_than_the_shared_memory_are_cut);
	tcase_add_test(good, the_template_is_a_valid_plug_in);
	tcase_add_test(good, weights_and_matrices_come_from_the_worker);
	tcase_add_test(good, a_plug_in_of_an_older_header_is_taken);
	suite_add_tcase(s, good);

	tcase_add_checked_fixture(bad, setup, teardown);
	tcase_set_timeout(bad, 60);
	tcase_add_loop_test(bad, a_task_that_breaks_a_rule_is_refused_with_the_rule, 0,
			    (int)HV_ARRAY_SIZE(refused));
	tcase_add_test(bad, files_that_are_no_plug_in_are_refused);
	tcase_add_test(bad, a_hang_at_load_ends_at_the_limit);
	tcase_add_loop_test(bad, a_plug_in_is_kept_from_files_processes_and_sockets, 0,
			    (int)HV_ARRAY_SIZE(jailed));
	tcase_add_test(bad, a_plug_in_writes_no_file_while_it_is_loaded);
	tcase_add_test(good, code_in_memory_is_as_good_as_a_file);
	tcase_add_test(bad, code_that_is_cut_is_refused_before_it_is_loaded);
	tcase_add_loop_test(bad, code_with_a_wrong_header_is_refused_with_the_reason, 0,
			    (int)HV_ARRAY_SIZE(patched));
	tcase_add_loop_test(bad, what_goes_wrong_in_a_call_is_told_by_that_call, 0,
			    (int)HV_ARRAY_SIZE(broken));
	tcase_add_loop_test(bad, an_examination_finds_broken_promises, 0,
			    (int)HV_ARRAY_SIZE(examined));
	tcase_add_test(bad, a_matrix_of_nan_is_refused);
	tcase_add_test(bad, a_crashed_worker_is_replaced_so_often_and_then_no_more);
	tcase_add_test(bad, shared_memory_cannot_be_cut_under_the_owner);
	tcase_add_test(bad, nothing_is_left_open_by_failures);
	suite_add_tcase(s, bad);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(plugin_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
