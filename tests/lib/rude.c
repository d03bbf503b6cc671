/* A client with bad manners, for the end-to-end tests.
 *   rude SOCKET oversize|garbage|unheard|broken   wait for the daemon's reason and, but after
 *                                                 one broken message, for the end
 *   rude SOCKET die                               leave in the middle of a submit
 *   rude SOCKET deaf                              submit and never read; prints "stuck", stays */
#include "proto/harvest.pb-c.h"
#include "proto/ipc_frame.h"
#include "util/own.h"
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PATIENCE_MS = 10000, STUCK_MS = 300, STAY_S = 60, RECORD_BYTES = 256 };

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return fd;
}

static size_t frame(uint8_t *to, uint16_t kind, uint32_t tag, const ProtobufCMessage *msg,
		    uint32_t payload_len)
{
	struct ipc_frame f = { .kind = kind, .tag = tag, .payload_len = payload_len };

	f.msg_len = msg != NULL ? (uint32_t)protobuf_c_message_pack(msg, to + IPC_HDR) : 0;
	ipc_frame_encode(&f, to);
	return IPC_HDR + f.msg_len;
}

static size_t hello(uint8_t *to)
{
	Hv__Hello h = HV__HELLO__INIT;

	h.version_min = IPC_VERSION_MIN;
	h.version_max = IPC_VERSION_MAX;
	h.program = (char *)"rude";
	return frame(to, IPC_HELLO, 1, &h.base, 0);
}

static size_t submit(uint8_t *to, uint32_t tag, uint32_t records)
{
	Hv__Submit s = HV__SUBMIT__INIT;

	s.task = (char *)"fft64";
	s.records = records;
	return frame(to, IPC_SUBMIT, tag, &s.base, records * RECORD_BYTES);
}

/* Prints the reasons of the ERROR messages among what has come. Returns how many. */
static int print_reasons(const uint8_t *all, size_t n)
{
	struct ipc_frame f;
	int reasons = 0;

	for (size_t at = 0; n - at >= IPC_HDR; at += IPC_HDR + f.msg_len + f.payload_len) {
		if (ipc_frame_decode(all + at, &f) != HV_OK ||
		    n - at - IPC_HDR < (size_t)f.msg_len + f.payload_len)
			break;
		if (f.kind == IPC_ERROR) {
			Hv__Error *e = hv__error__unpack(NULL, f.msg_len, all + at + IPC_HDR);

			printf("reason: %s\n", e != NULL ? e->reason : "?");
			reasons += e != NULL && e->reason[0] != '\0';
			hv__error__free_unpacked(e, NULL);
		}
	}
	return reasons;
}

/* Wait for the end of the connection or, when the daemon may go on after one broken message,
 * for a reason. 0 when a reason was given. */
static int read_reason(int fd, bool may_go_on)
{
	static uint8_t all[1 << 16];
	struct pollfd p = { fd, POLLIN, 0 };
	size_t n = 0;
	ssize_t r = 1;

	while (n < sizeof(all) && r > 0) {
		if (poll(&p, 1, PATIENCE_MS) <= 0) {
			printf("the daemon says nothing and keeps the connection\n");
			return 1;
		}
		r = recv(fd, all + n, sizeof(all) - n, 0);
		n += r > 0 ? (size_t)r : 0;
		if (may_go_on && print_reasons(all, n) > 0)
			return 0;
	}
	return print_reasons(all, n) > 0 ? 0 : 1;
}

static int misbehave(int fd, const char *how)
{
	uint8_t to[4096];
	size_t n = strcmp(how, "unheard") == 0 ? 0 : hello(to);
	struct ipc_frame big = { .kind = IPC_SUBMIT, .tag = 2, .payload_len = IPC_PAYLOAD_MAX + 1 };

	if (strcmp(how, "oversize") == 0) {
		ipc_frame_encode(&big, to + n);
		n += IPC_HDR;
	} else if (strcmp(how, "unheard") == 0) {
		n += submit(to + n, 2, 0);
	} else if (strcmp(how, "broken") == 0) {
		struct ipc_frame f = { .kind = IPC_SUBMIT, .tag = 2, .msg_len = 2 };

		ipc_frame_encode(&f, to + n);
		memcpy(to + n + IPC_HDR, "\x0a\x7f", 2);
		n += IPC_HDR + 2;
	} else {
		memset(to + n, 0xa5, 512);
		n += 512;
	}
	if (send(fd, to, n, MSG_NOSIGNAL) != (ssize_t)n)
		return 1;
	return read_reason(fd, strcmp(how, "broken") == 0);
}

static int die(int fd)
{
	uint8_t to[4096] = { 0 };
	size_t n = hello(to);

	n += submit(to + n, 2, 1000) + RECORD_BYTES; /* one of the thousand records */
	return send(fd, to, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : 1;
}

/* Results pile up unread until the daemon stops reading us, or hangs up. */
static int deaf(int fd)
{
	enum { RECORDS = 64 };
	static uint8_t to[IPC_HDR + 256 + RECORDS * RECORD_BYTES];
	struct pollfd p = { fd, POLLOUT, 0 };
	uint32_t tag = 2;
	size_t n = hello(to);

	while (poll(&p, 1, STUCK_MS) > 0 && (p.revents & (POLLHUP | POLLERR)) == 0) {
		if (send(fd, to, n, MSG_NOSIGNAL) < 0)
			break;
		n = submit(to, tag++, RECORDS);
		memset(to + n, 0, RECORDS * RECORD_BYTES);
		n += RECORDS * RECORD_BYTES;
	}
	printf("stuck after %u jobs\n", tag - 2);
	fflush(stdout);
	sleep(STAY_S);
	return 0;
}

int main(int argc, char **argv)
{
	hv_autoclose int fd = argc == 3 ? dial(argv[1]) : -1;

	if (fd < 0) {
		fprintf(stderr, "rude: usage: rude SOCKET HOW, and somebody must listen there\n");
		return 2;
	}
	if (strcmp(argv[2], "die") == 0)
		return die(fd);
	if (strcmp(argv[2], "deaf") == 0)
		return deaf(fd);
	return misbehave(fd, argv[2]);
}
