/* The tasks on blocks of samples and pixels against oracles of their own: formulas summed up in
 * long double, direct forms, sorting. */
#include "tasks/builtin.h"
#include "tasks/catalog.h"
#include "tasks/draw.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int16_t x[256];
static uint8_t px[TILE_IN * TILE_IN];
static double y[TILE * TILE];

/* ---- specmag256 ---- */

static long double naive_magnitude(size_t k)
{
	long double re = 0, im = 0;

	for (size_t n = 0; n < 256; n++) {
		long double w = 0.5L - 0.5L * cosl(2 * M_PIl * (long double)n / 256);
		long double a = 2 * M_PIl * (long double)(n * k % 256) / 256;

		re += w * x[n] * cosl(a);
		im += w * x[n] * sinl(a);
	}
	return sqrtl(re * re + im * im) / 64;
}

START_TEST(specmag_is_the_magnitude_of_the_windowed_sum)
{
	specmag256_sample(5, (uint64_t)_i, x);
	specmag256_reference(x, y);
	for (size_t k = 0; k <= 128; k++)
		ck_assert_msg(fabsl(naive_magnitude(k) - y[k]) < 1e-8L, "m[%zu] = %f", k, y[k]);
}
END_TEST

START_TEST(specmag_of_a_full_scale_sine_reads_full_scale_and_a_constant_saturates)
{
	for (int n = 0; n < 256; n++)
		x[n] = (int16_t)lround(32767 * sin(2 * M_PI * 10 * n / 256));
	specmag256_reference(x, y);
	ck_assert_msg(fabs(y[10] - 32767) < 1, "%f", y[10]);
	ck_assert(fabs(y[9] - 32767.0 / 2) < 1 && fabs(y[11] - 32767.0 / 2) < 1);
	ck_assert(y[20] < 1);
	for (int n = 0; n < 256; n++)
		x[n] = INT16_MIN;
	specmag256_reference(x, y);
	ck_assert(y[0] == UINT16_MAX);
}
END_TEST

/* ---- iir ---- */

static const double cut_off[] = { 0.2, 0.05, 0.02 };

/* Direct form II transposed of the bilinear transform of 1 / (s^2 + sqrt(2) s + 1). */
static void direct_form(double fc, const int16_t *in, size_t n, long double *out)
{
	long double w = tanl(M_PIl * (long double)fc / 2), q = sqrtl(2) * w;
	long double a0 = 1 + q + w * w, b = w * w / a0;
	long double a1 = 2 * (w * w - 1) / a0, a2 = (1 - q + w * w) / a0, z1 = 0, z2 = 0;

	for (size_t i = 0; i < n; i++) {
		out[i] = b * in[i] + z1;
		z1 = 2 * b * in[i] - a1 * out[i] + z2;
		z2 = b * in[i] - a2 * out[i];
	}
}

/* The block matrix, run on without rounding the state, is the filter. */
START_TEST(iir_blocks_joined_are_the_direct_form)
{
	enum { BLOCKS = 50 };
	static int16_t in[BLOCKS * IIR_BLOCK];
	static long double want[BLOCKS * IIR_BLOCK];
	const double *m = iir_coefficients((enum iir_filter)_i);
	double state[2] = { 0, 0 }, worst = 0;
	struct hv_rng r = draw_record_rng(5, 1);

	draw_signal(&r, 2, in, HV_ARRAY_SIZE(in));
	direct_form(cut_off[_i], in, HV_ARRAY_SIZE(in), want);
	for (size_t b = 0; b < BLOCKS; b++) {
		double u[IIR_IO], v[IIR_IO] = { 0 };

		for (size_t i = 0; i < IIR_BLOCK; i++)
			u[i] = in[b * IIR_BLOCK + i];
		memcpy(u + IIR_BLOCK, state, sizeof(state));
		for (size_t i = 0; i < IIR_IO * IIR_IO; i++)
			v[i / IIR_IO] += m[i] * u[i % IIR_IO];
		for (size_t i = 0; i < IIR_BLOCK; i++)
			worst = fmax(worst, fabs(v[i] - (double)want[b * IIR_BLOCK + i]));
		memcpy(state, v + IIR_BLOCK, sizeof(state));
	}
	ck_assert_msg(worst < 0.02, "off by %g", worst);
}
END_TEST

