#include "accel/cost/cost.h"
#include "accel/package/check.h"
#include "nas/pack.h"
#include "nas/model.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include "config.h"
#include <string.h>

/* From a model to the parts of a package: network, steps, host program. */

static int8_t *copy(const int8_t *from, size_t n)
{
	int8_t *to = malloc(n > 0 ? n : 1);

	if (to != NULL && n > 0)
		memcpy(to, from, n);
	return to;
}

static struct cnn_layer *next_layer(struct package *p, unsigned in, unsigned out, int from)
{
	struct cnn_layer *l = &p->net.layer[p->net.layers++];

	*l = (struct cnn_layer){
		.op = CNN_OP_LINEAR,
		.from = from,
		.in_channels = (uint16_t)in,
		.height = 1,
		.width = 1,
		.out_channels = (uint16_t)out,
		.weight_bits = 8,
		.out_bits = 8,
	};
	return l;
}

static int hidden_layers(const struct nas_model *m, struct package *p)
{
	for (unsigned i = 0; i < m->hiddens; i++) {
		const struct nas_hidden *h = &m->hidden[i];
		struct cnn_layer *l = next_layer(p, h->from, h->units, (int)i - 1);

		l->shift = (int8_t)h->shift;
		l->act = h->act;
		l->weights = copy(h->weights, (size_t)h->from * h->units);
		l->bias = copy(h->bias, h->units);
		if (l->weights == NULL || l->bias == NULL)
			return HV_E_NOMEM;
	}
	return HV_OK;
}

/* Rows of all targets, first and second, as one layer. */
static int output_layer(const struct nas_model *m, unsigned part, unsigned in, int from,
			struct package *p)
{
	unsigned targets = m->plan->targets, sets = m->residual ? 2 : 1;
	struct cnn_layer *l = next_layer(p, in, targets * sets, from);
	int8_t *w = malloc((size_t)in * targets * sets);

	l->out_bits = 32;
	l->is_output = true;
	l->weights = w;
	if (w == NULL)
		return HV_E_NOMEM;
	for (unsigned s = 0; s < sets; s++)
		memcpy(w + (size_t)s * in * targets, m->rows[part + s], (size_t)in * targets);
	return HV_OK;
}

static int make_net(const struct nas_model *m, struct package *p)
{
	unsigned units = m->hiddens > 0 ? m->hidden[m->hiddens - 1].units : 0;
	int r;

	p->net.channels = (uint16_t)m->plan->channels;
	p->net.height = p->net.width = 1;
	r = hidden_layers(m, p);
	if (r == HV_OK && units > 0)
		r = output_layer(m, 0, units, (int)m->hiddens - 1, p);
	if (r == HV_OK && m->direct)
		r = output_layer(m, 2, m->plan->channels, CNN_FROM_INPUT, p);
	return r;
}

int nas_pack_steps(struct package *p)
{
	enum { CAP = 64 };
	struct cnn_steps s = { .input = CNN_IN_BYTES,
			       .finish = CNN_OUT_RAW,
			       .channels = p->net.channels,
			       .height = p->net.height,
			       .width = p->net.width };

	for (unsigned i = 0; i < p->net.layers; i++) {
		const struct cnn_layer *l = &p->net.layer[i];
		uint32_t chw[3];

		if (!l->is_output || s.sets == CNN_STEPS_SETS_MAX)
			continue;
		cnn_layer_out_shape(l, chw);
		s.raw[s.sets++] = (struct cnn_steps_raw){ .rows = (uint16_t)chw[0],
							  .bits = l->out_bits,
							  .pixels = chw[1] * chw[2] };
	}
	p->steps_blob = malloc(CAP);
	if (p->steps_blob == NULL)
		return HV_E_NOMEM;
	p->steps_len = cnn_steps_encode(&s, NULL, NULL, p->steps_blob, CAP);
	return cnn_steps_parse(p->steps_blob, p->steps_len, &p->steps) < 0 ? HV_E_INVAL : HV_OK;
}

static int op(struct hostprog *h, enum hostprog_op o, int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	return hostprog_add(h,
			    (struct hostprog_ins){ .op = o, .a = (uint16_t)a, .b = (uint16_t)b });
}

/* Target k of the words; the value's index or HV_E_*. */
static int target_value(const struct nas_model *m, struct hostprog *h, unsigned k)
{
	unsigned targets = m->plan->targets, sets = m->residual ? 2 : 1, at = 0;
	int sum = hostprog_add(h, (struct hostprog_ins){ .op = HP_CONST, .k = m->row[k].constant });

	for (unsigned part = 0; part < NAS_PARTS; part++) {
		bool there = part < 2 ? m->hiddens > 0 : m->direct;
		int word, unit;

		if (!there || part % 2 >= sets)
			continue;
		word = hostprog_add(
			h, (struct hostprog_ins){ .op = HP_WORD, .index = at * targets + k });
		unit = hostprog_add(
			h, (struct hostprog_ins){ .op = HP_CONST, .k = m->row[k].unit[part] });
		sum = op(h, HP_ADD, sum, op(h, HP_MUL, word, unit));
		at++;
	}
	return sum;
}

