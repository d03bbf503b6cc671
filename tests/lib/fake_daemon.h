#ifndef TESTS_LIB_FAKE_DAEMON_H
#define TESTS_LIB_FAKE_DAEMON_H
#include "proto/harvest.pb-c.h"
#include "proto/ipc_frame.h"
#include <pthread.h>

/* The other side of libharvest's socket, as badly behaved as a test wants: one thread that
 * accepts one connection and runs a script on it. */
struct fake {
	char folder[64], path[96];
	int listener, fd;
	void (*script)(struct fake *f);
	void *arg;
	pthread_t thread;
	uint8_t msg[IPC_MSG_MAX]; /* of the last fake_read() */
	uint8_t *payload;
	size_t payload_cap;
};

/* Listens when it returns. script runs on its own thread once somebody connected; the
 * connection is closed after it. NULL: nobody accepts. */
void fake_start(struct fake *f, void (*script)(struct fake *f), void *arg);
void fake_stop(struct fake *f); /* joins; the client must be closed or the script over */

/* Next frame of the client, message and payload in f. 0, or -1 when the client is gone. */
int fake_read(struct fake *f, struct ipc_frame *frame);
void fake_write(struct fake *f, const void *bytes, size_t n); /* ignores a client that left */
void fake_reply(struct fake *f, uint16_t kind, uint32_t tag, const ProtobufCMessage *msg,
		const void *payload, size_t len);
/* As fake_reply(), into to; returns the length. */
size_t fake_frame(uint8_t *to, uint16_t kind, uint32_t tag, const ProtobufCMessage *msg,
		  const void *payload, size_t len);
/* Answer the HELLO properly. */
void fake_greet(struct fake *f);
/* A result of one record on the CPU whose output are these bytes. */
void fake_result(struct fake *f, uint32_t tag, const void *out, size_t len);
size_t fake_result_frame(uint8_t *to, uint32_t tag, const void *out, size_t len);

#endif
