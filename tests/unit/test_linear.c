/* Linear tasks that do not say so: found from their records, built in the forms that their
 * matrices allow, certified by the tasks themselves. The oracle is the matrix each test makes. */
#include "nas/linear/finish.h"
#include "nas/linear/shape.h"
#include "nas/search.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The task under test: out = bend(m in + offset). */
static struct {
	struct harvest_task task;
	unsigned rows, cols;
	double *m, *offset;
	double amplitude; /* of the inputs */
	unsigned sources; /* independent inputs; the others are sums of them. 0: all */
	double quadratic; /* share of the answer's scale */
	double limit; /* answers stop there */
	double scale; /* of an answer */
	bool rounds; /* answers are whole numbers */
	bool wild; /* nothing linear */
	bool thin; /* m is the product of these two, which is quicker */
	double left[900], right[700];
} now;

static char why[400];

static void load(const void *in, double *x)
{
	tensor_to_double(&now.task.in, in, x);
}

static void thin_reference(const double *x, double *out)
{
	double sum = 0;

	for (unsigned c = 0; c < now.cols; c++)
		sum += now.right[c] * x[c];
	for (unsigned r = 0; r < now.rows; r++)
		out[r] = now.left[r] * sum + x[r % 3];
}

static void reference(const void *in, double *out)
{
	double x[1024];

	load(in, x);
	if (now.thin) {
		thin_reference(x, out);
		return;
	}
	for (unsigned r = 0; r < now.rows; r++) {
		double v = now.offset[r];

		for (unsigned c = 0; c < now.cols; c++)
			v += now.m[(size_t)r * now.cols + c] * x[c];
		if (now.wild)
			v = now.scale * sin(v / now.scale * 4);
		v += now.quadratic * (v * v / now.scale - now.scale);
		if (now.limit > 0)
			v = fmin(fmax(v, -now.limit), now.limit);
		out[r] = now.rounds ? round(v) : v;
	}
}

static double draw_element(struct hv_rng *rng)
{
	return now.amplitude * fmin(fmax(hv_rng_normal(rng, 0, 0.3), -1), 1);
}

static void sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng rng;
	double x[1024];
	uint8_t *to = in;

	hv_rng_seed(&rng, seed << 40 ^ index);
	for (unsigned c = 0; c < now.cols; c++)
		x[c] = now.sources == 0 || c < now.sources
			       ? draw_element(&rng)
			       : (x[c % now.sources] + x[(c + 1) % now.sources]) / 2;
	for (unsigned c = 0; c < now.cols; c++) {
		int16_t s16 = (int16_t)round(x[c]);
		uint8_t u8 = (uint8_t)round(fabs(x[c]));
		float f32 = (float)x[c];

		switch (now.task.in.dtype) {
		case HARVEST_S16: memcpy(to + 2 * c, &s16, 2); break;
		case HARVEST_U8: to[c] = u8; break;
		case HARVEST_F32: memcpy(to + 4 * c, &f32, 4); break;
		default: memcpy(to + 8 * c, &x[c], 8); break;
		}
	}
}

static void begin(unsigned rows, unsigned cols, enum harvest_dtype in, enum harvest_dtype out)
{
	free(now.m);
	free(now.offset);
	memset(&now, 0, sizeof(now));
	now.rows = rows;
	now.cols = cols;
	now.m = calloc((size_t)rows * cols, sizeof(double));
	now.offset = calloc(rows, sizeof(double));
	now.amplitude = in == HARVEST_S16 ? 20000 : in == HARVEST_U8 ? 255 : 10;
	now.scale = now.amplitude;
	now.task = (struct harvest_task){ .size = sizeof(now.task),
					  .abi = HARVEST_TASK_ABI,
					  .name = "under_test",
					  .about = "a test",
					  .version = 1,
					  .in = { in, 1, { cols } },
					  .out = { out, 1, { rows } },
					  .metric = HARVEST_SNR_DB,
					  .reference = reference,
					  .sample = sample };
}

static void end(void)
{
	free(now.m);
	free(now.offset);
	now.m = now.offset = NULL;
}

static double *at(unsigned r, unsigned c)
{
	return &now.m[(size_t)r * now.cols + c];
}

/* ---- matrices ---- */

