#include "client/ctl/table.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table table_begin(const char *const *heads, size_t cols)
{
	struct table t = { .cols = cols };

	for (size_t i = 0; i < cols; i++)
		table_add(&t, "%s", heads[i]);
	return t;
}

void table_add(struct table *t, const char *format, ...)
{
	va_list ap;
	char *text = NULL;

	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		char **bigger = realloc(t->cell, cap * sizeof(*bigger));

		if (bigger == NULL)
			return; /* a shorter table is all that memory allows */
		t->cell = bigger;
		t->cap = cap;
	}
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	t->cell[t->n++] = text;
}

char *us_text(uint64_t us, char *to, size_t cap)
{
	if (us < 1000)
		snprintf(to, cap, "%u us", (unsigned)us);
	else if (us < 1000000)
		snprintf(to, cap, "%.3g ms", (double)us / 1e3);
	else
		snprintf(to, cap, "%.3f s", (double)us / 1e6);
	return to;
}

char *error_text(const char *metric, int exact, double value, char *to, size_t cap)
{
	if (exact || (strcmp(metric, "snr_db") == 0 && isinf(value)))
		snprintf(to, cap, "exact");
	else if (strcmp(metric, "snr_db") == 0)
		snprintf(to, cap, "%.1f dB", value);
	else
		snprintf(to, cap, "%.3g %s", value, metric);
	return to;
}

void table_add_us(struct table *t, uint64_t us)
{
	char text[32];

	table_add(t, "%s", us_text(us, text, sizeof(text)));
}

static const char *cell_text(const struct table *t, size_t i)
{
	const char *s = t->cell[i] != NULL ? t->cell[i] : "";

	return i < t->cols && s[0] == '>' ? s + 1 : s;
}

static void print_row(const struct table *t, size_t row, const size_t *width)
{
	for (size_t c = 0; c < t->cols; c++) {
		const char *s = cell_text(t, row * t->cols + c);
		int w = (int)width[c];

		if (t->cell[c] != NULL && t->cell[c][0] == '>')
			printf("%s%*s", c ? "  " : "", w, s);
		else if (c + 1 == t->cols)
			printf("%s%s", c ? "  " : "", s);
		else
			printf("%s%-*s", c ? "  " : "", w, s);
	}
	putchar('\n');
}

void table_end(struct table *t)
{
	size_t width[TABLE_COLS_MAX] = { 0 };

	for (size_t i = 0; i < t->n; i++) {
		size_t n = strlen(cell_text(t, i)), c = i % t->cols;

		if (n > width[c])
			width[c] = n;
	}
	for (size_t row = 0; (row + 1) * t->cols <= t->n; row++)
		print_row(t, row, width);
	for (size_t i = 0; i < t->n; i++)
		free(t->cell[i]);
	free(t->cell);
	*t = (struct table){ .cols = 0 };
}
