#include "nas/linear/lowrank.h"
#include "accel/build/quantise.h"
#include "nas/linear/host.h"
#include "nas/pack.h"
#include "util/own.h"
#include <cblas.h>
#include <math.h>
#include <string.h>

enum { ONES_MAX = 8, HIDDEN_MAX = 256, TRIES = 100 };

/* Of sums beyond those that were drawn. */
static const double headroom = 1.2;

struct work {
	const struct nas_lowrank *k;
	const struct nas_map *map;
	const struct nas_data *d;
	struct nas_layout l;
	struct nas_form form;
	unsigned hidden; /* rank * ramps */
	int shift;
	uint16_t *element, *row; /* identities */
	double *factor;
	double *z; /* (rank, ins) first layer in units of the input's bytes */
	size_t n; /* pixels: those of all records, part after part */
	double *x; /* (ins, n) input bytes, whole numbers */
	double *sum; /* (rank, n) */
	double *h; /* (hidden, n) */
	double *w2; /* (outs, hidden) */
	int8_t *e; /* (hidden, ins + ones) */
	int32_t *bias; /* (hidden) in units of the hidden layer's result before its shift, / 128 */
};

static int set_up(struct work *w)
{
	size_t n = w->d->n * w->k->parts, ins = w->map->ins, outs = w->map->outs;

	w->n = n;
	w->hidden = w->k->rank * w->k->ramps;
	w->element = malloc(sizeof(*w->element) * ins);
	w->row = malloc(sizeof(*w->row) * outs);
	w->factor = malloc(sizeof(*w->factor) * outs);
	w->z = malloc(sizeof(double) * w->k->rank * ins);
	w->x = malloc(sizeof(double) * ins * n);
	w->sum = malloc(sizeof(double) * w->k->rank * n);
	w->h = malloc(sizeof(double) * w->hidden * n);
	w->w2 = malloc(sizeof(double) * outs * w->hidden);
	w->e = calloc(w->hidden, ins + ONES_MAX);
	w->bias = calloc(w->hidden, sizeof(*w->bias));
	w->l.code = malloc(sizeof(*w->l.code) * ins);
	w->l.unit = malloc(sizeof(double) * outs);
	w->l.constant = malloc(sizeof(double) * outs);
	if (w->element == NULL || w->row == NULL || w->factor == NULL || w->z == NULL ||
	    w->x == NULL || w->sum == NULL || w->h == NULL || w->w2 == NULL || w->e == NULL ||
	    w->bias == NULL || w->l.code == NULL || w->l.unit == NULL || w->l.constant == NULL)
		return HV_E_NOMEM;
	for (unsigned c = 0; c < ins; c++)
		w->element[c] = (uint16_t)c;
	for (unsigned r = 0; r < outs; r++) {
		w->row[r] = (uint16_t)r;
		w->factor[r] = 1;
	}
	return HV_OK;
}

static void tear_down(struct work *w)
{
	free(w->element);
	free(w->row);
	free(w->factor);
	free(w->z);
	free(w->x);
	free(w->sum);
	free(w->h);
	free(w->w2);
	free(w->e);
	free(w->bias);
	free(w->l.code);
	free(w->l.unit);
	free(w->l.constant);
}

/* Bytes of element c of record i. */
static void code_bytes(struct work *w, unsigned c, size_t i)
{
	size_t n = w->d->n;
	const struct nas_code *k = &w->l.code[c];
	double *x = w->x + c * w->n, t = k->k * w->d->in[c * n + i] + k->offset;

	if (w->k->parts == 1) {
		x[i] = fmin(fmax(floor(t + 0.5), -128), 127);
		return;
	}
	x[i] = fmin(fmax(floor(t), -128), 127);
	x[n + i] = fmin(fmax(floor(256 * (t - floor(t)) - 128 + 0.5), -128), 127);
}

/* Bytes of the records, and what the first layer's rows count of them. */
static void inputs(struct work *w)
{
	const struct nas_map *map = w->map;
	size_t n = w->d->n;
	unsigned ins = map->ins, rank = w->k->rank;

	for (unsigned c = 0; c < ins; c++) {
		w->l.code[c] = nas_code_for(map, w->d->task->in.dtype, w->k->parts, c);
		for (size_t i = 0; i < n; i++)
			code_bytes(w, c, i);
	}
	cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rank, (int)ins, (int)map->outs, 1,
		    w->k->u, (int)w->k->columns, map->m, (int)ins, 0, w->z, (int)ins);
	for (unsigned j = 0; j < rank; j++)
		for (unsigned c = 0; c < ins; c++)
			w->z[(size_t)j * ins + c] /= w->l.code[c].k;
}

/* Weights of sum j for that shift, its middle and the error that is left: of weights and of
 * rounding, in units of the answer. Returns the scale. */
