#include "proto/frame.h"
#include "util/fs/crc32.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"

enum { STAGE_NONE, STAGE_STUFF, STAGE_EMIT };

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

/* The block is whole: its length code is known. */
static void block_close(struct frame_tx *t)
{
	t->block[0] = (uint8_t)t->fill;
	t->out = 0;
	t->stage = STAGE_EMIT;
}

/* Bytes up to a zero or a full block; returns how many were used. */
static size_t block_put(struct frame_tx *t, const uint8_t *p, size_t n)
{
	uint8_t *to = t->block + t->fill;
	size_t room = (size_t)(t->block + 255 - to), i = 0;

	if (n > room)
		n = room;
	while (i < n && p[i] != 0) {
		to[i] = p[i];
		i++;
	}
	t->fill = (uint16_t)(t->fill + i);
	if (i < n || t->fill == 255) {
		block_close(t);
		i += i < n && p[i] == 0;
	}
	return i;
}

/* At most n bytes of header, payload or checksum into the block. */
static size_t stuff(struct frame_tx *t, size_t n)
{
	unsigned body = FRAME_HDR + (unsigned)t->len, at = t->at;
	size_t left = body + FRAME_CRC - at, used;
	const uint8_t *p;

	if (left == 0) {
		block_close(t);
		t->block[t->fill++] = 0;
		t->last = true;
		return 0;
	}
	if (at < FRAME_HDR) {
		p = t->hdr + at;
		left = FRAME_HDR - at;
	} else if (at < body) {
		p = t->payload + (at - FRAME_HDR);
		left = body - at;
	} else {
		p = t->crc_bytes + (at - body);
	}
	used = block_put(t, p, left < n ? left : n);
	t->at = (uint16_t)(at + used);
	if (at >= body)
		return used;
	t->crc = hv_crc32(t->crc, p, used);
	if (t->at == body)
		for (unsigned i = 0; i < FRAME_CRC; i++)
			t->crc_bytes[i] = (uint8_t)(t->crc >> 8 * i);
	return used;
}

static size_t emit(struct frame_tx *t, uint8_t *to, size_t cap)
{
	size_t n = (size_t)t->fill - t->out;

	if (n > cap)
		n = cap;
	memcpy(to, t->block + t->out, n);
	t->out = (uint16_t)(t->out + n);
	if (t->out == t->fill) {
		t->stage = t->last ? STAGE_NONE : STAGE_STUFF;
		t->fill = 1;
	}
	return n;
}

size_t frame_tx_pull(struct frame_tx *t, uint8_t *to, size_t cap)
{
	size_t n = 0, stuffed = 0;

	while (t->stage != STAGE_NONE && n < cap) {
		if (t->stage == STAGE_EMIT)
			n += emit(t, to + n, cap - n);
		else if (stuffed < cap)
			stuffed += stuff(t, cap - stuffed);
		else
			break;
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

static void put(struct frame_rx *rx, uint8_t byte)
{
	if (rx->n == FRAME_MAX_RAW) {
		rx->skipping = true;
		return;
	}
	rx->buf[rx->n++] = byte;
	rx->crc = hv_crc32(rx->crc, &byte, 1);
}

/* The checksum was right: what the frame says. */
static int header_read(const struct frame_rx *rx, struct frame *f)
{
	struct hv_rd r = hv_rd_init(rx->buf, rx->n - (size_t)FRAME_CRC);

	f->ver = hv_rd_u8(&r);
	f->kind = hv_rd_u8(&r);
	f->conn = hv_rd_u16(&r);
	f->seq = hv_rd_u16(&r);
	f->ack = hv_rd_u16(&r);
	f->window = hv_rd_u16(&r);
	f->len = (uint16_t)hv_rd_left(&r);
	f->payload = hv_rd_bytes(&r, f->len);
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

int frame_rx_byte(struct frame_rx *rx, uint8_t byte, struct frame *f)
{
	int r = 0;

	if (byte == 0) {
		if (rx->used > 0) /* else an idle sender flushes with a delimiter */
			r = frame_end(rx, f);
		rx->used = rx->n = 0;
		rx->left = 0;
		rx->zero = rx->skipping = false;
		rx->crc = 0;
		return r;
	}
	if (rx->used < FRAME_MAX_WIRE - 1)
		rx->used++;
	else
		rx->skipping = true;
	if (rx->skipping)
		return 0;
	if (rx->left > 0) {
		rx->left--;
		put(rx, byte);
		return 0;
	}
	if (rx->zero)
		put(rx, 0);
	rx->left = (uint8_t)(byte - 1);
	rx->zero = byte != 0xff;
	return 0;
}
