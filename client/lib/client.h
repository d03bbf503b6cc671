#ifndef CLIENT_LIB_CLIENT_H
#define CLIENT_LIB_CLIENT_H
#include "client/include/harvest/harvest.h"
#include "client/lib/calls.h"
#include "client/lib/conn.h"
#include <protobuf-c/protobuf-c.h>

/* The connection as the files of this folder see it: engine, outstanding calls, last reason. */
struct harvest_client {
	struct conn conn;
	struct calls calls;
	struct reason why;
	uint64_t timeout_ns;
	int lost; /* 0, or the code with which the connection ended */
	bool explained; /* why already says how it came to its end */
	unsigned depth; /* > 0: parsing, so that a callback may be running */
	unsigned users; /* entry points that go on after a nested client_leave() */
	bool close_wanted;
	int finished; /* jobs ended since harvest_dispatch() began */
};

uint64_t client_deadline_ns(const harvest_client *c); /* of a call that begins now */
bool client_in_callback(const harvest_client *c);

/* Queue one request and give k its tag. HV_E_GONE..: the connection is over; HV_E_INVAL: longer
 * than the caps; HV_E_BUSY; HV_E_NOMEM. payload copied. */
HV_NODISCARD int client_queue(harvest_client *c, struct call *k, uint16_t kind,
			      const ProtobufCMessage *msg, const void *payload, size_t len);
/* Send, wait for something up to the deadline, parse it. HV_E_TIMEOUT: deadline passed. Other
 * codes: the connection is over and all calls have ended. Not from a callback: HV_E_INVAL. */
HV_NODISCARD int client_pump(harvest_client *c, uint64_t deadline_ns);
/* Queue a request whose reply is dropped. */
HV_NODISCARD int client_tell(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg);
/* After the last use of c in an entry point: carries out a close that a callback asked for. */
void client_leave(harvest_client *c);

#endif
