#include "accel/import/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int import_refuse(struct reader *r, unsigned line, const char *fmt, ...)
{
	char text[256], layer[24] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->at >= 0)
		snprintf(layer, sizeof(layer), "layer %d: ", r->at);
	if (r->cap > 0)
		snprintf(r->why, r->cap, "%s:%u: %s%s", r->file, line, layer, text);
	return HV_E_FORMAT;
}

void import_note(struct reader *r, unsigned line, const char *fmt, ...)
{
	char text[IMPORT_NOTE_CAP - 32];
	va_list ap;

	if (r->im->notes == IMPORT_NOTES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->at >= 0)
		snprintf(r->im->note[r->im->notes++], IMPORT_NOTE_CAP, "line %u: layer %d: %s",
			 line, r->at, text);
	else
		snprintf(r->im->note[r->im->notes++], IMPORT_NOTE_CAP, "line %u: %s", line, text);
}

const char *import_text(const yaml_node_t *n)
{
	const char *text;

	if (n == NULL || n->type != YAML_SCALAR_NODE)
		return NULL;
	text = (const char *)n->data.scalar.value;
	return strlen(text) == n->data.scalar.length ? text : NULL;
}

/* Digits of a base with `_` between them, at most 63 bits. */
static bool take_digits(const char *p, unsigned base, bool dots, uint64_t *v)
{
	unsigned digits = 0;

	for (*v = 0; *p != '\0'; p++) {
		unsigned d;

		if (*p == '_' || (dots && *p == '.'))
			continue;
		if (*p >= '0' && *p <= '9')
			d = (unsigned)(*p - '0');
		else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
			d = (unsigned)((*p | 0x20) - 'a') + 10;
		else
			return false;
		if (d >= base || *v > (UINT64_MAX - d) / base)
			return false;
		*v = *v * base + d;
		digits++;
	}
	return digits > 0;
}

int import_whole(struct reader *r, const char *key, const yaml_node_t *n, int64_t lo, int64_t hi,
		 int64_t *v)
{
	const char *text = import_text(n), *p = text;
	bool minus = false, hex;
	uint64_t u;

	if (text == NULL)
		return import_refuse(r, import_line(n), "%s is no number, must be %lld..%lld", key,
				     (long long)lo, (long long)hi);
	if (*p == '-' || *p == '+')
		minus = *p++ == '-';
	hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
	/* 010 is eight to one reader and ten to another */
	if ((p[0] == '0' && p[1] >= '0' && p[1] <= '9') ||
	    !take_digits(hex ? p + 2 : p, hex ? 16 : 10, false, &u) || u > INT64_MAX ||
	    (minus ? -(int64_t)u : (int64_t)u) < lo || (minus ? -(int64_t)u : (int64_t)u) > hi)
		return import_refuse(r, import_line(n),
				     "%s is '%.40s', must be a whole number %lld..%lld", key, text,
				     (long long)lo, (long long)hi);
	*v = minus ? -(int64_t)u : (int64_t)u;
	return HV_OK;
}

/* A map of 64 processors: a number, or hexadecimal digits with dots between them. */
int import_map(struct reader *r, const char *key, const yaml_node_t *n, int64_t *v)
{
	const char *text = import_text(n), *p = text;
	uint64_t u = 0;
	bool hex, ok = text != NULL;

	if (ok) {
		hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
		if (hex)
			p += 2;
		hex = hex || strchr(p, '.') != NULL ||
		      n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		ok = take_digits(p, hex ? 16 : 10, hex, &u);
	}
	if (!ok || u == 0)
		return import_refuse(r, import_line(n),
				     "%s is '%.40s', must be a map of processors from 1 to "
				     "0xffffffffffffffff",
				     key, text != NULL ? text : "");
	*v = (int64_t)u;
	return HV_OK;
}

static int syntax_error(struct reader *r, const yaml_parser_t *p)
{
	unsigned line = (unsigned)p->problem_mark.line + 1;

	if (p->error == YAML_MEMORY_ERROR)
		return HV_E_NOMEM;
	return import_refuse(r, line, "not YAML: %s", p->problem != NULL ? p->problem : "unknown");
}

/* The one document of the text. */
static int load(struct reader *r, yaml_parser_t *p, yaml_document_t *doc)
{
	yaml_document_t more;
	bool single;

	if (!yaml_parser_load(p, doc))
		return syntax_error(r, p);
	r->doc = doc;
	if (yaml_document_get_root_node(doc) == NULL)
		return import_refuse(r, 1, "the description is empty");
	if (!yaml_parser_load(p, &more))
		return syntax_error(r, p);
	single = yaml_document_get_root_node(&more) == NULL;
	yaml_document_delete(&more);
	return single ? HV_OK
		      : import_refuse(r, 1, "the file has several YAML documents, must be 1");
}

static int read_all(struct reader *r, const uint8_t *text, size_t len)
{
	yaml_document_t doc;
	yaml_parser_t p;
	int err;

	if (!yaml_parser_initialize(&p))
		return HV_E_NOMEM;
	yaml_parser_set_input_string(&p, text, len);
	err = load(r, &p, &doc);
	if (err == HV_OK)
		err = import_document(r);
	r->at = -1;
	if (err == HV_OK)
		err = import_layers(r);
	r->at = -1;
	if (err == HV_OK)
		err = import_place(r);
	if (r->doc != NULL)
		yaml_document_delete(r->doc);
	yaml_parser_delete(&p);
	return err;
}

int import_yaml(const char *file, const uint8_t *text, size_t len,
		const struct import_arrays *arrays, const struct import_options *o,
		struct import **im, char *why, size_t cap)
{
	struct reader *r = calloc(1, sizeof(*r));
	int err = HV_E_NOMEM;

	if (cap > 0)
		snprintf(why, cap, "%s: out of memory", file);
	if (r == NULL)
		return HV_E_NOMEM;
	*r = (struct reader){ .file = file, .arrays = arrays, .options = o, .at = -1 };
	r->why = why;
	r->cap = cap;
	r->im = calloc(1, sizeof(*r->im));
	if (r->im != NULL)
		err = len > IMPORT_YAML_MAX_BYTES
			      ? import_refuse(r, 1,
					      "the description has %zu bytes, must be at most %d",
					      len, IMPORT_YAML_MAX_BYTES)
			      : read_all(r, text, len);
	if (err == HV_OK)
		*im = r->im;
	else
		import_free(r->im);
	free(r);
	return err;
}

void import_free(struct import *im)
{
	if (im == NULL)
		return;
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++) {
		free((void *)(uintptr_t)im->net.layer[i].weights);
		free((void *)(uintptr_t)im->net.layer[i].bias);
	}
	free(im->sample);
	free(im);
}
