/* Known-answer tests: the files when they are there, a small one of our own always; damaged
 * texts; two networks resident together. */
#include "accel/kat/kat.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One processor, one weight, worked out by hand: 64 * 100 / 128 = 50. The weight 100 = 0x64 is
 * stream byte 0, that is K8, the ninth byte of the packed word. */
static const char own[] = "kat 1\n"
			  "name one_weight\n"
			  "device MAX78000\n"
			  "net layers=1 avg_pool_rounding=0 fifo=0 streaming=0 write_zero_regs=0 "
			  "oneshot=0\n"
			  "input channels=1 height=1 width=1 format=hwc\n"
			  "layer 0 op=linear from=-1 in=1x1x1 operands=1 eltwise=none pool_first=1 "
			  "pool=none pool_size=1x1 pool_stride=1x1 flatten=0 kernel=1x1 pad=0x0 "
			  "stride=1x1 dilation=1x1 output_pad=0x0 wbits=8 shift=0 act=none bias=0 "
			  "out=1x1x1 out_bits=8 output=1\n"
			  "hw 0 processors=0000000000000001 output_processors=0000000000000001 "
			  "in_offset=0000 out_offset=2000 write_gap=0 kernel_offset=0 "
			  "kernel_words=1 kernel_count=1 bias_quadrant=none bias_offset=0 "
			  "streaming=0\n"
			  "latency 0 cycles=4 estimate=0 macc=1\n"
			  "latency total cycles=5 startup=1\n"
			  "tensor input s8 3 1 1 1\n64\nend\n"
			  "tensor w0 s8 4 1 1 1 1\n100\nend\n"
			  "tensor out0 s8 3 1 1 1\n50\nend\n"
			  "phase init\n"
			  "W 50001000 00000000\nW 50100000 00100008\nW 50100004 0000040e\n"
			  "phase weights\n"
			  "B 50180001 01\nM 50180000 3\n00000000 00000000 64000000\n"
			  "phase configure\n"
			  "W 50100310 00000800\nW 50100390 00000001\nW 50100410 00002000\n"
			  "W 50100590 00000920\nW 50100110 00000100\nW 50100710 00010001\n"
			  "phase input\n"
			  "M 50400000 1\n00000040\n"
			  "phase start\n"
			  "W 50100000 00100808\nW 50100000 00100009\n"
			  "phase expect\n"
			  "X 50402000 000000ff 1\n00000032\n"
			  "done\n";

static struct kat *parse_own(void)
{
	struct kat *k = NULL;
	char why[200];
	int err = kat_parse(own, strlen(own), &k, why, sizeof why);

	ck_assert_msg(err == HV_OK, "%s", why);
	return k;
}

START_TEST(a_network_worked_out_by_hand_passes_all_counts)
{
	struct kat *k = parse_own();
	struct kat_result r;

	ck_assert_int_eq(kat_check_all(k, &r), HV_OK);
	for (unsigned c = 0; c < KAT_CHECKS; c++) {
		ck_assert_msg(r.ok[c], "%s: %s", kat_check_name(c), r.what[c]);
		ck_assert_uint_gt(r.compared[c], 0);
	}
	kat_free(k);
}
END_TEST

/* Every one of these must be noticed by the count that is responsible for it. */
START_TEST(a_wrong_expectation_is_noticed_by_its_count)
{
	struct kat *k = parse_own();
	struct kat_result r;

	k->out[0][0]++;
	ck_assert_int_eq(kat_check_all(k, &r), HV_OK);
	ck_assert(!r.ok[KAT_REFERENCE] && !r.ok[KAT_FREE] && r.ok[KAT_EMULATOR]);
	k->out[0][0]--;
	k->words[k->expects[0].first]++;
	ck_assert_int_eq(kat_check_all(k, &r), HV_OK);
	ck_assert(!r.ok[KAT_EMULATOR] && r.ok[KAT_REFERENCE]);
	k->words[k->expects[0].first]--;
	k->place.layer[0].kernel_word = 4;
	ck_assert_int_eq(kat_check_all(k, &r), HV_OK);
	ck_assert(!r.ok[KAT_PLACED] && r.ok[KAT_FREE]);
	k->place.layer[0].kernel_word = 0;
	k->cycles[0]++;
	ck_assert_int_eq(kat_check_all(k, &r), HV_OK);
	ck_assert(!r.ok[KAT_LATENCY] && r.ok[KAT_PLACED]);
	kat_free(k);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	size_t len = strlen(own);
	char why[200];

	for (size_t n = 0; n < len - 1; n++) {
		struct kat *k = NULL;
		char *copy = malloc(n + 1);

		memcpy(copy, own, n);
		ck_assert_int_eq(kat_parse(copy, n, &k, why, sizeof why), HV_E_FORMAT);
		ck_assert_ptr_null(k);
		ck_assert(strlen(why) > 10);
		free(copy);
	}
}
END_TEST

/* One field replaced; the message must name the line and the field. */
static void expect_refusal(const char *from, const char *to, const char *line, const char *field)
{
	char text[8192], why[200] = "";
	const char *at = strstr(own, from);
	struct kat *k = NULL;

	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - own), own, to, at + strlen(from));
	ck_assert_int_eq(kat_parse(text, strlen(text), &k, why, sizeof why), HV_E_FORMAT);
	ck_assert_msg(strstr(why, line) != NULL && strstr(why, field) != NULL,
		      "'%s' should name %s and %s", why, line, field);
}

