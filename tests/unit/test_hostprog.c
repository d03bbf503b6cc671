#include "accel/hostprog/hostprog.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* y = 2 * x0 + x1 into two channels; answer x1 + word 0 / 4. */
static struct hostprog *sample_program(void)
{
	static const struct hostprog_ins pre[] = {
		{ .op = HP_IN, .index = 0 },
		{ .op = HP_CONST, .k = 2 },
		{ .op = HP_MUL, .a = 0, .b = 1 },
		{ .op = HP_IN, .index = 1 },
		{ .op = HP_ADD, .a = 2, .b = 3 },
		{ .op = HP_EMIT, .a = 4, .b = 0, .k = 1 },
		{ .op = HP_EMIT, .a = 4, .b = 1, .k = 0.5, .offset = -3 },
	};
	static const struct hostprog_ins post[] = {
		{ .op = HP_WORD, .index = 0 },    { .op = HP_CONST, .k = 0.25 },
		{ .op = HP_MUL, .a = 0, .b = 1 }, { .op = HP_IN, .index = 1 },
		{ .op = HP_ADD, .a = 2, .b = 3 }, { .op = HP_RESULT, .a = 4, .index = 0 },
	};
	struct hostprog *h = hostprog_new();

	ck_assert_ptr_nonnull(h);
	h->in_dtype = HARVEST_S16;
	h->out_dtype = HARVEST_S16;
	h->in_elements = 2;
	h->out_elements = 1;
	h->channels = 2;
	h->pixels = 1;
	h->words = 1;
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_ENCODE, 1, 1), 0);
	for (size_t i = 0; i < sizeof(pre) / sizeof(pre[0]); i++)
		ck_assert_int_ge(hostprog_add(h, pre[i]), 0);
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_DECODE, 1, 1), 0);
	for (size_t i = 0; i < sizeof(post) / sizeof(post[0]); i++)
		ck_assert_int_ge(hostprog_add(h, post[i]), 0);
	return h;
}

static void refused(struct hostprog *h, const char *word)
{
	char why[300] = "";

	ck_assert_int_eq(hostprog_check(h, why, sizeof(why)), HV_E_FORMAT);
	ck_assert_msg(strstr(why, word) != NULL, "'%s' does not say '%s'", why, word);
	hostprog_free(h);
}

START_TEST(a_program_computes_channels_and_answers)
{
	struct hostprog *h = sample_program();
	const int16_t record[2] = { 10, 7 };
	int8_t px[2];
	int32_t word = 6;
	int16_t answer;
	char why[300] = "";

	ck_assert_msg(hostprog_check(h, why, sizeof(why)) == HV_OK, "%s", why);
	hostprog_run_encode(h, record, px);
	ck_assert_int_eq(px[0], 27);
	ck_assert_int_eq(px[1], 11); /* floor(13.5 - 3 + .5) */
	hostprog_run_decode(h, record, &word, &answer);
	ck_assert_int_eq(answer, 9); /* 8.5, half away from zero */
	word = -46; /* 7 - 11.5 = -4.5 */
	hostprog_run_decode(h, record, &word, &answer);
	ck_assert_int_eq(answer, -5);
	word = INT32_MAX;
	hostprog_run_decode(h, record, &word, &answer);
	ck_assert_int_eq(answer, INT16_MAX);
	hostprog_free(h);
}
END_TEST

