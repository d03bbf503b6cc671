/* The reader of network descriptions: what it takes, and one sentence for what it does not. */
#include "accel/import/import.h"
#include "accel/import/npy.h"
#include "accel/package/check.h"
#include "util/own.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct made {
	const char *name;
	struct npy n;
	double fill;
};

/* Arrays that exist; `read_made` writes them as float64 so that any value is possible. */
static struct made arrays[8];
static unsigned n_arrays;
static struct import *im;
static char why[400];

static int read_made(void *ctx, const char *name, uint8_t **bytes, size_t *len)
{
	(void)ctx;
	for (unsigned i = 0; i < n_arrays; i++) {
		struct npy n = arrays[i].n;
		double *v;
		int err;

		if (strcmp(arrays[i].name, name) != 0)
			continue;
		v = calloc(n.items, sizeof(*v));
		for (size_t k = 0; k < n.items; k++)
			v[k] = arrays[i].fill;
		n.data = (const uint8_t *)v;
		err = npy_encode(&n, bytes, len);
		free(v);
		return err;
	}
	return HV_E_NOENT;
}

static void array(const char *name, double fill, unsigned ndim, size_t a, size_t b, size_t c,
		  size_t d)
{
	struct npy n = { .kind = 'f', .item_bytes = 8, .ndim = ndim, .items = 1 };
	const size_t shape[4] = { a, b, c, d };

	for (unsigned i = 0; i < ndim; i++) {
		n.shape[i] = shape[i];
		n.items *= shape[i];
	}
	arrays[n_arrays++] = (struct made){ name, n, fill };
}

static int parse(const char *text, size_t len)
{
	const struct import_arrays a = { NULL, read_made };
	const struct import_options o = { 0 };

	import_free(im);
	im = NULL;
	return import_yaml("net.yaml", (const uint8_t *)text, len, &a, &o, &im, why, sizeof(why));
}

/* A 3x8x6 input, a layer that makes 4 channels of 3x3, and arrays for a few more. */
static void setup(void)
{
	im = NULL;
	n_arrays = 0;
	array("w0", 1, 4, 4, 3, 3, 3);
	array("w1", -2, 4, 5, 4, 3, 3);
	array("w2", 1, 2, 2, 5, 1, 1);
	array("input", 7, 3, 3, 8, 6, 1);
}

static void teardown(void)
{
	import_free(im);
}

#define HEAD  "arch: a\ndataset: d\nlayers:\n"
#define LAYER "  - {op: conv2d, kernel_size: 3x3, pad: 1"
#define NEXT  "\n  - {op: conv2d, kernel_size: 3x3, pad: 1"

static void good(const char *text)
{
	ck_assert_msg(parse(text, strlen(text)) == HV_OK, "%s", why);
}

START_TEST(defaults_are_those_of_the_vendor)
{
	const struct cnn_layer *l;

	good(HEAD "  - {op: Conv2d}\n  - {max_pool: 2}\n");
	l = &im->net.layer[0];
	ck_assert_int_eq(l->op, CNN_OP_CONV2D);
	ck_assert_uint_eq(l->kernel_h, 3);
	ck_assert_uint_eq(l->pad_h, 1);
	ck_assert_uint_eq(l->pad_w, 1);
	ck_assert_int_eq(l->act, CNN_ACT_NONE);
	ck_assert_uint_eq(l->weight_bits, 8);
	ck_assert_int_eq(l->shift, 0);
	ck_assert_uint_eq(l->out_bits, 8);
	ck_assert(!l->is_output);
	ck_assert_int_eq(im->net.layer[1].op, CNN_OP_CONV2D);
	ck_assert_uint_eq(im->net.layer[1].pool_stride, 1);
	ck_assert(im->net.layer[1].is_output);
	ck_assert(!im->net.input_chw);
	ck_assert(!im->has_place);
	ck_assert_int_eq(im->sample[0], 7);
}
END_TEST

