/* Calibration files of the cost model. */
#include "accel/cost/calibration.h"
#include "accel/arch.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct cnn_calibration c;
static char why[200];

static void setup(void)
{
	cnn_calibration_default(&c);
	why[0] = '\0';
}

static int parse(const char *text)
{
	return cnn_calibration_parse(text, strlen(text), &c, why, sizeof why);
}

START_TEST(every_default_has_a_source_and_agrees_with_the_architecture)
{
	for (unsigned k = 0; k < CNN_CAL_KEYS; k++) {
		ck_assert_uint_gt(strlen(cnn_calibration_source(k)), 10);
		ck_assert(!c.measured[k]);
	}
	ck_assert_double_eq(c.value[CNN_CAL_bus_write_ns], CNN_BUS_WRITE_NS);
	ck_assert_double_eq(c.value[CNN_CAL_bus_read_ns], CNN_BUS_READ_NS);
	ck_assert_double_eq(c.value[CNN_CAL_cnn_hz], CNN_CLOCK_HZ);
}
END_TEST

START_TEST(values_replace_defaults_one_by_one)
{
	ck_assert_msg(parse("# board 7\n\n  bus_write_ns = 281.5 # measured\r\nstatic_mw=3e-1") ==
			      HV_OK,
		      "%s", why);
	ck_assert_double_eq(c.value[CNN_CAL_bus_write_ns], 281.5);
	ck_assert_double_eq(c.value[CNN_CAL_static_mw], 0.3);
	ck_assert(c.measured[CNN_CAL_bus_write_ns] && c.measured[CNN_CAL_static_mw]);
	ck_assert(!c.measured[CNN_CAL_bus_read_ns]);
	ck_assert_double_eq(c.value[CNN_CAL_bus_read_ns], CNN_BUS_READ_NS);
}
END_TEST

START_TEST(what_is_wrong_is_named_with_its_line)
{
	static const struct {
		const char *text, *line, *about;
	} bad[] = {
		{ "bus_write_ns = 300\nbus_writes = 3\n", "line 2", "'bus_writes'" },
		{ "\n\nbus_write_ns 300\n", "line 3", "key = value" },
		{ "bus_write_ns = \n", "line 1", "not a decimal number" },
		{ "bus_write_ns = 300 ns\n", "line 1", "not a decimal number" },
		{ "bus_write_ns = nan\n", "line 1", "not a decimal number" },
		{ "bus_write_ns = 0x10\n", "line 1", "not a decimal number" },
		{ "bus_write_ns = -1\n", "line 1", "outside 1 to" },
		{ "cnn_hz = 1e999\n", "line 1", "outside 1000 to 5e+07" },
		{ "cnn_hz = 2e7\ncnn_hz = 2e7\n", "line 2", "twice" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct cnn_calibration before = c;

		ck_assert_int_eq(parse(bad[i].text), HV_E_FORMAT);
		ck_assert_msg(strstr(why, bad[i].line) != NULL && strstr(why, bad[i].about) != NULL,
			      "'%s' should name %s and %s", why, bad[i].line, bad[i].about);
		ck_assert_mem_eq(c.value, before.value, sizeof c.value);
	}
	ck_assert_int_eq(cnn_calibration_parse("a\0b", 3, &c, why, sizeof why), HV_E_FORMAT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("calibration");
	TCase *t = tcase_create("text");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, every_default_has_a_source_and_agrees_with_the_architecture);
	tcase_add_test(t, values_replace_defaults_one_by_one);
	tcase_add_test(t, what_is_wrong_is_named_with_its_line);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