/* Covariance of the state under white input of power 1: P = A P A' + b b'. */
START_TEST(iir_state_is_balanced_and_scaled)
{
	const struct iir_section *s = iir_section((enum iir_filter)_i);
	double p[2][2] = { { 0 } }, scale;

	for (int round = 0; round < 3000; round++) {
		double next[2][2];

		for (int i = 0; i < 2; i++)
			for (int j = 0; j < 2; j++) {
				next[i][j] = s->b[i] * s->b[j];
				for (int k = 0; k < 4; k++)
					next[i][j] +=
						s->a[i][k / 2] * p[k / 2][k % 2] * s->a[j][k % 2];
			}
		memcpy(p, next, sizeof(p));
	}
	scale = p[0][0];
	ck_assert(fabs(p[1][1] / scale - 1) < 1e-9 && fabs(p[0][1]) < 1e-9 * scale);
	ck_assert_msg(fabs(scale - ldexp(1, -2 * (_i + 1))) < 1e-9, "%g", scale);
}
END_TEST

START_TEST(iir_states_of_the_domain_do_not_reach_the_rails)
{
	void (*const sample[])(uint64_t, uint64_t, void *) = { iir_c20_sample, iir_c05_sample,
							       iir_c02_sample };
	void (*const run[])(const void *, double *) = { iir_c20_reference, iir_c05_reference,
							iir_c02_reference };
	unsigned at_rails = 0;

	for (uint64_t index = 0; index < 4000; index++) {
		sample[_i](3, index, x);
		run[_i](x, y);
		for (size_t k = IIR_BLOCK; k < IIR_IO; k++)
			at_rails += abs(x[k]) >= INT16_MAX || fabs(y[k]) >= INT16_MAX;
	}
	ck_assert_uint_eq(at_rails, 0);
}
END_TEST

/* ---- pictures ---- */

static long double basis(size_t k, size_t n)
{
	return sqrtl((k == 0 ? 1.0L : 2.0L) / 8) *
	       cosl(M_PIl * ((long double)n + 0.5L) * (long double)k / 8);
}

static long double naive_dct8(const double *in, size_t u, size_t v)
{
	long double sum = 0;

	for (size_t i = 0; i < 64; i++)
		sum += in[i] * basis(u, i / 8) * basis(v, i % 8);
	return sum;
}

static long double naive_idct8(const double *in, size_t m, size_t n)
{
	long double sum = 0;

	for (size_t i = 0; i < 64; i++)
		sum += in[i] * basis(i / 8, m) * basis(i % 8, n);
	return sum;
}

START_TEST(dct8x8_follows_its_formula_and_fits_its_type)
{
	double wide[64];

	dct8x8_sample(5, (uint64_t)_i, x);
	dct8x8_reference(x, y);
	for (size_t i = 0; i < 64; i++)
		wide[i] = x[i];
	for (size_t i = 0; i < 64; i++)
		ck_assert(fabsl(naive_dct8(wide, i / 8, i % 8) - y[i]) < 1e-3L);
	for (size_t i = 0; i < 64; i++)
		x[i] = -4096; /* black: the lowest there is */
	dct8x8_reference(x, y);
	ck_assert(y[0] > -32768.01 && y[0] < -32767.99 && fabs(y[1]) < 1e-3);
}
END_TEST

