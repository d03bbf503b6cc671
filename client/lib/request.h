#ifndef CLIENT_LIB_REQUEST_H
#define CLIENT_LIB_REQUEST_H
#include "client/include/harvest/harvest.h"
#include "client/lib/result.h"
#include "proto/harvest.pb-c.h"
#include <stdint.h>

/* What harvestctl needs beyond <harvest/harvest.h>: requests other than jobs, and jobs with
 * everything the protocol can say. Not exported from libharvest.so. */

/* Unpacking protobuf messages of a peer that is not trusted: memory is bounded. The message
 * lives until bounded_unpack_free(), which is also needed after NULL (malformed or too much). */
enum { UNPACK_INLINE_BYTES = 4096, UNPACK_MAX_BYTES = 4 * 1024 * 1024 };
struct bounded_unpack {
	size_t used, inline_used;
	void *blocks; /* list of heap blocks */
	_Alignas(max_align_t) uint8_t first[UNPACK_INLINE_BYTES];
};
void *bounded_unpack(struct bounded_unpack *u, const ProtobufCMessageDescriptor *d,
		     const uint8_t *data, size_t len);
void bounded_unpack_free(struct bounded_unpack *u);

/* A reply, unpacked; hv_reply_free() it after success only. */
struct hv_reply {
	ProtobufCMessage *msg;
	struct bounded_unpack *memory;
};
void hv_reply_free(struct hv_reply *r);

/* Ask and wait for the one reply, of kind want; payload copied. What the daemon refuses comes
 * back as its code; harvest_client_reason() is its sentence. */
HV_NODISCARD int hv_client_request(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg,
				   const void *payload, size_t len, uint16_t want,
				   struct hv_reply *reply);
HV_NODISCARD int hv_client_request_until(harvest_client *c, uint16_t kind,
					 const ProtobufCMessage *msg, const void *payload,
					 size_t len, uint16_t want, uint64_t deadline_ns,
					 struct hv_reply *reply);

/* Start a SUBMIT or a WAIT: both end with a result. done, arg, job as in harvest_submit(). */
HV_NODISCARD int hv_job_start(harvest_client *c, uint16_t kind, const ProtobufCMessage *msg,
			      const void *payload, size_t len, harvest_done_fn done, void *arg,
			      harvest_job **job);
/* Called with every PROGRESS of the job. */
typedef void (*hv_progress_fn)(void *arg, const char *id, uint32_t done, uint32_t records);
void hv_job_on_progress(harvest_job *job, hv_progress_fn fn, void *arg);
/* Everything the daemon said about a job that has ended, valid as long as the handle. */
const struct result *hv_job_detail(const harvest_job *job);
const void *hv_job_output(const harvest_job *job, size_t *bytes);

#endif
