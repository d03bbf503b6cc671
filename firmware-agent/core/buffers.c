#include "firmware-agent/core/state.h"
#include <string.h>

/* Rings of samples that the product's firmware writes. A job of theirs is filled slice by slice
 * right after it was accepted: its records are copied into its memory, and then it is a job
 * like any other, which may be aborted and run again long after the ring went on. Each slice is
 * checked after it was copied: a writer that came too near makes the job STALE. */

enum { CHANNELS_MAX = 16, SAMPLES_MAX = 1 << 24 };

static uint8_t dtype_bytes(uint8_t dtype)
{
	switch (dtype) {
	case AGENT_S8:
	case AGENT_U8: return 1;
	case AGENT_S16:
	case AGENT_U16: return 2;
	case AGENT_S32: return 4;
	default: return 0;
	}
}

/* Characters, or 0: not a name. */
static size_t name_length(const char *name)
{
	size_t n = 0;

	for (; name[n] != '\0'; n++) {
		char c = name[n];

		if (n == AG_NAME_MAX || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
					  c == '-' || c == '_' || c == '.'))
			return 0;
	}
	return n;
}

int agent_buffer_register(struct agent *a, const struct agent_buffer *b)
{
	struct ag_ring *r = &a->ring[a->rings];
	size_t n = b->name != NULL ? name_length(b->name) : 0;
	uint8_t bytes = dtype_bytes(b->dtype);

	if (n == 0 || bytes == 0 || b->channels == 0 || b->channels > CHANNELS_MAX ||
	    b->memory == NULL || b->samples < 2 || b->samples > SAMPLES_MAX ||
	    b->write_ahead == 0 || b->write_ahead >= b->samples)
		return HV_E_INVAL;
	if (a->rings == AG_BUFFERS_MAX)
		return HV_E_BUSY;
	for (unsigned i = 0; i < a->rings; i++)
		if (memcmp(a->ring[i].name, b->name, n + 1) == 0)
			return HV_E_BUSY;
	memset(r, 0, sizeof(*r));
	memcpy(r->name, b->name, n);
	r->memory = b->memory;
	r->dtype = b->dtype;
	r->channels = b->channels;
	r->sample_bytes = (uint8_t)(bytes * b->channels);
	r->samples = b->samples;
	r->write_ahead = b->write_ahead;
	r->rate_millihz = b->rate_millihz;
	if (a->ask.welcome)
		a->ask.buffers |= (uint8_t)(1u << a->rings);
	return a->rings++;
}

/* The count is published after the samples: who sees it sees them. */
void agent_buffer_advance(struct agent *a, int buffer, uint32_t samples)
{
	uint32_t *published;

	if (buffer < 0 || buffer >= a->rings)
		return;
	published = &a->ring[buffer].published;
	__atomic_store_n(published, *published + samples, __ATOMIC_RELEASE);
}

static void follow(struct ag_ring *r)
{
	uint32_t published = __atomic_load_n(&r->published, __ATOMIC_ACQUIRE);

	r->written += published - r->seen;
	r->seen = published;
}

void ag_buffers_follow(struct agent *a)
{
	for (unsigned i = 0; i < a->rings; i++)
		follow(&a->ring[i]);
}

/* The oldest sample that is still whole. */
static uint64_t oldest(const struct ag_ring *r)
{
	uint64_t end = r->written + r->write_ahead;

	return end > r->samples ? end - r->samples : 0;
}

/* Are the values of the ring what the steps of the network read? The host knows the sign. */
static bool type_fits(const struct cnn_steps *s, uint8_t dtype)
{
	if (s->input == CNN_IN_BYTES)
		return dtype == AGENT_S8 || dtype == AGENT_U8;
	return dtype == AGENT_S16;
}

/* The job's range of the ring, or HV_E_*. */
static int place(const struct ag_ring *r, const struct slotimg *img, const struct cnn_steps *steps,
		 const struct link_job_buffer *m, uint64_t *first)
{
	uint32_t length = (uint32_t)img->in_record_bytes / r->sample_bytes;
	uint32_t records = m->span > m->records ? m->span : m->records;
	uint64_t span = (uint64_t)(records - 1u) * m->hop + length;

	if (!type_fits(steps, r->dtype) || length * r->sample_bytes != img->in_record_bytes)
		return HV_E_INVAL;
	if (m->hop == 0 || m->from > LINK_FROM_NEWEST || span > r->samples - r->write_ahead)
		return HV_E_INVAL;
	*first = m->first;
	if (m->from == LINK_FROM_NEWEST)
		*first = r->written >= span ? r->written - span : UINT64_MAX;
	if (*first > r->written || span > r->written - *first || *first < oldest(r))
		return HV_E_STALE;
	return HV_OK;
}

