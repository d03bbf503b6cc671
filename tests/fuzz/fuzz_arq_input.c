/* One side of a link against a peer that sends anything. The first byte chooses the role and
 * how the rest is read: as bytes of the wire, or as a script of frames with right checksums,
 * 8 bytes each, so that mutations get past the checksum:
 *   kind | conn | seq distance (s8) | ack distance (s8) | window u16 | len u8 x 8 | time u8 */
#include "proto/arq.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SCRIPT_BYTES = 8 };

static struct arq a;
static uint64_t now_us;

static void check(void)
{
	uint16_t flight = (uint16_t)(a.nxt - a.una), queued = (uint16_t)(a.end - a.una);

	if (flight > queued || queued > a.tx_cap || (uint16_t)(a.high - a.una) > queued ||
	    (uint16_t)(a.rcv - a.rd) > a.rx_cap || a.seg < ARQ_SEG_MIN || a.seg > FRAME_MAX_PAYLOAD)
		abort();
}

/* What an owner does between inputs. */
static void turn(unsigned events)
{
	static uint8_t msg[4096];
	uint8_t wire[FRAME_MAX_WIRE];
	int r = 1;

	if ((events & 1u << ARQ_EV_RESET) && a.role == ARQ_DAEMON)
		arq_connect(&a, 1, now_us);
	for (int i = 0; i < 64 && r > 0; i++)
		r = arq_recv(&a, msg, sizeof(msg));
	if (r < 0)
		arq_reset(&a);
	if (arq_send(&a, msg, 1 + now_us % 700, NULL, 0) == HV_E_INVAL)
		abort();
	for (int i = 0; i < 4; i++) {
		size_t n = arq_output(&a, wire, now_us);

		if (n > sizeof(wire))
			abort();
		if (n == 0 && arq_next_us(&a) <= now_us)
			abort(); /* an owner would spin */
		if (n == 0)
			break;
	}
	check();
}

static void script_run(const uint8_t *p, size_t n)
{
	static uint8_t payload[FRAME_MAX_PAYLOAD] = { 3, 0, 'a', 'b', 'c' };
	uint8_t wire[FRAME_MAX_WIRE];

	for (; n >= SCRIPT_BYTES; p += SCRIPT_BYTES, n -= SCRIPT_BYTES) {
		struct frame f = { .ver = FRAME_VER, .kind = p[0] & 7, .conn = p[1] & 3 };

		f.seq = (uint16_t)(a.rcv + (int8_t)p[2] * 64);
		f.ack = (uint16_t)(a.nxt + (int8_t)p[3] * 16);
		f.window = (uint16_t)(p[4] | p[5] << 8);
		f.len = (uint16_t)(p[6] * 4);
		f.payload = payload;
		now_us += (uint64_t)p[7] * 997;
		turn(arq_input(&a, wire, frame_encode(&f, wire), now_us));
	}
}

static void bytes_run(const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t some = 1 + p[0] % 97;

		some = some < n ? some : n;
		now_us += 10 * some;
		turn(arq_input(&a, p, some, now_us));
		p += some;
		n -= some;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t tx[2048], rx[2048];

	if (size == 0 || size > 16384)
		return 0;
	now_us = 1;
	arq_init(&a, data[0] & 1 ? ARQ_BOARD : ARQ_DAEMON, tx, sizeof(tx), rx, sizeof(rx), 1000000);
	if (a.role == ARQ_DAEMON)
		arq_connect(&a, 1, now_us);
	turn(0);
	if (data[0] & 2)
		script_run(data + 1, size - 1);
	else
		bytes_run(data + 1, size - 1);
	return 0;
}
