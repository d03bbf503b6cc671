#include "accel/cli/open.h"
#include "tasks/metric.h"
#include "tasks/plugin_elf.h"
#include "util/json_out.h"
#include <stdio.h>

static const char *op_text(enum cnn_op op)
{
	static const char *const text[] = { [CNN_OP_LINEAR] = "linear",
					    [CNN_OP_CONV1D] = "conv1d",
					    [CNN_OP_CONV2D] = "conv2d",
					    [CNN_OP_CONVT2D] = "convtranspose2d",
					    [CNN_OP_PASS] = "passthrough" };

	return text[op];
}

static const char *pool_text(enum cnn_pool pool)
{
	return pool == CNN_POOL_MAX ? "max" : pool == CNN_POOL_AVG ? "avg" : "none";
}

static const char *eltwise_text(enum cnn_eltwise e)
{
	static const char *const text[] = { "sub", "add", "or", "xor" };

	return text[e];
}

static const char *act_text(enum cnn_act act)
{
	return act == CNN_ACT_RELU ? "relu" : act == CNN_ACT_ABS ? "abs" : "none";
}

static const char *input_text(const struct cnn_steps *s)
{
	return s->input == CNN_IN_SPLIT ? "split" : "round";
}

static const char *finish_text(const struct cnn_steps *s)
{
	return s->finish == CNN_OUT_DFT ? "dft" : "rows";
}

static void json_shape(struct hv_json *j, const struct cnn_layer *l)
{
	hv_json_u64(j, "height", l->height);
	hv_json_u64(j, "width", l->width);
	hv_json_u64(j, "kernel_h", cnn_layer_kernel_h(l));
	hv_json_u64(j, "kernel_w", cnn_layer_kernel_w(l));
	hv_json_u64(j, "pad_h", l->pad_h);
	hv_json_u64(j, "pad_w", l->pad_w);
	hv_json_u64(j, "dilation", cnn_layer_dilation(l));
	hv_json_str(j, "pool", pool_text(l->pool));
	hv_json_u64(j, "pool_h", l->pool_h > 1 ? l->pool_h : 1);
	hv_json_u64(j, "pool_w", l->pool_w > 1 ? l->pool_w : 1);
	hv_json_u64(j, "pool_stride", cnn_layer_stride(l));
	hv_json_u64(j, "operands", cnn_layer_operands(l));
	hv_json_str(j, "eltwise", l->operands > 1 ? eltwise_text(l->eltwise) : "none");
	hv_json_bool(j, "pool_first", !l->combine_first);
	hv_json_bool(j, "streams", l->streams);
}

static void json_net(struct hv_json *j, const struct cnn_net *net)
{
	hv_json_object(j, "network");
	hv_json_u64(j, "channels", net->channels);
	hv_json_u64(j, "height", net->height);
	hv_json_u64(j, "width", net->width);
	hv_json_bool(j, "input_chw", net->input_chw);
	hv_json_bool(j, "fifo", net->fifo);
	hv_json_bool(j, "avg_round", net->avg_round);
	hv_json_array(j, "layers");
	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];

		hv_json_object(j, NULL);
		hv_json_str(j, "op", op_text(l->op));
		hv_json_i64(j, "from", l->from);
		hv_json_array(j, "more_from");
		for (unsigned s = 1; s < cnn_layer_sources(l); s++)
			hv_json_i64(j, NULL, cnn_layer_source(l, s));
		hv_json_end_array(j);
		hv_json_u64(j, "in_channels", l->in_channels);
		hv_json_u64(j, "out_channels", l->out_channels);
		hv_json_u64(j, "weight_bits", l->weight_bits);
		hv_json_u64(j, "out_bits", l->out_bits);
		hv_json_i64(j, "shift", l->shift);
		hv_json_str(j, "act", act_text(l->act));
		hv_json_bool(j, "flatten", l->flatten);
		hv_json_bool(j, "bias", l->bias != NULL);
		hv_json_bool(j, "output", l->is_output);
		hv_json_u64(j, "weights", cnn_layer_weights(l));
		json_shape(j, l);
		hv_json_end_object(j);
	}
	hv_json_end_array(j);
	hv_json_end_object(j);
}

