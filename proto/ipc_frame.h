#ifndef PROTO_IPC_FRAME_H
#define PROTO_IPC_FRAME_H
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

/* Frame between client and daemon on a Unix stream socket, little endian:
 *
 *   0          4             8       10      12        16
 *   +----------+-------------+-------+-------+---------+---------------+------------------+
 *   | msg_len  | payload_len | kind  | flags | tag     | msg[msg_len]  | payload          |
 *   +----------+-------------+-------+-------+---------+---------------+------------------+
 *
 * kind    enum ipc_kind: which message of harvest.proto msg is
 * flags   0
 * tag     chosen by the client, echoed by every reply to that request
 * payload bulk samples, beside the message and never inside it
 *
 * The first frame each way is HELLO with the range of versions spoken. A length over its cap
 * is answered by IPC_ERROR with the reason, then the connection is closed. */
enum {
	IPC_HDR = 16,
	IPC_VERSION_MIN = 1,
	IPC_VERSION_MAX = 1,
	IPC_MSG_MAX = 64 * 1024,
	IPC_PAYLOAD_MAX = 64 * 1024 * 1024,
};

/* Requests are below 128; replies are 128 and above. Append only. */
/* clang-format off */
#define IPC_KIND_MAP(X) \
	X(1,   HELLO,         hello,          Hello) \
	X(2,   SUBMIT,        submit,         Submit) \
	X(3,   WAIT,          wait,           JobRef) \
	X(4,   CANCEL,        cancel,         JobRef) \
	X(5,   JOBS,          jobs,           JobsQuery) \
	X(6,   EXPLAIN,       explain,        JobRef) \
	X(7,   TASKS,         tasks,          Empty) \
	X(8,   MODELS,        models,         ModelsRequest) \
	X(9,   BOARDS,        boards,         BoardsRequest) \
	X(10,  STATUS,        status,         Empty) \
	X(128, HELLO_OK,      hello_ok,       Hello) \
	X(129, ERROR,         error,          Error) \
	X(130, ACCEPTED,      accepted,       Accepted) \
	X(131, RESULT,        result,         Result) \
	X(132, PROGRESS,      progress,       Progress) \
	X(133, JOBS_REPLY,    jobs_reply,     JobList) \
	X(134, EXPLAIN_REPLY, explain_reply,  Explanation) \
	X(135, TASKS_REPLY,   tasks_reply,    TaskList) \
	X(136, MODELS_REPLY,  models_reply,   ModelList) \
	X(137, BOARDS_REPLY,  boards_reply,   BoardList) \
	X(138, STATUS_REPLY,  status_reply,   Status) \
	X(139, CANCEL_REPLY,  cancel_reply,   CancelReply)
/* clang-format on */

enum ipc_kind {
#define X(id, NAME, name, type) IPC_##NAME = (id),
	IPC_KIND_MAP(X)
#undef X
};

struct ipc_frame {
	uint32_t msg_len, payload_len;
	uint16_t kind, flags;
	uint32_t tag;
};

const char *ipc_kind_text(uint16_t kind); /* "submit"; "?" */
void ipc_frame_encode(const struct ipc_frame *f, uint8_t to[IPC_HDR]);
/* Lengths are checked against the caps: HV_E_FRAME. */
HV_NODISCARD int ipc_frame_decode(const uint8_t from[IPC_HDR], struct ipc_frame *f);

/* The socket everybody looks for: $HARVEST_SOCKET, else /run/harvest/harvest.sock for root,
 * else $XDG_RUNTIME_DIR/harvest/harvest.sock, else that of the system service.
 * HV_E_INVAL when the path does not fit cap. */
HV_NODISCARD int ipc_socket_path(char *to, size_t cap);

#endif
