/* What "exact" means: the catalogue, the definitions against the textbook formulas, the
 * matrices against the definitions, the domains. */
#include "tasks/builtin.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IN = 4356, MAX_OUT = 4096, MAX_ROWS = 256, MAX_IN_BYTES = 4356 };

/* ---- catalogue ---- */

static bool name_is_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n >= 1 && n <= 31 && name[n] == '\0';
}

START_TEST(every_row_is_sorted_unique_and_documented)
{
	for (size_t i = 0; i < task_count(); i++) {
		const struct harvest_task *t = task_at(i);

		ck_assert_msg(name_is_valid(t->name), "%s: bad name", t->name);
		ck_assert_msg(strlen(t->about) >= 10, "%s: not documented", t->name);
		ck_assert_msg(i == 0 || strcmp(task_at(i - 1)->name, t->name) < 0,
			      "%s: out of order or twice", t->name);
		ck_assert_uint_eq(t->size, sizeof(*t));
		ck_assert_uint_eq(t->abi, HARVEST_TASK_ABI);
		ck_assert_uint_ge(t->version, 1);
		ck_assert_ptr_eq(task_find(t->name), t);
		ck_assert_str_ne(hv_metric_text(t->metric), "?");
	}
	ck_assert_ptr_null(task_at(task_count()));
	ck_assert_ptr_null(task_find("fft"));
	ck_assert_ptr_null(task_find(""));
}
END_TEST

static void check_tensor(const struct harvest_task *t, const struct harvest_tensor *x)
{
	ck_assert_uint_ge(x->ndim, 1);
	ck_assert_uint_le(x->ndim, HARVEST_MAX_DIMS);
	for (uint32_t d = 0; d < HARVEST_MAX_DIMS; d++)
		ck_assert_msg((x->shape[d] > 0) == (d < x->ndim), "%s: dim %u", t->name, d);
	ck_assert_uint_gt(dtype_bytes(x->dtype), 0);
	ck_assert_uint_le(tensor_elements(x), MAX_IN);
}

START_TEST(every_row_has_valid_shapes_and_a_matrix_that_fits_them)
{
	for (size_t i = 0; i < task_count(); i++) {
		const struct harvest_task *t = task_at(i);
		size_t per = t->linear == HARVEST_LINEAR_DFT ? 2 : 1;

		check_tensor(t, &t->in);
		check_tensor(t, &t->out);
		ck_assert_uint_le(tensor_bytes(&t->in), MAX_IN_BYTES);
		if (t->linear == HARVEST_NOT_LINEAR) {
			ck_assert_msg(t->matrix == NULL && t->rows == 0, "%s", t->name);
			continue;
		}
		ck_assert_int_eq((int)t->in.dtype, HARVEST_S16);
		ck_assert_uint_eq(t->cols * per, tensor_elements(&t->in));
		ck_assert_uint_eq(t->rows * per, tensor_elements(&t->out));
		ck_assert_ptr_nonnull((void *)t->matrix);
	}
}
END_TEST

START_TEST(types_and_tensors_have_numpy_names)
{
	struct harvest_tensor t = { HARVEST_S16, 2, { 256, 2 } };
	char text[32], small[6];

	ck_assert_str_eq(tensor_text(&t, text, sizeof(text)), "int16[256,2]");
	ck_assert_str_eq(tensor_text(&t, small, sizeof(small)), "int16");
	ck_assert_uint_eq(tensor_bytes(&t), 1024);
	for (int d = 1; d <= 7; d++)
		ck_assert_int_eq((int)dtype_find(dtype_text((enum harvest_dtype)d)), d);
	ck_assert_int_eq((int)dtype_find("int64"), 0);
	ck_assert_uint_eq(dtype_bytes((enum harvest_dtype)99), 0);
	ck_assert_str_eq(dtype_text((enum harvest_dtype)0), "?");
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_found)
{
	const struct harvest_tensor t = { HARVEST_F32, 1, { 2 } }, d = { HARVEST_F64, 1, { 1 } };
	const struct harvest_tensor whole = { HARVEST_S16, 1, { 2 } };
	float x[6] = { 1, -3e38f, 0, 1e-45f, 5, 6 };
	double y[2] = { 1e308, (double)-INFINITY };
	size_t record = 99;

	ck_assert(!tensor_first_unfinite(&t, x, 3, &record));
	x[3] = NAN;
	ck_assert(tensor_first_unfinite(&t, x, 3, &record) && record == 1);
	ck_assert(!tensor_first_unfinite(&t, x, 1, &record));
	ck_assert(tensor_first_unfinite(&d, y, 2, &record) && record == 1);
	ck_assert(!tensor_first_unfinite(&whole, x, 6, &record));
}
END_TEST

