/* NumPy array files as harvest-model reads them. What is accepted can be read to its last
 * item and written again. */
#include "accel/import/npy.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct npy n, m;
	char why[300] = "";
	uint8_t *bytes;
	size_t len;
	volatile double sum = 0;

	if (npy_parse(data, size, &n, why, sizeof(why)) < 0) {
		require(why[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < n.items; i++)
		sum += npy_value(&n, i);
	require(npy_encode(&n, &bytes, &len) == 0);
	require(npy_parse(bytes, len, &m, why, sizeof(why)) == 0);
	require(m.items == n.items && m.kind == n.kind && m.item_bytes == n.item_bytes);
	require(n.items == 0 || memcmp(m.data, n.data, n.items * n.item_bytes) == 0);
	free(bytes);
	return 0;
}
