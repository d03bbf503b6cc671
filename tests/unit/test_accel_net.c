/* Illegal networks are refused with layer, field, value and limit. */
#include "accel/image/image.h"
#include "accel/net/net.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int8_t zeros[1024 * 64];

/* A legal network of every field's neighbourhood: 4x10x10, conv 3x3, pass, linear. */
static struct cnn_net legal(void)
{
	struct cnn_net net = { .layers = 3, .channels = 4, .height = 10, .width = 10 };

	net.layer[0] = (struct cnn_layer){ .op = CNN_OP_CONV2D,
					   .from = CNN_FROM_INPUT,
					   .in_channels = 4,
					   .height = 10,
					   .width = 10,
					   .out_channels = 8,
					   .weight_bits = 8,
					   .out_bits = 8,
					   .weights = zeros,
					   .kernel_h = 3,
					   .kernel_w = 3,
					   .pad_h = 1,
					   .pad_w = 1 };
	net.layer[1] = (struct cnn_layer){ .op = CNN_OP_PASS,
					   .from = 0,
					   .in_channels = 8,
					   .height = 10,
					   .width = 10,
					   .out_bits = 8,
					   .pool = CNN_POOL_MAX,
					   .pool_h = 2,
					   .pool_w = 2,
					   .pool_stride = 2 };
	net.layer[2] = (struct cnn_layer){ .op = CNN_OP_LINEAR,
					   .from = 1,
					   .in_channels = 8,
					   .height = 5,
					   .width = 5,
					   .out_channels = 10,
					   .weight_bits = 8,
					   .out_bits = 32,
					   .flatten = true,
					   .is_output = true,
					   .weights = zeros };
	return net;
}

static void refused(const struct cnn_net *net, const char *layer, const char *about)
{
	char why[200] = "";

	ck_assert_int_eq(cnn_net_check(net, why, sizeof why), HV_E_INVAL);
	ck_assert_msg(strstr(why, layer) != NULL && strstr(why, about) != NULL,
		      "'%s' should name %s and %s", why, layer, about);
	/* A short buffer gets a cut sentence, never more. */
	memset(why, 'x', sizeof why);
	ck_assert_int_eq(cnn_net_check(net, why, 8), HV_E_INVAL);
	ck_assert_int_eq(why[7], '\0');
	ck_assert_int_eq(why[8], 'x');
	ck_assert_int_eq(cnn_net_check(net, NULL, 0), HV_E_INVAL);
}

/* One field of one layer (or of the network) made illegal. */
#define REFUSED(change, where, about)          \
	do {                                   \
		struct cnn_net n = legal();    \
		struct cnn_layer *l = n.layer; \
		(void)l;                       \
		change;                        \
		refused(&n, where, about);     \
	} while (0)

START_TEST(the_legal_neighbour_of_all_of_them_passes)
{
	struct cnn_net net = legal();
	char why[200];

	ck_assert_int_eq(cnn_net_check(&net, why, sizeof why), HV_OK);
}
END_TEST

START_TEST(network_fields_have_limits)
{
	REFUSED(n.layers = 0, "network", "layers is 0");
	REFUSED(n.layers = 33, "network", "1..32");
	REFUSED(n.channels = 1025, "network", "channels is 1025");
	REFUSED(n.height = 1024, "network", "height");
	REFUSED(n.width = 0, "network", "width");
	REFUSED(l[2].is_output = false, "network", "output");
	REFUSED((n.input_chw = true, n.channels = 17), "network", "byte-sequential");
	REFUSED((n.input_chw = true, l[1].from = -1, l[1].in_channels = 4), "layer 1",
		"byte-sequential");
}
END_TEST

START_TEST(layer_fields_have_limits)
{
	REFUSED(l[0].op = (enum cnn_op)0, "layer 0", "op is 0");
	REFUSED(l[0].op = (enum cnn_op)6, "layer 0", "op is 6");
	REFUSED(l[1].from = 1, "layer 1", "source 0 is layer 1");
	REFUSED(l[1].from = -2, "layer 1", "source 0");
	REFUSED(l[1].in_channels = 9, "layer 1", "8 channels");
	REFUSED(l[1].height = 9, "layer 1", "10x10 pixels");
	REFUSED(l[0].out_channels = 0, "layer 0", "out_channels");
	REFUSED(l[0].out_channels = 1025, "layer 0", "out_channels");
	REFUSED((l[0].bias = zeros, l[0].out_channels = 513), "layer 0", "513");
	REFUSED(l[0].weight_bits = 3, "layer 0", "weight_bits is 3");
	REFUSED(l[0].weights = NULL, "layer 0", "weights are missing");
	REFUSED(l[0].shift = -16, "layer 0", "shift is -16");
	REFUSED(l[0].out_bits = 16, "layer 0", "out_bits is 16");
	REFUSED(l[0].out_bits = 32, "layer 1", "32 bits");
	REFUSED(l[2].act = CNN_ACT_RELU, "layer 2", "32-bit outputs have no activation");
	REFUSED(l[1].act = CNN_ACT_ABS, "layer 1", "pass-through");
	REFUSED(l[1].more_sources = 16, "layer 1", "sources is 17");
}
END_TEST