/* ---- task_exact on every output type, with a made-up task ---- */

static double stub_value;

static void stub_reference(const void *in, double *out)
{
	(void)in;
	out[0] = stub_value;
}

/* clang-format off */
static const struct {
	enum harvest_dtype type;
	double value, expect;
} exact_case[] = {
	{ HARVEST_S16, 0.5, 1 },          { HARVEST_S16, -0.5, -1 },
	{ HARVEST_S16, 0.49999999999999994, 0 }, { HARVEST_S16, -2.5, -3 },
	{ HARVEST_S16, 1e9, 32767 },      { HARVEST_S16, -1e9, -32768 },
	{ HARVEST_S16, -32768.4, -32768 }, { HARVEST_S16, (double)NAN, 0 },
	{ HARVEST_S8, 127.5, 127 },       { HARVEST_S8, -128.6, -128 },
	{ HARVEST_U8, -3, 0 },            { HARVEST_U8, 255.4, 255 },
	{ HARVEST_U16, 65535.7, 65535 },  { HARVEST_S32, (double)INFINITY, INT32_MAX },
	{ HARVEST_S32, -1e300, INT32_MIN }, { HARVEST_S32, 8388609.5, 8388610 },
	{ HARVEST_F32, 0.25, 0.25 },      { HARVEST_F64, 1e300, 1e300 },
};
/* clang-format on */

START_TEST(exact_rounds_half_away_from_zero_and_saturates)
{
	struct harvest_task t = {
		.in = { HARVEST_S16, 1, { 1 } },
		.out = { exact_case[_i].type, 1, { 1 } },
		.reference = stub_reference,
	};
	uint8_t in[2] = { 0 }, out[9] = { 0 };
	double scratch, got;

	out[dtype_bytes(t.out.dtype)] = 0xa5;
	stub_value = exact_case[_i].value;
	task_exact(&t, in, out, &scratch);
	tensor_to_double(&t.out, out, &got);
	ck_assert_msg(got == exact_case[_i].expect, "%s of %g gave %g, not %g",
		      dtype_text(t.out.dtype), exact_case[_i].value, got, exact_case[_i].expect);
	ck_assert_uint_eq(out[dtype_bytes(t.out.dtype)], 0xa5); /* wrote its element only */
}
END_TEST

/* ---- definitions against independent formulas, in long double ---- */

static int16_t input[MAX_IN];
static double output[MAX_OUT];

static void naive_fft(size_t n, long double *out)
{
	for (size_t k = 0; k < n; k++) {
		long double re = 0, im = 0;

		for (size_t i = 0; i < n; i++) {
			long double a = -2 * M_PIl * (long double)(k * i % n) / (long double)n;

			re += input[2 * i] * cosl(a) - input[2 * i + 1] * sinl(a);
			im += input[2 * i] * sinl(a) + input[2 * i + 1] * cosl(a);
		}
		out[2 * k] = re;
		out[2 * k + 1] = im;
	}
}

START_TEST(fft_is_the_sum_of_its_definition_to_1e_12)
{
	static const char *const name[] = { "fft64", "fft128", "fft256" };
	const struct harvest_task *t = task_find(name[_i % 3]);
	size_t n = t->in.shape[0];
	long double want[MAX_OUT], err2 = 0, sum2 = 0;

	t->sample(5, (uint64_t)_i, input);
	t->reference(input, output);
	naive_fft(n, want);
	for (size_t i = 0; i < 2 * n; i++) {
		sum2 += want[i] * want[i];
		err2 += (want[i] - output[i]) * (want[i] - output[i]);
	}
	ck_assert_msg(sqrtl(err2 / sum2) < 1e-15L * 8, "%s: relative rms error %Lg", t->name,
		      sqrtl(err2 / sum2));
}
END_TEST

START_TEST(fft_of_an_impulse_and_of_a_constant_is_exact)
{
	const struct harvest_task *t = task_find("fft256");

	memset(input, 0, sizeof(input));
	input[0] = INT16_MIN;
	t->reference(input, output);
	for (size_t k = 0; k < 256; k++)
		ck_assert(output[2 * k] == INT16_MIN && output[2 * k + 1] == 0);

	for (size_t i = 0; i < 256; i++) {
		input[2 * i] = INT16_MIN;
		input[2 * i + 1] = INT16_MAX;
	}
	t->reference(input, output);
	ck_assert(output[0] == 256.0 * INT16_MIN && output[1] == 256.0 * INT16_MAX);
	for (size_t k = 2; k < 512; k++)
		ck_assert(fabs(output[k]) < 1e-6);
}
END_TEST

