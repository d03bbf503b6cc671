#include "tasks/catalog.h"
#include "tasks/builtin.h"
#include "util/own.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian and are used in place: port tasks/ first"
#endif

/* clang-format off */
/* Where the samplers stay. */
static const struct harvest_range
	domain_q15[] = { { INT16_MIN, INT16_MAX } },
	domain_mel[] = { { -5460, 5460 } },
	domain_block[] = { { -4096, 4064 } },
	domain_pixel[] = { { 0, 255 } },
	domain_unit[] = { { 0, INT16_MAX } },
	domain_joints[] = { { 0, 16384 } },
	domain_hand[] = { { -16384, INT16_MAX }, { 0, INT16_MAX } },
	domain_field[] = { { 0, 24576 } },
	domain_speed[] = { { -25600, 25600 }, { -24576, 24576 }, { -19200, 19200 } },
	domain_option[] = {
		{ 40, 120 }, { 30, 170 }, { (double)0.01f, (double)0.1f },
		{ (double)0.1f, (double)0.6f }, { (double)0.05f, 1 }, { 0, 1 },
	};
/* max - min of the exact answers to the 16384 first records of the test stream */
#define KMEANS_RANGE 24106.460775
#define MEDIAN_RANGE 42035

#define SHAPE_N(a, b, c, n, ...) n
#define SHAPE(...) SHAPE_N(__VA_ARGS__, 3, 2, 1, 0), { __VA_ARGS__ }
#define X(id, ver, judged, in_type, in_shape, out_type, out_shape, text, ...) \
	{                                                                     \
		.size = sizeof(struct harvest_task), .abi = HARVEST_TASK_ABI, \
		.name = #id, .about = (text), .version = (ver),               \
		.in = { in_type, in_shape }, .out = { out_type, out_shape },  \
		.metric = (judged),                                           \
		.reference = id##_reference, .sample = id##_sample,           \
		__VA_ARGS__                                                   \
	},
#define LINEAR(id, kind, r, c) \
	.linear = (kind), .rows = (r), .cols = (c), .matrix = id##_matrix
#define DOMAIN(d) .domain = (d), .domain_count = HV_ARRAY_SIZE(d)
#define MARKS(least, aim) .pass = (least), .goal = (aim)
#define CYCLES(n, how) .cpu_cycles = (n), .cpu_method = (how)
static const struct harvest_task tasks[] = {
#include "tasks/tasks.def"
};
#undef X

/* In the order of the enum. numpy's names; range of the integer types, for saturation */
static const struct dtype {
	enum harvest_dtype type;
	const char *text;
	size_t bytes;
	double lo, hi;
} dtypes[] = {
	{ HARVEST_S8,  "int8",    1, INT8_MIN,  INT8_MAX },
	{ HARVEST_U8,  "uint8",   1, 0,         UINT8_MAX },
	{ HARVEST_S16, "int16",   2, INT16_MIN, INT16_MAX },
	{ HARVEST_U16, "uint16",  2, 0,         UINT16_MAX },
	{ HARVEST_S32, "int32",   4, INT32_MIN, INT32_MAX },
	{ HARVEST_F32, "float32", 4, 0,         0 },
	{ HARVEST_F64, "float64", 8, 0,         0 },
};
/* clang-format on */

/* Places of plug-ins: written by one thread, read by any. What is in a place is there before the
 * count covers it, and stays; only whether it is served changes. */
static struct {
	const struct harvest_task *task;
	const char *path;
	atomic_bool served;
} plugin[TASK_PLUGINS_MAX];
static atomic_size_t plugins;

static size_t plugin_places(void)
{
	return atomic_load_explicit(&plugins, memory_order_acquire);
}

size_t task_count(void)
{
	return HV_ARRAY_SIZE(tasks) + plugin_places();
}

const struct harvest_task *task_at(size_t i)
{
	if (i < HV_ARRAY_SIZE(tasks))
		return &tasks[i];
	i -= HV_ARRAY_SIZE(tasks);
	return i < plugin_places() ? plugin[i].task : NULL;
}

