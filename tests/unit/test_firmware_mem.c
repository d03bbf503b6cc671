/* The images' own memory functions, against loops over bytes: every small length, alignment and
 * overlap. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *fw_memcpy(void *restrict to, const void *restrict from, size_t n);
void *fw_memmove(void *to, const void *from, size_t n);
void *fw_memset(void *to, int c, size_t n);
int fw_memcmp(const void *a, const void *b, size_t n);

/* Under names of their own; the compiler knows the usual ones too well. */
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#define memcpy  fw_memcpy
#define memmove fw_memmove
#define memset  fw_memset
#define memcmp  fw_memcmp
#include "firmware-agent/libc/mem.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp

enum { ROOM = 96, LENGTHS = 48, OFFSETS = 24 };

static uint8_t is[ROOM], want[ROOM];

static void fill(void)
{
	for (unsigned i = 0; i < ROOM; i++)
		is[i] = want[i] = (uint8_t)(i * 7 + 1);
}

static void compare(unsigned to, unsigned from, unsigned n)
{
	unsigned i = 0;

	while (i < ROOM && is[i] == want[i])
		i++;
	ck_assert_msg(i == ROOM, "byte %u of %u bytes from %u to %u", i, n, from, to);
}

START_TEST(moving_keeps_what_overlaps)
{
	for (unsigned n = 0; n < LENGTHS; n++)
		for (unsigned to = 0; to < OFFSETS; to++)
			for (unsigned from = 0; from < OFFSETS; from++) {
				fill();
				for (unsigned i = 0; i < n; i++)
					want[to + i] = is[from + i];
				ck_assert_ptr_eq(fw_memmove(is + to, is + from, n), is + to);
				compare(to, from, n);
			}
}
END_TEST

START_TEST(copying_and_setting_touch_nothing_else)
{
	for (unsigned n = 0; n < OFFSETS; n++)
		for (unsigned to = 0; to < OFFSETS; to++) {
			unsigned from = ROOM - OFFSETS - to % 5;

			fill();
			for (unsigned i = 0; i < n; i++)
				want[to + i] = is[from + i];
			ck_assert_ptr_eq(fw_memcpy(is + to, is + from, n), is + to);
			compare(to, from, n);
			for (unsigned i = 0; i < n; i++)
				want[to + i] = 0xa5;
			ck_assert_ptr_eq(fw_memset(is + to, 0x5a5, n), is + to);
			compare(to, from, n);
		}
}
END_TEST

START_TEST(comparing_sees_the_first_difference)
{
	fill();
	ck_assert_int_eq(fw_memcmp(is, want, ROOM), 0);
	for (unsigned i = 0; i < ROOM; i++) {
		is[i]++;
		ck_assert_int_gt(fw_memcmp(is, want, ROOM), 0);
		ck_assert_int_lt(fw_memcmp(want, is, ROOM), 0);
		ck_assert_int_eq(fw_memcmp(is, want, i), 0);
		is[i]--;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("firmware memory");
	TCase *tc = tcase_create("memory");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, moving_keeps_what_overlaps);
	tcase_add_test(tc, copying_and_setting_touch_nothing_else);
	tcase_add_test(tc, comparing_sees_the_first_difference);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
