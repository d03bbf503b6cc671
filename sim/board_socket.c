#include "sim/board_socket.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PAUSE_FIRST_NS UINT64_C(100000000)
#define PAUSE_MAX_NS   UINT64_C(3000000000)
#define BRIEF_NS       UINT64_C(2000000000) /* a daemon that wants the board keeps it longer */

void board_socket_init(struct board_socket *s, const char *path, uint64_t wall_ns)
{
	*s = (struct board_socket){ .path = path,
				    .fd = -1,
				    .since_ns = wall_ns,
				    .try_at_ns = wall_ns,
				    .pause_ns = PAUSE_FIRST_NS };
}

static int open_socket(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	hv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return hv_take_fd(fd);
}

static void slow_down(struct board_socket *s)
{
	if (s->pause_ns < PAUSE_MAX_NS)
		s->pause_ns *= 2;
}

/* HV_E_DENIED: no use in trying again. */
static int try_connect(struct board_socket *s, uint64_t wall_ns)
{
	int fd = open_socket(s->path);

	if (fd >= 0) {
		s->fd = fd;
		if (s->told && !s->turned_away)
			fprintf(stderr, "harvest-board: connected to %s\n", s->path);
		s->was_connected = true;
		s->told = false;
		s->up_ns = wall_ns;
		s->out_at = s->out_n = 0;
		return HV_OK;
	}
	if ((fd == -EACCES || fd == -EPERM) && !s->was_connected)
		return HV_E_DENIED;
	if (!s->told)
		fprintf(stderr, "harvest-board: %s: %s; trying again%s\n", s->path, strerror(-fd),
			s->was_connected ? "" : " for 5 seconds (is harvestd running?)");
	s->told = true;
	s->try_at_ns = wall_ns + s->pause_ns;
	if (s->was_connected)
		slow_down(s);
	return HV_OK;
}

static void lost(struct board_socket *s, struct vboard *b, const char *why, uint64_t wall_ns)
{
	bool brief = wall_ns - s->up_ns < BRIEF_NS;

	if (!brief) {
		s->turned_away = false;
		s->pause_ns = PAUSE_FIRST_NS;
	}
	if (brief && !s->turned_away)
		fprintf(stderr,
			"harvest-board: the daemon ended the connection at once (%s): is another "
			"board plugged in with this --serial? Its log says; trying again\n",
			why);
	else if (!brief)
		fprintf(stderr, "harvest-board: the daemon went away (%s); trying again\n", why);
	if (brief) {
		s->turned_away = true;
		slow_down(s);
	}
	board_socket_close(s);
	s->told = true;
	s->since_ns = wall_ns;
	s->try_at_ns = wall_ns + s->pause_ns;
	wire_clear(&b->to_board);
	wire_clear(&b->from_board);
}

/* False: the connection ended. */
static bool receive(struct board_socket *s, struct vboard *b, uint64_t wall_ns)
{
	uint8_t in[1024];

	while (wire_room(&b->to_board) >= sizeof(in)) {
		ssize_t n = read(s->fd, in, sizeof(in));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0) {
			lost(s, b, n == 0 ? "end of stream" : strerror(errno), wall_ns);
			return false;
		}
		vboard_feed(b, in, (size_t)n);
		s->heard_wall_ns = wall_ns;
		s->heard_model_ns = vboard_now_ns(b);
	}
	return true;
}

static void deliver(struct board_socket *s, struct vboard *b, uint64_t wall_ns)
{
	for (;;) {
		ssize_t n;

		if (s->out_at == s->out_n) {
			s->out_at = 0;
			s->out_n = vboard_drain(b, s->out, sizeof(s->out));
		}
		if (s->out_n == 0)
			return;
		n = send(s->fd, s->out + s->out_at, s->out_n - s->out_at, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			lost(s, b, strerror(errno), wall_ns);
			return;
		}
		s->out_at += (size_t)n;
	}
}

int board_socket_run(struct board_socket *s, struct vboard *b, uint64_t wall_ns)
{
	if (s->fd < 0 && wall_ns >= s->try_at_ns && try_connect(s, wall_ns) != HV_OK)
		return HV_E_DENIED;
	if (s->fd < 0) {
		uint8_t nowhere[256];

		while (vboard_drain(b, nowhere, sizeof(nowhere)) > 0)
			;
		if (!s->was_connected &&
		    wall_ns - s->since_ns > BOARD_SOCKET_PATIENCE_S * UINT64_C(1000000000))
			return HV_E_GONE;
		return HV_OK;
	}
	if (receive(s, b, wall_ns))
		deliver(s, b, wall_ns);
	return HV_OK;
}

short board_socket_events(const struct board_socket *s, const struct vboard *b)
{
	short events = 0;

	if (wire_room(&b->to_board) >= 1024)
		events |= POLLIN;
	if (s->out_at < s->out_n)
		events |= POLLOUT;
	return events;
}

void board_socket_close(struct board_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->out_at = s->out_n = 0;
}
