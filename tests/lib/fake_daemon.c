#include "tests/lib/fake_daemon.h"
#include "util/own.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { FRAME_MAX = 1 << 20 }; /* of what tests send; larger ones they write by hand */

static void *run(void *arg)
{
	struct fake *f = arg;

	f->fd = accept(f->listener, NULL, NULL);
	if (f->fd < 0)
		return NULL; /* fake_stop() before anybody came */
	f->script(f);
	close(f->fd);
	return NULL;
}

void fake_start(struct fake *f, void (*script)(struct fake *f), void *arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->script = script;
	f->arg = arg;
	snprintf(f->folder, sizeof(f->folder), "/tmp/harvest-fake.XXXXXX");
	if (mkdtemp(f->folder) == NULL)
		abort();
	snprintf(f->path, sizeof(f->path), "%s/s", f->folder);
	strcpy(a.sun_path, f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(f->listener, 4) < 0)
		abort();
	if (script != NULL && pthread_create(&f->thread, NULL, run, f) != 0)
		abort();
}

void fake_stop(struct fake *f)
{
	shutdown(f->listener, SHUT_RDWR);
	if (f->script != NULL)
		pthread_join(f->thread, NULL);
	close(f->listener);
	unlink(f->path);
	rmdir(f->folder);
	free(f->payload);
}

static int read_full(int fd, uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, to, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		to += r;
		n -= (size_t)r;
	}
	return 0;
}

int fake_read(struct fake *f, struct ipc_frame *frame)
{
	uint8_t head[IPC_HDR];

	if (read_full(f->fd, head, sizeof(head)) < 0 || ipc_frame_decode(head, frame) != HV_OK)
		return -1;
	if (frame->payload_len > f->payload_cap) {
		free(f->payload);
		f->payload_cap = frame->payload_len;
		f->payload = malloc(f->payload_cap);
		if (f->payload == NULL)
			abort();
	}
	if (read_full(f->fd, f->msg, frame->msg_len) < 0)
		return -1;
	return read_full(f->fd, f->payload, frame->payload_len);
}

void fake_write(struct fake *f, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		ssize_t r = send(f->fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return;
		p += r;
		n -= (size_t)r;
	}
}

size_t fake_frame(uint8_t *to, uint16_t kind, uint32_t tag, const ProtobufCMessage *msg,
		  const void *payload, size_t len)
{
	struct ipc_frame frame = { .kind = kind, .tag = tag, .payload_len = (uint32_t)len };

	frame.msg_len = (uint32_t)protobuf_c_message_pack(msg, to + IPC_HDR);
	ipc_frame_encode(&frame, to);
	if (len > 0)
		memcpy(to + IPC_HDR + frame.msg_len, payload, len);
	return IPC_HDR + frame.msg_len + len;
}

void fake_reply(struct fake *f, uint16_t kind, uint32_t tag, const ProtobufCMessage *msg,
		const void *payload, size_t len)
{
	hv_autofree uint8_t *to = malloc(FRAME_MAX);

	if (to == NULL)
		abort();
	fake_write(f, to, fake_frame(to, kind, tag, msg, payload, len));
}

void fake_greet(struct fake *f)
{
	Hv__Hello ok = HV__HELLO__INIT;
	struct ipc_frame frame;

	if (fake_read(f, &frame) < 0)
		return;
	assert(frame.kind == IPC_HELLO);
	ok.version_min = IPC_VERSION_MIN;
	ok.version_max = IPC_VERSION_MAX;
	ok.program = (char *)"fake 1";
	fake_reply(f, IPC_HELLO_OK, frame.tag, &ok.base, NULL, 0);
}

size_t fake_result_frame(uint8_t *to, uint32_t tag, const void *out, size_t len)
{
	Hv__Result r = HV__RESULT__INIT;
	Hv__Part part = HV__PART__INIT, *parts[] = { &part };
	Hv__Times times = HV__TIMES__INIT;

	part.where = (char *)"cpu";
	part.records = 1;
	times.compute = 5;
	times.total = 5;
	r.job = (char *)"j1.abcd";
	r.task = (char *)"fft64";
	r.records = 1;
	r.ok = 1;
	r.n_parts = 1;
	r.parts = parts;
	r.metric = (char *)"snr_db";
	r.time_us = &times;
	r.why = (char *)"the CPU is faster";
	r.state = (char *)"completed";
	return fake_frame(to, IPC_RESULT, tag, &r.base, out, len);
}

void fake_result(struct fake *f, uint32_t tag, const void *out, size_t len)
{
	hv_autofree uint8_t *to = malloc(FRAME_MAX);

	if (to == NULL)
		abort();
	fake_write(f, to, fake_result_frame(to, tag, out, len));
}