START_TEST(narrow_weights_carry_a_hidden_shift)
{
	good(HEAD LAYER ", quantization: 2, output_shift: -3}\n");
	ck_assert_int_eq(im->net.layer[0].shift, 3);
	ck_assert_uint_eq(im->net.layer[0].weight_bits, 2);
}
END_TEST

START_TEST(processors_are_numbers_or_dotted_digits)
{
	good(HEAD LAYER ", processors: 7}" NEXT ", processors: 0x0000.0000.0000_00f0, "
			"out_offset: 0x2000}\noutput_map: \"1f.0000\"\n");
	ck_assert(im->has_place);
	ck_assert_uint_eq(im->place.layer[0].in_processors, 7);
	ck_assert_uint_eq(im->place.layer[0].out_processors, 0xf0);
	ck_assert_uint_eq(im->place.layer[1].out_processors, 0x1f0000);
	ck_assert_uint_eq(im->place.layer[1].out_offset, 0x2000);
}
END_TEST

START_TEST(what_changes_nothing_is_ignored_and_listed)
{
	good("bias: x\n" HEAD LAYER ", tcalc: true, read_gap: 1, bias_group: 0}\n");
	ck_assert_uint_eq(im->notes, 4);
	ck_assert_str_eq(im->note[0], "line 1: bias is ignored: arrays come from .npy files");
	ck_assert_ptr_nonnull(strstr(im->note[2], "layer 0: read_gap is ignored"));
}
END_TEST

START_TEST(without_a_sample_the_first_layer_gives_the_size)
{
	n_arrays = 3;
	good(HEAD LAYER ", in_dim: [8, 6]}\n");
	ck_assert_uint_eq(im->net.channels, 3);
	ck_assert_uint_eq(im->net.height, 8);
	ck_assert_uint_eq(im->net.width, 6);
	ck_assert_ptr_null(im->sample);
}
END_TEST

START_TEST(sources_go_by_number_and_by_name)
{
	good(HEAD LAYER ", name: One}" NEXT ", in_sequences: one, name: two}\n"
			"  - {op: add, in_sequences: [0, ONE]}\n");
	ck_assert_int_eq(im->net.layer[1].from, 0);
	ck_assert_int_eq(im->net.layer[2].from, 0);
	ck_assert_int_eq(im->net.layer[2].more_from[0], 0);
	ck_assert_uint_eq(im->net.layer[2].operands, 2);
	ck_assert_int_eq(im->net.layer[2].eltwise, CNN_ELT_ADD);
}
END_TEST

