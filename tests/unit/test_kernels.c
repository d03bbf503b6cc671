/* Host-speed kernels against the exact answer: bit for bit, or for the FFTs to a stated SNR. */
#include "tasks/catalog.h"
#include "tasks/fast.h"
#include "tasks/kernel.h"
#include "tasks/metric.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ELEMENTS = 4356, RECORDS = 600, RANDOM_ROUNDS = 300 };

/* What the kernels in single precision are held to on records of any content. */
static const double fft_worst_rel = 3e-7; /* of the largest output, plus half an lsb */

/* clang-format off */
static const struct {
	const char *task;
	double snr_min_db; /* over the domain; 0: equal bit for bit */
} kernels[] = {
	{ "dct32", 0 },     { "dct8x8", 0 },   { "fft128", 120 },  { "fft256", 120 },
	{ "fft64", 120 },   { "fir32", 0 },    { "iir_c02", 0 },   { "iir_c05", 0 },
	{ "iir_c20", 0 },   { "matvec64", 0 }, { "matvec64_rank8", 0 }, { "median9", 0 },
	{ "sobel", 0 },     { "specmag256", 95 },
};
/* clang-format on */

enum { KERNELS = (int)HV_ARRAY_SIZE(kernels), SETS = KERNEL_CPU_AVX512 + 1 };

static const struct harvest_task *task;
static struct hv_kernel *kernel;
static size_t n_in, n_out;

/* i walks the table once per instruction set; a set that this machine lacks repeats the next
 * lower one. Returns the row. */
static int begin(int i)
{
	kernel_cpu_cap((enum kernel_cpu)(i / KERNELS));
	i %= KERNELS;
	task = task_find(kernels[i].task);
	n_in = tensor_elements(&task->in);
	n_out = tensor_elements(&task->out);
	ck_assert_int_eq(hv_kernel_new(task, &kernel), HV_OK);
	return i;
}

/* Run one record both ways; returns the largest difference, outputs as doubles in ref, got. */
static double both_ways(const void *in, double *ref, double *got)
{
	uint8_t exact[4 * MAX_ELEMENTS], fast[4 * MAX_ELEMENTS];
	double worst = 0;

	task_exact(task, in, exact, ref);
	hv_kernel_run(kernel, in, fast, 1);
	tensor_to_double(&task->out, exact, ref);
	tensor_to_double(&task->out, fast, got);
	for (size_t i = 0; i < n_out; i++)
		worst = fmax(worst, fabs(ref[i] - got[i]));
	return worst;
}

START_TEST(kernel_agrees_with_exact_over_the_domain)
{
	struct hv_metric m = hv_metric_begin(HARVEST_SNR_DB);
	double ref[MAX_ELEMENTS], got[MAX_ELEMENTS], snr_db;
	int16_t in[MAX_ELEMENTS];
	int row;

	row = begin(_i);
	for (uint64_t index = 0; index < RECORDS * 64 / (64 + n_in); index++) {
		task->sample(3, index, in);
		both_ways(in, ref, got);
		hv_metric_add(&m, ref, got, n_out);
	}
	snr_db = hv_metric_value(&m);
	if (getenv("HARVEST_LONG") != NULL)
		printf("%s: %.1f dB, largest difference %g\n", task->name, snr_db, m.max_abs);
	if (kernels[row].snr_min_db == 0)
		ck_assert_msg(m.max_abs == 0, "%s: off by %g", task->name, m.max_abs);
	else
		ck_assert_msg(snr_db >= kernels[row].snr_min_db, "%s: %.1f dB", task->name, snr_db);
	hv_kernel_free(kernel);
}
END_TEST

static void check_record(int i, const char *what, const void *in)
{
	double ref[MAX_ELEMENTS], got[MAX_ELEMENTS], peak = 0;
	double worst = both_ways(in, ref, got);

	for (size_t k = 0; k < n_out; k++)
		peak = fmax(peak, fabs(ref[k]));
	if (kernels[i].snr_min_db == 0)
		ck_assert_msg(worst == 0, "%s, %s: off by %g", task->name, what, worst);
	else
		ck_assert_msg(worst <= 1 + fft_worst_rel * peak, "%s, %s: off by %g of %g",
			      task->name, what, worst, peak);
}

/* Pixels: every bit pattern of int16 is two of them. */
START_TEST(kernel_of_pixels_agrees_with_exact_on_hard_inputs)
{
	uint8_t in[MAX_ELEMENTS];
	struct hv_rng r;
	int row = begin(_i);

	hv_rng_seed(&r, 17);
	for (unsigned round = 0; task->in.dtype == HARVEST_U8 && round < 60; round++) {
		unsigned step = 1 + round * 4;

		for (size_t i = 0; i < n_in; i++)
			in[i] = (uint8_t)(round < 2 ? round * 255 : hv_rng_u64(&r) % step);
		check_record(row, "random pixels", in);
		for (size_t i = 0; i < n_in; i++)
			in[i] = hv_rng_below(&r, 2) ? 0 : UINT8_MAX;
		check_record(row, "black and white", in);
	}
	hv_kernel_free(kernel);
}
END_TEST

