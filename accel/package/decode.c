#include "accel/package/check.h"
#include "proto/model.pb-c.h"
#include "util/fs/rd.h"
#include "util/fs/sha256.h"
#include "util/own.h"
#include <string.h>

enum { FORMAT = 1 };

/* What protobuf-c may take while it unpacks: the message twice and a little. A message of
 * many empty sub-messages, which would grow a hundredfold, runs into the end. */
struct arena {
	uint8_t *base;
	size_t size, used;
};

static void *arena_alloc(void *ctx, size_t n)
{
	struct arena *a = ctx;
	size_t at = (a->used + 15) & ~(size_t)15;

	if (at > a->size || n > a->size - at)
		return NULL;
	a->used = at + n;
	return a->base + at;
}

static void arena_release(void *ctx, void *p)
{
	(void)ctx, (void)p; /* all of it goes at once */
}

static int copy_bytes(const ProtobufCBinaryData *from, uint8_t **to)
{
	*to = malloc(from->len > 0 ? from->len : 1);
	if (*to == NULL)
		return HV_E_NOMEM;
	if (from->len > 0)
		memcpy(*to, from->data, from->len);
	return HV_OK;
}

static int copy_text(const char *field, const char *from, char *to, size_t size, char *why,
		     size_t cap)
{
	size_t n = strlen(from);

	if (n >= size)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "%s is %zu characters long, at most %zu are allowed", field,
				      n, size - 1);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)from[i] < 0x20 || (unsigned char)from[i] > 0x7e)
			return package_refuse(HV_E_FORMAT, why, cap,
					      "%s has a character that cannot be printed", field);
	memcpy(to, from, n + 1);
	return HV_OK;
}

static int small(unsigned i, const char *field, uint32_t value, uint32_t max, char *why, size_t cap)
{
	if (value <= max)
		return HV_OK;
	return package_refuse(HV_E_FORMAT, why, cap, "layer %u: %s is %u, at most %u is possible",
			      i, field, value, max);
}

/* Values fit the fields of struct cnn_layer; cnn_net_check() judges them. */
static int layer_fits(const Hvm__Layer *m, unsigned i, char *why, size_t cap)
{
	const struct {
		const char *field;
		uint32_t value, max;
	} rows[] = {
		{ "op", m->op, CNN_OP_PASS },
		{ "input channels", m->in_channels, CNN_CHANNELS_MAX },
		{ "height", m->height, CNN_ROWS_MAX },
		{ "width", m->width, CNN_ROWS_MAX },
		{ "output channels", m->out_channels, CNN_CHANNELS_MAX },
		{ "weight bits", m->weight_bits, 8 },
		{ "activation", m->act, CNN_ACT_ABS },
		{ "output bits", m->out_bits, 32 },
		{ "number of further sources", (uint32_t)m->n_more_from, CNN_SOURCES_MAX - 1 },
		{ "operands", m->operands, CNN_OPERANDS_MAX },
		{ "eltwise", m->eltwise, CNN_ELT_XOR },
		{ "pool", m->pool, CNN_POOL_AVG },
		{ "pool height", m->pool_h, 16 },
		{ "pool width", m->pool_w, 16 },
		{ "pool stride", m->pool_stride, 16 },
		{ "kernel height", m->kernel_h, 9 },
		{ "kernel width", m->kernel_w, 9 },
		{ "pad height", m->pad_h, 2 },
		{ "pad width", m->pad_w, 2 },
		{ "dilation", m->dilation, CNN_ROWS_MAX },
	};

	for (size_t k = 0; k < HV_ARRAY_SIZE(rows); k++) {
		int r = small(i, rows[k].field, rows[k].value, rows[k].max, why, cap);

		if (r < 0)
			return r;
	}
	if (m->shift < -15 || m->shift > 15)
		return package_refuse(HV_E_FORMAT, why, cap, "layer %u: shift is %d, not -15 to 15",
				      i, (int)m->shift);
	for (size_t k = 0; k <= m->n_more_from; k++) {
		int32_t from = k == 0 ? m->from : m->more_from[k - 1];

		if (from < CNN_FROM_INPUT || from >= (int32_t)i)
			return package_refuse(
				HV_E_FORMAT, why, cap,
				"layer %u: reads layer %d, which does not come before it", i,
				(int)from);
	}
	return HV_OK;
}

