#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H
#include "util/fs/cobs.h"
#include "util/fs/err.h"
#include <stdbool.h>
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
	FRAME_DATA = 0, /* stream bytes and/or acknowledgement */
	FRAME_SYN = 1, /* daemon: begin life `conn`; both streams start at 0 */
	FRAME_SYNACK = 2, /* board: life `conn` begun */
	FRAME_RST = 3, /* either: I do not know this life (conn of the offender, 0 at boot) */
	FRAME_NAK = 4, /* as DATA without payload: something after ack was lost, resend */
};

struct frame {
	uint8_t ver, kind;
	uint16_t conn, seq, ack, window, len;
	const uint8_t *payload; /* borrowed */
};

/* Frame with delimiter into to[FRAME_MAX_WIRE]. Returns bytes; 0 when f->len is over
 * FRAME_MAX_PAYLOAD. */
size_t frame_encode(const struct frame *f, uint8_t *to);

/* A frame that goes out in pieces, so that no call takes long: bytes are stuffed into a block
 * of at most 254, and the block goes out once its length is known. */
struct frame_tx {
	uint8_t hdr[FRAME_HDR], crc_bytes[FRAME_CRC];
	const uint8_t *payload; /* borrowed until the frame is out */
	uint16_t len, at; /* next byte of header, payload and checksum */
	uint32_t crc;
	uint8_t block[1 + 254 +
		      1]; /* length code, bytes, and behind the last block the delimiter */
	uint16_t fill, out; /* of the block */
	uint8_t stage; /* 0: no frame */
	bool last; /* the block ends the frame */
};

/* False: a frame is on its way out, or f->len is over FRAME_MAX_PAYLOAD. delimiter: one goes
 * ahead, so that what is half-way in the peer cannot spoil this frame. */
bool frame_tx_begin(struct frame_tx *t, const struct frame *f, bool delimiter);
/* The next bytes of the wire, at most cap, for work that is bounded by cap: may give none while a
 * frame is open. */
size_t frame_tx_pull(struct frame_tx *t, uint8_t *to, size_t cap);

static inline bool frame_tx_is_open(const struct frame_tx *t)
{
	return t->stage != 0;
}

/* Collects bytes of the wire into frames and resynchronises at the next delimiter after
 * anything wrong. Decodes and checks byte by byte: the end of a frame costs no more than any
 * other byte. */
struct frame_rx {
	uint8_t buf[FRAME_MAX_RAW]; /* decoded */
	uint16_t n; /* decoded bytes */
	uint16_t used; /* bytes of the wire since the last delimiter, not counted past the limit */
	uint8_t left; /* bytes before the next length code */
	bool zero; /* a zero goes before the next block */
	bool skipping; /* not COBS text or over-long: drop until the delimiter */
	uint32_t crc;
	uint32_t good, bad; /* frames seen, frames dropped */
};

/* Feed one byte. 1: *f is a valid frame (payload inside rx, valid until the next call);
 * 0: nothing yet; HV_E_FRAME: something was dropped; HV_E_VERSION: a well-formed frame of
 * another version. */
int frame_rx_byte(struct frame_rx *rx, uint8_t byte, struct frame *f);

/* The same with the first *taken of n bytes: those before a delimiter, or one delimiter. */
int frame_rx_take(struct frame_rx *rx, const uint8_t *bytes, size_t n, size_t *taken,
		  struct frame *f);

#endif
