#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H
#include "util/fs/cobs.h"
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

/* Frame of the board link, little endian, COBS-encoded on the wire, 0x00 ends a frame:
 *
 *   0      1      2        4        6        8        10               10+len
 *   +------+------+--------+--------+--------+--------+----------------+---------+
 *   | ver  | kind | conn   | seq    | ack    | window | payload[len]   | crc32   |
 *   +------+------+--------+--------+--------+--------+----------------+---------+
 *
 * kind    enum frame_kind
 * conn    incarnation of the connection, drawn by the daemon at each SYN, never 0; a frame of
 *         a past life is dropped
 * seq     number of the first payload byte in the sender's stream, modulo 2^16
 * ack     next byte the sender expects from the other side
 * window  bytes beyond ack that the sender has room for
 * len     0..FRAME_MAX_PAYLOAD, known from the end of the frame
 * crc32   over bytes 0 .. 10+len-1
 *
 * The payload is a byte stream, numbered like TCP's, so a resend may cut it differently:
 * after losses the sender shrinks its segments, which is what survives a bad line.
 * Freestanding. */
enum {
	FRAME_VER = 1,
	FRAME_HDR = 10,
	FRAME_CRC = 4,
	FRAME_MAX_PAYLOAD = 1024,
	FRAME_MAX_RAW = FRAME_HDR + FRAME_MAX_PAYLOAD + FRAME_CRC,
	FRAME_MAX_WIRE = HV_COBS_MAX(FRAME_MAX_RAW) + 1,
};

enum frame_kind {
	FRAME_DATA = 0,   /* stream bytes and/or acknowledgement */
	FRAME_SYN = 1,    /* daemon: begin life `conn`; both streams start at 0 */
	FRAME_SYNACK = 2, /* board: life `conn` begun */
	FRAME_RST = 3,    /* either: I do not know this life (conn of the offender, 0 at boot) */
	FRAME_NAK = 4,    /* as DATA without payload: something after ack was lost, resend */
};

struct frame {
	uint8_t ver, kind;
	uint16_t conn, seq, ack, window, len;
	const uint8_t *payload; /* borrowed */
};

/* Frame with delimiter into to[FRAME_MAX_WIRE]. Returns bytes; 0 when f->len is over
 * FRAME_MAX_PAYLOAD. */
size_t frame_encode(const struct frame *f, uint8_t *to);

/* Collects bytes of the wire into frames and resynchronises at the next delimiter after
 * anything wrong. */
struct frame_rx {
	uint8_t buf[FRAME_MAX_WIRE];
	uint16_t used;
	uint8_t skipping; /* over-long: drop until the delimiter */
	uint32_t good, bad; /* frames seen, frames dropped */
};

/* Feed one byte. 1: *f is a valid frame (payload inside rx, valid until the next call);
 * 0: nothing yet; HV_E_FRAME: something was dropped; HV_E_VERSION: a well-formed frame of
 * another version. */
int frame_rx_byte(struct frame_rx *rx, uint8_t byte, struct frame *f);

#endif
