#include "accel/package/check.h"
#include "accel/cost/cost.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include <math.h>
#include <string.h>

int package_refuse(int err, char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return err;
}

bool package_name_ok(const char *name, bool is_task)
{
	size_t n = strnlen(name, 32);

	if (n < 1 || n > 31)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
		      (c == '-' && !is_task)))
			return false;
	}
	return true;
}

/* Largest magnitude that a row's 32-bit word can have. */
static int64_t row_word_max(const struct cnn_layer *l, size_t fan_in, unsigned row)
{
	const int8_t *w = l->weights + fan_in * row;
	int64_t sum = 0;

	for (size_t i = 0; i < fan_in; i++)
		sum += w[i] < 0 ? -w[i] : w[i];
	if (l->bias != NULL)
		sum += l->bias[row] < 0 ? -l->bias[row] : l->bias[row];
	return 128 * sum;
}

/* Output layers as the steps read them. */
static int check_output_layer(const struct package *p, unsigned i, char *why, size_t cap)
{
	const struct cnn_layer *l = &p->net.layer[i];
	const struct cnn_steps *s = &p->steps;
	size_t fan_in = (size_t)l->in_channels * (l->flatten ? l->height * l->width : 1u);
	int64_t max = CNN_STEPS_WORD_MAX(s->channels);

	if (l->out_bits != 32 || l->out_channels != s->rows)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "output layer %u has %u rows of %u bits, the steps want %u "
				      "rows of 32 bits",
				      i, l->out_channels, l->out_bits, s->rows);
	if (l->flatten || l->height != p->net.height || l->width != 1)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "output layer %u does not keep the %u positions of a record",
				      i, p->net.height);
	for (unsigned r = 0; r < l->out_channels; r++)
		if (row_word_max(l, fan_in, r) > max)
			return package_refuse(
				HV_E_FORMAT, why, cap,
				"output layer %u, row %u: its sums may reach %lld, the "
				"steps take at most %lld",
				i, r, (long long)row_word_max(l, fan_in, r), (long long)max);
	return HV_OK;
}

static int check_steps(const struct package *p, char *why, size_t cap)
{
	const struct cnn_steps *s = &p->steps;
	unsigned sets = 0;
	int r;

	if (p->net.channels != s->channels || p->net.height != cnn_steps_positions(s) ||
	    p->net.width != 1)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "network input is %u channels of %u by %u, the steps make %u "
				      "channels of %u by 1",
				      p->net.channels, p->net.height, p->net.width, s->channels,
				      cnn_steps_positions(s));
	for (unsigned i = 0; i < p->net.layers; i++) {
		if (!p->net.layer[i].is_output)
			continue;
		sets++;
		r = check_output_layer(p, i, why, cap);
		if (r < 0)
			return r;
	}
	if (sets != s->sets)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "network has %u output layers, the steps read %u", sets,
				      s->sets);
	return HV_OK;
}

/* Network, steps of version 2 and host program have the same shapes. */
static int check_raw(const struct package *p, char *why, size_t cap)
{
	const struct cnn_steps *s = &p->steps;
	unsigned sets = 0;

	if (s->input != CNN_IN_BYTES || p->net.fifo || (p->net.input_chw && s->channels != 1) ||
	    p->net.channels != s->channels || p->net.height != s->height ||
	    p->net.width != s->width || p->host->channels != s->channels ||
	    p->host->pixels != cnn_steps_positions(s))
		return package_refuse(HV_E_FORMAT, why, cap,
				      "network, steps and host program do not have the same input");
	for (unsigned i = 0; i < p->net.layers; i++) {
		const struct cnn_layer *l = &p->net.layer[i];
		uint32_t chw[3];

		if (!l->is_output)
			continue;
		cnn_layer_out_shape(l, chw);
		if (sets == s->sets || s->raw[sets].rows != chw[0] ||
		    s->raw[sets].pixels != chw[1] * chw[2] || s->raw[sets].bits != l->out_bits)
			return package_refuse(HV_E_FORMAT, why, cap,
					      "output layer %u is not what the steps unload", i);
		sets++;
	}
	if (sets != s->sets || cnn_steps_words(s) != p->host->words)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "network has %u outputs, steps %u; host program takes %u "
				      "values",
				      sets, s->sets, p->host->words);
	return HV_OK;
}

