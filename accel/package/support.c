#include "accel/package/support.h"
#include "accel/hostprog/element.h"
#include "tasks/catalog.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct support *support_new(enum harvest_dtype dtype, uint32_t elements, unsigned side)
{
	struct support *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->dtype = dtype;
	s->elements = elements;
	s->side = side;
	return s;
}

void support_free(struct support *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n_views; i++)
		free(s->view[i].bits);
	free(s);
}

int support_axis_add(struct support *s, const struct support_axis *a)
{
	struct support_axis *to = &s->axis[s->n_axes];

	if (s->n_axes == SUPPORT_AXES_MAX)
		return HV_E_BUSY;
	*to = *a;
	to->scale = a->hi > a->lo ? s->side / (a->hi - a->lo) : 0;
	return (int)s->n_axes++;
}

size_t support_view_cells(const struct support *s, const struct support_view *v)
{
	return v->x == v->y ? s->side : (size_t)s->side * s->side;
}

int support_view_add(struct support *s, uint16_t x, uint16_t y)
{
	struct support_view v = { .x = x, .y = y };

	if (s->n_views == SUPPORT_VIEWS_MAX)
		return HV_E_BUSY;
	v.bits = calloc((support_view_cells(s, &v) + 7) / 8, 1);
	if (v.bits == NULL)
		return HV_E_NOMEM;
	s->view[s->n_views] = v;
	return (int)s->n_views++;
}

void support_view_drop(struct support *s, unsigned i)
{
	free(s->view[i].bits);
	s->n_views--;
	memmove(&s->view[i], &s->view[i + 1], (s->n_views - i) * sizeof(s->view[0]));
}

/* ---- values ---- */

struct sums {
	double sum, square, step;
};

/* Whole numbers of at most 16 bits: 2^16 elements of 2^32 stay exact, and vectors do it. */
__attribute__((optimize("O3"))) static struct sums sums_u8(const uint8_t *v, size_t n)
{
	uint64_t sum = 0, square = 0, step = 0;

	for (size_t i = 0; i < n; i++) {
		sum += v[i];
		square += (uint32_t)v[i] * v[i];
	}
	for (size_t i = 1; i < n; i++) {
		int32_t d = v[i] - v[i - 1];

		step += (uint32_t)(d * d);
	}
	return (struct sums){ (double)sum, (double)square, (double)step };
}

static int16_t at_s16(const uint8_t *record, size_t i)
{
	int16_t v;

	memcpy(&v, record + 2 * i, sizeof(v));
	return v;
}

__attribute__((optimize("O3"))) static struct sums sums_s16(const uint8_t *record, size_t n)
{
	int64_t sum = 0;
	uint64_t square = 0, step = 0;

	for (size_t i = 0; i < n; i++) {
		int32_t v = at_s16(record, i);

		sum += v;
		square += (uint32_t)(v * v);
	}
	for (size_t i = 1; i < n; i++) {
		uint32_t d = (uint32_t)(at_s16(record, i) - at_s16(record, i - 1));

		step += d * d; /* at most 65535^2 */
	}
	return (struct sums){ (double)sum, (double)square, (double)step };
}

static struct sums sums_any(enum harvest_dtype t, const uint8_t *record, size_t n)
{
	struct sums s = { 0 };
	double last = 0;

	for (size_t i = 0; i < n; i++) {
		double v = element_load(t, record, i), d = i > 0 ? v - last : 0;

		s.sum += v;
		s.square += v * v;
		s.step += d * d;
		last = v;
	}
	return s;
}

static struct sums sums_of(const struct support *s, const uint8_t *record)
{
	switch (s->dtype) {
	case HARVEST_U8: return sums_u8(record, s->elements);
	case HARVEST_S16: return sums_s16(record, s->elements);
	default: return sums_any(s->dtype, record, s->elements);
	}
}

