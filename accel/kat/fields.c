/* Lines, fields and numbers of a known-answer test file. */
#include "accel/kat/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 24 }; /* characters of a bad field in a message */

int kat_bad(struct kat_parser *p, const char *fmt, ...)
{
	char text[KAT_WHAT_CAP];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (p->cap > 0)
		snprintf(p->why, p->cap, "line %u: %s", p->number, text);
	return HV_E_FORMAT;
}

bool kat_line(struct kat_parser *p)
{
	const char *newline;

	if (p->next == p->end)
		return false;
	newline = memchr(p->next, '\n', (size_t)(p->end - p->next));
	p->line = p->at = p->next;
	p->line_end = newline != NULL ? newline : p->end;
	p->next = newline != NULL ? newline + 1 : p->end;
	p->number++;
	return true;
}

bool kat_word(struct kat_parser *p, const char **word, size_t *len)
{
	const char *end;

	while (p->at < p->line_end && *p->at == ' ')
		p->at++;
	if (p->at == p->line_end)
		return false;
	end = memchr(p->at, ' ', (size_t)(p->line_end - p->at));
	if (end == NULL)
		end = p->line_end;
	*word = p->at;
	*len = (size_t)(end - p->at);
	p->at = end;
	return true;
}

bool kat_word_is(const char *word, size_t len, const char *is)
{
	return len == strlen(is) && memcmp(word, is, len) == 0;
}

static int shown(size_t len)
{
	return len > SHOWN ? SHOWN : (int)len;
}

static bool read_hex(const char *s, size_t len, uint64_t *value)
{
	uint64_t v = 0;

	if (len == 0 || len > 16)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned c = (unsigned char)s[i], digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else
			return false;
		v = v << 4 | digit;
	}
	*value = v;
	return true;
}

static bool read_decimal(const char *s, size_t len, int64_t *value)
{
	bool negative = len > 0 && s[0] == '-';
	int64_t v = 0;

	s += negative;
	len -= negative;
	if (len == 0 || len > 15)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = 10 * v + (s[i] - '0');
	}
	*value = negative ? -v : v;
	return true;
}

int kat_hex(struct kat_parser *p, const char *what, uint64_t max, uint64_t *value)
{
	const char *word;
	size_t len;

	if (!kat_word(p, &word, &len))
		return kat_bad(p, "%s is missing", what);
	if (!read_hex(word, len, value) || *value > max)
		return kat_bad(p, "%s '%.*s' is no hexadecimal number up to %llx", what, shown(len),
			       word, (unsigned long long)max);
	return HV_OK;
}

static int as_decimal(struct kat_parser *p, const char *what, const char *word, size_t len,
		      int64_t min, int64_t max, int64_t *value)
{
	if (!read_decimal(word, len, value) || *value < min || *value > max)
		return kat_bad(p, "%s '%.*s' is no number from %lld to %lld", what, shown(len),
			       word, (long long)min, (long long)max);
	return HV_OK;
}

int kat_decimal(struct kat_parser *p, const char *what, int64_t min, int64_t max, int64_t *value)
{
	const char *word;
	size_t len;

	if (!kat_word(p, &word, &len))
		return kat_bad(p, "%s is missing", what);
	return as_decimal(p, what, word, len, min, max, value);
}

int kat_key_text(struct kat_parser *p, const char *key, const char **text, size_t *len)
{
	const char *at = p->at, *word;
	size_t n, key_len = strlen(key);
	bool found = false;

	while (!found && kat_word(p, &word, &n))
		if (n > key_len && word[key_len] == '=' && memcmp(word, key, key_len) == 0) {
			*text = word + key_len + 1;
			*len = n - key_len - 1;
			found = true;
		}
	p->at = at; /* keys may come in any order */
	return found ? HV_OK : kat_bad(p, "%s is missing", key);
}

int kat_key_int(struct kat_parser *p, const char *key, int64_t min, int64_t max, int64_t *value)
{
	const char *text;
	size_t len;
	int err = kat_key_text(p, key, &text, &len);

	return err < 0 ? err : as_decimal(p, key, text, len, min, max, value);
}

int kat_key_hex(struct kat_parser *p, const char *key, uint64_t max, uint64_t *value)
{
	const char *text;
	size_t len;
	int err = kat_key_text(p, key, &text, &len);

	if (err < 0)
		return err;
	if (!read_hex(text, len, value) || *value > max)
		return kat_bad(p, "%s '%.*s' is no hexadecimal number up to %llx", key, shown(len),
			       text, (unsigned long long)max);
	return HV_OK;
}

/* Numbers of one value, separated by `by`; at most `most`. */
static int split(struct kat_parser *p, const char *key, char by, int64_t min, int64_t max,
		 int64_t *values, unsigned most, unsigned *n)
{
	const char *text;
	size_t len;
	int err = kat_key_text(p, key, &text, &len);

	*n = 0;
	while (err == HV_OK) {
		const char *cut = memchr(text, by, len);
		size_t part = cut != NULL ? (size_t)(cut - text) : len;

		if (*n == most)
			return kat_bad(p, "%s has more than %u parts", key, most);
		err = as_decimal(p, key, text, part, min, max, &values[(*n)++]);
		if (cut == NULL)
			break;
		text += part + 1;
		len -= part + 1;
	}
	return err;
}

int kat_key_sizes(struct kat_parser *p, const char *key, unsigned n, int64_t max, int64_t *value)
{
	unsigned got;
	int err = split(p, key, 'x', 0, max, value, n, &got);

	if (err == HV_OK && got != n)
		return kat_bad(p, "%s has %u parts, needs %u", key, got, n);
	return err;
}

int kat_key_list(struct kat_parser *p, const char *key, int64_t min, int64_t max, int64_t *values,
		 unsigned most, unsigned *n)
{
	return split(p, key, ',', min, max, values, most, n);
}

int kat_key_name(struct kat_parser *p, const char *key, const char *const *names, int *which)
{
	const char *text;
	size_t len;
	int err = kat_key_text(p, key, &text, &len);

	if (err < 0)
		return err;
	for (int i = 0; names[i] != NULL; i++)
		if (kat_word_is(text, len, names[i])) {
			*which = i;
			return HV_OK;
		}
	return kat_bad(p, "%s '%.*s' is unknown", key, shown(len), text);
}
