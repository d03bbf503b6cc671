#include "accel/build/build.h"
#include "accel/bound/bound.h"
#include "accel/bound/source.h"
#include "accel/build/quantise.h"
#include "accel/cost/cost.h"
#include "accel/package/check.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include "util/rng.h"
#include "config.h"
#include <math.h>
#include <string.h>

/* One rung of the precision dial. Effective weights are scale * first + second set. */
static const struct rung {
	uint8_t input;
	uint8_t sets, second_bits;
	int32_t scale;
	int32_t limit; /* of an effective weight: 127 * scale + largest of the second set */
	const char *text;
} rungs[] = {
	{ CNN_IN_ROUND, 1, 0, 1, 127, "8-bit input, 8-bit weights" },
	{ CNN_IN_SPLIT, 1, 0, 1, 127, "16-bit input, 8-bit weights" },
	{ CNN_IN_SPLIT, 2, 4, 16, 127 * 16 + 7, "16-bit input, 12-bit weights" },
	{ CNN_IN_SPLIT, 2, 8, 256, 127 * 256 + 127, "16-bit input, 16-bit weights" },
};

enum { KATS = 4, KAT_STREAM = 2 };
static const double confidence = 0.999;

/* Largest weight that makes sense: beyond it one input unit alone saturates the output. */
static const double element_max = 2147483648.0;

/* What is being built, beside the package itself. */
struct plan {
	const struct rung *rung;
	const struct bound_source *src;
	unsigned rows, cols, out_bits;
	enum harvest_linear linear;
	uint64_t samples;
	const struct cnn_affine *affine; /* NULL: nothing is added to the rows */
};

/* e = scale * first + second, second within its bits. */
static void split_weight(const struct rung *g, int32_t e, int8_t *first, int8_t *second)
{
	int32_t half = g->scale / 2, low = ((e + half) & (g->scale - 1)) - half;

	*first = (int8_t)((e - low) / g->scale);
	*second = (int8_t)low;
}

static int make_layers(const struct plan *plan, const struct quant *q, struct package *p)
{
	const struct rung *g = plan->rung;
	size_t values = (size_t)plan->rows * plan->cols;
	int8_t *set[CNN_STEPS_SETS_MAX] = { NULL, NULL };
	unsigned positions = g->input == CNN_IN_SPLIT ? 2 : 1;

	if (plan->linear == HARVEST_LINEAR_DFT)
		positions *= 2;
	p->net.channels = (uint16_t)plan->cols;
	p->net.height = (uint16_t)positions;
	p->net.width = 1;
	for (unsigned i = 0; i < g->sets; i++) {
		set[i] = malloc(values);
		if (set[i] == NULL)
			return HV_E_NOMEM;
		p->net.layer[i] = (struct cnn_layer){
			.op = CNN_OP_LINEAR,
			.from = CNN_FROM_INPUT,
			.in_channels = (uint16_t)plan->cols,
			.height = (uint16_t)positions,
			.width = 1,
			.out_channels = (uint16_t)plan->rows,
			.weight_bits = i == 0 ? 8 : g->second_bits,
			.out_bits = 32,
			.is_output = true,
			.weights = set[i],
		};
		p->net.layers = i + 1;
	}
	for (size_t i = 0; i < values; i++) {
		int8_t first = (int8_t)q->e[i], second = 0;

		if (g->sets == 2)
			split_weight(g, q->e[i], &first, &second);
		set[0][i] = first;
		if (g->sets == 2)
			set[1][i] = second;
	}
	return HV_OK;
}

/* What is added to row r: as many times the unit as 128 * base (split inputs) or 128 * bias
 * (rounded ones) bring into its sum. A row without weights gets a gain for it. */
static double offset_units(const struct plan *plan, struct quant *q, unsigned r)
{
	const struct cnn_affine *a = plan->affine;
	bool split = plan->rung->input == CNN_IN_SPLIT;
	double most = split ? 1 << 20 : 127, unit = split ? 128 : 256 * 128, v;
	const int32_t *e = q->e + (size_t)r * q->cols;

	if (a == NULL)
		return 0;
	v = a->offset[r];
	for (unsigned c = 0; c < q->cols && a->mean != NULL; c++)
		v += (a->m[(size_t)r * q->cols + c] - q->gain[r] * e[c]) * a->mean[c];
	if (q->gain[r] == 0)
		q->gain[r] = fabs(v) / (unit * (split ? 1 << 16 : 100));
	v = q->gain[r] != 0 ? rint(v / (unit * q->gain[r])) : 0;
	return v > most ? most : v < -most ? -most : v;
}

