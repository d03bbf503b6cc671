/* Slot images of any layers: they give the bits of the reference, what a compiler makes is
 * accepted, and whatever is accepted stays inside its claims. */
#include "accel/emu/layer.h"
#include "accel/ref/ref.h"
#include "accel/slotimg/build.h"
#include "tests/lib/accel_nets.h"
#include "tests/lib/slot_run.h"
#include "util/own.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOB_CAP = 64, RECORDS_MAX = 6, WORK_MAX = 1 << 24 };

static struct cnn_emu *emu;

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
}

static void teardown(void)
{
	cnn_emu_free(emu);
}

/* Steps that move bytes for this network; false: it has more outputs than a slot, or its cycles
 * do not follow from registers (a flattened layer with one output). */
static bool make_steps(const struct cnn_net *net, struct cnn_steps *s)
{
	*s = (struct cnn_steps){ .input = CNN_IN_BYTES,
				 .finish = CNN_OUT_RAW,
				 .components = 1,
				 .parts = 1,
				 .channels = net->channels,
				 .height = net->height,
				 .width = net->width };
	for (unsigned i = 0; i < net->layers; i++) {
		uint32_t chw[3];

		if (net->layer[i].flatten && net->layer[i].out_channels == 1)
			return false;
		if (!net->layer[i].is_output)
			continue;
		if (s->sets == CNN_STEPS_SETS_MAX)
			return false;
		cnn_layer_out_shape(&net->layer[i], chw);
		s->raw[s->sets++] = (struct cnn_steps_raw){ .rows = (uint16_t)chw[0],
							    .bits = net->layer[i].out_bits,
							    .pixels = chw[1] * chw[2] };
	}
	return !net->input_chw || net->channels == 1;
}

/* A network without FIFO that a slot image has words for, and its image; false: no room. */
static bool make_image(struct hv_rng *r, struct random_net *n, struct cnn_steps *s, uint8_t **image,
		       size_t *len)
{
	struct cnn_room room = random_room(r);
	uint8_t blob[BLOB_CAP];
	char why[200] = "";
	size_t blob_len;
	int err;

	do {
		random_net_free(n);
		random_net_make(r, NETS_ANY, n);
	} while (n->net.fifo || !make_steps(&n->net, s));
	blob_len = cnn_steps_encode(s, NULL, NULL, blob, sizeof(blob));
	ck_assert_uint_gt(blob_len, 0);
	err = slotimg_build(&n->net, blob, blob_len, &room, (uint8_t)hv_rng_below(r, 16), image,
			    len, why, sizeof(why));
	ck_assert_msg(strstr(why, "slots allow") == NULL && strstr(why, "does not fit a") == NULL,
		      "%s", why);
	return err == HV_OK;
}

/* One record of the input, or an answer, from tensors of (C, H, W). */
static void put_record(const struct random_net *n, uint8_t *to)
{
	uint32_t pixels = (uint32_t)n->net.height * n->net.width, c = n->net.channels;

	for (uint32_t i = 0; i < pixels * c; i++)
		to[i] = (uint8_t)n->input[i % c * pixels + i / c];
}

static void compare(const struct random_net *n, const struct cnn_tensors *t, const uint8_t *got,
		    unsigned round)
{
	for (unsigned i = 0; i < n->net.layers; i++) {
		const struct cnn_layer *l = &n->net.layer[i];
		uint32_t chw[3];

		if (!l->is_output)
			continue;
		cnn_layer_out_shape(l, chw);
		for (uint32_t k = 0; k < chw[0] * chw[1] * chw[2]; k++, got += l->out_bits / 8) {
			uint32_t at = k % chw[0] * chw[1] * chw[2] + k / chw[0];
			int32_t v = l->out_bits == 8 ? (int8_t)got[0] : 0;

			if (l->out_bits == 32)
				memcpy(&v, got, sizeof(v));
			if (v != t->out[i][at])
				ck_abort_msg("round %u, layer %u, pixel %u, row %u: %d, not %d",
					     round, i, (unsigned)(k / chw[0]),
					     (unsigned)(k % chw[0]), (int)v, (int)t->out[i][at]);
		}
	}
}