bool task_is_served(size_t i)
{
	if (i < HV_ARRAY_SIZE(tasks))
		return true;
	i -= HV_ARRAY_SIZE(tasks);
	return i < plugin_places() && atomic_load_explicit(&plugin[i].served, memory_order_relaxed);
}

size_t task_index(const char *name)
{
	for (size_t i = 0; i < task_count(); i++)
		if (task_is_served(i) && strcmp(task_at(i)->name, name) == 0)
			return i;
	return SIZE_MAX;
}

const struct harvest_task *task_find(const char *name)
{
	size_t i = task_index(name);

	return i != SIZE_MAX ? task_at(i) : NULL;
}

bool task_is_builtin(const char *name)
{
	return task_index(name) < HV_ARRAY_SIZE(tasks);
}

/* SIZE_MAX: it is none of a plug-in. */
static size_t place_of(const struct harvest_task *t)
{
	for (size_t i = 0; t != NULL && i < plugin_places(); i++)
		if (plugin[i].task == t)
			return i;
	return SIZE_MAX;
}

int task_register(const struct harvest_task *t, const char *path)
{
	size_t i = place_of(t), n = plugin_places();

	if (task_index(t->name) != SIZE_MAX)
		return HV_E_BUSY;
	if (i == SIZE_MAX && n == TASK_PLUGINS_MAX)
		return HV_E_NOMEM;
	if (i == SIZE_MAX) {
		i = n++;
		plugin[i].task = t;
		plugin[i].path = path;
	}
	atomic_store_explicit(&plugin[i].served, true, memory_order_relaxed);
	atomic_store_explicit(&plugins, n, memory_order_release);
	return HV_OK;
}

void task_retire(const struct harvest_task *t)
{
	size_t i = place_of(t);

	if (i != SIZE_MAX)
		atomic_store_explicit(&plugin[i].served, false, memory_order_relaxed);
}

void task_unregister(const struct harvest_task *t)
{
	size_t i = place_of(t), n = plugin_places();

	if (i == SIZE_MAX)
		return;
	task_retire(t);
	plugin[i].task = NULL;
	plugin[i].path = NULL;
	while (n > 0 && plugin[n - 1].task == NULL)
		n--;
	atomic_store_explicit(&plugins, n, memory_order_release);
}

const char *task_plugin_path(const struct harvest_task *t)
{
	size_t i = place_of(t);

	return i != SIZE_MAX ? plugin[i].path : NULL;
}

static const struct dtype *dtype_row(enum harvest_dtype t)
{
	unsigned at = (unsigned)t - HARVEST_S8;

	return at < HV_ARRAY_SIZE(dtypes) ? &dtypes[at] : NULL;
}

size_t dtype_bytes(enum harvest_dtype t)
{
	const struct dtype *d = dtype_row(t);

	return d != NULL ? d->bytes : 0;
}

const char *dtype_text(enum harvest_dtype t)
{
	const struct dtype *d = dtype_row(t);

	return d != NULL ? d->text : "?";
}

enum harvest_dtype dtype_find(const char *text)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(dtypes); i++)
		if (strcmp(dtypes[i].text, text) == 0)
			return dtypes[i].type;
	return (enum harvest_dtype)0;
}

size_t tensor_elements(const struct harvest_tensor *t)
{
	size_t n = 1;

	for (uint32_t i = 0; i < t->ndim && i < HARVEST_MAX_DIMS; i++)
		n *= t->shape[i];
	return n;
}

size_t tensor_bytes(const struct harvest_tensor *t)
{
	return tensor_elements(t) * dtype_bytes(t->dtype);
}