static int check_domain(const struct package *p, char *why, size_t cap)
{
	if (p->support != NULL && (p->support->dtype != p->host->in_dtype ||
				   p->support->elements != p->host->in_elements))
		return package_refuse(
			HV_E_FORMAT, why, cap,
			"support is of records of %u elements, the host program takes "
			"%u",
			p->support->elements, p->host->in_elements);
	if (p->n_domain != 1 && p->n_domain != p->host->in_elements)
		return package_refuse(HV_E_FORMAT, why, cap, "domain has %u ranges for %u elements",
				      p->n_domain, p->host->in_elements);
	for (uint32_t i = 0; i < p->n_domain; i++)
		if (!isfinite(p->domain[2 * i]) || !isfinite(p->domain[2 * i + 1]) ||
		    p->domain[2 * i] > p->domain[2 * i + 1])
			return package_refuse(HV_E_FORMAT, why, cap,
					      "domain of element %u is no range", i);
	return HV_OK;
}

static int check_host_task(const struct package *p, const struct harvest_task *t, char *why,
			   size_t cap)
{
	const struct hostprog *h = p->host;

	if (t->version != p->task_version)
		return package_refuse(HV_E_VERSION, why, cap,
				      "package is for version %u of task %s, this program has "
				      "version %u: build the package again",
				      p->task_version, t->name, t->version);
	if (t->in.dtype != h->in_dtype || tensor_elements(&t->in) != h->in_elements ||
	    t->out.dtype != h->out_dtype || tensor_elements(&t->out) != h->out_elements)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "host program takes and makes other records than task %s",
				      t->name);
	if (t->metric != p->cert.metric)
		return package_refuse(
			HV_E_FORMAT, why, cap, "certificate is in %s, task %s is judged by %s",
			hv_metric_text(p->cert.metric), t->name, hv_metric_text(t->metric));
	return HV_OK;
}

static int check_task(const struct package *p, const struct harvest_task *t, char *why, size_t cap)
{
	const struct cnn_steps *s = &p->steps;

	if (t->version != p->task_version)
		return package_refuse(HV_E_VERSION, why, cap,
				      "package is for version %u of task %s, this program has "
				      "version %u: build the package again",
				      p->task_version, t->name, t->version);
	if (t->in.dtype != HARVEST_S16 || tensor_bytes(&t->in) != cnn_steps_in_bytes(s))
		return package_refuse(HV_E_FORMAT, why, cap,
				      "steps take %u bytes a record, task %s has %zu",
				      cnn_steps_in_bytes(s), t->name, tensor_bytes(&t->in));
	if (t->out.dtype != (s->out_bits == 16 ? HARVEST_S16 : HARVEST_S32) ||
	    tensor_bytes(&t->out) != cnn_steps_out_bytes(s))
		return package_refuse(HV_E_FORMAT, why, cap,
				      "steps make %u bytes of %u-bit results a record, task %s has "
				      "%zu bytes of %s",
				      cnn_steps_out_bytes(s), s->out_bits, t->name,
				      tensor_bytes(&t->out), dtype_text(t->out.dtype));
	if (t->metric != p->cert.metric)
		return package_refuse(
			HV_E_FORMAT, why, cap, "certificate is in %s, task %s is judged by %s",
			hv_metric_text(p->cert.metric), t->name, hv_metric_text(t->metric));
	return HV_OK;
}

int package_check_task(const struct package *p, const struct harvest_task *t, char *why, size_t cap)
{
	return p->host != NULL ? check_host_task(p, t, why, cap) : check_task(p, t, why, cap);
}

/* Who brings its own task is not judged by one of that name which may be here now. */
static int check_known(const struct package *p, char *why, size_t cap)
{
	const struct harvest_task *t = p->plugin == NULL ? task_find(p->task) : NULL;

	return t != NULL ? package_check_task(p, t, why, cap) : HV_OK;
}