/* The filter's formula, written out again from its description. */
static long double naive_tap(int j)
{
	long double sum = 0, h[32];

	for (int i = 0; i < 32; i++) {
		long double x = 0.25L * (i - 15.5L); /* cut-off 1/4 of Nyquist */

		h[i] = sinl(M_PIl * x) / (M_PIl * x) * 0.25L *
		       (0.54L - 0.46L * cosl(2 * M_PIl * i / 31));
		sum += h[i];
	}
	return h[j] / sum;
}

START_TEST(fir_taps_are_the_windowed_low_pass_with_unit_gain)
{
	const double *h = fir32_taps();
	double sum = 0, magnitude = 0;

	for (int j = 0; j < FIR_TAPS; j++) {
		ck_assert_msg(fabsl(h[j] - naive_tap(j)) < 1e-7L, "tap %d is %.9f", j, h[j]);
		ck_assert(h[j] == h[FIR_TAPS - 1 - j]);
		ck_assert(ldexp(h[j], FIR_FRAC_BITS) == rint(ldexp(h[j], FIR_FRAC_BITS)));
		sum += h[j];
		magnitude += fabs(h[j]);
	}
	ck_assert(sum == 1);
	ck_assert(magnitude < 2); /* builtin.h: room in 53 bits */
}
END_TEST

START_TEST(fir_is_a_convolution_with_history_first)
{
	const struct harvest_task *t = task_find("fir32");

	t->sample(5, (uint64_t)_i, input);
	t->reference(input, output);
	for (int i = 0; i < 64; i++) {
		long double y = 0;

		for (int j = 0; j < 32; j++)
			y += naive_tap(j) * input[31 + i - j];
		ck_assert_msg(fabsl(y - output[i]) < 0.01L, "y[%d] = %f, not %Lf", i, output[i], y);
	}
}
END_TEST

START_TEST(fir_saturates_what_overshoots)
{
	const struct harvest_task *t = task_find("fir32");
	const double *h = fir32_taps();

	for (int i = 0; i < FIR_IN; i++)
		input[i] = (int16_t)(h[i % 32] < 0 ? INT16_MIN : INT16_MAX);
	t->reference(input, output);
	ck_assert(output[0] == INT16_MAX); /* sees every tap at its worst sign */
}
END_TEST

START_TEST(dct_is_orthonormal_and_follows_its_formula)
{
	const struct harvest_task *t = task_find("dct32");
	const double *c = dct32_coefficients();

	for (size_t a = 0; a < 32; a++) {
		for (size_t b = 0; b < 32; b++) {
			double dot = 0;

			for (size_t n = 0; n < 32; n++)
				dot += c[a * 32 + n] * c[b * 32 + n];
			ck_assert_msg(fabs(dot - (a == b)) < 1e-8, "rows %zu, %zu: %g", a, b, dot);
		}
	}
	t->sample(5, (uint64_t)_i, input);
	t->reference(input, output);
	for (int k = 0; k < 32; k++) {
		long double y = 0;

		for (int n = 0; n < 32; n++)
			y += input[n] * cosl(M_PIl * (n + 0.5L) * k / 32);
		y *= k == 0 ? sqrtl(1.0L / 32) : sqrtl(2.0L / 32);
		ck_assert_msg(fabsl(y - output[k]) < 1e-3L, "y[%d] = %f, not %Lf", k, output[k], y);
	}
}
END_TEST

START_TEST(matvec_matrix_is_normal_fixed_and_fits_its_format)
{
	const double *a = matvec64_coefficients();
	double sum = 0, sum2 = 0;

	for (size_t i = 0; i < 4096; i++) {
		ck_assert_msg(fabs(a[i]) < 8, "entry %zu is %f", i, a[i]);
		ck_assert(ldexp(a[i], MATVEC_FRAC_BITS) == rint(ldexp(a[i], MATVEC_FRAC_BITS)));
		sum += a[i];
		sum2 += a[i] * a[i];
	}
	ck_assert(fabs(sum / 4096) < 4.0 / 64);
	ck_assert(fabs(sum2 / 4096 - 1) < 0.1);
	/* A changed matrix is another task: raise its version, then these. */
	ck_assert_msg(lround(1e6 * a[0]) == 225853, "a[0] = %.7f", a[0]);
	ck_assert_msg(lround(1e6 * a[4095]) == 462481, "a[4095] = %.7f", a[4095]);
}
END_TEST