static int take_weights(const Hvm__Layer *m, unsigned i, struct cnn_layer *l, char *why, size_t cap)
{
	uint8_t *copy;
	int r;

	if (m->weights.len != cnn_layer_weights(l))
		return package_refuse(HV_E_FORMAT, why, cap,
				      "layer %u: has %zu weights, its shape wants %zu", i,
				      m->weights.len, cnn_layer_weights(l));
	if (m->bias.len != 0 && m->bias.len != l->out_channels)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "layer %u: has %zu bias values for %u channels", i,
				      m->bias.len, l->out_channels);
	if (l->op == CNN_OP_PASS && m->bias.len != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "layer %u: has a bias, but only passes through", i);
	if (l->op == CNN_OP_PASS)
		return HV_OK;
	r = copy_bytes(&m->weights, &copy);
	if (r < 0)
		return r;
	l->weights = (const int8_t *)copy;
	if (m->bias.len == 0)
		return HV_OK;
	r = copy_bytes(&m->bias, &copy);
	if (r == HV_OK)
		l->bias = (const int8_t *)copy;
	return r;
}

static int take_layer(const Hvm__Layer *m, unsigned i, struct cnn_layer *l, char *why, size_t cap)
{
	int r = layer_fits(m, i, why, cap);

	if (r < 0)
		return r;
	*l = (struct cnn_layer){
		.op = (enum cnn_op)m->op,
		.from = m->from,
		.in_channels = (uint16_t)m->in_channels,
		.height = (uint16_t)m->height,
		.width = (uint16_t)m->width,
		.flatten = m->flatten != 0,
		.out_channels = (uint16_t)m->out_channels,
		.weight_bits = (uint8_t)m->weight_bits,
		.shift = (int8_t)m->shift,
		.act = (enum cnn_act)m->act,
		.out_bits = (uint8_t)m->out_bits,
		.is_output = m->is_output != 0,
		.more_sources = (uint8_t)m->n_more_from,
		.operands = (uint8_t)m->operands,
		.eltwise = (enum cnn_eltwise)m->eltwise,
		.combine_first = m->combine_first != 0,
		.pool = (enum cnn_pool)m->pool,
		.pool_h = (uint8_t)m->pool_h,
		.pool_w = (uint8_t)m->pool_w,
		.pool_stride = (uint8_t)m->pool_stride,
		.kernel_h = (uint8_t)m->kernel_h,
		.kernel_w = (uint8_t)m->kernel_w,
		.pad_h = (uint8_t)m->pad_h,
		.pad_w = (uint8_t)m->pad_w,
		.dilation = (uint16_t)m->dilation,
		.streams = m->streams != 0,
	};
	for (size_t k = 0; k < m->n_more_from; k++)
		l->more_from[k] = (int8_t)m->more_from[k];
	return take_weights(m, i, l, why, cap);
}

static int take_net(const Hvm__Network *m, struct package *p, char *why, size_t cap)
{
	if (m == NULL || m->n_layers < 1 || m->n_layers > CNN_LAYERS_MAX)
		return package_refuse(HV_E_FORMAT, why, cap, "network has %zu layers, not 1 to %d",
				      m ? m->n_layers : 0, CNN_LAYERS_MAX);
	if (m->channels > CNN_CHANNELS_MAX || m->height > CNN_ROWS_MAX || m->width > CNN_ROWS_MAX)
		return package_refuse(
			HV_E_FORMAT, why, cap,
			"network input of %u channels, %u by %u, is beyond %d, %d by %d",
			m->channels, m->height, m->width, CNN_CHANNELS_MAX, CNN_ROWS_MAX,
			CNN_ROWS_MAX);
	p->net.channels = (uint16_t)m->channels;
	p->net.height = (uint16_t)m->height;
	p->net.width = (uint16_t)m->width;
	p->net.input_chw = m->input_chw != 0;
	p->net.fifo = m->fifo != 0;
	p->net.avg_round = m->avg_round != 0;
	for (size_t i = 0; i < m->n_layers; i++) {
		int r;

		p->net.layers = (unsigned)i + 1; /* package_free() frees what there is */
		r = take_layer(m->layers[i], (unsigned)i, &p->net.layer[i], why, cap);
		if (r < 0)
			return r;
	}
	return HV_OK;
}

static int take_steps(const ProtobufCBinaryData *m, struct package *p, char *why, size_t cap)
{
	int r = copy_bytes(m, &p->steps_blob);

	if (r < 0)
		return r;
	p->steps_len = m->len;
	if (cnn_steps_parse(p->steps_blob, p->steps_len, &p->steps) < 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "table of steps (%zu bytes) is not a valid one",
				      p->steps_len);
	return HV_OK;
}