/* log2, straight between powers of two: the same bits on every machine. */
static double log2_straight(double v)
{
	uint64_t bits;

	if (!(v > 0) || !isfinite(v))
		return NAN;
	memcpy(&bits, &v, sizeof(bits));
	return (double)(bits >> 52) - 1023 + (double)(bits & ((UINT64_C(1) << 52) - 1)) * 0x1p-52;
}

static double value(const struct support *s, const struct support_axis *a, const uint8_t *record,
		    const struct sums *sums)
{
	double n = s->elements;
	double var;

	switch (a->kind) {
	case SUPPORT_ELEMENT: return element_load(s->dtype, record, a->element);
	case SUPPORT_LEVEL: return sqrt(sums->square / n);
	case SUPPORT_MEAN: return sums->sum / n;
	case SUPPORT_SPREAD:
		var = sums->square / n - sums->sum / n * (sums->sum / n);
		return log2_straight(a->floor + (var < 0 ? 0 : var));
	case SUPPORT_STEP: return log2_straight(a->floor + sums->step / (n > 1 ? n - 1 : 1));
	}
	return NAN;
}

static bool looks_at_all(const struct support *s)
{
	for (unsigned i = 0; i < s->n_axes; i++)
		if (s->axis[i].kind != SUPPORT_ELEMENT)
			return true;
	return false;
}

double support_value(const struct support *s, const struct support_axis *a, const void *record)
{
	struct sums sums = { 0 };

	if (a->kind != SUPPORT_ELEMENT)
		sums = sums_of(s, record);
	return value(s, a, record, &sums);
}

void support_cells(const struct support *s, const void *record, uint8_t *cell)
{
	struct sums sums = { 0 };

	if (looks_at_all(s))
		sums = sums_of(s, record);
	for (unsigned i = 0; i < s->n_axes; i++) {
		const struct support_axis *a = &s->axis[i];
		double v = value(s, a, record, &sums), at = (v - a->lo) * a->scale;

		if (!(v >= a->lo && v <= a->hi))
			cell[i] = SUPPORT_NO_CELL;
		else /* of a range that is next to nothing the scale is infinite, and 0 of it NaN */
			cell[i] = (uint8_t)(at < s->side ? at : s->side - 1);
	}
}

/* ---- views ---- */

static bool bit_at(const uint8_t *bits, size_t i)
{
	return bits[i / 8] >> i % 8 & 1;
}

static void bit_set(uint8_t *bits, size_t i)
{
	bits[i / 8] |= (uint8_t)(1u << i % 8);
}

static size_t place(const struct support *s, const struct support_view *v, const uint8_t *cell)
{
	return v->x == v->y ? cell[v->x] : (size_t)cell[v->y] * s->side + cell[v->x];
}

bool support_view_holds(const struct support *s, unsigned view, const uint8_t *cell)
{
	const struct support_view *v = &s->view[view];

	return cell[v->x] != SUPPORT_NO_CELL && cell[v->y] != SUPPORT_NO_CELL &&
	       bit_at(v->bits, place(s, v, cell));
}

size_t support_outside(const struct support *s, const void *records, size_t n)
{
	size_t bytes = s->elements * dtype_bytes(s->dtype);
	const uint8_t *record = (const uint8_t *)records;
	uint8_t cell[SUPPORT_AXES_MAX];

	for (size_t i = 0; i < n; i++, record += bytes) {
		support_cells(s, record, cell);
		for (unsigned v = 0; v < s->n_views; v++)
			if (!support_view_holds(s, v, cell))
				return i;
	}
	return n;
}

void support_clear(struct support *s)
{
	for (unsigned i = 0; i < s->n_views; i++)
		memset(s->view[i].bits, 0, (support_view_cells(s, &s->view[i]) + 7) / 8);
}

void support_mark(struct support *s, const void *record)
{
	uint8_t cell[SUPPORT_AXES_MAX];

	support_cells(s, record, cell);
	for (unsigned i = 0; i < s->n_views; i++) {
		const struct support_view *v = &s->view[i];

		if (cell[v->x] != SUPPORT_NO_CELL && cell[v->y] != SUPPORT_NO_CELL)
			bit_set(v->bits, place(s, v, cell));
	}
}

