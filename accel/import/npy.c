#include "accel/import/npy.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 4096, ALIGN = 64 };

__attribute__((format(printf, 3, 4))) static int bad(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return HV_E_FORMAT;
}

/* The header is a dictionary literal of Python. A cursor over its text. */
struct text {
	const char *p, *end;
};

static void skip_blanks(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\n' || *t->p == '\t'))
		t->p++;
}

/* Past the word when it comes next. */
static bool accept(struct text *t, const char *word)
{
	size_t n = strlen(word);

	skip_blanks(t);
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

/* A quoted string of exactly three characters: all that a number's type is. */
static bool accept_descr(struct text *t, char descr[3])
{
	char quote;

	skip_blanks(t);
	if (t->end - t->p < 5)
		return false;
	quote = t->p[0];
	if ((quote != '\'' && quote != '"') || t->p[4] != quote)
		return false;
	memcpy(descr, t->p + 1, 3);
	t->p += 5;
	return true;
}

static bool accept_size(struct text *t, size_t *v)
{
	size_t value = 0;

	skip_blanks(t);
	if (t->p >= t->end || *t->p < '0' || *t->p > '9')
		return false;
	for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++) {
		value = value * 10 + (size_t)(*t->p - '0');
		if (value > NPY_MAX_BYTES)
			return false;
	}
	*v = value;
	return true;
}

static bool accept_shape(struct text *t, struct npy *n)
{
	n->ndim = 0;
	if (!accept(t, "("))
		return false;
	while (!accept(t, ")")) {
		if (n->ndim == NPY_DIMS_MAX || !accept_size(t, &n->shape[n->ndim]))
			return false;
		n->ndim++;
		if (!accept(t, ",")) {
			if (!accept(t, ")"))
				return false;
			break;
		}
	}
	return true;
}

static int take_type(const char d[3], struct npy *n, char *why, size_t cap)
{
	static const char known[][4] = { "<f8", "<f4", "<i8", "<i4", "<i2",
					 "|i1", "<u8", "<u4", "<u2", "|u1" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (memcmp(known[i], d, 3) == 0) {
			n->kind = d[1];
			n->item_bytes = (unsigned)(d[2] - '0');
			return HV_OK;
		}
	for (int i = 0; i < 3; i++)
		if (d[i] < 0x20 || d[i] > 0x7e)
			return bad(why, cap, "array type cannot be printed");
	return bad(why, cap,
		   "array type '%.3s' is not supported: convert it to little-endian int8 to int64, "
		   "uint8 to uint64, float32 or float64",
		   d);
}

/* One "key: value," of the dictionary; *seen gets its bit. */
static int take_entry(struct text *t, struct npy *n, unsigned *seen, char *why, size_t cap)
{
	char descr[3];

	if (accept(t, "'descr'") || accept(t, "\"descr\"")) {
		*seen |= 1;
		if (!accept(t, ":") || !accept_descr(t, descr))
			return bad(why, cap, "'descr' in the array's header is no plain type");
		return take_type(descr, n, why, cap);
	}
	if (accept(t, "'fortran_order'") || accept(t, "\"fortran_order\"")) {
		*seen |= 2;
		if (!accept(t, ":") || !accept(t, "False"))
			return bad(why, cap,
				   "array is in Fortran order: save it with "
				   "numpy.ascontiguousarray()");
		return HV_OK;
	}
	if (accept(t, "'shape'") || accept(t, "\"shape\"")) {
		*seen |= 4;
		if (!accept(t, ":") || !accept_shape(t, n))
			return bad(why, cap, "'shape' in the array's header is not 0 to %d sizes",
				   NPY_DIMS_MAX);
		return HV_OK;
	}
	return bad(why, cap, "array's header has an unknown entry");
}

static int take_header(struct text *t, struct npy *n, char *why, size_t cap)
{
	unsigned seen = 0;
	int r;

	if (!accept(t, "{"))
		return bad(why, cap, "array's header is no dictionary");
	while (!accept(t, "}")) {
		r = take_entry(t, n, &seen, why, cap);
		if (r < 0)
			return r;
		if (!accept(t, ",")) {
			if (!accept(t, "}"))
				return bad(why, cap, "array's header does not end");
			break;
		}
	}
	skip_blanks(t);
	if (seen != 7 || t->p != t->end)
		return bad(why, cap, "array's header lacks descr, fortran_order or shape");
	return HV_OK;
}

int npy_parse(const uint8_t *bytes, size_t len, struct npy *n, char *why, size_t cap)
{
	struct hv_rd r = hv_rd_init(bytes, len);
	const uint8_t *magic = hv_rd_bytes(&r, 6), *header;
	uint8_t major = hv_rd_u8(&r), minor = hv_rd_u8(&r);
	size_t header_len, want;
	struct npy t = { .items = 1 };
	struct text text;
	int err;

	if (magic == NULL || memcmp(magic, "\x93NUMPY", 6) != 0)
		return bad(why, cap, "not an .npy file: does not begin with \\x93NUMPY");
	if (major < 1 || major > 3 || minor != 0)
		return bad(why, cap, ".npy version %u.%u is not known", major, minor);
	header_len = major == 1 ? hv_rd_u16(&r) : hv_rd_u32(&r);
	header = header_len <= HEADER_MAX ? hv_rd_bytes(&r, header_len) : NULL;
	if (header == NULL)
		return bad(why, cap, "array's header of %zu bytes is cut short or too long",
			   header_len);
	text = (struct text){ (const char *)header, (const char *)header + header_len };
	err = take_header(&text, &t, why, cap);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < t.ndim; i++)
		if (__builtin_mul_overflow(t.items, t.shape[i], &t.items))
			return bad(why, cap, "array's shape is too large");
	if (__builtin_mul_overflow(t.items, t.item_bytes, &want) || want != hv_rd_left(&r))
		return bad(why, cap, "array has %zu bytes of data, its shape wants %zu items of %u",
			   hv_rd_left(&r), t.items, t.item_bytes);
	t.data = hv_rd_bytes(&r, want);
	*n = t;
	return HV_OK;
}