static double one_sum(const struct work *w, unsigned j, int shift, int8_t *e, double *middle,
		      double *error)
{
	unsigned ins = w->map->ins;
	size_t n = w->n;
	const double *z = w->z + (size_t)j * ins, *sum = w->sum + (size_t)j * n;
	double largest = 0, lo = sum[0], hi = sum[0], scale;

	for (unsigned c = 0; c < ins; c++)
		largest = fmax(largest, fabs(z[c]));
	for (size_t i = 1; i < n; i++) {
		lo = fmin(lo, sum[i]);
		hi = fmax(hi, sum[i]);
	}
	*middle = (lo + hi) / 2;
	*error = 0;
	if (!(largest > 0) || !(hi > lo))
		return 0;
	scale = fmin(127 / largest,
		     126.0 * w->k->ramps * ldexp(128, -shift) / (headroom * (hi - lo) / 2));
	*error = pow(ldexp(128, -shift) / scale, 2) / 12;
	for (unsigned c = 0; c < ins; c++) {
		double v = rint(scale * z[c]), x = w->map->spread[c] * w->l.code[c].k;

		*error += pow((z[c] - v / scale) * x, 2);
		if (e != NULL)
			e[c] = (int8_t)v;
	}
	return scale;
}

/* Bias of ramp k of `ramps`, in 128ths of the sum before the shift: its piece goes from -128 to
 * 127. */
static double ramp_bias(const struct work *w, unsigned k, double middle_sum)
{
	return ldexp(256 * ((w->k->ramps - 1) / 2.0 - k), -w->shift) - middle_sum / 128;
}

/* First layer: the shift that leaves least error, then weights and biases of every ramp. What a
 * bias register does not hold is made by channels of ones. */
static bool first_layer(struct work *w)
{
	unsigned ins = w->map->ins, stride = ins + ONES_MAX;
	double best = INFINITY, middle, error;

	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)w->k->rank, (int)w->n, (int)ins,
		    1, w->z, (int)ins, w->x, (int)w->n, 0, w->sum, (int)w->n);
	for (int shift = 7; shift >= -12; shift--) {
		double all = 0;

		for (unsigned j = 0; j < w->k->rank; j++) {
			(void)one_sum(w, j, shift, NULL, &middle, &error);
			all += error;
		}
		if (all < best) {
			best = all;
			w->shift = shift;
		}
	}
	w->l.ones = 0;
	for (unsigned i = 0; i < w->hidden; i++) {
		int8_t *e = w->e + (size_t)i * stride;
		double scale = one_sum(w, i / w->k->ramps, w->shift, e, &middle, &error);
		double b = ramp_bias(w, i % w->k->ramps, scale * middle);
		double first = fmin(fmax(rint(b), -127), 127), rest = (b - first) * 128 / 127;

		w->bias[i] = (int32_t)first;
		for (unsigned q = 0; fabs(rest) > 0.5; q++) {
			double v = fmin(fmax(rint(rest), -127), 127);

			if (q == ONES_MAX)
				return false;
			e[ins + q] = (int8_t)v;
			rest -= v;
			w->l.ones = q + 1 > w->l.ones ? q + 1 : w->l.ones;
		}
	}
	return true;
}

/* What the first layer answers, whole numbers; of two parts the high one and a 256th of the low
 * one, which is what the results see of them. */
static void hidden_values(struct work *w)
{
	unsigned ins = w->map->ins, stride = ins + ONES_MAX;
	size_t n = w->n, records = w->d->n;

	memset(w->h, 0, sizeof(double) * w->hidden * n);
	for (unsigned j = 0; j < w->hidden; j++) {
		const int8_t *e = w->e + (size_t)j * stride;
		double *h = w->h + (size_t)j * n, ones = 128.0 * w->bias[j];

		for (unsigned c = 0; c < ins; c++)
			cblas_daxpy((int)n, e[c], w->x + c * n, 1, h, 1);
		for (unsigned q = 0; q < w->l.ones; q++)
			ones += 127.0 * e[ins + q];
		for (size_t i = 0; i < n; i++) {
			double v = floor(ldexp(h[i] + ones, w->shift) / 128 + 0.5);

			h[i] = fmin(fmax(v, -128), 127);
		}
	}
	for (unsigned j = 0; w->k->parts == 2 && j < w->hidden; j++)
		for (size_t i = 0; i < records; i++)
			w->h[j * records + i] = w->h[j * n + i] + w->h[j * n + records + i] / 256;
}

static int8_t *copy_weights(const int8_t *from, unsigned rows, unsigned stride, unsigned cols)
{
	int8_t *to = malloc((size_t)rows * cols);

	for (unsigned r = 0; to != NULL && r < rows; r++)
		memcpy(to + (size_t)r * cols, from + (size_t)r * stride, cols);
	return to;
}