/* clang-format off */
static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "net.yaml:1: the description is empty" },
	{ "a: [1", "net.yaml:2: not YAML" },
	{ "- 1\n", "net.yaml:1: the description is no mapping" },
	{ "arch: a\n---\narch: b\n", "several YAML documents" },
	{ "arch: a\ndataset: d\n", "layers is missing" },
	{ "arch: a\nlayers:\n" LAYER "}\n", "dataset is missing" },
	{ HEAD LAYER "}\narch: b\n", "net.yaml:5: arch is given twice" },
	{ HEAD LAYER "}\nunload: []\n", "net.yaml:5: unknown key 'unload'" },
	{ "arch: a\ndataset: d\nlayers: 3\n", "net.yaml:3: layers is no list" },
	{ "arch: a\ndataset: d\nlayers: []\n", "layers has 0 entries, must be 1..32" },
	{ HEAD "  - conv2d\n", "net.yaml:4: layer 0: is no mapping" },
	{ HEAD LAYER ", frobnicate: 1}\n", "net.yaml:4: layer 0: unknown key 'frobnicate'" },
	{ HEAD LAYER ", op: conv2d}\n", "layer 0: op is given twice" },
	{ HEAD LAYER ", operator: conv2d}\n", "layer 0: operator is given twice, first in line 4" },
	{ HEAD "  - op: conv3d\n", "net.yaml:4: layer 0: op is 'conv3d', must be one of" },
	{ HEAD "  - op: [conv2d]\n", "op is '[...]', must be one of" },
	{ HEAD "  - {op: conv2d, pad: 010}\n", "pad is '010', must be a whole number 0..255" },
	{ HEAD "  - {op: conv2d, pad: 3}\n", "net.yaml:4: layer 0: pad_h is 3, must be 0..2" },
	{ HEAD "  - {op: conv2d, pad: [1, 1, 1]}\n", "pad has 3 values, must be 1..2" },
	{ HEAD "  - {op: conv2d, pad: 99999999999999999999}\n", "pad is '99999999999999999999'" },
	{ HEAD "  - {op: conv2d, kernel_size: 3}\n", "kernel_size is 3, must be ROWSxCOLUMNS" },
	{ HEAD "  - {op: conv2d, kernel_size: 5x5}\n", "array w0 has shape 4x3x3x3" },
	{ HEAD "  - {op: conv2d, kernel_size: 0}\n", "kernel_size is '0'" },
	{ HEAD LAYER ", stride: 2}\n", "stride is 2, must be 1 here" },
	{ HEAD LAYER ", output_pad: 1}\n", "output_pad is 1, must be 0 here" },
	{ HEAD LAYER ", dilation: 2}\n", "dilation is 2, must be 0..1" },
	{ HEAD LAYER ", groups: 3}\n", "groups is '3', must be 1: the device has nothing else" },
	{ HEAD LAYER ", bypass: true}\n", "bypass is 'true', must be 0" },
	{ HEAD LAYER ", in_crop: [1, 0]}\n", "in_crop is '1', must be 0" },
	{ HEAD LAYER ", max_pool: 2, avg_pool: 2}\n", "both max_pool and avg_pool" },
	{ HEAD LAYER ", max_pool: 20}\n", "layer 0: pool_h is 20, must be 0..16" },
	{ HEAD LAYER ", max_pool: 9}\n", "larger than the 8x6 input" },
	{ HEAD LAYER ", max_pool: 2, pool_stride: [1, 2]}\n", "pool_stride is 1x2" },
	{ HEAD LAYER ", pool_first: false}\n", "pool_first is false, which takes pooling" },
	{ HEAD LAYER ", operands: 2}\n", "operands is given, but no eltwise" },
	{ HEAD LAYER ", eltwise: add}\n", "operands is 2, but what the layer reads has 3" },
	{ HEAD LAYER ", quantization: 3}\n", "quantization is 3, must be 1, 2, 4 or 8" },
	{ HEAD LAYER ", quantization: bin}\n", "quantization is 'bin'" },
	{ HEAD LAYER ", quantization: 1}\n", "array w0: item 0 is 1, must be a whole number -1..0" },
	{ HEAD LAYER ", output_shift: 16}\n", "output_shift is '16'" },
	{ HEAD LAYER ", output_width: 16}\n", "output_width is 16, must be 8 or 32" },
	{ HEAD LAYER ", output_width: 32, activate: ReLU}\n", "32-bit outputs have no activation" },
	{ HEAD LAYER ", activate: tanh}\n", "activate is 'tanh', must be one of none, relu, abs" },
	{ HEAD LAYER ", in_channels: 4}\n", "in_channels is 4, but what the layer reads has 3" },
	{ HEAD LAYER ", out_channels: 9}\n", "out_channels is 9, but the layer makes 4" },
	{ HEAD LAYER ", in_dim: [8, 7]}\n", "height x width is 8x7, but source 0 has 8x6" },
	{ HEAD LAYER ", in_dim: 4000}\n", "input is 3x4000x1, must be at most" },
	{ HEAD LAYER ", flatten: perhaps}\n", "flatten is 'perhaps', must be one of true" },
	{ HEAD LAYER "}" NEXT ", data_format: CHW}\n", "net.yaml:5: layer 1: data_format is CHW" },
	{ HEAD LAYER ", in_sequences: 0}\n", "in_sequences is '0', must be a whole number -1..-1" },
	{ HEAD LAYER "}" NEXT ", in_sequences: none}\n", "in_sequences names 'none'" },
	{ HEAD LAYER "}" NEXT ", in_sequences: [0, -1]}\n", "layer 1: array w1 has shape 5x4x3x3" },
	{ HEAD LAYER ", next_sequence: stop}" NEXT "}\n", "layer 0: next_sequence is -1" },
	{ HEAD LAYER ", sequence: 1}\n", "sequence is 1, must be 0" },
	{ HEAD LAYER ", processors: 0}\n", "processors is '0', must be a map" },
	{ HEAD LAYER ", processors: 0x10000000000000000}\n", "processors is '0x1000" },
	{ HEAD LAYER ", processors: 3}\n", "processors has 2 processors, must be 3 for 3 channels" },
	{ HEAD LAYER ", out_offset: 0x8000}\n", "out_offset is '0x8000'" },
	{ HEAD LAYER "}" NEXT "}" NEXT "}\n", "layer 2: array w2 has shape 2x5" },
	{ HEAD LAYER "}" NEXT "}\n  - op: mlp\n  - op: mlp\n", "layer 3: array w3 is missing" },
	{ HEAD LAYER "}\n  - {op: none, activate: relu}\n", "pass-through layers have no activation" },
	{ HEAD LAYER "}\n  - {op: none, output_shift: 1}\n", "no bias and no shift" },
	{ HEAD LAYER ", weight_source: 0}\n", "unknown key 'weight_source'" },
};
/* clang-format on */

