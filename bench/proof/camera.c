#include "bench/proof/camera.h"
#include "util/rng.h"
#include <inttypes.h>
#include <stdbool.h>

enum { FRAME_US = 33367, DETECT_US = 14200 };

static bool chance(struct hv_rng *r, double p)
{
	return hv_rng_uniform(r, 0, 1) < p;
}

void camera_write(FILE *to, double seconds, uint64_t seed)
{
	struct hv_rng rng;
	bool dark = false, in_sight = false;
	double frame_us = 0;

	hv_rng_seed(&rng, seed);
	fprintf(to, "start_us,busy_us\n");
	fprintf(to, "# made by bench/non-interference --make-trace: see bench/proof/camera.h\n");
	while (frame_us < seconds * 1e6) {
		uint32_t busy_us = DETECT_US + hv_rng_below(&rng, 40);
		double at_us;

		if (chance(&rng, dark ? 0.01 : 0.004))
			dark = !dark;
		if (chance(&rng, in_sight ? 0.02 : 0.01))
			in_sight = !in_sight;
		frame_us += dark ? 2 * FRAME_US : FRAME_US;
		if (chance(&rng, 0.005))
			continue;
		at_us = frame_us + hv_rng_normal(&rng, 0, 150);
		fprintf(to, "%.0f,%" PRIu32 "\n", at_us, busy_us);
		if (in_sight && chance(&rng, 0.6))
			fprintf(to, "%.0f,%" PRIu32 "\n",
				at_us + busy_us + 400 + hv_rng_below(&rng, 1600),
				3000 + hv_rng_below(&rng, 3000));
	}
}