static void json_steps(struct hv_json *j, const struct cnn_steps *s)
{
	hv_json_object(j, "steps");
	hv_json_str(j, "input", input_text(s));
	hv_json_str(j, "finish", finish_text(s));
	hv_json_u64(j, "components", s->components);
	hv_json_u64(j, "positions", cnn_steps_positions(s));
	hv_json_u64(j, "channels", s->channels);
	hv_json_u64(j, "rows", s->rows);
	hv_json_u64(j, "out_bits", s->out_bits);
	hv_json_u64(j, "shift", s->shift);
	hv_json_bool(j, "mul_per_row", s->mul_per_row);
	hv_json_array(j, "scale");
	for (unsigned i = 0; i < s->sets; i++)
		hv_json_i64(j, NULL, s->scale[i]);
	hv_json_end_array(j);
	hv_json_u64(j, "record_in_bytes", cnn_steps_in_bytes(s));
	hv_json_u64(j, "record_out_bytes", cnn_steps_out_bytes(s));
	hv_json_end_object(j);
}

static void json_cert(struct hv_json *j, const struct package_cert *k)
{
	hv_json_object(j, "certificate");
	hv_json_str(j, "metric", hv_metric_text(k->metric));
	hv_json_f64(j, "certified", k->certified);
	hv_json_f64(j, "median", k->median);
	hv_json_f64(j, "worst", k->worst);
	hv_json_u64(j, "samples", k->samples);
	hv_json_f64(j, "confidence", k->confidence);
	hv_json_str(j, "method", k->method);
	hv_json_f64(j, "max_abs", k->max_abs);
	hv_json_object(j, "domain");
	hv_json_i64(j, "in_min", k->in_min);
	hv_json_i64(j, "in_max", k->in_max);
	hv_json_f64(j, "in_min_rms", k->in_min_rms);
	hv_json_end_object(j);
	hv_json_end_object(j);
}

static void json_axis(struct hv_json *j, const struct support_axis *a)
{
	hv_json_object(j, NULL);
	hv_json_str(j, "of", support_kind_text(a->kind));
	if (a->kind == SUPPORT_ELEMENT)
		hv_json_u64(j, "element", a->element);
	hv_json_f64(j, "from", a->lo);
	hv_json_f64(j, "to", a->hi);
	hv_json_end_object(j);
}

/* Views by the places of their axes, and the share of their cells where records come. */
static void json_support(struct hv_json *j, const struct support *s)
{
	if (s == NULL)
		return;
	hv_json_object(j, "support");
	hv_json_u64(j, "side", s->side);
	hv_json_array(j, "axes");
	for (unsigned i = 0; i < s->n_axes; i++)
		json_axis(j, &s->axis[i]);
	hv_json_end_array(j);
	hv_json_array(j, "views");
	for (unsigned i = 0; i < s->n_views; i++) {
		const struct support_view *v = &s->view[i];

		hv_json_object(j, NULL);
		hv_json_u64(j, "x", v->x);
		hv_json_u64(j, "y", v->y);
		hv_json_f64(j, "share",
			    (double)support_view_marked(s, v) / (double)support_view_cells(s, v));
		hv_json_end_object(j);
	}
	hv_json_end_array(j);
	hv_json_end_object(j);
}

static void json_host(struct hv_json *j, const struct package *p)
{
	hv_json_object(j, "host");
	hv_json_u64(j, "cycles_before", hostprog_cycles(p->host, HOSTPROG_ENCODE));
	hv_json_u64(j, "cycles_after", hostprog_cycles(p->host, HOSTPROG_DECODE));
	hv_json_u64(j, "words", p->host->words);
	hv_json_u64(j, "record_in_bytes", package_in_bytes(p));
	hv_json_u64(j, "record_out_bytes", package_out_bytes(p));
	hv_json_array(j, "domain");
	for (uint32_t i = 0; i < 2 * p->n_domain; i++)
		hv_json_f64(j, NULL, p->domain[i]);
	hv_json_end_array(j);
	json_support(j, p->support);
	hv_json_end_object(j);
}