/* Offsets of rounded inputs; the layer keeps them as biases. */
static int make_bias(const struct plan *plan, struct quant *q, struct package *p)
{
	int8_t *bias = malloc(plan->rows);

	if (bias == NULL)
		return HV_E_NOMEM;
	for (unsigned r = 0; r < plan->rows; r++)
		bias[r] = (int8_t)offset_units(plan, q, r);
	p->net.layer[0].bias = bias;
	return HV_OK;
}

/* mul[r] / 2^shift is as near to gain[r] as the shift allows. */
static bool round_gains(const struct quant *q, unsigned n, unsigned shift, int32_t *mul)
{
	for (unsigned r = 0; r < n; r++) {
		double v = rint(ldexp(q->gain[r], (int)shift));

		if (fabs(v) > INT32_MAX)
			return false;
		mul[r] = (int32_t)v;
	}
	return true;
}

/* The finest multipliers whose sums provably stay inside 63 bits. */
static int make_steps(const struct plan *plan, struct quant *q, struct package *p)
{
	bool dft = plan->linear == HARVEST_LINEAR_DFT;
	size_t cap = 64 + 8u * plan->rows;
	hv_autofree int32_t *mul = calloc(plan->rows, sizeof(*mul));
	hv_autofree int32_t *base = calloc(plan->rows, sizeof(*base));
	struct cnn_steps s = {
		.input = plan->rung->input,
		.components = dft ? 2 : 1,
		.sets = plan->rung->sets,
		.finish = dft ? CNN_OUT_DFT : CNN_OUT_ROWS,
		.out_bits = (uint8_t)plan->out_bits,
		.mul_per_row = !dft,
		.channels = (uint16_t)plan->cols,
		.rows = (uint16_t)plan->rows,
		.scale = { plan->rung->scale, 1 },
	};

	p->steps_blob = malloc(cap);
	if (mul == NULL || base == NULL || p->steps_blob == NULL)
		return HV_E_NOMEM;
	for (unsigned r = 0; r < plan->rows; r++) {
		for (unsigned c = 0; c < plan->cols; c++)
			base[r] += q->e[(size_t)r * plan->cols + c];
		if (s.input == CNN_IN_SPLIT)
			base[r] += (int32_t)offset_units(plan, q, r);
	}
	for (unsigned shift = CNN_STEPS_SHIFT_MAX; shift >= 1; shift--) {
		s.shift = (uint8_t)shift;
		if (!round_gains(q, dft ? 1 : plan->rows, shift, mul))
			continue;
		p->steps_len = cnn_steps_encode(&s, mul, base, p->steps_blob, cap);
		if (cnn_steps_parse(p->steps_blob, p->steps_len, &p->steps) == HV_OK)
			return HV_OK;
	}
	return HV_E_INVAL;
}

/* Records of the validation stream, and one of full-scale values of random sign. */
static int make_kats(const struct plan *plan, struct package *p)
{
	size_t in = cnn_steps_in_bytes(&p->steps), out = cnn_steps_out_bytes(&p->steps);
	struct hv_rng rng;
	int r;

	hv_rng_seed(&rng, KAT_STREAM);
	for (unsigned i = 0; i < KATS; i++) {
		p->kat[i].in = malloc(in);
		p->kat[i].out = malloc(out);
		p->n_kats = i + 1;
		if (p->kat[i].in == NULL || p->kat[i].out == NULL)
			return HV_E_NOMEM;
		if (i + 1 < KATS)
			plan->src->sample(plan->src->ctx, KAT_STREAM, i, p->kat[i].in);
		for (size_t k = 0; i + 1 == KATS && k < in / 2; k++) {
			int16_t x = hv_rng_below(&rng, 2) ? INT16_MIN : INT16_MAX;

			memcpy(p->kat[i].in + 2 * k, &x, sizeof(x));
		}
		r = package_run(p, p->kat[i].in, p->kat[i].out, 1);
		if (r < 0)
			return r;
	}
	return HV_OK;
}

static void make_cost(struct package *p)
{
	struct cnn_net two = p->net;
	uint32_t one_record = cnn_cost_cycles(&p->net);

	two.height = (uint16_t)(2 * two.height);
	for (unsigned i = 0; i < two.layers; i++)
		two.layer[i].height = two.height;
	p->record_cycles = cnn_cost_cycles(&two) - one_record;
	p->fixed_cycles = one_record - p->record_cycles;
	p->record_energy_uj = cnn_cost_energy_uj(cnn_cost_macs(&p->net));
}

static int check_matrix(const struct plan *plan, char *why, size_t cap)
{
	for (unsigned r = 0; r < plan->rows; r++)
		for (unsigned c = 0; c < plan->cols; c++) {
			double v = plan->src->matrix[(size_t)r * plan->cols + c];

			if (!(fabs(v) <= element_max))
				return package_refuse(
					HV_E_INVAL, why, cap,
					"matrix element (%u, %u) is %g; elements must "
					"be numbers of at most %g",
					r, c, v, element_max);
		}
	return HV_OK;
}