START_TEST(a_bad_description_gets_one_sentence)
{
	int err = parse(bad[_i].text, strlen(bad[_i].text));

	ck_assert_msg(err == HV_E_FORMAT, "%s", bad[_i].text);
	ck_assert_msg(strncmp(why, "net.yaml:", 9) == 0, "%s", why);
	ck_assert_msg(strstr(why, bad[_i].says) != NULL, "'%s' lacks '%s'", why, bad[_i].says);
	ck_assert_ptr_null(strchr(why, '\n'));
	ck_assert_ptr_null(im);
}
END_TEST

static void refused(const char *says)
{
	ck_assert_int_eq(parse(HEAD LAYER "}\n", strlen(HEAD LAYER "}\n")), HV_E_FORMAT);
	ck_assert_msg(strstr(why, says) != NULL, "%s", why);
}

START_TEST(bad_arrays_are_named)
{
	arrays[0].fill = 128;
	refused("layer 0: array w0: item 0 is 128, must be a whole number -128..127");
	arrays[0].fill = 0.5;
	refused("item 0 is 0.5");
	arrays[0].fill = 1;
	arrays[0].n.shape[1] = 2, arrays[0].n.items = 4 * 2 * 9;
	refused("array w0 has shape 4x2x3x3, must be OUTx3x3x3");
	arrays[0].n.shape[1] = 3, arrays[0].n.items = 4 * 3 * 9;
	array("b0", 1, 1, 5, 1, 1, 1);
	refused("array b0 has 5 values, must be 4");
	n_arrays = 3;
	array("input", 1, 1, 5, 1, 1, 1);
	refused("array input has shape 5, must be (channels, height)");
	n_arrays = 3;
	refused("in_dim is missing, and there is no array input");
}
END_TEST

START_TEST(a_text_cut_anywhere_is_refused_or_whole)
{
	const char *text = HEAD LAYER ", name: x}" NEXT ", in_sequences: [x], processors: 0xf}\n";
	size_t refusals = 0;

	for (size_t n = 0; n < strlen(text); n++)
		if (parse(text, n) < 0)
			refusals += strncmp(why, "net.yaml:", 9) == 0;
	ck_assert_uint_gt(refusals, strlen(text) - 10);
}
END_TEST