void ag_buffers_job(struct agent *a, const struct link_job_buffer *m)
{
	struct ag_job *j = ag_job_free(a);
	int err = ag_job_check(a, m->slot, m->records);
	struct ag_ring *r = NULL;
	uint64_t first = 0;

	if (err == HV_OK && m->buffer >= a->rings)
		err = HV_E_INVAL;
	if (err == HV_OK) {
		r = &a->ring[m->buffer];
		follow(r);
		err = place(r, &a->slot[m->slot].img, &a->slot[m->slot].steps, m, &first);
		a->stale += err == HV_E_STALE;
	}
	if (err == HV_OK && j == NULL)
		err = HV_E_BUSY;
	if (err != HV_OK) {
		ag_job_refuse(a, m->job, err);
		return;
	}
	*j = (struct ag_job){ .state = AG_JOB_FILLING,
			      .id = m->job,
			      .order = a->job_order++,
			      .slot = m->slot,
			      .records = m->records,
			      .latest_start_us = m->latest_start_us,
			      .memory = j->memory,
			      .from_ring = true,
			      .ring = m->buffer,
			      .first = first,
			      .hop = m->hop,
			      .record_at = (uint32_t)(first % r->samples) * r->sample_bytes };
}

/* Copy the next bytes of a record; they end with the record, the ring or the slice. */
static void copy(struct agent *a, struct ag_job *j)
{
	struct ag_ring *r = &a->ring[j->ring];
	uint32_t in = a->slot[j->slot].img.in_record_bytes,
		 ring_bytes = r->samples * r->sample_bytes;
	uint32_t record = j->filled / in, offset = j->filled % in;
	uint32_t at = j->record_at + offset, n = in - offset;
	uint64_t sample = j->first + (uint64_t)record * j->hop + offset / r->sample_bytes;

	at = at >= ring_bytes ? at - ring_bytes : at;
	n = n < ag_copy_bytes(a) ? n : ag_copy_bytes(a);
	n = n < ring_bytes - at ? n : ring_bytes - at;
	memcpy(ag_job_input(a, j, record) + offset, r->memory + at, n);
	__atomic_signal_fence(__ATOMIC_ACQ_REL); /* the copy is over before the count is read */
	follow(r);
	if (sample < oldest(r)) {
		a->stale++;
		ag_job_end(a, j, HV_E_STALE);
		return;
	}
	j->filled += n;
	if (offset + n < in)
		return;
	/* a hop is at most the ring: the span was checked */
	if (record + 1u < j->records) {
		j->record_at += j->hop * r->sample_bytes;
		j->record_at -= j->record_at >= ring_bytes ? ring_bytes : 0;
		return;
	}
	j->state = AG_JOB_QUEUED;
	a->guard_wake_us = 0;
}

bool ag_buffers_slice(struct agent *a)
{
	for (unsigned i = 0; i < a->cfg.job_slots; i++) {
		if (a->job[i].state != AG_JOB_FILLING || !a->job[i].from_ring)
			continue;
		copy(a, &a->job[i]);
		return true;
	}
	return false;
}

void ag_buffers_result(const struct ag_job *j, union link_msg *m)
{
	struct link_result r = m->result;

	m->buffer_result = (struct link_buffer_result){ .id_ = LINK_BUFFER_RESULT,
							.job = r.job,
							.code = r.code,
							.records = r.records,
							.start_us = r.start_us,
							.end_us = r.end_us,
							.cycles = r.cycles,
							.aborted = r.aborted,
							.first = j->first };
}

bool ag_buffers_tell(struct agent *a)
{
	union link_msg m = { .buffer = { .id_ = LINK_BUFFER } };

	for (unsigned i = 0; i < a->rings; i++) {
		const struct ag_ring *r = &a->ring[i];

		if ((a->ask.buffers >> i & 1) == 0)
			continue;
		m.buffer.buffer = (uint8_t)i;
		memcpy(m.buffer.name.b, r->name, sizeof(r->name));
		m.buffer.dtype = r->dtype;
		m.buffer.channels = r->channels;
		m.buffer.samples = r->samples;
		m.buffer.write_ahead = r->write_ahead;
		m.buffer.rate_millihz = r->rate_millihz;
		m.buffer.written = r->written;
		m.buffer.now_us = ag_now(a);
		if (!ag_talk_send(a, &m, NULL, 0))
			return false;
		a->ask.buffers &= (uint8_t) ~(1u << i);
		return true;
	}
	a->ask.buffers = 0;
	return false;
}
