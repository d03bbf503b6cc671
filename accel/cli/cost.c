#include "accel/cost/cost.h"
#include "accel/cli/open.h"
#include "accel/image/image.h"
#include "util/json_out.h"
#include "util/own.h"
#include <stdio.h>

enum { LINK_BPS = 1000000, BITS_PER_BYTE = 10 }; /* 8N1: a start and a stop bit */

/* What one package costs; everything from models, nothing measured. */
struct cost {
	uint32_t fixed_cycles, record_cycles;
	uint64_t load_writes, register_writes; /* once, and per activation */
	uint64_t input_writes, output_reads; /* per record */
	uint64_t in_bytes, out_bytes, link_bps; /* per record over the link */
	uint64_t macs;
	double energy_uj;
};

static double cycles_us(double cycles)
{
	return cycles * CNN_CYCLE_NS / 1000;
}

static double bus_us(uint64_t writes, uint64_t reads)
{
	return ((double)writes * CNN_BUS_WRITE_NS + (double)reads * CNN_BUS_READ_NS) / 1000;
}

static double link_us(const struct cost *k, uint64_t bytes)
{
	return 1e6 * BITS_PER_BYTE * (double)bytes / (double)k->link_bps;
}

/* Words that hold the pixels of one record: four channels a word, pass by pass. */
static uint64_t input_words(const struct cnn_steps *s)
{
	unsigned passes = (s->channels + CNN_PROCESSORS - 1u) / CNN_PROCESSORS;
	unsigned per_pass = (s->channels + passes - 1) / passes;

	return (uint64_t)cnn_steps_positions(s) * passes * ((per_pass + 3) / 4);
}

static void count_write32(void *ctx, uint32_t addr, uint32_t value)
{
	(void)addr, (void)value;
	((struct cost *)ctx)->input_writes++;
}

static void count_write8(void *ctx, uint32_t addr, uint8_t value)
{
	count_write32(ctx, addr, value);
}

static uint32_t count_read32(void *ctx, uint32_t addr)
{
	(void)addr;
	((struct cost *)ctx)->output_reads++;
	return 0;
}

/* Accesses that bring one input tensor in and the output tensors out, counted. */
static int count_tensors(const struct package *p, const struct cnn_place *place, struct cost *k)
{
	struct cnn_bus bus = { k, count_write32, count_write8, count_read32 };

	cnn_input_write(&p->net, place, (const int8_t *)p->kat[0].in, &bus);
	for (unsigned i = 0; i < p->net.layers; i++) {
		hv_autofree int32_t *out = NULL;
		uint32_t chw[3];

		if (!p->net.layer[i].is_output)
			continue;
		cnn_layer_out_shape(&p->net.layer[i], chw);
		out = malloc(sizeof(*out) * chw[0] * chw[1] * chw[2]);
		if (out == NULL)
			return HV_E_NOMEM;
		cnn_output_read(&p->net, place, i, out, &bus);
	}
	return HV_OK;
}

/* Bus writes of loading, counted on a compiled image in an empty accelerator. */
static int count_image(const struct package *p, struct cost *k, char *why, size_t cap)
{
	const struct cnn_room all = { .kernel_words = CNN_KERNEL_WORDS,
				      .bias_count = CNN_BIAS_BYTES,
				      .data_words = CNN_DATA_WORDS };
	hv_autofree struct cnn_place *place = calloc(1, sizeof(*place));
	struct cnn_image image = { 0 };
	int r;

	if (place == NULL)
		return HV_E_NOMEM;
	r = cnn_place_fit(&p->net, &all, place, why, cap);
	if (r == HV_OK)
		r = cnn_image_build(&p->net, place, 0, &image, why, cap);
	if (r < 0)
		return r;
	k->register_writes = image.n_regs;
	for (size_t i = 0; i < image.n_kernels; i++) /* address, then the words' bytes */
		k->load_writes += 1 + (image.kernels[i].words * CNN_KERNEL_WORD_BYTES + 3u) / 4;
	for (size_t i = 0; i < image.n_biases; i++)
		k->load_writes += image.biases[i].count;
	cnn_image_free(&image);
	return p->kind == PACKAGE_NETWORK ? count_tensors(p, place, k) : HV_OK;
}

