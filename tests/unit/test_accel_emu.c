/* What the emulator does with starts, stops, kernel loading, power and misuse. */
#include "accel/emu/emu.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct cnn_emu *e;

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&e), HV_OK);
}

static void teardown(void)
{
	cnn_emu_free(e);
}

static void w(uint32_t addr, uint32_t value)
{
	cnn_emu_write32(e, addr, value);
}

enum { READY = 0x00100008, OUT_WORD = 0x800 };

/* One weight on processor 0, `layers` identical layers, each from word 0 to OUT_WORD + layer. */
static void one_weight(int8_t weight, unsigned layers)
{
	w(CNN_AON, 0);
	w(CNN_CTRL, READY);
	w(CNN_SRAM, CNN_SRAM_DEFAULT);
	w(CNN_LCNT_MAX, layers - 1);
	cnn_emu_write8(e, CNN_KERNEL + 1, 1);
	w(CNN_KERNEL, 0);
	w(CNN_KERNEL + 4, 0);
	w(CNN_KERNEL + 8, (uint32_t)(uint8_t)weight << 24);
	for (unsigned l = 0; l < layers; l++) {
		w(cnn_reg_addr(0, CNN_R_WPTR_BASE, l), OUT_WORD + l);
		w(cnn_reg_addr(0, CNN_R_WPTR_TOFF, l), 1);
		w(cnn_reg_addr(0, CNN_R_WPTR_MOFF, l), 0x2000);
		w(cnn_reg_addr(0, CNN_R_LCTL, l), 0x920);
		w(cnn_reg_addr(0, CNN_R_ONED, l), 0x100);
		w(cnn_reg_addr(0, CNN_R_EN, l), 0x00010001);
	}
}

static void start(uint32_t extra)
{
	w(CNN_CTRL, READY | CNN_CTRL_SYNC | extra);
	w(CNN_CTRL, READY | CNN_CTRL_CNN_EN | extra);
}

static uint32_t result(unsigned layer)
{
	return cnn_emu_peek32(e, cnn_data_addr(0, OUT_WORD + layer)) & 0xff;
}

START_TEST(a_start_is_pending_until_it_is_finished)
{
	one_weight(64, 1);
	w(CNN_DATA, 100);
	start(0);
	ck_assert(cnn_emu_running(e));
	ck_assert_uint_eq(cnn_emu_cycles(e), 1 + 4);
	ck_assert_uint_eq(result(0), 0);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_CTRL) & CNN_CTRL_IRQ, 0);
	cnn_emu_finish(e);
	ck_assert(!cnn_emu_running(e));
	ck_assert_uint_eq(result(0), 50);
	ck_assert_uint_ne(cnn_emu_read32(e, CNN_CTRL) & CNN_CTRL_IRQ, 0);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}
END_TEST

START_TEST(a_stop_cancels_and_leaves_the_data_as_it_was)
{
	one_weight(64, 1);
	w(CNN_DATA, 100);
	w(cnn_data_addr(0, OUT_WORD), 0x12345678);
	start(0);
	w(CNN_CTRL, READY);
	ck_assert(!cnn_emu_running(e));
	cnn_emu_finish(e);
	ck_assert_uint_eq(cnn_emu_peek32(e, cnn_data_addr(0, OUT_WORD)), 0x12345678);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_CTRL) & CNN_CTRL_IRQ, 0);
	start(0);
	cnn_emu_finish(e);
	ck_assert_uint_eq(result(0), 50);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}
END_TEST

START_TEST(enabling_again_without_a_zero_between_starts_nothing)
{
	one_weight(64, 1);
	start(0);
	cnn_emu_finish(e);
	w(CNN_CTRL, READY | CNN_CTRL_CNN_EN);
	ck_assert(!cnn_emu_running(e));
	w(CNN_CTRL, READY);
	w(CNN_CTRL, READY | CNN_CTRL_CNN_EN);
	ck_assert(cnn_emu_running(e));
}
END_TEST

START_TEST(one_shot_runs_a_layer_per_start)
{
	one_weight(64, 3);
	w(CNN_DATA, 100);
	for (unsigned l = 0; l < 3; l++) {
		start(CNN_CTRL_ONESHOT);
		cnn_emu_finish(e);
		for (unsigned i = 0; i < 3; i++)
			ck_assert_uint_eq(result(i), i <= l ? 50 : 0);
	}
	w(CNN_DATA, 2);
	start(CNN_CTRL_ONESHOT); /* from the first layer again */
	cnn_emu_finish(e);
	ck_assert_uint_eq(result(0), 1);
	ck_assert_uint_eq(result(1), 50);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}
