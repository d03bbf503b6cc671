#include "accel/package/check.h"
#include "accel/package/support.h"
#include "util/blob_f64.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HEAD_BYTES = 8, AXIS_BYTES = 32, VIEW_HEAD_BYTES = 4 };

static size_t view_bytes(const struct support *s, const struct support_view *v)
{
	return (support_view_cells(s, v) + 7) / 8;
}

static int parse_axis(struct hv_rd *r, struct support *s, char *why, size_t cap)
{
	struct support_axis a = { .kind = (enum support_kind)hv_rd_u8(r) };
	unsigned i = s->n_axes;
	bool logs;

	(void)hv_rd_bytes(r, 3);
	a.element = hv_rd_u32(r);
	a.lo = hv_rd_f64(r);
	a.hi = hv_rd_f64(r);
	a.floor = hv_rd_f64(r);
	if (!r->ok)
		return package_refuse(HV_E_FORMAT, why, cap, "support ends within axis %u", i);
	if (a.kind < SUPPORT_ELEMENT || a.kind > SUPPORT_STEP)
		return package_refuse(HV_E_FORMAT, why, cap, "support: axis %u has unknown kind %d",
				      i, (int)a.kind);
	if (a.kind != SUPPORT_ELEMENT && a.element != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "support: axis %u, a statistic, names element %u", i,
				      a.element);
	if (a.kind == SUPPORT_ELEMENT && a.element >= s->elements)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "support: axis %u is of element %u, a record has %u", i,
				      a.element, s->elements);
	logs = a.kind == SUPPORT_SPREAD || a.kind == SUPPORT_STEP;
	if (!isfinite(a.lo) || !isfinite(a.hi) || !isfinite(a.hi - a.lo) || a.lo > a.hi ||
	    !(logs ? a.floor > 0 && isfinite(a.floor) : a.floor == 0))
		return package_refuse(HV_E_FORMAT, why, cap,
				      "support: axis %u from %g to %g, floor %g, is no range", i,
				      a.lo, a.hi, a.floor);
	return support_axis_add(s, &a) < 0 ? HV_E_NOMEM : HV_OK;
}

static int parse_view(struct hv_rd *r, struct support *s, char *why, size_t cap)
{
	uint16_t x = hv_rd_u16(r), y = hv_rd_u16(r);
	const uint8_t *bits;
	unsigned i = s->n_views, spare;
	struct support_view *v;
	size_t n;

	if (!r->ok || x >= s->n_axes || y >= s->n_axes)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "support: view %u is of axes %u and %u, there are %u", i, x,
				      y, s->n_axes);
	if (support_view_add(s, x, y) < 0)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	v = &s->view[i];
	n = view_bytes(s, v);
	bits = hv_rd_bytes(r, n);
	if (bits == NULL)
		return package_refuse(HV_E_FORMAT, why, cap, "support ends within view %u", i);
	memcpy(v->bits, bits, n);
	spare = (unsigned)(8 * n - support_view_cells(s, v));
	if (spare > 0 && bits[n - 1] >> (8 - spare) != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "support: view %u has bits of cells that it does not have",
				      i);
	if (support_view_marked(s, v) == 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "support: view %u shuts out every record", i);
	return HV_OK;
}

static int parse_parts(struct hv_rd *r, struct support *s, unsigned axes, unsigned views, char *why,
		       size_t cap)
{
	int err = HV_OK;

	for (unsigned i = 0; i < axes && err == HV_OK; i++)
		err = parse_axis(r, s, why, cap);
	for (unsigned i = 0; i < views && err == HV_OK; i++)
		err = parse_view(r, s, why, cap);
	if (err == HV_OK && !hv_rd_done(r))
		err = package_refuse(HV_E_FORMAT, why, cap, "support has %zu bytes too many",
				     hv_rd_left(r));
	return err;
}

int support_parse(const void *blob, size_t len, enum harvest_dtype dtype, uint32_t elements,
		  struct support **to, char *why, size_t cap)
{
	struct hv_rd r = hv_rd_init(blob, len);
	unsigned version = hv_rd_u8(&r), side = hv_rd_u8(&r);
	unsigned axes = hv_rd_u16(&r), views = hv_rd_u16(&r), zero = hv_rd_u16(&r);
	struct support *s;
	int err;