double npy_value(const struct npy *n, size_t i)
{
	const uint8_t *at = n->data + n->item_bytes * i;
	uint64_t raw = 0;
	float f32;
	double f64;
	uint32_t low;

	for (unsigned b = 0; b < n->item_bytes; b++)
		raw |= (uint64_t)at[b] << 8 * b;
	if (n->kind == 'u')
		return (double)raw;
	if (n->kind == 'i') {
		uint64_t sign = UINT64_C(1) << (8 * n->item_bytes - 1);

		return (double)(int64_t)((raw ^ sign) - sign);
	}
	if (n->item_bytes == 4) {
		low = (uint32_t)raw;
		memcpy(&f32, &low, sizeof(f32));
		return f32;
	}
	memcpy(&f64, &raw, sizeof(f64));
	return f64;
}

/* The dictionary, padded so that the data begins at a multiple of ALIGN. */
static size_t make_header(const struct npy *n, char *to, size_t cap)
{
	size_t used = 0;

	used += (size_t)snprintf(to, cap, "{'descr': '%c%c%u', 'fortran_order': False, 'shape': (",
				 n->item_bytes == 1 ? '|' : '<', n->kind, n->item_bytes);
	for (unsigned i = 0; i < n->ndim; i++)
		used += (size_t)snprintf(to + used, cap - used, "%zu,%s", n->shape[i],
					 i + 1 < n->ndim ? " " : "");
	used += (size_t)snprintf(to + used, cap - used, "), }");
	while ((10 + used + 1) % ALIGN != 0)
		to[used++] = ' ';
	to[used++] = '\n';
	return used;
}

int npy_encode(const struct npy *n, uint8_t **bytes, size_t *len)
{
	char header[512];
	size_t header_len = make_header(n, header, sizeof(header) - ALIGN);
	size_t data_len = n->items * n->item_bytes;
	uint8_t *out = malloc(10 + header_len + data_len);
	struct hv_wr w;

	if (out == NULL)
		return HV_E_NOMEM;
	w = hv_wr_init(out, 10 + header_len + data_len);
	hv_wr_bytes(&w, "\x93NUMPY\x01\x00", 8);
	hv_wr_u16(&w, (uint16_t)header_len);
	hv_wr_bytes(&w, header, header_len);
	hv_wr_bytes(&w, n->data, data_len);
	*bytes = out;
	*len = hv_wr_len(&w);
	return HV_OK;
}