/* Every record its own input. */
static void run_all(struct hv_rng *r, struct random_net *n, const struct cnn_steps *s,
		    const uint8_t *image, size_t len, unsigned records, unsigned round)
{
	size_t in = cnn_steps_in_bytes(s), out = cnn_steps_out_bytes(s);
	hv_autofree uint8_t *to = malloc(in * records), *from = malloc(out * records);
	struct cnn_tensors t[RECORDS_MAX];
	const char *bad;

	ck_assert(to != NULL && from != NULL);
	for (unsigned i = 0; i < records; i++) {
		for (size_t k = 0; k < in; k++)
			n->input[k] = (int8_t)((int)hv_rng_below(r, 256) - 128);
		put_record(n, to + i * in);
		ck_assert_int_eq(cnn_ref_run(&n->net, n->input, &t[i]), HV_OK);
	}
	bad = slot_run_records(emu, image, len, to, from, records);
	ck_assert_msg(bad == NULL, "round %u: %s", round, bad);
	for (unsigned i = 0; i < records; i++) {
		compare(n, &t[i], from + i * out, round);
		cnn_tensors_free(&t[i]);
	}
}

START_TEST(any_network_gives_the_bits_of_the_reference)
{
	unsigned n_rounds = rounds(400, 10000), built = 0, stacked = 0, general = 0;
	struct random_net n = { 0 };
	struct hv_rng r;

	hv_rng_seed(&r, 21);
	for (unsigned round = 0; round < n_rounds; round++) {
		hv_autofree uint8_t *image = NULL;
		struct cnn_steps s;
		struct slotimg h;
		const char *bad;
		size_t len;

		if (!make_image(&r, &n, &s, &image, &len))
			continue;
		ck_assert_int_eq(slotimg_header_parse(image, len, &h), HV_OK);
		bad = slot_run_load(emu, image, len);
		ck_assert_msg(bad == NULL, "%s", bad);
		run_all(&r, &n, &s, image, len, 1, round);
		if (h.records_max > 1)
			run_all(&r, &n, &s, image, len,
				h.records_max < RECORDS_MAX ? h.records_max : RECORDS_MAX, round);
		built++;
		stacked += h.records_max > 1;
		general += h.version == SLOTIMG_GENERAL_VERSION;
	}
	random_net_free(&n);
	printf("%u of %u built: %u of them for several records, %u of version 2\n", built, n_rounds,
	       stacked, general);
	ck_assert_uint_ge(built, n_rounds / 4);
	ck_assert_uint_ge(stacked, built / 20);
	ck_assert_uint_ge(general, built / 2);
}
END_TEST

/* ---- mutations ---- */

static void claim(uint32_t *bits, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		emu_set(bits, i);
}

/* Only what is claimed counts as written. */
static void claim_all(const struct slotimg *h)
{
	memset(emu->data_set, 0, sizeof(emu->data_set));
	memset(emu->kernel_set, 0, sizeof(emu->kernel_set));
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		claim(emu->data_set[i], h->data_first, h->data_words);
	for (unsigned p = 0; p < CNN_PROCESSORS; p++)
		claim(emu->kernel_set[p], h->kernel_first, h->kernel_words);
}

static void nothing_outside(const struct slotimg *h, unsigned round)
{
	ck_assert_msg(strstr(cnn_emu_unset_text(emu), "reads") == NULL, "round %u: %s", round,
		      cnn_emu_unset_text(emu));
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (unsigned w = 0; w < CNN_DATA_WORDS; w++)
			if ((emu->data_set[i][w / 32] >> w % 32 & 1) != 0 &&
			    (w < h->data_first || w >= (unsigned)h->data_first + h->data_words))
				ck_abort_msg("round %u: word %u of instance %u is written", round,
					     w, i);
}

/* Biases that layer i takes for slots with a channel. */
static void biases_inside(const struct slotimg *h, unsigned i, unsigned round)
{
	struct emu_layer l;

	if (emu_layer_decode(emu, i, &l) != NULL || l.pass_through || l.bias_quadrant < 0)
		return;
	ck_assert_msg(l.bias_first >= h->bias_first &&
			      l.bias_first < (uint32_t)h->bias_first + h->bias_count,
		      "round %u: layer %u takes bias %u", round, i, (unsigned)l.bias_first);
}

/* As the agent checks it. */
static bool accepted(const uint8_t *image, size_t len, const struct cnn_steps *s, struct slotimg *h)
{
	if (slotimg_header_parse(image, len, h) < 0 || slotimg_steps_bind(h, s) < 0)
		return false;
	for (unsigned i = 0; i < h->n_regs; i++) {
		const uint8_t *b = image + SLOTIMG_HEADER_BYTES + i * SLOTIMG_REG_BYTES;

		if ((b[0] | b[1] << 8) != slotimg_reg_id(h, i))
			return false;
	}
	for (unsigned i = 0; i < h->layers; i++)
		if (slotimg_layer_check(h, image + SLOTIMG_HEADER_BYTES, i) < 0)
			return false;
	return true;
}

