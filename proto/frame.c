#include "proto/frame.h"
#include "util/fs/crc32.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"

size_t frame_encode(const struct frame *f, uint8_t *to)
{
	uint8_t raw[FRAME_MAX_RAW];
	struct hv_wr w = hv_wr_init(raw, sizeof(raw));
	size_t n;

	hv_wr_u8(&w, f->ver);
	hv_wr_u8(&w, f->kind);
	hv_wr_u16(&w, f->conn);
	hv_wr_u16(&w, f->seq);
	hv_wr_u16(&w, f->ack);
	hv_wr_u16(&w, f->window);
	hv_wr_bytes(&w, f->payload, f->len);
	hv_wr_u32(&w, hv_crc32(0, raw, hv_wr_len(&w)));
	if (!w.ok)
		return 0;
	n = hv_cobs_encode(to, raw, hv_wr_len(&w));
	to[n++] = 0;
	return n;
}

/* raw[n] lies in place of its COBS text and is checked before anything in it is used. */
static int raw_decode(const uint8_t *raw, size_t n, struct frame *f)
{
	struct hv_rd r, crc;

	if (n < FRAME_HDR + FRAME_CRC || n > FRAME_MAX_RAW)
		return HV_E_FRAME;
	crc = hv_rd_init(raw + n - FRAME_CRC, FRAME_CRC);
	if (hv_rd_u32(&crc) != hv_crc32(0, raw, n - FRAME_CRC))
		return HV_E_FRAME;
	r = hv_rd_init(raw, n - FRAME_CRC);
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

int frame_rx_byte(struct frame_rx *rx, uint8_t byte, struct frame *f)
{
	uint16_t used = rx->used;
	int err = HV_E_FRAME;

	if (byte != 0) {
		if (used < FRAME_MAX_WIRE - 1)
			rx->buf[rx->used++] = byte;
		else
			rx->skipping = 1;
		return 0;
	}
	rx->used = 0;
	if (used == 0 && !rx->skipping)
		return 0; /* delimiters in a row: an idle sender may flush with one */
	if (!rx->skipping)
		err = raw_decode(rx->buf, hv_cobs_decode(rx->buf, rx->buf, used), f);
	rx->skipping = 0;
	if (err != HV_OK) {
		rx->bad++;
		return err;
	}
	rx->good++;
	return 1;
}
