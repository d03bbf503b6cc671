/* Slot images: what the agent is told gives the bits of the reference for any number of
 * records, in the stated cycles; nothing else is accepted. */
#include "accel/cost/cost.h"
#include "accel/ref/ref.h"
#include "accel/slotimg/build.h"
#include "tests/lib/accel_nets.h"
#include "util/fs/rd.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_CAP = 16384 };

/* A package in miniature: a linear network for one record and its steps. */
struct guest {
	struct cnn_net net;
	struct cnn_steps steps;
	uint8_t blob[STEPS_CAP];
	size_t blob_len;
	int8_t weights[8][128 * 128], bias[8][128];
};

static struct cnn_emu *emu;

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
}

static void teardown(void)
{
	cnn_emu_free(emu);
}

static void fill(struct hv_rng *r, int8_t *v, size_t n, unsigned bits)
{
	for (size_t i = 0; i < n; i++)
		v[i] = (int8_t)((int)hv_rng_below(r, 1u << bits) - (1 << (bits - 1)));
}

static void add_layer(struct hv_rng *r, struct guest *g, int from, unsigned in, unsigned out,
		      bool wide)
{
	unsigned i = g->net.layers++;
	static const uint8_t widths[] = { 1, 2, 4, 8 };

	g->net.layer[i] = (struct cnn_layer){
		.op = CNN_OP_LINEAR,
		.from = from,
		.in_channels = (uint16_t)in,
		.height = g->net.height,
		.width = 1,
		.out_channels = (uint16_t)out,
		.weight_bits = widths[hv_rng_below(r, 4)],
		.out_bits = wide ? 32 : 8,
		.shift = (int8_t)(wide ? 0 : (int)hv_rng_below(r, 6) - 3),
		.is_output = wide,
		.weights = g->weights[i],
		.bias = hv_rng_below(r, 2) ? g->bias[i] : NULL,
	};
	fill(r, g->weights[i], (size_t)in * out, g->net.layer[i].weight_bits);
	fill(r, g->bias[i], out, 8);
}

/* One or two sets of rows, over the input or over a hidden layer. */
static void make_guest(struct hv_rng *r, struct guest *g)
{
	unsigned rows = 1 + hv_rng_below(r, 120), channels = 1 + hv_rng_below(r, 120);
	unsigned hidden = 1 + hv_rng_below(r, 100);
	bool deep = hv_rng_below(r, 3) == 0;
	int32_t mul = 3;
	int32_t base[128] = { 0 };

	memset(&g->net, 0, sizeof g->net);
	memset(&g->steps, 0, sizeof g->steps);
	g->steps.input = hv_rng_below(r, 2) ? CNN_IN_SPLIT : CNN_IN_ROUND;
	g->steps.parts = g->steps.input == CNN_IN_SPLIT ? 2 : 1;
	g->steps.components = 1;
	g->steps.sets = (uint8_t)(1 + hv_rng_below(r, 2));
	g->steps.finish = CNN_OUT_ROWS;
	g->steps.out_bits = 32;
	g->steps.shift = 8;
	g->steps.channels = (uint16_t)channels;
	g->steps.rows = (uint16_t)rows;
	g->steps.scale[0] = 1;
	g->steps.scale[1] = g->steps.sets > 1 ? 2 : 0;
	g->blob_len = cnn_steps_encode(&g->steps, &mul, g->steps.parts == 2 ? base : NULL, g->blob,
				       sizeof g->blob);
	ck_assert_uint_gt(g->blob_len, 0);
	g->net.channels = (uint16_t)channels;
	g->net.height = g->steps.parts;
	g->net.width = 1;
	if (deep)
		add_layer(r, g, CNN_FROM_INPUT, channels, hidden, false);
	for (unsigned s = 0; s < g->steps.sets; s++)
		add_layer(r, g, deep ? 0 : CNN_FROM_INPUT, deep ? hidden : channels, rows, true);
}

static struct cnn_net with_records(const struct guest *g, unsigned records)
{
	struct cnn_net net = g->net;

	net.height = (uint16_t)(g->steps.parts * records);
	for (unsigned i = 0; i < net.layers; i++)
		net.layer[i].height = net.height;
	return net;
}

/* ---- what an agent does ---- */

