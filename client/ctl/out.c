#include "client/ctl/out.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct sink {
	char *data; /* owned by open_memstream */
	size_t len;
	FILE *to;
};

static int sink_open(struct sink *s)
{
	*s = (struct sink){ .data = NULL };
	s->to = open_memstream(&s->data, &s->len);
	return s->to != NULL ? HV_OK : HV_E_NOMEM;
}

static const char *npy_type(enum harvest_dtype t)
{
	/* clang-format off */
	static const char *const text[] = {
		[HARVEST_S8] = "|i1", [HARVEST_U8] = "|u1", [HARVEST_S16] = "<i2",
		[HARVEST_U16] = "<u2", [HARVEST_S32] = "<i4", [HARVEST_F32] = "<f4",
		[HARVEST_F64] = "<f8",
	};
	/* clang-format on */
	return text[t];
}

/* Version 1.0: the dictionary is padded so that the data starts at a multiple of 64. */
static void npy_header(FILE *to, const struct harvest_tensor *t, uint32_t records)
{
	char dict[160], shape[64];
	int n = 0, d, pad;

	for (uint32_t i = 0; i < t->ndim; i++)
		n += snprintf(shape + n, sizeof(shape) - (size_t)n, " %u,", t->shape[i]);
	d = snprintf(dict, sizeof(dict),
		     "{'descr': '%s', 'fortran_order': False, 'shape': (%u,%s), }",
		     npy_type(t->dtype), records, shape);
	pad = 63 - (10 + d) % 64;
	fwrite("\x93NUMPY\x01", 1, 7, to);
	fputc(0, to);
	fputc((d + pad + 1) & 0xff, to);
	fputc((d + pad + 1) >> 8, to);
	fprintf(to, "%s%*s\n", dict, pad, "");
}

static void csv_value(FILE *to, const struct harvest_tensor *t, double v)
{
	if (t->dtype == HARVEST_F64)
		fprintf(to, "%.17g", v);
	else if (t->dtype == HARVEST_F32)
		fprintf(to, "%.9g", v);
	else
		fprintf(to, "%" PRId64, (int64_t)v);
}

static int csv_all(FILE *to, const struct harvest_tensor *t, uint32_t records, const uint8_t *data)
{
	size_t n = tensor_elements(t), bytes = tensor_bytes(t);
	hv_autofree double *row = calloc(n, sizeof(*row));

	if (row == NULL)
		return HV_E_NOMEM;
	for (uint32_t r = 0; r < records; r++) {
		tensor_to_double(t, data + r * bytes, row);
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				fputc(',', to);
			csv_value(to, t, row[i]);
		}
		fputc('\n', to);
	}
	return HV_OK;
}

static const char *extension(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL ? dot : "";
}

bool out_name_ok(const char *path)
{
	const char *e = extension(path);

	return strcmp(path, "-") == 0 || strcmp(e, ".npy") == 0 || strcmp(e, ".bin") == 0 ||
	       strcmp(e, ".csv") == 0;
}

static int failed(const char *path, int err, struct reason *why)
{
	reason_set(why, "cannot write %s: %s", path,
		   err == HV_E_DENIED  ? "no permission"
		   : err == HV_E_NOENT ? "there is no such folder"
		   : err == HV_E_NOMEM ? hv_err_text(err)
				       : strerror(errno));
	return err == HV_E_NOMEM ? err : HV_E_IO;
}

/* Text or npy is made in memory first, so that the file appears whole. */
static int write_made(const char *path, const struct harvest_tensor *t, uint32_t records,
		      const void *data)
{
	bool npy = strcmp(extension(path), ".npy") == 0;
	struct sink s;
	int err = sink_open(&s);

	if (err != HV_OK)
		return err;
	if (npy) {
		npy_header(s.to, t, records);
		fwrite(data, tensor_bytes(t), records, s.to);
	} else {
		err = csv_all(s.to, t, records, data);
	}
	if (fclose(s.to) != 0)
		err = HV_E_NOMEM;
	if (err == HV_OK)
		err = hv_file_write(path, s.data, s.len);
	free(s.data);
	return err;
}

int out_write(const char *path, const struct harvest_tensor *t, uint32_t records, const void *data,
	      struct reason *why)
{
	size_t bytes = tensor_bytes(t) * records;
	int err;

	if (strcmp(path, "-") == 0)
		err = fwrite(data, 1, bytes, stdout) == bytes && fflush(stdout) == 0 ? HV_OK
										     : HV_E_IO;
	else if (strcmp(extension(path), ".bin") == 0)
		err = hv_file_write(path, data, bytes);
	else
		err = write_made(path, t, records, data);
	return err == HV_OK ? HV_OK : failed(path, err, why);
}
