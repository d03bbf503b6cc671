#include "accel/build/quantise.h"
#include "nas/linear/form.h"
#include "nas/linear/host.h"
#include "nas/pack.h"
#include "util/own.h"
#include <math.h>

enum {
	TRIES = 100, /* scales of a row */
	BYTE_MOST = 115, /* of an 8-bit result among those that were drawn */
};

/* clang-format off */
static const struct nas_rung rungs[] = {
	{ 0, 1, 1, 0, 8,  1,   127,             "8-bit input, 8-bit output" },
	{ 1, 1, 1, 0, 32, 1,   127,             "8-bit input, 8-bit weights" },
	{ 2, 2, 1, 0, 32, 1,   127,             "16-bit input, 8-bit weights" },
	{ 3, 2, 2, 4, 32, 16,  127 * 16 + 7,    "16-bit input, 12-bit weights" },
	{ 4, 2, 2, 8, 32, 256, 127 * 256 + 127, "16-bit input, 16-bit weights" },
};
/* Elements of one byte need no second one. */
static const struct nas_rung byte_rungs[] = {
	{ 0, 1, 1, 0, 8,  1,   127,             "8-bit output" },
	{ 1, 1, 1, 0, 32, 1,   127,             "8-bit weights" },
	{ 3, 1, 2, 4, 32, 16,  127 * 16 + 7,    "12-bit weights" },
	{ 4, 1, 2, 8, 32, 256, 127 * 256 + 127, "16-bit weights" },
};
/* clang-format on */

const struct nas_rung *nas_rung_at(enum harvest_dtype type, unsigned i)
{
	if (type == HARVEST_S8 || type == HARVEST_U8)
		return i < HV_ARRAY_SIZE(byte_rungs) ? &byte_rungs[i] : NULL;
	return i < HV_ARRAY_SIZE(rungs) ? &rungs[i] : NULL;
}

struct nas_code nas_code_of(enum harvest_dtype type, unsigned parts, double lo, double hi)
{
	double span = parts == 2 ? 256 : 255, k, power;

	if (type == HARVEST_S8)
		return (struct nas_code){ 1, 0 };
	if (type == HARVEST_U8)
		return (struct nas_code){ 1, -128 };
	if (type == HARVEST_S16 && parts == 2)
		return (struct nas_code){ 1 / 256.0, 0 };
	if (type == HARVEST_U16 && parts == 2)
		return (struct nas_code){ 1 / 256.0, -128 };
	if (!(hi - lo > 1e-290))
		return (struct nas_code){ 1, -rint(lo) };
	k = span / (hi - lo);
	power = exp2(floor(log2(k)));
	/* integers that are shifted are cheaper than such that are multiplied */
	if (type != HARVEST_F32 && type != HARVEST_F64 && parts == 1 && k / power < 1.2)
		return (struct nas_code){ power, rint(-128 + span / 2 - power * (lo + hi) / 2) };
	return (struct nas_code){ k, -128 - k * lo };
}

struct nas_code nas_code_for(const struct nas_map *map, enum harvest_dtype type, unsigned parts,
			     unsigned c)
{
	return nas_code_of(type, parts, parts == 2 ? map->floor[c] : map->lo[c],
			   parts == 2 ? map->ceiling[c] : map->hi[c]);
}

/* Codes of the channels, and what the mean input is in them: (in_step) each. */
static void codes(struct nas_layout *l)
{
	const struct nas_form *f = l->f;
	const struct nas_map *map = l->map;
	enum harvest_dtype type = l->task->in.dtype;
	double lo = 0, hi = 0;

	/* a common one, which has to hold the zeros beside the record too */
	for (unsigned c = 0; c < map->ins; c++) {
		lo = fmin(lo, l->g->parts == 2 ? map->floor[c] : map->lo[c]);
		hi = fmax(hi, l->g->parts == 2 ? map->ceiling[c] : map->hi[c]);
	}
	for (unsigned q = 0; q < f->in_step; q++) {
		unsigned c = f->element != NULL ? f->element[q] : 0;

		if (f->element == NULL) {
			l->code[q] = nas_code_of(type, l->g->parts, lo, hi);
			l->mean[q] = 0;
			continue;
		}
		l->code[q] = nas_code_for(map, type, l->g->parts, c);
		l->mean[q] = map->mean[c];
	}
}