static void print_json(const struct package *p, const char *hex)
{
	struct hv_json j = hv_json_begin(stdout);
	bool network = p->kind == PACKAGE_NETWORK;

	hv_json_object(&j, NULL);
	hv_json_str(&j, "name", p->name);
	hv_json_str(&j, "kind", network ? "network" : "approximation");
	if (!network) {
		hv_json_str(&j, "task", p->task);
		hv_json_u64(&j, "task_version", p->task_version);
		hv_json_u64(&j, "level", p->level);
	}
	hv_json_str(&j, "accelerator", "max78000");
	hv_json_str(&j, "hash", hex);
	json_net(&j, &p->net);
	if (!network) {
		json_steps(&j, &p->steps);
		if (p->host != NULL)
			json_host(&j, p);
		json_cert(&j, &p->cert);
	}
	if (p->plugin != NULL) {
		hv_json_object(&j, "plugin");
		hv_json_u64(&j, "bytes", p->plugin_len);
		hv_json_str(&j, "machine", plugin_elf_machine(p->plugin));
		hv_json_end_object(&j);
	}
	hv_json_object(&j, "cost");
	hv_json_bool(&j, "modelled", true);
	hv_json_u64(&j, "fixed_cycles", p->fixed_cycles);
	hv_json_u64(&j, "record_cycles", p->record_cycles);
	hv_json_f64(&j, "record_energy_uj", p->record_energy_uj);
	hv_json_end_object(&j);
	hv_json_object(&j, "provenance");
	hv_json_str(&j, "recipe", p->recipe);
	hv_json_u64(&j, "seed", p->seed);
	hv_json_str(&j, "tool_version", p->tool_version);
	hv_json_end_object(&j);
	hv_json_u64(&j, "known_answers", p->n_kats);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

/* What linear layers do not have, in a line of its own. */
static void text_shape(const struct cnn_layer *l)
{
	printf("             %ux%u", l->height, l->width);
	if (l->more_sources > 0) {
		printf(", also from");
		for (unsigned s = 1; s < cnn_layer_sources(l); s++)
			printf(" %d", cnn_layer_source(l, s));
	}
	if (l->operands > 1)
		printf(", %s of %u operands%s", eltwise_text(l->eltwise), l->operands,
		       l->combine_first ? " before pooling" : "");
	if (l->pool != CNN_POOL_NONE)
		printf(", %s pool %ux%u", pool_text(l->pool), l->pool_h, l->pool_w);
	if (cnn_layer_stride(l) > 1)
		printf(", stride %u", cnn_layer_stride(l));
	if (l->op != CNN_OP_PASS)
		printf(", kernel %ux%u, pad %ux%u, act %s", cnn_layer_kernel_h(l),
		       cnn_layer_kernel_w(l), l->pad_h, l->pad_w, act_text(l->act));
	if (cnn_layer_dilation(l) > 1)
		printf(", dilation %u", cnn_layer_dilation(l));
	puts(l->streams ? ", streams" : "");
}

static void text_net(const struct cnn_net *net)
{
	printf("network      input of %u channels, %u by %u%s%s%s\n", net->channels, net->height,
	       net->width, net->input_chw ? ", channel by channel" : "",
	       net->fifo ? ", through the FIFO" : "",
	       net->avg_round ? "; averages are rounded" : "");
	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];
		char from[24] = "input";

		if (l->from >= 0)
			snprintf(from, sizeof(from), "layer %d", l->from);
		printf("  layer %-2u   %s from %s, %u to %u channels, %u-bit weights, %u-bit "
		       "%s%s%s\n",
		       i, op_text(l->op), from, l->in_channels, l->out_channels, l->weight_bits,
		       l->out_bits, l->is_output ? "output" : "result",
		       l->bias != NULL ? ", bias" : "", l->flatten ? ", flattened" : "");
		if (l->op != CNN_OP_LINEAR || l->pool != CNN_POOL_NONE || l->operands > 1)
			text_shape(l);
	}
}