/* Layers and steps. */
static int make_map(const struct plan *plan, struct package *p, char *why, size_t cap)
{
	struct quant q = { 0 };
	bool biased = plan->affine != NULL && plan->rung->input == CNN_IN_ROUND;
	int r = quant_matrix(plan->src->matrix, plan->rows, plan->cols, plan->linear,
			     plan->rung->limit, &q);

	if (r < 0)
		return package_refuse(r, why, cap, "%s", hv_err_text(r));
	r = make_layers(plan, &q, p);
	if (r == HV_OK && biased)
		r = make_bias(plan, &q, p);
	if (r == HV_OK)
		r = make_steps(plan, &q, p);
	if (r == HV_E_INVAL)
		package_refuse(r, why, cap,
			       "no multiplier of the output fits 63 bits: scale the matrix down");
	if (r == HV_E_NOMEM)
		package_refuse(r, why, cap, "out of memory");
	quant_clear(&q);
	return r;
}

static int assemble(const struct plan *plan, struct package *p, char *why, size_t cap)
{
	int r = make_map(plan, p, why, cap);

	if (r < 0)
		return r;
	p->cert.in_min = INT16_MIN;
	p->cert.in_max = INT16_MAX;
	r = bound_certify(p, plan->src, plan->samples, confidence, &p->cert, why, cap);
	if (r < 0)
		return r;
	r = make_kats(plan, p);
	if (r < 0)
		return package_refuse(r, why, cap, "%s", hv_err_text(r));
	make_cost(p);
	return package_check(p, why, cap);
}

static const struct rung *rung_of(unsigned level)
{
	return level >= 1 && level <= HV_ARRAY_SIZE(rungs) ? &rungs[level - 1] : NULL;
}

int cnn_build_affine(const char *task, uint32_t version, const struct cnn_affine *a, unsigned level,
		     struct package **p, char *why, size_t cap)
{
	struct bound_source src = { .matrix = a->m };
	struct plan plan = { .rung = rung_of(level),
			     .src = &src,
			     .rows = a->rows,
			     .cols = a->cols,
			     .out_bits = a->out_bits,
			     .linear = HARVEST_LINEAR_REAL,
			     .affine = a };
	struct package *t = calloc(1, sizeof(*t));
	int r;