START_TEST(kernel_agrees_with_exact_on_hard_inputs)
{
	int16_t in[MAX_ELEMENTS];
	struct hv_rng r;
	int row;

	row = begin(_i);
	if (task->in.dtype != HARVEST_S16) {
		hv_kernel_free(kernel);
		return;
	}
	memset(in, 0, sizeof(in));
	check_record(row, "zeros", in);
	for (size_t at = 0; at < n_in; at++) {
		memset(in, 0, sizeof(in));
		in[at] = at % 2 ? INT16_MAX : INT16_MIN;
		check_record(row, "impulse", in);
	}
	for (size_t i = 0; i < n_in; i++)
		in[i] = INT16_MIN;
	check_record(row, "all -32768", in);
	for (size_t i = 0; i < n_in; i++)
		in[i] = INT16_MAX;
	check_record(row, "all 32767", in);
	hv_rng_seed(&r, 17);
	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		for (size_t i = 0; i < n_in; i++)
			in[i] = hv_rng_below(&r, 2) ? INT16_MAX : INT16_MIN;
		check_record(row, "random rails", in);
		for (size_t i = 0; i < n_in; i++)
			in[i] = (int16_t)hv_rng_u64(&r);
		check_record(row, "random bits", in);
	}
	hv_kernel_free(kernel);
}
END_TEST

/* The record that drives one output of a real linear task as far as it can go. */
START_TEST(kernel_agrees_with_exact_where_outputs_are_largest)
{
	int16_t in[MAX_ELEMENTS];
	hv_autofree double *m = NULL;
	int row;

	row = begin(_i);
	if (task->linear == HARVEST_LINEAR_REAL) {
		m = malloc(sizeof(*m) * task->rows * task->cols);
		ck_assert_ptr_nonnull(m);
		task->matrix(m);
	}
	for (size_t r = 0; m != NULL && r < task->rows; r++) {
		for (size_t c = 0; c < n_in; c++)
			in[c] = m[r * task->cols + c] < 0 ? INT16_MIN : INT16_MAX;
		check_record(row, "largest output", in);
		for (size_t c = 0; c < n_in; c++)
			in[c] = m[r * task->cols + c] < 0 ? INT16_MAX : INT16_MIN;
		check_record(row, "smallest output", in);
	}
	hv_kernel_free(kernel);
}
END_TEST

START_TEST(a_batch_equals_its_records_one_by_one_at_any_address)
{
	enum { BATCH = 13 };
	uint8_t in[1 + BATCH * 2 * MAX_ELEMENTS], batch[1 + BATCH * 4 * MAX_ELEMENTS + 1];
	uint8_t single[4 * MAX_ELEMENTS];
	size_t in_bytes, out_bytes;

	begin(_i);
	in_bytes = tensor_bytes(&task->in);
	out_bytes = tensor_bytes(&task->out);
	for (size_t i = 0; i < BATCH; i++)
		task->sample(3, i, in + 1 + i * in_bytes);
	batch[0] = batch[1 + BATCH * out_bytes] = 0x5a;
	hv_kernel_run(kernel, in + 1, batch + 1, BATCH);
	for (size_t i = 0; i < BATCH; i++) {
		hv_kernel_run(kernel, in + 1 + i * in_bytes, single, 1);
		ck_assert_mem_eq(batch + 1 + i * out_bytes, single, out_bytes);
	}
	ck_assert_uint_eq(batch[0], 0x5a);
	ck_assert_uint_eq(batch[1 + BATCH * out_bytes], 0x5a);
	hv_kernel_run(kernel, in + 1, batch, 0);
	ck_assert_uint_eq(batch[0], 0x5a);
	hv_kernel_free(kernel);
}
END_TEST

START_TEST(the_kernels_are_those_of_this_table_and_a_namesake_has_none)
{
	struct harvest_task plugin = *task_find("fft64");
	size_t have = 0;

	for (size_t i = 0; i < task_count(); i++) {
		int err = hv_kernel_new(task_at(i), &kernel);

		ck_assert(err == HV_OK || err == HV_E_NOENT);
		if (err != HV_OK)
			continue;
		hv_kernel_free(kernel);
		have++;
	}
	ck_assert_uint_eq(have, HV_ARRAY_SIZE(kernels));
	ck_assert_int_eq(hv_kernel_new(&plugin, &kernel), HV_E_NOENT);
	plugin.name = "no_such_task";
	ck_assert_int_eq(hv_kernel_new(&plugin, &kernel), HV_E_NOENT);
	hv_kernel_free(NULL);
}
END_TEST

static Suite *kernels_suite(void)
{
	Suite *s = suite_create("kernels");
	TCase *tc = tcase_create("kernels");
	int n = KERNELS * SETS;

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, kernel_agrees_with_exact_over_the_domain, 0, n);
	tcase_add_loop_test(tc, kernel_agrees_with_exact_on_hard_inputs, 0, n);
	tcase_add_loop_test(tc, kernel_agrees_with_exact_where_outputs_are_largest, 0, n);
	tcase_add_loop_test(tc, a_batch_equals_its_records_one_by_one_at_any_address, 0, n);
	tcase_add_loop_test(tc, kernel_of_pixels_agrees_with_exact_on_hard_inputs, 0, n);
	tcase_add_test(tc, the_kernels_are_those_of_this_table_and_a_namesake_has_none);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(kernels_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
