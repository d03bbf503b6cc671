/* Packages with a host program: what a board makes of a record, between the host's encoding and
 * decoding, is what the reference makes of it, bit for bit. */
#include "accel/package/package.h"
#include "accel/slotimg/build.h"
#include "tests/lib/slot_run.h"
#include "util/own.h"
#include "util/rng.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH_MAX = 48, RECORDS = 5, ELEMENTS = 6 };

static const struct cnn_room all_room = { .kernel_words = CNN_KERNEL_WORDS,
					  .bias_count = CNN_BIAS_BYTES,
					  .data_words = CNN_DATA_WORDS };

static int8_t *bytes(struct hv_rng *r, size_t n)
{
	int8_t *v = malloc(n);

	ck_assert_ptr_nonnull(v);
	for (size_t i = 0; i < n; i++)
		v[i] = (int8_t)((int)hv_rng_below(r, 256) - 128);
	return v;
}

static void add_layer(struct hv_rng *r, struct package *p, int from, unsigned in, unsigned out,
		      bool is_output)
{
	p->net.layer[p->net.layers++] =
		(struct cnn_layer){ .op = CNN_OP_LINEAR,
				    .from = from,
				    .in_channels = (uint16_t)in,
				    .height = 1,
				    .width = 1,
				    .out_channels = (uint16_t)out,
				    .weight_bits = 8,
				    .out_bits = is_output ? 32 : 8,
				    .shift = (int8_t)(is_output ? 0 : -(int)hv_rng_below(r, 4)),
				    .act = is_output ? CNN_ACT_NONE
						     : (enum cnn_act)hv_rng_below(r, 3),
				    .is_output = is_output,
				    .weights = bytes(r, (size_t)in * out),
				    .bias = bytes(r, out) };
}

/* Hidden layers in a row, then outputs of the last one and of the input. */
static void make_net(struct hv_rng *r, struct package *p)
{
	unsigned channels = 1 + hv_rng_below(r, WIDTH_MAX), width = channels;
	unsigned hidden = 1 + hv_rng_below(r, 2);
	bool both = hv_rng_below(r, 2) != 0;
	int last = CNN_FROM_INPUT;

	p->net.channels = (uint16_t)channels;
	p->net.height = p->net.width = 1;
	p->steps = (struct cnn_steps){ .input = CNN_IN_BYTES,
				       .finish = CNN_OUT_RAW,
				       .components = 1,
				       .parts = 1,
				       .channels = (uint16_t)channels,
				       .height = 1,
				       .width = 1 };
	for (unsigned i = 0; i < hidden; i++) {
		unsigned next = 1 + hv_rng_below(r, WIDTH_MAX);

		add_layer(r, p, last, width, next, false);
		last = (int)i;
		width = next;
	}
	for (unsigned s = 0; s < (both ? 2 : 1); s++) {
		unsigned rows = 1 + hv_rng_below(r, WIDTH_MAX);

		add_layer(r, p, s == 0 ? last : CNN_FROM_INPUT, s == 0 ? width : channels, rows,
			  true);
		p->steps.raw[p->steps.sets].bits = 32;
		p->steps.raw[p->steps.sets].pixels = 1;
		p->steps.raw[p->steps.sets++].rows = (uint16_t)rows;
	}
}

static uint16_t put(struct hostprog *h, struct hostprog_ins ins)
{
	int at = hostprog_add(h, ins);

	ck_assert_int_ge(at, 0);
	return (uint16_t)at;
}

