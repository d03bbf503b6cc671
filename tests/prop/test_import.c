/* Networks of all kinds as others hand them over and as packages: the same answers from the
 * reference, from the package and from what the compiler makes of it on the emulator. */
#include "accel/import/import.h"
#include "accel/kat/kat.h"
#include "accel/ref/ref.h"
#include "sim/primary_net.h"
#include "tests/lib/accel_nets.h"
#include "tests/lib/net_yaml.h"
#include "tests/lib/temp_dir.h"
#include "util/own.h"

#include <check.h>
#include <dirent.h>
#include <string.h>

static struct cnn_emu *emu;
static char dir[64], why[400];

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
	temp_dir_make(dir, sizeof(dir));
}

static void teardown(void)
{
	cnn_emu_free(emu);
	temp_dir_remove(dir);
}

/* All outputs of the network at `place` on the emulator against `want`, as a package has them. */
static void run_on_emulator(const struct cnn_net *net, const struct cnn_place *place,
			    const int8_t *input, const int32_t *want)
{
	struct cnn_bus bus = bus_of_emu(emu);
	struct cnn_image image;

	ck_assert_msg(cnn_image_build(net, place, 0xf, &image, why, sizeof(why)) == HV_OK, "%s",
		      why);
	cnn_image_init(&image, &bus);
	cnn_image_load(&image, &bus);
	cnn_image_configure(&image, &bus);
	if (!net->fifo)
		cnn_input_write(net, place, input, &bus);
	cnn_image_start(&image, &bus);
	if (net->fifo)
		cnn_input_write(net, place, input, &bus);
	cnn_emu_finish(emu);
	for (unsigned i = 0; i < net->layers; i++) {
		uint32_t chw[3];
		int32_t *out;
		size_t n;

		if (!net->layer[i].is_output)
			continue;
		cnn_layer_out_shape(&net->layer[i], chw);
		n = (size_t)chw[0] * chw[1] * chw[2];
		out = malloc(n * sizeof(*out));
		cnn_output_read(net, place, i, out, &bus);
		ck_assert_mem_eq(out, want, n * sizeof(*out));
		want += n;
		free(out);
	}
	cnn_image_free(&image);
}

/* Through a file's bytes and back. */
static struct package *through_file(struct package *p)
{
	struct package *q = NULL;
	uint8_t *bytes = NULL, *again = NULL;
	size_t len, again_len;