static int make_hidden(const struct work *w, struct package *p)
{
	unsigned ins = w->map->ins, channels = ins + w->l.ones;
	int8_t *bias = malloc(w->hidden);
	struct cnn_layer *y = &p->net.layer[0];

	*y = (struct cnn_layer){ .op = CNN_OP_LINEAR,
				 .from = CNN_FROM_INPUT,
				 .in_channels = (uint16_t)channels,
				 .height = (uint16_t)w->k->parts,
				 .width = 1,
				 .out_channels = (uint16_t)w->hidden,
				 .weight_bits = 8,
				 .shift = (int8_t)w->shift,
				 .out_bits = 8,
				 .bias = bias };
	p->net.layers = 1;
	p->net.channels = (uint16_t)channels;
	p->net.height = (uint16_t)w->k->parts;
	p->net.width = 1;
	y->weights = copy_weights(w->e, w->hidden, ins + ONES_MAX, channels);
	for (unsigned j = 0; bias != NULL && j < w->hidden; j++)
		bias[j] = (int8_t)w->bias[j];
	return bias == NULL || y->weights == NULL ? HV_E_NOMEM : HV_OK;
}

/* Second layer from real weights; what its rounding costs at the mean goes into the constant. */
static int make_output(struct work *w, const double *constant, struct package *p)
{
	unsigned outs = w->map->outs;
	size_t n = w->d->n, values = (size_t)outs * w->hidden;
	int8_t *e = malloc(values);
	struct quant q = { 0 };
	int r = quant_rows(w->w2, outs, w->hidden, 127, TRIES, &q);

	p->net.layer[p->net.layers++] = (struct cnn_layer){ .op = CNN_OP_LINEAR,
							    .from = 0,
							    .in_channels = (uint16_t)w->hidden,
							    .height = (uint16_t)w->k->parts,
							    .width = 1,
							    .out_channels = (uint16_t)outs,
							    .weight_bits = 8,
							    .out_bits = 32,
							    .is_output = true,
							    .weights = e };
	if (r < 0 || e == NULL) {
		quant_clear(&q);
		return HV_E_NOMEM;
	}
	for (size_t i = 0; i < values; i++)
		e[i] = (int8_t)q.e[i];
	for (unsigned o = 0; o < outs; o++) {
		w->l.unit[o] = q.gain[o];
		w->l.constant[o] = constant[o] - w->map->offset[o];
	}
	for (unsigned j = 0; j < w->hidden; j++) {
		double mean = 0;

		for (size_t i = 0; i < n; i++)
			mean += w->h[(size_t)j * n + i] / (double)n;
		for (unsigned o = 0; o < outs; o++)
			w->l.constant[o] += (w->w2[(size_t)o * w->hidden + j] -
					     q.gain[o] * q.e[(size_t)o * w->hidden + j]) *
					    mean;
	}
	quant_clear(&q);
	return HV_OK;
}

static int make(struct work *w, struct package *p)
{
	const struct nas_rung rung = {
		.parts = (uint8_t)w->k->parts, .sets = 1, .out_bits = 32, .scale = 1
	};
	hv_autofree double *constant = malloc(sizeof(*constant) * w->map->outs);
	int r;

	if (constant == NULL)
		return HV_E_NOMEM;
	inputs(w);
	if (!first_layer(w) || w->map->ins + w->l.ones > CNN_CHANNELS_MAX)
		return HV_E_BUSY;
	hidden_values(w);
	r = nas_map_solve(w->h, w->hidden, w->d->ref, w->map->outs, w->d->n, NULL, 1e-7, w->w2,
			  constant);
	w->form = (struct nas_form){ .in_step = w->map->ins,
				     .out_step = w->map->outs,
				     .kernel = 1,
				     .pixels = 1,
				     .element = w->element,
				     .row = w->row,
				     .factor = w->factor };
	w->l.f = &w->form;
	w->l.g = &rung;
	w->l.map = w->map;
	w->l.task = w->d->task;
	if (r == HV_OK)
		r = make_hidden(w, p);
	if (r == HV_OK)
		r = make_output(w, constant, p);
	if (r == HV_OK)
		r = nas_pack_steps(p);
	if (r == HV_OK && nas_pack_host(p, w->d->task) == NULL)
		r = HV_E_NOMEM;
	return r == HV_OK ? nas_layout_program(&w->l, p->host) : r;
}

int nas_lowrank_package(const struct nas_lowrank *k, const struct nas_map *map,
			const struct nas_data *d, struct package **to)
{
	struct work w = { .k = k, .map = map, .d = d };
	struct package *p = calloc(1, sizeof(*p));
	int r = HV_E_NOMEM;

	if (k->rank * k->ramps > HIDDEN_MAX || k->rank * k->ramps > CNN_BIAS_BYTES) {
		free(p);
		return HV_E_BUSY;
	}
	if (p != NULL)
		r = set_up(&w);
	if (r == HV_OK)
		r = make(&w, p);
	tear_down(&w);
	if (r < 0) {
		package_free(p);
		return r;
	}
	*to = p;
	return HV_OK;
}
