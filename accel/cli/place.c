/* Who sits where in the accelerator, and the certificate that nobody sits on anybody. */
#include "accel/cli/tenant.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

/* One memory as the map shows it: equal neighbouring rows together. */
struct view {
	const char *memory, *row, *cell;
	unsigned rows, cells;
	const uint32_t *bits; /* rows * cells / 32 */
};

static bool same_rows(const struct view *v, unsigned a, unsigned b)
{
	size_t words = v->cells / 32;

	return memcmp(v->bits + a * words, v->bits + b * words, words * sizeof(*v->bits)) == 0;
}

/* First cell from *at on that is set; *at moves behind the last one of that run. */
static bool next_run(const uint32_t *row, unsigned cells, unsigned *at, unsigned *first)
{
	unsigned i = *at;

	while (i < cells && !cnn_cell(row, i))
		i++;
	*first = i;
	while (i < cells && cnn_cell(row, i))
		i++;
	*at = i;
	return *first < i;
}

static void show_range(struct hv_json *j, const struct view *v, unsigned from, unsigned to,
		       unsigned first, unsigned last)
{
	if (j == NULL) {
		printf("    %-8s %ss %u to %u: %ss %u to %u\n", v->memory, v->row, from, to,
		       v->cell, first, last);
		return;
	}
	hv_json_object(j, NULL);
	hv_json_str(j, "memory", v->memory);
	hv_json_u64(j, "row_first", from);
	hv_json_u64(j, "row_last", to);
	hv_json_u64(j, "first", first);
	hv_json_u64(j, "last", last);
	hv_json_end_object(j);
}

static void show_view(struct hv_json *j, const struct view *v)
{
	for (unsigned from = 0, to; from < v->rows; from = to + 1) {
		unsigned at = 0, first;

		for (to = from; to + 1 < v->rows && same_rows(v, from, to + 1);)
			to++;
		while (next_run(v->bits + (size_t)from * (v->cells / 32), v->cells, &at, &first))
			show_range(j, v, from, to, first, at - 1);
	}
}

/* j: entries of an array; NULL: lines. */
static void show_map(struct hv_json *j, const struct tenant *t)
{
	const struct cnn_footprint *f = &t->footprint;
	uint32_t data[CNN_INSTANCES][CNN_DATA_WORDS / 32];
	const struct view views[3] = {
		{ "kernels", "processor", "word", CNN_PROCESSORS, CNN_KERNEL_WORDS,
		  f->loaded.kernel[0] },
		{ "biases", "quadrant", "byte", CNN_QUADRANTS, CNN_BIAS_BYTES, f->loaded.bias[0] },
		{ "data", "instance", "word", CNN_INSTANCES, CNN_DATA_WORDS, data[0] },
	};

	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (unsigned w = 0; w < CNN_DATA_WORDS / 32; w++)
			data[i][w] = f->read.data[i][w] | f->written.data[i][w];
	for (unsigned v = 0; v < 3; v++)
		show_view(j, &views[v]);
}

static void span(const uint32_t *bits, unsigned rows, unsigned cells, unsigned *first,
		 unsigned *count)
{
	unsigned end = 0;

	*first = cells;
	for (unsigned row = 0; row < rows; row++)
		for (unsigned i = 0; i < cells; i++)
			if (cnn_cell(bits + (size_t)row * (cells / 32), i)) {
				*first = i < *first ? i : *first;
				end = i + 1 > end ? i + 1 : end;
			}
	if (end == 0)
		*first = 0;
	*count = end - *first;
}

static void print_json(struct hv_json *j, const struct tenant *t)
{
	unsigned kernel, kernels, bias, biases;

	span(t->footprint.loaded.kernel[0], CNN_PROCESSORS, CNN_KERNEL_WORDS, &kernel, &kernels);
	span(t->footprint.loaded.bias[0], CNN_QUADRANTS, CNN_BIAS_BYTES, &bias, &biases);
	hv_json_object(j, NULL);
	hv_json_str(j, "name", t->name);
	hv_json_u64(j, "layers", t->layers);
	hv_json_u64(j, "quadrants", t->footprint.started);
	hv_json_u64(j, "kernel_first_word", kernel);
	hv_json_u64(j, "kernel_words", kernels);
	hv_json_u64(j, "bias_first_byte", bias);
	hv_json_u64(j, "bias_bytes", biases);
	if (t->has_slot) {
		hv_json_u64(j, "records_max", t->slot.records_max);
		hv_json_u64(j, "image_bytes", t->slot.total_bytes);
	}
	hv_json_array(j, "map");
	show_map(j, t);
	hv_json_end_array(j);
	hv_json_end_object(j);
}

