#include "accel/cli/open.h"
#include <string.h>

int cli_open(const struct cli *c, const char *path, struct package **p)
{
	char why[400];
	int r = package_read(path, p, why, sizeof(why));

	if (r == HV_OK)
		return CLI_DONE;
	if (strstr(why, path) != NULL)
		return cli_fail(c, r, "%s", why);
	return cli_fail(c, r, "%s: %s", path, why);
}

bool cli_ends_with(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);

	return n >= m && strcmp(path + n - m, suffix) == 0;
}

void cli_hex(const uint8_t hash[32], char to[65])
{
	static const char digit[] = "0123456789abcdef";

	for (unsigned i = 0; i < 32; i++) {
		to[2 * i] = digit[hash[i] >> 4];
		to[2 * i + 1] = digit[hash[i] & 15];
	}
	to[64] = '\0';
}

const char *cli_unit(enum harvest_metric metric)
{
	return metric == HARVEST_SNR_DB ? " dB" : "";
}
