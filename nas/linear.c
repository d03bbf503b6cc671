#include "accel/build/build.h"
#include "accel/cost/cost.h"
#include "nas/search.h"
#include <stdio.h>

/* Linear tasks are derived, not searched: one package for each rung of the precision dial. */
enum { LEVELS = 4, SAMPLES = 4096 };

int nas_search_linear(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	const struct harvest_task *t = q->task;

	if (t->linear == HARVEST_NOT_LINEAR || t->matrix == NULL || t->in.dtype != HARVEST_S16)
		return HV_E_NOENT;
	for (unsigned level = 1; level <= LEVELS; level++) {
		struct nas_found x = { .at_s = nas_now_s() - q->start_s };
		int r = cnn_build_linear(t, level, SAMPLES, &x.package, why, cap);

		if (r < 0)
			return r;
		x.error = x.package->cert.certified;
		x.cycles = x.package->record_cycles;
		x.layers = x.package->net.layers;
		x.words = cnn_steps_words(&x.package->steps);
		for (unsigned i = 0; i < x.package->net.layers; i++)
			x.weight_bytes += cnn_layer_weights(&x.package->net.layer[i]) *
					  x.package->net.layer[i].weight_bits / 8;
		snprintf(x.engine, sizeof(x.engine), "matrix");
		snprintf(x.encoding, sizeof(x.encoding), "level %u", level);
		nas_front_add(f, t, x);
		nas_say(q, "levels", (double)level / LEVELS, x.error);
	}
	return HV_OK;
}
