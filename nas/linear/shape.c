#include "nas/linear/shape.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

double nas_shape_largest(const struct nas_map *map)
{
	double most = 0;

	for (size_t i = 0; i < (size_t)map->ins * map->outs; i++)
		most = fmax(most, fabs(map->m[i]));
	return most;
}

/* ---- dense ---- */

static double row_most(const double *row, unsigned n, unsigned *at)
{
	double most = 0;

	for (unsigned c = 0; c < n; c++)
		if (fabs(row[c]) > most) {
			most = fabs(row[c]);
			*at = c;
		}
	return most;
}

/* b is factor * a, element by element. */
static bool is_multiple(const double *a, const double *b, unsigned n, double factor, double slack)
{
	for (unsigned c = 0; c < n; c++)
		if (fabs(b[c] - factor * a[c]) > slack)
			return false;
	return true;
}

/* The row that row r is a multiple of, or a new one. */
static void find_row(const struct nas_map *map, double slack, struct nas_dense *s, unsigned *of,
		     unsigned r)
{
	const double *row = map->m + (size_t)r * map->ins;
	unsigned at = 0;

	s->factor[r] = 1;
	s->row[r] = NAS_NO_ROW;
	if (row_most(row, map->ins, &at) <= slack)
		return;
	for (unsigned j = 0; j < s->form.out_step; j++) {
		const double *base = map->m + (size_t)of[j] * map->ins;
		double factor = base[at] != 0 ? row[at] / base[at] : 0;

		if (factor != 0 && fabs(factor) <= 100 &&
		    is_multiple(base, row, map->ins, factor, slack)) {
			s->row[r] = (uint16_t)j;
			s->factor[r] = factor;
			return;
		}
	}
	of[s->form.out_step] = r;
	s->row[r] = (uint16_t)s->form.out_step++;
}

static bool column_counts(const struct nas_map *map, unsigned c, double slack)
{
	for (unsigned r = 0; r < map->outs; r++)
		if (fabs(map->m[(size_t)r * map->ins + c]) > slack)
			return true;
	return false;
}

static int fill_dense(const struct nas_map *map, double slack, struct nas_dense *s, unsigned *of)
{
	unsigned n = 0;

	for (unsigned r = 0; r < map->outs; r++)
		find_row(map, slack, s, of, r);
	for (unsigned c = 0; c < map->ins; c++)
		if (column_counts(map, c, slack))
			s->element[n++] = (uint16_t)c;
	if (n == 0)
		return HV_E_NOENT;
	s->w = malloc(sizeof(double) * n * s->form.out_step);
	if (s->w == NULL)
		return HV_E_NOMEM;
	for (unsigned j = 0; j < s->form.out_step; j++)
		for (unsigned q = 0; q < n; q++)
			s->w[(size_t)j * n + q] = map->m[(size_t)of[j] * map->ins + s->element[q]];
	s->form.in_step = n;
	s->form.kernel = s->form.pixels = 1;
	s->form.element = s->element;
	s->form.row = s->row;
	s->form.factor = s->factor;
	s->form.w = s->w;
	return HV_OK;
}

int nas_shape_dense(const struct nas_map *map, double slack, struct nas_dense *s)
{
	hv_autofree unsigned *of = malloc(sizeof(*of) * map->outs);
	int r = HV_E_NOMEM;

	*s = (struct nas_dense){ 0 };
	s->element = malloc(sizeof(*s->element) * map->ins);
	s->row = malloc(sizeof(*s->row) * map->outs);
	s->factor = malloc(sizeof(*s->factor) * map->outs);
	if (of != NULL && s->element != NULL && s->row != NULL && s->factor != NULL)
		r = fill_dense(map, slack, s, of);
	if (r < 0)
		nas_dense_clear(s);
	return r;
}

void nas_dense_clear(struct nas_dense *s)
{
	free(s->element);
	free(s->row);
	free(s->factor);
	free(s->w);
	*s = (struct nas_dense){ 0 };
}

/* ---- the same taps everywhere ---- */

static bool row_follows(const struct nas_map *map, unsigned r, unsigned out, unsigned in,
			double slack)
{
	const double *a = map->m + (size_t)r * map->ins, *b = a + (size_t)out * map->ins;

	for (unsigned c = 0; c + in < map->ins; c++)
		if (fabs(b[c + in] - a[c]) > slack)
			return false;
	return true;
}

static bool follows(const struct nas_map *map, unsigned out, unsigned in, double slack)
{
	for (unsigned r = 0; r + out < map->outs; r++)
		if (!row_follows(map, r, out, in, slack))
			return false;
	return true;
}

