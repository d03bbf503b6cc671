#include "accel/cost/calibration.h"
#include "util/own.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_CAP = 200, SHOWN = 40 };

static const struct {
	const char *name, *source;
	double value, least, most;
} keys[CNN_CAL_KEYS] = {
#define X(name, value, least, most, source) { #name, source, value, least, most },
	CNN_CALIBRATION(X)
#undef X
};

static int refuse(char *why, size_t cap, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return HV_E_FORMAT;
}

void cnn_calibration_default(struct cnn_calibration *c)
{
	for (unsigned k = 0; k < CNN_CAL_KEYS; k++) {
		c->value[k] = keys[k].value;
		c->measured[k] = false;
	}
}

const char *cnn_calibration_name(enum cnn_calibration_key k)
{
	return (unsigned)k < CNN_CAL_KEYS ? keys[k].name : "?";
}

const char *cnn_calibration_source(enum cnn_calibration_key k)
{
	return (unsigned)k < CNN_CAL_KEYS ? keys[k].source : "?";
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]) != NULL)
		s[--n] = '\0';
	return s;
}

static unsigned key_find(const char *name)
{
	unsigned k = 0;

	while (k < CNN_CAL_KEYS && strcmp(keys[k].name, name) != 0)
		k++;
	return k;
}

static int take_value(const char *text, unsigned line, unsigned k, struct cnn_calibration *c,
		      char *why, size_t cap)
{
	char *end = NULL;
	double v = 0;

	/* Only plain decimal numbers: strtod() would also take nan, inf and hexadecimal. */
	if (text[0] != '\0' && text[strspn(text, "0123456789.eE+-")] == '\0')
		v = strtod(text, &end);
	if (end == NULL || *end != '\0' || end == text)
		return refuse(why, cap, "line %u: %s: '%.*s' is not a decimal number", line,
			      keys[k].name, SHOWN, text);
	if (!(v >= keys[k].least && v <= keys[k].most))
		return refuse(why, cap, "line %u: %s = %.*s is outside %g to %g", line,
			      keys[k].name, SHOWN, text, keys[k].least, keys[k].most);
	if (c->measured[k])
		return refuse(why, cap, "line %u: %s is given twice", line, keys[k].name);
	c->value[k] = v;
	c->measured[k] = true;
	return HV_OK;
}

static int take_line(char *text, unsigned line, struct cnn_calibration *c, char *why, size_t cap)
{
	char *equals, *name;
	unsigned k;

	text[strcspn(text, "#")] = '\0';
	name = trim(text);
	if (name[0] == '\0')
		return HV_OK;
	equals = strchr(name, '=');
	if (equals == NULL)
		return refuse(why, cap, "line %u: '%.*s' is no `key = value`", line, SHOWN, name);
	*equals = '\0';
	name = trim(name);
	k = key_find(name);
	if (k == CNN_CAL_KEYS)
		return refuse(why, cap, "line %u: unknown key '%.*s'; harvest-model(1) lists them",
			      line, SHOWN, name);
	return take_value(trim(equals + 1), line, k, c, why, cap);
}

int cnn_calibration_parse(const char *text, size_t len, struct cnn_calibration *c, char *why,
			  size_t cap)
{
	struct cnn_calibration made;
	unsigned line = 0;

	cnn_calibration_default(&made);
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end != NULL ? (size_t)(end - text) : len, whole = n + (end != NULL);
		char copy[LINE_CAP];
		int err;

		line++;
		if (n >= sizeof copy || memchr(text, '\0', n) != NULL)
			return refuse(why, cap, "line %u: longer than %d bytes, or not text", line,
				      LINE_CAP - 1);
		memcpy(copy, text, n);
		copy[n] = '\0';
		err = take_line(copy, line, &made, why, cap);
		if (err < 0)
			return err;
		text += whole;
		len -= whole;
	}
	*c = made;
	return HV_OK;
}

int cnn_calibration_read(const char *path, struct cnn_calibration *c, char *why, size_t cap)
{
	FILE *f = fopen(path, "rb");
	hv_autofree char *text = malloc(CNN_CALIBRATION_BYTES_MAX + 1);
	size_t n = 0;
	bool failed;

	if (f == NULL) {
		refuse(why, cap, "%s", strerror(errno));
		return errno == ENOENT ? HV_E_NOENT : HV_E_IO;
	}
	if (text != NULL)
		n = fread(text, 1, CNN_CALIBRATION_BYTES_MAX + 1, f);
	failed = ferror(f) != 0;
	fclose(f);
	if (text == NULL)
		return HV_E_NOMEM;
	if (failed) {
		refuse(why, cap, "cannot be read");
		return HV_E_IO;
	}
	if (n > CNN_CALIBRATION_BYTES_MAX)
		return refuse(why, cap, "larger than %d bytes", CNN_CALIBRATION_BYTES_MAX);
	return cnn_calibration_parse(text, n, c, why, cap);
}
