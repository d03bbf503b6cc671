#include "accel/steps/steps.h"
#include "accel/arch.h"
#include "util/rng.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 64, BLOB_MAX = 64 * 1024 };

/* A linear network by definition: words of int8 pixels and weights. */
struct world {
	struct cnn_steps steps;
	uint8_t blob[BLOB_MAX];
	size_t len;
	int8_t w[CNN_STEPS_SETS_MAX][N_MAX][N_MAX];
	int32_t mul[N_MAX], base[N_MAX];
	uint8_t in[4 * N_MAX], out[8 * N_MAX];
};

static struct world world;

static int32_t word_of_world(void *ctx, unsigned set, unsigned position, unsigned row)
{
	const struct world *o = ctx;
	int32_t acc = 0;

	for (unsigned c = 0; c < o->steps.channels; c++)
		acc += o->w[set][row][c] * cnn_steps_in(&o->steps, o->in, position, c);
	return acc;
}

static int16_t input_of(const struct world *o, unsigned channel, unsigned component)
{
	int16_t x;

	memcpy(&x, o->in + 2 * (channel * o->steps.components + component), 2);
	return x;
}

static void random_bytes(struct hv_rng *r, void *to, size_t n)
{
	uint8_t *p = to;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)hv_rng_u64(r);
}

static void world_encode(struct world *o)
{
	for (unsigned r = 0; r < o->steps.rows; r++) {
		o->base[r] = 0;
		for (unsigned s = 0; s < o->steps.sets; s++)
			for (unsigned c = 0; c < o->steps.channels; c++)
				o->base[r] += o->steps.scale[s] * o->w[s][r][c];
	}
	o->len = cnn_steps_encode(&o->steps, o->mul, o->base, o->blob, sizeof(o->blob));
	ck_assert_uint_gt(o->len, 0);
	ck_assert_int_eq(cnn_steps_parse(o->blob, o->len, &o->steps), 0);
}

static void world_draw(struct world *o, struct hv_rng *r, enum cnn_steps_in in,
		       enum cnn_steps_out finish)
{
	unsigned half = 1 + hv_rng_below(r, N_MAX / 2);

	memset(o, 0, sizeof(*o));
	o->steps.input = (uint8_t)in;
	o->steps.finish = (uint8_t)finish;
	o->steps.sets = (uint8_t)(1 + hv_rng_below(r, 2));
	o->steps.shift = (uint8_t)(1 + hv_rng_below(r, 30));
	o->steps.out_bits = hv_rng_below(r, 2) ? 16 : 32;
	o->steps.components = finish == CNN_OUT_DFT ? 2 : 1;
	o->steps.rows = (uint16_t)(2 * half);
	o->steps.channels = o->steps.rows;
	if (finish == CNN_OUT_ROWS) {
		o->steps.channels = (uint16_t)(1 + hv_rng_below(r, N_MAX));
		o->steps.mul_per_row = (uint8_t)hv_rng_below(r, 2);
	}
	for (unsigned s = 0; s < o->steps.sets; s++)
		o->steps.scale[s] = (int32_t)hv_rng_below(r, 257) - (s ? 128 : 0);
	for (unsigned i = 0; i < N_MAX; i++)
		o->mul[i] = (int32_t)hv_rng_below(r, 1 << 20) - (1 << 19);
	random_bytes(r, o->w, sizeof(o->w));
	random_bytes(r, o->in, sizeof(o->in));
	world_encode(o);
}

/* Weight of one row as the sets add it up. */
static int64_t weight(const struct world *o, unsigned row, unsigned c)
{
	int64_t e = 0;

	for (unsigned s = 0; s < o->steps.sets; s++)
		e += (int64_t)o->steps.scale[s] * o->w[s][row][c];
	return e;
}

/* floor(v / 2^shift + 1/2), saturated; __int128 so that nothing here can overflow. */
static int32_t expected_fit(const struct world *o, __int128 v)
{
	__int128 one = 1, half = one << (o->steps.shift - 1), den = one << o->steps.shift;
	__int128 q = (v + half) / den;
	__int128 max = o->steps.out_bits == 16 ? INT16_MAX : INT32_MAX;

	if (q * den > v + half)
		q--;
	return (int32_t)(q > max ? max : q < -max - 1 ? -max - 1 : q);
}

static int32_t output_of(const struct world *o, unsigned element)
{
	int16_t s16;
	int32_t s32;

	if (o->steps.out_bits == 16) {
		memcpy(&s16, o->out + 2 * element, 2);
		return s16;
	}
	memcpy(&s32, o->out + 4 * element, 4);
	return s32;
}

