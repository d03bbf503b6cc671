#include "nas/cli/stop.h"
#include "util/own.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char sentence[4400];
static size_t sentence_len;
static volatile sig_atomic_t writing, waiting;

/* Only what a handler may call. */
static void on_signal(int signal)
{
	if (writing && !waiting) {
		waiting = signal;
		return;
	}
	(void)!write(STDERR_FILENO, sentence, sentence_len);
	_exit(128 + signal);
}

void nas_stop_prepare(const char *verb, const char *resume)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, was;
	int n = snprintf(sentence, sizeof(sentence),
			 "%sharvest-nas: %s: interrupted; nothing was written%s%.4000s\n",
			 isatty(STDERR_FILENO) ? "\r\033[K" : "", verb,
			 resume != NULL ? "; the same command goes on from " : "",
			 resume != NULL ? resume : "");

	sentence_len = n < (int)sizeof(sentence) ? (size_t)n : sizeof(sentence) - 1;
	sigfillset(&act.sa_mask);
	for (size_t i = 0; i < HV_ARRAY_SIZE(signals); i++) {
		if (signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &was) == 0 &&
		    was.sa_handler == SIG_IGN)
			continue; /* nohup */
		sigaction(signals[i], &act, NULL);
	}
}

void nas_stop_hold(void)
{
	writing = 1;
}

void nas_stop_release(bool done)
{
	int signal = waiting;

	writing = done;
	if (!done && signal != 0)
		on_signal(signal);
}

int nas_stop_can_write(const char *path)
{
	enum { SHARE = 32768 }; /* what a small package takes: a full disk is found out now */
	hv_autofree uint8_t *zeros = calloc(1, SHARE);
	hv_autofree char *probe = NULL;
	struct stat st;
	int r, cause;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : errno;
		return S_ISDIR(st.st_mode) ? -1 : access(path, W_OK);
	}
	if (zeros == NULL || path[0] == '\0' || path[strlen(path) - 1] == '/' ||
	    asprintf(&probe, "%s.%ld-try", path, (long)getpid()) < 0) {
		probe = NULL;
		errno = zeros == NULL ? ENOMEM : path[0] == '\0' ? ENOENT : EISDIR;
		return -1;
	}
	nas_stop_hold();
	r = hv_file_write(probe, zeros, SHARE);
	cause = errno;
	(void)unlink(probe);
	nas_stop_release(false);
	errno = cause;
	return r < 0 ? -1 : 0;
}
