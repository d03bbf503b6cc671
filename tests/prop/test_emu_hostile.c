/* Bus writes that nobody sane would do: random sequences, and images of networks with damaged
 * registers. Nothing crashes, every run ends, and the work of a start is bounded. */
#include "tests/lib/accel_nets.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct cnn_emu *emu;

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
}

static void teardown(void)
{
	cnn_emu_free(emu);
}

/* Ends whatever is pending; the machine must stand still then. */
static void run_out(void)
{
	(void)cnn_emu_cycles(emu);
	cnn_emu_finish(emu);
	if (cnn_emu_running(emu))
		ck_abort_msg("a run does not end");
}

/* ---- anything ---- */

static uint32_t random_address(struct hv_rng *r)
{
	uint32_t q = hv_rng_below(r, CNN_QUADRANTS);

	switch (hv_rng_below(r, 12)) {
	case 0: return CNN_CTRL + q * CNN_QUADRANT_STRIDE + 4 * hv_rng_below(r, 4);
	case 1: return CNN_CTRL; /* the one that starts */
	case 2: return CNN_FIFO_CTRL + 4 * hv_rng_below(r, 6);
	case 3: return CNN_AON;
	case 4: return cnn_data_addr(hv_rng_below(r, CNN_INSTANCES), hv_rng_below(r, 8192));
	case 5:
		return cnn_kernel_addr(hv_rng_below(r, CNN_PROCESSORS)) +
		       4 * hv_rng_below(r, 0x1000) + hv_rng_below(r, 2);
	case 6: return cnn_bias_addr(q, hv_rng_below(r, 600));
	case 7: return UINT32_C(0x40005800) + 4 * hv_rng_below(r, 4);
	case 8: return hv_rng_below(r, 8) == 0 ? (uint32_t)hv_rng_u64(r) : CNN_CTRL;
	default:
		return cnn_reg_addr(q, hv_rng_below(r, CNN_LAYER_REGS),
				    hv_rng_below(r, 4) == 0 ? hv_rng_below(r, 32) : 0);
	}
}

static uint32_t random_value(struct hv_rng *r, uint32_t addr)
{
	if (addr == CNN_CTRL && hv_rng_below(r, 4) != 0)
		return CNN_CTRL_CLK_EN | (hv_rng_below(r, 2) ? CNN_CTRL_CNN_EN : 0) |
		       (hv_rng_below(r, 4) == 0 ? (uint32_t)hv_rng_u64(r) & 0x00fff100 : 0);
	if (addr >> 16 == 0x4000)
		return hv_rng_below(r, 4) != 0 ? (addr & 0xc) < 8 ? 0xf : 0 : hv_rng_below(r, 16);
	switch (hv_rng_below(r, 4)) {
	case 0: return hv_rng_below(r, 16);
	case 1: return hv_rng_below(r, 0x10000);
	case 2: return UINT32_C(1) << hv_rng_below(r, 32);
	default: return (uint32_t)hv_rng_u64(r);
	}
}

static unsigned play_random(struct hv_rng *r)
{
	unsigned n = 8 + hv_rng_below(r, 40);

	for (unsigned i = 0; i < n; i++) {
		uint32_t addr = random_address(r), value = random_value(r, addr);

		switch (hv_rng_below(r, 16)) {
		case 0: (void)cnn_emu_read32(emu, addr); break;
		case 1: cnn_emu_write8(emu, addr, (uint8_t)value); break;
		case 2: cnn_emu_finish(emu); break;
		default: cnn_emu_write32(emu, addr, value); break;
		}
	}
	run_out();
	return n;
}

START_TEST(random_bus_traffic_never_breaks_the_emulator)
{
	unsigned n_rounds = rounds(20000, 1000000);
	uint64_t writes = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 21);
	cnn_emu_work_max(emu, 1 << 16);
	for (unsigned round = 0; round < n_rounds; round++) {
		writes += play_random(&r);
		if (round % 1024 == 0)
			cnn_emu_reset(emu);
	}
	ck_assert_uint_gt(cnn_emu_misuse(emu), n_rounds);
	printf("counted: %u random bus sequences, %llu accesses, none crashed or hung\n", n_rounds,
	       (unsigned long long)writes);
}
END_TEST

/* ---- damaged images ---- */

static void damage(struct hv_rng *r, struct cnn_reg_write *w)
{
	switch (hv_rng_below(r, 4)) {
	case 0: w->value = (uint32_t)hv_rng_u64(r); break;
	case 1: w->value += hv_rng_below(r, 2) ? 1u : UINT32_MAX; break;
	case 2: w->layer = (uint8_t)hv_rng_below(r, CNN_LAYERS_MAX); break;
	default: w->value ^= UINT32_C(1) << hv_rng_below(r, 32); break;
	}
}

/* Configuration and start of a loaded image with some of its registers damaged. */
static void play_damaged(struct hv_rng *r, const struct cnn_image *image)
{
	struct cnn_bus bus = bus_of_emu(emu);
	unsigned share = 1 + hv_rng_below(r, (uint32_t)image->n_regs);

	cnn_image_init(image, &bus);
	for (size_t i = 0; i < image->n_regs; i++) {
		struct cnn_reg_write w = image->regs[i];

		if (hv_rng_below(r, share) == 0)
			damage(r, &w);
		cnn_emu_write32(emu, cnn_reg_addr(w.quadrant, w.reg, w.layer), w.value);
	}
	if (hv_rng_below(r, 8) == 0)
		cnn_emu_write32(emu, CNN_LCNT_MAX, hv_rng_below(r, 40));
	cnn_image_start(image, &bus);
	run_out();
}

static bool load_network(struct hv_rng *r, struct random_net *n, struct cnn_image *image)
{
	struct cnn_bus bus = bus_of_emu(emu);
	struct cnn_place place;
	char why[200];

	random_net_make(r, NETS_ANY, n);
	if (cnn_place_fit(&n->net, &whole_device, &place, why, sizeof why) != HV_OK) {
		random_net_free(n);
		return false;
	}
	ck_assert_int_eq(cnn_image_build(&n->net, &place, 0, image, why, sizeof why), HV_OK);
	cnn_image_init(image, &bus);
	cnn_image_load(image, &bus);
	return true;
}

START_TEST(damaged_images_never_break_the_emulator)
{
	unsigned n_rounds = rounds(10000, 1000000), done = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 22);
	cnn_emu_work_max(emu, 1 << 18);
	while (done < n_rounds) {
		struct random_net n;
		struct cnn_image image;

		if (!load_network(&r, &n, &image))
			continue;
		for (unsigned i = 0; i < 500 && done < n_rounds; i++, done++)
			play_damaged(&r, &image);
		cnn_image_free(&image);
		random_net_free(&n);
	}
	ck_assert_uint_gt(cnn_emu_misuse(emu), 0);
	printf("counted: %u damaged images configured and started, none crashed or hung\n", done);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile bus traffic");
	TCase *t = tcase_create("random");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 3600);
	tcase_add_test(t, random_bus_traffic_never_breaks_the_emulator);
	tcase_add_test(t, damaged_images_never_break_the_emulator);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