/* Weights of the whole numbers: (out_step, in_step * kernel). */
static double *scaled(const struct nas_layout *l)
{
	const struct nas_form *f = l->f;
	size_t values = (size_t)f->out_step * f->in_step * f->kernel;
	double *w = malloc(sizeof(*w) * values);

	for (size_t i = 0; w != NULL && i < values; i++)
		w[i] = f->w[i] / l->code[i / f->kernel % f->in_step].k;
	return w;
}

/* What row j answers on average, from its real weights, and what its whole-number sum is there;
 * both without the offset of the map. */
static void at_mean(const struct nas_layout *l, const struct quant *q, unsigned j, double *real,
		    double *sum)
{
	const struct nas_form *f = l->f;
	size_t n = (size_t)f->in_step * f->kernel;

	*real = *sum = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned c = (unsigned)(i / f->kernel);
		double code = l->code[c].k * l->mean[c] + l->code[c].offset;

		*real += f->w[j * n + i] * l->mean[c];
		*sum += q->e[j * n + i] * (l->g->parts == 2 ? code - 0.5 : code);
	}
}

/* Rows of 8-bit results: the largest weights whose sums the shift brings into 8 bits. */
static double byte_gain(const struct nas_layout *l, const double *w, size_t n, double most,
			int shift, int32_t *e, double *error)
{
	double largest = 0, s, room = BYTE_MOST * ldexp(128, -shift);

	for (size_t i = 0; i < n; i++)
		largest = fmax(largest, fabs(w[i]));
	if (!(largest > 0) || !(most > 0))
		return 0;
	s = fmin(127 / largest, room / most);
	*error = pow(ldexp(128, -shift) / s, 2) / 12;
	for (size_t i = 0; i < n; i++) {
		double spread = l->f->element != NULL
					? l->map->spread[l->f->element[i / l->f->kernel]]
					: l->map->spread[0];
		double d, x = spread * l->code[i / l->f->kernel].k;

		e[i] = (int32_t)rint(s * w[i]);
		d = w[i] - e[i] / s;
		*error += d * d * x * x;
	}
	return 1 / s;
}

/* How far the results of row j get from their mean. */
static double most_of(const struct nas_layout *l, unsigned j)
{
	const struct nas_form *f = l->f;
	double most = 0;

	for (unsigned r = 0; r < l->map->outs; r++) {
		bool same = f->row != NULL ? f->row[r] == j : r % f->out_step == j;

		if (same) {
			double factor = f->row != NULL ? fabs(f->factor[r]) : 1;

			most = fmax(most, l->map->out_most[r] / (factor > 0 ? factor : 1));
		}
	}
	return most;
}

/* The shift of least error for all rows together; fills e and gain. */
static void quantise_bytes(struct nas_layout *l, const double *w, struct quant *q)
{
	size_t n = q->cols;
	double best = INFINITY;

	for (int shift = 7; shift >= -12; shift--) {
		double sum = 0;

		for (unsigned j = 0; j < q->rows; j++) {
			double error = 0;

			(void)byte_gain(l, w + j * n, n, most_of(l, j), shift, q->e + j * n,
					&error);
			sum += error;
		}
		if (sum < best) {
			best = sum;
			l->shift = shift;
		}
	}
	for (unsigned j = 0; j < q->rows; j++) {
		double error;

		q->gain[j] =
			byte_gain(l, w + j * n, n, most_of(l, j), l->shift, q->e + j * n, &error);
	}
}

/* Whole-number weights, units and constants of the rows. */
static int quantise(struct nas_layout *l, struct quant *q)
{
	const struct nas_form *f = l->f;
	hv_autofree double *w = scaled(l);
	unsigned cols = f->in_step * f->kernel;
	int r = HV_E_NOMEM;

	if (w == NULL)
		return r;
	r = quant_rows(w, f->out_step, cols, l->g->limit, TRIES, q);
	if (r < 0)
		return r;
	if (l->g->out_bits == 8)
		quantise_bytes(l, w, q);
	for (unsigned j = 0; j < f->out_step; j++) {
		double real, sum, bias = 0;

		at_mean(l, q, j, &real, &sum);
		if (l->g->out_bits == 8) {
			bias = fmin(fmax(rint(-sum / 128), -127), 127);
			l->bias[j] = (int8_t)bias;
		}
		l->unit[j] = q->gain[j] * (l->g->out_bits == 8 ? ldexp(128, -l->shift) : 1);
		l->constant[j] = real - q->gain[j] * (sum + 128 * bias);
	}
	return HV_OK;
}