static void print_text(const struct tenant *t)
{
	unsigned kernel, kernels, bias, biases;

	span(t->footprint.loaded.kernel[0], CNN_PROCESSORS, CNN_KERNEL_WORDS, &kernel, &kernels);
	span(t->footprint.loaded.bias[0], CNN_QUADRANTS, CNN_BIAS_BYTES, &bias, &biases);
	printf("%-16s kernel words %u to %u of its processors, %u bias bytes, %u layers", t->name,
	       kernel, kernels > 0 ? kernel + kernels - 1 : kernel, biases, t->layers);
	if (t->has_slot)
		printf(", up to %u records a run, image of %u bytes", t->slot.records_max,
		       t->slot.total_bytes);
	printf("\n");
	show_map(NULL, t);
}

/* Everybody is a guest to all that came before. */
static int certify(const struct cli *c, const struct tenant *t, unsigned n, bool keep_data,
		   struct cnn_certificate *cert)
{
	struct cnn_party party[CLI_BESIDE_MAX + 1];
	char why[300];

	for (unsigned i = 0; i < n; i++) {
		int r;

		party[i] = (struct cnn_party){ t[i].name, &t[i].footprint, keep_data };
		r = cnn_certify(&party[i], party, i, cert, why, sizeof(why));
		if (r < 0)
			return cli_fail(c, r, "no certificate: %s", why);
	}
	return CLI_DONE;
}

static void certificate_json(struct hv_json *j, const struct cnn_certificate *k, bool keep_data)
{
	hv_json_object(j, "certificate");
	hv_json_bool(j, "disjoint", true);
	hv_json_bool(j, "data_kept", keep_data);
	hv_json_u64(j, "guest_kernel_words", k->kernel_words);
	hv_json_u64(j, "guest_bias_bytes", k->bias_bytes);
	hv_json_u64(j, "guest_data_words", k->data_words);
	hv_json_u64(j, "resident_kernel_words", k->resident_kernel_words);
	hv_json_u64(j, "resident_bias_bytes", k->resident_bias_bytes);
	hv_json_u64(j, "resident_data_words", k->resident_data_words);
	hv_json_u64(j, "registers_overwritten", k->registers);
	hv_json_end_object(j);
}

static void certificate_text(const struct cnn_certificate *k, unsigned residents, bool keep_data)
{
	printf("certificate      from the bus writes: %u kernel words, %u bias bytes%s of the "
	       "guest "
	       "are disjoint from %u and %u of %u resident%s; %u registers written over\n",
	       k->kernel_words, k->bias_bytes, keep_data ? " and all data words" : "",
	       k->resident_kernel_words, k->resident_bias_bytes, residents,
	       residents == 1 ? "" : "s", k->registers);
}

static void print_all(const struct cli *c, const struct tenant *t, unsigned n,
		      const struct tenancy *left, const struct cnn_certificate *cert)
{
	if (cli_has(c, CLI_JSON)) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_array(&j, "packages");
		for (unsigned i = 0; i < n; i++)
			print_json(&j, &t[i]);
		hv_json_end_array(&j);
		certificate_json(&j, cert, left->keep_data);
		hv_json_u64(&j, "kernel_words_left", left->room.kernel_words);
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		print_text(&t[i]);
	printf("%-16s %u kernel words of every processor\n", "left", left->room.kernel_words);
	certificate_text(cert, n - 1, left->keep_data);
}

int cli_place(const struct cli *c)
{
	struct tenancy left = { .room = { .kernel_words = CNN_KERNEL_WORDS,
					  .bias_count = CNN_BIAS_BYTES,
					  .data_words = CNN_DATA_WORDS },
				.keep_data = cli_has(c, CLI_KEEP_DATA) };
	unsigned n = c->n_beside + 1;
	hv_autofree struct tenant *t = calloc(n, sizeof(*t));
	struct cnn_certificate cert;
	int r = CLI_DONE;

	if (t == NULL)
		return cli_fail(c, HV_E_NOMEM, "out of memory");
	for (unsigned i = 0; r == CLI_DONE && i < n; i++)
		r = tenant_move_in(c, i + 1 < n ? c->beside[i] : c->argv[0], &left, &t[i]);
	if (r == CLI_DONE)
		r = certify(c, t, n, left.keep_data, &cert);
	if (r == CLI_DONE)
		print_all(c, t, n, &left, &cert);
	return r;
}
