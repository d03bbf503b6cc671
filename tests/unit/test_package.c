#include "accel/package/package.h"
#include "accel/package/check.h"
#include "proto/model.pb-c.h"
#include "tests/lib/package_make.h"
#include "util/fs/sha256.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct package *p;
static uint8_t *file;
static size_t file_len;
static char why[400];

static void setup(void)
{
	p = package_make(7, 5, 6, 3);
	ck_assert_int_eq(package_encode(p, &file, &file_len), 0);
}

static void teardown(void)
{
	package_free(p);
	free(file);
}

/* A file around any message, with the right length and hash. */
static uint8_t *enclose(const uint8_t *message, size_t n, size_t *len)
{
	uint8_t *out = malloc(PACKAGE_HEAD_BYTES + n);
	struct hv_sha256 sha;

	memcpy(out, "HVM1", 4);
	for (unsigned i = 0; i < 4; i++)
		out[4 + i] = (uint8_t)(n >> 8 * i);
	hv_sha256_init(&sha);
	hv_sha256_add(&sha, message, n);
	hv_sha256_end(&sha, out + 8);
	if (n > 0)
		memcpy(out + PACKAGE_HEAD_BYTES, message, n);
	*len = PACKAGE_HEAD_BYTES + n;
	return out;
}

static int decode_message(const uint8_t *message, size_t n)
{
	struct package *q = NULL;
	size_t len;
	uint8_t *bytes = enclose(message, n, &len);
	int r = package_decode(bytes, len, &q, why, sizeof(why));

	free(bytes);
	package_free(q);
	return r;
}

START_TEST(a_decoded_package_encodes_to_the_same_bytes)
{
	struct package *q;
	uint8_t *again;
	size_t again_len;

	ck_assert_int_eq(package_decode(file, file_len, &q, why, sizeof(why)), 0);
	ck_assert_str_eq(q->name, p->name);
	ck_assert_mem_eq(q->hash, p->hash, sizeof(q->hash));
	ck_assert_mem_eq(&q->cert, &p->cert, sizeof(q->cert));
	ck_assert_int_eq(package_encode(q, &again, &again_len), 0);
	ck_assert_uint_eq(again_len, file_len);
	ck_assert_mem_eq(again, file, file_len);
	free(again);
	package_free(q);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
	struct package *q;

	for (size_t len = 0; len < file_len; len++)
		ck_assert_int_eq(package_decode(file, len, &q, why, sizeof(why)), HV_E_FORMAT);
}
END_TEST

START_TEST(a_file_with_any_byte_changed_is_refused)
{
	struct package *q;

	for (size_t i = 0; i < file_len; i++) {
		file[i] ^= 0x20;
		ck_assert_int_lt(package_decode(file, file_len, &q, why, sizeof(why)), 0);
		file[i] ^= 0x20;
	}
}
END_TEST

/* Parts that may be absent (provenance, all vectors but one) come last: a shorter message can
 * be whole. Then it must work. */
START_TEST(a_message_cut_anywhere_is_refused_or_whole)
{
	size_t n = file_len - PACKAGE_HEAD_BYTES, refused = 0;

	for (size_t cut = 0; cut < n; cut++) {
		struct package *q = NULL;
		size_t len;
		uint8_t *bytes = enclose(file + PACKAGE_HEAD_BYTES, cut, &len);

		if (package_decode(bytes, len, &q, why, sizeof(why)) < 0)
			refused++;
		else
			ck_assert_int_eq(package_self_test(q, why, sizeof(why)), 0);
		package_free(q);
		free(bytes);
	}
	ck_assert_uint_gt(refused, n - 10);
}
END_TEST

START_TEST(another_envelope_is_a_matter_of_versions)
{
	struct package *q;

	file[3] = '2';
	ck_assert_int_eq(package_decode(file, file_len, &q, why, sizeof(why)), HV_E_VERSION);
}
END_TEST

START_TEST(a_file_beyond_the_cap_is_refused_before_it_is_unpacked)
{
	size_t n = PACKAGE_NETWORK_MAX_BYTES;
	uint8_t *message = calloc(1, n);

	ck_assert_int_eq(decode_message(message, n), HV_E_FORMAT);
	ck_assert_msg(strstr(why, "at most") != NULL, "%s", why);
	free(message);
}
END_TEST

/* A million empty layers are two megabytes on the wire and a hundred in memory. */
START_TEST(a_message_that_grows_in_memory_runs_into_the_arena)
{
	size_t layers = 200000, n = 0;
	uint8_t *message = malloc(2 * layers + 16);

	message[n++] = 7 << 3 | 2; /* net */
	message[n++] = (uint8_t)(2 * layers & 127) | 128;
	message[n++] = (uint8_t)(2 * layers >> 7 & 127) | 128;
	message[n++] = (uint8_t)(2 * layers >> 14);
	for (size_t i = 0; i < layers; i++) {
		message[n++] = 5 << 3 | 2; /* an empty layer */
		message[n++] = 0;
	}
	ck_assert_int_eq(decode_message(message, n), HV_E_FORMAT);
	free(message);
}
END_TEST

