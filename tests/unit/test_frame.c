/* The link frame: what is encoded comes back, anything else is dropped and counted, and the
 * next good frame is found again. */
#include "proto/frame.h"
#include "util/fs/crc32.h"
#include "util/rng.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct frame_rx rx;
static struct frame got;

static void setup(void)
{
	memset(&rx, 0, sizeof(rx));
}

/* The answer to the last byte; no earlier one may give a frame. */
static int feed(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		ck_assert_int_eq(frame_rx_byte(&rx, bytes[i], &got), 0);
	return frame_rx_byte(&rx, bytes[n - 1], &got);
}

static struct frame frame_draw(struct hv_rng *r, uint8_t *payload)
{
	struct frame f = { .ver = FRAME_VER, .kind = (uint8_t)hv_rng_below(r, 5) };

	f.conn = (uint16_t)hv_rng_u64(r);
	f.seq = (uint16_t)hv_rng_u64(r);
	f.ack = (uint16_t)hv_rng_u64(r);
	f.window = (uint16_t)hv_rng_u64(r);
	f.len = (uint16_t)hv_rng_below(r, FRAME_MAX_PAYLOAD + 1);
	f.payload = payload;
	for (size_t i = 0; i < f.len; i++)
		payload[i] = hv_rng_below(r, 4) ? (uint8_t)hv_rng_u64(r) : 0;
	return f;
}

START_TEST(a_frame_comes_back_as_it_went)
{
	uint8_t payload[FRAME_MAX_PAYLOAD], wire[FRAME_MAX_WIRE];
	struct hv_rng r;

	hv_rng_seed(&r, 5);
	for (int i = 0; i < 500; i++) {
		struct frame f = frame_draw(&r, payload);
		size_t n;

		if (i == 0)
			f.len = 0;
		if (i == 1)
			f.len = FRAME_MAX_PAYLOAD;
		n = frame_encode(&f, wire);
		ck_assert(n > 0 && n <= sizeof(wire));
		ck_assert_ptr_eq(memchr(wire, 0, n), wire + n - 1);
		ck_assert_int_eq(feed(wire, n), 1);
		ck_assert(got.ver == f.ver && got.kind == f.kind && got.conn == f.conn);
		ck_assert(got.seq == f.seq && got.ack == f.ack && got.window == f.window);
		ck_assert_uint_eq(got.len, f.len);
		ck_assert_mem_eq(got.payload, payload, f.len);
	}
	ck_assert_uint_eq(rx.good, 500);
	ck_assert_uint_eq(rx.bad, 0);
}
END_TEST

/* Runs of zeros, full blocks and random bytes, pulled and fed a few bytes at a time. */
START_TEST(a_frame_in_pieces_of_any_size_is_the_same_frame)
{
	uint8_t payload[FRAME_MAX_PAYLOAD], whole[FRAME_MAX_WIRE], part[FRAME_MAX_WIRE];
	static struct frame_tx tx;
	struct hv_rng r;

	hv_rng_seed(&r, 6);
	for (int round = 0; round < 300; round++) {
		struct frame f = frame_draw(&r, payload);
		size_t n, at = 0, piece = 1 + hv_rng_below(&r, 40), calls = 0, taken;
		int last = 0;

		if (round % 3 == 0)
			memset(payload, round % 2, f.len);
		n = frame_encode(&f, whole);
		ck_assert(frame_tx_begin(&tx, &f, false));
		ck_assert(!frame_tx_begin(&tx, &f, false)); /* one at a time */
		while (frame_tx_is_open(&tx)) {
			size_t some = frame_tx_pull(&tx, part + at, piece);

			ck_assert_uint_le(some, piece);
			at += some;
			ck_assert_uint_lt(calls++, 20 * FRAME_MAX_WIRE);
		}
		ck_assert_uint_eq(at, n);
		ck_assert_mem_eq(part, whole, n);
		for (at = 0; at < n; at += taken) {
			size_t some = piece < n - at ? piece : n - at;

			ck_assert_int_eq(last, 0);
			last = frame_rx_take(&rx, whole + at, some, &taken, &got);
			ck_assert(taken > 0 && taken <= some);
		}
		ck_assert_int_eq(last, 1);
		ck_assert_uint_eq(got.len, f.len);
		ck_assert_mem_eq(got.payload, payload, f.len);
	}
}
END_TEST

START_TEST(a_delimiter_may_go_ahead_of_a_frame)
{
	uint8_t whole[FRAME_MAX_WIRE], part[FRAME_MAX_WIRE];
	struct frame f = { .ver = 1, .conn = 7 };
	struct frame_tx tx = { .stage = 0 };
	size_t n = frame_encode(&f, whole), at = 0;

	ck_assert(frame_tx_begin(&tx, &f, true));
	while (frame_tx_is_open(&tx))
		at += frame_tx_pull(&tx, part + at, 3);
	ck_assert_uint_eq(at, n + 1);
	ck_assert_uint_eq(part[0], 0);
	ck_assert_mem_eq(part + 1, whole, n);
}
END_TEST