size_t support_view_marked(const struct support *s, const struct support_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < support_view_cells(s, v); i++)
		n += bit_at(v->bits, i);
	return n;
}

/* ---- growing ---- */

/* Some cell at most one column and one row away is marked. */
static bool near_marked(const struct support *s, const struct support_view *v, int x, int y)
{
	int side = (int)s->side, rows = v->x == v->y ? 1 : side;

	for (int r = y > 0 ? y - 1 : 0; r <= y + 1 && r < rows; r++)
		for (int c = x > 0 ? x - 1 : 0; c <= x + 1 && c < side; c++)
			if (bit_at(v->bits, (size_t)(r * side + c)))
				return true;
	return false;
}

int support_dilate(struct support *s)
{
	for (unsigned i = 0; i < s->n_views; i++) {
		struct support_view *v = &s->view[i];
		size_t n = support_view_cells(s, v);
		uint8_t *wider = calloc((n + 7) / 8, 1);

		if (wider == NULL)
			return HV_E_NOMEM;
		for (size_t k = 0; k < n; k++)
			if (near_marked(s, v, (int)(k % s->side), (int)(k / s->side)))
				bit_set(wider, k);
		free(v->bits);
		v->bits = wider;
	}
	return HV_OK;
}

struct point {
	int x, y;
};

/* Twice the area of a triangle; above 0: c lies left of the line from a to b. */
static int turn(struct point a, struct point b, struct point c)
{
	return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

/* Marked cells from left to right, from below to above; at most the two ends of each column. */
static unsigned ends_of_columns(const struct support *s, const struct support_view *v,
				struct point *p)
{
	int side = (int)s->side;
	unsigned n = 0;

	for (int x = 0; x < side; x++) {
		int least = side, most = -1;

		for (int y = 0; y < side; y++) {
			if (!bit_at(v->bits, (size_t)(y * side + x)))
				continue;
			least = y < least ? y : least;
			most = y;
		}
		if (most < 0)
			continue;
		p[n++] = (struct point){ x, least };
		if (most > least)
			p[n++] = (struct point){ x, most };
	}
	return n;
}

/* One chain of the hull of n sorted points: the lower one, or with sign -1 the upper one. */
static unsigned chain(const struct point *p, unsigned n, int sign, struct point *to)
{
	unsigned m = 0;

	for (unsigned i = 0; i < n; i++) {
		while (m >= 2 && sign * turn(to[m - 2], to[m - 1], p[i]) <= 0)
			m--;
		to[m++] = p[i];
	}
	return m;
}

/* No cell of the chain's column is on the wrong side. */
static bool is_beyond(const struct point *c, unsigned n, int sign, struct point at)
{
	for (unsigned i = 0; i + 1 < n; i++)
		if (c[i].x <= at.x && at.x <= c[i + 1].x && c[i].x < c[i + 1].x &&
		    sign * turn(c[i], c[i + 1], at) < 0)
			return true;
	return false;
}

static void fill_view(const struct support *s, struct support_view *v)
{
	struct point p[2 * SUPPORT_SIDE_MAX], low[2 * SUPPORT_SIDE_MAX], high[2 * SUPPORT_SIDE_MAX];
	unsigned n = ends_of_columns(s, v, p), lows, highs;
	int side = (int)s->side;

	if (n < 2 || p[0].x == p[n - 1].x)
		return;
	lows = chain(p, n, 1, low);
	highs = chain(p, n, -1, high);
	for (int x = p[0].x; x <= p[n - 1].x; x++)
		for (int y = 0; y < side; y++)
			if (!is_beyond(low, lows, 1, (struct point){ x, y }) &&
			    !is_beyond(high, highs, -1, (struct point){ x, y }))
				bit_set(v->bits, (size_t)(y * side + x));
}

void support_fill(struct support *s)
{
	for (unsigned i = 0; i < s->n_views; i++)
		if (s->view[i].x != s->view[i].y)
			fill_view(s, &s->view[i]);
}