static int take_host(const Hvm__Package *m, struct package *p, char *why, size_t cap)
{
	int r;

	if (m->host.len == 0 && m->n_domain == 0 && m->support.len == 0)
		return HV_OK;
	r = hostprog_parse(m->host.data, m->host.len, &p->host, why, cap);
	if (r < 0)
		return r == HV_E_NOMEM ? package_refuse(r, why, cap, "out of memory") : r;
	if (m->n_domain % 2 != 0 || m->n_domain > 2u * HOSTPROG_ELEMENTS_MAX)
		return package_refuse(HV_E_FORMAT, why, cap, "domain has %zu numbers, no pairs",
				      m->n_domain);
	p->n_domain = (uint32_t)(m->n_domain / 2);
	p->domain = malloc((m->n_domain + 1) * sizeof(*p->domain));
	if (p->domain == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	if (m->n_domain > 0)
		memcpy(p->domain, m->domain, m->n_domain * sizeof(*p->domain));
	if (m->support.len == 0)
		return HV_OK;
	return support_parse(m->support.data, m->support.len, p->host->in_dtype,
			     p->host->in_elements, &p->support, why, cap);
}

static int take_plugin(const Hvm__Plugin *m, struct package *p, char *why, size_t cap)
{
	if (m == NULL)
		return HV_OK;
	return package_set_plugin(p, m->elf.data, m->elf.len, why, cap);
}

static int take_cert(const Hvm__Certificate *m, struct package_cert *c, char *why, size_t cap)
{
	if (m == NULL)
		return package_refuse(HV_E_FORMAT, why, cap, "package has no certificate");
	*c = (struct package_cert){
		.metric = (enum harvest_metric)(m->metric <= 255 ? m->metric : 0),
		.certified = m->certified,
		.median = m->median,
		.worst = m->worst,
		.samples = m->samples,
		.confidence = m->confidence,
		.max_abs = m->max_abs,
		.in_min = m->in_min,
		.in_max = m->in_max,
		.in_min_rms = m->in_min_rms,
		.range = m->range,
	};
	return copy_text("certificate method", m->method, c->method, sizeof(c->method), why, cap);
}

static int take_kats(const Hvm__Package *m, struct package *p, char *why, size_t cap)
{
	size_t in = package_in_bytes(p), out = package_out_bytes(p);

	if (m->n_kats < 1 || m->n_kats > PACKAGE_KATS_MAX)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "package has %zu known-answer vectors, not 1 to %d",
				      m->n_kats, PACKAGE_KATS_MAX);
	for (size_t i = 0; i < m->n_kats; i++) {
		const Hvm__Kat *k = m->kats[i];
		int r;

		if (k->in.len != in || k->out.len != out)
			return package_refuse(
				HV_E_FORMAT, why, cap,
				"known-answer vector %zu has %zu bytes in and %zu out, "
				"a record has %zu and %zu",
				i, k->in.len, k->out.len, in, out);
		p->n_kats = (unsigned)i + 1;
		r = copy_bytes(&k->in, &p->kat[i].in);
		if (r == HV_OK)
			r = copy_bytes(&k->out, &p->kat[i].out);
		if (r < 0)
			return r;
	}
	return HV_OK;
}

static int take_origin(const Hvm__Package *m, struct package *p, char *why, size_t cap)
{
	const Hvm__Provenance *o = m->provenance;
	int r;

	if (m->cost != NULL) {
		p->fixed_cycles = m->cost->fixed_cycles;
		p->record_cycles = m->cost->record_cycles;
		p->record_energy_uj = m->cost->record_energy_uj;
	}
	if (o == NULL)
		return HV_OK;
	p->seed = o->seed;
	r = copy_text("recipe", o->recipe, p->recipe, sizeof(p->recipe), why, cap);
	if (r < 0)
		return r;
	return copy_text("tool version", o->tool_version, p->tool_version, sizeof(p->tool_version),
			 why, cap);
}

/* What a network alone may not have. Its sizes are checked before they are relied on. */
static int take_nothing(const Hvm__Package *m, const struct package *p, char *why, size_t cap)
{
	if (m->cert != NULL || m->steps.len > 0 || m->host.len > 0 || m->n_domain > 0 ||
	    m->support.len > 0 || m->plugin != NULL)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "package of a network has a %s, which goes with a task",
				      m->cert != NULL     ? "certificate"
				      : m->steps.len > 0  ? "table of steps"
				      : m->plugin != NULL ? "plug-in"
							  : "host program or a domain");
	return package_check_net(p, why, cap);
}

