#include "accel/cost/cost.h"
#include "accel/cli/open.h"
#include "accel/cost/calibration.h"
#include "accel/image/image.h"
#include "util/json_out.h"
#include "util/own.h"
#include <stdio.h>

enum { PREDICTIONS = 3 };

/* What one package costs: models, with constants from documents or from a calibration. */
struct cost {
	struct cnn_calibration cal;
	uint32_t fixed_cycles, record_cycles;
	uint64_t load_writes, register_writes; /* once, and per activation */
	uint64_t input_writes, output_reads; /* per record */
	uint64_t in_bytes, out_bytes; /* per record over the link */
	uint64_t macs;
	bool streams;
};

static double cal(const struct cost *k, enum cnn_calibration_key key)
{
	return k->cal.value[key];
}

static double cycles_us(const struct cost *k, double cycles)
{
	return cycles * 1e6 / cal(k, CNN_CAL_cnn_hz);
}

static double bus_us(const struct cost *k, uint64_t writes, uint64_t reads)
{
	return ((double)writes * cal(k, CNN_CAL_bus_write_ns) +
		(double)reads * cal(k, CNN_CAL_bus_read_ns)) /
	       1000;
}

static double link_us(const struct cost *k, uint64_t bytes)
{
	return 1e6 * cal(k, CNN_CAL_link_bits_per_byte) * (double)bytes / cal(k, CNN_CAL_link_bps);
}

static double energy_uj(const struct cost *k)
{
	double us = cycles_us(k, k->record_cycles) + bus_us(k, k->input_writes, k->output_reads);

	return 1e-6 * ((double)k->macs * cal(k, CNN_CAL_pj_per_mac) +
		       (double)k->input_writes * cal(k, CNN_CAL_write_pj)) +
	       1e-3 * us * cal(k, CNN_CAL_static_mw);
}

/* How far one line can be trusted: the word for constants a (and b, or the same again). */
static const char *mark(const struct cost *k, enum cnn_calibration_key a,
			enum cnn_calibration_key b)
{
	if (k->cal.measured[a] && k->cal.measured[b])
		return "calibrated";
	return k->cal.measured[a] || k->cal.measured[b] ? "modelled, partly calibrated"
							: "modelled";
}

/* What no document settles and no board has shown. */
static const char *prediction(const struct cost *k, unsigned i)
{
	switch (i) {
	case 0: return "weights of two networks stay loaded side by side";
	case 1: return "a start with other registers needs no reset in between";
	default:
		return k->streams ? "cycles of streaming layers are the vendor's guess, half as "
				    "long again"
				  : NULL;
	}
}

/* Words that hold the pixels of one record: four channels a word, pass by pass. */
static uint64_t input_words(const struct cnn_steps *s)
{
	unsigned passes = (s->channels + CNN_PROCESSORS - 1u) / CNN_PROCESSORS;
	unsigned per_pass = (s->channels + passes - 1) / passes;

	return (uint64_t)cnn_steps_positions(s) * passes * ((per_pass + 3) / 4);
}

static void count_write(void *ctx, uint32_t addr, uint32_t value)
{
	struct cost *k = ctx;

	(void)addr;
	(void)value;
	k->input_writes++;
}

static uint32_t count_read(void *ctx, uint32_t addr)
{
	struct cost *k = ctx;

	(void)addr;
	k->output_reads++;
	return 0;
}

/* Input and unloading of a network without steps, as the sequences do them: a read a value. */
static int count_traffic(const struct package *p, const struct cnn_place *place, struct cost *k)
{
	const struct cnn_bus bus = { .ctx = k, .write32 = count_write, .read32 = count_read };
	size_t pixels = (size_t)p->net.channels * p->net.height * p->net.width;
	size_t words = p->host != NULL ? p->host->words : package_out_bytes(p) / sizeof(int32_t);
	hv_autofree int8_t *input = calloc(pixels + 1, 1);
	hv_autofree int32_t *out = malloc((words + 1) * sizeof(*out));

	if (input == NULL || out == NULL)
		return HV_E_NOMEM;
	cnn_input_write(&p->net, place, input, &bus);
	for (unsigned i = 0; i < p->net.layers; i++)
		if (p->net.layer[i].is_output)
			cnn_output_read(&p->net, place, i, out, &bus);
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
	if (p->kind == PACKAGE_NETWORK || p->host != NULL)
		r = count_traffic(p, place, k);
	cnn_image_free(&image);
	return r;
}

static int work_out(const struct package *p, struct cost *k, char *why, size_t cap)
{
	const struct cnn_steps *s = &p->steps;

	k->fixed_cycles = p->fixed_cycles;
	k->record_cycles = p->record_cycles;
	k->macs = cnn_cost_macs(&p->net);
	k->streams = p->net.layer[0].streams;
	k->in_bytes = package_board_in_bytes(p);
	k->out_bytes = package_board_out_bytes(p);
	if (p->kind == PACKAGE_NETWORK || p->host != NULL)
		return count_image(p, k, why, cap);
	k->input_writes = input_words(s);
	k->output_reads = (uint64_t)s->rows * cnn_steps_positions(s) * s->sets;
	return count_image(p, k, why, cap);
}