static void run_registers(const struct slotimg *h, const uint8_t *image, unsigned records)
{
	uint32_t v = CNN_CTRL_CLK_EN;

	cnn_emu_reset(emu);
	cnn_emu_work_max(emu, WORK_MAX);
	for (unsigned i = 0; i < h->n_regs; i++) {
		const uint8_t *b = image + SLOTIMG_HEADER_BYTES + i * SLOTIMG_REG_BYTES;
		unsigned id = slotimg_reg_id(h, i);
		uint32_t value =
			b[2] | (uint32_t)b[3] << 8 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 24;

		if ((id >> 5 & 31) == CNN_R_RCNT)
			value -= (uint32_t)h->height * (h->records_max - records);
		cnn_emu_write32(emu, cnn_reg_addr(id >> 10, id >> 5 & 31, id & 31), value);
	}
	claim_all(h);
	for (unsigned q = CNN_QUADRANTS; q-- > 0;) {
		cnn_emu_write32(emu, CNN_LCNT_MAX + q * CNN_QUADRANT_STRIDE, h->layers - 1u);
		if ((h->quadrants >> q & 1) != 0)
			cnn_emu_write32(emu, CNN_CTRL + q * CNN_QUADRANT_STRIDE,
					v | CNN_CTRL_CNN_EN);
	}
	ck_assert(cnn_emu_running(emu));
	cnn_emu_finish(emu);
}

/* One field somewhere: a few bits of a register, or a field of the header. */
static void mutate(struct hv_rng *r, uint8_t *image, unsigned n_regs)
{
	unsigned at = 6 + hv_rng_below(r, SLOTIMG_HEADER_BYTES - 6 - 12);
	uint32_t v = 0;

	if (hv_rng_below(r, 8) == 0) {
		image[at] = (uint8_t)(image[at] + hv_rng_below(r, 5) - 2);
		return;
	}
	at = SLOTIMG_HEADER_BYTES + hv_rng_below(r, n_regs) * SLOTIMG_REG_BYTES + 2;
	for (unsigned i = 0; i < 4; i++)
		v |= (uint32_t)image[at + i] << 8 * i;
	switch (hv_rng_below(r, 4)) {
	case 0: v ^= UINT32_C(1) << hv_rng_below(r, 32); break;
	case 1: v += hv_rng_below(r, 17) - 8; break;
	case 2: v += (hv_rng_below(r, 17) - 8) << hv_rng_below(r, 29); break;
	default: v = hv_rng_below(r, 2) ? 0 : (uint32_t)hv_rng_u64(r) >> hv_rng_below(r, 32); break;
	}
	for (unsigned i = 0; i < 4; i++)
		image[at + i] = (uint8_t)(v >> 8 * i);
}

START_TEST(what_is_accepted_stays_inside_its_claims)
{
	unsigned n_rounds = rounds(500, 3000), each = rounds(40, 100), tried = 0, taken = 0;
	struct random_net n = { 0 };
	struct hv_rng r;

	hv_rng_seed(&r, 22);
	for (unsigned round = 0; round < n_rounds; round++) {
		hv_autofree uint8_t *image = NULL, *lie = NULL;
		struct cnn_steps s;
		struct slotimg h, good;
		size_t len;

		if (!make_image(&r, &n, &s, &image, &len))
			continue;
		ck_assert(accepted(image, len, &s, &good));
		lie = malloc(len);
		ck_assert_ptr_nonnull(lie);
		for (unsigned i = 0; i < each; i++) {
			memcpy(lie, image, len);
			mutate(&r, lie, good.n_regs);
			tried++;
			if (!accepted(lie, len, &s, &h))
				continue;
			taken++;
			run_registers(&h, lie, h.records_max);
			nothing_outside(&h, round);
			for (unsigned k = 0; k < h.layers; k++)
				biases_inside(&h, k, round);
			if (h.records_max == 1)
				continue;
			run_registers(&h, lie, 1 + hv_rng_below(&r, h.records_max - 1u));
			nothing_outside(&h, round);
		}
	}
	random_net_free(&n);
	printf("%u of %u mutated images were accepted, and stayed inside\n", taken, tried);
	ck_assert_uint_ge(taken, tried / 50);
	ck_assert_uint_le(taken, tried / 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slot images of any layers");
	TCase *t = tcase_create("slotimg");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 1800);
	tcase_add_test(t, any_network_gives_the_bits_of_the_reference);
	tcase_add_test(t, what_is_accepted_stays_inside_its_claims);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
