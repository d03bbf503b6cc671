#include "daemon/ipc/listen.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int fail(int sys, const char *what, const char *path, char *why, size_t cap)
{
	snprintf(why, cap, "cannot %s %s: %s", what, path, strerror(sys));
	return hv_err_errno(sys);
}

static int make_directory(const char *path, char *why, size_t cap)
{
	char dir[sizeof(((struct listen *)0)->path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return HV_OK;
	*slash = '\0';
	if (mkdir(dir, geteuid() == 0 ? 0755 : 0750) != 0 && errno != EEXIST)
		return fail(errno, "make the socket's directory", dir, why, cap);
	return HV_OK;
}

static int take_lock(const char *path, int *fd, char *why, size_t cap)
{
	char name[sizeof(((struct listen *)0)->path) + 8];

	snprintf(name, sizeof(name), "%s.lock", path);
	*fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (*fd < 0)
		return fail(errno, "open the lock", name, why, cap);
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return HV_OK;
	close(*fd);
	*fd = -1;
	snprintf(why, cap,
		 "another harvestd already serves %s: stop it, or choose another --socket", path);
	return HV_E_BUSY;
}

/* Something that is no daemon of ours may listen there without our lock: leave it alone. */
static int remove_stale(const struct sockaddr_un *at, char *why, size_t cap)
{
	hv_autoclose int probe = -1;
	struct stat st;

	if (lstat(at->sun_path, &st) != 0)
		return HV_OK;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, cap,
			 "%s exists and is no socket: remove it, or choose another --socket",
			 at->sun_path);
		return HV_E_BUSY;
	}
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe >= 0 &&
	    (connect(probe, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN)) {
		snprintf(why, cap,
			 "another program listens on %s: stop it, or choose another --socket",
			 at->sun_path);
		return HV_E_BUSY;
	}
	if (unlink(at->sun_path) != 0 && errno != ENOENT)
		return fail(errno, "remove the stale socket", at->sun_path, why, cap);
	return HV_OK;
}

static int bind_socket(const struct sockaddr_un *at, int *out, char *why, size_t cap)
{
	hv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before;
	int r;

	if (fd < 0)
		return fail(errno, "make a socket for", at->sun_path, why, cap);
	before = umask(0117); /* 0660 from the first moment on */
	r = bind(fd, (const struct sockaddr *)at, sizeof(*at));
	umask(before);
	if (r != 0)
		return fail(errno, "bind", at->sun_path, why, cap);
	*out = hv_take_fd(fd);
	return HV_OK;
}

int listen_open(const char *path, struct listen *l, char *why, size_t cap)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int err;

	*l = (struct listen){ .fd = -1, .lock_fd = -1 };
	if (path[0] == '\0' || strlen(path) >= sizeof(at.sun_path)) {
		snprintf(why, cap, "a socket path has 1 to %zu bytes, '%.40s' has %zu",
			 sizeof(at.sun_path) - 1, path, strlen(path));
		return HV_E_INVAL;
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	memcpy(l->path, path, strlen(path) + 1);
	err = make_directory(path, why, cap);
	if (err == HV_OK)
		err = take_lock(path, &l->lock_fd, why, cap);
	if (err == HV_OK)
		err = remove_stale(&at, why, cap);
	if (err == HV_OK)
		err = bind_socket(&at, &l->fd, why, cap);
	if (err != HV_OK && l->lock_fd >= 0) {
		close(l->lock_fd);
		l->lock_fd = -1;
	}
	return err;
}

void listen_close(struct listen *l)
{
	if (l->lock_fd < 0)
		return;
	unlink(l->path);
	close(l->lock_fd); /* the lock file stays: removing it would race with the next daemon */
	l->lock_fd = -1;
}
