#include "client/ctl/in/samples.h"
#include "util/fs/rd.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

/* NumPy's file format, versions 1 to 3: magic, version, header length, a Python dictionary of
 * three known keys as text, then the array. Only what the dictionary may say is understood. */
enum { NPY_HEADER_MAX = 4096 };

/* Cursor over the dictionary. */
struct text {
	const char *p, *end;
};

static void skip_space(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\n' || *t->p == '\t'))
		t->p++;
}

static bool take(struct text *t, const char *word)
{
	size_t n = strlen(word);

	skip_space(t);
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

/* 'text' in either quotes, into to. */
static bool take_quoted(struct text *t, char *to, size_t cap)
{
	char quote;
	size_t n = 0;

	skip_space(t);
	if (t->p == t->end || (*t->p != '\'' && *t->p != '"'))
		return false;
	quote = *t->p++;
	while (t->p < t->end && *t->p != quote && n + 1 < cap)
		to[n++] = *t->p++;
	to[n] = '\0';
	if (t->p == t->end || *t->p != quote)
		return false;
	t->p++;
	return true;
}

static bool take_number(struct text *t, uint64_t *to)
{
	uint64_t v = 0;
	const char *start;

	skip_space(t);
	for (start = t->p; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*t->p - '0');
	}
	*to = v;
	return t->p > start;
}

static bool take_shape(struct text *t, struct samples *s)
{
	if (!take(t, "("))
		return false;
	while (!take(t, ")")) {
		if (s->ndim == SAMPLES_MAX_DIMS - 1 || !take_number(t, &s->shape[s->ndim]))
			return false;
		s->ndim++;
		if (!take(t, ",") && (skip_space(t), t->p == t->end || *t->p != ')'))
			return false;
	}
	return true;
}

/* clang-format off */
static const struct {
	const char *descr;
	enum harvest_dtype dtype;
	uint32_t parts; /* complex numbers are two */
} types[] = {
	{ "|i1", HARVEST_S8, 1 },  { "|u1", HARVEST_U8, 1 },  { "<i2", HARVEST_S16, 1 },
	{ "<u2", HARVEST_U16, 1 }, { "<i4", HARVEST_S32, 1 }, { "<f4", HARVEST_F32, 1 },
	{ "<f8", HARVEST_F64, 1 }, { "<c8", HARVEST_F32, 2 }, { "<c16", HARVEST_F64, 2 },
};
/* clang-format on */

static int take_type(struct samples *s, const char *descr, uint32_t *parts, struct reason *why)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].descr, descr) != 0)
			continue;
		s->dtype = types[i].dtype;
		*parts = types[i].parts;
		return HV_OK;
	}
	reason_set(why,
		   "the npy file has elements of type '%s': save it little-endian as int8, uint8, "
		   "int16, uint16, int32, float32 or float64",
		   descr);
	return HV_E_FORMAT;
}

static int parse_header(struct text t, struct samples *s, uint32_t *parts, struct reason *why)
{
	char key[32], descr[32] = "";
	bool fortran = false, has_shape = false, has_order = false;

	if (!take(&t, "{"))
		goto malformed;
	while (!take(&t, "}")) {
		if (!take_quoted(&t, key, sizeof(key)) || !take(&t, ":"))
			goto malformed;
		if (strcmp(key, "descr") == 0 && descr[0] == '\0') {
			if (!take_quoted(&t, descr, sizeof(descr)))
				goto malformed;
		} else if (strcmp(key, "fortran_order") == 0 && !has_order) {
			fortran = take(&t, "True");
			has_order = fortran || take(&t, "False");
			if (!has_order)
				goto malformed;
		} else if (strcmp(key, "shape") == 0 && !has_shape) {
			has_shape = take_shape(&t, s);
			if (!has_shape)
				goto malformed;
		} else {
			goto malformed;
		}
		if (!take(&t, ",") && (skip_space(&t), t.p == t.end || *t.p != '}'))
			goto malformed;
	}
	if (descr[0] == '\0' || !has_shape || !has_order)
		goto malformed;
	if (fortran && s->ndim > 1) {
		reason_set(why, "the npy file is in Fortran order: save numpy.ascontiguousarray() "
				"of it");
		return HV_E_FORMAT;
	}
	return take_type(s, descr, parts, why);

malformed:
	reason_set(why,
		   "the npy file has a malformed header: at most %d dimensions, keys descr, "
		   "fortran_order and shape",
		   SAMPLES_MAX_DIMS - 1);
	return HV_E_FORMAT;
}

/* Bytes that shape and type ask for, checked. */
static bool wanted_bytes(const struct samples *s, uint64_t *bytes)
{
	uint64_t n = dtype_bytes(s->dtype);

	for (uint32_t i = 0; i < s->ndim; i++)
		if (__builtin_mul_overflow(n, s->shape[i], &n))
			return false;
	*bytes = n;
	return true;
}

static int copy_array(struct samples *s, const uint8_t *from, size_t left, struct reason *why)
{
	uint64_t want;

	if (!wanted_bytes(s, &want) || want != left) {
		reason_set(why, "the npy file is %s: its shape does not go with its %zu data bytes",
			   wanted_bytes(s, &want) && want < left ? "too long" : "truncated", left);
		return HV_E_FORMAT;
	}
	if (left == 0) {
		reason_set(why, "the npy file holds no samples");
		return HV_E_FORMAT;
	}
	s->data = malloc(left);
	if (s->data == NULL) {
		reason_set(why, "out of memory for %zu bytes of samples", left);
		return HV_E_NOMEM;
	}
	memcpy(s->data, from, left);
	s->bytes = left;
	return HV_OK;
}

int npy_parse(const uint8_t *file, size_t len, struct samples *s, struct reason *why)
{
	struct hv_rd r = hv_rd_init(file, len);
	const uint8_t *magic = hv_rd_bytes(&r, 6);
	unsigned major = hv_rd_u8(&r), minor = hv_rd_u8(&r);
	uint32_t header_len = major == 1 ? hv_rd_u16(&r) : hv_rd_u32(&r), parts = 1;
	const char *header;
	int err;

	*s = (struct samples){ .kind = "npy file" };
	if (!r.ok || memcmp(magic, "\x93NUMPY", 6) != 0 || major < 1 || major > 3 || minor != 0) {
		reason_set(why, "the npy file has no header of version 1, 2 or 3");
		return HV_E_FORMAT;
	}
	header = header_len <= NPY_HEADER_MAX ? (const char *)hv_rd_bytes(&r, header_len) : NULL;
	if (header == NULL) {
		reason_set(why, "the npy file is truncated: its header of %u bytes is not there",
			   header_len);
		return HV_E_FORMAT;
	}
	err = parse_header((struct text){ header, header + header_len }, s, &parts, why);
	if (err != HV_OK)
		return err;
	if (parts == 2)
		s->shape[s->ndim++] = 2;
	return copy_array(s, r.p, hv_rd_left(&r), why);
}
