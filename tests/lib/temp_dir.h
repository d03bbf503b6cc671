#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

/* A directory of one's own for a test, and its end with everything in it. */
static inline void temp_dir_make(char *to, size_t cap)
{
	snprintf(to, cap, "/tmp/harvest-test-XXXXXX");
	if (mkdtemp(to) == NULL)
		abort();
}

static inline int temp_dir_drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline void temp_dir_remove(const char *dir)
{
	(void)nftw(dir, temp_dir_drop, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
