#include "daemon/log.h"
#include "util/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level threshold = LOG_LVL_NOTICE;

void log_set_level(enum log_level level)
{
	threshold = level;
}

bool log_gate_pass(struct log_gate *g, uint64_t now_ns, unsigned *left_out)
{
	*left_out = 0;
	if (g->written == 0 || now_ns - g->since_ns >= LOG_GATE_NS) {
		*left_out = g->left_out;
		g->since_ns = now_ns;
		g->written = g->left_out = 0;
	}
	if (g->written == LOG_GATE_LINES) {
		g->left_out++;
		return false;
	}
	g->written++;
	return true;
}

/* Events are few and named in the source; one beyond the table is not limited. */
static struct log_gate *gate_of(const char *event)
{
	static struct log_gate gates[48];

	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		if (gates[i].event == NULL)
			gates[i].event = event;
		if (strcmp(gates[i].event, event) == 0)
			return &gates[i];
	}
	return NULL;
}

static void write_line(enum log_level level, const char *event, const char *line)
{
	static const int syslog_level[] = { 3, 4, 5, 6, 7 };

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "harvestd: %s (%s)\n", line, event);
	else
		fprintf(stderr, "<%d>%s: %s\n", syslog_level[level], event, line);
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	struct log_gate *g;
	char line[1024];
	unsigned left_out;
	va_list ap;

	if (level > threshold)
		return;
	g = level == LOG_LVL_DEBUG ? NULL : gate_of(event);
	if (g != NULL) {
		if (!log_gate_pass(g, hv_now_ns(), &left_out))
			return;
		if (left_out > 0) {
			snprintf(line, sizeof(line), "%u more such lines were left out", left_out);
			write_line(level, event, line);
		}
	}
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	write_line(level, event, line);
}