START_TEST(sobel_is_two_correlations_and_a_root)
{
	static const int gx[3][3] = { { -1, 0, 1 }, { -2, 0, 2 }, { -1, 0, 1 } };

	sobel_sample(5, (uint64_t)_i, px);
	sobel_reference(px, y);
	for (size_t at = 0; at < TILE * TILE; at++) {
		long double a = 0, b = 0, want;

		for (size_t k = 0; k < 9; k++) {
			int p = px[(at / TILE + k / 3) * TILE_IN + at % TILE + k % 3];

			a += gx[k / 3][k % 3] * p;
			b += gx[k % 3][k / 3] * p;
		}
		want = sqrtl(a * a + b * b);
		want = want > 255 ? 255 : want;
		ck_assert_msg(fabsl(want - y[at]) < 1e-12L, "pixel %zu: %f, not %Lf", at, y[at],
			      want);
	}
}
END_TEST

START_TEST(sobel_of_plain_ramp_and_edge_is_known)
{
	memset(px, 200, sizeof(px));
	sobel_reference(px, y);
	ck_assert(y[0] == 0 && y[TILE * TILE - 1] == 0);
	for (size_t i = 0; i < sizeof(px); i++)
		px[i] = (uint8_t)(3 * (i % TILE_IN)); /* rises by 3: gx = 8 * 3 */
	sobel_reference(px, y);
	ck_assert(y[17] == 24 && y[TILE * TILE - 1] == 24);
	for (size_t i = 0; i < sizeof(px); i++)
		px[i] = i / TILE_IN < 33 ? 0 : 255;
	sobel_reference(px, y);
	ck_assert(y[30 * TILE] == 0 && y[31 * TILE] == 255 && y[32 * TILE] == 255);
	ck_assert(y[33 * TILE] == 0);
}
END_TEST

/* Coefficient by the formula, and whether rounding it is beyond doubt. */
static long naive_quantized(const double *shifted, size_t i, int step, bool *sure)
{
	long double v = naive_dct8(shifted, i / 8, i % 8) / step;
	long double part = fabsl(v) - floorl(fabsl(v));

	*sure = fabsl(part - 0.5L) > 1e-3L;
	return lroundl(v);
}

/* Row 0 and the last entry of the standard's table, and what libjpeg makes of it at 75. */
static const int step50[] = { 16, 11, 10, 16, 24, 40, 51, 61 };
static const int step75[] = { 8, 6, 5, 8, 12, 20, 26, 31 };

START_TEST(jpeg_quantizes_as_the_formula_does)
{
	int quality = _i % 2 ? 75 : 50;
	const int *step = _i % 2 ? step75 : step50;
	double shifted[64], q[64];
	unsigned unsure = 0;

	jpeg50_sample(5, (uint64_t)_i, px);
	jpeg_coefficients(px, quality, q);
	for (size_t i = 0; i < 64; i++)
		shifted[i] = px[i] - 128;
	for (size_t i = 0; i < 8; i++) {
		bool sure;
		long want = naive_quantized(shifted, i, step[i], &sure);

		unsure += !sure;
		ck_assert_msg(!sure || (double)want == q[i], "block %d, %zu: %g, not %ld", _i, i,
			      q[i], want);
	}
	ck_assert_uint_le(unsure, 4);
}
END_TEST

START_TEST(jpeg_answers_the_inverse_of_its_coefficients)
{
	/* all of the table at quality 50, in its own order: a block with one coefficient */
	static const int some[][2] = { { 0, 16 }, { 9, 12 }, { 18, 16 }, { 63, 99 }, { 36, 68 } };

	for (size_t t = 0; t < HV_ARRAY_SIZE(some); t++) {
		double coefficients[64] = { 0 }, q[64];
		int at = some[t][0], step = some[t][1];

		coefficients[at] = 1.2 * step; /* comes back as one step */
		for (size_t i = 0; i < 64; i++)
			px[i] = (uint8_t)lroundl(128 + naive_idct8(coefficients, i / 8, i % 8));
		jpeg_coefficients(px, 50, q);
		jpeg50_reference(px, y);
		for (size_t i = 0; i < 64; i++)
			coefficients[i] = (int)i == at ? step : 0;
		for (size_t i = 0; i < 64; i++) {
			ck_assert_msg(q[i] == ((int)i == at), "coefficient %zu is %g", i, q[i]);
			ck_assert(fabsl(128 + naive_idct8(coefficients, i / 8, i % 8) - y[i]) <
				  1e-3L);
		}
	}
}
END_TEST