static int take_package(const Hvm__Package *m, struct package *p, char *why, size_t cap)
{
	int r;

	if (m->format != FORMAT)
		return package_refuse(HV_E_VERSION, why, cap,
				      "package has format %u, this program reads format %d",
				      m->format, FORMAT);
	if (strcmp(m->accelerator, "max78000") != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "package is for another accelerator than max78000");
	if (m->kind > PACKAGE_NETWORK)
		return package_refuse(HV_E_VERSION, why, cap,
				      "package is of kind %u, made by a newer tool", m->kind);
	p->kind = (enum package_kind)m->kind;
	p->level = (uint8_t)(m->level <= 255 ? m->level : 0);
	p->task_version = m->task_version;
	r = copy_text("name", m->name, p->name, sizeof(p->name), why, cap);
	if (r == HV_OK)
		r = copy_text("task", m->task, p->task, sizeof(p->task), why, cap);
	if (r == HV_OK)
		r = take_net(m->net, p, why, cap);
	if (r == HV_OK && p->kind == PACKAGE_NETWORK)
		r = take_nothing(m, p, why, cap);
	if (r == HV_OK && p->kind == PACKAGE_APPROXIMATION)
		r = take_steps(&m->steps, p, why, cap);
	if (r == HV_OK && p->kind == PACKAGE_APPROXIMATION)
		r = take_host(m, p, why, cap);
	if (r == HV_OK && p->kind == PACKAGE_APPROXIMATION)
		r = take_cert(m->cert, &p->cert, why, cap);
	if (r == HV_OK)
		r = take_plugin(m->plugin, p, why, cap);
	if (r == HV_OK)
		r = take_kats(m, p, why, cap);
	if (r == HV_OK)
		r = take_origin(m, p, why, cap);
	return r == HV_OK ? package_check(p, why, cap) : r;
}

/* Magic, length and hash; on success *message is what follows them. */
static int open_envelope(const uint8_t *bytes, size_t len, const uint8_t **message, size_t *n,
			 uint8_t hash[HV_SHA256_BYTES], char *why, size_t cap)
{
	struct hv_rd r = hv_rd_init(bytes, len);
	const uint8_t *magic = hv_rd_bytes(&r, 4), *stored;
	uint32_t told = hv_rd_u32(&r);
	struct hv_sha256 sha;

	stored = hv_rd_bytes(&r, HV_SHA256_BYTES);
	if (stored == NULL || memcmp(magic, "HVM", 3) != 0)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "not a package: does not begin with HVM1");
	if (magic[3] != '1')
		return package_refuse(
			HV_E_VERSION, why, cap,
			"package has an envelope other than HVM1, made by a newer tool");
	if (len > PACKAGE_NETWORK_MAX_BYTES)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "package has %zu bytes, at most %d are allowed", len,
				      PACKAGE_NETWORK_MAX_BYTES);
	*n = hv_rd_left(&r);
	*message = hv_rd_bytes(&r, *n);
	if (told != *n)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "package announces %u bytes at offset 4 and has %zu", told,
				      *n);
	hv_sha256_init(&sha);
	hv_sha256_add(&sha, *message, *n);
	hv_sha256_end(&sha, hash);
	if (memcmp(hash, stored, HV_SHA256_BYTES) != 0)
		return package_refuse(
			HV_E_FORMAT, why, cap,
			"package is damaged: its content has another hash than offset 8 "
			"says");
	return HV_OK;
}

static int unpack(const uint8_t *message, size_t n, struct arena *a, struct package *p, char *why,
		  size_t cap)
{
	ProtobufCAllocator allocator = { arena_alloc, arena_release, a };
	const Hvm__Package *m = hvm__package__unpack(&allocator, n, message);
	size_t code;

	if (m == NULL)
		return package_refuse(
			HV_E_FORMAT, why, cap,
			"package content is no Package message, or has too many parts");
	if (m->plugin != NULL && m->plugin->elf.len > PACKAGE_PLUGIN_MAX_BYTES)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "plug-in has %zu bytes, at most %d are allowed",
				      m->plugin->elf.len, PACKAGE_PLUGIN_MAX_BYTES);
	code = m->plugin != NULL ? m->plugin->elf.len + 16 : 0; /* with keys and lengths */
	if (m->kind == PACKAGE_APPROXIMATION && n > PACKAGE_MAX_BYTES - PACKAGE_HEAD_BYTES + code)
		return package_refuse(HV_E_FORMAT, why, cap,
				      "package has %zu bytes, at most %d are allowed",
				      n + PACKAGE_HEAD_BYTES - code, PACKAGE_MAX_BYTES);
	return take_package(m, p, why, cap);
}

int package_decode(const uint8_t *bytes, size_t len, struct package **p, char *why, size_t cap)
{
	const uint8_t *message = NULL;
	struct package *t;
	size_t n = 0;
	struct arena a = { 0 };
	uint8_t hash[HV_SHA256_BYTES];
	int r;

	r = open_envelope(bytes, len, &message, &n, hash, why, cap);
	if (r < 0)
		return r;
	a.size = 2 * n + 65536;
	a.base = malloc(a.size);
	t = calloc(1, sizeof(*t));
	if (a.base == NULL || t == NULL) {
		r = package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	} else {
		memcpy(t->hash, hash, sizeof(t->hash));
		r = unpack(message, n, &a, t, why, cap);
	}
	free(a.base);
	if (r < 0) {
		package_free(t);
		return r;
	}
	*p = t;
	return HV_OK;
}
