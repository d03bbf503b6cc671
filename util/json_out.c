#include "util/json_out.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct hv_json hv_json_begin(FILE *to)
{
	return (struct hv_json){ .to = to, .first = true };
}

/* What a first byte promises; 0: no sequence begins with it. */
static size_t utf8_promise(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Length of the UTF-8 sequence at s, 0 when it is not one. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = utf8_promise(s[0]);

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
		return 0;
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
		return 0;
	return n;
}

static void quoted(FILE *to, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', to);
	while (*s != 0) {
		size_t n = utf8_len(s);

		if (n == 0) {
			fputs("\\ufffd", to);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(to, "\\%c", *s);
		} else if (*s == '\n') {
			fputs("\\n", to);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(to, "\\u%04x", (unsigned)*s);
		} else {
			fwrite(s, 1, n, to);
		}
		s += n;
	}
	fputc('"', to);
}

static void before(struct hv_json *j, const char *key)
{
	if (!j->first)
		fputc(',', j->to);
	j->first = false;
	if (key != NULL) {
		quoted(j->to, key);
		fputc(':', j->to);
	}
}

static void open_at(struct hv_json *j, const char *key, char c)
{
	before(j, key);
	fputc(c, j->to);
	j->depth++;
	j->first = true;
}

static void close_at(struct hv_json *j, char c)
{
	fputc(c, j->to);
	j->depth--;
	j->first = false;
}

void hv_json_object(struct hv_json *j, const char *key)
{
	open_at(j, key, '{');
}

void hv_json_array(struct hv_json *j, const char *key)
{
	open_at(j, key, '[');
}

void hv_json_end_object(struct hv_json *j)
{
	close_at(j, '}');
}

void hv_json_end_array(struct hv_json *j)
{
	close_at(j, ']');
}

void hv_json_str(struct hv_json *j, const char *key, const char *value)
{
	before(j, key);
	if (value == NULL)
		fputs("null", j->to);
	else
		quoted(j->to, value);
}

void hv_json_u64(struct hv_json *j, const char *key, uint64_t value)
{
	before(j, key);
	fprintf(j->to, "%" PRIu64, value);
}

void hv_json_i64(struct hv_json *j, const char *key, int64_t value)
{
	before(j, key);
	fprintf(j->to, "%" PRId64, value);
}

void hv_json_f64(struct hv_json *j, const char *key, double value)
{
	before(j, key);
	if (isfinite(value))
		fprintf(j->to, "%.10g", value);
	else
		fputs("null", j->to);
}

void hv_json_bool(struct hv_json *j, const char *key, bool value)
{
	before(j, key);
	fputs(value ? "true" : "false", j->to);
}

void hv_json_null(struct hv_json *j, const char *key)
{
	before(j, key);
	fputs("null", j->to);
}

void hv_json_finish(struct hv_json *j)
{
	fputc('\n', j->to);
}