START_TEST(jpeg_gives_flat_blocks_back_to_the_step_of_the_mean)
{
	for (int grey = 0; grey < 256; grey++) {
		memset(px, grey, 64);
		jpeg75_reference(px, y); /* a step of 8 in the sum of 8 x mean: whole greys */
		ck_assert_msg(fabs(y[0] - grey) < 1e-9 && fabs(y[63] - grey) < 1e-9, "%d: %f", grey,
			      y[0]);
		jpeg50_reference(px, y);
		ck_assert(fabs(y[5] - grey) <= 1 + 1e-9);
	}
}
END_TEST

START_TEST(scenes_have_contrast_and_are_the_same_in_any_order)
{
	uint8_t forward[8][64], again[64];
	double sum = 0, sum2 = 0;

	for (uint64_t i = 0; i < 8; i++)
		jpeg50_sample(3, i * 37, forward[i]);
	for (uint64_t i = 8; i-- > 0;) {
		jpeg50_sample(3, i * 37, again);
		ck_assert_mem_eq(again, forward[i], 64);
	}
	for (uint64_t i = 0; i < 24; i++) {
		sobel_sample(3, 4 * i, px);
		for (size_t k = 0; k < sizeof(px); k++) {
			sum += px[k];
			sum2 += (double)px[k] * px[k];
		}
	}
	sum /= 24.0 * sizeof(px);
	sum2 = sqrt(sum2 / (24.0 * sizeof(px)) - sum * sum);
	ck_assert_msg(sum > 110 && sum < 146 && sum2 > 40 && sum2 < 80, "%f, %f", sum, sum2);
}
END_TEST

START_TEST(channels_of_a_scene_share_shapes_but_not_greys)
{
	static uint8_t a[SCENE_SIDE][SCENE_SIDE], b[SCENE_SIDE][SCENE_SIDE];
	double edges_a = 0, edges_b = 0, both = 0;

	scene_draw(3, 9, 0, a);
	scene_draw(3, 9, 1, b);
	ck_assert(memcmp(a, b, sizeof(a)) != 0);
	for (size_t i = 0; i < SCENE_SIDE; i++) {
		for (size_t k = 1; k < SCENE_SIDE; k++) {
			double da = abs(a[i][k] - a[i][k - 1]), db = abs(b[i][k] - b[i][k - 1]);

			edges_a += da * da;
			edges_b += db * db;
			both += da * db;
		}
	}
	ck_assert_msg(both / sqrt(edges_a * edges_b) > 0.3, "%f", both / sqrt(edges_a * edges_b));
}
END_TEST

/* ---- features ---- */

static int by_value(const void *a, const void *b)
{
	return *(const int16_t *)a - *(const int16_t *)b;
}

START_TEST(median9_is_the_fifth_of_nine_sorted)
{
	int16_t nine[9];
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)_i);
	median9_sample(5, (uint64_t)_i, x);
	for (size_t i = 0; _i % 2 && i < 64; i++)
		x[i] = (int16_t)hv_rng_below(&r, 4); /* many equal ones */
	median9_reference(x, y);
	for (size_t i = 0; i < 56; i++) {
		memcpy(nine, x + i, sizeof(nine));
		qsort(nine, 9, sizeof(*nine), by_value);
		ck_assert(y[i] == nine[4]);
	}
}
END_TEST

