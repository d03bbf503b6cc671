#ifndef TESTS_IPC_TYPES_H
#define TESTS_IPC_TYPES_H
#include "proto/harvest.pb-c.h"
#include "proto/ipc_frame.h"

/* Which message of harvest.proto each kind carries, for tests that walk them all. The code
 * generator writes JobRef as job_ref; this is the one place that has to know. */
#define ipc_descriptor_Hello         hv__hello__descriptor
#define ipc_descriptor_Submit        hv__submit__descriptor
#define ipc_descriptor_JobRef        hv__job_ref__descriptor
#define ipc_descriptor_JobsQuery     hv__jobs_query__descriptor
#define ipc_descriptor_Empty         hv__empty__descriptor
#define ipc_descriptor_ModelsRequest hv__models_request__descriptor
#define ipc_descriptor_BoardsRequest hv__boards_request__descriptor
#define ipc_descriptor_Error         hv__error__descriptor
#define ipc_descriptor_Accepted      hv__accepted__descriptor
#define ipc_descriptor_Result        hv__result__descriptor
#define ipc_descriptor_Progress      hv__progress__descriptor
#define ipc_descriptor_JobList       hv__job_list__descriptor
#define ipc_descriptor_Explanation   hv__explanation__descriptor
#define ipc_descriptor_TaskList      hv__task_list__descriptor
#define ipc_descriptor_ModelList     hv__model_list__descriptor
#define ipc_descriptor_BoardList     hv__board_list__descriptor
#define ipc_descriptor_Status        hv__status__descriptor
#define ipc_descriptor_CancelReply   hv__cancel_reply__descriptor

static const struct ipc_type {
	uint16_t id;
	const char *name, *message;
	const ProtobufCMessageDescriptor *type;
} ipc_types[] = {
#define X(num, NAME, text, msg) { num, #text, #msg, &ipc_descriptor_##msg },
	IPC_KIND_MAP(X)
#undef X
};

enum { IPC_TYPES = sizeof(ipc_types) / sizeof(ipc_types[0]) };

#endif