static bool metric_known(enum harvest_metric m)
{
	return strcmp(hv_metric_text(m), "?") != 0;
}

static int check_cert(const struct package_cert *c, char *why, size_t cap)
{
	if (!metric_known(c->metric))
		return package_refuse(HV_E_FORMAT, why, cap, "certificate has unknown metric %d",
				      (int)c->metric);
	if (!isfinite(c->certified) || !isfinite(c->median) || !isfinite(c->worst))
		return package_refuse(HV_E_FORMAT, why, cap,
				      "certificate has a value that is no finite number");
	if (!(c->max_abs >= 0) || !isfinite(c->max_abs))
		return package_refuse(HV_E_FORMAT, why, cap, "certificate has max_abs %g",
				      c->max_abs);
	if (!(c->confidence > 0 && c->confidence <= 1) || c->samples < 1)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "certificate has confidence %g from %llu samples",
				      c->confidence, (unsigned long long)c->samples);
	if (c->in_min > c->in_max || c->in_min < INT16_MIN || c->in_max > INT16_MAX)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "domain %d..%d is no range of int16 values", (int)c->in_min,
				      (int)c->in_max);
	if (!(c->range >= 0) || !isfinite(c->range))
		return package_refuse(HV_E_FORMAT, why, cap, "certificate has a range of %g",
				      c->range);
	if (!(c->in_min_rms >= 0) || c->in_min_rms > 32768)
		return package_refuse(HV_E_FORMAT, why, cap, "domain has a least rms of %g",
				      c->in_min_rms);
	return HV_OK;
}

/* Tensors beyond these are impossible on the device, or streamed frames of absurd size. */
enum { STORED_MAX = 512 << 10, STREAMED_MAX = 4 << 20 };
static const uint64_t macs_max = UINT64_C(1) << 32;

static int check_size(int layer, uint64_t bytes, uint64_t max, char *why, size_t cap)
{
	if (bytes <= max)
		return HV_OK;
	if (layer < 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "network input has %llu bytes, at most %llu are possible",
				      (unsigned long long)bytes, (unsigned long long)max);
	return package_refuse(HV_E_FORMAT, why, cap,
			      "layer %d: output has %llu bytes, at most %llu are possible", layer,
			      (unsigned long long)bytes, (unsigned long long)max);
}

int package_check_net(const struct package *p, char *why, size_t cap)
{
	const struct cnn_net *net = &p->net;
	int r = cnn_net_check(net, why, cap);

	if (r < 0)
		return r == HV_E_INVAL ? HV_E_FORMAT : r;
	r = check_size(-1, (uint64_t)net->channels * net->height * net->width,
		       net->fifo ? STREAMED_MAX : STORED_MAX, why, cap);
	for (unsigned i = 0; r == HV_OK && i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];
		bool streamed = i + 1 < net->layers && net->layer[i + 1].streams;
		uint32_t chw[3];

		cnn_layer_out_shape(l, chw);
		r = check_size((int)i, (uint64_t)chw[0] * chw[1] * chw[2] * (l->out_bits / 8),
			       streamed ? STREAMED_MAX : STORED_MAX, why, cap);
	}
	if (r == HV_OK && cnn_cost_macs(net) > macs_max)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "network has %llu multiply-adds a run, at most %llu are "
				      "possible",
				      (unsigned long long)cnn_cost_macs(net),
				      (unsigned long long)macs_max);
	return r;
}

/* Approximations are linear maps of pixels. */
static int check_linear(const struct cnn_net *net, char *why, size_t cap)
{
	if (net->fifo)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "approximation takes its input through the FIFO");
	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];

		if (l->op != CNN_OP_LINEAR || l->more_sources > 0 || cnn_layer_operands(l) > 1 ||
		    l->pool != CNN_POOL_NONE || cnn_layer_stride(l) > 1)
			return package_refuse(HV_E_FORMAT, why, cap,
					      "layer %u: only linear layers of one source are "
					      "possible in an approximation",
					      i);
	}
	return HV_OK;
}

