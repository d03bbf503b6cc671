#include "accel/import/import.h"
#include "util/own.h"

#include <stdio.h>
#include <string.h>

static int read_array(void *ctx, const char *name, uint8_t **bytes, size_t *len)
{
	const char *dir = ctx;
	size_t room = (dir != NULL ? strlen(dir) : 0) + strlen(name) + sizeof("/.npy");
	hv_autofree char *path = malloc(room);

	if (path == NULL)
		return HV_E_NOMEM;
	if (dir == NULL)
		return HV_E_NOENT;
	snprintf(path, room, "%s/%s.npy", dir, name);
	return hv_file_read(path, IMPORT_ARRAY_MAX_BYTES, bytes, len);
}

int import_yaml_files(const char *file, const char *dir, const struct import_options *o,
		      struct import **im, char *why, size_t cap)
{
	const struct import_arrays arrays = { (void *)(uintptr_t)dir, read_array };
	hv_autofree uint8_t *text = NULL;
	size_t len = 0;
	int err = hv_file_read(file, IMPORT_YAML_MAX_BYTES, &text, &len);

	if (err < 0) {
		snprintf(why, cap, "%s cannot be read: %s", file,
			 err == HV_E_FORMAT ? "no regular file, or longer than 1 MiB"
					    : hv_err_text(err));
		return err;
	}
	return import_yaml(file, text, len, &arrays, o, im, why, cap);
}