static void no_net(Hvm__Package *m)
{
	m->net = NULL;
}

static void no_cert(Hvm__Package *m)
{
	m->cert = NULL;
}

static void no_layers(Hvm__Package *m)
{
	m->net->n_layers = 0;
}

static void no_kats(Hvm__Package *m)
{
	m->n_kats = 0;
}

static void short_kat(Hvm__Package *m)
{
	m->kats[1]->out.len--;
}

static void short_weights(Hvm__Package *m)
{
	m->net->layers[0]->weights.len--;
}

static void bias_for_others(Hvm__Package *m)
{
	m->net->layers[0]->bias.data = m->net->layers[0]->weights.data;
	m->net->layers[0]->bias.len = 3;
}

static void wide_weight(Hvm__Package *m)
{
	m->net->layers[1]->weights.data[0] = 8; /* does not fit 4 bits */
}

static void layer_from_later(Hvm__Package *m)
{
	m->net->layers[0]->from = 1;
}

static void op_unknown(Hvm__Package *m)
{
	m->net->layers[0]->op = 77;
}

static void rows_beyond(Hvm__Package *m)
{
	m->net->layers[0]->out_channels = 70000;
}

static void eight_bit_output(Hvm__Package *m)
{
	m->net->layers[0]->out_bits = 8;
}

static void output_missing(Hvm__Package *m)
{
	m->net->layers[1]->is_output = 0;
}

static void steps_cut(Hvm__Package *m)
{
	m->steps.len--;
}

static void other_height(Hvm__Package *m)
{
	m->net->height = 3;
	m->net->layers[0]->height = m->net->layers[1]->height = 3;
}

static void other_accelerator(Hvm__Package *m)
{
	strcpy(m->accelerator, "max78002");
}

static void level_five(Hvm__Package *m)
{
	m->level = 5;
}

static void bad_name(Hvm__Package *m)
{
	m->name[0] = '/';
}

static void no_name(Hvm__Package *m)
{
	m->name[0] = '\0';
}

static void metric_unknown(Hvm__Package *m)
{
	m->cert->metric = 99;
}

static void certified_nan(Hvm__Package *m)
{
	m->cert->certified = (double)NAN;
}

static void max_abs_negative(Hvm__Package *m)
{
	m->cert->max_abs = -1;
}

static void domain_inverted(Hvm__Package *m)
{
	m->cert->in_min = 5;
	m->cert->in_max = 4;
}

static void domain_beyond_int16(Hvm__Package *m)
{
	m->cert->in_max = 40000;
}

static void rms_nan(Hvm__Package *m)
{
	m->cert->in_min_rms = (double)NAN;
}

static void energy_infinite(Hvm__Package *m)
{
	m->cost->record_energy_uj = (double)INFINITY;
}

static void recipe_of_controls(Hvm__Package *m)
{
	m->provenance->recipe[0] = '\033';
}

static void no_samples(Hvm__Package *m)
{
	m->cert->samples = 0;
}

/* clang-format off */
static const struct {
	const char *what;
	void (*spoil)(Hvm__Package *m);
	const char *says; /* part of the sentence */
} spoiled[] = {
	{ "no network", no_net, "layers" },
	{ "no certificate", no_cert, "certificate" },
	{ "no layers", no_layers, "layers" },
	{ "no vectors", no_kats, "known-answer" },
	{ "a vector cut short", short_kat, "vector 1" },
	{ "weights cut short", short_weights, "layer 0" },
	{ "bias of another length", bias_for_others, "bias" },
	{ "a weight beyond its bits", wide_weight, "weight" },
	{ "a layer that reads a later one", layer_from_later, "layer 0" },
	{ "an unknown operation", op_unknown, "op" },
	{ "more rows than fit", rows_beyond, "output channels" },
	{ "an 8-bit output", eight_bit_output, "output" },
	{ "an output that is missing", output_missing, "output" },
	{ "steps cut short", steps_cut, "steps" },
	{ "positions that the steps do not make", other_height, "steps" },
	{ "another accelerator", other_accelerator, "accelerator" },
	{ "level 5", level_five, "level" },
	{ "a name with a slash", bad_name, "name" },
	{ "no name", no_name, "name" },
	{ "an unknown metric", metric_unknown, "metric" },
	{ "a certified NaN", certified_nan, "finite" },
	{ "a negative bound", max_abs_negative, "max_abs" },
	{ "a domain upside down", domain_inverted, "domain" },
	{ "a domain beyond int16", domain_beyond_int16, "domain" },
	{ "an rms that is NaN", rms_nan, "rms" },
	{ "infinite energy", energy_infinite, "energy" },
	{ "control characters", recipe_of_controls, "recipe" },
	{ "no samples", no_samples, "samples" },
};
/* clang-format on */

/* Spoiled messages cannot be freed part by part. */
static _Alignas(16) uint8_t arena[1 << 20];
static size_t arena_used;