START_TEST(an_emitted_value_saturates_and_nan_is_zero)
{
	const double v[] = { 126.5, 126.49, 300, -128.5, -1e300, NAN, INFINITY, -0.5, -0.51 };
	const int8_t want[] = { 127, 126, 127, -128, -128, 0, 127, 0, -1 };
	int8_t got[9];

	hostprog_emit_column(9, v, 1, 0, got);
	ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

START_TEST(a_block_repeats_over_rows_and_columns)
{
	struct hostprog *h = hostprog_new();
	uint8_t image[12], answer[6];
	int8_t px[12];
	int32_t words[6];
	char why[300] = "";

	h->in_dtype = h->out_dtype = HARVEST_U8;
	h->in_elements = 12;
	h->out_elements = h->words = 6;
	h->channels = 1;
	h->pixels = 12;
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_ENCODE, 3, 4), 0);
	ck_assert_int_ge(hostprog_add(h, (struct hostprog_ins){ .op = HP_IN, .step = { 4, 1 } }),
			 0);
	ck_assert_int_ge(hostprog_add(h, (struct hostprog_ins){ .op = HP_EMIT,
								.k = 1,
								.offset = -128,
								.index = 11,
								.step = { -4, -1 } }),
			 0);
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_DECODE, 1, 6), 0);
	ck_assert_int_ge(hostprog_add(h, (struct hostprog_ins){ .op = HP_WORD, .step = { 0, 1 } }),
			 0);
	ck_assert_int_ge(
		hostprog_add(h, (struct hostprog_ins){ .op = HP_RESULT, .step = { 0, 1 } }), 0);
	ck_assert_msg(hostprog_check(h, why, sizeof(why)) == HV_OK, "%s", why);
	for (int i = 0; i < 12; i++)
		image[i] = (uint8_t)(20 * i);
	hostprog_run_encode(h, image, px);
	for (int i = 0; i < 12; i++)
		ck_assert_int_eq(px[11 - i], 20 * i - 128);
	for (int i = 0; i < 6; i++)
		words[i] = 60 * i - 10;
	hostprog_run_decode(h, image, words, answer);
	ck_assert_int_eq(answer[0], 0);
	ck_assert_int_eq(answer[1], 50);
	ck_assert_int_eq(answer[5], 255);
	ck_assert_uint_eq(hostprog_cycles(h, HOSTPROG_ENCODE), 12); /* bytes as they are */
	h->ins[1].step[1] = 2;
	refused(h, "index");
}
END_TEST

START_TEST(a_blob_gives_the_program_back)
{
	struct hostprog *h = sample_program(), *back = NULL;
	uint8_t *blob = NULL, *again = NULL;
	size_t len = 0, len2 = 0;
	char why[300] = "";

	ck_assert_int_eq(hostprog_encode(h, &blob, &len), HV_OK);
	ck_assert_msg(hostprog_parse(blob, len, &back, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_int_eq(hostprog_encode(back, &again, &len2), HV_OK);
	ck_assert_uint_eq(len, len2);
	ck_assert_mem_eq(blob, again, len);
	hostprog_free(back);
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_lt(hostprog_parse(blob, cut, &back, why, sizeof(why)), 0);
	blob[0] = 9;
	ck_assert_int_eq(hostprog_parse(blob, len, &back, why, sizeof(why)), HV_E_VERSION);
	free(blob);
	free(again);
	hostprog_free(h);
}
END_TEST

START_TEST(what_breaks_a_rule_is_refused)
{
	struct hostprog *h;

	h = sample_program(), h->ins[2].b = 2, refused(h, "none before it");
	h = sample_program(), h->ins[4].a = 5, refused(h, "none before it");
	h = sample_program(), h->ins[0].index = 2, refused(h, "index");
	h = sample_program(), h->ins[6].b = 2, refused(h, "channel");
	h = sample_program(), h->ins[6].b = 0, refused(h, "never writes");
	h = sample_program(), h->ins[1].k = NAN, refused(h, "finite");
	h = sample_program(), h->ins[1].op = HP_WORD, refused(h, "encoding");
	h = sample_program(), h->ins[8].op = HP_EMIT, refused(h, "decoding");
	h = sample_program(), h->ins[3].op = (enum hostprog_op)99, refused(h, "operation 99");
	h = sample_program(), h->block[0].rows = 1u << 21, refused(h, "instructions");
	h = sample_program(), h->in_dtype = (enum harvest_dtype)0, refused(h, "types");
	h = sample_program(), h->channels = 1u << 20, refused(h, "channels");
	h = sample_program(), h->words = 0, refused(h, "output values");
	h = sample_program(), h->out_elements = 2, refused(h, "never writes");
}
END_TEST

/* One sample in two channels. */
static struct hostprog *byte_program(void)
{
	static const struct hostprog_ins pre[] = {
		{ .op = HP_IN, .step = { 0, 1 } },
		{ .op = HP_EMIT, .a = 0, .b = 0, .k = 0x1p-8, .offset = -0.5, .step = { 0, 1 } },
		{ .op = HP_BYTE, .step = { 0, 2 } },
		{ .op = HP_EMIT, .a = 2, .b = 1, .k = 1, .offset = -128, .step = { 0, 1 } },
	};
	struct hostprog *h = sample_program();

	h->n_ins = h->n_blocks = 0;
	h->pixels = 2;
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_ENCODE, 1, 2), 0);
	for (size_t i = 0; i < sizeof(pre) / sizeof(pre[0]); i++)
		ck_assert_int_ge(hostprog_add(h, pre[i]), 0);
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_DECODE, 1, 1), 0);
	ck_assert_int_ge(hostprog_add(h, (struct hostprog_ins){ .op = HP_WORD }), 0);
	ck_assert_int_ge(hostprog_add(h, (struct hostprog_ins){ .op = HP_RESULT }), 0);
	return h;
}