static void world_run(struct world *o)
{
	for (unsigned i = 0; i < cnn_steps_items(&o->steps); i++)
		cnn_steps_out(&o->steps, i, word_of_world, o, o->out);
}

START_TEST(a_split_sample_is_its_two_bytes_and_128)
{
	struct cnn_steps s = { .components = 1, .parts = 2, .input = CNN_IN_SPLIT, .channels = 1 };

	for (int32_t x = INT16_MIN; x <= INT16_MAX; x++) {
		uint8_t record[2] = { (uint8_t)x, (uint8_t)((uint32_t)x >> 8) };

		ck_assert_int_eq(256 * cnn_steps_in(&s, record, 0, 0) +
					 cnn_steps_in(&s, record, 1, 0) + 128,
				 x);
	}
}
END_TEST

START_TEST(a_rounded_sample_is_the_nearest_of_256_steps)
{
	struct cnn_steps s = { .components = 1, .parts = 1, .input = CNN_IN_ROUND, .channels = 1 };

	for (int32_t x = INT16_MIN; x <= INT16_MAX; x++) {
		uint8_t record[2] = { (uint8_t)x, (uint8_t)((uint32_t)x >> 8) };
		int32_t error = 256 * cnn_steps_in(&s, record, 0, 0) - x;

		ck_assert_msg(error <= 128 && error >= (x > 127 * 256 + 128 ? -255 : -128),
			      "sample %d is off by %d", x, error);
	}
}
END_TEST

START_TEST(a_word_of_neighbouring_channels_is_its_values)
{
	static const enum cnn_steps_in in[] = { CNN_IN_SPLIT, CNN_IN_ROUND, CNN_IN_BYTES };
	uint8_t record[2 * 2 * 16];
	struct hv_rng r;

	hv_rng_seed(&r, 12);
	for (int round = 0; round < 3000; round++) {
		struct cnn_steps s = { .input = in[round % 3], .channels = 8, .parts = 1 };
		unsigned position, channel = hv_rng_below(&r, 8), lanes = 1 + hv_rng_below(&r, 4);
		uint32_t v;

		s.components = (uint8_t)(1 + hv_rng_below(&r, 2));
		s.parts = s.input == CNN_IN_SPLIT ? 2 : 1;
		if (lanes > 8 - channel)
			lanes = 8 - channel;
		position = hv_rng_below(&r, (uint32_t)s.components * s.parts);
		for (size_t i = 0; i < sizeof(record); i++)
			record[i] = (uint8_t)(hv_rng_below(&r, 4) ? hv_rng_u64(&r) : 0x7f);
		v = cnn_steps_in_word(&s, record, position, channel, lanes);
		for (unsigned lane = 0; lane < 4; lane++)
			ck_assert_uint_eq(v >> 8 * lane & 0xff,
					  lane < lanes ? (uint8_t)cnn_steps_in(&s, record, position,
									       channel + lane)
						       : 0);
	}
}
END_TEST

START_TEST(rows_are_weighted_sums_of_the_samples_themselves)
{
	struct hv_rng r;
	enum cnn_steps_in in = _i % 2 ? CNN_IN_SPLIT : CNN_IN_ROUND;

	hv_rng_seed(&r, (uint64_t)_i);
	world_draw(&world, &r, in, CNN_OUT_ROWS);
	world_run(&world);
	for (unsigned row = 0; row < world.steps.rows; row++) {
		__int128 v = 0;

		for (unsigned c = 0; c < world.steps.channels; c++) {
			int64_t x = input_of(&world, c, 0);

			if (in == CNN_IN_ROUND)
				x = 256 * (int64_t)cnn_steps_in(&world.steps, world.in, 0, c);
			v += weight(&world, row, c) * x;
		}
		v *= world.mul[world.steps.mul_per_row ? row : 0];
		ck_assert_msg(output_of(&world, row) == expected_fit(&world, v),
			      "draw %d row %u: %d instead of %d", _i, row, output_of(&world, row),
			      expected_fit(&world, v));
	}
}
END_TEST

/* Weight rows of cosine and sine for bin k of all n bins, from the half that is stored. */
static int64_t cosine(const struct world *o, unsigned k, unsigned c)
{
	unsigned n = o->steps.rows;

	return weight(o, k <= n / 2 ? k : n - k, c);
}

static int64_t sine(const struct world *o, unsigned k, unsigned c)
{
	unsigned n = o->steps.rows;

	if (k == 0 || k == n / 2)
		return 0;
	return k < n / 2 ? weight(o, n / 2 + k, c) : -weight(o, n / 2 + n - k, c);
}