/* Channel c shows element c % ELEMENTS at some gain; every value of the network is a result. */
static void make_host(struct hv_rng *r, struct package *p)
{
	struct hostprog *h = hostprog_new();
	char why[200] = "";

	ck_assert_ptr_nonnull(h);
	p->host = h;
	h->in_dtype = HARVEST_S16;
	h->out_dtype = HARVEST_F32;
	h->in_elements = ELEMENTS;
	h->channels = p->net.channels;
	h->pixels = 1;
	h->words = h->out_elements = cnn_steps_words(&p->steps);
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_ENCODE, 1, 1), HV_OK);
	for (unsigned c = 0; c < h->channels; c++) {
		uint16_t a = put(h, (struct hostprog_ins){ .op = HP_IN, .index = c % ELEMENTS });

		(void)put(h, (struct hostprog_ins){ .op = HP_EMIT,
						    .a = a,
						    .b = (uint16_t)c,
						    .k = hv_rng_uniform(r, -0.01, 0.01),
						    .offset = hv_rng_uniform(r, -30, 30) });
	}
	ck_assert_int_eq(hostprog_block_add(h, HOSTPROG_DECODE, h->words, 1), HV_OK);
	{
		uint16_t w = put(h, (struct hostprog_ins){ .op = HP_WORD, .step = { 1, 0 } });
		uint16_t k = put(h, (struct hostprog_ins){ .op = HP_CONST, .k = 0.125 });
		uint16_t v = put(h, (struct hostprog_ins){ .op = HP_MUL, .a = w, .b = k });

		(void)put(h, (struct hostprog_ins){ .op = HP_RESULT, .a = v, .step = { 1, 0 } });
	}
	ck_assert_msg(hostprog_check(h, why, sizeof(why)) == HV_OK, "%s", why);
}

static struct package *make_package(struct hv_rng *r)
{
	struct package *p = calloc(1, sizeof(*p));
	uint8_t blob[64];

	ck_assert_ptr_nonnull(p);
	make_net(r, p);
	make_host(r, p);
	p->steps_len = cnn_steps_encode(&p->steps, NULL, NULL, blob, sizeof(blob));
	ck_assert_uint_gt(p->steps_len, 0);
	p->steps_blob = malloc(p->steps_len);
	ck_assert_ptr_nonnull(p->steps_blob);
	memcpy(p->steps_blob, blob, p->steps_len);
	return p;
}

/* The board's part by the emulator, from the slot image that the daemon would send. */
static void by_board(const struct package *p, const uint8_t *in, uint8_t *out)
{
	size_t in_bytes = package_board_in_bytes(p), out_bytes = package_board_out_bytes(p);
	hv_autofree uint8_t *to = malloc(RECORDS * in_bytes), *from = malloc(RECORDS * out_bytes);
	hv_autofree int32_t *words = calloc(cnn_steps_words(&p->steps), sizeof(*words));
	hv_autofree uint8_t *image = NULL;
	struct cnn_emu *emu;
	const char *bad;
	char why[200] = "";
	size_t len;

	ck_assert(to != NULL && from != NULL && words != NULL);
	for (unsigned i = 0; i < RECORDS; i++)
		package_to_board(p, in + i * package_in_bytes(p), to + i * in_bytes);
	ck_assert_msg(slotimg_build(&p->net, p->steps_blob, p->steps_len, &all_room, 0, &image,
				    &len, why, sizeof(why)) == HV_OK,
		      "%s", why);
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
	bad = slot_run_load(emu, image, len);
	if (bad == NULL)
		bad = slot_run_records(emu, image, len, to, from, RECORDS);
	ck_assert_msg(bad == NULL, "%s", bad);
	cnn_emu_free(emu);
	for (unsigned i = 0; i < RECORDS; i++)
		package_from_board(p, in + i * package_in_bytes(p), from + i * out_bytes, words,
				   out + i * package_out_bytes(p));
}

START_TEST(a_board_between_host_steps_gives_the_bits_of_the_reference)
{
	unsigned rounds = getenv("HARVEST_LONG") != NULL ? 3000 : 60;
	struct hv_rng r;

	hv_rng_seed(&r, 41);
	for (unsigned i = 0; i < rounds; i++) {
		struct package *p = make_package(&r);
		size_t in_bytes = package_in_bytes(p), out_bytes = package_out_bytes(p);
		hv_autofree uint8_t *in = (uint8_t *)bytes(&r, RECORDS * in_bytes);
		hv_autofree uint8_t *want = malloc(RECORDS * out_bytes);
		hv_autofree uint8_t *got = malloc(RECORDS * out_bytes);

		ck_assert(want != NULL && got != NULL);
		ck_assert_int_eq(package_run(p, in, want, RECORDS), HV_OK);
		by_board(p, in, got);
		ck_assert_mem_eq(got, want, RECORDS * out_bytes);
		package_free(p);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hosted");
	TCase *t = tcase_create("hosted");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 600);
	tcase_add_test(t, a_board_between_host_steps_gives_the_bits_of_the_reference);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
