#include "sim/wire.h"

void wire_init(struct wire *w, uint32_t bps, struct hv_rng *rng)
{
	*w = (struct wire){ .rng = rng };
	wire_set_bps(w, bps);
}

void wire_set_bps(struct wire *w, uint32_t bps)
{
	w->byte_ns = 10000000000u / bps;
	if (w->byte_ns == 0)
		w->byte_ns = 1;
}

void wire_clear(struct wire *w)
{
	w->head = w->ready = w->n = 0;
}

size_t wire_room(const struct wire *w)
{
	return WIRE_BYTES - w->n;
}

static void settle(struct wire *w, uint64_t now_ns)
{
	uint64_t on_line = w->n - w->ready, arrived;

	if (on_line == 0 || now_ns < w->next_ns)
		return;
	arrived = (now_ns - w->next_ns) / w->byte_ns + 1;
	if (arrived > on_line)
		arrived = on_line;
	w->ready += (uint32_t)arrived;
	w->last_ns = w->next_ns + (arrived - 1) * w->byte_ns;
	w->next_ns = w->last_ns + w->byte_ns;
}

/* A dropped byte takes its time on the line, too, but that is not worth a model. */
static bool spoil(struct wire *w, uint8_t *byte)
{
	if (w->drop > 0 && hv_rng_uniform(w->rng, 0, 1) < w->drop) {
		w->dropped++;
		return true;
	}
	if (w->garbled) {
		*byte = (uint8_t)hv_rng_u64(w->rng);
		w->flipped++;
		return false;
	}
	if (w->flip > 0 && hv_rng_uniform(w->rng, 0, 1) < w->flip) {
		*byte ^= (uint8_t)(1u << hv_rng_below(w->rng, 8));
		w->flipped++;
	}
	return false;
}

size_t wire_put(struct wire *w, const uint8_t *from, size_t n, uint64_t now_ns)
{
	size_t put = 0;

	settle(w, now_ns);
	if (w->n == w->ready)
		w->next_ns = (now_ns > w->last_ns ? now_ns : w->last_ns) + w->byte_ns;
	for (; put < n && w->n < WIRE_BYTES; put++) {
		uint8_t byte = from[put];

		w->bytes++;
		if (spoil(w, &byte))
			continue;
		w->buf[(w->head + w->n) % WIRE_BYTES] = byte;
		w->n++;
	}
	return put;
}

size_t wire_ready(struct wire *w, uint64_t now_ns)
{
	settle(w, now_ns);
	return w->ready;
}

size_t wire_take(struct wire *w, uint8_t *to, size_t cap, uint64_t now_ns)
{
	size_t n = wire_ready(w, now_ns);

	if (n > cap)
		n = cap;
	for (size_t i = 0; i < n; i++)
		to[i] = w->buf[(w->head + i) % WIRE_BYTES];
	w->head = (uint32_t)((w->head + n) % WIRE_BYTES);
	w->ready -= (uint32_t)n;
	w->n -= (uint32_t)n;
	return n;
}

uint64_t wire_next_ns(struct wire *w, uint32_t burst, uint64_t now_ns)
{
	uint32_t on_line;

	settle(w, now_ns);
	on_line = w->n - w->ready;
	if (on_line == 0)
		return UINT64_MAX;
	return w->next_ns + ((on_line < burst ? on_line : burst) - 1) * w->byte_ns;
}