static void constants_json(struct hv_json *j, const struct cost *k)
{
	hv_json_array(j, "constants");
	for (unsigned i = 0; i < CNN_CAL_KEYS; i++) {
		hv_json_object(j, NULL);
		hv_json_str(j, "key", cnn_calibration_name(i));
		hv_json_f64(j, "value", k->cal.value[i]);
		hv_json_bool(j, "measured", k->cal.measured[i]);
		hv_json_str(j, "source",
			    k->cal.measured[i] ? "calibration" : cnn_calibration_source(i));
		hv_json_end_object(j);
	}
	hv_json_end_array(j);
	hv_json_array(j, "predictions");
	for (unsigned i = 0; i < PREDICTIONS; i++)
		if (prediction(k, i) != NULL)
			hv_json_str(j, NULL, prediction(k, i));
	hv_json_end_array(j);
}

static void print_json(const struct package *p, const struct cost *k)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "name", p->name);
	hv_json_bool(&j, "modelled", true);
	hv_json_u64(&j, "fixed_cycles", k->fixed_cycles);
	hv_json_u64(&j, "record_cycles", k->record_cycles);
	hv_json_f64(&j, "record_compute_us", cycles_us(k, k->record_cycles));
	hv_json_f64(&j, "run_overhead_us", cal(k, CNN_CAL_run_overhead_us));
	hv_json_u64(&j, "record_macs", k->macs);
	hv_json_f64(&j, "record_energy_uj", energy_uj(k));
	hv_json_u64(&j, "record_bus_writes", k->input_writes);
	hv_json_u64(&j, "record_bus_reads", k->output_reads);
	hv_json_f64(&j, "record_bus_us", bus_us(k, k->input_writes, k->output_reads));
	hv_json_u64(&j, "switch_bus_writes", k->register_writes);
	hv_json_f64(&j, "switch_bus_us", bus_us(k, k->register_writes, 0));
	hv_json_u64(&j, "load_bus_writes", k->load_writes);
	hv_json_f64(&j, "load_bus_us", bus_us(k, k->load_writes, 0));
	hv_json_u64(&j, "link_bps", (uint64_t)cal(k, CNN_CAL_link_bps));
	hv_json_u64(&j, "record_link_in_bytes", k->in_bytes);
	hv_json_u64(&j, "record_link_out_bytes", k->out_bytes);
	hv_json_f64(&j, "record_link_us", link_us(k, k->in_bytes + k->out_bytes));
	constants_json(&j, k);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void print_text(const struct package *p, const struct cost *k)
{
	const char *write = mark(k, CNN_CAL_bus_write_ns, CNN_CAL_bus_write_ns);

	printf("%s\n", p->name);
	printf("  inference  %u cycles a run and %u a record, %.1f us a record (%s)\n",
	       k->fixed_cycles, k->record_cycles, cycles_us(k, k->record_cycles),
	       mark(k, CNN_CAL_cnn_hz, CNN_CAL_cnn_hz));
	printf("  overhead   %.1f us a run beside the cycles (%s)\n",
	       cal(k, CNN_CAL_run_overhead_us),
	       mark(k, CNN_CAL_run_overhead_us, CNN_CAL_run_overhead_us));
	printf("  bus        %llu writes and %llu reads a record, %.1f us (%s)\n",
	       (unsigned long long)k->input_writes, (unsigned long long)k->output_reads,
	       bus_us(k, k->input_writes, k->output_reads),
	       mark(k, CNN_CAL_bus_write_ns, CNN_CAL_bus_read_ns));
	printf("  switch     %llu register writes, %.1f us (%s)\n",
	       (unsigned long long)k->register_writes, bus_us(k, k->register_writes, 0), write);
	printf("  load       %llu writes of weights, %.1f us (%s)\n",
	       (unsigned long long)k->load_writes, bus_us(k, k->load_writes, 0), write);
	printf("  link       %llu bytes in and %llu out a record, %.1f us at %.0f bit/s without "
	       "framing (%s)\n",
	       (unsigned long long)k->in_bytes, (unsigned long long)k->out_bytes,
	       link_us(k, k->in_bytes + k->out_bytes), cal(k, CNN_CAL_link_bps),
	       mark(k, CNN_CAL_link_bps, CNN_CAL_link_bits_per_byte));
	printf("  energy     %.3f uJ a record for %llu multiply-adds%s (%s)\n", energy_uj(k),
	       (unsigned long long)k->macs,
	       k->cal.measured[CNN_CAL_pj_per_mac] ? "" : ", upper bound",
	       mark(k, CNN_CAL_pj_per_mac, CNN_CAL_static_mw));
	for (unsigned i = 0; i < PREDICTIONS; i++)
		if (prediction(k, i) != NULL)
			printf("  predicted  %s (modelled, not seen on silicon)\n",
			       prediction(k, i));
}

/* Defaults, then the calibration, then the command line. An exit code. */
static int constants(const struct cli *c, struct cost *k)
{
	const char *path = c->opt[CLI_CALIBRATION];
	char why[300] = "out of memory";
	uint64_t bps;
	int r = HV_OK;

	cnn_calibration_default(&k->cal);
	if (path != NULL)
		r = cnn_calibration_read(path, &k->cal, why, sizeof(why));
	if (r < 0)
		return cli_fail(c, r == HV_E_IO ? HV_E_FORMAT : r, "%s: %s", path, why);
	if (!cli_number(c, CLI_LINK_BPS, 1200, 1000000000, 0, &bps))
		return CLI_USAGE;
	if (bps != 0)
		k->cal.value[CNN_CAL_link_bps] = (double)bps;
	return CLI_DONE;
}

int cli_cost(const struct cli *c)
{
	struct package *p = NULL;
	struct cost k = { 0 };
	char why[300] = "out of memory";
	int r = constants(c, &k);

	if (r == CLI_DONE)
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
