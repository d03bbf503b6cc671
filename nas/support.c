#include "nas/support.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include "util/rng.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* What a drawing of records is worth: a power of two of them, by the length of a record. */
enum {
	SIDE = 64, /* cells, half as many with many views; halved while fresh records come
		      outside */
	SIDE_ELEMENTS = 8, /* of a record with few views */
	SIDE_LEAST = 8,
	SHUFFLED = 8192,
	SHUFFLED_OUT = 8, /* a view that shuts out fewer of them says nothing new */
	RECORDS_LEAST = 1 << 12,
	RARE = 1 << 16, /* one fresh record in so many may be outside, a cell before the rim */
	WIDER_MOST = 3,
};
static const double draw_s = 120; /* a slow plug-in's records get fewer rather than take longer */
/* Even records of the box may be answered so much worse than certified; beyond, a support has to
 * make them better by so much. */
static const double hollow = 1.5, helping = 0.67;
static const double margin = 1.0 / 64; /* of a range that is only known from records */

/* Records of the training and the validation stream. */
struct draws {
	const struct harvest_task *task;
	size_t bytes, n;
	uint8_t *train, *fresh;
};

static size_t records_of(const struct harvest_task *t)
{
	size_t n = tensor_elements(&t->in);

	return n <= SUPPORT_PAIRED_MAX ? 1u << 18 : n <= 256 ? 1u << 15 : 1u << 12;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Only a sampler that takes a hundred times longer than any built in is cut short. */
static int draw(struct draws *d, const struct harvest_task *t)
{
	size_t n = records_of(t);
	double begin = seconds();

	*d = (struct draws){ .task = t, .bytes = tensor_bytes(&t->in) };
	d->train = malloc(n * d->bytes);
	d->fresh = malloc(n * d->bytes);
	if (d->train == NULL || d->fresh == NULL)
		return HV_E_NOMEM;
	/* One stream after the other: a sampler may keep what neighbouring records share. */
	for (d->n = 0; d->n < n; d->n++) {
		t->sample(1, d->n, d->train + d->n * d->bytes);
		if (d->n == RECORDS_LEAST)
			while (n > RECORDS_LEAST &&
			       (seconds() - begin) * (double)n > draw_s * RECORDS_LEAST)
				n /= 2;
	}
	for (size_t i = 0; i < d->n; i++)
		t->sample(2, i, d->fresh + i * d->bytes);
	return HV_OK;
}

static void draws_clear(struct draws *d)
{
	free(d->train);
	free(d->fresh);
}

/* ---- the box ---- */

static void type_range(enum harvest_dtype t, double *lo, double *hi)
{
	switch (t) {
	case HARVEST_S8: *lo = -128, *hi = 127; return;
	case HARVEST_U8: *lo = 0, *hi = 255; return;
	case HARVEST_S16: *lo = INT16_MIN, *hi = INT16_MAX; return;
	case HARVEST_U16: *lo = 0, *hi = UINT16_MAX; return;
	case HARVEST_S32: *lo = INT32_MIN, *hi = INT32_MAX; return;
	case HARVEST_F32: *lo = -(double)FLT_MAX, *hi = (double)FLT_MAX; return;
	case HARVEST_F64: *lo = -DBL_MAX / 4, *hi = DBL_MAX / 4; return;
	}
}

static void widen(double *pair, double v)
{
	pair[0] = v < pair[0] ? v : pair[0];
	pair[1] = v > pair[1] ? v : pair[1];
}

static void see(const struct draws *d, const uint8_t *records, double *v, double *box, size_t n)
{
	for (size_t i = 0; i < d->n; i++) {
		tensor_to_double(&d->task->in, records + i * d->bytes, v);
		for (size_t e = 0; e < n; e++)
			widen(box + 2 * e, v[e]);
	}
}

/* What records have shown, and a little more, so that the next one is not the first outside. */
static int box_of_records(struct package *p, const struct draws *d)
{
	size_t n = tensor_elements(&d->task->in);
	hv_autofree double *v = malloc(n * sizeof(*v));
	double lo = 0, hi = 0;

	if (v == NULL)
		return HV_E_NOMEM;
	for (size_t e = 0; e < n; e++)
		p->domain[2 * e] = INFINITY, p->domain[2 * e + 1] = -INFINITY;
	see(d, d->train, v, p->domain, n);
	see(d, d->fresh, v, p->domain, n);
	type_range(d->task->in.dtype, &lo, &hi);
	for (size_t e = 0; e < n; e++) {
		double *pair = p->domain + 2 * e, more = margin * (pair[1] - pair[0]);

		if (d->task->in.dtype < HARVEST_F32)
			more = ceil(more);
		pair[0] = fmax(lo, pair[0] - more);
		pair[1] = fmin(hi, pair[1] + more);
	}
	return HV_OK;
}

static int box(struct package *p, const struct draws *d)
{
	const struct harvest_task *t = d->task;
	bool told = HARVEST_TASK_HAS(t, domain_count) && t->domain_count > 0;
	uint32_t n = told ? t->domain_count : (uint32_t)tensor_elements(&t->in);

	free(p->domain);
	p->domain = calloc(2 * n, sizeof(*p->domain));
	if (p->domain == NULL)
		return HV_E_NOMEM;
	p->n_domain = n;
	for (uint32_t i = 0; told && i < n; i++) {
		p->domain[2 * i] = t->domain[i].lo;
		p->domain[2 * i + 1] = t->domain[i].hi;
	}
	return told ? HV_OK : box_of_records(p, d);
}

/* ---- the support ---- */

/* Range of a statistic over all records, a cell wider at both ends. */
static struct support_axis statistic(const struct support *s, const struct draws *d,
				     enum support_kind kind, double floor)
{
	struct support_axis a = { .kind = kind, .floor = floor };
	double pair[2] = { INFINITY, -INFINITY }, cell;

	for (size_t i = 0; i < d->n; i++) {
		widen(pair, support_value(s, &a, d->train + i * d->bytes));
		widen(pair, support_value(s, &a, d->fresh + i * d->bytes));
	}
	cell = (pair[1] - pair[0]) / (s->side - 2);
	a.lo = pair[0] - cell;
	a.hi = pair[1] + cell;
	return a;
}

/* Every element, every pair of them, and the level of three and more. */
static int pairs(struct support *s, const struct package *p, const struct draws *d)
{
	size_t step = p->n_domain > 1 ? 2 : 0;
	int r = HV_OK;

	for (uint32_t e = 0; e < s->elements && r >= 0; e++) {
		struct support_axis a = { .kind = SUPPORT_ELEMENT,
					  .element = e,
					  .lo = p->domain[step * e],
					  .hi = p->domain[step * e + 1] };

		r = support_axis_add(s, &a);
	}
	if (r >= 0 && s->elements > 2) {
		struct support_axis a = statistic(s, d, SUPPORT_LEVEL, 0);

		r = isfinite(a.hi - a.lo) ? support_axis_add(s, &a) : HV_OK;
	}
	for (uint16_t x = 0; x < s->n_axes && r >= 0; x++)
		for (uint16_t y = x; y < s->n_axes && r >= 0; y++)
			if (x == y || s->axis[y].kind == SUPPORT_ELEMENT)
				r = support_view_add(s, x, y);
	return r < 0 ? r : HV_OK;
}

/* Spread against mean and against the steps between neighbours. */
static int statistics(struct support *s, const struct package *p, const struct draws *d)
{
	static const enum support_kind kind[] = { SUPPORT_SPREAD, SUPPORT_MEAN, SUPPORT_STEP };
	double width = p->domain[1] - p->domain[0];
	double floor = d->task->in.dtype < HARVEST_F32 ? 1 : width * width * 0x1p-32;
	int r = HV_OK;

	for (size_t i = 0; i < HV_ARRAY_SIZE(kind) && r >= 0; i++) {
		bool logs = kind[i] != SUPPORT_MEAN;
		struct support_axis a = statistic(s, d, kind[i], !logs ? 0 : floor > 0 ? floor : 1);

		r = isfinite(a.hi - a.lo) ? support_axis_add(s, &a) : HV_E_NOENT;
	}
	for (uint16_t y = 1; y < s->n_axes && r >= 0; y++)
		r = support_view_add(s, 0, y);
	return r < 0 ? r : HV_OK;
}

static size_t outsiders(const struct support *s, const struct draws *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += support_outside(s, d->fresh + i * d->bytes, 1) == 0;
	return n;
}

/* A record put together of the elements of others: as if they had nothing to do with each
 * other. */
static void shuffle(const struct draws *d, struct hv_rng *r, uint8_t *to)
{
	size_t n = tensor_elements(&d->task->in), item = d->bytes / n;

	for (size_t e = 0; e < n; e++)
		memcpy(to + e * item,
		       d->train + hv_rng_below(r, (uint32_t)d->n) * d->bytes + e * item, item);
}

/* Views that shut nothing out, and those of elements and their level that the elements alone
 * explain: an empty corner of two independent ones is rare and not foreign. */
static int drop_idle(struct support *s, const struct draws *d)
{
	hv_autofree uint8_t *record = malloc(d->bytes);
	hv_autofree uint32_t *out = calloc(SUPPORT_VIEWS_MAX, sizeof(*out));
	uint8_t cell[SUPPORT_AXES_MAX];
	struct hv_rng r;

	if (record == NULL || out == NULL)
		return HV_E_NOMEM;
	hv_rng_seed(&r, 1);
	for (int i = 0; i < SHUFFLED; i++) {
		shuffle(d, &r, record);
		support_cells(s, record, cell);
		for (unsigned v = 0; v < s->n_views; v++)
			out[v] += !support_view_holds(s, v, cell);
	}
	for (unsigned v = s->n_views; v-- > 0;) {
		const struct support_view *at = &s->view[v];
		bool alone = (at->x == at->y && s->axis[at->x].kind == SUPPORT_ELEMENT) ||
			     s->elements > SUPPORT_PAIRED_MAX;

		if (support_view_marked(s, at) == support_view_cells(s, at) ||
		    (!alone && out[v] < SHUFFLED_OUT))
			support_view_drop(s, v);
	}
	return HV_OK;
}

/* Axes that no view looks at go. */
static int trim(struct support *s)
{
	struct support_axis axis[SUPPORT_AXES_MAX];
	uint16_t now[SUPPORT_AXES_MAX] = { 0 };
	bool used[SUPPORT_AXES_MAX] = { false };
	unsigned n = s->n_axes;
	int r = HV_OK;

	for (unsigned v = 0; v < s->n_views; v++)
		used[s->view[v].x] = used[s->view[v].y] = true;
	memcpy(axis, s->axis, sizeof(axis));
	s->n_axes = 0;
	for (unsigned i = 0; i < n && r >= 0; i++) {
		now[i] = (uint16_t)s->n_axes;
		if (used[i])
			r = support_axis_add(s, &axis[i]);
	}
	for (unsigned v = 0; v < s->n_views; v++) {
		s->view[v].x = now[s->view[v].x];
		s->view[v].y = now[s->view[v].y];
	}
	return r < 0 ? r : HV_OK;
}

/* The views that are worth it. */
static int choose_views(struct support *s, const struct package *p, const struct draws *d)
{
	bool paired = s->elements <= SUPPORT_PAIRED_MAX;
	int r = paired ? pairs(s, p, d) : statistics(s, p, d);

	for (size_t i = 0; r == HV_OK && i < d->n; i++)
		support_mark(s, d->train + i * d->bytes);
	if (r == HV_OK)
		r = support_dilate(s);
	if (r == HV_OK)
		r = drop_idle(s, d);
	return r == HV_OK ? trim(s) : r;
}

/* Tails are thin: a cell further out is as many times rarer as the one before. So cells are marked
 * one wider until next to no fresh record is outside, and then once more. */
static int grow(struct support *s, const struct draws *d, bool *holds)
{
	bool paired = s->elements <= SUPPORT_PAIRED_MAX;
	int r = HV_OK;

	support_clear(s);
	for (size_t i = 0; i < d->n; i++)
		support_mark(s, d->train + i * d->bytes);
	if (!paired) { /* few records of many elements: their hull, with a margin */
		support_fill(s);
		r = support_dilate(s);
	}
	for (int i = 0; r == HV_OK && i < WIDER_MOST && outsiders(s, d) > d->n / RARE; i++)
		r = support_dilate(s);
	if (r == HV_OK)
		r = support_dilate(s);
	*holds = r == HV_OK && outsiders(s, d) == 0;
	return r;
}

/* One try with cells of a size. NULL in *to: every record of the box is inside, or not *holds. */
static int mark(const struct package *p, const struct draws *d, unsigned side, struct support **to,
		bool *holds)
{
	struct support *s =
		support_new(d->task->in.dtype, (uint32_t)tensor_elements(&d->task->in), side);
	int r = s == NULL ? HV_E_NOMEM : choose_views(s, p, d);

	*to = NULL;
	*holds = true;
	if (r == HV_OK && s->n_views > 0)
		r = grow(s, d, holds);
	if (r == HV_OK && s->n_views > 0 && *holds)
		*to = s;
	else
		support_free(s);
	return r == HV_E_NOENT ? HV_OK : r;
}

static int support(struct package *p, const struct draws *d)
{
	size_t n = tensor_elements(&d->task->in);
	bool holds = false;
	int r = HV_OK;

	for (unsigned side = n <= SIDE_ELEMENTS ? SIDE : SIDE / 2;
	     side >= SIDE_LEAST && r == HV_OK && !holds; side /= 2)
		r = mark(p, d, side, &p->support, &holds);
	return r;
}

/* The metric as an error relative to that of the certificate. */
static double worse_by(const struct package *p, const struct harvest_task *t, double figure)
{
	if (t->metric == HARVEST_SNR_DB)
		return pow(10, (p->cert.certified - figure) / 20);
	return p->cert.certified > 0 ? figure / p->cert.certified : INFINITY;
}

/* Answers in the box are worse than certified. */
static bool is_hollow(const struct package *p, const struct harvest_task *t,
		      const struct nas_probe *probe)
{
	return !(worse_by(p, t, probe->box) <= hollow);
}

/* Of a support that lets in what is wrong all the same, nobody has anything but refusals. */
static bool helps(const struct package *p, const struct harvest_task *t,
		  const struct nas_probe *probe)
{
	return probe->inside == 0 ||
	       worse_by(p, t, probe->support) <= helping * worse_by(p, t, probe->box);
}

static int support_if_it_helps(struct package *p, struct draws *d)
{
	struct nas_probe probe;
	uint64_t records = nas_probes(d->task);
	int r = nas_probe(p, d->task, NAS_PROBE_SEED, records, &probe);

	if (r < 0 || !is_hollow(p, d->task, &probe))
		return r;
	if (d->n == 0)
		r = draw(d, d->task);
	if (r == HV_OK)
		r = support(p, d);
	if (r == HV_OK && p->support != NULL)
		r = nas_probe(p, d->task, NAS_PROBE_SEED, records, &probe);
	if (r == HV_OK && p->support != NULL && !helps(p, d->task, &probe)) {
		support_free(p->support);
		p->support = NULL;
	}
	return r;
}

int nas_domain(struct package *p, const struct harvest_task *task)
{
	bool told = HARVEST_TASK_HAS(task, domain_count) && task->domain_count > 0;
	struct draws d = { .task = task };
	int r = told ? HV_OK : draw(&d, task);

	if (r == HV_OK)
		r = box(p, &d);
	support_free(p->support);
	p->support = NULL;
	if (r == HV_OK)
		r = support_if_it_helps(p, &d);
	draws_clear(&d);
	return r;
}
