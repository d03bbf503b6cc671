/* Load images: what a board writes at boot and at every inference gives the bits of the
 * reference; guests are left what the network does not touch; damage is noticed. */
#include "accel/import/import.h"
#include "accel/loadimg/build.h"
#include "accel/ref/ref.h"
#include "tests/lib/accel_nets.h"
#include "util/fs/crc32.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 20, WORDS_MAX = 1 << 16 };

static struct cnn_emu *emu;
static uint32_t words[WORDS_MAX];

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
}

static void teardown(void)
{
	cnn_emu_free(emu);
}

/* (C, H, W) as the image wants it: channels together, pixel by pixel. */
static void pack_input(const struct cnn_net *net, const struct loadimg *img, const int8_t *input)
{
	uint32_t per_pass = 4u * img->in_groups, pixels = img->in_pixels;
	const struct cnn_layer *l = &net->layer[0];
	uint8_t *to = (uint8_t *)words;

	memset(words, 0, sizeof(words));
	if (img->in_passes > 1)
		ck_assert_uint_eq(l->in_channels % per_pass, 0);
	for (uint32_t n = 0; n < pixels; n++)
		for (uint32_t c = 0; c < l->in_channels; c++)
			to[n * per_pass * img->in_passes + c] = (uint8_t)input[c * pixels + n];
}

static int8_t byte_of(uint32_t word, uint32_t lane)
{
	return (int8_t)(word >> 8 * lane & 0xff);
}

/* The words of the answer against the reference's tensors. Returns how many values. */
static size_t same_answer(const struct cnn_net *net, const int8_t *input, const uint32_t *answer)
{
	struct cnn_tensors t = { 0 };
	size_t n = 0;

	ck_assert_int_eq(cnn_ref_run(net, input, &t), HV_OK);
	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];
		uint32_t chw[3], pixels;

		if (!l->is_output)
			continue;
		cnn_layer_out_shape(l, chw);
		pixels = chw[1] * chw[2];
		for (uint32_t p = 0; p < pixels; p++) {
			for (uint32_t c = 0; c < chw[0]; c++, n++) {
				uint32_t w = l->out_bits == 32 ? answer[c] : answer[c / 4];

				ck_assert_int_eq(l->out_bits == 32 ? (int32_t)w : byte_of(w, c % 4),
						 t.out[i][c * pixels + p]);
			}
			answer += l->out_bits == 32 ? chw[0] : (chw[0] + 3) / 4;
		}
	}
	cnn_tensors_free(&t);
	return n;
}

static size_t run(const struct cnn_net *net, const struct loadimg *img, const int8_t *input)
{
	struct cnn_bus bus = bus_of_emu(emu);
	uint32_t half = img->in_pixels / 2u;

	pack_input(net, img, input);
	loadimg_input(img, 0, half, words, &bus);
	loadimg_input(img, half, img->in_pixels - half, words + half * loadimg_pixel_words(img),
		      &bus);
	loadimg_start(img, &bus);
	ck_assert(!loadimg_is_done(&bus));
	cnn_emu_finish(emu);
	ck_assert(loadimg_is_done(&bus));
	loadimg_finish(img, words, &bus);
	ck_assert(!loadimg_is_done(&bus));
	ck_assert_msg(cnn_emu_misuse(emu) == 0, "%s", cnn_emu_misuse_text(emu));
	return same_answer(net, input, words);
}

static struct import *keyword_spotter(void)
{
	const struct import_options o = { .seeded = true, .seed = SEED };
	struct import *im = NULL;
	char why[300] = "";
	int r = import_yaml_files(SRCDIR "/models/primary/kws20_v3.yaml", NULL, &o, &im, why,
				  sizeof(why));

	ck_assert_msg(r == HV_OK, "%s", why);
	return im;
}

START_TEST(the_keyword_spotter_answers_like_the_reference_again_and_again)
{
	struct import *im = keyword_spotter();
	struct cnn_bus bus = bus_of_emu(emu);
	int8_t input[128 * 128];
	struct loadimg made, img;
	uint8_t *bytes = NULL;
	char why[300] = "";
	struct hv_rng rng;
	size_t len;

	ck_assert_int_eq(loadimg_build("kws", &im->net, &bytes, &len, &made, why, sizeof(why)),
			 HV_OK);
	ck_assert_int_eq(loadimg_open(bytes, len, &img), HV_OK);
	ck_assert_str_eq(img.name, "kws");
	ck_assert_uint_eq(img.cycles, 71782);
	loadimg_load(&img, &bus);
	hv_rng_seed(&rng, SEED);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(input); i++)
			input[i] = (int8_t)((int)hv_rng_below(&rng, 256) - 128);
		ck_assert_uint_eq(run(&im->net, &img, input), 21);
	}
	free(bytes);
	import_free(im);
}
END_TEST

static bool any(const struct cnn_room *room, unsigned memory)
{
	return memory == 0 ? room->kernel_words > 0 : room->data_words > 0;
}

