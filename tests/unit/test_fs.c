/* util/fs against published vectors, and its readers against every truncation. */
#include "util/fs/cobs.h"
#include "util/fs/crc32.h"
#include "util/fs/err.h"
#include "util/fs/rd.h"
#include "util/fs/sha256.h"
#include "util/fs/wr.h"
#include "util/rng.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
static const struct {
	size_t n;
	uint8_t plain[8];
	size_t m;
	uint8_t coded[9];
} cobs[] = {
	{ 0, { 0 }, 1, { 1 } },
	{ 1, { 0 }, 2, { 1, 1 } },
	{ 2, { 0, 0 }, 3, { 1, 1, 1 } },
	{ 3, { 0, 0x11, 0 }, 4, { 1, 2, 0x11, 1 } },
	{ 4, { 0x11, 0x22, 0, 0x33 }, 5, { 3, 0x11, 0x22, 2, 0x33 } },
	{ 4, { 0x11, 0x22, 0x33, 0x44 }, 5, { 5, 0x11, 0x22, 0x33, 0x44 } },
	{ 4, { 0x11, 0, 0, 0 }, 5, { 2, 0x11, 1, 1, 1 } },
};
/* clang-format on */

START_TEST(cobs_gives_the_published_texts)
{
	uint8_t out[16];

	ck_assert_uint_eq(hv_cobs_encode(out, cobs[_i].plain, cobs[_i].n), cobs[_i].m);
	ck_assert_mem_eq(out, cobs[_i].coded, cobs[_i].m);
	ck_assert_uint_eq(hv_cobs_decode(out, cobs[_i].coded, cobs[_i].m), cobs[_i].n);
	ck_assert_mem_eq(out, cobs[_i].plain, cobs[_i].n);
}
END_TEST

START_TEST(cobs_returns_what_went_in_has_no_zero_and_keeps_its_bound)
{
	static uint8_t in[2000], text[HV_COBS_MAX(2000)];
	struct hv_rng r;

	hv_rng_seed(&r, 1);
	for (size_t n = 1; n < sizeof(in); n += 1 + n / 40) {
		uint32_t zero_every = 1 + hv_rng_below(&r, 400);
		size_t m;

		for (size_t i = 0; i < n; i++)
			in[i] = hv_rng_below(&r, zero_every) ? (uint8_t)(1 + hv_rng_below(&r, 255))
							     : 0;
		m = hv_cobs_encode(text, in, n);
		ck_assert_uint_le(m, HV_COBS_MAX(n));
		ck_assert_ptr_null(memchr(text, 0, m));
		ck_assert_uint_eq(hv_cobs_decode(text, text, m), n);
		ck_assert_mem_eq(text, in, n);
	}
}
END_TEST

START_TEST(cobs_refuses_text_that_ends_early_or_holds_a_zero)
{
	static const uint8_t shorter[] = { 5, 1, 2, 3 }, zero[] = { 3, 1, 0 }, first[] = { 0, 1 };
	uint8_t out[8];

	ck_assert_uint_eq(hv_cobs_decode(out, shorter, sizeof(shorter)), 0);
	ck_assert_uint_eq(hv_cobs_decode(out, zero, sizeof(zero)), 0);
	ck_assert_uint_eq(hv_cobs_decode(out, first, sizeof(first)), 0);
}
END_TEST