START_TEST(kernels_and_pooling_have_limits)
{
	REFUSED(l[0].kernel_w = 2, "layer 0", "kernel is 3x2");
	REFUSED((l[0].kernel_h = 5, l[0].kernel_w = 5), "layer 0", "kernel is 5x5");
	REFUSED(l[0].pad_h = 3, "layer 0", "pad_h is 3");
	REFUSED((l[0].kernel_h = l[0].kernel_w = 1), "layer 0", "pad_h is 1");
	REFUSED(l[0].dilation = 2, "layer 0", "dilation is 2");
	REFUSED(l[0].op = CNN_OP_CONV1D, "layer 0", "width of a conv1d layer is 10");
	REFUSED(l[1].pool_h = 17, "layer 1", "pool_h is 17");
	REFUSED(l[1].pool_w = 11, "layer 1", "larger than");
	REFUSED(l[1].pool_stride = 17, "layer 1", "pool_stride is 17");
	REFUSED(l[1].pool = (enum cnn_pool)3, "layer 1", "pool is 3");
	REFUSED(l[1].operands = 17, "layer 1", "operands is 17");
	REFUSED(l[1].operands = 2, "layer 1", "operands is 16");
	REFUSED(l[1].flatten = true, "layer 1", "flatten");
	REFUSED(l[2].pool_stride = 2, "layer 2", "flatten and pooling");
}
END_TEST

START_TEST(streaming_has_limits)
{
	REFUSED(l[0].streams = true, "layer 0", "FIFO");
	REFUSED((n.fifo = true, l[0].streams = l[1].streams = true, l[0].is_output = true),
		"layer 1", "is an output");
	REFUSED((n.fifo = true, l[1].streams = true), "layer 1", "the layer before it does not");
	REFUSED((n.fifo = true, n.channels = 17), "network", "FIFO");
	REFUSED((n.fifo = true, l[1].from = -1, l[1].in_channels = 4), "layer 1", "FIFO");
	REFUSED((n.fifo = true, l[0].streams = l[1].streams = l[2].streams = true), "layer 2",
		"unflattened");
}
END_TEST

START_TEST(weights_stay_within_their_width)
{
	int8_t w[10 * 200];
	struct cnn_net net = legal();

	memset(w, 0, sizeof w);
	net.layer[2].weights = w;
	for (unsigned bits = 1; bits <= 8; bits *= 2) {
		int max = (1 << (bits - 1)) - 1;
		char why[200] = "";

		net.layer[2].weight_bits = (uint8_t)bits;
		for (int v = -128; v <= 127; v++) {
			bool fits = v >= -max - 1 && v <= max;

			w[1999] = (int8_t)v;
			ck_assert_int_eq(cnn_net_check(&net, why, sizeof why),
					 fits ? HV_OK : HV_E_INVAL);
			ck_assert(fits || strstr(why, "weight 1999") != NULL);
		}
		w[1999] = 0;
	}
}
END_TEST

START_TEST(a_place_that_cannot_be_is_refused)
{
	static const struct cnn_room whole = { .kernel_words = CNN_KERNEL_WORDS,
					       .bias_count = CNN_BIAS_BYTES,
					       .data_words = CNN_DATA_WORDS };
	struct cnn_room tight = whole;
	struct cnn_net net = legal();
	struct cnn_place place, wrong;
	struct cnn_image image;
	char why[200] = "";

	ck_assert_int_eq(cnn_place_fit(&net, &whole, &place, why, sizeof why), HV_OK);
	tight.kernel_words = 8;
	ck_assert_int_eq(cnn_place_fit(&net, &tight, &wrong, why, sizeof why), HV_E_BUSY);
	ck_assert_msg(strstr(why, "kernel words") != NULL, "%s", why);
	tight = whole;
	tight.data_words = 150;
	ck_assert_int_eq(cnn_place_fit(&net, &tight, &wrong, why, sizeof why), HV_E_BUSY);
	ck_assert_msg(strstr(why, "data words") != NULL, "%s", why);
	tight.data_first = 8100;
	ck_assert_int_eq(cnn_place_fit(&net, &tight, &wrong, why, sizeof why), HV_E_INVAL);
	wrong = place;
	wrong.layer[0].in_processors = 7;
	ck_assert_int_eq(cnn_image_build(&net, &wrong, 0, &image, why, sizeof why), HV_E_INVAL);
	ck_assert_msg(strstr(why, "input map has 3 processors, needs 4") != NULL, "%s", why);
	wrong = place;
	wrong.layer[0].kernel_word = 765;
	ck_assert_int_eq(cnn_image_build(&net, &wrong, 0, &image, why, sizeof why), HV_E_INVAL);
	wrong = place;
	wrong.layer[0].out_offset = 0x7ffc;
	ck_assert_int_eq(cnn_image_build(&net, &wrong, 0, &image, why, sizeof why), HV_E_INVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("networks");
	TCase *t = tcase_create("net");
	SRunner *sr;
	int failed;

	tcase_add_test(t, the_legal_neighbour_of_all_of_them_passes);
	tcase_add_test(t, network_fields_have_limits);
	tcase_add_test(t, layer_fields_have_limits);
	tcase_add_test(t, kernels_and_pooling_have_limits);
	tcase_add_test(t, streaming_has_limits);
	tcase_add_test(t, weights_stay_within_their_width);
	tcase_add_test(t, a_place_that_cannot_be_is_refused);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