START_TEST(a_network_beyond_the_device_is_refused_as_package)
{
	struct package *p = NULL;

	good(HEAD LAYER "}\n");
	ck_assert_int_eq(import_package("Big", "", &im->net, NULL, &p, why, sizeof(why)),
			 HV_E_INVAL);
	im->net.height = im->net.layer[0].height = 1000;
	im->net.width = im->net.layer[0].width = 1000;
	ck_assert_int_eq(import_package("big", "", &im->net, NULL, &p, why, sizeof(why)),
			 HV_E_FORMAT);
	ck_assert_msg(strstr(why, "network input has 3000000 bytes") != NULL, "%s", why);
}
END_TEST

/* Worked out apart from this project. */
START_TEST(the_stored_network_gives_its_stored_answers)
{
	const struct import_options o = { 0 };
	hv_autofree uint8_t *bytes = NULL;
	struct package *p = NULL;
	struct npy want;
	int32_t got[4];
	size_t len;

	ck_assert_msg(import_yaml_files(DATA "/net.yaml", DATA, &o, &im, why, sizeof(why)) == HV_OK,
		      "%s", why);
	ck_assert(im->has_place);
	ck_assert_uint_eq(im->notes, 1);
	ck_assert_int_eq(import_package("small", "", &im->net, im->sample, &p, why, sizeof(why)),
			 HV_OK);
	ck_assert_int_eq(hv_file_read(DATA "/output.npy", 4096, &bytes, &len), HV_OK);
	ck_assert_int_eq(npy_parse(bytes, len, &want, why, sizeof(why)), HV_OK);
	ck_assert_uint_eq(package_out_bytes(p), sizeof(got));
	ck_assert_int_eq(package_run(p, im->sample, got, 1), HV_OK);
	ck_assert_mem_eq(got, want.data, sizeof(got));
	package_free(p);
}
END_TEST

static struct package *small_package(void)
{
	struct package *p = NULL;

	good(HEAD LAYER "}\n");
	ck_assert_int_eq(import_package("small", "", &im->net, im->sample, &p, why, sizeof(why)),
			 HV_OK);
	return p;
}

static int check(const struct package *p)
{
	why[0] = '\0';
	return package_check(p, why, sizeof(why));
}

START_TEST(a_network_package_serves_no_task)
{
	struct package *p = small_package();

	ck_assert_int_eq(check(p), HV_OK);
	p->level = 1;
	ck_assert_int_eq(check(p), HV_E_FORMAT);
	p->level = 0;
	strcpy(p->task, "fft64");
	ck_assert_int_eq(check(p), HV_E_FORMAT);
	ck_assert_ptr_nonnull(strstr(why, "has a task or a level"));
	p->task[0] = '\0';
	p->kind = PACKAGE_APPROXIMATION;
	ck_assert_int_eq(check(p), HV_E_FORMAT);
	p->kind = PACKAGE_NETWORK;
	p->kat[1].out[3] ^= 1;
	ck_assert_int_eq(package_self_test(p, why, sizeof(why)), HV_E_WRONG);
	ck_assert_ptr_nonnull(strstr(why, "vector 1 differs at byte 3"));
	package_free(p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("import");
	TCase *tc = tcase_create("yaml");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, defaults_are_those_of_the_vendor);
	tcase_add_test(tc, narrow_weights_carry_a_hidden_shift);
	tcase_add_test(tc, processors_are_numbers_or_dotted_digits);
	tcase_add_test(tc, what_changes_nothing_is_ignored_and_listed);
	tcase_add_test(tc, without_a_sample_the_first_layer_gives_the_size);
	tcase_add_test(tc, sources_go_by_number_and_by_name);
	tcase_add_loop_test(tc, a_bad_description_gets_one_sentence, 0, HV_ARRAY_SIZE(bad));
	tcase_add_test(tc, bad_arrays_are_named);
	tcase_add_test(tc, a_text_cut_anywhere_is_refused_or_whole);
	tcase_add_test(tc, a_network_beyond_the_device_is_refused_as_package);
	tcase_add_test(tc, the_stored_network_gives_its_stored_answers);
	tcase_add_test(tc, a_network_package_serves_no_task);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