END_TEST

START_TEST(kernel_words_arrive_packed_and_in_four_writes_alike)
{
	static const uint32_t packed[3] = { 0x01020304, 0x05060708, 0x09aabbcc };
	uint32_t base = CNN_KERNEL + 3 * 0x4000;

	w(CNN_CTRL, READY);
	cnn_emu_write8(e, base + 4 * 7 + 1, 1);
	for (unsigned i = 0; i < 3; i++)
		w(base + 4 * (7 + i), packed[i]);
	w(CNN_CTRL, CNN_CTRL_CLK_EN); /* four-word mode */
	w(base + 16 * 9, 1);
	w(base + 16 * 9 + 4, 0x02030405);
	w(base + 16 * 9 + 8, 0x06070809);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(cnn_emu_read32(e, base + 16 * 9 + 4 * i), 0);
	w(base + 16 * 9 + 12, 0);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(cnn_emu_read32(e, base + 16 * 7 + 4 * i),
				  cnn_emu_read32(e, base + 16 * 9 + 4 * i));
	ck_assert_uint_eq(cnn_emu_read32(e, base + 16 * 7 + 4), 0x02030405);
	/* The three bytes left over never reach the next word. */
	ck_assert_uint_eq(cnn_emu_read32(e, base + 16 * 8), 0);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}
END_TEST

START_TEST(power_decides_what_survives)
{
	one_weight(64, 1);
	w(CNN_DATA, 100);
	w(0x40005800, 0); /* off, kernels stay supplied */
	w(0x40005800, 0xf);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_DATA), 0);
	ck_assert_uint_eq(cnn_emu_peek32(e, cnn_reg_addr(0, CNN_R_EN, 0)), 0);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_KERNEL + 8) & 0xff, 64);
	w(0x40005804, 0);
	w(0x40005800, 0);
	w(0x40005800, 0xf);
	w(0x40005804, 0xf);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_KERNEL + 8) & 0xff, 0);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}
END_TEST

static void expect_misuse(const char *about)
{
	ck_assert_msg(cnn_emu_misuse(e) > 0, "no misuse seen, wanted: %s", about);
	ck_assert_msg(strstr(cnn_emu_misuse_text(e), about) != NULL, "'%s' should say '%s'",
		      cnn_emu_misuse_text(e), about);
	cnn_emu_free(e);
	ck_assert_int_eq(cnn_emu_new(&e), HV_OK);
	ck_assert_str_eq(cnn_emu_misuse_text(e), "");
}

START_TEST(misuse_is_told_apart)
{
	w(CNN_DATA, 1);
	expect_misuse("without the data-path clock");
	w(0x40000024, UINT32_C(1) << 25);
	w(CNN_CTRL, READY);
	expect_misuse("clock is gated");
	w(0x40005800, 0xe);
	w(CNN_CTRL, READY);
	expect_misuse("quadrant 0 is off");
	w(CNN_CTRL, READY);
	w(CNN_CTRL + 0x2000, 1);
	expect_misuse("where nothing is");
	w(0x50001002, 0);
	expect_misuse("unaligned");
	cnn_emu_write8(e, CNN_DATA, 1);
	expect_misuse("only kernel memories");
	w(CNN_CTRL, READY);
	w(CNN_KERNEL, 1);
	expect_misuse("before its address was set");
	w(CNN_CTRL, READY);
	cnn_emu_write8(e, CNN_KERNEL + 4 * 768 + 1, 1);
	for (unsigned i = 0; i < 3; i++)
		w(CNN_KERNEL, 0);
	expect_misuse("kernel word 768");
	one_weight(1, 1);
	start(0);
	w(CNN_DATA, 1);
	expect_misuse("while the machine is running");
	one_weight(1, 1);
	start(0);
	(void)cnn_emu_read32(e, CNN_DATA);
	expect_misuse("while the machine is running");
	one_weight(1, 1);
	start(0);
	w(CNN_LCNT_MAX, 3);
	expect_misuse("while the machine is enabled");
	w(CNN_BASE + 8, 1);
	expect_misuse("FIFO 0 which is not enabled");
	one_weight(1, 1);
	w(cnn_reg_addr(0, CNN_R_MCNT, 0), 0xffff);
	start(0);
	cnn_emu_finish(e);
	expect_misuse("layer 0: the kernel counter");
	one_weight(1, 1);
	w(cnn_reg_addr(0, CNN_R_RCNT, 0), 1000);
	w(cnn_reg_addr(0, CNN_R_CCNT, 0), 1000);
	start(0);
	cnn_emu_finish(e);
	expect_misuse("layer 0: the input runs over");
}
END_TEST

