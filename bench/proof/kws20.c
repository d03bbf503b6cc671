#include "bench/proof/kws20.h"
#include "accel/kat/kat.h"
#include "util/own.h"
#include "util/rng.h"
#include <stdio.h>

/* clang-format off */
static const struct {
	uint16_t in, rows, out;
	uint8_t kernel, pad;
	enum cnn_pool pool;
} shapes[] = {
	{ 128, 128, 100, 1, 0, CNN_POOL_NONE },
	{ 100, 128,  96, 3, 0, CNN_POOL_NONE },
	{  96, 126,  64, 3, 1, CNN_POOL_MAX },
	{  64,  63,  48, 3, 0, CNN_POOL_NONE },
	{  48,  61,  64, 3, 1, CNN_POOL_MAX },
	{  64,  30,  96, 3, 0, CNN_POOL_NONE },
	{  96,  28, 100, 3, 1, CNN_POOL_AVG },
	{ 100,  14,  64, 6, 1, CNN_POOL_MAX },
};
/* clang-format on */

static void describe(struct cnn_net *net)
{
	unsigned n = HV_ARRAY_SIZE(shapes);

	*net = (struct cnn_net){ .layers = n + 1, .channels = 128, .height = 128, .width = 1 };
	for (unsigned i = 0; i < n; i++)
		net->layer[i] = (struct cnn_layer){
			.op = CNN_OP_CONV1D,
			.from = (int)i - 1,
			.in_channels = shapes[i].in,
			.height = shapes[i].rows,
			.width = 1,
			.out_channels = shapes[i].out,
			.kernel_h = shapes[i].kernel,
			.pad_h = shapes[i].pad,
			.pool = shapes[i].pool,
			.pool_h = 2,
			.pool_stride = shapes[i].pool != CNN_POOL_NONE ? 2 : 1,
			.weight_bits = 8,
			.shift = -3,
			.act = CNN_ACT_RELU,
			.out_bits = 8,
		};
	net->layer[n] = (struct cnn_layer){ .op = CNN_OP_LINEAR,
					    .from = (int)n - 1,
					    .in_channels = 64,
					    .height = 4,
					    .width = 1,
					    .flatten = true,
					    .out_channels = 21,
					    .weight_bits = 8,
					    .out_bits = 32,
					    .is_output = true };
}

static int make(uint64_t seed, struct kws20 *k, char *why, size_t cap)
{
	struct hv_rng rng;

	hv_rng_seed(&rng, seed);
	describe(&k->net);
	k->source = "its shapes, random weights";
	for (unsigned i = 0; i < k->net.layers; i++) {
		size_t n = cnn_layer_weights(&k->net.layer[i]);

		k->weights[i] = malloc(n);
		if (k->weights[i] == NULL)
			return HV_E_NOMEM;
		for (size_t w = 0; w < n; w++)
			k->weights[i][w] = (int8_t)((int)hv_rng_below(&rng, 256) - 128);
		k->net.layer[i].weights = k->weights[i];
	}
	return cnn_net_check(&k->net, why, cap);
}

int kws20_new(uint64_t seed, struct kws20 *k, char *why, size_t cap)
{
	const char *dir = getenv("HARVEST_KAT_DIR");
	char path[512];
	int err;

	*k = (struct kws20){ 0 };
	snprintf(path, sizeof(path), "%s/kws20_v3.kat.gz",
		 dir != NULL ? dir : SRCDIR "/../shared/kat");
	err = kat_read(path, &k->kat, why, cap);
	if (err == HV_OK) {
		k->net = k->kat->net;
		k->source = "the vendor's known-answer test";
	} else if (err == HV_E_NOENT) {
		err = make(seed, k, why, cap);
	}
	if (err != HV_OK)
		kws20_free(k);
	return err;
}

void kws20_free(struct kws20 *k)
{
	kat_free(k->kat);
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++)
		free(k->weights[i]);
	*k = (struct kws20){ 0 };
}
