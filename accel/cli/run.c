#include "accel/import/npy.h"
#include "accel/cli/open.h"
#include "tasks/catalog.h"
#include "util/json_out.h"
#include "util/own.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How numpy calls the elements of a record, or of an answer. */
static void element_of(enum harvest_dtype t, struct npy *a)
{
	a->kind = t == HARVEST_F32 || t == HARVEST_F64  ? 'f'
		  : t == HARVEST_U8 || t == HARVEST_U16 ? 'u'
							: 'i';
	a->item_bytes = (unsigned)dtype_bytes(t);
}

/* Records of the file at path, borrowed from *bytes, which is returned owned. An exit code. */
static int records_read(const struct cli *c, const struct package *p, const char *path,
			uint8_t **bytes, const uint8_t **data, size_t *records)
{
	size_t len, record = package_in_bytes(p);
	struct npy a, want = { .kind = 'i', .item_bytes = p->kind == PACKAGE_NETWORK ? 1 : 2 };
	char why[300];
	int r = hv_file_read(path, NPY_MAX_BYTES, bytes, &len);

	if (r < 0)
		return cli_fail(c, r, "%s cannot be read: %s", path, hv_err_text(r));
	if (p->host != NULL)
		element_of(p->host->in_dtype, &want);
	*data = *bytes;
	if (cli_ends_with(path, ".npy")) {
		r = npy_parse(*bytes, len, &a, why, sizeof(why));
		if (r < 0)
			return cli_fail(c, r, "%s: %s", path, why);
		if (a.kind != want.kind || a.item_bytes != want.item_bytes)
			return cli_fail(c, HV_E_FORMAT,
					"%s: elements are %c%u, package %s takes %c%u", path,
					a.kind, a.item_bytes, p->name, want.kind, want.item_bytes);
		*data = a.data;
		len = want.item_bytes * a.items;
	}
	if (len == 0 || len % record != 0)
		return cli_fail(c, HV_E_FORMAT,
				"%s: %zu bytes of samples are no whole number of records of %zu "
				"bytes",
				path, len, record);
	*records = len / record;
	return CLI_DONE;
}

static void record_shape(const struct cnn_steps *s, size_t records, struct npy *a)
{
	a->item_bytes = s->out_bits / 8u;
	a->ndim = s->components > 1 ? 3 : 2;
	a->shape[0] = records;
	a->shape[1] = s->rows;
	a->shape[2] = s->components;
}

/* (records, elements), of the host program's type. */
static void host_shape(const struct hostprog *h, size_t records, struct npy *a)
{
	element_of(h->out_dtype, a);
	a->ndim = 2;
	a->shape[0] = records;
	a->shape[1] = h->out_elements;
}

/* (records, C, H, W) of the one output; several outputs are one row of values. */
static void network_shape(const struct package *p, size_t records, struct npy *a)
{
	unsigned outputs = 0;
	uint32_t chw[3] = { 0 };

	for (unsigned i = 0; i < p->net.layers; i++) {
		if (!p->net.layer[i].is_output)
			continue;
		cnn_layer_out_shape(&p->net.layer[i], chw);
		outputs++;
	}
	a->item_bytes = sizeof(int32_t);
	a->ndim = outputs == 1 ? 4 : 2;
	a->shape[0] = records;
	a->shape[1] = outputs == 1 ? chw[0] : package_out_bytes(p) / sizeof(int32_t);
	a->shape[2] = chw[1];
	a->shape[3] = chw[2];
}

static int records_write(const struct cli *c, const struct package *p, const char *path,
			 const uint8_t *out, size_t records)
{
	hv_autofree uint8_t *file = NULL;
	size_t len = records * package_out_bytes(p);
	struct npy a = { .kind = 'i', .data = out };
	int r = HV_OK;

	if (p->kind == PACKAGE_NETWORK)
		network_shape(p, records, &a);
	else if (p->host != NULL)
		host_shape(p->host, records, &a);
	else
		record_shape(&p->steps, records, &a);
	a.items = len / a.item_bytes;

	if (strcmp(path, "-") == 0)
		return fwrite(out, 1, len, stdout) == len
			       ? CLI_DONE
			       : cli_fail(c, HV_E_IO, "standard output cannot be written");
	if (cli_ends_with(path, ".npy")) {
		r = npy_encode(&a, &file, &len);
		out = file;
	}
	if (r < 0)
		return cli_fail(c, r, "%s cannot be made: %s", path, hv_err_text(r));
	return hv_file_write(path, out, len) < 0
		       ? cli_fail(c, HV_E_IO, "%s cannot be written: %s", path, strerror(errno))
		       : CLI_DONE;
}

static void say(const struct cli *c, const struct package *p, size_t records)
{
	if (strcmp(c->opt[CLI_OUT], "-") == 0)
		return;
	if (cli_has(c, CLI_JSON)) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_str(&j, "name", p->name);
		hv_json_str(&j, "task", p->task);
		hv_json_u64(&j, "records", records);
		hv_json_str(&j, "out", c->opt[CLI_OUT]);
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return;
	}
	printf("%s: %zu records through %s\n", c->opt[CLI_OUT], records, p->name);
}

static int run_package(const struct cli *c, const struct package *p)
{
	hv_autofree uint8_t *bytes = NULL, *out = NULL;
	const uint8_t *in = NULL;
	size_t records = 0;
	int r = records_read(c, p, c->opt[CLI_IN], &bytes, &in, &records);

	if (r != CLI_DONE)
		return r;
	out = calloc(records, package_out_bytes(p));
	if (out == NULL)
		return cli_fail(c, HV_E_NOMEM, "out of memory for %zu records", records);
	r = package_run(p, in, out, records);
	if (r < 0)
		return cli_fail(c, r, "%s: %s", p->name, hv_err_text(r));
	r = records_write(c, p, c->opt[CLI_OUT], out, records);
	if (r == CLI_DONE)
		say(c, p, records);
	return r;
}

int cli_run(const struct cli *c)
{
	struct package *p = NULL;
	int r;

	if (!cli_has(c, CLI_IN) || !cli_has(c, CLI_OUT))
		return cli_fail(c, HV_E_INVAL,
				"--in FILE and -o FILE are needed: what goes in and where it goes");
	r = cli_open(c, c->argv[0], &p);
	if (r == CLI_DONE)
		r = run_package(c, p);
	package_free(p);
	return r;
}
