/* The header between client and daemon, the table of kinds, and where the socket is. */
#include "tests/lib/ipc_types.h"
#include "util/rng.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(a_header_comes_back_as_it_went)
{
	struct hv_rng r;

	hv_rng_seed(&r, 1);
	for (int i = 0; i < 1000; i++) {
		struct ipc_frame f = { .msg_len = hv_rng_below(&r, IPC_MSG_MAX + 1),
				       .payload_len = hv_rng_below(&r, IPC_PAYLOAD_MAX + 1) };
		struct ipc_frame back;
		uint8_t b[IPC_HDR];

		f.kind = (uint16_t)hv_rng_u64(&r);
		f.flags = (uint16_t)hv_rng_u64(&r);
		f.tag = (uint32_t)hv_rng_u64(&r);
		ipc_frame_encode(&f, b);
		ck_assert_int_eq(ipc_frame_decode(b, &back), HV_OK);
		ck_assert(back.msg_len == f.msg_len && back.payload_len == f.payload_len);
		ck_assert(back.kind == f.kind && back.flags == f.flags && back.tag == f.tag);
	}
}
END_TEST

START_TEST(lengths_over_their_caps_are_refused_and_at_the_caps_are_not)
{
	/* clang-format off */
	static const struct { uint32_t msg, payload; int err; } c[] = {
		{ IPC_MSG_MAX, IPC_PAYLOAD_MAX, HV_OK },
		{ IPC_MSG_MAX + 1, 0, HV_E_FRAME },
		{ 0, IPC_PAYLOAD_MAX + 1, HV_E_FRAME },
		{ UINT32_MAX, UINT32_MAX, HV_E_FRAME },
	};
	/* clang-format on */
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct ipc_frame f = { .msg_len = c[i].msg, .payload_len = c[i].payload };
		uint8_t b[IPC_HDR];

		ipc_frame_encode(&f, b);
		ck_assert_int_eq(ipc_frame_decode(b, &f), c[i].err);
	}
}
END_TEST

/* The macro's four columns agree with each other and with harvest.proto. */
START_TEST(every_kind_has_one_number_one_name_and_a_message)
{
	for (size_t i = 0; i < IPC_TYPES; i++) {
		ck_assert_str_eq(ipc_kind_text(ipc_types[i].id), ipc_types[i].name);
		ck_assert_str_eq(ipc_types[i].type->short_name, ipc_types[i].message);
		for (size_t k = 0; k < i; k++)
			ck_assert(ipc_types[k].id < ipc_types[i].id);
	}
	ck_assert_str_eq(ipc_kind_text(0), "?");
	ck_assert_str_eq(ipc_kind_text(127), "?");
	ck_assert_str_eq(ipc_kind_text(65535), "?");
}
END_TEST

START_TEST(the_socket_is_the_named_one_else_that_of_the_user_or_the_system)
{
	char path[64];

	setenv("HARVEST_SOCKET", "/tmp/named.sock", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	ck_assert_int_eq(ipc_socket_path(path, sizeof(path)), HV_OK);
	ck_assert_str_eq(path, "/tmp/named.sock");
	ck_assert_int_eq(ipc_socket_path(path, 15), HV_E_INVAL);
	ck_assert_int_eq(ipc_socket_path(path, 16), HV_OK);

	setenv("HARVEST_SOCKET", "", 1);
	ck_assert_int_eq(ipc_socket_path(path, sizeof(path)), HV_OK);
	ck_assert_str_eq(path, geteuid() == 0 ? "/run/harvest/harvest.sock"
					      : "/run/user/1/harvest/harvest.sock");
	unsetenv("HARVEST_SOCKET");
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_int_eq(ipc_socket_path(path, sizeof(path)), HV_OK);
	ck_assert_str_eq(path, "/run/harvest/harvest.sock");
}
END_TEST

static Suite *ipc_suite(void)
{
	Suite *s = suite_create("proto/ipc_frame");
	TCase *tc = tcase_create("header");

	tcase_add_test(tc, a_header_comes_back_as_it_went);
	tcase_add_test(tc, lengths_over_their_caps_are_refused_and_at_the_caps_are_not);
	tcase_add_test(tc, every_kind_has_one_number_one_name_and_a_message);
	tcase_add_test(tc, the_socket_is_the_named_one_else_that_of_the_user_or_the_system);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(ipc_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