START_TEST(dft_bins_equal_the_full_complex_product)
{
	struct hv_rng r;

	hv_rng_seed(&r, 1000 + (uint64_t)_i);
	world_draw(&world, &r, CNN_IN_SPLIT, CNN_OUT_DFT);
	world_run(&world);
	for (unsigned k = 0; k < world.steps.rows; k++) {
		__int128 re = 0, im = 0;

		for (unsigned c = 0; c < world.steps.rows; c++) {
			int64_t a = input_of(&world, c, 0), b = input_of(&world, c, 1);

			re += cosine(&world, k, c) * a + sine(&world, k, c) * b;
			im += cosine(&world, k, c) * b - sine(&world, k, c) * a;
		}
		ck_assert_msg(output_of(&world, 2 * k) == expected_fit(&world, re * world.mul[0]) &&
				      output_of(&world, 2 * k + 1) ==
					      expected_fit(&world, im * world.mul[0]),
			      "draw %d bin %u of %u", _i, k, world.steps.rows);
	}
}
END_TEST

/* clang-format off */
/* Byte offsets of the header fields in a blob of two sets, and values they must not have. */
static const struct {
	const char *field;
	unsigned at, bytes;
	uint32_t bad;
} refused[] = {
	{ "version 0", 0, 1, 0 },       { "version 2", 0, 1, 2 },
	{ "input 0", 1, 1, 0 },         { "input 3", 1, 1, 3 },
	{ "components 0", 2, 1, 0 },    { "components 1 of a DFT", 2, 1, 1 },
	{ "components 3", 2, 1, 3 },    { "no sets", 3, 1, 0 },
	{ "three sets", 3, 1, 3 },      { "no channels", 4, 2, 0 },
	{ "1025 channels", 4, 2, 1025 },{ "channels other than rows", 4, 2, 14 },
	{ "no rows", 6, 2, 0 },         { "odd rows", 6, 2, 15 },
	{ "1026 rows", 6, 2, 1026 },    { "finish 0", 8, 1, 0 },
	{ "finish 3", 8, 1, 3 },        { "rows of two components", 8, 1, CNN_OUT_ROWS },
	{ "8 bits out", 9, 1, 8 },      { "64 bits out", 9, 1, 64 },
	{ "shift 0", 10, 1, 0 },        { "shift 63", 10, 1, 63 },
	{ "mul per row of a DFT", 11, 1, 1 }, { "mul flag 2", 11, 1, 2 },
	{ "scale 257", 12, 4, 257 },    { "scale -257", 12, 4, (uint32_t)-257 },
	{ "mul beyond 63 bits", 20, 4, 0x7fffffff },
};
/* clang-format on */

static void good_dft(struct world *o)
{
	memset(o, 0, sizeof(*o));
	o->steps = (struct cnn_steps){ .input = CNN_IN_SPLIT,
				       .components = 2,
				       .sets = 2,
				       .channels = 16,
				       .rows = 16,
				       .finish = CNN_OUT_DFT,
				       .out_bits = 32,
				       .shift = 30,
				       .scale = { 256, 256 } };
	o->mul[0] = 1 << 20;
	memset(o->w, 127, sizeof(o->w));
	world_encode(o);
}

START_TEST(a_blob_with_a_bad_field_is_refused)
{
	struct cnn_steps s;

	good_dft(&world);
	for (unsigned i = 0; i < refused[_i].bytes; i++)
		world.blob[refused[_i].at + i] = (uint8_t)(refused[_i].bad >> 8 * i);
	ck_assert_msg(cnn_steps_parse(world.blob, world.len, &s) == HV_E_FORMAT, "%s was accepted",
		      refused[_i].field);
}
END_TEST

START_TEST(a_blob_of_any_other_length_is_refused)
{
	struct cnn_steps s;

	good_dft(&world);
	for (size_t len = 0; len < world.len + 5; len++)
		ck_assert_int_eq(cnn_steps_parse(world.blob, len, &s) == 0, len == world.len);
}
END_TEST

START_TEST(encode_reports_a_buffer_that_is_too_small)
{
	uint8_t to[BLOB_MAX];

	good_dft(&world);
	for (size_t cap = 0; cap < world.len; cap++)
		ck_assert_uint_eq(cnn_steps_encode(&world.steps, world.mul, world.base, to, cap),
				  0);
	ck_assert_uint_eq(cnn_steps_encode(&world.steps, world.mul, world.base, to, world.len),
			  world.len);
	ck_assert_mem_eq(to, world.blob, world.len);
}
END_TEST

