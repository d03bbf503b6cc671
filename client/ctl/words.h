#ifndef CLIENT_CTL_WORDS_H
#define CLIENT_CTL_WORDS_H
#include <stdbool.h>
#include <stddef.h>

struct word {
	const char *text; /* NULL ends a list */
	int value;
};

bool word_find(const struct word *list, const char *text, int *value);
/* The candidate with the fewest edits to text, NULL when none is near (more than a third of
 * its letters). names: n strings. */
const char *word_nearest(const char *const *names, size_t n, const char *text);

#endif