static void make_fir(void)
{
	begin(64, 103, HARVEST_S16, HARVEST_S16);
	for (unsigned r = 0; r < 64; r++)
		for (unsigned j = 0; j < 40; j++)
			*at(r, r + j) = sin(0.3 * (j + 1)) * exp(-0.1 * j) / 4;
}

static void make_calibration(void)
{
	static const double m[9] = { 1.02, 0.03, -0.01, 0.02, 0.97, 0.04, -0.03, 0.01, 1.05 };
	static const double offset[3] = { 0.7, -1.3, 5.1 };

	begin(3, 3, HARVEST_F32, HARVEST_F32);
	memcpy(now.m, m, sizeof(m));
	memcpy(now.offset, offset, sizeof(offset));
}

static void make_dct8(void)
{
	begin(8, 8, HARVEST_S16, HARVEST_S16);
	for (unsigned k = 0; k < 8; k++)
		for (unsigned n = 0; n < 8; n++)
			*at(k, n) = (k == 0 ? sqrt(0.125) : 0.5) * cos(M_PI * (n + 0.5) * k / 8);
}

static void make_hadamard(void)
{
	begin(64, 64, HARVEST_S16, HARVEST_S32);
	for (unsigned r = 0; r < 64; r++)
		for (unsigned c = 0; c < 64; c++)
			*at(r, c) = __builtin_popcount(r & c) % 2 ? -1 : 1;
}

static void random_matrix(unsigned seed)
{
	struct hv_rng rng;

	hv_rng_seed(&rng, seed);
	for (size_t i = 0; i < (size_t)now.rows * now.cols; i++)
		now.m[i] = hv_rng_normal(&rng, 0, 1);
}

static void make_rank3(void)
{
	struct hv_rng rng;
	double a[3][100], b[3][40];

	begin(100, 40, HARVEST_F64, HARVEST_F64);
	hv_rng_seed(&rng, 8);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned r = 0; r < 100; r++)
			a[i][r] = hv_rng_normal(&rng, 0, 1);
		for (unsigned c = 0; c < 40; c++)
			b[i][c] = hv_rng_normal(&rng, 0, 1);
	}
	for (unsigned r = 0; r < 100; r++)
		for (unsigned c = 0; c < 40; c++)
			for (unsigned i = 0; i < 3; i++)
				*at(r, c) += a[i][r] * b[i][c];
}

static void make_blocks(void)
{
	struct hv_rng rng;

	begin(32, 32, HARVEST_S16, HARVEST_S32);
	hv_rng_seed(&rng, 9);
	for (unsigned r = 0; r < 32; r++)
		for (unsigned c = 0; c < 32; c++)
			*at(r, c) = r / 8 == c / 8 ? hv_rng_normal(&rng, 0, 0.5) : 0;
}

/* The same 8x8 transform of 8 blocks. */
static void make_same_blocks(void)
{
	struct hv_rng rng;
	double b[8][8];

	begin(64, 64, HARVEST_U8, HARVEST_S16);
	hv_rng_seed(&rng, 10);
	for (unsigned i = 0; i < 64; i++)
		b[i / 8][i % 8] = hv_rng_normal(&rng, 0, 1);
	for (unsigned r = 0; r < 64; r++)
		for (unsigned c = 0; c < 64; c++)
			*at(r, c) = r / 8 == c / 8 ? b[r % 8][c % 8] : 0;
}

static void make_average(void)
{
	begin(32, 287, HARVEST_S16, HARVEST_S16);
	for (unsigned r = 0; r < 32; r++)
		for (unsigned c = 0; c < 256; c++)
			*at(r, r + c) = 1 / 256.0;
}

static void make_regression(void)
{
	begin(1, 1024, HARVEST_F32, HARVEST_F32);
	random_matrix(11);
	now.offset[0] = 40;
}

static void make_identity(void)
{
	begin(16, 16, HARVEST_S16, HARVEST_S16);
	for (unsigned r = 0; r < 16; r++)
		*at(r, r) = 1;
}

/* Four results for each input, between it and the next one. */
static void make_interpolation(void)
{
	begin(64, 17, HARVEST_F32, HARVEST_F32);
	for (unsigned r = 0; r < 64; r++) {
		*at(r, r / 4) = 1 - r % 4 / 4.0;
		*at(r, r / 4 + 1) = r % 4 / 4.0;
	}
}

