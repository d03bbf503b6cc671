#include "bench/daemon.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void run(const char *program, const struct bench_daemon *d)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/log", d->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	execl(program, program, "--socket", d->socket, "--state", d->dir, "--models", d->dir,
	      (char *)NULL);
	_exit(127);
}

int bench_daemon_start(const char *program, struct bench_daemon *d)
{
	const char *tmp = getenv("TMPDIR");
	int n;

	*d = (struct bench_daemon){ .pid = -1 };
	if (access(program, X_OK) < 0)
		return hv_err_errno(errno);
	n = snprintf(d->dir, sizeof(d->dir), "%s/harvest-bench.XXXXXX", tmp ? tmp : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(d->dir) || mkdtemp(d->dir) == NULL) {
		d->dir[0] = '\0';
		return HV_E_IO;
	}
	snprintf(d->socket, sizeof(d->socket), "%s/harvest.sock", d->dir);
	d->pid = fork();
	if (d->pid == 0)
		run(program, d);
	if (d->pid > 0)
		return HV_OK;
	bench_daemon_stop(d);
	return HV_E_IO;
}

int bench_daemon_is_gone(struct bench_daemon *d)
{
	if (d->pid > 0 && waitpid(d->pid, NULL, WNOHANG) == d->pid)
		d->pid = -1;
	return d->pid <= 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void bench_daemon_stop(struct bench_daemon *d)
{
	uint64_t give_up_ns = hv_now_ns() + 5000000000u;

	if (!bench_daemon_is_gone(d))
		kill(d->pid, SIGTERM);
	while (!bench_daemon_is_gone(d) && hv_now_ns() < give_up_ns)
		poll(NULL, 0, 10);
	if (!bench_daemon_is_gone(d)) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
		d->pid = -1;
	}
	if (d->dir[0] != '\0')
		nftw(d->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	d->dir[0] = '\0';
}