START_TEST(crc32_is_the_one_of_ethernet_and_chains)
{
	ck_assert_uint_eq(hv_crc32(0, "123456789", 9), 0xcbf43926);
	ck_assert_uint_eq(hv_crc32(hv_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	ck_assert_uint_eq(hv_crc32(0, "", 0), 0);
}
END_TEST

/* clang-format off */
static const struct {
	const char *text;
	unsigned times;
	const char *hex;
} sha[] = {
	{ "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};
/* clang-format on */

START_TEST(sha256_in_pieces_gives_the_same_digest)
{
	uint8_t data[300], whole[HV_SHA256_BYTES], out[HV_SHA256_BYTES];
	struct hv_sha256 s;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n < sizeof(data); n++) {
		hv_sha256_init(&s);
		hv_sha256_add(&s, data, n);
		hv_sha256_end(&s, whole);
		hv_sha256_init(&s);
		for (size_t at = 0; at < n;) {
			at += hv_sha256_put(&s, data + at, n - at < 11 ? n - at : 11);
			while (!hv_sha256_work(&s, 5))
				ck_assert_uint_eq(hv_sha256_room(&s), 0);
		}
		while (!hv_sha256_close(&s, 5, out))
			;
		ck_assert_mem_eq(out, whole, sizeof(out));
	}
}
END_TEST

START_TEST(sha256_gives_the_published_digests)
{
	struct hv_sha256 s;
	uint8_t out[HV_SHA256_BYTES];
	char hex[2 * HV_SHA256_BYTES + 1];

	hv_sha256_init(&s);
	for (unsigned i = 0; i < sha[_i].times; i++)
		hv_sha256_add(&s, sha[_i].text, strlen(sha[_i].text));
	hv_sha256_end(&s, out);
	for (size_t i = 0; i < sizeof(out); i++)
		snprintf(hex + 2 * i, 3, "%02x", out[i]);
	ck_assert_str_eq(hex, sha[_i].hex);
}
END_TEST

START_TEST(reader_and_writer_agree_and_are_little_endian)
{
	uint8_t b[15];
	struct hv_wr w = hv_wr_init(b, sizeof(b));
	struct hv_rd r;

	hv_wr_u8(&w, 0x11);
	hv_wr_u16(&w, 0x2233);
	hv_wr_u32(&w, 0x44556677);
	hv_wr_u64(&w, 0x8899aabbccddeeff);
	ck_assert(w.ok);
	ck_assert_uint_eq(hv_wr_len(&w), sizeof(b));
	ck_assert_mem_eq(b, "\x11\x33\x22\x77\x66\x55\x44\xff\xee\xdd\xcc\xbb\xaa\x99\x88", 15);
	r = hv_rd_init(b, sizeof(b));
	ck_assert_uint_eq(hv_rd_u8(&r), 0x11);
	ck_assert_uint_eq(hv_rd_u16(&r), 0x2233);
	ck_assert_uint_eq(hv_rd_u32(&r), 0x44556677);
	ck_assert_uint_eq(hv_rd_u64(&r), 0x8899aabbccddeeff);
	ck_assert(hv_rd_done(&r));
}
END_TEST

START_TEST(reader_and_writer_remember_the_first_overrun)
{
	uint8_t b[3] = { 1, 2, 3 };
	struct hv_rd r = hv_rd_init(b, sizeof(b));
	struct hv_wr w = hv_wr_init(b, sizeof(b));

	hv_rd_u16(&r);
	ck_assert_uint_eq(hv_rd_u16(&r), 0);
	ck_assert_uint_eq(hv_rd_u8(&r), 0);
	ck_assert(!r.ok && !hv_rd_done(&r));
	ck_assert_uint_eq(hv_rd_left(&r), 0);
	hv_wr_u16(&w, 0x0909);
	hv_wr_u16(&w, 0x0909);
	hv_wr_u8(&w, 9);
	ck_assert(!w.ok);
	ck_assert_uint_eq(b[2], 3);
	ck_assert_ptr_null(hv_rd_bytes(&r, SIZE_MAX));
	ck_assert_ptr_null(hv_wr_room(&w, SIZE_MAX));
}
END_TEST

START_TEST(every_code_has_a_name_and_a_sentence_of_its_own)
{
	for (int i = -15; i <= 0; i++) {
		ck_assert_str_ne(hv_err_name(i), "UNKNOWN");
		for (int k = -15; k < i; k++) {
			ck_assert_str_ne(hv_err_name(i), hv_err_name(k));
			ck_assert_str_ne(hv_err_text(i), hv_err_text(k));
		}
	}
	ck_assert_str_eq(hv_err_name(-1000), "UNKNOWN");
	ck_assert_str_eq(hv_err_text(7), "unknown error");
}
END_TEST

static Suite *fs_suite(void)
{
	Suite *s = suite_create("util/fs");
	TCase *tc = tcase_create("vectors");

	tcase_add_loop_test(tc, cobs_gives_the_published_texts, 0, sizeof(cobs) / sizeof(cobs[0]));
	tcase_add_test(tc, cobs_returns_what_went_in_has_no_zero_and_keeps_its_bound);
	tcase_add_test(tc, cobs_refuses_text_that_ends_early_or_holds_a_zero);
	tcase_add_test(tc, crc32_is_the_one_of_ethernet_and_chains);
	tcase_add_test(tc, sha256_in_pieces_gives_the_same_digest);
	tcase_add_loop_test(tc, sha256_gives_the_published_digests, 0,
			    sizeof(sha) / sizeof(sha[0]));
	tcase_add_test(tc, reader_and_writer_agree_and_are_little_endian);
	tcase_add_test(tc, reader_and_writer_remember_the_first_overrun);
	tcase_add_test(tc, every_code_has_a_name_and_a_sentence_of_its_own);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(fs_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