START_TEST(a_payload_over_the_cap_is_not_encoded)
{
	static uint8_t payload[FRAME_MAX_PAYLOAD + 1], wire[FRAME_MAX_WIRE];
	struct frame f = { .ver = 1, .len = sizeof(payload), .payload = payload };

	ck_assert_uint_eq(frame_encode(&f, wire), 0);
}
END_TEST

START_TEST(any_single_flipped_bit_is_noticed)
{
	static uint8_t payload[40] = { 1, 0, 2, 0xff };
	struct frame f = { .ver = 1, .conn = 7, .seq = 9, .len = 40, .payload = payload };
	uint8_t wire[FRAME_MAX_WIRE];
	size_t n = frame_encode(&f, wire);

	for (size_t bit = 0; bit < 8 * n; bit++) {
		wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_le(frame_rx_byte(&rx, wire[i], &got), 0);
		frame_rx_byte(&rx, 0, &got);
		wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(feed(wire, n), 1);
	}
	ck_assert_uint_ge(rx.bad, (uint32_t)(8 * n));
}
END_TEST

START_TEST(every_truncation_is_refused_and_the_next_frame_is_found)
{
	static uint8_t payload[30];
	struct frame f = { .ver = 1, .conn = 7, .len = 30, .payload = payload };
	uint8_t wire[FRAME_MAX_WIRE];
	size_t n = frame_encode(&f, wire);

	for (size_t cut = 1; cut + 1 < n; cut++) {
		feed(wire, cut);
		ck_assert_int_eq(frame_rx_byte(&rx, 0, &got), HV_E_FRAME);
		ck_assert_int_eq(feed(wire, n), 1);
	}
}
END_TEST

START_TEST(endless_bytes_without_delimiter_are_one_dropped_frame)
{
	uint8_t wire[FRAME_MAX_WIRE];
	struct frame f = { .ver = 1, .conn = 7 };
	size_t n = frame_encode(&f, wire);

	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(frame_rx_byte(&rx, 0x55, &got), 0);
	ck_assert_int_eq(frame_rx_byte(&rx, 0, &got), HV_E_FRAME);
	ck_assert_uint_eq(rx.bad, 1);
	ck_assert_int_eq(feed(wire, n), 1);
}
END_TEST

START_TEST(delimiters_in_a_row_are_silence)
{
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(frame_rx_byte(&rx, 0, &got), 0);
	ck_assert_uint_eq(rx.bad, 0);
}
END_TEST

START_TEST(another_version_is_told_from_noise)
{
	uint8_t wire[FRAME_MAX_WIRE];
	struct frame f = { .ver = FRAME_VER + 1, .conn = 7 };

	ck_assert_int_eq(feed(wire, frame_encode(&f, wire)), HV_E_VERSION);
}
END_TEST

/* A frame with a right checksum and a size that no sender makes. */
START_TEST(a_frame_too_short_or_too_long_is_refused_even_with_a_right_checksum)
{
	static const size_t sizes[] = { 1, 9, FRAME_MAX_RAW - FRAME_CRC + 1 };
	uint8_t raw[FRAME_MAX_RAW + 1] = { 1 }, wire[HV_COBS_MAX(FRAME_MAX_RAW + 1) + 1];
	size_t body = sizes[_i], n;
	uint32_t crc;

	crc = hv_crc32(0, raw, body);
	for (int i = 0; i < FRAME_CRC; i++)
		raw[body + (size_t)i] = (uint8_t)(crc >> 8 * i);
	n = hv_cobs_encode(wire, raw, body + FRAME_CRC);
	wire[n++] = 0;
	ck_assert_int_eq(feed(wire, n), HV_E_FRAME);
}
END_TEST

static Suite *frame_suite(void)
{
	Suite *s = suite_create("proto/frame");
	TCase *tc = tcase_create("frame");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_frame_comes_back_as_it_went);
	tcase_add_test(tc, a_frame_in_pieces_of_any_size_is_the_same_frame);
	tcase_add_test(tc, a_delimiter_may_go_ahead_of_a_frame);
	tcase_add_test(tc, a_payload_over_the_cap_is_not_encoded);
	tcase_add_test(tc, any_single_flipped_bit_is_noticed);
	tcase_add_test(tc, every_truncation_is_refused_and_the_next_frame_is_found);
	tcase_add_test(tc, endless_bytes_without_delimiter_are_one_dropped_frame);
	tcase_add_test(tc, delimiters_in_a_row_are_silence);
	tcase_add_test(tc, another_version_is_told_from_noise);
	tcase_add_loop_test(tc, a_frame_too_short_or_too_long_is_refused_even_with_a_right_checksum,
			    0, 3);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(frame_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
