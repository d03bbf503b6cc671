#include "daemon/board/rooms.h"
#include <assert.h>

struct span {
	uint32_t first, count;
};

/* The nth free stretch of at least `least` in [all.first, all.first + all.count), as long as
 * it is. taken is sorted in place. */
static bool nth_gap(struct span all, struct span *taken, unsigned n, uint32_t least, unsigned nth,
		    struct span *gap)
{
	uint32_t at = all.first, end = all.first + all.count;

	for (unsigned i = 1; i < n; i++) {
		struct span s = taken[i];
		unsigned k;

		for (k = i; k > 0 && taken[k - 1].first > s.first; k--)
			taken[k] = taken[k - 1];
		taken[k] = s;
	}
	for (unsigned i = 0; i <= n && at <= end; i++) {
		uint32_t stop = i < n ? taken[i].first : end;

		if (stop > end)
			stop = end;
		if (stop >= at && stop - at >= least && nth-- == 0) {
			*gap = (struct span){ at, stop - at };
			return true;
		}
		if (i < n && taken[i].count > 0 && taken[i].first + taken[i].count > at)
			at = taken[i].first + taken[i].count;
	}
	return false;
}

bool rooms_find(const struct cnn_room *all, const struct rooms_claim *claims, unsigned n,
		uint16_t kernel_words, uint16_t bias_count, unsigned nth, struct cnn_room *gap)
{
	struct span kernel[ROOMS_CLAIMS_MAX], bias[ROOMS_CLAIMS_MAX], k, b;

	assert(n <= ROOMS_CLAIMS_MAX);
	for (unsigned i = 0; i < n; i++) {
		kernel[i] = (struct span){ claims[i].kernel_first, claims[i].kernel_words };
		bias[i] = (struct span){ claims[i].bias_first, claims[i].bias_count };
	}
	if (!nth_gap((struct span){ all->kernel_first, all->kernel_words }, kernel, n,
		     kernel_words > 0 ? kernel_words : 1, nth, &k) ||
	    !nth_gap((struct span){ all->bias_first, all->bias_count }, bias, n, bias_count, 0, &b))
		return false;
	*gap = *all;
	gap->kernel_first = (uint16_t)k.first;
	gap->kernel_words = (uint16_t)k.count;
	gap->bias_first = (uint16_t)b.first;
	gap->bias_count = (uint16_t)b.count;
	return true;
}