/* A picture of 16 by 16, blurred: rows of pixels are what repeats. */
static void make_picture(void)
{
	begin(14 * 14, 256, HARVEST_U8, HARVEST_U8);
	for (unsigned r = 0; r < 196; r++)
		for (unsigned k = 0; k < 9; k++)
			*at(r, (r / 14 + k / 3) * 16 + r % 14 + k % 3) = (k == 4 ? 4 : 1) / 12.0;
}

/* Every fourth of a filtered signal. */
static void make_decimation(void)
{
	begin(16, 76, HARVEST_F32, HARVEST_F32);
	for (unsigned r = 0; r < 16; r++)
		for (unsigned j = 0; j < 16; j++)
			*at(r, 4 * r + j) = exp(-0.2 * j);
}

/* Zero rows, multiples, unused inputs, offsets. */
static void make_sparse(void)
{
	begin(12, 30, HARVEST_U8, HARVEST_F32);
	for (unsigned r = 0; r < 9; r++) {
		*at(r, 2 + r / 3) = (r % 3 + 1) * 0.5;
		*at(r, 20) = (r % 3 + 1) * -0.25;
		now.offset[r] = 10.0 * r;
	}
	now.offset[9] = 77;
}

static void make_tall(void)
{
	begin(2, 20, HARVEST_S16, HARVEST_S16);
	random_matrix(12);
	now.sources = 6;
	for (unsigned i = 0; i < 40; i++)
		now.m[i] /= 8;
	now.offset[0] = 3000;
	now.offset[1] = -500;
}

/* clang-format off */
static const struct story {
	const char *name;
	void (*make)(void);
	const char *form; /* an engine that has to be in the front */
	double db; /* the front reaches it */
	unsigned cycles_most, weights_most; /* of the cheapest of that engine */
} stories[] = {
	{ "fir of 40 taps",      make_fir,           "convolution", 75, 400,  400 },
	{ "calibration",         make_calibration,   "matrix",      85, 10,   9 },
	{ "dct of 8",            make_dct8,          "matrix",      70, 12,   64 },
	{ "hadamard of 64",      make_hadamard,      "matrix",      95, 70,   4096 },
	{ "rank 3",              make_rank3,         "low rank",    80, 130,  600 },
	{ "blocks",              make_blocks,        "matrix",      80, 40,   1024 },
	{ "the same block",      make_same_blocks,   "convolution", 54, 100,  80 },
	{ "moving average",      make_average,       "convolution", 40, 60,   9300 },
	{ "regression of 1024",  make_regression,    "matrix",      80, 50,   1025 },
	{ "identity",            make_identity,      "matrix",      75, 20,   256 },
	{ "interpolation by 4",  make_interpolation, "convolution", 80, 200,  20 },
	{ "picture",             make_picture,       "convolution", 40, 280,  700 },
	{ "decimation by 4",     make_decimation,    "convolution", 80, 60,   20 },
	{ "sparse",              make_sparse,        "matrix",      80, 6,    16 },
	{ "correlated inputs",   make_tall,          "matrix",      70, 6,    44 },
};
/* clang-format on */

/* ---- the map ---- */

/* The oracle: what the map says of fresh records against m itself. */
static double map_error(const struct nas_map *map)
{
	uint8_t in[8192];
	double x[1024], out[1024], err = 0, ref = 0;

	for (unsigned i = 0; i < 64; i++) {
		sample(77, i, in);
		load(in, x);
		reference(in, out);
		for (unsigned r = 0; r < now.rows; r++) {
			double v = map->offset[r];

			for (unsigned c = 0; c < now.cols; c++)
				v += map->m[(size_t)r * now.cols + c] * x[c];
			err += (v - out[r]) * (v - out[r]);
			ref += out[r] * out[r];
		}
	}
	return sqrt(err / ref);
}

