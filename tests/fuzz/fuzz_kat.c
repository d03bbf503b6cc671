/* Known-answer texts. What the reader accepts is complete: its network passes the check again
 * and everything it promises can be touched. */
#include "accel/kat/kat.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const struct kat *k)
{
	volatile uint32_t sum = 0;
	char why[200];

	if (cnn_net_check(&k->net, why, sizeof why) < 0)
		abort();
	for (unsigned i = 0; i < k->net.layers; i++) {
		uint32_t chw[3];

		cnn_layer_out_shape(&k->net.layer[i], chw);
		sum += (uint32_t)k->out[i][(size_t)chw[0] * chw[1] * chw[2] - 1];
	}
	for (size_t i = 0; i < k->n_ops; i++)
		if (k->ops[i].kind == 'M')
			sum += k->words[k->ops[i].value + k->ops[i].count - 1];
	for (size_t i = 0; i < k->n_expects; i++)
		sum += k->words[k->expects[i].first + k->expects[i].count - 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kat *k = NULL;
	char why[64] = "";
	int err = kat_parse((const char *)data, size, &k, why, sizeof why);

	if (err == HV_OK)
		touch(k);
	else if (k != NULL || why[0] == '\0')
		abort();
	kat_free(k);
	return 0;
}