/* The plan's post-instructions behind the targets; fills value[] with the answers'. */
static int post_values(const struct nas_model *m, struct hostprog *h, const int *target, int *value)
{
	const struct nas_plan *p = m->plan;
	uint16_t at[NAS_VALUES_MAX];
	int r = HV_OK;

	for (unsigned i = 0; r >= 0 && i < p->posts; i++) {
		struct hostprog_ins s = p->post[i];

		if (s.op == HP_WORD) {
			at[i] = (uint16_t)target[s.index];
			continue;
		}
		s.a = i > 0 ? at[s.a] : 0;
		s.b = i > 0 ? at[s.b] : 0;
		s.c = i > 0 ? at[s.c] : 0;
		r = hostprog_add(h, s);
		at[i] = (uint16_t)r;
	}
	for (unsigned e = 0; r >= 0 && e < h->out_elements; e++)
		value[e] = p->posts > 0 ? at[p->result[e]] : target[e];
	return r < 0 ? r : HV_OK;
}

static int make_decode(const struct nas_model *m, struct hostprog *h)
{
	int target[NAS_TARGETS_MAX] = { 0 }, value[NAS_TARGETS_MAX] = { 0 };
	int r = hostprog_block_add(h, HOSTPROG_DECODE, 1, 1);

	for (unsigned k = 0; r >= 0 && k < m->plan->targets; k++)
		r = target[k] = target_value(m, h, k);
	if (r >= 0)
		r = post_values(m, h, target, value);
	for (unsigned e = 0; r >= 0 && e < h->out_elements; e++)
		r = hostprog_add(h, (struct hostprog_ins){
					    .op = HP_RESULT, .a = (uint16_t)value[e], .index = e });
	return r < 0 ? r : HV_OK;
}

struct hostprog *nas_pack_host(struct package *p, const struct harvest_task *t)
{
	struct hostprog *h = hostprog_new();

	if (h == NULL)
		return NULL;
	p->host = h;
	h->in_dtype = t->in.dtype;
	h->out_dtype = t->out.dtype;
	h->in_elements = (uint32_t)tensor_elements(&t->in);
	h->out_elements = (uint32_t)tensor_elements(&t->out);
	h->channels = p->net.channels;
	h->pixels = (uint32_t)p->net.height * p->net.width;
	h->words = cnn_steps_words(&p->steps);
	return h;
}

static int make_host(const struct nas_model *m, const struct harvest_task *t, struct package *p,
		     char *why, size_t cap)
{
	struct hostprog *h = nas_pack_host(p, t);
	int r;

	if (h == NULL)
		return HV_E_NOMEM;
	r = nas_plan_emit(m->plan, h);
	if (r == HV_OK)
		r = make_decode(m, h);
	return r == HV_OK ? hostprog_check(h, why, cap) : r;
}

uint64_t nas_pack_host_cycles(const struct package *p)
{
	if (p->host == NULL)
		return 0;
	return hostprog_cycles(p->host, HOSTPROG_ENCODE) +
	       hostprog_cycles(p->host, HOSTPROG_DECODE);
}

size_t nas_pack_weight_bytes(const struct package *p)
{
	size_t n = 0;

	for (unsigned i = 0; i < p->net.layers; i++) {
		const struct cnn_layer *l = &p->net.layer[i];

		n += (cnn_layer_weights(l) * l->weight_bits + 7) / 8 +
		     (l->bias != NULL ? l->out_channels : 0);
	}
	return n;
}

void nas_pack_finish(struct package *p, const struct harvest_task *t, const char *engine,
		     const char *text, uint64_t seed)
{
	p->task_version = t->version;
	snprintf(p->task, sizeof(p->task), "%s", t->name);
	snprintf(p->tool_version, sizeof(p->tool_version), "%s", PACKAGE_VERSION);
	snprintf(p->recipe, sizeof(p->recipe), "%.31s; %.90s", engine, text);
	p->seed = seed;
	p->fixed_cycles = CNN_STARTUP_CYCLES;
	p->record_cycles = cnn_cost_cycles(&p->net) - CNN_STARTUP_CYCLES;
	p->record_energy_uj = cnn_cost_energy_uj(cnn_cost_macs(&p->net));
}

static void price(struct nas_model *m, const struct package *p)
{
	m->cycles = p->record_cycles;
	m->host_cycles = nas_pack_host_cycles(p);
	m->words = cnn_steps_words(&p->steps);
	m->weight_bytes = nas_pack_weight_bytes(p);
}

int nas_model_package(struct nas_model *m, const struct harvest_task *task, struct package **to,
		      char *why, size_t cap)
{
	struct package *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	r = make_net(m, p);
	if (r == HV_OK)
		r = nas_pack_steps(p);
	if (r == HV_E_NOMEM)
		package_refuse(r, why, cap, "out of memory");
	if (r == HV_OK)
		r = package_check_net(p, why, cap);
	if (r == HV_OK)
		r = make_host(m, task, p, why, cap);
	if (r < 0) {
		package_free(p);
		return r == HV_E_NOMEM ? r : HV_E_INVAL;
	}
	nas_pack_finish(p, task, m->engine, m->plan->text, m->seed);
	price(m, p);
	*to = p;
	return HV_OK;
}

int nas_model_price(struct nas_model *m, const struct harvest_task *task, char *why, size_t cap)
{
	struct package *p = NULL;
	int r = nas_model_package(m, task, &p, why, cap);

	package_free(p);
	return r;
}