/* Means over all places where a tap shows. sum, count: (out_step, span), tap 0 at -back. */
static void gather_taps(const struct nas_map *map, const struct nas_shift *s, unsigned back,
			unsigned span, double *sum, unsigned *count)
{
	for (unsigned r = 0; r < map->outs; r++) {
		unsigned i = r / s->out_step, j = r % s->out_step;

		for (unsigned c = 0; c < map->ins; c++) {
			size_t at = (size_t)j * span + back + c - s->in_step * i;

			sum[at] += map->m[(size_t)r * map->ins + c];
			count[at]++;
		}
	}
	for (size_t i = 0; i < (size_t)s->out_step * span; i++)
		sum[i] = count[i] > 0 ? sum[i] / count[i] : 0;
}

static bool tap_counts(const double *sum, unsigned phases, unsigned span, unsigned u, double slack)
{
	for (unsigned j = 0; j < phases; j++)
		if (fabs(sum[(size_t)j * span + u]) > slack)
			return true;
	return false;
}

static int take_taps(const struct nas_map *map, double slack, struct nas_shift *s)
{
	unsigned back = s->in_step * ((map->outs - 1) / s->out_step), span = back + map->ins;
	unsigned from = 0, to = span;
	hv_autofree double *sum = calloc((size_t)s->out_step * span, sizeof(*sum));
	hv_autofree unsigned *count = calloc((size_t)s->out_step * span, sizeof(*count));

	s->offset = calloc(s->out_step, sizeof(double));
	if (sum == NULL || count == NULL || s->offset == NULL)
		return HV_E_NOMEM;
	gather_taps(map, s, back, span, sum, count);
	while (from < to && !tap_counts(sum, s->out_step, span, from, slack))
		from++;
	while (to > from && !tap_counts(sum, s->out_step, span, to - 1, slack))
		to--;
	if (from == to)
		return HV_E_NOENT;
	s->first = (int)from - (int)back;
	s->taps = to - from;
	s->tap = malloc(sizeof(double) * s->out_step * s->taps);
	if (s->tap == NULL)
		return HV_E_NOMEM;
	for (unsigned j = 0; j < s->out_step; j++)
		memcpy(s->tap + (size_t)j * s->taps, sum + (size_t)j * span + from,
		       sizeof(double) * s->taps);
	for (unsigned r = 0; r < map->outs; r++) {
		unsigned j = r % s->out_step, n = (map->outs - j + s->out_step - 1) / s->out_step;

		s->offset[j] += map->offset[r] / n;
	}
	return HV_OK;
}

/* Offsets repeat as the rows do. */
static bool offsets_follow(const struct nas_map *map, unsigned out)
{
	double most = 0;

	for (unsigned r = 0; r < map->outs; r++)
		most = fmax(most, map->out_most[r]);
	for (unsigned r = 0; r + out < map->outs; r++)
		if (fabs(map->offset[r + out] - map->offset[r]) > 1e-4 * most)
			return false;
	return true;
}

int nas_shape_shift(const struct nas_map *map, double slack, struct nas_shift *s)
{
	*s = (struct nas_shift){ 0 };
	for (unsigned out = 1; 2 * out <= map->outs; out++)
		for (unsigned in = 1; in < map->ins; in++) {
			int r;

			if (!follows(map, out, in, slack) || !offsets_follow(map, out))
				continue;
			s->out_step = out;
			s->in_step = in;
			r = take_taps(map, slack, s);
			if (r < 0)
				nas_shift_clear(s);
			return r;
		}
	return HV_E_NOENT;
}

void nas_shift_clear(struct nas_shift *s)
{
	free(s->tap);
	free(s->offset);
	*s = (struct nas_shift){ 0 };
}

int nas_shift_fold(const struct nas_shift *s, unsigned outs, unsigned fold, struct nas_form *form,
		   double **w)
{
	unsigned in = s->in_step * fold, out = s->out_step * fold;
	unsigned reach = s->in_step * (fold - 1) + s->taps, kernel = (reach + in - 1) / in;
	unsigned pixels = (outs + out - 1) / out + kernel - 1;
	double *to;

	if (in > CNN_CHANNELS_MAX || out > CNN_CHANNELS_MAX || kernel > 9 || pixels > CNN_ROWS_MAX)
		return HV_E_BUSY;
	to = calloc((size_t)out * in * kernel, sizeof(*to));
	if (to == NULL)
		return HV_E_NOMEM;
	for (unsigned j = 0; j < out; j++)
		for (unsigned u = 0; u < s->taps; u++) {
			unsigned at = u + s->in_step * (j / s->out_step);

			to[((size_t)j * in + at % in) * kernel + at / in] =
				s->tap[(size_t)(j % s->out_step) * s->taps + u];
		}
	*form = (struct nas_form){ .in_step = in,
				   .out_step = out,
				   .kernel = kernel,
				   .pixels = pixels,
				   .first = s->first,
				   .w = to };
	*w = to;
	return HV_OK;
}
