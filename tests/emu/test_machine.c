/* The machine under a small firmware of its own: the harness that judges images is judged. */
#include "tests/emu/m78k/machine.h"
#include "tests/emu/m78k/symbols.h"
#include "util/own.h"
#include <check.h>
#include <inttypes.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };
#define MS UINT64_C(1000000)

static struct machine *m;
static uint8_t *image, *elf;
static size_t image_bytes, elf_bytes;
static char said[8192];

static struct machine_options options(void)
{
	struct machine_options o = { .image = image, .image_bytes = image_bytes, .unit = 7 };

	return o;
}

static void begin_with(const struct machine_options *o)
{
	char why[200];

	ck_assert_msg(machine_new(o, &m, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_int_eq(machine_run(m, 2 * MS), HV_OK);
}

static void begin(void)
{
	struct machine_options o;

	ck_assert_int_eq(hv_file_read(TINY_BIN, FILE_MAX, &image, &image_bytes), HV_OK);
	ck_assert_int_eq(hv_file_read(TINY_ELF, FILE_MAX, &elf, &elf_bytes), HV_OK);
	o = options();
	begin_with(&o);
}

static void end(void)
{
	machine_free(m);
	free(image);
	free(elf);
}

static void run_ms(uint64_t ms)
{
	size_t n = strlen(said);

	ck_assert_int_eq(machine_run(m, machine_now_ns(m) + ms * MS), HV_OK);
	n += machine_drain(m, (uint8_t *)said + n, sizeof(said) - 1 - n);
	said[n] = 0;
}

static const char *ask(const char *command, uint64_t ms)
{
	said[0] = 0;
	ck_assert_uint_eq(machine_feed(m, (const uint8_t *)command, strlen(command)),
			  strlen(command));
	run_ms(ms);
	return said;
}

static uint32_t told(const char *name)
{
	const char *at = strstr(said, name);

	ck_assert_msg(at != NULL, "no \"%s\" in \"%s\"", name, said);
	return (uint32_t)strtoul(at + strlen(name), NULL, 16);
}

static void silent(void)
{
	ck_assert_msg(machine_counters(m)->violations == 0, "%s", machine_counters(m)->violation);
	ck_assert_uint_eq(machine_counters(m)->unknown, 0);
	ck_assert_uint_eq(machine_misuse(m), 0);
}

START_TEST(starts_at_100_mhz_and_answers)
{
	ask("v", 5);
	ck_assert_uint_eq(told("boots"), 1);
	ck_assert_uint_eq(told("wdt"), 0);
	ck_assert_uint_eq(machine_clock_hz(m), 100000000);
	silent();
}
END_TEST

START_TEST(systick_counts_milliseconds_of_modelled_time)
{
	uint32_t first;

	ask("t", 5);
	first = told("ticks");
	run_ms(1000);
	ask("t", 5);
	ck_assert_uint_ge(told("ticks") - first, 1004);
	ck_assert_uint_le(told("ticks") - first, 1006);
	silent();
}
END_TEST

START_TEST(bytes_take_their_time_both_ways)
{
	char long_text[200];

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	long_text[0] = 'e';
	long_text[1] = (char)(sizeof(long_text) - 3);
	ask(long_text, 1); /* at 10 us a byte, 100 bytes at most */
	ck_assert_uint_ge(strlen(said), 85);
	ck_assert_uint_le(strlen(said), 100);
	run_ms(3);
	ck_assert_uint_eq(strlen(said), sizeof(long_text) - 3);
	ck_assert_uint_eq(machine_counters(m)->rx_overruns, 0);
	silent();
}
END_TEST

START_TEST(deaf_handler_loses_bytes_and_they_are_counted)
{
	ask("se", 0);
	ask("0123456789abcdefghijklmnopqrstuvwxyz", 5);
	ck_assert_uint_gt(machine_counters(m)->rx_overruns, 10);
}
END_TEST

START_TEST(primask_holds_interrupts_back_and_none_is_lost)
{
	ask("m", 20);
	ck_assert_uint_eq(told("during"), 0);
	ck_assert_uint_eq(told("after"), 1); /* SysTick pends once */
	silent();
}
END_TEST

START_TEST(basepri_holds_back_what_is_not_more_urgent)
{
	ask("b", 20);
	ck_assert_uint_eq(told("during"), 0);
	ck_assert_uint_eq(told("after"), 1);
	silent();
}
END_TEST

START_TEST(urgent_interrupt_enters_a_less_urgent_one)
{
	ask("q", 20);
	ck_assert_uint_eq(told("nested"), 2);
	silent();
}
END_TEST

START_TEST(floating_point_survives_interrupts)
{
	ask("f", 50);
	ck_assert_uint_gt(machine_counters(m)->interrupts, 10);
	/* the same sum on the host, by the same single-precision steps */
	volatile float x = 1.0f;

	for (unsigned i = 0; i < 100000; i++)
		x = x * 1.0001f;
	ck_assert_uint_eq(told("float"), (uint32_t)(x * 16));
	silent();
}
END_TEST

START_TEST(accelerator_without_power_is_a_bus_fault_that_restarts_the_image)
{
	ask("n", 5);
	ck_assert_uint_eq(machine_counters(m)->faults, 1);
	ck_assert_uint_eq(machine_counters(m)->resets, 1);
	ck_assert(strstr(machine_counters(m)->violation, "50400000") != NULL);
	ask("v", 5);
	ck_assert_uint_eq(told("boots"), 2);
	ck_assert_uint_eq(told("wdt"), 0);
}
END_TEST

START_TEST(inference_takes_its_cycles_and_wakes_the_core)
{
	uint32_t awake;

	ask("p", 5);
	ck_assert_str_eq(said, "on\n");
	ask("i", 50);
	ck_assert_uint_eq(told("done"), 1);
	awake = told("awake");
	/* the counter stands still in sleep: far less than the inference took */
	ck_assert_uint_gt(awake, 0);
	ck_assert_uint_lt(awake, 5000);
	ask("i", 50);
	ck_assert_uint_eq(told("done"), 2);
	ck_assert_uint_eq(machine_counters(m)->runs, 2);
	ck_assert_uint_eq(machine_counters(m)->run_aborts, 0);
}
END_TEST

START_TEST(activations_are_seen_by_the_addresses_of_the_bracket)
{
	struct machine_options o = options();
	char line[200] = "";
	uint64_t start, stop, asked, hash, want = UINT64_C(0xcbf29ce484222325);

	ck_assert_int_eq(elf_symbol(elf, elf_bytes, "agent_primary_begin", &o.primary_begin),
			 HV_OK);
	ck_assert_int_eq(elf_symbol(elf, elf_bytes, "agent_primary_end", &o.primary_end), HV_OK);
	ck_assert_int_eq(elf_symbol(elf, elf_bytes, "nobody", &o.unit), HV_E_NOENT);
	ck_assert_int_eq(elf_symbol(image, image_bytes, "reset", &o.unit), HV_E_INVAL);
	machine_free(m);
	o.log = tmpfile();
	ck_assert(o.log != NULL);
	begin_with(&o);
	ask("pk", 5);
	ck_assert_uint_eq(told("sum"), 1 + 2 + 3 + 4);
	ck_assert_uint_eq(machine_counters(m)->primaries, 1);
	machine_log_flush(m);
	rewind(o.log);
	ck_assert(fgets(line, sizeof(line), o.log) != NULL);
	ck_assert_int_eq(sscanf(line, "primary,%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNx64,
				&start, &stop, &asked, &hash),
			 4);
	for (uint32_t i = 1; i <= 4; i++)
		want = (want ^ i) * UINT64_C(0x100000001b3);
	ck_assert_uint_eq(hash, want);
	ck_assert_uint_gt(stop, start);
	/* the call itself spins 50 us; it asked for time 0 of its own clock */
	ck_assert_uint_ge(machine_counters(m)->wait_max_ns, 50000);
	fclose(o.log);
}
END_TEST

START_TEST(watchdog_resets_a_main_loop_that_hangs_although_interrupts_run)
{
	ask("w", 600);
	ck_assert_uint_eq(machine_counters(m)->watchdog_resets, 0);
	run_ms(200);
	ck_assert_uint_eq(machine_counters(m)->watchdog_resets, 1);
	ask("v", 5);
	ck_assert_uint_eq(told("boots"), 2);
	ck_assert_uint_eq(told("wdt"), 1);
}
END_TEST

START_TEST(hang_from_outside_ends_by_the_watchdog)
{
	ck_assert_int_eq(machine_hang(m), HV_OK);
	run_ms(1000);
	ck_assert_uint_eq(machine_counters(m)->watchdog_resets, 1);
	ask("v", 5);
	ck_assert_uint_eq(told("wdt"), 1);
}
END_TEST

START_TEST(feeding_keeps_the_watchdog_quiet)
{
	run_ms(10000);
	ck_assert_uint_eq(machine_counters(m)->resets, 0);
	silent();
}
END_TEST

START_TEST(register_without_model_is_counted_and_told)
{
	char text[300] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");

	ask("u", 5);
	ck_assert_uint_eq(machine_counters(m)->unknown, 1);
	ck_assert(machine_unknown_harmful(m, NULL));
	ck_assert(machine_unknown_harmful(m, "40010004"));
	ck_assert(!machine_unknown_harmful(m, "40010004,40010000"));
	machine_report(m, to, NULL);
	fclose(to);
	ck_assert_msg(strstr(text, "40010000") != NULL, "%s", text);
}
END_TEST

START_TEST(units_differ_in_serial_number)
{
	struct machine_options o = options();
	uint32_t first;

	ask("#", 5);
	first = told("unit");
	machine_free(m);
	o.unit = 8;
	begin_with(&o);
	ask("#", 5);
	ck_assert_uint_ne(told("unit"), first);
	silent();
}
END_TEST

START_TEST(far_end_at_another_speed_is_garbage)
{
	struct machine_options o = options();

	machine_free(m);
	o.line_bps = 115200;
	begin_with(&o);
	ask("vvvvvvvv", 20);
	ck_assert_uint_eq(machine_counters(m)->rx_garbled, 8);
}
END_TEST

START_TEST(the_same_bytes_at_the_same_times_give_the_same_run)
{
	struct machine_options o = options();
	uint64_t instructions;

	ask("pimq", 100);
	instructions = machine_counters(m)->instructions;
	machine_free(m);
	begin_with(&o);
	ask("pimq", 100);
	ck_assert_uint_eq(machine_counters(m)->instructions, instructions);
}
END_TEST

START_TEST(bytes_that_are_no_image_are_refused)
{
	struct machine_options o = options();
	struct machine *none = NULL;
	uint8_t zeros[64] = { 0 };
	char why[200] = "";

	o.image_bytes = 4;
	ck_assert_int_eq(machine_new(&o, &none, why, sizeof(why)), HV_E_INVAL);
	ck_assert(strstr(why, "4 bytes") != NULL);
	o.image = zeros;
	o.image_bytes = sizeof(zeros);
	ck_assert_int_eq(machine_new(&o, &none, why, sizeof(why)), HV_E_INVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("machine");
	TCase *t = tcase_create("tiny");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, begin, end);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, starts_at_100_mhz_and_answers);
	tcase_add_test(t, systick_counts_milliseconds_of_modelled_time);
	tcase_add_test(t, bytes_take_their_time_both_ways);
	tcase_add_test(t, deaf_handler_loses_bytes_and_they_are_counted);
	tcase_add_test(t, primask_holds_interrupts_back_and_none_is_lost);
	tcase_add_test(t, basepri_holds_back_what_is_not_more_urgent);
	tcase_add_test(t, urgent_interrupt_enters_a_less_urgent_one);
	tcase_add_test(t, floating_point_survives_interrupts);
	tcase_add_test(t, accelerator_without_power_is_a_bus_fault_that_restarts_the_image);
	tcase_add_test(t, inference_takes_its_cycles_and_wakes_the_core);
	tcase_add_test(t, activations_are_seen_by_the_addresses_of_the_bracket);
	tcase_add_test(t, watchdog_resets_a_main_loop_that_hangs_although_interrupts_run);
	tcase_add_test(t, hang_from_outside_ends_by_the_watchdog);
	tcase_add_test(t, feeding_keeps_the_watchdog_quiet);
	tcase_add_test(t, register_without_model_is_counted_and_told);
	tcase_add_test(t, units_differ_in_serial_number);
	tcase_add_test(t, far_end_at_another_speed_is_garbage);
	tcase_add_test(t, the_same_bytes_at_the_same_times_give_the_same_run);
	tcase_add_test(t, bytes_that_are_no_image_are_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
