#include "daemon/job/names.h"
#include <stdlib.h>
#include <string.h>

static const char other[] = "(other)";

uint16_t names_intern(struct names *s, const char *text)
{
	size_t len = strnlen(text, NAME_CAP - 1);

	if (len == 0)
		return 0;
	if (s->text == NULL)
		s->text = calloc(NAMES_MAX, NAME_CAP);
	if (s->text == NULL)
		return NAMES_MAX;
	for (uint32_t i = 0; i < s->n; i++)
		if (strncmp(s->text[i], text, len) == 0 && s->text[i][len] == '\0')
			return (uint16_t)(i + 1);
	if (s->n == NAMES_MAX - 1)
		return NAMES_MAX;
	memcpy(s->text[s->n], text, len);
	s->text[s->n][len] = '\0';
	return (uint16_t)++s->n;
}

const char *names_text(const struct names *s, uint16_t name)
{
	if (name == 0)
		return "";
	return name <= s->n ? s->text[name - 1] : other;
}

void names_free(struct names *s)
{
	free(s->text);
	*s = (struct names){ 0 };
}
