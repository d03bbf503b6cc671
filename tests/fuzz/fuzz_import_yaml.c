/* Network descriptions with made weights. Input: one byte that shapes the arrays, then the
 * YAML. What is accepted is a legal network that can be packaged when it is small. */
#include "accel/cost/cost.h"
#include "accel/import/import.h"
#include "accel/import/npy.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VALUES_MAX = 4096, MACS_MAX = 1 << 16 };

static void require(int ok)
{
	if (!ok)
		abort();
}

/* Arrays by the shaping byte: bits 0..3 channels, 4..5 kernel, 6 a sample, 7 biases. */
static int read_made(void *ctx, const char *name, uint8_t **bytes, size_t *len)
{
	uint8_t how = *(const uint8_t *)ctx;
	size_t c = 1 + (how & 15u), k = how >> 4 & 3u;
	struct npy n = { .kind = 'i', .item_bytes = 1, .ndim = 4, .shape = { c, c, k, k } };
	uint8_t values[VALUES_MAX];

	memset(values, 0xff, sizeof(values));
	if (k == 0)
		n.ndim = 2;
	if (k == 2)
		n.shape[3] = 1;
	if (name[0] == 'b') {
		if ((how & 128) == 0)
			return HV_E_NOENT;
		n.ndim = 1;
	}
	if (strcmp(name, "input") == 0) {
		if ((how & 64) == 0)
			return HV_E_NOENT;
		n.ndim = 3;
		n.shape[1] = n.shape[2] = 4;
	}
	n.items = 1;
	for (unsigned i = 0; i < n.ndim; i++)
		n.items *= n.shape[i];
	n.data = values;
	return npy_encode(&n, bytes, len);
}

static void use(const struct import *im)
{
	struct package *p = NULL;
	uint8_t *bytes = NULL;
	size_t len;
	char why[300] = "";

	require(cnn_net_check(&im->net, why, sizeof(why)) == HV_OK);
	require(im->net.layers >= 1 && im->notes <= IMPORT_NOTES_MAX);
	if (cnn_cost_macs(&im->net) > MACS_MAX)
		return;
	if (import_package("made", "", &im->net, im->sample, &p, why, sizeof(why)) == HV_OK) {
		require(package_encode(p, &bytes, &len) == HV_OK);
		package_free(p);
		require(package_decode(bytes, len, &p, why, sizeof(why)) == HV_OK);
		require(package_self_test(p, why, sizeof(why)) == HV_OK);
		package_free(p);
		free(bytes);
	} else {
		require(why[0] != '\0');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = size > 0 ? data[0] : 0;
	const struct import_arrays arrays = { &how, read_made };
	const struct import_options o = { .avg_round = (how & 1) != 0 };
	struct import *im = NULL;
	char why[400] = "";
	int err;

	if (size < 1)
		return 0;
	err = import_yaml("f", data + 1, size - 1, &arrays, &o, &im, why, sizeof(why));
	if (err == HV_OK)
		use(im);
	else
		require(strncmp(why, "f:", 2) == 0);
	import_free(im);
	return 0;
}
