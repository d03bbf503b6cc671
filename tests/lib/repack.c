/* repack IN.hvm OUT.hvm [name=N] [task=T] [version=V] [plugin=FILE]: a package with other parts,
 * whether they go together or not; its hash is right. plugin= without FILE: none. */
#include "accel/package/package.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

static int set(struct package *p, const char *word)
{
	if (strncmp(word, "name=", 5) == 0)
		return snprintf(p->name, sizeof(p->name), "%s", word + 5) > 0;
	if (strncmp(word, "task=", 5) == 0)
		return snprintf(p->task, sizeof(p->task), "%s", word + 5) > 0;
	if (strncmp(word, "version=", 8) == 0) {
		p->task_version = (uint32_t)strtoul(word + 8, NULL, 10);
		return 1;
	}
	if (strncmp(word, "plugin=", 7) != 0)
		return 0;
	free(p->plugin);
	p->plugin = NULL;
	p->plugin_len = 0;
	return word[7] == '\0' ||
	       hv_file_read(word + 7, 8u << 20, &p->plugin, &p->plugin_len) == HV_OK;
}

int main(int argc, char **argv)
{
	struct package *p = NULL;
	hv_autofree uint8_t *bytes = NULL;
	char why[300] = "";
	size_t len = 0;

	if (argc < 3 || package_read(argv[1], &p, why, sizeof(why)) != HV_OK) {
		fprintf(stderr, "repack: %s\n", why);
		return 1;
	}
	for (int i = 3; i < argc; i++) {
		if (set(p, argv[i]))
			continue;
		fprintf(stderr, "repack: cannot do %s\n", argv[i]);
		package_free(p);
		return 1;
	}
	if (package_encode(p, &bytes, &len) != HV_OK || hv_file_write(argv[2], bytes, len) != HV_OK)
		len = 0;
	package_free(p);
	return len == 0;
}
