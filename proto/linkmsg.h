#ifndef PROTO_LINKMSG_H
#define PROTO_LINKMSG_H
#include "proto/link.def"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Messages of link.def as structures. On the wire: u8 id, then the fields in order, little
 * endian, then the tail. Freestanding. */
enum { LINK_PROTO_MIN = 1, LINK_PROTO_MAX = 1 };

enum link_slot_state {
	LINK_SLOT_EMPTY = 0,
	LINK_SLOT_LOADING = 1,
	LINK_SLOT_RESIDENT = 2,
};

/* What a board can do beyond the first protocol: bits of hello.caps and details_req.what. */
enum link_cap {
	LINK_CAP_BUFFERS = 1u << 0, /* buffer, job_buffer: it has at least one ring */
	LINK_CAP_BAUD = 1u << 1, /* line, baud_req */
	LINK_CAP_BOX = 1u << 2, /* box */
	LINK_CAP_STAND = 1u << 3, /* stand */
	LINK_CAP_TIME = 1u << 4, /* time_req */
};

enum link_from {
	LINK_FROM_ABSOLUTE = 0,
	LINK_FROM_NEWEST = 1, /* the last record ends with the newest sample */
};

/* Events of the black box: kind, name, what arg and value say. From 64 on they are the
 * product's own. */
#define LINK_BOX_MAP(XX)                                                      \
	XX(1, BOOT, "boot", "reset cause, -")                                 \
	XX(2, LIFE, "link up", "-, number of the life")                       \
	XX(3, LIFE_END, "link reset", "-, number of the life")                \
	XX(4, RATE, "line rate", "-, bits per second")                        \
	XX(5, FALL_BACK, "line rate fell back", "-, the rate that failed")    \
	XX(6, LOAD_REFUSED, "load refused", "slot, code")                     \
	XX(7, JOB_REFUSED, "job refused", "-, code")                          \
	XX(8, JOB_FAILED, "job failed", "slot, code")                         \
	XX(9, ABORT, "runs given up for the primary", "-, how many in a row") \
	XX(10, STAND_DOWN, "stand-down", "-, -")                              \
	XX(11, RESUME, "resume", "models kept, -")

enum link_box_kind {
#define XX(num, id, text, says) LINK_BOX_##id = (num),
	LINK_BOX_MAP(XX)
#undef XX
};
enum { LINK_BOX_EVENT_BYTES = 20 };

enum link_msg_id {
#define M(id, NAME, name, about) LINK_##NAME = (id),
	LINK_MSG_MAP(M)
#undef M
};

struct link_tail {
	const uint8_t *bytes;
	size_t len;
};

typedef uint8_t link_u8;
typedef uint16_t link_u16;
typedef uint32_t link_u32;
typedef uint64_t link_u64;
typedef struct link_h32 {
	uint8_t b[32];
} link_h32;
typedef struct link_s16 {
	char b[16];
} link_s16;

#define F(type, field) link_##type field;
#define TAIL           struct link_tail tail;
#define M(id, NAME, name, about)            \
	struct link_##name {                \
		uint8_t id_;                \
		LINK_FIELDS_##name(F, TAIL) \
	};
LINK_MSG_MAP(M)
#undef M
#undef TAIL
#undef F

/* Any message; msg.any.id_ tells which. */
union link_msg {
	struct {
		uint8_t id_;
	} any;
#define M(id, NAME, name, about) struct link_##name name;
	LINK_MSG_MAP(M)
#undef M
};

const char *link_msg_text(uint8_t id); /* "hello_req"; "?" when unknown */

/* Decode one message; tails point into bytes. HV_E_FRAME: unknown id, short, or surplus bytes
 * in a message without tail. */
HV_NODISCARD int link_msg_decode(const uint8_t *bytes, size_t len, union link_msg *m);

/* Encode everything but the tail's bytes (arq_send() takes them apart). Returns the length,
 * 0 when cap is too small or the id is unknown. */
size_t link_msg_encode(const union link_msg *m, uint8_t *to, size_t cap);

#endif