	if (t == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	r = check_matrix(&plan, why, cap);
	if (r == HV_OK)
		r = make_map(&plan, t, why, cap);
	if (r == HV_OK)
		r = package_check_net(t, why, cap);
	if (r < 0) {
		package_free(t);
		return r == HV_E_FORMAT ? HV_E_INVAL : r;
	}
	make_cost(t);
	t->level = (uint8_t)level;
	t->task_version = version;
	t->seed = BOUND_TEST_STREAM;
	snprintf(t->task, sizeof(t->task), "%s", task);
	snprintf(t->name, sizeof(t->name), "%.28s-l%u", task, level);
	snprintf(t->recipe, sizeof(t->recipe), "linear, estimated: %s; scales searched",
		 plan.rung->text);
	snprintf(t->tool_version, sizeof(t->tool_version), "%s", PACKAGE_VERSION);
	*p = t;
	return HV_OK;
}

static int build(const struct plan *plan, struct package *p, char *why, size_t cap)
{
	int r = check_matrix(plan, why, cap);

	if (r < 0)
		return r;
	snprintf(p->recipe, sizeof(p->recipe), "linear: %s; scales searched; test stream of %llu",
		 plan->rung->text, (unsigned long long)plan->samples);
	snprintf(p->tool_version, sizeof(p->tool_version), "%s", PACKAGE_VERSION);
	p->seed = BOUND_TEST_STREAM;
	r = assemble(plan, p, why, cap);
	/* package_check() speaks of files; here a bad part is a wrong request. */
	return r == HV_E_FORMAT ? HV_E_INVAL : r;
}

/* Publishes p on success, frees it on failure. */
static int settle(int r, struct package *p, struct package **to)
{
	uint8_t *bytes = NULL;
	size_t len;

	if (r == HV_OK)
		r = package_encode(p, &bytes, &len); /* sets the hash */
	free(bytes);
	if (r < 0)
		package_free(p);
	else
		*to = p;
	return r;
}

int cnn_build_linear(const struct harvest_task *task, unsigned level, uint64_t samples,
		     struct package **p, char *why, size_t cap)
{
	return cnn_build_again(task, NULL, level, samples, p, why, cap);
}

int cnn_build_again(const struct harvest_task *task, struct bound_cache *cache, unsigned level,
		    uint64_t samples, struct package **p, char *why, size_t cap)
{
	hv_autofree double *m = NULL;
	struct bound_source src;
	struct plan plan = { .rung = rung_of(level), .src = &src, .samples = samples };
	struct package *t;

	if (plan.rung == NULL)
		return package_refuse(HV_E_INVAL, why, cap, "level %u is not 1 to 4", level);
	if (task->linear == HARVEST_NOT_LINEAR || task->matrix == NULL ||
	    task->in.dtype != HARVEST_S16 ||
	    (task->out.dtype != HARVEST_S16 && task->out.dtype != HARVEST_S32))
		return package_refuse(HV_E_INVAL, why, cap,
				      "task %s is no linear one from int16 to int16 or int32",
				      task->name);
	if (task->rows < 1 || task->rows > CNN_CHANNELS_MAX || task->cols < 1 ||
	    task->cols > CNN_CHANNELS_MAX)
		return package_refuse(HV_E_INVAL, why, cap,
				      "matrix of task %s is %u by %u, at most %d by %d is possible",
				      task->name, task->rows, task->cols, CNN_CHANNELS_MAX,
				      CNN_CHANNELS_MAX);
	m = malloc(sizeof(*m) * task->rows * task->cols);
	t = calloc(1, sizeof(*t));
	if (m == NULL || t == NULL) {
		free(t);
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	}
	src = cache != NULL ? bound_source_of_cache(cache, m) : bound_source_of_task(task, m);
	plan.rows = task->rows;
	plan.cols = task->cols;
	plan.linear = task->linear;
	plan.out_bits = task->out.dtype == HARVEST_S16 ? 16 : 32;
	t->level = (uint8_t)level;
	t->task_version = task->version;
	snprintf(t->task, sizeof(t->task), "%s", task->name);
	snprintf(t->name, sizeof(t->name), "%.28s-l%u", task->name, level);
	return settle(build(&plan, t, why, cap), t, p);
}

/* A bare matrix as a source. */
struct matrix_source {
	const double *m;
	unsigned rows, cols;
};

static void matrix_reference(const void *ctx, const void *in, double *out)
{
	const struct matrix_source *o = ctx;

	for (unsigned r = 0; r < o->rows; r++) {
		double sum = 0;

		for (unsigned c = 0; c < o->cols; c++) {
			int16_t x;

			memcpy(&x, (const uint8_t *)in + 2 * c, sizeof(x));
			sum += o->m[(size_t)r * o->cols + c] * x;
		}
		out[r] = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
	}
}

/* Three equal parts: Gaussian of rms 0.25, uniform over the range, Gaussian of rms 0.01. */
static void matrix_sample(const void *ctx, uint64_t seed, uint64_t index, void *in)
{
	const struct matrix_source *o = ctx;
	struct hv_rng rng;

	hv_rng_seed(&rng, seed << 40 ^ index);
	for (unsigned c = 0; c < o->cols; c++) {
		double v = index % 3 == 1 ? hv_rng_uniform(&rng, -1, 1)
					  : hv_rng_normal(&rng, 0, index % 3 ? 0.01 : 0.25);
		int16_t x;

		v = round(32768 * v);
		x = (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
		memcpy((uint8_t *)in + 2 * c, &x, sizeof(x));
	}
}

int cnn_build_matrix(const char *name, const double *m, unsigned rows, unsigned cols,
		     unsigned level, uint64_t samples, struct package **p, char *why, size_t cap)
{
	struct matrix_source o = { m, rows, cols };
	struct bound_source src = { .ctx = &o,
				    .reference = matrix_reference,
				    .sample = matrix_sample,
				    .matrix = m,
				    .metric = HARVEST_SNR_DB };
	struct plan plan = { .rung = rung_of(level),
			     .src = &src,
			     .rows = rows,
			     .cols = cols,
			     .out_bits = 32,
			     .linear = HARVEST_LINEAR_REAL,
			     .samples = samples };
	struct package *t;

	if (plan.rung == NULL)
		return package_refuse(HV_E_INVAL, why, cap, "level %u is not 1 to 4", level);
	if (rows < 1 || rows > CNN_CHANNELS_MAX || cols < 1 || cols > CNN_CHANNELS_MAX)
		return package_refuse(HV_E_INVAL, why, cap,
				      "matrix is %u by %u, at most %d by %d is possible", rows,
				      cols, CNN_CHANNELS_MAX, CNN_CHANNELS_MAX);
	if (!package_name_ok(name, true))
		return package_refuse(HV_E_INVAL, why, cap,
				      "name '%.40s' is not 1 to 31 of a-z, 0-9 and _", name);
	if (task_find(name) != NULL)
		return package_refuse(HV_E_INVAL, why, cap,
				      "name %s belongs to a built-in task: choose another one",
				      name);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	t->level = (uint8_t)level;
	t->task_version = 1;
	snprintf(t->task, sizeof(t->task), "%s", name);
	snprintf(t->name, sizeof(t->name), "%.28s-l%u", name, level);
	return settle(build(&plan, t, why, cap), t, p);
}