static void load(const struct slotimg *h, const uint8_t *image)
{
	struct hv_rd r = hv_rd_init(image, h->total_bytes);

	(void)hv_rd_bytes(&r, SLOTIMG_HEADER_BYTES + (size_t)h->n_regs * SLOTIMG_REG_BYTES +
				      h->steps_bytes);
	for (unsigned i = 0; i < h->n_biases; i++) {
		unsigned q = hv_rd_u16(&r), first = hv_rd_u16(&r), n = hv_rd_u16(&r);

		for (unsigned b = 0; b < n; b++)
			cnn_emu_write32(emu, cnn_bias_addr(q, first + b), hv_rd_u8(&r));
	}
	for (unsigned i = 0; i < h->n_kernels; i++) {
		unsigned p = hv_rd_u16(&r), first = hv_rd_u16(&r), n = 9u * hv_rd_u16(&r);
		const uint8_t *b = hv_rd_bytes(&r, n);

		ck_assert_ptr_nonnull(b);
		cnn_emu_write8(emu, cnn_kernel_addr(p) + 4 * first + 1, 1);
		for (unsigned at = 0; at < n; at += 4)
			cnn_emu_write32(emu, cnn_kernel_addr(p) + 4 * first,
					(uint32_t)b[at] << 24 |
						(at + 1 < n ? (uint32_t)b[at + 1] << 16 : 0) |
						(at + 2 < n ? (uint32_t)b[at + 2] << 8 : 0) |
						(at + 3 < n ? (uint32_t)b[at + 3] : 0));
	}
	ck_assert(hv_rd_done(&r));
}

static void all_quadrants(const struct slotimg *h, uint32_t addr, uint32_t value)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((h->quadrants >> q & 1) != 0)
			cnn_emu_write32(emu, addr + q * CNN_QUADRANT_STRIDE, value);
}

static void configure(const struct slotimg *h, const uint8_t *image, unsigned records)
{
	struct hv_rd r = hv_rd_init(image, h->total_bytes);

	(void)hv_rd_bytes(&r, SLOTIMG_HEADER_BYTES);
	for (unsigned i = 0; i < h->n_regs; i++) {
		unsigned id = hv_rd_u16(&r);
		uint32_t value = hv_rd_u32(&r);

		ck_assert_uint_eq(id, slotimg_reg_id(h, i));
		if ((id >> 5 & 31) == CNN_R_RCNT)
			value = h->positions * records - 1;
		cnn_emu_write32(emu, cnn_reg_addr(id >> 10, id >> 5 & 31, id & 31), value);
	}
}

static void put_input(const struct slotimg *h, const struct guest *g, const int8_t *input,
		      uint32_t pixels)
{
	for (uint32_t n = 0; n < pixels; n++)
		for (unsigned e = 0; e < h->in_passes; e++)
			for (unsigned j = 0; j < h->per_pass; j += 4) {
				uint32_t v = 0;

				for (unsigned lane = 0; lane < 4; lane++) {
					unsigned c = e * h->per_pass + j + lane;

					if (j + lane < h->per_pass && c < g->steps.channels)
						v |= (uint32_t)(uint8_t)input[c * pixels + n]
						     << 8 * lane;
				}
				cnn_emu_write32(emu, slotimg_in_addr(h, n, e, j / 4), v);
			}
}

static void run_records(const struct slotimg *h, const uint8_t *image, const struct guest *g,
			struct hv_rng *r, unsigned records)
{
	struct cnn_net net = with_records(g, records);
	int8_t *input = malloc((size_t)net.channels * net.height);
	struct cnn_tensors t;
	unsigned set = 0;