/* Fill what is left to guests with noise: the network must not care. */
START_TEST(what_is_left_to_guests_is_nothing_of_the_network)
{
	struct import *im = keyword_spotter();
	struct cnn_bus bus = bus_of_emu(emu);
	int8_t input[128 * 128] = { 1, 2, 3 };
	struct loadimg img;
	uint8_t *bytes = NULL;
	char why[300] = "";
	size_t len;

	ck_assert_int_eq(loadimg_build("kws", &im->net, &bytes, &len, &img, why, sizeof(why)),
			 HV_OK);
	ck_assert_int_eq(loadimg_open(bytes, len, &img), HV_OK);
	ck_assert(any(&img.left, 0) && any(&img.left, 1));
	loadimg_load(&img, &bus);
	for (unsigned p = 0; p < CNN_PROCESSORS; p++) {
		uint32_t base = cnn_kernel_addr(p) + 4u * img.left.kernel_first;

		bus.write8(bus.ctx, base + 1, 1);
		for (uint32_t i = 0; i < img.left.kernel_words * 9u / 4; i++)
			bus.write32(bus.ctx, base + 4 * i, 0xa5c3960fu * (i + 1));
	}
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (uint32_t w = 0; w < img.left.data_words; w++)
			bus.write32(bus.ctx, cnn_data_addr(i, img.left.data_first + w), ~w);
	ck_assert_uint_eq(run(&im->net, &img, input), 21);
	free(bytes);
	import_free(im);
}
END_TEST

START_TEST(random_networks_answer_like_the_reference_or_are_refused)
{
	unsigned carried = 0, n = rounds(60, 2000);
	struct hv_rng rng;

	hv_rng_seed(&rng, SEED);
	for (unsigned i = 0; i < n; i++) {
		struct cnn_bus bus = bus_of_emu(emu);
		struct random_net r;
		struct loadimg img;
		uint8_t *bytes = NULL;
		char why[300] = "";
		size_t len;
		int err;

		random_net_make(&rng, i % 2 == 0 ? NETS_LINEAR : NETS_ANY, &r);
		err = loadimg_build("any", &r.net, &bytes, &len, &img, why, sizeof(why));
		if (err == HV_OK && (r.net.layer[0].in_channels <= 64 ||
				     r.net.layer[0].in_channels % (4u * img.in_groups) == 0)) {
			ck_assert_int_eq(loadimg_open(bytes, len, &img), HV_OK);
			cnn_emu_reset(emu);
			loadimg_load(&img, &bus);
			(void)run(&r.net, &img, r.input);
			carried++;
		} else if (err != HV_OK) {
			ck_assert(err == HV_E_INVAL || err == HV_E_BUSY);
			ck_assert_msg(why[0] != '\0', "refused without a word");
		}
		free(bytes);
		random_net_free(&r);
	}
	ck_assert_uint_gt(carried, n / 10);
}
END_TEST

/* A correct check sum over wrong content: the walk through it must not leave the image. */
static void reseal(uint8_t *bytes, size_t len)
{
	uint32_t crc = hv_crc32(0, bytes, len - 4);

	for (unsigned i = 0; i < 4; i++)
		bytes[len - 4 + i] = (uint8_t)(crc >> 8 * i);
}

START_TEST(damage_is_noticed)
{
	struct random_net r;
	struct hv_rng rng;
	struct loadimg img;
	uint8_t *bytes = NULL, *copy;
	char why[300] = "";
	size_t len;

	hv_rng_seed(&rng, SEED);
	do {
		free(bytes);
		bytes = NULL;
		random_net_make(&rng, NETS_LINEAR, &r);
		if (loadimg_build("any", &r.net, &bytes, &len, &img, why, sizeof(why)) != HV_OK)
			len = 0;
		random_net_free(&r);
	} while (len == 0);
	for (size_t n = 0; n < len; n += n < 200 ? 1 : 97) {
		copy = malloc(n > 0 ? n : 1);
		memcpy(copy, bytes, n);
		ck_assert_int_lt(loadimg_open(copy, n, &img), 0);
		if (n >= 8) {
			reseal(copy, n);
			ck_assert_int_lt(loadimg_open(copy, n, &img), 0);
		}
		free(copy);
	}
	for (unsigned i = 0; i < 2000; i++) {
		size_t at = i < 8 * len ? i / 8 : hv_rng_below(&rng, (uint32_t)len);

		bytes[at] ^= (uint8_t)(1u << i % 8);
		ck_assert_int_lt(loadimg_open(bytes, len, &img), 0);
		if (at + 4 < len)
			reseal(bytes, len);
		ck_assert_int_le(loadimg_open(bytes, len, &img), HV_OK); /* it stays inside */
		bytes[at] ^= (uint8_t)(1u << i % 8);
		reseal(bytes, len);
	}
	ck_assert_int_eq(loadimg_open(bytes, len, &img), HV_OK);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loadimg");
	TCase *tc = tcase_create("loadimg");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, the_keyword_spotter_answers_like_the_reference_again_and_again);
	tcase_add_test(tc, what_is_left_to_guests_is_nothing_of_the_network);
	tcase_add_test(tc, random_networks_answer_like_the_reference_or_are_refused);
	tcase_add_test(tc, damage_is_noticed);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
