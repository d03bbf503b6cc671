/* Bytes of the board link: any bytes. A frame that is taken encodes to a frame again. */
#include "proto/frame.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct frame *f)
{
	static struct frame_rx back;
	uint8_t wire[FRAME_MAX_WIRE];
	size_t n = frame_encode(f, wire);
	struct frame g;
	int r = 0;

	if (n == 0 || f->len > FRAME_MAX_PAYLOAD)
		abort();
	for (size_t i = 0; i < n; i++)
		r = frame_rx_byte(&back, wire[i], &g);
	if (r != 1 || g.kind != f->kind || g.conn != f->conn || g.seq != f->seq ||
	    g.ack != f->ack || g.window != f->window || g.len != f->len ||
	    memcmp(g.payload, f->payload, f->len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_rx rx;
	struct frame f;

	memset(&rx, 0, sizeof(rx));
	for (size_t i = 0; i < size; i++) {
		if (frame_rx_byte(&rx, data[i], &f) == 1)
			check(&f);
		if (rx.n > sizeof(rx.buf) || rx.used >= FRAME_MAX_WIRE)
			abort();
	}
	return 0;
}
