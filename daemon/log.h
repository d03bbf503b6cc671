#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

/* Log of the daemon: stderr in the format systemd understands ("<N>" prefix) when it is not a
 * terminal, else plain sentences.. Not for pure
 * modules. */
enum log_level { LOG_LVL_ERROR, LOG_LVL_WARNING, LOG_LVL_NOTICE, LOG_LVL_INFO, LOG_LVL_DEBUG };

void log_set_level(enum log_level level);
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