static void *arena_alloc(void *ctx, size_t n)
{
	uint8_t *at = arena + arena_used;

	(void)ctx;
	arena_used += (n + 15) & ~(size_t)15;
	return arena_used <= sizeof(arena) ? at : NULL;
}

static void arena_free(void *ctx, void *at)
{
	(void)ctx, (void)at;
}

START_TEST(a_spoiled_package_is_refused_with_a_sentence_that_names_it)
{
	ProtobufCAllocator allocator = { arena_alloc, arena_free, NULL };
	Hvm__Package *m = hvm__package__unpack(&allocator, file_len - PACKAGE_HEAD_BYTES,
					       file + PACKAGE_HEAD_BYTES);
	uint8_t *message;
	size_t n;
	int r;

	ck_assert_ptr_nonnull(m);
	spoiled[_i].spoil(m);
	message = malloc(hvm__package__get_packed_size(m));
	n = hvm__package__pack(m, message);
	r = decode_message(message, n);
	ck_assert_msg(r == HV_E_FORMAT && strstr(why, spoiled[_i].says) != NULL, "%s: %s: %s",
		      spoiled[_i].what, hv_err_name(r), r < 0 ? why : "accepted");
	free(message);
}
END_TEST

START_TEST(sums_beyond_what_the_steps_take_are_refused)
{
	struct cnn_layer *l = &p->net.layer[0];
	int8_t *bias = malloc(l->out_channels);

	/* One channel more than the word limit counts: a bias beside full weights. */
	memset((void *)(uintptr_t)l->weights, -128, cnn_layer_weights(l));
	memset(bias, -128, l->out_channels);
	l->bias = bias;
	ck_assert_int_eq(package_check(p, why, sizeof(why)), 0);
	p->steps.channels--;
	ck_assert_int_eq(package_check(p, why, sizeof(why)), HV_E_FORMAT);
	p->steps.channels++;
}
END_TEST

START_TEST(the_self_test_finds_a_changed_weight)
{
	ck_assert_int_eq(package_self_test(p, why, sizeof(why)), 0);
	((int8_t *)(uintptr_t)p->net.layer[0].weights)[3] ^= 4;
	ck_assert_int_eq(package_self_test(p, why, sizeof(why)), HV_E_WRONG);
	ck_assert_msg(strstr(why, "vector 0") != NULL, "%s", why);
}
END_TEST

START_TEST(fast_and_general_inference_agree)
{
	struct package *q = package_make(11 + (uint64_t)_i, 9, 70, 1 + (unsigned)_i % 4);
	size_t in = cnn_steps_in_bytes(&q->steps), out = cnn_steps_out_bytes(&q->steps);
	uint8_t *a = malloc(2 * out), *b = malloc(2 * out), *x = malloc(2 * in);

	for (size_t i = 0; i < 2 * in; i++)
		x[i] = (uint8_t)(i * 37 + (size_t)_i * 11 + i / 7);
	ck_assert_int_eq(package_run(q, x, a, 2), 0);
	/* A hidden copy of the first layer changes nothing but leaves the fast path. */
	q->net.layer[q->net.layers] = q->net.layer[0];
	q->net.layer[q->net.layers].is_output = false;
	q->net.layers++;
	ck_assert_int_eq(package_run(q, x, b, 2), 0);
	q->net.layers--;
	ck_assert_mem_eq(a, b, 2 * out);
	free(a);
	free(b);
	free(x);
	package_free(q);
}
END_TEST

START_TEST(reading_names_the_file_that_is_missing)
{
	struct package *q;

	ck_assert_int_eq(package_read("/nonexistent/x.hvm", &q, why, sizeof(why)), HV_E_NOENT);
	ck_assert_msg(strstr(why, "/nonexistent/x.hvm") != NULL, "%s", why);
	ck_assert_int_lt(package_read("/", &q, why, sizeof(why)), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("package");
	TCase *tc = tcase_create("files");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_decoded_package_encodes_to_the_same_bytes);
	tcase_add_test(tc, a_file_cut_anywhere_is_refused);
	tcase_add_test(tc, a_file_with_any_byte_changed_is_refused);
	tcase_add_test(tc, a_message_cut_anywhere_is_refused_or_whole);
	tcase_add_test(tc, another_envelope_is_a_matter_of_versions);
	tcase_add_test(tc, a_file_beyond_the_cap_is_refused_before_it_is_unpacked);
	tcase_add_test(tc, a_message_that_grows_in_memory_runs_into_the_arena);
	tcase_add_loop_test(tc, a_spoiled_package_is_refused_with_a_sentence_that_names_it, 0,
			    (int)(sizeof(spoiled) / sizeof(spoiled[0])));
	tcase_add_test(tc, sums_beyond_what_the_steps_take_are_refused);
	tcase_add_test(tc, the_self_test_finds_a_changed_weight);
	tcase_add_loop_test(tc, fast_and_general_inference_agree, 0, 8);
	tcase_add_test(tc, reading_names_the_file_that_is_missing);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
