#include "proto/ipc_frame.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/harvest/harvest.sock"

const char *ipc_kind_text(uint16_t kind)
{
	switch (kind) {
#define X(id, NAME, name, type) \
	case id: return #name;
		IPC_KIND_MAP(X)
#undef X
	default: return "?";
	}
}

void ipc_frame_encode(const struct ipc_frame *f, uint8_t to[IPC_HDR])
{
	struct hv_wr w = hv_wr_init(to, IPC_HDR);

	hv_wr_u32(&w, f->msg_len);
	hv_wr_u32(&w, f->payload_len);
	hv_wr_u16(&w, f->kind);
	hv_wr_u16(&w, f->flags);
	hv_wr_u32(&w, f->tag);
}

int ipc_frame_decode(const uint8_t from[IPC_HDR], struct ipc_frame *f)
{
	struct hv_rd r = hv_rd_init(from, IPC_HDR);

	f->msg_len = hv_rd_u32(&r);
	f->payload_len = hv_rd_u32(&r);
	f->kind = hv_rd_u16(&r);
	f->flags = hv_rd_u16(&r);
	f->tag = hv_rd_u32(&r);
	if (f->msg_len > IPC_MSG_MAX || f->payload_len > IPC_PAYLOAD_MAX)
		return HV_E_FRAME;
	return HV_OK;
}

int ipc_socket_path(char *to, size_t cap)
{
	const char *named = getenv("HARVEST_SOCKET");
	const char *session = getenv("XDG_RUNTIME_DIR");
	int n;

	if (named != NULL && named[0] != '\0')
		n = snprintf(to, cap, "%s", named);
	else if (geteuid() != 0 && session != NULL && session[0] != '\0')
		n = snprintf(to, cap, "%s/harvest/harvest.sock", session);
	else
		n = snprintf(to, cap, "%s", SYSTEM_SOCKET);
	return n < 0 || (size_t)n >= cap ? HV_E_INVAL : HV_OK;
}
