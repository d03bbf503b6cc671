#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H
#include <stdbool.h>
#include <stdint.h>

/* Log of the daemon: stderr in the format systemd understands ("<N>" prefix) when it is not a
 * terminal, else plain sentences. What others can cause again and again does not flood it: of
 * one event, LOG_GATE_LINES are written in LOG_GATE_NS, and how many were left out. Not for pure
 * modules. */
enum log_level { LOG_LVL_ERROR, LOG_LVL_WARNING, LOG_LVL_NOTICE, LOG_LVL_INFO, LOG_LVL_DEBUG };

void log_set_level(enum log_level level);
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

enum { LOG_GATE_LINES = 40 };
#define LOG_GATE_NS UINT64_C(10000000000)

/* One event's share of the log; zeroed at first. */
struct log_gate {
	const char *event; /* borrowed */
	uint64_t since_ns;
	unsigned written, left_out;
};

/* May a line be written now? *left_out: lines of the time before that were not, when that time
 * has just ended. */
bool log_gate_pass(struct log_gate *g, uint64_t now_ns, unsigned *left_out);

#endif
