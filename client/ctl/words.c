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

/* Edit distance by rows of the usual table; two neighbours that changed places count once. */
static size_t edits(const char *a, const char *b)
{
	size_t row[3][WORD_MAX + 1], n = strlen(b), m = strlen(a);

	if (m > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= m; i++) {
		const size_t *above = row[(i - 1) % 3], *above2 = row[(i + 1) % 3];
		size_t *now = row[i % 3];

		now[0] = i;
		for (size_t j = 1; j <= n; j++) {
			now[j] = least(above[j] + 1, now[j - 1] + 1,
				       above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], now[j], above2[j - 2] + 1);
		}
	}
	return row[m % 3][n];
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
