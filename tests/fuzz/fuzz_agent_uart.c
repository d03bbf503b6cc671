/* The agent under a hostile line: arbitrary bytes, and well-formed frames with arbitrary
 * messages, loads of a real image with changed bytes, jobs, and a primary that comes in
 * between. Promise: the primary's registers and answers stay as they were, the accelerator is
 * never misused.
 *
 * Input: a row of commands, each  u8 what, u8 n  and up to n bytes. */
#include "tests/lib/board_peer.h"
#include "util/fs/rd.h"
#include "util/own.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define QUIET "periodic:period_us=1900000000,busy_us=1000"

static struct vboard *b;
static struct primary_spec spec;
static struct peer p;
static uint8_t *image;
static size_t image_len, image_at;
static struct slotimg head;
static uint64_t hash;

static void primary_begin(void)
{
	uint64_t from = vboard_now_ns(b);

	if (b->agent.primary.active)
		return;
	agent_primary_begin(&b->agent, (from - b->hal.boot_ns) / 1000);
	if (vboard_now_ns(b) - from > AG_HANDOVER_WRITES * CNN_BUS_WRITE_NS)
		abort();
	primary_net_start(b->net, b->emu, 1);
}

static void primary_end(void)
{
	if (!b->agent.primary.active)
		return;
	if (primary_net_finish(b->net, b->emu) != hash)
		abort();
	agent_primary_end(&b->agent);
	b->more = true;
}

static void begin(uint8_t slot)
{
	union link_msg m = { .model_begin = { .id_ = LINK_MODEL_BEGIN,
					      .slot = slot % 5,
					      .bytes = (uint32_t)image_len } };

	peer_hash(image, image_len, m.model_begin.hash.b);
	image_at = 0;
	(void)peer_send(&p, &m, NULL, 0);
}

/* The next bytes of the image, n * 8 of them, one of them perhaps changed. */
static void chunk(uint8_t slot, uint8_t n, uint16_t where, uint8_t change)
{
	union link_msg m = { .model_chunk = { .id_ = LINK_MODEL_CHUNK,
					      .slot = slot % 5,
					      .offset = (uint32_t)image_at } };
	uint8_t part[255 * 8];
	size_t len = n * 8u;

	if (len > image_len - image_at)
		len = image_len - image_at;
	memcpy(part, image + image_at, len);
	if (len > 0)
		part[where % len] ^= change;
	if (peer_send(&p, &m, part, len))
		image_at += len;
}

static void job(struct hv_rd *r)
{
	union link_msg m = { .job = { .id_ = LINK_JOB, .job = hv_rd_u8(r) } };
	uint8_t tail[8 * 1024];
	size_t n;

	m.job.slot = hv_rd_u8(r) % 5;
	m.job.records = hv_rd_u8(r) % 9;
	m.job.latest_start_us = hv_rd_u8(r) * 1000u;
	for (size_t i = 0; i < sizeof(tail); i++)
		tail[i] = (uint8_t)(i * 37 + m.job.job);
	n = (size_t)m.job.records * head.in_record_bytes + hv_rd_u8(r) % 2;
	(void)peer_send(&p, &m, tail, n < sizeof(tail) ? n : sizeof(tail));
}

static void raw_message(struct hv_rd *r)
{
	size_t n = hv_rd_left(r);
	const uint8_t *bytes = hv_rd_bytes(r, n);

	if (n > 0 && arq_send(&p.arq, bytes, n, NULL, 0) != HV_OK)
		peer_run(&p, 1000000);
}

/* Fields as they come: any ring, position, hop and count. */
static void job_buffer(struct hv_rd *r)
{
	union link_msg m = { .job_buffer = { .id_ = LINK_JOB_BUFFER, .job = hv_rd_u8(r) } };

	m.job_buffer.slot = hv_rd_u8(r) % 5;
	m.job_buffer.records = hv_rd_u8(r) % 9;
	m.job_buffer.buffer = hv_rd_u8(r) % 3;
	m.job_buffer.from = hv_rd_u8(r) % 3;
	m.job_buffer.first = hv_rd_u16(r);
	m.job_buffer.hop = hv_rd_u16(r);
	m.job_buffer.span = hv_rd_u16(r);
	(void)peer_send(&p, &m, NULL, 0);
}