START_TEST(features64_are_the_medians_and_the_root_mean_square)
{
	double apart[57];

	for (uint64_t i = 0; i < 12; i++) {
		features64_sample(5, i, x);
		features64_reference(x, y);
		median9_reference(x, apart);
		rms64_reference(x, apart + 56);
		ck_assert_mem_eq(y, apart, sizeof(apart));
	}
	for (size_t i = 0; i < 64; i++)
		x[i] = INT16_MIN;
	features64_reference(x, y);
	ck_assert(y[56] == INT16_MAX);
}
END_TEST

START_TEST(rms64_of_known_blocks_is_known)
{
	for (size_t i = 0; i < 64; i++)
		x[i] = INT16_MIN;
	rms64_reference(x, y);
	ck_assert(y[0] == 32768);
	memset(x, 0, 64 * sizeof(*x));
	rms64_reference(x, y);
	ck_assert(y[0] == 0);
	x[13] = -80;
	rms64_reference(x, y);
	ck_assert(y[0] == 10); /* 80 / sqrt(64) */
}
END_TEST

/* rms of the part without the impulses is the level; 2 % of U(.3,1)^2 = .463 come on top. */
START_TEST(vibration_has_its_levels_and_impulses)
{
	static const double dbfs[] = { -12, -24, -36 };
	double power = pow(10, dbfs[_i] / 10), sum2 = 0;
	size_t large = 0, n = 0;

	for (uint64_t index = (uint64_t)_i; index < 6000; index += 3, n += 64) {
		rms64_sample(3, index, x);
		for (size_t i = 0; i < 64; i++) {
			sum2 += (double)x[i] * x[i] / (32768.0 * 32768);
			large += abs(x[i]) > 0.25 * 32768;
		}
	}
	/* at -12 dBFS sums beyond full scale are clipped */
	ck_assert_msg(fabs(10 * log10(sum2 / (double)n / (power + 0.02 * 0.463))) < 0.4, "%.2f dB",
		      10 * log10(sum2 / (double)n));
	if (_i == 2)
		ck_assert_msg(fabs((double)large / (double)n - 0.02) < 0.002, "%zu of %zu", large,
			      n);
}
END_TEST

static Suite *blocks_suite(void)
{
	Suite *s = suite_create("tasks on blocks");
	TCase *sig = tcase_create("signals");
	TCase *pic = tcase_create("pictures");

	tcase_add_loop_test(sig, specmag_is_the_magnitude_of_the_windowed_sum, 0, 6);
	tcase_add_test(sig, specmag_of_a_full_scale_sine_reads_full_scale_and_a_constant_saturates);
	tcase_add_loop_test(sig, iir_blocks_joined_are_the_direct_form, 0, 3);
	tcase_add_loop_test(sig, iir_state_is_balanced_and_scaled, 0, 3);
	tcase_add_loop_test(sig, iir_states_of_the_domain_do_not_reach_the_rails, 0, 3);
	tcase_add_loop_test(sig, median9_is_the_fifth_of_nine_sorted, 0, 20);
	tcase_add_test(sig, features64_are_the_medians_and_the_root_mean_square);
	tcase_add_test(sig, rms64_of_known_blocks_is_known);
	tcase_add_loop_test(sig, vibration_has_its_levels_and_impulses, 0, 3);
	suite_add_tcase(s, sig);

	tcase_add_loop_test(pic, dct8x8_follows_its_formula_and_fits_its_type, 0, 8);
	tcase_add_loop_test(pic, sobel_is_two_correlations_and_a_root, 0, 4);
	tcase_add_test(pic, sobel_of_plain_ramp_and_edge_is_known);
	tcase_add_loop_test(pic, jpeg_quantizes_as_the_formula_does, 0, 40);
	tcase_add_test(pic, jpeg_answers_the_inverse_of_its_coefficients);
	tcase_add_test(pic, jpeg_gives_flat_blocks_back_to_the_step_of_the_mean);
	tcase_add_test(pic, scenes_have_contrast_and_are_the_same_in_any_order);
	tcase_add_test(pic, channels_of_a_scene_share_shapes_but_not_greys);
	suite_add_tcase(s, pic);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(blocks_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
