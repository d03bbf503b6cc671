/* A package message behind an envelope with the right length and hash, so that mutations
 * reach the decoder. What it accepts has been checked: it runs, and encodes to a package that
 * decodes again. */
#include "accel/package/package.h"
#include "util/fs/sha256.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

static uint8_t *enclose(const uint8_t *message, size_t n)
{
	uint8_t *out = malloc(PACKAGE_HEAD_BYTES + n);
	struct hv_sha256 sha;

	require(out != NULL);
	memcpy(out, "HVM1", 4);
	for (unsigned i = 0; i < 4; i++)
		out[4 + i] = (uint8_t)(n >> 8 * i);
	hv_sha256_init(&sha);
	hv_sha256_add(&sha, message, n);
	hv_sha256_end(&sha, out + 8);
	if (n > 0)
		memcpy(out + PACKAGE_HEAD_BYTES, message, n);
	return out;
}

static void use(struct package *p)
{
	struct package *again = NULL;
	char why[300] = "";
	uint8_t *bytes;
	size_t len;

	if (package_self_test(p, why, sizeof(why)) < 0)
		require(why[0] != '\0');
	require(package_encode(p, &bytes, &len) == 0);
	require(package_decode(bytes, len, &again, why, sizeof(why)) == 0);
	require(memcmp(p->hash, again->hash, sizeof(p->hash)) == 0);
	package_free(again);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct package *p = NULL;
	char why[300] = "";
	uint8_t *file = enclose(data, size);

	if (package_decode(file, PACKAGE_HEAD_BYTES + size, &p, why, sizeof(why)) == 0)
		use(p);
	else
		require(why[0] != '\0');
	package_free(p);
	p = NULL;
	/* And the bytes as they are: the envelope is input too. */
	if (package_decode(data, size, &p, why, sizeof(why)) == 0)
		package_free(p);
	free(file);
	return 0;
}