	fill(r, input, (size_t)net.channels * net.height, 8);
	ck_assert_int_eq(cnn_ref_run(&net, input, &t), HV_OK);
	all_quadrants(h, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS);
	all_quadrants(h, CNN_LCNT_MAX, h->layers - 1u);
	configure(h, image, records);
	put_input(h, g, input, net.height);
	all_quadrants(h, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS | CNN_CTRL_SYNC);
	for (unsigned q = CNN_QUADRANTS; q-- > 0;)
		if ((h->quadrants >> q & 1) != 0)
			cnn_emu_write32(emu, CNN_CTRL + q * CNN_QUADRANT_STRIDE,
					CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS | CNN_CTRL_CNN_EN);
	ck_assert_uint_eq(cnn_emu_cycles(emu), h->fixed_cycles + h->record_cycles * records);
	cnn_emu_finish(emu);
	all_quadrants(h, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS);
	for (unsigned i = 0; i < net.layers; i++) {
		if (!net.layer[i].is_output)
			continue;
		for (uint32_t n = 0; n < net.height; n++)
			for (unsigned row = 0; row < g->steps.rows; row++) {
				int32_t got = (int32_t)cnn_emu_read32(
					emu, slotimg_out_addr(h, set, n, row));

				if (got != t.out[i][row * net.height + n])
					ck_abort_msg("set %u, pixel %u, row %u: %d instead of %d",
						     set, (unsigned)n, row, (int)got,
						     (int)t.out[i][row * net.height + n]);
			}
		set++;
	}
	ck_assert_msg(cnn_emu_misuse(emu) == 0, "%s", cnn_emu_misuse_text(emu));
	cnn_tensors_free(&t);
	free(input);
}

START_TEST(any_number_of_records_gives_the_bits_of_the_reference)
{
	unsigned n_rounds = rounds(60, 2000), built = 0;
	struct guest *g = malloc(sizeof *g);
	struct hv_rng r;

	hv_rng_seed(&r, 11);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct cnn_room room = random_room(&r);
		uint8_t *image = NULL;
		struct slotimg h;
		char why[200] = "";
		size_t len;
		int err;

		make_guest(&r, g);
		err = slotimg_build(&g->net, g->blob, g->blob_len, &room,
				    (uint8_t)hv_rng_below(&r, 16), &image, &len, why, sizeof why);
		if (err == HV_E_BUSY)
			continue;
		ck_assert_msg(err == HV_OK, "round %u: %s", round, why);
		ck_assert_int_eq(slotimg_header_parse(image, len, &h), HV_OK);
		ck_assert_uint_eq(h.total_bytes, len);
		all_quadrants(&h, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS);
		load(&h, image);
		run_records(&h, image, g, &r, 1);
		run_records(&h, image, g, &r, h.records_max < 20 ? h.records_max : 20);
		run_records(&h, image, g, &r,
			    1 + hv_rng_below(&r, h.records_max < 9 ? h.records_max : 9));
		for (unsigned n = 1; n <= h.records_max; n++) {
			struct cnn_net net = with_records(g, n);

			if (cnn_cost_cycles(&net) != h.fixed_cycles + h.record_cycles * n)
				ck_abort_msg("cycles of %u records", n);
		}
		free(image);
		built++;
	}
	printf("%u of %u slot images built and agreed\n", built, n_rounds);
	ck_assert_uint_ge(built, n_rounds / 2);
	free(g);
}
END_TEST

/* ---- the price of a run ---- */

/* Two outputs of 32 bits side by side over a column of samples: a filter of many taps. */
static void make_filter(struct hv_rng *r, struct guest *g)
{
	unsigned channels = 1 + hv_rng_below(r, 16), taps = 1 + hv_rng_below(r, 9);

	memset(&g->net, 0, sizeof g->net);
	g->net.channels = (uint16_t)channels;
	g->net.height = (uint16_t)(taps + hv_rng_below(r, 40));
	g->net.width = 1;
	g->steps = (struct cnn_steps){ .input = CNN_IN_BYTES,
				       .finish = CNN_OUT_RAW,
				       .components = 1,
				       .parts = 1,
				       .sets = 2,
				       .channels = g->net.channels,
				       .height = g->net.height,
				       .width = 1 };
	for (unsigned s = 0; s < 2; s++) {
		add_layer(r, g, CNN_FROM_INPUT, channels, channels, true);
		g->net.layer[s].op = CNN_OP_CONV1D;
		g->net.layer[s].kernel_h = (uint8_t)taps;
		g->net.layer[s].kernel_w = 1;
		fill(r, g->weights[s], (size_t)channels * channels * taps,
		     g->net.layer[s].weight_bits);
		g->steps.raw[s] = (struct cnn_steps_raw){ .rows = g->net.channels,
							  .bits = 32,
							  .pixels = g->net.height - taps + 1 };
	}
	g->blob_len = cnn_steps_encode(&g->steps, NULL, NULL, g->blob, sizeof g->blob);
	ck_assert_uint_gt(g->blob_len, 0);
}

