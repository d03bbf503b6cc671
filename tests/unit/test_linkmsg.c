/* Messages of link.def: every one round-trips, and every truncation and surplus is refused. */
#include "proto/linkmsg.h"
#include "util/rng.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* What the list says about each message: its bytes without tail, and whether it has one. */
#define F(type, field) +sizeof(link_##type)
#define G(type, field)
#define NO_TAIL
#define ONE_TAIL +1
#define M(num, NAME, text, about) \
	{ num, #text, 1 LINK_FIELDS_##text(F, NO_TAIL), (0 LINK_FIELDS_##text(G, ONE_TAIL)) != 0 },
static const struct row {
	uint8_t id;
	const char *name;
	size_t fixed;
	bool tail;
} rows[] = { LINK_MSG_MAP(M) };
#undef M
#undef ONE_TAIL
#undef NO_TAIL
#undef G
#undef F

static void bytes_draw(struct hv_rng *r, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)hv_rng_u64(r);
}

START_TEST(random_fields_come_back_byte_for_byte)
{
	const struct row *row = &rows[_i];
	uint8_t wire[512], back[512];
	struct hv_rng r;

	hv_rng_seed(&r, row->id);
	for (int round = 0; round < 200; round++) {
		size_t tail = row->tail ? hv_rng_below(&r, 100) : 0, n;
		union link_msg m;

		bytes_draw(&r, wire, row->fixed + tail);
		wire[0] = row->id;
		ck_assert_int_eq(link_msg_decode(wire, row->fixed + tail, &m), HV_OK);
		ck_assert_uint_eq(m.any.id_, row->id);
		n = link_msg_encode(&m, back, sizeof(back));
		ck_assert_msg(n == row->fixed, "%s: %zu bytes, not %zu", row->name, n, row->fixed);
		ck_assert_mem_eq(back, wire, n);
	}
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	const struct row *row = &rows[_i];
	uint8_t wire[512] = { row->id };
	union link_msg m;

	for (size_t n = 0; n < row->fixed; n++) {
		uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees a read too far */

		memcpy(exact, wire, n);
		ck_assert_msg(link_msg_decode(exact, n, &m) == HV_E_FRAME, "%s cut to %zu",
			      row->name, n);
		free(exact);
	}
	ck_assert_int_eq(link_msg_decode(wire, row->fixed, &m), HV_OK);
}
END_TEST

START_TEST(surplus_bytes_are_a_tail_or_refused)
{
	const struct row *row = &rows[_i];
	uint8_t wire[512] = { row->id };
	union link_msg m;

	for (size_t more = 1; more < 20; more++)
		ck_assert_msg(link_msg_decode(wire, row->fixed + more, &m) ==
				      (row->tail ? HV_OK : HV_E_FRAME),
			      "%s with %zu more", row->name, more);
}
END_TEST

START_TEST(a_buffer_too_small_encodes_nothing)
{
	const struct row *row = &rows[_i];
	uint8_t wire[512] = { row->id }, out[512];
	union link_msg m;

	ck_assert_int_eq(link_msg_decode(wire, row->fixed, &m), HV_OK);
	for (size_t cap = 0; cap < row->fixed; cap++)
		ck_assert_uint_eq(link_msg_encode(&m, out, cap), 0);
}
END_TEST

START_TEST(tails_point_into_the_message)
{
	static const uint8_t wire[] = { LINK_JOB, 1, 0, 0, 0, 2, 3, 0, 4, 0,
					0,        0, 0, 0, 0, 0, 9, 8, 7 };
	union link_msg m;

	ck_assert_int_eq(link_msg_decode(wire, sizeof(wire), &m), HV_OK);
	ck_assert(m.job.job == 1 && m.job.slot == 2 && m.job.records == 3);
	ck_assert(m.job.latest_start_us == 4);
	ck_assert_ptr_eq(m.job.tail.bytes, wire + 16);
	ck_assert_uint_eq(m.job.tail.len, 3);
}
END_TEST

START_TEST(unknown_ids_are_refused_and_have_no_name)
{
	bool known[256] = { false };
	union link_msg m;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(!known[rows[i].id], "id %u is used twice", rows[i].id);
		known[rows[i].id] = true;
		ck_assert_str_eq(link_msg_text(rows[i].id), rows[i].name);
	}
	for (unsigned id = 0; id < 256; id++) {
		uint8_t wire[300] = { (uint8_t)id };

		if (known[id])
			continue;
		ck_assert_str_eq(link_msg_text((uint8_t)id), "?");
		ck_assert_int_eq(link_msg_decode(wire, sizeof(wire), &m), HV_E_FRAME);
		m.any.id_ = (uint8_t)id;
		ck_assert_uint_eq(link_msg_encode(&m, wire, sizeof(wire)), 0);
	}
}
END_TEST

static Suite *linkmsg_suite(void)
{
	Suite *s = suite_create("proto/linkmsg");
	TCase *tc = tcase_create("messages");
	int n = (int)(sizeof(rows) / sizeof(rows[0]));

	tcase_add_loop_test(tc, random_fields_come_back_byte_for_byte, 0, n);
	tcase_add_loop_test(tc, every_truncation_is_refused, 0, n);
	tcase_add_loop_test(tc, surplus_bytes_are_a_tail_or_refused, 0, n);
	tcase_add_loop_test(tc, a_buffer_too_small_encodes_nothing, 0, n);
	tcase_add_test(tc, tails_point_into_the_message);
	tcase_add_test(tc, unknown_ids_are_refused_and_have_no_name);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(linkmsg_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