/* e = scale * first + second, second within its bits. */
static void split_weight(const struct nas_rung *g, int32_t e, int8_t *first, int8_t *second)
{
	int32_t half = g->scale / 2, low = ((e + half) & (g->scale - 1)) - half;

	*first = (int8_t)((e - low) / g->scale);
	*second = (int8_t)low;
}

static int make_net(const struct nas_layout *l, const struct quant *q, struct package *p)
{
	const struct nas_form *f = l->f;
	const struct nas_rung *g = l->g;
	size_t values = (size_t)q->rows * q->cols;
	int8_t *set[2] = { NULL, NULL };

	p->net.channels = (uint16_t)f->in_step;
	p->net.height = (uint16_t)(g->parts * f->pixels);
	p->net.width = 1;
	for (unsigned i = 0; i < g->sets; i++) {
		struct cnn_layer *y = &p->net.layer[p->net.layers++];

		set[i] = malloc(values);
		*y = (struct cnn_layer){ .op = f->kernel > 1 ? CNN_OP_CONV1D : CNN_OP_LINEAR,
					 .from = CNN_FROM_INPUT,
					 .in_channels = p->net.channels,
					 .height = p->net.height,
					 .width = 1,
					 .out_channels = (uint16_t)f->out_step,
					 .weight_bits = i == 0 ? 8 : g->second_bits,
					 .shift = (int8_t)(g->out_bits == 8 ? l->shift : 0),
					 .out_bits = g->out_bits,
					 .is_output = true,
					 .weights = set[i] };
		if (f->kernel > 1) {
			y->kernel_h = (uint8_t)f->kernel;
			y->kernel_w = 1;
		}
		if (set[i] == NULL)
			return HV_E_NOMEM;
	}
	for (size_t i = 0; i < values; i++) {
		int8_t second = 0;

		if (g->sets == 2)
			split_weight(g, q->e[i], &set[0][i], &second);
		else
			set[0][i] = (int8_t)q->e[i];
		if (g->sets == 2)
			set[1][i] = second;
	}
	if (g->out_bits == 8) {
		int8_t *bias = malloc(f->out_step);

		p->net.layer[0].bias = bias;
		for (unsigned j = 0; bias != NULL && j < f->out_step; j++)
			bias[j] = l->bias[j];
		return bias == NULL ? HV_E_NOMEM : HV_OK;
	}
	return HV_OK;
}

static int assemble(struct nas_layout *l, struct package *p)
{
	struct quant q = { 0 };
	int r;

	codes(l);
	r = quantise(l, &q);
	if (r == HV_OK)
		r = make_net(l, &q, p);
	quant_clear(&q);
	if (r == HV_OK)
		r = nas_pack_steps(p);
	if (r == HV_OK && nas_pack_host(p, l->task) == NULL)
		r = HV_E_NOMEM;
	return r == HV_OK ? nas_layout_program(l, p->host) : r;
}

static bool fits(const struct nas_form *f, const struct nas_rung *g)
{
	unsigned rows_most = g->out_bits == 8 ? CNN_BIAS_BYTES : CNN_CHANNELS_MAX;

	return f->in_step >= 1 && f->in_step <= CNN_CHANNELS_MAX && f->out_step >= 1 &&
	       f->out_step <= rows_most && f->kernel <= 9 && f->pixels >= f->kernel &&
	       g->parts * f->pixels <= CNN_ROWS_MAX;
}

int nas_form_package(const struct nas_form *f, const struct nas_rung *g, const struct nas_map *map,
		     const struct harvest_task *task, struct package **to)
{
	struct nas_layout l = { .f = f, .g = g, .map = map, .task = task };
	struct package *p;
	int r = HV_E_NOMEM;

	if (!fits(f, g))
		return HV_E_BUSY;
	p = calloc(1, sizeof(*p));
	l.code = malloc(sizeof(*l.code) * f->in_step);
	l.mean = malloc(sizeof(*l.mean) * f->in_step);
	l.unit = malloc(sizeof(*l.unit) * f->out_step);
	l.constant = malloc(sizeof(*l.constant) * f->out_step);
	l.bias = calloc(f->out_step, 1);
	if (p != NULL && l.code != NULL && l.mean != NULL && l.unit != NULL && l.constant != NULL &&
	    l.bias != NULL)
		r = assemble(&l, p);
	free(l.code);
	free(l.mean);
	free(l.unit);
	free(l.constant);
	free(l.bias);
	if (r < 0) {
		package_free(p);
		return r;
	}
	*to = p;
	return HV_OK;
}