static int work_out(const struct package *p, struct cost *k, char *why, size_t cap)
{
	const struct cnn_steps *s = &p->steps;

	k->fixed_cycles = p->fixed_cycles;
	k->record_cycles = p->record_cycles;
	if (p->kind == PACKAGE_APPROXIMATION) {
		k->input_writes = input_words(s);
		k->output_reads = (uint64_t)s->rows * cnn_steps_positions(s) * s->sets;
	}
	k->in_bytes = package_in_bytes(p);
	k->out_bytes = package_out_bytes(p);
	k->macs = cnn_cost_macs(&p->net);
	k->energy_uj = p->record_energy_uj;
	return count_image(p, k, why, cap);
}

static void print_json(const struct package *p, const struct cost *k)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "name", p->name);
	hv_json_bool(&j, "modelled", true);
	hv_json_u64(&j, "fixed_cycles", k->fixed_cycles);
	hv_json_u64(&j, "record_cycles", k->record_cycles);
	hv_json_f64(&j, "record_compute_us", cycles_us(k->record_cycles));
	hv_json_u64(&j, "record_macs", k->macs);
	hv_json_f64(&j, "record_energy_uj", k->energy_uj);
	hv_json_u64(&j, "record_bus_writes", k->input_writes);
	hv_json_u64(&j, "record_bus_reads", k->output_reads);
	hv_json_f64(&j, "record_bus_us", bus_us(k->input_writes, k->output_reads));
	hv_json_u64(&j, "switch_bus_writes", k->register_writes);
	hv_json_f64(&j, "switch_bus_us", bus_us(k->register_writes, 0));
	hv_json_u64(&j, "load_bus_writes", k->load_writes);
	hv_json_f64(&j, "load_bus_us", bus_us(k->load_writes, 0));
	hv_json_u64(&j, "link_bps", k->link_bps);
	hv_json_u64(&j, "record_link_in_bytes", k->in_bytes);
	hv_json_u64(&j, "record_link_out_bytes", k->out_bytes);
	hv_json_f64(&j, "record_link_us", link_us(k, k->in_bytes + k->out_bytes));
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void print_text(const struct package *p, const struct cost *k)
{
	uint64_t link = k->in_bytes + k->out_bytes;

	printf("%s\n", p->name);
	printf("  inference  %u cycles a run and %u a record, %.1f us a record (modelled)\n",
	       k->fixed_cycles, k->record_cycles, cycles_us(k->record_cycles));
	printf("  bus        %llu writes and %llu reads a record, %.1f us (modelled)\n",
	       (unsigned long long)k->input_writes, (unsigned long long)k->output_reads,
	       bus_us(k->input_writes, k->output_reads));
	printf("  switch     %llu register writes, %.1f us (modelled)\n",
	       (unsigned long long)k->register_writes, bus_us(k->register_writes, 0));
	printf("  load       %llu writes of weights, %.1f us (modelled)\n",
	       (unsigned long long)k->load_writes, bus_us(k->load_writes, 0));
	printf("  link       %llu bytes in and %llu out a record, %.1f us at %llu bit/s without "
	       "framing (modelled)\n",
	       (unsigned long long)k->in_bytes, (unsigned long long)k->out_bytes, link_us(k, link),
	       (unsigned long long)k->link_bps);
	printf("  energy     %.3f uJ a record for %llu multiply-adds, upper bound (modelled)\n",
	       k->energy_uj, (unsigned long long)k->macs);
}

int cli_cost(const struct cli *c)
{
	struct package *p = NULL;
	struct cost k = { 0 };
	char why[300] = "out of memory";
	int r;

	if (!cli_number(c, CLI_LINK_BPS, 1200, 1000000000, LINK_BPS, &k.link_bps))
		return CLI_USAGE;
	r = cli_open(c, c->argv[0], &p);
	if (r != CLI_DONE)
		return r;
	r = work_out(p, &k, why, sizeof(why));
	if (r < 0)
		r = cli_fail(c, r, "%s: %s", c->argv[0], why);
	else if (cli_has(c, CLI_JSON))
		print_json(p, &k);
	else
		print_text(p, &k);
	package_free(p);
	return r;
}
