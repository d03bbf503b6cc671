#ifndef PACKAGE_SUPPORT_H
#define PACKAGE_SUPPORT_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>

/* Where the records of a sampler lie inside the box of a package's domain.
 *
 *   axis   a number of a record, cut into `side` equal cells from lo to hi: an element of it, or a
 *          statistic over all elements
 *   view   one axis or two, and a bit for each of their cells: records come here
 *
 * A record is inside when every view says so; a view with a value beyond its axis, or without
 * one (NaN), says no. What only three or more elements together give away is seen by the
 * statistics alone.
 *
 * Blob, little endian: u8 version = 1, u8 side, u16 axes, u16 views, u16 0; axis: u8 kind, u8 0,
 * u16 0, u32 element (0 of a statistic), f64 lo, hi, floor; view: u16 x, u16 y (y = x: one axis),
 * then side or side * side bits, x the faster, the first bit the lowest of a byte, filled up
 * with zeros. */
enum support_kind {
	SUPPORT_ELEMENT = 1,
	SUPPORT_LEVEL = 2, /* root of the mean square */
	SUPPORT_MEAN = 3,
	SUPPORT_SPREAD = 4, /* log2(floor + variance) */
	SUPPORT_STEP = 5, /* log2(floor + mean square of the difference of neighbours) */
};

enum {
	SUPPORT_VERSION = 1,
	SUPPORT_AXES_MAX = 32,
	SUPPORT_VIEWS_MAX = 512,
	SUPPORT_SIDE_MIN = 2,
	SUPPORT_SIDE_MAX = 64,
	SUPPORT_NO_CELL = 255,
	SUPPORT_PAIRED_MAX = 24, /* longer records are looked at by their statistics */
};

struct support_axis {
	enum support_kind kind;
	uint32_t element;
	double lo, hi, floor;
	double scale; /* cells for a unit; worked out of the rest */
};

struct support_view {
	uint16_t x, y;
	uint8_t *bits; /* owned */
};

struct support {
	enum harvest_dtype dtype; /* of a record's elements */
	uint32_t elements;
	unsigned side, n_axes, n_views;
	struct support_axis axis[SUPPORT_AXES_MAX];
	struct support_view view[SUPPORT_VIEWS_MAX];
};

/* Empty, to be filled: axes, views, then records. NULL: no memory. */
struct support *support_new(enum harvest_dtype dtype, uint32_t elements, unsigned side);
void support_free(struct support *s); /* NULL is fine */
/* The index of the new one, or HV_E_BUSY, HV_E_NOMEM. */
HV_NODISCARD int support_axis_add(struct support *s, const struct support_axis *a);
HV_NODISCARD int support_view_add(struct support *s, uint16_t x, uint16_t y);
/* Out with view i; those behind it move up. */
void support_view_drop(struct support *s, unsigned i);

/* No cell is marked. */
void support_clear(struct support *s);
/* A record comes here: in every view. */
void support_mark(struct support *s, const void *record);
/* The cells around marked ones are marked too. HV_E_NOMEM. */
HV_NODISCARD int support_dilate(struct support *s);
/* Everything between marked cells is marked: the convex hull, of views of two axes. */
void support_fill(struct support *s);

/* Value of an axis; NaN: it has none. */
double support_value(const struct support *s, const struct support_axis *a, const void *record);
/* The cell of every axis into cell[n_axes], SUPPORT_NO_CELL: beyond it. */
void support_cells(const struct support *s, const void *record, uint8_t *cell);
bool support_view_holds(const struct support *s, unsigned view, const uint8_t *cell);
/* The first of n packed records that lies outside; n: none does. */
size_t support_outside(const struct support *s, const void *records, size_t n);

size_t support_view_cells(const struct support *s, const struct support_view *v);
/* Cells of a view where records come. */
size_t support_view_marked(const struct support *s, const struct support_view *v);

/* A checked support of a blob, returned owned. HV_E_FORMAT with a sentence in why, HV_E_VERSION,
 * HV_E_NOMEM. */
HV_NODISCARD int support_parse(const void *blob, size_t len, enum harvest_dtype dtype,
			       uint32_t elements, struct support **s, char *why, size_t cap);
/* The blob, returned owned. HV_E_NOMEM. */
HV_NODISCARD int support_encode(const struct support *s, uint8_t **blob, size_t *len);
const char *support_kind_text(enum support_kind kind); /* "spread" */
/* "64 cells a side; x0 50 %, x0*x1 20 %", cut to fit; returns to. */
char *support_text(const struct support *s, char *to, size_t cap);

#endif