START_TEST(a_misused_machine_still_ends_its_run)
{
	one_weight(1, 1);
	w(cnn_reg_addr(0, CNN_R_RCNT, 0), 0x3ffff);
	start(0);
	(void)cnn_emu_cycles(e);
	cnn_emu_finish(e);
	ck_assert(!cnn_emu_running(e));
	ck_assert_uint_ne(cnn_emu_read32(e, CNN_CTRL) & CNN_CTRL_IRQ, 0);
}
END_TEST

START_TEST(done_must_be_acknowledged_before_the_next_start)
{
	one_weight(64, 1);
	w(CNN_DATA, 100);
	start(0);
	cnn_emu_finish(e);
	w(CNN_CTRL, READY | CNN_CTRL_CNN_EN | CNN_CTRL_IRQ); /* forces the bit, clears nothing */
	expect_misuse("quadrant 0 is enabled again although its done bit");
	one_weight(64, 1);
	start(0);
	cnn_emu_finish(e);
	w(CNN_CTRL, READY); /* what a handler does */
	start(0);
	cnn_emu_finish(e);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}
END_TEST

START_TEST(a_reset_pulse_keeps_memories_and_loses_registers)
{
	one_weight(64, 1);
	w(CNN_DATA, 100);
	start(0);
	w(0x4000580c, 0xf);
	ck_assert(!cnn_emu_running(e));
	w(CNN_CTRL, READY);
	expect_misuse("in reset");
	one_weight(64, 1);
	w(CNN_DATA, 100);
	w(0x4000580c, 0xf);
	w(0x4000580c, 0);
	ck_assert_uint_eq(cnn_emu_peek32(e, cnn_reg_addr(0, CNN_R_EN, 0)), 0);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_CTRL), 6);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_DATA), 100);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_KERNEL + 8) & 0xff, 64);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}
END_TEST

START_TEST(sleep_shuts_memories_and_power_down_empties_them)
{
	one_weight(64, 1);
	w(CNN_AON, 1u << 8);
	(void)cnn_emu_read32(e, CNN_KERNEL);
	expect_misuse("kernel memories of quadrant 0 sleep");
	one_weight(64, 1);
	w(CNN_AON, 1u << 8);
	w(CNN_AON, 0);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_KERNEL + 8) & 0xff, 64);
	w(CNN_AON, 1u << 12);
	w(CNN_AON, 0);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_KERNEL + 8) & 0xff, 0);
	w(CNN_DATA, 7);
	w(CNN_SRAM, CNN_SRAM_DEFAULT | 1u << 15);
	w(CNN_SRAM, CNN_SRAM_DEFAULT);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_DATA), 7);
	w(CNN_SRAM, CNN_SRAM_DEFAULT | 1u << 16);
	w(CNN_SRAM, CNN_SRAM_DEFAULT);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_DATA), 0);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
	one_weight(64, 1);
	w(CNN_SRAM, CNN_SRAM_DEFAULT | 1u << 15);
	start(0);
	expect_misuse("start while memories of quadrant 0 sleep");
}
END_TEST

START_TEST(self_test_and_zeroise_empty_one_kind_of_memory)
{
	one_weight(64, 1);
	w(CNN_DATA, 7);
	w(CNN_TEST, 1u << 1); /* zeroise data */
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_TEST) & (1u << 28 | 1u << 22), 1u << 28 | 1u << 22);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_DATA), 0);
	ck_assert_uint_eq(cnn_emu_peek32(e, CNN_KERNEL + 8) & 0xff, 64);
	w(CNN_DATA, 7);
	w(CNN_TEST, 1u << 1); /* no rising edge: nothing */
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_DATA), 7);
	w(CNN_TEST, 1u << 2); /* self test of the kernels */
	ck_assert_uint_ne(cnn_emu_read32(e, CNN_TEST) & 1u << 27, 0);
	ck_assert_uint_ne(cnn_emu_read32(e, CNN_TEST) & 1u << 19, 0);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_TEST) & 0xfu << 14, 0); /* no failure */
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_KERNEL + 8), 0);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
	ck_assert_uint_eq(cnn_emu_unset(e), 0);
}
END_TEST