static void text_steps(const struct cnn_steps *s)
{
	printf("steps        int16 %s into %u positions of %u channels; %u rows as %s",
	       s->input == CNN_IN_SPLIT ? "split in bytes" : "rounded to 8 bits",
	       cnn_steps_positions(s), s->channels, s->rows, finish_text(s));
	printf("; set scales %d", (int)s->scale[0]);
	for (unsigned i = 1; i < s->sets; i++)
		printf(" and %d", (int)s->scale[i]);
	printf("; multiplied%s, shifted by %u, to int%u\n", s->mul_per_row ? " row by row" : "",
	       s->shift, s->out_bits);
	printf("record       %u bytes in, %u bytes out\n", cnn_steps_in_bytes(s),
	       cnn_steps_out_bytes(s));
}

static void text_host(const struct package *p)
{
	const struct hostprog *h = p->host;

	printf("host         %llu cycles before and %llu after (modelled, Cortex-M4F); %u pixels "
	       "of "
	       "%u channels in, %u words back\n",
	       (unsigned long long)hostprog_cycles(h, HOSTPROG_ENCODE),
	       (unsigned long long)hostprog_cycles(h, HOSTPROG_DECODE), h->pixels, h->channels,
	       h->words);
	printf("record       %zu bytes in, %zu bytes out; %zu and %zu on the link\n",
	       package_in_bytes(p), package_out_bytes(p), package_board_in_bytes(p),
	       package_board_out_bytes(p));
}

/* One range for all elements, or one for each. */
static void text_domain(const struct package *p)
{
	char views[512];

	printf("domain      ");
	for (uint32_t i = 0; i < p->n_domain && i < 8; i++)
		printf(" %g to %g%s", p->domain[2 * i], p->domain[2 * i + 1],
		       i + 1 < p->n_domain ? "," : "");
	puts(p->n_domain > 8 ? " ..." : "");
	if (p->support != NULL)
		printf("support      %s\n", support_text(p->support, views, sizeof(views)));
}

static void text_cert(const struct package_cert *k)
{
	const char *unit = cli_unit(k->metric);

	printf("certificate  %s %.4g%s (%s, %llu samples, confidence %g); one record: median "
	       "%.4g%s, worst %.4g%s; no element off by more than %g\n",
	       hv_metric_text(k->metric), k->certified, unit, k->method,
	       (unsigned long long)k->samples, k->confidence, k->median, unit, k->worst, unit,
	       k->max_abs);
}

static void text_cert_domain(const struct package_cert *k)
{
	printf("domain       samples %d to %d, rms over a job at least %.1f\n", (int)k->in_min,
	       (int)k->in_max, k->in_min_rms);
}

static void print_text(const struct package *p, const char *hex)
{
	bool network = p->kind == PACKAGE_NETWORK;

	if (network)
		printf("package      %s, a network alone, for max78000\n", p->name);
	else
		printf("package      %s, task %s version %u, level %u, for max78000\n", p->name,
		       p->task, p->task_version, p->level);
	printf("hash         %s\n", hex);
	text_net(&p->net);
	if (network) {
		printf("record       %zu bytes in, %zu bytes out\n", package_in_bytes(p),
		       package_out_bytes(p));
	} else if (p->host != NULL) {
		text_host(p);
		text_cert(&p->cert);
		text_domain(p);
	} else {
		text_steps(&p->steps);
		text_cert(&p->cert);
		text_cert_domain(&p->cert);
	}
	if (p->plugin != NULL)
		printf("plug-in      %zu bytes of machine code for %s: the exact function\n",
		       p->plugin_len, plugin_elf_machine(p->plugin));
	printf("cost         %u cycles a run and %u a record, %.3f uJ a record (modelled)\n",
	       p->fixed_cycles, p->record_cycles, p->record_energy_uj);
	printf("provenance   %s; seed %llu; tool version %s; %u known-answer vectors\n", p->recipe,
	       (unsigned long long)p->seed, p->tool_version, p->n_kats);
}

int cli_dump(const struct cli *c)
{
	struct package *p = NULL;
	char hex[65];
	int r = cli_open(c, c->argv[0], &p);

	if (r != CLI_DONE)
		return r;
	cli_hex(p->hash, hex);
	if (cli_has(c, CLI_JSON)) {
		print_json(p, hex);
	} else {
		print_text(p, hex);
	}
	package_free(p);
	return CLI_DONE;
}
