#include "client/ctl/in/samples.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static double float_at(const struct samples *s, size_t i)
{
	double d;
	float f;

	if (s->dtype == HARVEST_F64) {
		memcpy(&d, s->data + i * sizeof(d), sizeof(d));
		return d;
	}
	memcpy(&f, s->data + i * sizeof(f), sizeof(f));
	return (double)f;
}

static bool is_float(enum harvest_dtype t)
{
	return t == HARVEST_F32 || t == HARVEST_F64;
}

static int refuse(const struct samples *s, size_t i, const char *rule, struct reason *why)
{
	reason_set(why, "sample %zu of the %s is %g: %s", i, s->kind, float_at(s, i), rule);
	return HV_E_FORMAT;
}

static int check_finite(const struct samples *s, struct reason *why)
{
	for (size_t i = 0; i < samples_count(s); i++)
		if (!isfinite(float_at(s, i)))
			return refuse(s, i, "every sample must be a finite number", why);
	return HV_OK;
}

/* Full scale 1 to q15: the nearest step, 0.99999.. to the largest. */
static int to_q15(const struct samples *s, int16_t *to, struct reason *why)
{
	for (size_t i = 0; i < samples_count(s); i++) {
		double v = float_at(s, i);

		if (!(v >= -1 && v < 1))
			return refuse(s, i, "floating point samples for int16 must be in [-1, 1)",
				      why);
		v = round(v * 32768);
		to[i] = (int16_t)(v > 32767 ? 32767 : v);
	}
	return HV_OK;
}

/* clang-format off */
static const struct {
	enum harvest_dtype type;
	double lo, hi;
} ranges[] = {
	{ HARVEST_S8, INT8_MIN, INT8_MAX },    { HARVEST_U8, 0, UINT8_MAX },
	{ HARVEST_S16, INT16_MIN, INT16_MAX }, { HARVEST_U16, 0, UINT16_MAX },
	{ HARVEST_S32, INT32_MIN, INT32_MAX },
};
/* clang-format on */

static void store_whole(enum harvest_dtype t, double v, uint8_t *to)
{
	uint32_t bits = (uint32_t)(int64_t)v; /* two's complement, cut to size below */

	for (size_t i = 0; i < dtype_bytes(t); i++)
		to[i] = (uint8_t)(bits >> (8 * i));
}

/* Whole numbers of a text into an integer type. */
static int to_whole(const struct samples *s, enum harvest_dtype t, uint8_t *to, struct reason *why)
{
	double lo = 0, hi = 0;

	for (size_t i = 0; i < HV_ARRAY_SIZE(ranges); i++) {
		if (ranges[i].type != t)
			continue;
		lo = ranges[i].lo;
		hi = ranges[i].hi;
	}
	for (size_t i = 0; i < samples_count(s); i++) {
		double v = float_at(s, i);

		if (!(v >= lo && v <= hi))
			return refuse(s, i, "outside the range of the task's type", why);
		store_whole(t, v, to + i * dtype_bytes(t));
	}
	return HV_OK;
}

static int to_float32(const struct samples *s, float *to)
{
	for (size_t i = 0; i < samples_count(s); i++)
		to[i] = (float)float_at(s, i);
	return HV_OK;
}

int samples_convert(struct samples *s, enum harvest_dtype to, bool *converted, struct reason *why)
{
	hv_autofree void *out = NULL;
	size_t n = samples_count(s);
	int err;

	*converted = false;
	if (is_float(s->dtype)) {
		err = check_finite(s, why);
		if (err != HV_OK)
			return err;
	}
	if (s->dtype == to)
		return HV_OK;
	out = malloc(n * dtype_bytes(to));
	if (out == NULL) {
		reason_set(why, "out of memory for %zu samples", n);
		return HV_E_NOMEM;
	}
	if (s->whole && !is_float(to)) {
		err = to_whole(s, to, out, why);
	} else if (is_float(s->dtype) && to == HARVEST_S16) {
		err = to_q15(s, out, why);
		*converted = true;
	} else if (s->dtype == HARVEST_F64 && to == HARVEST_F32) {
		err = to_float32(s, out);
		*converted = !s->whole;
	} else {
		reason_set(why,
			   "the %s has samples of type %s, the task takes %s: convert it first",
			   s->kind, dtype_text(s->dtype), dtype_text(to));
		err = HV_E_FORMAT;
	}
	if (err != HV_OK)
		return err;
	free(s->data);
	s->data = hv_take(out);
	s->bytes = n * dtype_bytes(to);
	s->dtype = to;
	return HV_OK;
}

/* Flat, [n, elements], [..., record shape], or [frames, rest of the record shape] as a
 * recording of complex samples has it: the frames are cut. */
static bool shape_fits(const struct samples *s, const struct harvest_tensor *t)
{
	uint32_t same = 0;

	if (s->ndim <= 1 || (s->ndim == 2 && s->shape[1] == tensor_elements(t)))
		return true;
	while (same < s->ndim && same < t->ndim &&
	       s->shape[s->ndim - 1 - same] == t->shape[t->ndim - 1 - same])
		same++;
	return same == t->ndim || (same > 0 && same == s->ndim - 1 && same == t->ndim - 1);
}

static void shape_text(const struct samples *s, char *to, size_t cap)
{
	size_t n = 0;

	to[0] = '\0';
	for (uint32_t i = 0; i < s->ndim && n < cap; i++)
		n += (size_t)snprintf(to + n, cap - n, "%s%llu", i ? "," : "",
				      (unsigned long long)s->shape[i]);
}

int samples_to_records(struct samples *s, const struct harvest_tensor *t, uint32_t *records,
		       bool *converted, struct reason *why)
{
	char want[64], got[96];
	size_t per = tensor_elements(t), n = samples_count(s);
	int err;

	shape_text(s, got, sizeof(got));
	tensor_text(t, want, sizeof(want));
	if (!shape_fits(s, t)) {
		reason_set(why,
			   "the %s has the shape [%s], the task takes records of %s: reshape it "
			   "to [n, record] or to a flat list",
			   s->kind, got, want);
		return HV_E_FORMAT;
	}
	if (n == 0 || n % per != 0) {
		reason_set(why,
			   "the %s holds %zu samples, which is no whole number of records of "
			   "%s: cut it with 'harvestctl pack'",
			   s->kind, n, want);
		return HV_E_FORMAT;
	}
	err = samples_convert(s, t->dtype, converted, why);
	if (err != HV_OK)
		return err;
	if (s->bytes > SAMPLES_MAX_BYTES) {
		reason_set(why, "the %s makes a job of %zu bytes, at most %d MiB are taken: cut it",
			   s->kind, s->bytes, SAMPLES_MAX_BYTES >> 20);
		return HV_E_FORMAT;
	}
	*records = (uint32_t)(n / per);
	return HV_OK;
}