static int check_kats(const struct package *p, char *why, size_t cap)
{
	if (p->n_kats >= 1 && p->n_kats <= PACKAGE_KATS_MAX)
		return HV_OK;
	return package_refuse(HV_E_FORMAT, why, cap,
			      "package has %u known-answer vectors, not 1 to %d", p->n_kats,
			      PACKAGE_KATS_MAX);
}

static int check_energy(const struct package *p, char *why, size_t cap)
{
	if (p->record_energy_uj >= 0 && isfinite(p->record_energy_uj))
		return HV_OK;
	return package_refuse(HV_E_FORMAT, why, cap, "cost has an energy of %g uJ",
			      p->record_energy_uj);
}

static int check_network(const struct package *p, char *why, size_t cap)
{
	int r;

	if (!package_name_ok(p->name, false))
		return package_refuse(HV_E_FORMAT, why, cap,
				      "name of the package is not 1 to 31 of a-z, 0-9, _ and -");
	if (p->task[0] != '\0' || p->task_version != 0 || p->level != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "package of a network has a task or a level, which it "
				      "cannot serve");
	r = package_check_net(p, why, cap);
	if (r == HV_OK)
		r = check_energy(p, why, cap);
	return r == HV_OK ? check_kats(p, why, cap) : r;
}

/* A package must not bring its own idea of what a built-in task is. Whether a plug-in and the
 * package it comes in go together is judged by whoever opens it. */
static int check_plugin(const struct package *p, char *why, size_t cap)
{
	if (p->plugin == NULL || !task_is_builtin(p->task))
		return HV_OK;
	return package_refuse(HV_E_FORMAT, why, cap,
			      "package carries a plug-in for task %s, which is built in", p->task);
}

/* An approximation with a host program: any layers. */
static int check_hosted(const struct package *p, char *why, size_t cap)
{
	int r;

	if (p->level != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "level is %u, with a host program it is 0", p->level);
	if (p->cert.in_min != 0 || p->cert.in_max != 0 || p->cert.in_min_rms != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "certificate has a domain of its own beside the package's");
	r = package_check_net(p, why, cap);
	if (r == HV_OK)
		r = check_raw(p, why, cap);
	if (r == HV_OK)
		r = check_domain(p, why, cap);
	if (r == HV_OK)
		r = check_cert(&p->cert, why, cap);
	if (r == HV_OK)
		r = check_energy(p, why, cap);
	if (r == HV_OK)
		r = check_kats(p, why, cap);
	return r == HV_OK ? check_known(p, why, cap) : r;
}

int package_check(const struct package *p, char *why, size_t cap)
{
	int r;

	if (p->kind == PACKAGE_NETWORK)
		return check_network(p, why, cap);

	if (!package_name_ok(p->name, false) || !package_name_ok(p->task, true))
		return package_refuse(
			HV_E_FORMAT, why, cap,
			"name of package or task is not 1 to 31 of a-z, 0-9, _ and -");
	r = check_plugin(p, why, cap);
	if (r < 0)
		return r;
	if (p->host != NULL)
		return check_hosted(p, why, cap);
	if (p->steps.input == CNN_IN_BYTES)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "steps move bytes, and no host program makes them");
	if (p->level < 1 || p->level > 4)
		return package_refuse(HV_E_FORMAT, why, cap, "level is %u, not 1 to 4", p->level);
	r = package_check_net(p, why, cap);
	if (r == HV_OK)
		r = check_linear(&p->net, why, cap);
	if (r < 0)
		return r;
	if (cnn_steps_parse(p->steps_blob, p->steps_len, &(struct cnn_steps){ 0 }) < 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "table of steps (%zu bytes) is not a valid one",
				      p->steps_len);
	r = check_steps(p, why, cap);
	if (r < 0)
		return r;
	r = check_cert(&p->cert, why, cap);
	if (r < 0)
		return r;
	r = check_energy(p, why, cap);
	if (r == HV_OK)
		r = check_kats(p, why, cap);
	return r == HV_OK ? check_known(p, why, cap) : r;
}
