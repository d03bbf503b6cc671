#include "tests/lib/fast_twins.h"

#include "accel/ref/fast.h"
#include "accel/ref/ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_outputs(const struct cnn_net *net, const struct cnn_tensors *t, const int32_t *at,
			 unsigned *layer)
{
	for (unsigned i = 0; i < net->layers; i++) {
		uint32_t chw[3];
		size_t values;

		cnn_layer_out_shape(&net->layer[i], chw);
		values = (size_t)chw[0] * chw[1] * chw[2];
		if (!net->layer[i].is_output)
			continue;
		*layer = i;
		if (memcmp(at, t->out[i], values * sizeof *at) != 0)
			return false;
		at += values;
	}
	return true;
}

static bool agrees(const struct random_net *n, const int8_t *twice, const struct cnn_tensors *t,
		   const char *isa, unsigned *layer)
{
	struct cnn_fast *f = NULL;
	int32_t *got;
	bool same;

	if (cnn_fast_new(&n->net, isa, &f) < 0)
		return false;
	got = malloc(2 * cnn_fast_outputs(f) * sizeof *got);
	cnn_fast_run(f, twice, 2, got);
	same = same_outputs(&n->net, t, got + cnn_fast_outputs(f), layer);
	free(got);
	cnn_fast_free(f);
	return same;
}

bool fast_twins_agree(const struct random_net *n, char *why, size_t cap)
{
	size_t size = (size_t)n->net.channels * n->net.height * n->net.width;
	int8_t *twice = malloc(2 * size);
	struct cnn_tensors t;
	bool same = true;

	/* The second of a batch must not see the first. */
	for (size_t i = 0; i < size; i++)
		twice[i] = (int8_t)(n->input[i] ^ 0x55);
	memcpy(twice + size, n->input, size);
	if (cnn_ref_run(&n->net, n->input, &t) < 0)
		abort();
	for (unsigned v = 0; same && cnn_fast_isa(v) != NULL; v++) {
		unsigned layer = 0;

		same = agrees(n, twice, &t, cnn_fast_isa(v), &layer);
		if (!same)
			snprintf(why, cap, "%s differs in layer %u", cnn_fast_isa(v), layer);
	}
	cnn_tensors_free(&t);
	free(twice);
	return same;
}

static void to_extremes(struct hv_rng *r, int8_t *v, size_t n, unsigned bits)
{
	int32_t top = 1 << (bits - 1);
	/* Long runs of one sign are what adds up; the share of the other one varies. */
	uint32_t share = (uint32_t)hv_rng_below(r, 17);

	for (size_t i = 0; v != NULL && i < n; i++)
		v[i] = (int8_t)(hv_rng_below(r, 16) < share ? -top : top - 1);
}

void random_net_to_extremes(struct hv_rng *r, struct random_net *n)
{
	for (unsigned i = 0; i < n->net.layers; i++) {
		const struct cnn_layer *l = &n->net.layer[i];

		if (l->op == CNN_OP_PASS)
			continue;
		to_extremes(r, n->weights[i], cnn_layer_weights(l),
			    l->weight_bits > 0 ? l->weight_bits : 8);
		to_extremes(r, n->bias[i], l->out_channels, 8);
	}
	to_extremes(r, n->input, (size_t)n->net.channels * n->net.height * n->net.width, 8);
}
