#include "accel/package/check.h"
#include "proto/model.pb-c.h"
#include "util/fs/sha256.h"
#include "util/fs/wr.h"
#include "util/own.h"
#include <string.h>

/* The message's parts beside its strings; they borrow the package's memory. */
struct parts {
	Hvm__Package package;
	Hvm__Network net;
	Hvm__Certificate cert;
	Hvm__Plugin plugin;
	Hvm__Cost cost;
	Hvm__Provenance provenance;
	Hvm__Layer layer[CNN_LAYERS_MAX], *layers[CNN_LAYERS_MAX];
	int32_t more_from[CNN_LAYERS_MAX][CNN_SOURCES_MAX - 1];
	Hvm__Kat kat[PACKAGE_KATS_MAX], *kats[PACKAGE_KATS_MAX];
};

/* protobuf-c has no const; packing only reads. */
static ProtobufCBinaryData borrowed(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)(uintptr_t)data };
}

static void fill_layer(const struct cnn_layer *l, int32_t *more_from, Hvm__Layer *m)
{
	hvm__layer__init(m);
	m->op = (uint32_t)l->op;
	m->from = l->from;
	m->in_channels = l->in_channels;
	m->height = l->height;
	m->width = l->width;
	m->flatten = l->flatten;
	m->out_channels = l->out_channels;
	m->weight_bits = l->weight_bits;
	m->shift = l->shift;
	m->act = (uint32_t)l->act;
	m->out_bits = l->out_bits;
	m->is_output = l->is_output;
	m->weights = borrowed(l->weights, cnn_layer_weights(l));
	m->bias = borrowed(l->bias, l->bias != NULL ? l->out_channels : 0);
	m->operands = l->operands;
	m->eltwise = l->operands > 1 ? (uint32_t)l->eltwise : 0;
	m->combine_first = l->combine_first;
	m->pool = (uint32_t)l->pool;
	m->pool_h = l->pool_h;
	m->pool_w = l->pool_w;
	m->pool_stride = l->pool_stride;
	m->kernel_h = l->kernel_h;
	m->kernel_w = l->kernel_w;
	m->pad_h = l->pad_h;
	m->pad_w = l->pad_w;
	m->dilation = l->dilation;
	m->streams = l->streams;
	m->n_more_from = l->more_sources;
	m->more_from = more_from;
	for (unsigned i = 0; i < l->more_sources; i++)
		more_from[i] = l->more_from[i];
}

static void fill_net(const struct cnn_net *net, struct parts *q)
{
	hvm__network__init(&q->net);
	q->net.channels = net->channels;
	q->net.height = net->height;
	q->net.width = net->width;
	q->net.input_chw = net->input_chw;
	q->net.fifo = net->fifo;
	q->net.avg_round = net->avg_round;
	for (unsigned i = 0; i < net->layers; i++) {
		fill_layer(&net->layer[i], q->more_from[i], &q->layer[i]);
		q->layers[i] = &q->layer[i];
	}
	q->net.n_layers = net->layers;
	q->net.layers = q->layers;
}

static void fill_cert(struct package_cert *c, Hvm__Certificate *m)
{
	hvm__certificate__init(m);
	m->metric = (uint32_t)c->metric;
	m->certified = c->certified;
	m->median = c->median;
	m->worst = c->worst;
	m->samples = c->samples;
	m->confidence = c->confidence;
	m->method = c->method;
	m->max_abs = c->max_abs;
	m->in_min = c->in_min;
	m->in_max = c->in_max;
	m->in_min_rms = c->in_min_rms;
	m->range = c->range;
}

static void fill_kats(const struct package *p, struct parts *q)
{
	size_t in = package_in_bytes(p), out = package_out_bytes(p);

	for (unsigned i = 0; i < p->n_kats; i++) {
		hvm__kat__init(&q->kat[i]);
		q->kat[i].in = borrowed(p->kat[i].in, in);
		q->kat[i].out = borrowed(p->kat[i].out, out);
		q->kats[i] = &q->kat[i];
	}
	q->package.n_kats = p->n_kats;
	q->package.kats = q->kats;
}

