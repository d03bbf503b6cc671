#include "bench/proof/ring.h"
#include "util/own.h"
#include <string.h>

/* splitmix64, the upper bits */
static int16_t sample(uint64_t i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (int16_t)((z ^ z >> 31) >> 48);
}

static void write_samples(struct ring *r, struct vboard *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, r->written++)
		r->memory[r->written % RING_SAMPLES] = sample(r->written);
	agent_buffer_advance(&b->agent, r->number, n);
}

void ring_open(struct ring *r, struct vboard *b)
{
	struct agent_buffer how = { .name = "mic",
				    .dtype = AGENT_S16,
				    .channels = 1,
				    .samples = RING_SAMPLES,
				    .write_ahead = RING_WRITE_AHEAD,
				    .rate_millihz = RING_RATE_HZ * 1000u,
				    .memory = r->memory };

	r->written = 0;
	r->number = agent_buffer_register(&b->agent, &how);
	if (r->number < 0) {
		fprintf(stderr, "non-interference: the board takes no ring of samples\n");
		abort();
	}
	write_samples(r, b, RING_SAMPLES);
}

void ring_follow(struct ring *r, struct vboard *b)
{
	uint64_t due = vboard_now_ns(b) / (1000000000u / RING_RATE_HZ);

	while (r->written + RING_WRITE_AHEAD <= due)
		write_samples(r, b, RING_WRITE_AHEAD);
}

/* What the reference makes of the samples that the board says it took. */
static bool is_right(const struct peer_job *j, const struct link_buffer_result *m)
{
	uint32_t in_bytes = cnn_steps_in_bytes(&j->pkg->steps), n = in_bytes / 2;
	size_t out_len = (size_t)j->records * cnn_steps_out_bytes(&j->pkg->steps);
	hv_autofree int16_t *in = malloc((size_t)j->records * in_bytes);
	hv_autofree uint8_t *want = malloc(out_len);

	if (in == NULL || want == NULL)
		abort();
	for (uint32_t r = 0; r < j->records; r++)
		for (uint32_t k = 0; k < n; k++)
			in[r * n + k] = sample(m->first + (uint64_t)r * j->hop + k);
	return m->records == j->records && m->tail.len == out_len &&
	       package_run(j->pkg, in, want, j->records) == HV_OK &&
	       memcmp(m->tail.bytes, want, out_len) == 0;
}

bool ring_job(const struct ring *r, struct peer *p, uint32_t id, uint8_t slot,
	      const struct package *pkg, uint16_t records, uint32_t hop)
{
	union link_msg m = { .job_buffer = { .id_ = LINK_JOB_BUFFER,
					     .job = id,
					     .slot = slot,
					     .records = records,
					     .buffer = (uint8_t)r->number,
					     .from = LINK_FROM_NEWEST,
					     .hop = hop } };

	return peer_job_of_samples(p, &m.job_buffer, pkg, is_right);
}
