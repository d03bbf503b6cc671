#ifndef PROTO_PB_H
#define PROTO_PB_H
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* The same bytes and the same structures as protobuf-c, made in a third of the time: for the
 * few messages that travel with every job. Both are driven by protobuf-c's descriptors and
 * know proto3 without oneofs; what they do not know is left to protobuf-c. */

enum { PB_PACK_BYTES = 1024 }; /* of a buffer that holds the message of a usual job */

/* Pack so that the message ends at `end`, which saves the walk that finds its size. Returns
 * where it begins, within [buf, end]; NULL when it does not fit or holds something unknown
 * here: then protobuf_c_message_pack() has to do it. */
uint8_t *pb_pack(const ProtobufCMessage *m, uint8_t *buf, uint8_t *end);

/* As protobuf_c_message_unpack(), for messages of numbers and strings, each at most once; one
 * that brings other fields is handed on to it. Unknown fields are dropped. NULL: malformed, or
 * the allocator had nothing. The message goes when the allocator's memory goes: on failure
 * nothing is given back to it. */
ProtobufCMessage *pb_unpack(const ProtobufCMessageDescriptor *d, ProtobufCAllocator *a,
			    const uint8_t *data, size_t len);

#endif