	if (r.ok && version != SUPPORT_VERSION)
		return package_refuse(HV_E_VERSION, why, cap,
				      "support has version %u, this program reads version %d",
				      version, SUPPORT_VERSION);
	if (!r.ok || zero != 0 || side < SUPPORT_SIDE_MIN || side > SUPPORT_SIDE_MAX || axes < 1 ||
	    axes > SUPPORT_AXES_MAX || views < 1 || views > SUPPORT_VIEWS_MAX)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "support of %zu bytes has %u axes, %u views and %u cells a "
				      "side, not 1 to %d, 1 to %d and %d to %d",
				      len, axes, views, side, SUPPORT_AXES_MAX, SUPPORT_VIEWS_MAX,
				      SUPPORT_SIDE_MIN, SUPPORT_SIDE_MAX);
	s = support_new(dtype, elements, side);
	if (s == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	err = parse_parts(&r, s, axes, views, why, cap);
	if (err < 0)
		support_free(s);
	else
		*to = s;
	return err;
}

static size_t blob_bytes(const struct support *s)
{
	size_t n = HEAD_BYTES + (size_t)AXIS_BYTES * s->n_axes;

	for (unsigned i = 0; i < s->n_views; i++)
		n += VIEW_HEAD_BYTES + view_bytes(s, &s->view[i]);
	return n;
}

int support_encode(const struct support *s, uint8_t **blob, size_t *len)
{
	size_t n = blob_bytes(s);
	uint8_t *bytes = malloc(n);
	struct hv_wr w = hv_wr_init(bytes, n);

	if (bytes == NULL)
		return HV_E_NOMEM;
	hv_wr_u8(&w, SUPPORT_VERSION);
	hv_wr_u8(&w, (uint8_t)s->side);
	hv_wr_u16(&w, (uint16_t)s->n_axes);
	hv_wr_u16(&w, (uint16_t)s->n_views);
	hv_wr_u16(&w, 0);
	for (unsigned i = 0; i < s->n_axes; i++) {
		hv_wr_u32(&w, s->axis[i].kind);
		hv_wr_u32(&w, s->axis[i].element);
		hv_wr_f64(&w, s->axis[i].lo);
		hv_wr_f64(&w, s->axis[i].hi);
		hv_wr_f64(&w, s->axis[i].floor);
	}
	for (unsigned i = 0; i < s->n_views; i++) {
		const struct support_view *v = &s->view[i];

		hv_wr_u16(&w, v->x);
		hv_wr_u16(&w, v->y);
		hv_wr_bytes(&w, v->bits, view_bytes(s, v));
	}
	*blob = bytes;
	*len = n;
	return HV_OK;
}

const char *support_kind_text(enum support_kind kind)
{
	static const char *const name[] = { [SUPPORT_ELEMENT] = "element",
					    [SUPPORT_LEVEL] = "level",
					    [SUPPORT_MEAN] = "mean",
					    [SUPPORT_SPREAD] = "spread",
					    [SUPPORT_STEP] = "step" };

	return name[kind];
}

static int axis_text(const struct support_axis *a, char *to, size_t cap)
{
	if (a->kind == SUPPORT_ELEMENT)
		return snprintf(to, cap, "x%u", a->element);
	return snprintf(to, cap, "%s", support_kind_text(a->kind));
}

char *support_text(const struct support *s, char *to, size_t cap)
{
	char x[16], y[16];
	int n = snprintf(to, cap, "%u cells a side;", s->side);

	for (unsigned i = 0; i < s->n_views && n >= 0 && (size_t)n < cap; i++) {
		const struct support_view *v = &s->view[i];

		axis_text(&s->axis[v->x], x, sizeof(x));
		axis_text(&s->axis[v->y], y, sizeof(y));
		n += snprintf(to + n, cap - (size_t)n, "%s %s%s%s %.0f %%", i > 0 ? "," : "", x,
			      v->x != v->y ? "*" : "", v->x != v->y ? y : "",
			      100 * (double)support_view_marked(s, v) /
				      (double)support_view_cells(s, v));
	}
	return to;
}
