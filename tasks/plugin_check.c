#include "tasks/plugin_check.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int refuse(char *why, size_t cap, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t cap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, cap, format, args);
	va_end(args);
	return HV_E_FORMAT;
}

void plugin_text_clean(char *text, size_t cap)
{
	text[cap - 1] = '\0';
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static int check_name(const char *name, char *why, size_t cap)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	if (n < 1 || n > 31 || name[n] != '\0')
		return refuse(why, cap,
			      "its task is named '%s': 1 to 31 of a-z, 0-9 and _ are allowed",
			      name);
	return HV_OK;
}

static int check_tensor(const char *which, const struct harvest_tensor *t, char *why, size_t cap)
{
	uint64_t elements = 1, bytes;

	if (t->ndim < 1 || t->ndim > HARVEST_MAX_DIMS)
		return refuse(why, cap, "its %s has %u dimensions: 1 to %d are possible", which,
			      t->ndim, HARVEST_MAX_DIMS);
	if (dtype_bytes(t->dtype) == 0)
		return refuse(why, cap, "its %s has the unknown type %d", which, (int)t->dtype);
	for (uint32_t d = 0; d < HARVEST_MAX_DIMS; d++) {
		if ((t->shape[d] > 0) != (d < t->ndim) || t->shape[d] > HARVEST_RECORD_MAX_BYTES)
			return refuse(why, cap, "its %s has %u in dimension %u", which, t->shape[d],
				      d);
		elements *= d < t->ndim ? t->shape[d] : 1;
	}
	bytes = elements * dtype_bytes(t->dtype);
	if (bytes > HARVEST_RECORD_MAX_BYTES)
		return refuse(why, cap, "its %s has %llu bytes a record, at most %d are possible",
			      which, (unsigned long long)bytes, HARVEST_RECORD_MAX_BYTES);
	return HV_OK;
}

static int check_linear(const struct plugin_description *d, char *why, size_t cap)
{
	uint64_t per = d->linear == HARVEST_LINEAR_DFT ? 2 : 1;

	if (d->linear == HARVEST_NOT_LINEAR)
		return HV_OK;
	if (d->linear > HARVEST_LINEAR_DFT || !d->has_matrix)
		return refuse(why, cap, "it says that it is linear, but gives no matrix");
	if (d->rows * per != tensor_elements(&d->out) || d->cols * per != tensor_elements(&d->in) ||
	    d->rows > 4096 || d->cols > 4096)
		return refuse(why, cap, "its matrix of %u by %u does not go with its shapes",
			      d->rows, d->cols);
	return HV_OK;
}

static int check_numbers(const struct plugin_description *d, char *why, size_t cap)
{
	if (d->metric < HARVEST_SNR_DB || d->metric > HARVEST_IMAGE_DIFF)
		return refuse(why, cap, "it is judged by the unknown metric %u", d->metric);
	if (!(d->range >= 0) || !isfinite(d->range) || !isfinite(d->pass) || !isfinite(d->goal))
		return refuse(why, cap, "its range, pass or goal is no number");
	if (d->domain_count > 1 && d->domain_count != tensor_elements(&d->in))
		return refuse(why, cap, "its domain has %u ranges: 1 or one per input element",
			      d->domain_count);
	if (d->domain_count > PLUGIN_DOMAIN_MAX)
		return refuse(why, cap,
			      "its domain has %u ranges, at most %d are possible: give one for all "
			      "elements",
			      d->domain_count, PLUGIN_DOMAIN_MAX);
	for (uint32_t i = 0; i < d->domain_count; i++)
		if (!(d->domain[i].lo <= d->domain[i].hi) ||
		    !isfinite(d->domain[i].hi - d->domain[i].lo))
			return refuse(why, cap, "its domain has the range %g to %g at element %u",
				      d->domain[i].lo, d->domain[i].hi, i);
	return HV_OK;
}

int plugin_description_check(struct plugin_description *d, char *why, size_t cap)
{
	int err;

	plugin_text_clean(d->name, sizeof(d->name));
	plugin_text_clean(d->about, sizeof(d->about));
	plugin_text_clean(d->cpu_method, sizeof(d->cpu_method));
	err = check_name(d->name, why, cap);
	if (err == HV_OK)
		err = check_tensor("input", &d->in, why, cap);
	if (err == HV_OK)
		err = check_tensor("output", &d->out, why, cap);
	if (err == HV_OK)
		err = check_linear(d, why, cap);
	if (err == HV_OK)
		err = check_numbers(d, why, cap);
	return err;
}
