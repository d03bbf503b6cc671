#include "config.h"

#include "bench/peer.h"

#ifdef HAVE_DNNL
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGS = 3 };

struct conv {
	dnnl_primitive_t primitive;
	dnnl_exec_arg_t args[ARGS]; /* source, weights, result */
};

struct bench_peer {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	unsigned n;
	struct conv conv[CNN_LAYERS_MAX];
};

static dnnl_status_t describe(const struct cnn_layer *l, dnnl_convolution_desc_t *conv)
{
	uint32_t hw[2], chw[3];
	dnnl_memory_desc_t src, weights, dst;
	dnnl_dims_t from, kernel = { l->out_channels, l->in_channels, cnn_layer_kernel_h(l) }, to;
	dnnl_dims_t strides = { 1 }, pad = { l->pad_h };
	dnnl_status_t s;

	cnn_layer_pooled(l, hw);
	cnn_layer_out_shape(l, chw);
	memcpy(from, (dnnl_dims_t){ 1, l->in_channels, hw[0] }, sizeof from);
	memcpy(to, (dnnl_dims_t){ 1, chw[0], chw[1] }, sizeof to);
	s = dnnl_memory_desc_init_by_tag(&src, 3, from, dnnl_u8, dnnl_nwc);
	if (s == dnnl_success)
		s = dnnl_memory_desc_init_by_tag(&weights, 3, kernel, dnnl_s8, dnnl_format_tag_any);
	if (s == dnnl_success)
		s = dnnl_memory_desc_init_by_tag(&dst, 3, to, dnnl_u8, dnnl_nwc);
	if (s == dnnl_success)
		s = dnnl_convolution_forward_desc_init(conv, dnnl_forward_inference,
						       dnnl_convolution_direct, &src, &weights,
						       NULL, &dst, strides, pad, pad);
	return s;
}

/* Memory of the library's own, filled with what keeps the multipliers as busy as anything. */
static dnnl_status_t take_memory(struct bench_peer *p, const_dnnl_primitive_desc_t pd,
				 dnnl_query_t what, int arg, dnnl_exec_arg_t *to)
{
	const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, what, 0);
	dnnl_status_t s = dnnl_memory_create(&to->memory, md, p->engine, DNNL_MEMORY_ALLOCATE);
	void *at = NULL;

	to->arg = arg;
	if (s == dnnl_success)
		s = dnnl_memory_get_data_handle(to->memory, &at);
	if (s == dnnl_success)
		memset(at, 3, dnnl_memory_desc_get_size(md));
	return s;
}

static dnnl_status_t add_conv(struct bench_peer *p, const struct cnn_layer *l)
{
	const float scale = 0.0625f / 128;
	struct conv *c = &p->conv[p->n];
	dnnl_convolution_desc_t desc;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_status_t s = describe(l, &desc);

	p->n++;
	if (s == dnnl_success)
		s = dnnl_primitive_attr_create(&attr);
	if (s == dnnl_success)
		s = dnnl_primitive_attr_set_output_scales(attr, 1, 0, &scale);
	if (s == dnnl_success)
		s = dnnl_primitive_desc_create(&pd, &desc, attr, p->engine, NULL);
	if (s == dnnl_success)
		s = dnnl_primitive_create(&c->primitive, pd);
	if (s == dnnl_success)
		s = take_memory(p, pd, dnnl_query_src_md, DNNL_ARG_SRC, &c->args[0]);
	if (s == dnnl_success)
		s = take_memory(p, pd, dnnl_query_weights_md, DNNL_ARG_WEIGHTS, &c->args[1]);
	if (s == dnnl_success)
		s = take_memory(p, pd, dnnl_query_dst_md, DNNL_ARG_DST, &c->args[2]);
	dnnl_primitive_desc_destroy(pd);
	dnnl_primitive_attr_destroy(attr);
	return s;
}

int bench_peer_new(const struct cnn_net *net, struct bench_peer **p)
{
	struct bench_peer *made = calloc(1, sizeof *made);
	dnnl_status_t s;

	if (made == NULL)
		return HV_E_NOMEM;
	/* Refused after its first use, when it is what was asked for already. */
	(void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
	s = dnnl_get_effective_cpu_isa() == dnnl_cpu_isa_avx2 ? dnnl_success : dnnl_unimplemented;
	if (s == dnnl_success)
		s = dnnl_engine_create(&made->engine, dnnl_cpu, 0);
	if (s == dnnl_success)
		s = dnnl_stream_create(&made->stream, made->engine, dnnl_stream_default_flags);
	for (unsigned i = 0; s == dnnl_success && i < net->layers; i++)
		if (net->layer[i].op == CNN_OP_CONV1D)
			s = add_conv(made, &net->layer[i]);
	if (s != dnnl_success) {
		bench_peer_free(made);
		return HV_E_INVAL;
	}
	*p = made;
	return HV_OK;
}

void bench_peer_run(struct bench_peer *p)
{
	for (unsigned i = 0; i < p->n; i++)
		dnnl_primitive_execute(p->conv[i].primitive, p->stream, ARGS, p->conv[i].args);
	dnnl_stream_wait(p->stream);
}

void bench_peer_free(struct bench_peer *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->n; i++) {
		dnnl_primitive_destroy(p->conv[i].primitive);
		for (unsigned a = 0; a < ARGS; a++)
			dnnl_memory_destroy(p->conv[i].args[a].memory);
	}
	dnnl_stream_destroy(p->stream);
	dnnl_engine_destroy(p->engine);
	free(p);
}

void bench_peer_one_thread(char **argv)
{
	const char *threads = getenv("OMP_NUM_THREADS");

	if (threads != NULL && strcmp(threads, "1") == 0)
		return;
	if (setenv("OMP_NUM_THREADS", "1", 1) == 0)
		execv("/proc/self/exe", argv);
}

#else

int bench_peer_new(const struct cnn_net *net, struct bench_peer **p)
{
	(void)net;
	*p = NULL;
	return HV_E_NOENT;
}

void bench_peer_run(struct bench_peer *p)
{
	(void)p;
}

void bench_peer_free(struct bench_peer *p)
{
	(void)p;
}

void bench_peer_one_thread(char **argv)
{
	(void)argv;
}

#endif
