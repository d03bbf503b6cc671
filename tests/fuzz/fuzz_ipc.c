/* A frame between client and daemon: the header, then the message of its kind. What unpacks
 * is a whole message and packs. */
#include "tests/lib/ipc_types.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void message_check(const ProtobufCMessageDescriptor *d, const uint8_t *b, size_t n)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, n, b);
	uint8_t *packed;
	size_t len;

	if (m == NULL)
		return;
	len = protobuf_c_message_get_packed_size(m);
	packed = malloc(len + 1);
	if (packed == NULL || protobuf_c_message_pack(m, packed) != len)
		abort();
	if (!protobuf_c_message_check(m))
		abort();
	protobuf_c_message_free_unpacked(m, NULL);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_frame f;

	if (size < IPC_HDR || ipc_frame_decode(data, &f) != HV_OK)
		return 0;
	if (f.msg_len > IPC_MSG_MAX || f.payload_len > IPC_PAYLOAD_MAX)
		abort();
	if (f.msg_len > size - IPC_HDR)
		f.msg_len = (uint32_t)(size - IPC_HDR);
	for (int i = 0; i < IPC_TYPES; i++)
		if (ipc_types[i].id == f.kind)
			message_check(ipc_types[i].type, data + IPC_HDR, f.msg_len);
	return 0;
}
