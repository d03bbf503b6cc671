#include "client/ctl/in/samples.h"
#include "util/own.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Text: numbers separated by commas, semicolons, blanks or tabs; lines starting with # and
 * empty lines are skipped; every other line has the same number of columns. A first line
 * without any number is a heading. Read as doubles; whole numbers stay exact up to 2^53. */
enum { CSV_NUMBER_MAX = 64 };

struct csv {
	const char *p, *end;
	double *v;
	size_t n, cap;
	uint64_t rows, cols;
	unsigned line;
	bool whole;
};

static bool is_separator(char ch)
{
	return ch == ',' || ch == ';' || ch == ' ' || ch == '\t' || ch == '\r';
}

static int push(struct csv *c, double v, struct reason *why)
{
	double *bigger;

	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 4096;

		bigger = realloc(c->v, cap * sizeof(*bigger));
		if (bigger == NULL) {
			reason_set(why, "out of memory for %zu numbers of text", cap);
			return HV_E_NOMEM;
		}
		c->v = bigger;
		c->cap = cap;
	}
	c->v[c->n++] = v;
	return HV_OK;
}

/* One number that ends at a separator or the end of the line. */
static int take_number(struct csv *c, uint64_t column, struct reason *why)
{
	char text[CSV_NUMBER_MAX + 1];
	size_t n = 0;
	char *end;
	double v;

	while (c->p < c->end && !is_separator(*c->p) && *c->p != '\n' && n < CSV_NUMBER_MAX)
		text[n++] = *c->p++;
	text[n] = '\0';
	v = strtod(text, &end);
	if (n == 0 || *end != '\0' || strlen(text) != n || strpbrk(text, "xXpP") != NULL) {
		reason_set(why, "line %u, column %llu of the text is no number: '%.20s'", c->line,
			   (unsigned long long)column + 1, text);
		return HV_E_FORMAT;
	}
	if (strpbrk(text, ".eEnNiI") != NULL || fabs(v) > 9007199254740992.0)
		c->whole = false;
	return push(c, v, why);
}

static void skip_blank(struct csv *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

static int take_line(struct csv *c, struct reason *why)
{
	uint64_t column = 0;
	int err;

	for (skip_blank(c); c->p < c->end && *c->p != '\n'; skip_blank(c)) {
		err = take_number(c, column++, why);
		if (err != HV_OK)
			return err;
		skip_blank(c);
		if (c->p < c->end && (*c->p == ',' || *c->p == ';'))
			c->p++;
	}
	if (column == 0)
		return HV_OK;
	if (c->rows > 0 && column != c->cols) {
		reason_set(why, "line %u of the text has %llu columns, the lines before have %llu",
			   c->line, (unsigned long long)column, (unsigned long long)c->cols);
		return HV_E_FORMAT;
	}
	c->cols = column;
	c->rows++;
	return HV_OK;
}

static bool is_heading(const struct csv *c)
{
	for (const char *p = c->p; p < c->end && *p != '\n'; p++)
		if (isdigit((unsigned char)*p))
			return false;
	return true;
}

static void skip_line(struct csv *c)
{
	const char *nl = memchr(c->p, '\n', (size_t)(c->end - c->p));

	c->p = nl != NULL ? nl : c->end;
}

static int take_all(struct csv *c, struct reason *why)
{
	int err = HV_OK;

	for (c->line = 1; err == HV_OK && c->p < c->end; c->line++) {
		skip_blank(c);
		if (c->p < c->end && (*c->p == '#' || (c->line == 1 && is_heading(c))))
			skip_line(c);
		else
			err = take_line(c, why);
		if (c->p < c->end && *c->p == '\n')
			c->p++;
	}
	return err;
}

int csv_parse(const uint8_t *file, size_t len, struct samples *s, struct reason *why)
{
	struct csv c = { .p = (const char *)file, .end = (const char *)file + len, .whole = true };
	int err = take_all(&c, why);

	*s = (struct samples){ .kind = "text file", .dtype = HARVEST_F64 };
	if (err == HV_OK && c.n == 0) {
		reason_set(why, "the text file holds no numbers");
		err = HV_E_FORMAT;
	}
	if (err != HV_OK) {
		free(c.v);
		return err;
	}
	s->ndim = c.cols > 1 && c.rows > 1 ? 2 : 1;
	s->shape[0] = s->ndim == 2 ? c.rows : c.n;
	s->shape[1] = s->ndim == 2 ? c.cols : 0;
	s->whole = c.whole;
	s->data = (uint8_t *)c.v;
	s->bytes = c.n * sizeof(double);
	return HV_OK;
}
