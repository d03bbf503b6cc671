#include "client/ctl/progress.h"
#include <stdio.h>
#include <unistd.h>

enum { BAR_CELLS = 30 };
static int is_shown;

int progress_wanted(void)
{
	return isatty(STDERR_FILENO);
}

void progress_show(void *unused, const char *id, uint32_t done, uint32_t records)
{
	char bar[BAR_CELLS + 1];
	unsigned full = records ? (unsigned)((uint64_t)done * BAR_CELLS / records) : 0;

	(void)unused;
	for (unsigned i = 0; i < BAR_CELLS; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR_CELLS] = '\0';
	fprintf(stderr, "\r%.32s [%s] %u of %u records", id, bar, done, records);
	fflush(stderr);
	is_shown = 1;
}

void progress_clear(void)
{
	if (is_shown)
		fputs("\r\033[K", stderr);
	is_shown = 0;
}
