#ifndef SIM_WIRE_H
#define SIM_WIRE_H
#include "util/rng.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One direction of a serial line in modelled time: bytes leave one after the other, 10 bits
 * each, and can be taken when their last bit has passed. */
enum { WIRE_BYTES = 4096 };

struct wire {
	uint8_t buf[WIRE_BYTES];
	uint32_t head, ready, n; /* [head, head+ready) arrived, up to head+n on the line */
	uint64_t next_ns; /* when the first byte on the line arrives */
	uint64_t last_ns; /* when the last arrived byte did */
	uint64_t byte_ns;
	double drop, flip; /* fault probabilities of a byte */
	bool garbled; /* too fast for the bridge: every byte is another */
	struct hv_rng *rng; /* of the faults; borrowed */
	uint64_t bytes, dropped, flipped;
};

void wire_init(struct wire *w, uint32_t bps, struct hv_rng *rng);
void wire_set_bps(struct wire *w, uint32_t bps);
void wire_clear(struct wire *w);
size_t wire_room(const struct wire *w);
/* Put up to n bytes on the line at now_ns; returns how many found room. */
size_t wire_put(struct wire *w, const uint8_t *from, size_t n, uint64_t now_ns);
/* Take bytes that arrived by now_ns. */
size_t wire_take(struct wire *w, uint8_t *to, size_t cap, uint64_t now_ns);
size_t wire_ready(struct wire *w, uint64_t now_ns);
/* When the next `burst` bytes, or all of fewer, have arrived; UINT64_MAX: the line is empty. */
uint64_t wire_next_ns(struct wire *w, uint32_t burst, uint64_t now_ns);
#endif