/* The board waits for what the header says before it looks at all. Rows between the records are
 * nobody's: they may be paid for, once. */
START_TEST(the_price_of_stacked_filters_is_that_of_their_run_and_hardly_more)
{
	struct guest *g = malloc(sizeof *g);
	unsigned stacked = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 12);
	for (unsigned round = 0; round < rounds(100, 5000); round++) {
		uint8_t *image = NULL;
		struct slotimg h;
		char why[200] = "";
		size_t len;

		make_filter(&r, g);
		if (slotimg_build(&g->net, g->blob, g->blob_len, &whole_device, 0, &image, &len,
				  why, sizeof why) == HV_E_BUSY)
			continue;
		ck_assert_msg(image != NULL, "round %u: %s", round, why);
		ck_assert_int_eq(slotimg_header_parse(image, len, &h), HV_OK);
		free(image);
		stacked += h.records_max > 1;
		for (unsigned n = 1; n <= h.records_max; n++) {
			struct cnn_net net = g->net;
			uint64_t price = h.fixed_cycles + (uint64_t)h.record_cycles * n, run;

			net.height = (uint16_t)(net.height * n);
			net.layer[0].height = net.layer[1].height = net.height;
			run = cnn_cost_cycles(&net);
			ck_assert_msg(run <= price && price <= run + h.record_cycles,
				      "round %u: %u records take %u cycles, not %llu", round, n,
				      (unsigned)run, (unsigned long long)price);
		}
	}
	ck_assert_uint_ge(stacked, 50);
	free(g);
}
END_TEST

/* ---- what is not accepted ---- */

/* Dense layers of 64 in all four quadrants, down to one number. */
static int build_chain(struct guest *g, unsigned layers, char *why, size_t cap)
{
	uint8_t *image = NULL;
	struct hv_rng r;
	size_t len;
	int err;

	hv_rng_seed(&r, 13);
	memset(&g->net, 0, sizeof g->net);
	g->net.channels = 64;
	g->net.height = g->net.width = 1;
	for (unsigned i = 0; i < layers; i++) {
		bool last = i + 1 == layers;

		add_layer(&r, g, (int)i - 1, 64, last ? 1 : 64, last);
		if (i == 0)
			g->net.layer[i].from = CNN_FROM_INPUT;
	}
	g->steps = (struct cnn_steps){ .input = CNN_IN_BYTES,
				       .finish = CNN_OUT_RAW,
				       .components = 1,
				       .parts = 1,
				       .sets = 1,
				       .channels = 64,
				       .height = 1,
				       .width = 1,
				       .raw = { { .rows = 1, .bits = 32, .pixels = 1 } } };
	g->blob_len = cnn_steps_encode(&g->steps, NULL, NULL, g->blob, sizeof g->blob);
	ck_assert_uint_gt(g->blob_len, 0);
	err = slotimg_build(&g->net, g->blob, g->blob_len, &whole_device, 0, &image, &len, why,
			    cap);
	free(image);
	return err;
}

START_TEST(a_network_of_more_registers_than_a_board_restores_is_refused_with_both_numbers)
{
	struct guest *g = malloc(sizeof *g);
	unsigned layers = 1;
	char why[200] = "";
	int err = HV_OK;

	while (err == HV_OK && layers < 8) {
		err = build_chain(g, layers++, why, sizeof why);
		printf("%u layers: %s\n", layers - 1, err == HV_OK ? "an image" : why);
	}
	ck_assert_int_eq(err, HV_E_BUSY);
	ck_assert_uint_eq(layers - 1, 4); /* three are served */
	ck_assert_ptr_nonnull(strstr(why, "of 144 that a board restores in time"));
	free(g);
}
END_TEST