char *tensor_text(const struct harvest_tensor *t, char *to, size_t cap)
{
	char dims[40] = "";
	size_t at = 0;

	for (uint32_t i = 0; i < t->ndim && i < HARVEST_MAX_DIMS; i++)
		at += (size_t)snprintf(dims + at, sizeof(dims) - at, "%s%u", i > 0 ? "," : "",
				       t->shape[i]);
	if (cap > 0)
		snprintf(to, cap, "%s[%s]", dtype_text(t->dtype), dims);
	return to;
}

static double round_saturate(double v, const struct dtype *d)
{
	if (isnan(v))
		return 0; /* a plug-in's mistake; an integer has no other word for it */
	v = round(v);
	return v < d->lo ? d->lo : v > d->hi ? d->hi : v;
}

static void element_store(enum harvest_dtype t, double v, uint8_t *to)
{
	float f = (float)v;
	int32_t i = 0;
	uint16_t u = 0;

	switch (t) {
	case HARVEST_F64: memcpy(to, &v, sizeof(v)); return;
	case HARVEST_F32: memcpy(to, &f, sizeof(f)); return;
	case HARVEST_U8:
	case HARVEST_U16:
		u = (uint16_t)v;
		memcpy(to, &u, dtype_bytes(t));
		return;
	case HARVEST_S8:
	case HARVEST_S16:
	case HARVEST_S32:
		i = (int32_t)v;
		memcpy(to, &i, dtype_bytes(t)); /* little-endian: the low bytes come first */
		return;
	}
}

void tensor_from_double(const struct harvest_tensor *t, const double *from, void *record)
{
	const struct dtype *d = dtype_row(t->dtype);
	size_t n = tensor_elements(t);
	uint8_t *to = record;

	for (size_t i = 0; d != NULL && i < n; i++) {
		double v = d->lo < d->hi ? round_saturate(from[i], d) : from[i];

		element_store(d->type, v, to + i * d->bytes);
	}
}

void task_exact(const struct harvest_task *t, const void *in, void *out, double *scratch)
{
	t->reference(in, scratch);
	tensor_from_double(&t->out, scratch, out);
}

static double element_load(enum harvest_dtype t, const uint8_t *at)
{
	union {
		int8_t s8;
		uint8_t u8;
		int16_t s16;
		uint16_t u16;
		int32_t s32;
		float f32;
		double f64;
	} v = { 0 };

	memcpy(&v, at, dtype_bytes(t));
	switch (t) {
	case HARVEST_S8: return v.s8;
	case HARVEST_U8: return v.u8;
	case HARVEST_S16: return v.s16;
	case HARVEST_U16: return v.u16;
	case HARVEST_S32: return v.s32;
	case HARVEST_F32: return (double)v.f32;
	case HARVEST_F64: return v.f64;
	}
	return 0;
}

void tensor_to_double(const struct harvest_tensor *t, const void *record, double *to)
{
	size_t n = tensor_elements(t), bytes = dtype_bytes(t->dtype);
	const uint8_t *at = record;

	for (size_t i = 0; i < n; i++)
		to[i] = element_load(t->dtype, at + i * bytes);
}

/* All bits of the exponent set. */
static bool unfinite(enum harvest_dtype t, const uint8_t *at)
{
	uint64_t wide;
	uint32_t narrow;

	if (t == HARVEST_F64) {
		memcpy(&wide, at, sizeof(wide));
		return (wide >> 52 & 0x7ff) == 0x7ff;
	}
	memcpy(&narrow, at, sizeof(narrow));
	return (narrow >> 23 & 0xff) == 0xff;
}

bool tensor_first_unfinite(const struct harvest_tensor *t, const void *records, size_t n,
			   size_t *record)
{
	size_t per = tensor_elements(t), bytes = dtype_bytes(t->dtype);
	const uint8_t *at = records;

	if (t->dtype != HARVEST_F32 && t->dtype != HARVEST_F64)
		return false;
	for (size_t i = 0; i < n * per; i++) {
		if (!unfinite(t->dtype, at + i * bytes))
			continue;
		*record = i / per;
		return true;
	}
	return false;
}