START_TEST(bytes_of_a_sample_give_it_back)
{
	struct hostprog *h = byte_program();
	char why[300] = "";

	ck_assert_msg(hostprog_check(h, why, sizeof(why)) == HV_OK, "%s", why);
	for (int v = INT16_MIN; v <= INT16_MAX; v += 7) {
		const int16_t record[2] = { (int16_t)v, (int16_t)~v };
		int8_t px[4];

		hostprog_run_encode(h, record, px);
		ck_assert_int_eq(256 * px[0] + px[1] + 128, v);
		ck_assert_int_eq(256 * px[2] + px[3] + 128, ~v);
	}
	ck_assert_uint_eq(hostprog_cycles(h, HOSTPROG_ENCODE), 2 * (1 + 2));
	h->ins[2].index = 2; /* 2 and 4 of 0..3 */
	refused(h, "0..3");
}
END_TEST

START_TEST(cycles_follow_the_table)
{
	struct hostprog *h = sample_program();

	/* loads with conversion 2 + 2, product 1, sum 1, two emits of 6 */
	ck_assert_uint_eq(hostprog_cycles(h, HOSTPROG_ENCODE), 18);
	/* word 2, a quarter of it by the same conversion, load 2, sum 1, result 3 */
	ck_assert_uint_eq(hostprog_cycles(h, HOSTPROG_DECODE), 8);
	h->ins[8].k = 0.3;
	ck_assert_uint_eq(hostprog_cycles(h, HOSTPROG_DECODE), 9);
	h->ins[8].k = 4; /* no fraction bits */
	ck_assert_uint_eq(hostprog_cycles(h, HOSTPROG_DECODE), 9);
	h->ins[8].k = 0.25;
	h->ins[11].b = 0; /* the word itself is read, too; the element is not */
	ck_assert_uint_eq(hostprog_cycles(h, HOSTPROG_DECODE), 7);
	hostprog_free(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostprog");
	TCase *t = tcase_create("hostprog");
	SRunner *r;
	int failed;

	tcase_add_test(t, a_program_computes_channels_and_answers);
	tcase_add_test(t, an_emitted_value_saturates_and_nan_is_zero);
	tcase_add_test(t, a_block_repeats_over_rows_and_columns);
	tcase_add_test(t, a_blob_gives_the_program_back);
	tcase_add_test(t, what_breaks_a_rule_is_refused);
	tcase_add_test(t, bytes_of_a_sample_give_it_back);
	tcase_add_test(t, cycles_follow_the_table);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