/* ---- matrices say the same as definitions ---- */

static double matrix[MAX_ROWS * MAX_ROWS];

/* out = DFT from the cosine and sine rows, as harvest_linear documents them. */
static void dft_by_matrix(const struct harvest_task *t, double *out)
{
	size_t n = t->rows;

	for (size_t k = 0; k < n; k++) {
		size_t row = k <= n / 2 ? k : n - k;
		double sign = k <= n / 2 ? 1 : -1, re = 0, im = 0;

		for (size_t c = 0; c < n; c++) {
			bool has_sine = row != 0 && row != n / 2;
			double co = matrix[row * n + c];
			double si = has_sine ? sign * matrix[(n / 2 + row) * n + c] : 0;

			re += co * input[2 * c] + si * input[2 * c + 1];
			im += co * input[2 * c + 1] - si * input[2 * c];
		}
		out[2 * k] = re;
		out[2 * k + 1] = im;
	}
}

START_TEST(matrix_and_definition_agree)
{
	const struct harvest_task *t = task_at((size_t)_i);
	double by_matrix[MAX_OUT] = { 0 };

	if (t->linear == HARVEST_NOT_LINEAR)
		return;
	t->matrix(matrix);
	for (uint64_t index = 0; index < 8; index++) {
		t->sample(9, index, input);
		t->reference(input, output);
		if (t->linear == HARVEST_LINEAR_DFT)
			dft_by_matrix(t, by_matrix);
		for (size_t r = 0; r < t->rows && t->linear == HARVEST_LINEAR_REAL; r++) {
			by_matrix[r] = 0;
			for (size_t c = 0; c < t->cols; c++)
				by_matrix[r] += matrix[r * t->cols + c] * input[c];
		}
		for (size_t i = 0; i < tensor_elements(&t->out); i++)
			ck_assert_msg(fabs(by_matrix[i] - output[i]) < 1e-6, "%s[%zu]: %f, %f",
				      t->name, i, by_matrix[i], output[i]);
	}
}
END_TEST

/* ---- domains ---- */

START_TEST(samples_depend_on_seed_and_index_alone)
{
	const struct harvest_task *t = task_at((size_t)_i);
	size_t bytes = tensor_bytes(&t->in);
	uint8_t a[MAX_IN_BYTES], b[MAX_IN_BYTES];

	t->sample(1, 7, a);
	t->sample(1, 8, b);
	ck_assert(memcmp(a, b, bytes) != 0);
	t->sample(2, 7, b);
	ck_assert(memcmp(a, b, bytes) != 0);
	t->sample(1, 7, b);
	ck_assert_mem_eq(a, b, bytes);
}
END_TEST

/* Level of every part of a domain, dBFS, over many records; share at the rails. */
/* clang-format off */
static const struct {
	const char *task;
	unsigned part, parts;
	double dbfs, tolerance_db, clipped_max;
} level[] = {
	{ "fft64",    0, 3, -12,    0.1, 2e-4 },
	{ "fft128",   0, 3, -12,    0.1, 2e-4 },
	{ "fft256",   0, 3, -12,    0.1, 2e-4 },
	{ "fft64",    1, 3, -12.75, 0.5, 0 },   /* E[amp^2] = .03583, three tones, half each way */
	{ "fft256",   1, 3, -12.75, 0.5, 0 },
	{ "fft256",   2, 3, -40,    0.1, 0 },
	{ "fir32",    0, 4, -12,    0.1, 2e-4 },
	{ "fir32",    1, 4, -12.75, 0.5, 0 },
	{ "fir32",    2, 4, -15,    0.5, 1e-5 },
	{ "fir32",    3, 4, -40,    0.1, 0 },
	{ "dct32",    0, 1, -20.3,  0.3, 0 },   /* uniform over +-5460: 5460 / sqrt(3) */
	{ "matvec64", 0, 1, -12.04, 0.1, 2e-4 },
	{ "specmag256", 0, 3, -12,    0.1, 2e-4 },
	{ "specmag256", 1, 3, -12.75, 0.5, 0 },
	{ "specmag256", 2, 3, -40,    0.1, 0 },
};
/* clang-format on */