	ck_assert_int_eq(package_encode(p, &bytes, &len), HV_OK);
	ck_assert_msg(package_decode(bytes, len, &q, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_int_eq(package_encode(q, &again, &again_len), HV_OK);
	ck_assert_uint_eq(len, again_len);
	ck_assert_mem_eq(bytes, again, len);
	ck_assert_msg(package_self_test(q, why, sizeof(why)) == HV_OK, "%s", why);
	free(bytes);
	free(again);
	package_free(p);
	return q;
}

/* What the reference says about the first network, in the order of a package's answer. */
static int32_t *answers_of(const struct cnn_net *net, const int8_t *input, size_t *n)
{
	struct cnn_tensors t;
	int32_t *all = NULL;

	*n = 0;
	ck_assert_int_eq(cnn_ref_run(net, input, &t), HV_OK);
	for (unsigned i = 0; i < net->layers; i++) {
		uint32_t chw[3];
		size_t more;

		if (!net->layer[i].is_output)
			continue;
		cnn_layer_out_shape(&net->layer[i], chw);
		more = (size_t)chw[0] * chw[1] * chw[2];
		all = realloc(all, (*n + more) * sizeof(*all));
		memcpy(all + *n, t.out[i], more * sizeof(*all));
		*n += more;
	}
	cnn_tensors_free(&t);
	return all;
}

static void compare_package(const struct cnn_net *net, const struct cnn_net *imported,
			    const int8_t *input, unsigned *fitted)
{
	struct cnn_place place;
	struct package *p = NULL;
	size_t n;
	int32_t *want = answers_of(net, input, &n), *got;

	ck_assert_msg(import_package("made", "made", imported, input, &p, why, sizeof(why)) ==
			      HV_OK,
		      "%s", why);
	p = through_file(p);
	ck_assert_uint_eq(package_out_bytes(p), n * sizeof(*want));
	got = malloc(n * sizeof(*got));
	ck_assert_int_eq(package_run(p, input, got, 1), HV_OK);
	ck_assert_mem_eq(got, want, n * sizeof(*want));
	if (cnn_place_fit(&p->net, &whole_device, &place, why, sizeof(why)) == HV_OK) {
		run_on_emulator(&p->net, &place, input, want);
		(*fitted)++;
	}
	package_free(p);
	free(want);
	free(got);
}

static struct import *import_again(const struct cnn_net *net, const struct cnn_place *place,
				   const int8_t *input)
{
	const struct import_options o = { .avg_round = net->avg_round, .fifo = net->fifo };
	struct import *im = NULL;
	char path[100];

	snprintf(path, sizeof(path), "%s/net.yaml", dir);
	net_yaml_write(dir, net, place, input);
	ck_assert_msg(import_yaml_files(path, dir, &o, &im, why, sizeof(why)) == HV_OK, "%s", why);
	return im;
}

/* Arrays of the network before must not be found by the next one. */
static void forget(void)
{
	temp_dir_remove(dir);
	temp_dir_make(dir, sizeof(dir));
}

START_TEST(random_networks_come_back_from_yaml_and_packages)
{
	unsigned n = rounds(150, 4000), fitted = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 20);
	for (unsigned i = 0; i < n; i++) {
		struct random_net net;
		struct import *im;

		random_net_make(&r, NETS_ANY, &net);
		im = import_again(&net.net, NULL, net.input);
		ck_assert(!im->has_place);
		ck_assert_uint_eq(im->notes, 0);
		compare_package(&net.net, &im->net, net.input, &fitted);
		import_free(im);
		random_net_free(&net);
		forget();
	}
	printf("%u random networks, %u of them on the emulator too\n", n, fitted);
	ck_assert_uint_gt(fitted, n * 3 / 4);
}
END_TEST

static const char *kat_dir(void)
{
	const char *d = getenv("HARVEST_KAT_DIR");

	return d != NULL ? d : SRCDIR "/../shared/kat";
}

static void check_kat(const char *path, unsigned *placed)
{
	struct kat *k = NULL;
	struct import *im;
	unsigned fitted = 0;
	size_t n;
	int32_t *want;

	ck_assert_msg(kat_read(path, &k, why, sizeof(why)) == HV_OK, "%s: %s", path, why);
	im = import_again(&k->net, &k->place, k->input);
	compare_package(&k->net, &im->net, k->input, &fitted);
	ck_assert_uint_eq(fitted, 1);
	if (im->has_place) {
		want = answers_of(&k->net, k->input, &n);
		run_on_emulator(&im->net, &im->place, im->sample, want);
		free(want);
		(*placed)++;
	}
	import_free(im);
	kat_free(k);
	forget();
}

START_TEST(known_answer_networks_come_back_from_yaml_at_their_own_place)
{
	DIR *d = opendir(kat_dir());
	struct dirent *e;
	unsigned files = 0, placed = 0;

	if (d == NULL) {
		puts("skipped: no folder of known-answer tests (HARVEST_KAT_DIR)");
		return;
	}
	while ((e = readdir(d)) != NULL) {
		char path[4096];

		if (strstr(e->d_name, ".kat") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", kat_dir(), e->d_name);
		check_kat(path, &placed);
		files++;
	}
	closedir(d);
	printf("%u known-answer networks through YAML, %u at their own place\n", files, placed);
	ck_assert_uint_eq(placed, files);
}
END_TEST

/* As a virtual board hashes the outputs of its primary, of inference n. */
static uint64_t hash_of(const struct cnn_net *net, uint64_t seed, uint64_t n)
{
	size_t items, in = (size_t)net->channels * net->height * net->width;
	int8_t *input = malloc(in);
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	struct hv_rng r;
	int32_t *out;

	hv_rng_seed(&r, seed ^ (n + 1) * UINT64_C(0x9e3779b97f4a7c15));
	for (size_t i = 0; i < in; i++)
		input[i] = (int8_t)((int)hv_rng_below(&r, 256) - 128);
	out = answers_of(net, input, &items);
	for (size_t i = 0; i < items; i++)
		for (unsigned b = 0; b < 32; b += 8)
			h = (h ^ ((uint32_t)out[i] >> b & 0xff)) * UINT64_C(0x100000001b3);
	free(out);
	free(input);
	return h;
}

/* False when it finds no place in the rooms that a board leaves its primary. */
static bool run_as_primary(const struct cnn_net *net)
{
	struct primary_net *primary = NULL;
	struct package *p = NULL;
	uint8_t *bytes = NULL;
	char path[100];
	size_t len;
	int err;

	snprintf(path, sizeof(path), "%s/p.hvm", dir);
	ck_assert_int_eq(import_package("made", "", net, NULL, &p, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(package_encode(p, &bytes, &len), HV_OK);
	ck_assert_int_eq(hv_file_write(path, bytes, len), HV_OK);
	free(bytes);
	package_free(p);
	err = primary_net_new(path, 5, &primary, why, sizeof(why));
	if (err != HV_OK)
		return false;
	primary_net_boot(primary, emu);
	for (uint64_t n = 0; n < 3; n++) {
		primary_net_start(primary, emu, n);
		ck_assert_uint_eq(primary_net_finish(primary, emu), hash_of(net, 5, n));
	}
	primary_net_free(primary);
	return true;
}

START_TEST(a_network_of_any_kind_can_be_a_boards_primary)
{
	unsigned n = rounds(60, 1000), ran = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 21);
	for (unsigned i = 0; i < n; i++) {
		struct random_net net;

		random_net_make(&r, NETS_ANY, &net);
		ran += run_as_primary(&net.net);
		random_net_free(&net);
	}
	printf("%u of %u random networks ran as primary\n", ran, n);
	ck_assert_uint_gt(ran, n * 3 / 4);
}
END_TEST

START_TEST(the_keyword_spotter_can_be_a_boards_primary)
{
	char path[4096];
	struct kat *k = NULL;

	snprintf(path, sizeof(path), "%s/kws20_v3.kat.gz", kat_dir());
	if (kat_read(path, &k, why, sizeof(why)) == HV_E_NOENT) {
		puts("skipped: no folder of known-answer tests (HARVEST_KAT_DIR)");
		return;
	}
	ck_assert_ptr_nonnull(k);
	ck_assert(run_as_primary(&k->net));
	kat_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("import");
	TCase *tc = tcase_create("round trips");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, random_networks_come_back_from_yaml_and_packages);
	tcase_add_test(tc, known_answer_networks_come_back_from_yaml_at_their_own_place);
	tcase_add_test(tc, a_network_of_any_kind_can_be_a_boards_primary);
	tcase_add_test(tc, the_keyword_spotter_can_be_a_boards_primary);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