START_TEST(bad_fields_are_named_with_their_line)
{
	expect_refusal("layers=1", "layers=33", "line 4", "layers");
	expect_refusal("layers=1", "layers=", "line 4", "layers");
	expect_refusal("format=hwc", "format=wch", "line 5", "format");
	expect_refusal("op=linear", "op=dense", "line 6", "op");
	expect_refusal("wbits=8", "wbits=3", "weight_bits", "layer 0");
	expect_refusal("shift=0", "shift=16", "line 6", "shift");
	expect_refusal("kernel=1x1", "kernel=1", "line 6", "kernel");
	expect_refusal("out=1x1x1", "out=2x1x1", "line", "elements");
	expect_refusal(" processors=0000000000000001", " processors=0", "line 7", "map");
	expect_refusal("in_offset=0000", "in_offset=8000", "line 7", "in_offset");
	expect_refusal("tensor input s8 3 1 1 1", "tensor input s8 3 1 1 2", "line 10", "elements");
	expect_refusal("\n64\nend", "\n64 65\nend", "line 11", "more than");
	expect_refusal("\n64\nend", "\n200\nend", "line 11", "value");
	expect_refusal("tensor w0", "tensor q0", "line 13", "q0");
	expect_refusal("tensor w0", "tensor w7", "line 13", "w7");
	expect_refusal("B 50180001 01", "B 50180001 0101", "value", "line");
	expect_refusal("M 50180000 3", "M 50180000 99999999999", "line", "count");
	expect_refusal("phase start", "phase stop", "line", "stop");
	expect_refusal("X 50402000", "X 5040200g", "line", "address");
}
END_TEST

START_TEST(an_out_of_range_weight_is_named)
{
	expect_refusal("wbits=8", "wbits=4", "layer 0", "weight 0 is 100");
}
END_TEST

/* ---- the vendor's files ---- */

static const char *kat_dir(void)
{
	const char *dir = getenv("HARVEST_KAT_DIR");
	struct stat st;

	if (dir == NULL)
		dir = SRCDIR "/../shared/kat";
	return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? dir : NULL;
}

static bool is_kat(const char *name)
{
	size_t n = strlen(name);

	return (n > 4 && strcmp(name + n - 4, ".kat") == 0) ||
	       (n > 7 && strcmp(name + n - 7, ".kat.gz") == 0);
}

static struct kat *read_kat(const char *dir, const char *name)
{
	char path[4096], why[200] = "";
	struct kat *k = NULL;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	ck_assert_msg(kat_read(path, &k, why, sizeof why) == HV_OK, "%s: %s", path, why);
	return k;
}

START_TEST(the_vendors_files_pass_all_counts)
{
	const char *dir = kat_dir();
	struct dirent *entry;
	unsigned files = 0;
	DIR *d = dir != NULL ? opendir(dir) : NULL;

	if (d == NULL) {
		puts("skipped: no folder of known-answer tests (HARVEST_KAT_DIR)");
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		struct kat_result r;
		struct kat *k;

		if (!is_kat(entry->d_name))
			continue;
		k = read_kat(dir, entry->d_name);
		ck_assert_int_eq(kat_check_all(k, &r), HV_OK);
		for (unsigned c = 0; c < KAT_CHECKS; c++)
			ck_assert_msg(r.ok[c], "%s: %s: %s", entry->d_name, kat_check_name(c),
				      r.what[c]);
		kat_free(k);
		files++;
	}
	closedir(d);
	printf("%u known-answer files passed\n", files);
}
END_TEST

/* Primary, guest above it, and each again with the kernels that are still there. */
START_TEST(two_networks_stay_resident_together)
{
	const char *dir = kat_dir();
	static const unsigned skip[4] = { 0, 0, 1u << KAT_WEIGHTS, 1u << KAT_WEIGHTS };
	struct kat *k[2];
	struct cnn_emu *e = NULL;
	char why[200];

	if (dir == NULL) {
		puts("skipped: no folder of known-answer tests (HARVEST_KAT_DIR)");
		return;
	}
	k[0] = read_kat(dir, "kws20_v3.kat.gz");
	k[1] = read_kat(dir, "fir_batch_resident.kat");
	ck_assert_int_eq(cnn_emu_new(&e), HV_OK);
	for (unsigned run = 0; run < 4; run++) {
		uint64_t compared = 0;

		ck_assert_msg(kat_replay(k[run % 2], e, skip[run], why, sizeof why), "%s", why);
		ck_assert_msg(kat_expect_match(k[run % 2], e, &compared, why, sizeof why),
			      "run %u: %s", run, why);
		ck_assert_uint_gt(compared, 0);
	}
	ck_assert_msg(cnn_emu_misuse(e) == 0, "%s", cnn_emu_misuse_text(e));
	cnn_emu_free(e);
	kat_free(k[0]);
	kat_free(k[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("known-answer tests");
	TCase *t = tcase_create("kat");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_network_worked_out_by_hand_passes_all_counts);
	tcase_add_test(t, a_wrong_expectation_is_noticed_by_its_count);
	tcase_add_test(t, every_truncation_is_refused);
	tcase_add_test(t, bad_fields_are_named_with_their_line);
	tcase_add_test(t, an_out_of_range_weight_is_named);
	tcase_add_test(t, the_vendors_files_pass_all_counts);
	tcase_add_test(t, two_networks_stay_resident_together);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