static struct slotimg sample(uint8_t to[SLOTIMG_HEADER_BYTES])
{
	struct slotimg h = { .magic = SLOTIMG_MAGIC,
			     .version = SLOTIMG_VERSION,
			     .layers = 2,
			     .quadrants = 3,
			     .positions = 4,
			     .sets = 2,
			     .records_max = 10,
			     .in_record_bytes = 256,
			     .out_record_bytes = 256,
			     .in_word = 100,
			     .in_passes = 2,
			     .per_pass = 40,
			     .kernel_first = 700,
			     .kernel_words = 68,
			     .bias_first = 500,
			     .bias_count = 12,
			     .data_first = 100,
			     .data_words = 1000,
			     .set = { { 200, 2, 40, 0 }, { 520, 2, 40, 1 } },
			     .fixed_cycles = 1,
			     .record_cycles = 2,
			     .n_regs = 80,
			     .steps_bytes = 40,
			     .n_kernels = 40,
			     .total_bytes = SLOTIMG_HEADER_BYTES + 80 * 6 + 40 + 40 * (6 + 9) };

	slotimg_header_encode(&h, to);
	return h;
}

START_TEST(a_header_survives_its_encoding)
{
	uint8_t b[SLOTIMG_HEADER_BYTES], again[SLOTIMG_HEADER_BYTES];
	struct slotimg want = sample(b), got;

	ck_assert_int_eq(slotimg_header_parse(b, sizeof b, &got), HV_OK);
	slotimg_header_encode(&got, again);
	ck_assert_mem_eq(b, again, sizeof b);
	ck_assert_uint_eq(got.set[1].first_group, want.set[1].first_group);
	for (size_t n = 0; n < sizeof b; n++)
		ck_assert_int_eq(slotimg_header_parse(b, n, &got), HV_E_FORMAT);
}
END_TEST

#define REFUSED(change, error)                                                      \
	do {                                                                        \
		uint8_t b[SLOTIMG_HEADER_BYTES];                                    \
		struct slotimg h = sample(b), got;                                  \
		change;                                                             \
		slotimg_header_encode(&h, b);                                       \
		ck_assert_int_eq(slotimg_header_parse(b, sizeof b, &got), (error)); \
	} while (0)

START_TEST(a_header_beyond_the_device_is_refused)
{
	REFUSED(h.magic++, HV_E_FORMAT);
	REFUSED(h.version = 3, HV_E_VERSION);
	REFUSED(h.layers = 0, HV_E_FORMAT);
	REFUSED(h.layers = 33, HV_E_FORMAT);
	REFUSED(h.quadrants = 2, HV_E_FORMAT);
	REFUSED(h.quadrants = 17, HV_E_FORMAT);
	REFUSED(h.positions = 0, HV_E_FORMAT);
	REFUSED(h.sets = 3, HV_E_FORMAT);
	REFUSED(h.records_max = 256, HV_E_FORMAT); /* 1024 rows */
	REFUSED(h.records_max = 0, HV_E_FORMAT);
	REFUSED(h.in_record_bytes = 0, HV_E_FORMAT);
	REFUSED(h.in_word = 99, HV_E_FORMAT);
	REFUSED(h.in_word = 1021, HV_E_FORMAT);
	REFUSED(h.in_passes = 17, HV_E_FORMAT);
	REFUSED(h.per_pass = 65, HV_E_FORMAT);
	REFUSED(h.kernel_words = 69, HV_E_FORMAT);
	REFUSED(h.kernel_words = 0, HV_E_FORMAT);
	REFUSED(h.bias_count = 13, HV_E_FORMAT);
	REFUSED(h.data_words = 8093, HV_E_FORMAT);
	REFUSED(h.set[1].out_word = 781, HV_E_FORMAT);
	REFUSED(h.set[0].slots = 0, HV_E_FORMAT);
	REFUSED(h.set[1].first_group = 7, HV_E_FORMAT);
	REFUSED(h.n_regs = 641, HV_E_FORMAT);
	REFUSED(h.steps_bytes = 11, HV_E_FORMAT);
	REFUSED(h.n_kernels = 0, HV_E_FORMAT);
	REFUSED(h.total_bytes = 100, HV_E_FORMAT);
	REFUSED(h.total_bytes = 10000000, HV_E_FORMAT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slot images");
	TCase *t = tcase_create("slotimg");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 1800);
	tcase_add_test(t, any_number_of_records_gives_the_bits_of_the_reference);
	tcase_add_test(t, the_price_of_stacked_filters_is_that_of_their_run_and_hardly_more);
	tcase_add_test(
		t, a_network_of_more_registers_than_a_board_restores_is_refused_with_both_numbers);
	tcase_add_test(t, a_header_survives_its_encoding);
	tcase_add_test(t, a_header_beyond_the_device_is_refused);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