/* Memory contents at their worst: all words maximal, with the sign that adds up. */
static int32_t word_of_hostile(void *ctx, unsigned set, unsigned position, unsigned row)
{
	struct hv_rng *r = ctx;

	(void)set, (void)position, (void)row;
	return hv_rng_below(r, 2) ? INT32_MIN : INT32_MAX;
}

/* The same sums in 128 bits. Two generators in step stand for one memory. */
static __int128 hostile_sum(const struct world *o, unsigned row, struct hv_rng *r)
{
	__int128 v = o->steps.input == CNN_IN_SPLIT ? (__int128)128 * o->base[row] : 0;
	__int128 max = CNN_STEPS_WORD_MAX(o->steps.channels);

	for (unsigned s = 0; s < o->steps.sets; s++) {
		v += 256 * o->steps.scale[s] * (word_of_hostile(r, 0, 0, 0) < 0 ? -max : max);
		if (o->steps.input == CNN_IN_SPLIT)
			v += o->steps.scale[s] * (word_of_hostile(r, 0, 0, 0) < 0 ? -max : max);
	}
	return v;
}

START_TEST(no_memory_content_overflows_an_accepted_blob)
{
	struct hv_rng r, twin;
	unsigned accepted = 0;

	hv_rng_seed(&r, 77);
	for (unsigned draw = 0; draw < 3000; draw++) {
		world_draw(&world, &r, draw % 2 ? CNN_IN_SPLIT : CNN_IN_ROUND, CNN_OUT_ROWS);
		world.steps.shift = (uint8_t)(1 + hv_rng_below(&r, 62));
		for (unsigned i = 0; i < world.steps.rows; i++) {
			world.mul[i] = (int32_t)(hv_rng_u64(&r) >> (32 + hv_rng_below(&r, 16)));
			world.base[i] = (int32_t)hv_rng_u64(&r);
		}
		world.len = cnn_steps_encode(&world.steps, world.mul, world.base, world.blob,
					     sizeof(world.blob));
		if (cnn_steps_parse(world.blob, world.len, &world.steps) < 0)
			continue;
		accepted++;
		twin = r;
		for (unsigned i = 0; i < world.steps.rows; i++) {
			__int128 v = hostile_sum(&world, i, &twin) *
				     world.mul[world.steps.mul_per_row ? i : 0];

			cnn_steps_out(&world.steps, i, word_of_hostile, &r, world.out);
			ck_assert_int_eq(output_of(&world, i), expected_fit(&world, v));
		}
	}
	ck_assert_msg(accepted > 300 && accepted < 2950, "%u of 3000 draws accepted", accepted);
}
END_TEST

START_TEST(the_largest_accepted_multiplier_is_the_proven_one)
{
	__int128 one = 1, sum = 0;
	int64_t mul;
	struct cnn_steps s;

	good_dft(&world);
	/* Bins with cosine and sine rows are the largest sums. */
	sum = (__int128)2 *
	      (2 * 256 * 257 * (__int128)CNN_STEPS_WORD_MAX(16) + 128 * (__int128)world.base[1]);
	mul = (int64_t)(((one << 63) - 1 - (one << 29)) / sum);
	ck_assert_int_lt(mul, INT32_MAX);
	for (int64_t sign = -1; sign <= 1; sign += 2)
		for (int64_t more = 0; more <= 1; more++) {
			world.mul[0] = (int32_t)(sign * (mul + more));
			world.len = cnn_steps_encode(&world.steps, world.mul, world.base,
						     world.blob, sizeof(world.blob));
			ck_assert_int_eq(cnn_steps_parse(world.blob, world.len, &s) == 0,
					 more == 0);
		}
}
END_TEST

static Suite *steps_suite(void)
{
	Suite *s = suite_create("steps");
	TCase *tc = tcase_create("steps");

	tcase_add_test(tc, a_split_sample_is_its_two_bytes_and_128);
	tcase_add_test(tc, a_rounded_sample_is_the_nearest_of_256_steps);
	tcase_add_test(tc, a_word_of_neighbouring_channels_is_its_values);
	tcase_add_loop_test(tc, rows_are_weighted_sums_of_the_samples_themselves, 0, 40);
	tcase_add_loop_test(tc, dft_bins_equal_the_full_complex_product, 0, 20);
	tcase_add_loop_test(tc, a_blob_with_a_bad_field_is_refused, 0,
			    (int)(sizeof(refused) / sizeof(refused[0])));
	tcase_add_test(tc, a_blob_of_any_other_length_is_refused);
	tcase_add_test(tc, encode_reports_a_buffer_that_is_too_small);
	tcase_add_test(tc, no_memory_content_overflows_an_accepted_blob);
	tcase_add_test(tc, the_largest_accepted_multiplier_is_the_proven_one);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(steps_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
