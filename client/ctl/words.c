#include "client/ctl/words.h"
#include <string.h>

enum { WORD_MAX = 64 };

bool word_find(const struct word *list, const char *text, int *value)
{
	for (; list->text != NULL; list++) {
		if (strcmp(list->text, text) != 0)
			continue;
		*value = list->value;
		return true;
	}
	return false;
}

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edit distance by rows of the usual table. */
static size_t edits(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], n = strlen(b);

	if (strlen(a) > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t above = row[j + 1];

			row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[n];
}

const char *word_nearest(const char *const *names, size_t n, const char *text)
{
	const char *best = NULL;
	size_t fewest = WORD_MAX;

	for (size_t i = 0; i < n; i++) {
		size_t d = edits(names[i], text);

		if (d < fewest) {
			fewest = d;
			best = names[i];
		}
	}
	return best != NULL && 3 * fewest <= strlen(best) + 2 ? best : NULL;
}