static void stand(uint8_t how)
{
	if (how % 2 == 0)
		agent_stand_down(&b->agent);
	else
		agent_resume(&b->agent, how % 4 == 1);
	b->more = true;
}

/* Memory of its own, so that a read outside is found. */
static void offer_ring(void)
{
	static int16_t *samples;
	struct agent_buffer ring = {
		.name = "mic", .dtype = AGENT_S16, .channels = 1, .samples = 300, .write_ahead = 7
	};

	if (samples == NULL)
		samples = calloc(ring.samples, sizeof(*samples));
	ring.memory = samples;
	if (samples == NULL || agent_buffer_register(&b->agent, &ring) != 0)
		abort();
	agent_buffer_advance(&b->agent, 0, 1000);
}

static void command(uint8_t what, struct hv_rd *r)
{
	union link_msg m = { .model_commit = { .id_ = LINK_MODEL_COMMIT } };
	size_t n = hv_rd_left(r);

	switch (what % 14) {
	case 0: vboard_feed(b, hv_rd_bytes(r, n), n); break;
	case 1: raw_message(r); break;
	case 2: begin(hv_rd_u8(r)); break;
	case 3: {
		uint8_t slot = hv_rd_u8(r), len = hv_rd_u8(r), change = hv_rd_u8(r);

		chunk(slot, len, hv_rd_u16(r), change);
		break;
	}
	case 4:
		m.model_commit.slot = hv_rd_u8(r) % 5;
		(void)peer_send(&p, &m, NULL, 0);
		break;
	case 5: job(r); break;
	case 6:
		m.model_evict = (struct link_model_evict){ LINK_MODEL_EVICT, hv_rd_u8(r) % 5 };
		(void)peer_send(&p, &m, NULL, 0);
		break;
	case 7: primary_begin(); break;
	case 8: primary_end(); break;
	case 9: arq_connect(&p.arq, (uint16_t)(hv_rd_u8(r) + 1u), vboard_now_ns(b) / 1000); break;
	case 10: peer_run(&p, hv_rd_u16(r) * 1000u); break;
	case 11: job_buffer(r); break;
	case 12: agent_buffer_advance(&b->agent, hv_rd_u8(r) % 2, hv_rd_u16(r)); break;
	default: stand(hv_rd_u8(r)); break;
	}
}

static void clean_up(void)
{
	free(image);
	vboard_free(b);
	primary_spec_clear(&spec);
	peer_packages_free();
}

/* The world is built once; each input begins with a reset of the board. */
static void once(void)
{
	if (b != NULL)
		return;
	b = peer_board(QUIET, &spec, 20000000, NULL);
	peer_init(&p, b);
	if (!peer_connect(&p, 1))
		abort();
	image = peer_image(&p, peer_package("fir32", 1), &image_len);
	if (slotimg_header_parse(image, image_len, &head) != HV_OK)
		abort();
	primary_net_start(b->net, b->emu, 1);
	hash = primary_net_finish(b->net, b->emu);
	atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hv_rd r = hv_rd_init(data, size);

	once();
	b->fault.reset_ns = vboard_now_ns(b);
	vboard_run(b, vboard_now_ns(b) + 1);
	offer_ring();
	peer_init(&p, b);
	arq_connect(&p.arq, 1, vboard_now_ns(b) / 1000);
	peer_run(&p, 1000000);
	for (int i = 0; i < 64 && hv_rd_left(&r) >= 2; i++) {
		uint8_t what = hv_rd_u8(&r), n = hv_rd_u8(&r);
		struct hv_rd arg;

		if (n > hv_rd_left(&r))
			n = (uint8_t)hv_rd_left(&r);
		arg = hv_rd_init(hv_rd_bytes(&r, n), n);
		command(what, &arg);
		peer_run(&p, 20000);
	}
	primary_end();
	primary_begin();
	primary_end();
	if (cnn_emu_misuse(b->emu) != 0)
		abort();
	return 0;
}
