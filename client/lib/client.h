#ifndef CLIENT_LIB_CLIENT_H
#define CLIENT_LIB_CLIENT_H
#include "client/include/harvest/harvest.h"
#include "client/lib/calls.h"
#include "client/lib/conn.h"
#include <protobuf-c/protobuf-c.h>

/* The last SUBMIT as it was packed: streams repeat task and constraints job after job, and
 * packing them again would be a sixth of the client's work on a small one. */
struct submit_memo {
	char task[32], board[32];
	harvest_options o; /* board is compared by its text */
	size_t len; /* 0: nothing yet */
	uint8_t msg[128];
};

/* The connection as the files of this folder see it: engine, outstanding calls, last reason. */
struct harvest_client {
	struct conn conn;
	struct calls calls;
	struct submit_memo memo;
	struct reason why;
	uint64_t timeout_ns;
	int lost; /* 0, or the code with which the connection ended */
	bool explained; /* why already says how it came to its end */
	unsigned depth; /* > 0: parsing, so that a callback may be running */
	unsigned users; /* entry points that go on after a nested client_leave() */
	bool close_wanted;
	harvest_job *spare; /* memory of jobs that ended */
	unsigned n_spare;
	int finished; /* jobs ended since harvest_dispatch() began */
};

uint64_t client_deadline_ns(const harvest_client *c); /* of a call that begins now */
bool client_in_callback(const harvest_client *c);

/* Queue one request and give k its tag. HV_E_GONE..: the connection is over; HV_E_INVAL: longer
 * than the caps; HV_E_BUSY; HV_E_NOMEM. payload copied. */
HV_NODISCARD int client_queue(harvest_client *c, struct call *k, uint16_t kind,
			      const ProtobufCMessage *msg, const void *payload, size_t len);
/* The same with a message packed before. */
HV_NODISCARD int client_queue_packed(harvest_client *c, struct call *k, uint16_t kind,
				     const uint8_t *msg, size_t msg_len, const void *payload,
				     size_t len);
/* hv_job_start() of a SUBMIT packed before. */
HV_NODISCARD int job_start_packed(harvest_client *c, const uint8_t *msg, size_t msg_len,
				  const void *payload, size_t len, harvest_done_fn done, void *arg,
				  harvest_job **out);
void jobs_free_spare(harvest_client *c);
/* Send, wait for something up to the deadline, parse it. HV_E_TIMEOUT: deadline passed. Other
 * codes: the connection is over and all calls have ended. Not from a callback: HV_E_INVAL. */
HV_NODISCARD int client_pump(harvest_client *c, uint64_t deadline_ns);
/* Queue a request whose reply is dropped. */
HV_NODISCARD int client_tell(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg);
/* After the last use of c in an entry point: carries out a close that a callback asked for. */
void client_leave(harvest_client *c);

#endif