static void expect_unset(uint64_t n, const char *about)
{
	ck_assert_uint_eq(cnn_emu_unset(e), n);
	ck_assert_msg(strstr(cnn_emu_unset_text(e), about) != NULL, "'%s' should say '%s'",
		      cnn_emu_unset_text(e), about);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
}

START_TEST(reads_of_what_nothing_has_written_are_told_but_no_misuse)
{
	one_weight(64, 1);
	start(0);
	cnn_emu_finish(e);
	expect_unset(1, "layer 0 reads word 0 of data memory 0");
	(void)cnn_emu_read32(e, cnn_data_addr(0, OUT_WORD)); /* the run wrote it */
	expect_unset(1, "");
	(void)cnn_emu_read32(e, cnn_data_addr(3, 77));
	expect_unset(2, "read of 5041");
	(void)cnn_emu_read32(e, cnn_bias_addr(0, 3));
	expect_unset(3, "read of 5010800c");
	w(CNN_DATA, 1);
	w(CNN_AON, 1u << 12); /* kernels gone */
	w(CNN_AON, 0);
	w(CNN_CTRL, READY);
	start(0);
	cnn_emu_finish(e);
	expect_unset(4, "kernel word 0 of processor 0");
	w(CNN_CTRL, READY);
	w(cnn_reg_addr(0, CNN_R_EN, 0), 0);
	start(0);
	cnn_emu_finish(e);
	expect_unset(5, "not configured");
}
END_TEST

START_TEST(fifo_status_tells_empty_and_full)
{
	one_weight(64, 1);
	w(CNN_FIFO_CTRL, 0x908 | 1u << 12);
	w(CNN_CTRL, READY | CNN_CTRL_FIFO);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_FIFO_STATUS), 0xf0);
	w(CNN_FIFO_DATA, 1);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_FIFO_STATUS), 0xe0);
	for (unsigned i = 1; i < 1u << 21; i++)
		w(CNN_FIFO_DATA, i);
	ck_assert_uint_eq(cnn_emu_read32(e, CNN_FIFO_STATUS), 0xe1);
	ck_assert_uint_eq(cnn_emu_misuse(e), 0);
	w(CNN_FIFO_DATA, 1);
	expect_misuse("FIFO 0: more words");
}
END_TEST

START_TEST(a_run_ends_at_the_limit_of_work)
{
	one_weight(64, 3);
	w(CNN_DATA, 100);
	cnn_emu_work_max(e, 1);
	start(0);
	cnn_emu_finish(e);
	ck_assert(!cnn_emu_running(e));
	ck_assert_uint_eq(result(0), 0);
	expect_misuse("longer than the emulator's limit");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("accelerator emulator");
	TCase *t = tcase_create("emu");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_start_is_pending_until_it_is_finished);
	tcase_add_test(t, a_stop_cancels_and_leaves_the_data_as_it_was);
	tcase_add_test(t, enabling_again_without_a_zero_between_starts_nothing);
	tcase_add_test(t, one_shot_runs_a_layer_per_start);
	tcase_add_test(t, kernel_words_arrive_packed_and_in_four_writes_alike);
	tcase_add_test(t, power_decides_what_survives);
	tcase_add_test(t, misuse_is_told_apart);
	tcase_add_test(t, a_misused_machine_still_ends_its_run);
	tcase_add_test(t, done_must_be_acknowledged_before_the_next_start);
	tcase_add_test(t, a_reset_pulse_keeps_memories_and_loses_registers);
	tcase_add_test(t, sleep_shuts_memories_and_power_down_empties_them);
	tcase_add_test(t, self_test_and_zeroise_empty_one_kind_of_memory);
	tcase_add_test(t, reads_of_what_nothing_has_written_are_told_but_no_misuse);
	tcase_add_test(t, fifo_status_tells_empty_and_full);
	tcase_add_test(t, a_run_ends_at_the_limit_of_work);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