START_TEST(linear_functions_are_recognised_from_their_records)
{
	struct nas_map map;

	stories[_i].make();
	ck_assert_msg(nas_map_fit(&now.task, 40, &map, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_msg(map.kind == NAS_MAP_EXACT, "%s: kind %d, residual %g", stories[_i].name,
		      (int)map.kind, map.residual);
	ck_assert_msg(map_error(&map) < 1e-6, "%s: off by %g", stories[_i].name, map_error(&map));
	nas_map_clear(&map);
	end();
}
END_TEST

START_TEST(answers_rounded_to_integers_are_still_exact)
{
	struct nas_map map;

	make_dct8();
	now.rounds = true;
	ck_assert_int_eq(nas_map_fit(&now.task, 40, &map, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(map.kind, NAS_MAP_EXACT);
	ck_assert(map_error(&map) < 1e-4);
	nas_map_clear(&map);
	end();
}
END_TEST

/* A decision is a rounded number too, and no linear one. */
START_TEST(rounding_excuses_no_error_of_the_size_of_the_answer)
{
	struct nas_map map;

	begin(1, 4, HARVEST_F32, HARVEST_U8);
	*at(0, 1) = 0.05;
	now.rounds = true;
	now.offset[0] = 0.5;
	ck_assert_int_eq(nas_map_fit(&now.task, 40, &map, why, sizeof(why)), HV_OK);
	ck_assert_msg(map.kind == NAS_MAP_NOT, "kind %d, residual %g", (int)map.kind, map.residual);
	nas_map_clear(&map);
	end();
}
END_TEST

/* A bend of 0.3 % meets 1 % and not 0.05 %. */
START_TEST(near_linear_is_a_matter_of_the_aim)
{
	struct nas_map map;

	for (unsigned i = 0; i < 2; i++) {
		make_calibration();
		now.task.metric = HARVEST_NRMSE;
		now.quadratic = 0.003;
		ck_assert_int_eq(
			nas_map_fit(&now.task, i == 0 ? 0.01 : 0.0005, &map, why, sizeof(why)),
			HV_OK);
		ck_assert_int_eq(map.kind, i == 0 ? NAS_MAP_NEAR : NAS_MAP_NOT);
		ck_assert_msg(map.residual > 0.0005 && map.residual < 0.01, "residual %g",
			      map.residual);
		nas_map_clear(&map);
	}
	end();
}
END_TEST

START_TEST(limits_are_found_and_not_called_exact)
{
	struct nas_map map;
	unsigned met = 0;
	double out[8];
	uint8_t in[64];

	begin(2, 6, HARVEST_S16, HARVEST_S16);
	random_matrix(5);
	now.limit = 25000;
	for (unsigned i = 0; i < 2000; i++) {
		sample(5, i, in);
		reference(in, out);
		met += fabs(out[0]) == 25000;
	}
	ck_assert_msg(met > 60 && met < 600, "%u of 2000 at the limit", met);
	ck_assert_int_eq(nas_map_fit(&now.task, 40, &map, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(map.kind, NAS_MAP_LIMITED);
	ck_assert_double_eq(map.most[0], 25000);
	ck_assert_double_eq(map.least[1], -25000);
	for (unsigned i = 0; i < 12; i++)
		ck_assert_double_eq_tol(map.m[i], now.m[i], 1e-6);
	nas_map_clear(&map);
	end();
}
END_TEST

START_TEST(other_functions_are_not_linear)
{
	struct nas_map map;

	make_dct8();
	now.wild = true;
	ck_assert_int_eq(nas_map_fit(&now.task, 40, &map, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(map.kind, NAS_MAP_NOT);
	ck_assert(map.residual > 0.1);
	nas_map_clear(&map);
	end();
}
END_TEST

START_TEST(too_many_elements_are_nothing_to_fit)
{
	struct nas_map map;

	make_identity();
	now.task.in.shape[0] = 1025;
	ck_assert_int_eq(nas_map_fit(&now.task, 40, &map, why, sizeof(why)), HV_E_NOENT);
	end();
}
END_TEST

/* ---- the search ---- */

static struct nas_request request(double max_error, double aim)
{
	return (struct nas_request){ .task = &now.task,
				     .aim = aim,
				     .max_error = max_error,
				     .budget_s = 60,
				     .seed = 1,
				     .threads = 1 };
}

/* The metric of a package over n records of a stream that no search has seen. */
static double measured(const struct package *p, unsigned n)
{
	static uint8_t in[1024 * 8], out[1024 * 8];
	static double ref[1024], got[1024];
	struct hv_metric m = hv_metric_begin_of(&now.task);

	for (unsigned i = 0; i < n; i++) {
		sample(99, i, in);
		reference(in, ref);
		ck_assert_int_eq(package_run(p, in, out, 1), HV_OK);
		tensor_to_double(&now.task.out, out, got);
		hv_metric_add_of(&m, &now.task, in, ref, got);
	}
	return hv_metric_value(&m);
}

static const struct nas_found *cheapest(const struct nas_front *f, const char *engine,
					bool by_weights)
{
	const struct nas_found *best = NULL;

	for (unsigned i = 0; i < f->n; i++) {
		const struct nas_found *x = &f->of[i];

		if (strcmp(x->engine, engine) != 0)
			continue;
		if (best == NULL ||
		    (by_weights ? x->weight_bytes < best->weight_bytes : x->cycles < best->cycles))
			best = x;
	}
	return best;
}

START_TEST(forms_are_found_cheap_and_as_good_as_they_say)
{
	const struct story *s = &stories[_i];
	struct nas_request q;
	struct nas_front *f = NULL;
	const struct nas_found *x;
	double start = nas_now_s();

	s->make();
	q = request(40, 50);
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s: %s", s->name, why);
	if (getenv("LINEAR_SHOW") != NULL)
		for (unsigned i = 0; i < f->n; i++)
			printf("%s: %.1f dB, %u cycles, %zu bytes, %u words, host %llu: %s, %s\n",
			       s->name, f->of[i].error, f->of[i].cycles, f->of[i].weight_bytes,
			       f->of[i].words, (unsigned long long)f->of[i].host_cycles,
			       f->of[i].engine, f->of[i].encoding);
	if (getenv("LINEAR_SHOW") != NULL)
		printf("%s: %.2f s\n", s->name, nas_now_s() - start);
	ck_assert_uint_gt(f->n, 0);
	ck_assert_msg(f->of[0].error >= s->db, "%s: the best has %.1f dB", s->name, f->of[0].error);
	x = cheapest(f, s->form, false);
	ck_assert_msg(x != NULL, "%s: no %s", s->name, s->form);
	ck_assert_msg(x->cycles <= s->cycles_most, "%s: %u cycles", s->name, x->cycles);
	x = cheapest(f, s->form, true);
	ck_assert_msg(x->weight_bytes <= s->weights_most, "%s: %zu bytes", s->name,
		      x->weight_bytes);
	for (unsigned i = 0; i < f->n; i++) {
		double db = measured(f->of[i].package, 128);

		ck_assert_msg(db > fmin(f->of[i].error, 200) - 2.5,
			      "%s, %s, %s: said %.1f dB, is %.1f", s->name, f->of[i].engine,
			      f->of[i].encoding, f->of[i].error, db);
	}
	nas_front_free(f);
	end();
}
END_TEST

START_TEST(certificates_of_estimated_matrices_hold_for_fresh_records)
{
	struct nas_request q;
	struct nas_front *f = NULL;
	struct nas_verdict v;
	unsigned done = 0;

	make_fir();
	now.offset[3] = 700;
	q = request(40, 60);
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	for (unsigned i = 0; i < f->n; i++) {
		struct package *p = f->of[i].package;

		if (p->host != NULL)
			continue;
		ck_assert_msg(nas_linear_finish(p, &now.task, 1024, &v, why, sizeof(why)) == HV_OK,
			      "%s", why);
		ck_assert_str_eq(p->cert.method, "statistical, matrix estimated");
		ck_assert_msg(measured(p, 512) >= p->cert.certified, "level %u: %.2f of %.2f dB",
			      p->level, measured(p, 512), p->cert.certified);
		ck_assert_int_ge(p->cert.in_min, -20000);
		ck_assert_int_le(p->cert.in_max, 20000);
		ck_assert_int_eq(package_self_test(p, why, sizeof(why)), HV_OK);
		done++;
	}
	ck_assert_uint_ge(done, 3);
	nas_front_free(f);
	end();
}
END_TEST

/* Near enough for the aim: the map is the answer, and says what it misses. Else the others get
 * their turn, and a map that is good enough stays in the front. */
START_TEST(a_near_linear_task_gets_a_matrix_that_says_what_it_misses)
{
	struct nas_request q;
	struct nas_front *f = NULL;

	make_calibration();
	now.task.metric = HARVEST_NRMSE;
	now.quadratic = 0.003;
	q = request(0.01, 0.01);
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_uint_gt(f->n, 0);
	ck_assert_str_eq(f->of[0].engine, "matrix");
	ck_assert_ptr_nonnull(strstr(f->of[0].encoding, "a linear map misses 0."));
	ck_assert(measured(f->of[0].package, 512) < 0.01);
	nas_front_free(f);
	end();
}
END_TEST

START_TEST(limits_are_kept_by_the_package)
{
	struct nas_request q;
	struct nas_front *f = NULL;

	begin(2, 6, HARVEST_S16, HARVEST_S16);
	random_matrix(5);
	now.limit = 25000;
	q = request(40, 70);
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_msg(f->of[0].error > 70, "%.1f dB", f->of[0].error);
	ck_assert_ptr_nonnull(strstr(f->of[0].encoding, "within limits"));
	ck_assert(measured(f->of[0].package, 512) > 70);
	nas_front_free(f);
	end();
}
END_TEST

START_TEST(what_is_not_linear_and_too_large_is_refused_with_its_reason)
{
	struct nas_request q;
	struct nas_front *f = NULL;

	make_fir();
	now.wild = true;
	q = request(40, 60);
	ck_assert_int_eq(nas_search(&q, &f, why, sizeof(why)), HV_E_INVAL);
	ck_assert_ptr_nonnull(strstr(why, "103 inputs"));
	end();
}
END_TEST

/* A matrix that a task brings and its answers contradict is not believed. */
static void wrong_matrix(double *m)
{
	for (size_t i = 0; i < (size_t)now.rows * now.cols; i++)
		m[i] = 0.5;
}

START_TEST(a_matrix_that_the_answers_contradict_is_not_believed)
{
	struct nas_request q;
	struct nas_front *f = NULL;

	make_dct8();
	now.task.linear = HARVEST_LINEAR_REAL;
	now.task.rows = now.task.cols = 8;
	now.task.matrix = wrong_matrix;
	q = request(40, 60);
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert(f->of[0].error > 60);
	ck_assert(measured(f->of[0].package, 128) > 60);
	nas_front_free(f);
	end();
}
END_TEST

/* Two multiplications: nothing that a board could take over. */
START_TEST(a_map_that_is_dearer_to_carry_than_to_compute_stays_on_the_cpu)
{
	struct nas_request q;
	struct nas_front *f = NULL;

	make_calibration();
	q = request(40, 60);
	q.max_host_cycles = 10;
	ck_assert_int_eq(nas_search(&q, &f, why, sizeof(why)), HV_E_BUDGET);
	ck_assert_msg(strstr(why, "stays on the CPU") != NULL, "%s", why);
	end();
}
END_TEST

static void own_matrix(double *m)
{
	memcpy(m, now.m, sizeof(*m) * now.rows * now.cols);
}

/* Levels have closed forms for some metrics only; the other forms serve all. */
START_TEST(a_matrix_is_taken_whatever_the_metric)
{
	struct nas_request q;
	struct nas_front *f = NULL;

	make_dct8();
	now.task.linear = HARVEST_LINEAR_REAL;
	now.task.rows = now.task.cols = 8;
	now.task.matrix = own_matrix;
	now.task.metric = HARVEST_NRMSE_RANGE;
	q = request(0.01, 0.001);
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert(f->of[0].error < 0.0001);
	ck_assert(measured(f->of[0].package, 128) < 0.0001);
	nas_front_free(f);
	end();
}
END_TEST

START_TEST(a_constant_function_is_refused_as_such)
{
	struct nas_request q;
	struct nas_front *f = NULL;

	begin(64, 103, HARVEST_S16, HARVEST_S16);
	now.offset[0] = 5;
	q = request(40, 60);
	ck_assert_int_eq(nas_search(&q, &f, why, sizeof(why)), HV_E_INVAL);
	ck_assert_msg(strstr(why, "answers the same to every record") != NULL, "%s", why);
	end();
}
END_TEST

/* Too large to be laid down as it is: 1 MB of weights. Its rank is the way. */
START_TEST(a_matrix_that_does_not_fit_is_served_by_its_rank)
{
	struct nas_request q;
	struct nas_front *f = NULL;
	struct hv_rng rng;
	double start;

	begin(900, 700, HARVEST_F32, HARVEST_F32);
	hv_rng_seed(&rng, 20);
	now.thin = true;
	for (unsigned i = 0; i < 900; i++)
		now.left[i] = hv_rng_normal(&rng, 0, 1);
	for (unsigned i = 0; i < 700; i++)
		now.right[i] = hv_rng_normal(&rng, 0, 1);
	q = request(30, 30);
	start = nas_now_s();
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	if (getenv("LINEAR_SHOW") != NULL)
		printf("900 x 700: %.2f s, %.1f dB, %s\n", nas_now_s() - start, f->of[0].error,
		       f->of[0].encoding);
	ck_assert_str_eq(f->of[0].engine, "low rank");
	ck_assert_msg(f->of[0].error > 32, "%.1f dB", f->of[0].error);
	nas_front_free(f);
	end();
}
END_TEST

/* Any matrix, any types: recognised, and 16-bit weights bring 65 dB. */
START_TEST(random_maps_of_all_types_are_built_right)
{
	static const enum harvest_dtype ins[] = { HARVEST_S16, HARVEST_U8, HARVEST_F32,
						  HARVEST_F64 };
	static const enum harvest_dtype outs[] = { HARVEST_S32, HARVEST_F32, HARVEST_F64 };
	struct hv_rng rng;
	struct nas_request q;
	struct nas_front *f = NULL;
	unsigned rows, cols;

	hv_rng_seed(&rng, 100 + (uint64_t)_i);
	rows = 1 + hv_rng_below(&rng, 40);
	cols = 1 + hv_rng_below(&rng, 90);
	/* whole numbers have to be large enough to be told apart */
	begin(rows, cols, ins[_i % 4], outs[_i % 4 < 2 ? _i % 3 : 1 + _i % 2]);
	random_matrix((unsigned)_i);
	for (unsigned r = 0; r < rows; r++)
		now.offset[r] = hv_rng_uniform(&rng, -1, 1) * now.amplitude;
	for (size_t i = 0; i < (size_t)rows * cols; i++)
		now.m[i] *= hv_rng_below(&rng, 3) == 0 ? 0 : exp2(hv_rng_uniform(&rng, -3, 3));
	q = request(40, 60);
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%u x %u: %s", rows, cols,
		      why);
	ck_assert_msg(f->n > 0 && f->of[0].error > 65, "%u x %u from type %d: best %.1f dB, %s",
		      rows, cols, (int)now.task.in.dtype, f->n > 0 ? f->of[0].error : 0,
		      f->n > 0 ? f->of[0].encoding : "");
	ck_assert_msg(measured(f->of[0].package, 64) > f->of[0].error - 2.5, "%.1f of %.1f dB",
		      measured(f->of[0].package, 64), f->of[0].error);
	nas_front_free(f);
	end();
}
END_TEST

static Suite *linear_suite(void)
{
	Suite *s = suite_create("linear");
	TCase *map = tcase_create("map"), *search = tcase_create("search");
	int n = (int)(sizeof(stories) / sizeof(stories[0]));

	tcase_add_loop_test(map, linear_functions_are_recognised_from_their_records, 0, n);
	tcase_add_test(map, answers_rounded_to_integers_are_still_exact);
	tcase_add_test(map, rounding_excuses_no_error_of_the_size_of_the_answer);
	tcase_add_test(map, near_linear_is_a_matter_of_the_aim);
	tcase_add_test(map, limits_are_found_and_not_called_exact);
	tcase_add_test(map, other_functions_are_not_linear);
	tcase_add_test(map, too_many_elements_are_nothing_to_fit);
	tcase_set_timeout(map, 60);
	suite_add_tcase(s, map);
	tcase_add_loop_test(search, forms_are_found_cheap_and_as_good_as_they_say, 0, n);
	tcase_add_test(search, certificates_of_estimated_matrices_hold_for_fresh_records);
	tcase_add_test(search, a_near_linear_task_gets_a_matrix_that_says_what_it_misses);
	tcase_add_test(search, limits_are_kept_by_the_package);
	tcase_add_test(search, what_is_not_linear_and_too_large_is_refused_with_its_reason);
	tcase_add_test(search, a_matrix_that_the_answers_contradict_is_not_believed);
	tcase_add_test(search, a_matrix_is_taken_whatever_the_metric);
	tcase_add_test(search, a_map_that_is_dearer_to_carry_than_to_compute_stays_on_the_cpu);
	tcase_add_test(search, a_constant_function_is_refused_as_such);
	tcase_add_test(search, a_matrix_that_does_not_fit_is_served_by_its_rank);
	tcase_add_loop_test(search, random_maps_of_all_types_are_built_right, 0,
			    getenv("HARVEST_LONG") != NULL ? 96 : 12);
	tcase_set_timeout(search, 120);
	suite_add_tcase(s, search);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(linear_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
