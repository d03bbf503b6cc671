#include "client/lib/dial.h"
#include "util/clock.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Group that owns the socket or, when that cannot be seen, its folder; "" when unknown. */
static void socket_group(const char *path, char *to, size_t cap)
{
	struct group g, *found = NULL;
	char buf[4096], folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;
	char *slash;

	to[0] = '\0';
	strncpy(folder, path, sizeof(folder) - 1);
	folder[sizeof(folder) - 1] = '\0';
	slash = strrchr(folder, '/');
	if (slash != NULL)
		*slash = '\0';
	if (stat(path, &st) < 0 && (slash == NULL || stat(folder, &st) < 0))
		return;
	if (st.st_gid == 0) /* nobody should join root for this */
		return;
	if (getgrgid_r(st.st_gid, &g, buf, sizeof(buf), &found) != 0 || found == NULL)
		return;
	strncpy(to, g.gr_name, cap - 1);
	to[cap - 1] = '\0';
}

static int refused(const char *path, int sys, struct reason *why)
{
	char group[64];

	switch (sys) {
	case EACCES:
	case EPERM:
		socket_group(path, group, sizeof(group));
		if (group[0] == '\0')
			reason_set(why,
				   "no permission for the socket %s: use sudo, or a daemon whose "
				   "socket is open to a group of yours",
				   path);
		else
			reason_set(
				why,
				"no permission for the socket %s: it is open to group '%s'; join "
				"it (usermod -aG %s USER), log in again, and retry",
				path, group, group);
		return HV_E_DENIED;
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
	case ENOTSOCK:
	case EPROTOTYPE:
		reason_set(why,
			   "no daemon at %s (%s): start it with 'systemctl start harvestd' or "
			   "'harvestd --socket %s', or name another socket",
			   path, sys == ECONNREFUSED ? "nobody listens" : strerror(sys), path);
		return HV_E_GONE;
	default:
		reason_set(why, "cannot connect to %s: %s", path, strerror(sys));
		return hv_err_errno(sys);
	}
}

/* connect() on a Unix socket does not go on in the background: a full backlog is EAGAIN,
 * and trying again is all there is. */
static int connect_until(int fd, const struct sockaddr_un *a, uint64_t deadline_ns)
{
	while (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		if (hv_now_ns() >= deadline_ns)
			return ETIMEDOUT;
		if (errno == EAGAIN)
			poll(NULL, 0, 5);
	}
	return 0;
}

int dial(const char *path, uint64_t deadline_ns, int *fd, struct reason *why)
{
	struct timeval slice = { .tv_usec = DIAL_RECEIVE_SLICE_MS * 1000 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	hv_autoclose int s = -1;
	int sys;

	if (path[0] == '\0' || strlen(path) >= sizeof(a.sun_path)) {
		reason_set(why, "the socket path '%s' is empty or longer than %zu bytes", path,
			   sizeof(a.sun_path) - 1);
		return HV_E_INVAL;
	}
	strcpy(a.sun_path, path);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return refused(path, errno, why);
	sys = connect_until(s, &a, deadline_ns);
	if (sys == ETIMEDOUT) {
		reason_set(why,
			   "harvestd at %s accepts no connection: it is busy or stuck; see "
			   "'systemctl status harvestd'",
			   path);
		return HV_E_TIMEOUT;
	}
	if (sys != 0)
		return refused(path, sys, why);
	if (fcntl(s, F_SETFL, 0) < 0 ||
	    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice)) < 0)
		return refused(path, errno, why);
	*fd = hv_take_fd(s);
	return HV_OK;
}
