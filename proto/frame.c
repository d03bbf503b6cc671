#include "proto/frame.h"
#include "util/fs/crc32.h"
#include "util/fs/wr.h"

enum { STAGE_NONE, STAGE_STUFF, STAGE_EMIT };
/* Begin and end of a piece cost as much as some of its bytes: zeros make many short ones. */
enum { PIECE_WORK = 4 };

/* Checksum of any bytes followed by their own checksum. */
#define CRC_RESIDUE UINT32_C(0x2144df1c)

/* -- out --------------------------------------------------------------------------------- */

bool frame_tx_begin(struct frame_tx *t, const struct frame *f, bool delimiter)
{
	struct hv_wr w = hv_wr_init(t->hdr, sizeof(t->hdr));

	if (t->stage != STAGE_NONE || f->len > FRAME_MAX_PAYLOAD)
		return false;
	hv_wr_u8(&w, f->ver);
	hv_wr_u8(&w, f->kind);
	hv_wr_u16(&w, f->conn);
	hv_wr_u16(&w, f->seq);
	hv_wr_u16(&w, f->ack);
	hv_wr_u16(&w, f->window);
	t->payload = f->payload;
	t->len = f->len;
	t->at = 0;
	t->crc = 0;
	t->fill = 1;
	t->out = 0;
	t->last = false;
	t->stage = delimiter ? STAGE_EMIT : STAGE_STUFF;
	t->block[0] = 0;
	return true;
}

/* The bytes of the frame from at on, in one piece as far as they are. */
static const uint8_t *piece(const struct frame_tx *t, size_t *n)
{
	unsigned at = t->at, body = FRAME_HDR + (unsigned)t->len;

	if (at < FRAME_HDR) {
		*n = FRAME_HDR - at;
		return t->hdr + at;
	}
	if (at < body) {
		*n = body - at;
		return t->payload + (at - FRAME_HDR);
	}
	*n = body + FRAME_CRC - at;
	return t->crc_bytes + (at - body);
}

/* At most max bytes of header, payload or checksum into the block, up to a zero or until it is
 * full. */
static size_t stuff(struct frame_tx *t, size_t max)
{
	size_t n, i = 0, room = 255u - t->fill;
	const uint8_t *p = piece(t, &n);
	uint8_t *to = t->block + t->fill;
	bool ends = n == 0, zero;

	n = n < max ? n : max;
	n = n < room ? n : room;
	for (; i < n && p[i] != 0; i++)
		to[i] = p[i];
	zero = i < n;
	t->fill = (uint16_t)(t->fill + i);
	i += zero;
	if (t->at < FRAME_HDR + (unsigned)t->len) {
		t->crc = hv_crc32(t->crc, p, i);
		for (unsigned k = 0; t->at + i == FRAME_HDR + (size_t)t->len && k < FRAME_CRC; k++)
			t->crc_bytes[k] = (uint8_t)(t->crc >> 8 * k);
	}
	t->at = (uint16_t)(t->at + i);
	if (!ends && !zero && t->fill < 255)
		return i;
	t->block[0] = (uint8_t)t->fill; /* the length code: the block is whole */
	if (ends)
		t->block[t->fill++] = 0;
	t->last = ends;
	t->out = 0;
	t->stage = STAGE_EMIT;
	return i;
}

static size_t emit(struct frame_tx *t, uint8_t *to, size_t cap)
{
	const uint8_t *from = t->block + t->out;
	size_t n = (size_t)t->fill - t->out;

	n = n < cap ? n : cap;
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
	t->out = (uint16_t)(t->out + n);
	if (t->out == t->fill) {
		t->stage = t->last ? STAGE_NONE : STAGE_STUFF;
		t->fill = 1;
	}
	return n;
}

size_t frame_tx_pull(struct frame_tx *t, uint8_t *to, size_t cap)
{
	size_t n = 0, work = 0;

	while (t->stage != STAGE_NONE && n < cap && work < cap) {
		size_t k = t->stage == STAGE_EMIT ? emit(t, to + n, cap - n) : 0;

		n += k;
		work += PIECE_WORK + (k > 0 ? k : stuff(t, cap - work));
	}
	return n;
}

size_t frame_encode(const struct frame *f, uint8_t *to)
{
	struct frame_tx t;
	size_t n = 0;

	t.stage = STAGE_NONE;
	if (!frame_tx_begin(&t, f, false))
		return 0;
	while (frame_tx_is_open(&t))
		n += frame_tx_pull(&t, to + n, FRAME_MAX_WIRE - n);
	return n;
}

/* -- in ---------------------------------------------------------------------------------- */

static uint16_t u16(const uint8_t *b)
{
	return (uint16_t)(b[0] | b[1] << 8);
}

/* The checksum was right and the size is, too: what the frame says. */
static int header_read(const struct frame_rx *rx, struct frame *f)
{
	const uint8_t *b = rx->buf;

	*f = (struct frame){ b[0], b[1], u16(b + 2), u16(b + 4), u16(b + 6), u16(b + 8), 0, NULL };
	f->len = (uint16_t)(rx->n - FRAME_HDR - FRAME_CRC);
	f->payload = b + FRAME_HDR;
	return f->ver == FRAME_VER ? HV_OK : HV_E_VERSION;
}

static int frame_end(struct frame_rx *rx, struct frame *f)
{
	int err = HV_E_FRAME;

	if (!rx->skipping && rx->left == 0 && rx->n >= FRAME_HDR + FRAME_CRC &&
	    rx->crc == CRC_RESIDUE)
		err = header_read(rx, f);
	if (err != HV_OK) {
		rx->bad++;
		return err;
	}
	rx->good++;
	return 1;
}

/* A byte of a block's content, or the zero between two blocks. */
static void put(struct frame_rx *rx, uint8_t byte)
{
	if (rx->n < FRAME_MAX_RAW)
		rx->buf[rx->n++] = byte;
	else
		rx->skipping = true;
}

static void decode(struct frame_rx *rx, uint8_t byte)
{
	if (rx->left > 0) {
		rx->left--;
		put(rx, byte);
		return;
	}
	if (rx->zero)
		put(rx, 0);
	rx->left = (uint8_t)(byte - 1);
	rx->zero = byte != 0xff;
}

int frame_rx_take(struct frame_rx *rx, const uint8_t *bytes, size_t n, size_t *taken,
		  struct frame *f)
{
	uint16_t from = rx->n;
	size_t i = 0;
	int r = 0;

	if (n > 0 && bytes[0] == 0) {
		if (rx->used > 0) /* else an idle sender flushes with a delimiter */
			r = frame_end(rx, f);
		rx->used = rx->n = 0;
		rx->left = 0;
		rx->zero = rx->skipping = false;
		rx->crc = 0;
		*taken = 1;
		return r;
	}
	for (; i < n && bytes[i] != 0; i++) {
		if (rx->used < FRAME_MAX_WIRE - 1)
			rx->used++;
		else
			rx->skipping = true;
		if (!rx->skipping)
			decode(rx, bytes[i]);
	}
	rx->crc = hv_crc32(rx->crc, rx->buf + from, (size_t)rx->n - from);
	*taken = i;
	return 0;
}

int frame_rx_byte(struct frame_rx *rx, uint8_t byte, struct frame *f)
{
	size_t taken;

	return frame_rx_take(rx, &byte, 1, &taken, f);
}