/* Sets *host and *support to the blobs, owned by the caller. */
static int fill_host(struct package *p, struct parts *q, uint8_t **host, uint8_t **support)
{
	size_t len = 0;
	int r;

	if (p->host == NULL)
		return HV_OK;
	r = hostprog_encode(p->host, host, &len);
	if (r < 0)
		return r;
	q->package.host = borrowed(*host, len);
	q->package.domain = p->domain;
	q->package.n_domain = 2u * p->n_domain;
	if (p->support == NULL)
		return HV_OK;
	r = support_encode(p->support, support, &len);
	if (r == HV_OK)
		q->package.support = borrowed(*support, len);
	return r;
}

static void fill_package(struct package *p, struct parts *q)
{
	static char max78000[] = "max78000";

	hvm__package__init(&q->package);
	q->package.format = 1;
	q->package.name = p->name;
	q->package.task = p->task;
	q->package.task_version = p->task_version;
	q->package.accelerator = max78000;
	q->package.level = p->level;
	q->package.kind = (uint32_t)p->kind;
	q->package.steps = borrowed(p->steps_blob, p->steps_len);
	fill_net(&p->net, q);
	fill_cert(&p->cert, &q->cert);
	fill_kats(p, q);
	hvm__plugin__init(&q->plugin);
	q->plugin.elf = borrowed(p->plugin, p->plugin_len);
	q->package.plugin = p->plugin != NULL ? &q->plugin : NULL;
	hvm__cost__init(&q->cost);
	q->cost.fixed_cycles = p->fixed_cycles;
	q->cost.record_cycles = p->record_cycles;
	q->cost.record_energy_uj = p->record_energy_uj;
	hvm__provenance__init(&q->provenance);
	q->provenance.recipe = p->recipe;
	q->provenance.seed = p->seed;
	q->provenance.tool_version = p->tool_version;
	q->package.net = &q->net;
	q->package.cert = p->kind == PACKAGE_NETWORK ? NULL : &q->cert;
	q->package.cost = &q->cost;
	q->package.provenance = &q->provenance;
}

int package_encode(struct package *p, uint8_t **bytes, size_t *len)
{
	hv_autofree struct parts *q = calloc(1, sizeof(*q));
	hv_autofree uint8_t *host = NULL;
	hv_autofree uint8_t *support = NULL;
	struct hv_sha256 sha;
	struct hv_wr w;
	uint8_t *out;
	size_t n;
	int r;

	if (q == NULL)
		return HV_E_NOMEM;
	fill_package(p, q);
	r = fill_host(p, q, &host, &support);
	if (r < 0)
		return r;
	n = hvm__package__get_packed_size(&q->package);
	if (n > package_max_bytes(p->kind) - PACKAGE_HEAD_BYTES +
			(p->plugin != NULL ? p->plugin_len + 16 : 0))
		return HV_E_BUSY;
	out = malloc(PACKAGE_HEAD_BYTES + n);
	if (out == NULL)
		return HV_E_NOMEM;
	hvm__package__pack(&q->package, out + PACKAGE_HEAD_BYTES);
	hv_sha256_init(&sha);
	hv_sha256_add(&sha, out + PACKAGE_HEAD_BYTES, n);
	hv_sha256_end(&sha, p->hash);
	w = hv_wr_init(out, PACKAGE_HEAD_BYTES);
	hv_wr_bytes(&w, "HVM1", 4);
	hv_wr_u32(&w, (uint32_t)n);
	hv_wr_bytes(&w, p->hash, sizeof(p->hash));
	*bytes = out;
	*len = PACKAGE_HEAD_BYTES + n;
	return HV_OK;
}