START_TEST(domains_have_their_documented_levels)
{
	const struct harvest_task *t = task_find(level[_i].task);
	size_t n = tensor_elements(&t->in), clipped = 0, count = 0;
	double sum2 = 0, dbfs;

	for (uint64_t index = level[_i].part; index < 1500 * level[_i].parts;
	     index += level[_i].parts) {
		t->sample(3, index, input);
		for (size_t i = 0; i < n; i++) {
			sum2 += (double)input[i] * input[i];
			clipped += input[i] == INT16_MAX || input[i] == INT16_MIN;
		}
		count += n;
	}
	dbfs = 10 * log10(sum2 / (double)count) - 20 * log10(32768);
	ck_assert_msg(fabs(dbfs - level[_i].dbfs) < level[_i].tolerance_db, "%s part %u: %.2f dBFS",
		      t->name, level[_i].part, dbfs);
	ck_assert_msg((double)clipped <= level[_i].clipped_max * (double)count,
		      "%s part %u: %zu of %zu at the rails", t->name, level[_i].part, clipped,
		      count);
}
END_TEST

START_TEST(outputs_of_the_domain_hardly_saturate)
{
	const struct harvest_task *t = task_at((size_t)_i);
	double lo = t->out.dtype == HARVEST_S16 ? INT16_MIN : INT32_MIN;
	size_t n = tensor_elements(&t->out), saturated = 0;

	if (t->linear == HARVEST_NOT_LINEAR || strcmp(t->name, "dct8x8") == 0)
		return; /* a black block is at the rail of dct8x8 exactly */
	for (uint64_t index = 0; index < 2000; index++) {
		t->sample(3, index, input);
		t->reference(input, output);
		for (size_t i = 0; i < n; i++)
			saturated += output[i] <= lo || output[i] >= -lo - 1;
	}
	ck_assert_msg((double)saturated <= 1e-5 * 2000 * (double)n, "%s: %zu", t->name, saturated);
}
END_TEST

START_TEST(dct_frames_are_correlated_and_uniform)
{
	const struct harvest_task *t = task_find("dct32");
	double lag1 = 0, power = 0;
	size_t upper = 0, outer = 0;

	for (uint64_t index = 0; index < 4000; index++) {
		t->sample(3, index, input);
		for (size_t i = 0; i < 31; i++) {
			lag1 += (double)input[i] * input[i + 1];
			power += (double)input[i] * input[i];
		}
		upper += input[0] > 0;
		outer += abs(input[31]) > 2730;
	}
	/* of the uniform copy of a Gaussian pair at .9: 6/pi asin(.45) */
	ck_assert_msg(fabs(lag1 / power - 0.891) < 0.02, "%f", lag1 / power);
	ck_assert_msg(upper > 1850 && upper < 2150, "%zu", upper);
	ck_assert_msg(outer > 1850 && outer < 2150, "%zu", outer);
}
END_TEST

static Suite *tasks_suite(void)
{
	Suite *s = suite_create("tasks");
	TCase *cat = tcase_create("catalogue");
	TCase *def = tcase_create("definitions");
	TCase *dom = tcase_create("domains");

	tcase_add_test(cat, every_row_is_sorted_unique_and_documented);
	tcase_add_test(cat, every_row_has_valid_shapes_and_a_matrix_that_fits_them);
	tcase_add_test(cat, numbers_that_are_not_finite_are_found);
	tcase_add_test(cat, types_and_tensors_have_numpy_names);
	tcase_add_loop_test(cat, exact_rounds_half_away_from_zero_and_saturates, 0,
			    (int)HV_ARRAY_SIZE(exact_case));
	suite_add_tcase(s, cat);

	tcase_add_loop_test(def, fft_is_the_sum_of_its_definition_to_1e_12, 0, 9);
	tcase_add_test(def, fft_of_an_impulse_and_of_a_constant_is_exact);
	tcase_add_test(def, fir_taps_are_the_windowed_low_pass_with_unit_gain);
	tcase_add_loop_test(def, fir_is_a_convolution_with_history_first, 0, 4);
	tcase_add_test(def, fir_saturates_what_overshoots);
	tcase_add_loop_test(def, dct_is_orthonormal_and_follows_its_formula, 0, 4);
	tcase_add_test(def, matvec_matrix_is_normal_fixed_and_fits_its_format);
	tcase_add_loop_test(def, matrix_and_definition_agree, 0, (int)task_count());
	suite_add_tcase(s, def);

	tcase_add_loop_test(dom, samples_depend_on_seed_and_index_alone, 0, (int)task_count());
	tcase_add_loop_test(dom, domains_have_their_documented_levels, 0,
			    (int)HV_ARRAY_SIZE(level));
	tcase_add_loop_test(dom, outputs_of_the_domain_hardly_saturate, 0, (int)task_count());
	tcase_add_test(dom, dct_frames_are_correlated_and_uniform);
	suite_add_tcase(s, dom);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(tasks_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
