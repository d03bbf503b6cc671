#include "daemon/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static enum log_level threshold = LOG_LVL_NOTICE;

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	static const int syslog_level[] = { 3, 4, 5, 6, 7 };
	char line[1024];
	va_list ap;

	if (level > threshold)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "harvestd: %s (%s)\n", line, event);
	else
		fprintf(stderr, "<%d>%s: %s\n", syslog_level[level], event, line);
}
